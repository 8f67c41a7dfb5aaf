// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/manager/judge.h"

#include <algorithm>
#include <utility>

#include "lib/manager/findings.h"

namespace damocles::manager {
namespace {

// In the order of a report.
constexpr struct {
  JudgeGroup* judge;
  bool of_poster;  // only where windows are looked after
} kGroups[] = {
    {JudgeNodes, true},         {JudgeMiners, true}, {JudgeParameters, true}, {JudgeStores, false},
    {JudgeWorkerClocks, false}, {JudgeDisks, false}, {JudgeSecrets, false},
};

// Whether nothing was learnt of what the finding is about: "miner f01000" stands for its senders
// and deadlines too.
bool IsOpen(const rpc::Finding& finding, const rpc::CheckReport& now) {
  return std::any_of(now.not_learnt.begin(), now.not_learnt.end(), [&](const std::string& subject) {
    return finding.subject == subject || finding.subject.starts_with(subject + " ");
  });
}

}  // namespace

std::optional<std::string> LacksStore(const worker::Capabilities& worker,
                                      const std::set<std::string>& stores) {
  for (const std::string& store : stores) {
    if (std::find(worker.stores.begin(), worker.stores.end(), store) == worker.stores.end()) {
      return store;
    }
  }
  return std::nullopt;
}

rpc::CheckReport Judge(const Facts& facts, const CheckLimits& limits) {
  Findings out(facts);
  for (const auto& [judge, of_poster] : kGroups) {
    if (facts.poster || !of_poster) judge(facts, limits, out);
  }
  return std::move(out).Report();
}

CheckNews NewsOf(const std::vector<rpc::Finding>& standing, const rpc::CheckReport& now) {
  const auto find = [](const std::vector<rpc::Finding>& in, const rpc::Finding& what) {
    return std::find_if(in.begin(), in.end(), [&](const rpc::Finding& one) {
      return one.kind == what.kind && one.subject == what.subject;
    });
  };
  CheckNews news;
  news.standing = now.findings;
  for (const rpc::Finding& finding : now.findings) {
    const auto known = find(standing, finding);
    if (known == standing.end() || known->what != finding.what ||
        known->costs_window != finding.costs_window) {
      news.appeared.push_back(finding);
    }
  }
  for (const rpc::Finding& finding : standing) {
    if (find(now.findings, finding) != now.findings.end()) continue;
    (IsOpen(finding, now) ? news.standing : news.mended).push_back(finding);
  }
  return news;
}

}  // namespace damocles::manager
