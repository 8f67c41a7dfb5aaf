// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the self check writes its report with, and who judges what.

#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"

#include "damocles/manager/facts.h"
#include "damocles/manager/judge.h"
#include "damocles/rpc/types.h"

namespace damocles::manager {

class Findings {
 public:
  explicit Findings(const Facts& facts)
      : answering_(std::any_of(facts.nodes.begin(), facts.nodes.end(),
                               [](const NodeFacts& node) { return node.answers.ok(); })) {
    report_.at = facts.now;
  }

  void Add(bool costs, std::string kind, std::string subject, std::string what, std::string detail,
           std::string remedy) {
    report_.findings.push_back({.kind = std::move(kind),
                                .costs_window = costs,
                                .subject = std::move(subject),
                                .what = std::move(what),
                                .detail = std::move(detail),
                                .remedy = std::move(remedy)});
  }
  void Warn(std::string kind, std::string subject, std::string what, std::string detail,
            std::string remedy) {
    Add(false, std::move(kind), std::move(subject), std::move(what), std::move(detail),
        std::move(remedy));
  }
  void NotLearnt(const std::string& subject) { report_.not_learnt.push_back(subject); }
  void Fine(std::string text) { report_.in_order.push_back(std::move(text)); }
  // What a node did not tell.  Nobody can learn anything while none answers, and that is said
  // already.
  void NotChecked(const char* kind, const std::string& subject, const char* what,
                  const absl::Status& why) {
    NotLearnt(subject);
    if (!answering_) return;
    Warn(kind, subject, what, std::string(why.message()), "look into the log of the node");
  }

  std::size_t Count() const { return report_.findings.size(); }
  // Those that cost a window first.
  rpc::CheckReport Report() && {
    std::stable_sort(report_.findings.begin(), report_.findings.end(),
                     [](const auto& a, const auto& b) { return a.costs_window > b.costs_window; });
    return std::move(report_);
  }

 private:
  bool answering_;  // at least one node
  rpc::CheckReport report_;
};

// A group of findings: of nodes, of miners (senders, deadlines, workers), of this machine.
using JudgeGroup = void(const Facts& facts, const CheckLimits& limits, Findings& out);
JudgeGroup JudgeNodes;
JudgeGroup JudgeMiners;
JudgeGroup JudgeParameters;
JudgeGroup JudgeStores;
JudgeGroup JudgeWorkerClocks;
JudgeGroup JudgeDisks;
JudgeGroup JudgeSecrets;

// Of one miner that the chain knows.
void JudgeSenders(const Facts& facts, const MinerFacts& miner, const CheckLimits& limits,
                  Findings& out);
void JudgeSectors(const Facts& facts, const MinerFacts& miner, const CheckLimits& limits,
                  Findings& out);

// ------------------------------------------------------------ what several of them say alike
inline std::string MessageOf(const absl::Status& status) {
  return std::string(status.message());
}
inline bool IsRefused(const absl::Status& status) {
  return absl::IsPermissionDenied(status) || absl::IsUnauthenticated(status);
}
inline std::string MinerName(filecoin::ActorId miner) {
  return absl::StrFormat("miner f0%d", miner);
}
// The first of `stores` that the worker has not got.
std::optional<std::string> LacksStore(const worker::Capabilities& worker,
                                      const std::set<std::string>& stores);

}  // namespace damocles::manager
