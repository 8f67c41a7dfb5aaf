// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "lib/manager/findings.h"

namespace damocles::manager {
namespace {

constexpr std::size_t kReasonsMax = 5;

std::string Sectors(std::uint64_t count) {
  return count == 1 ? "1 sector" : absl::StrFormat("%d sectors", count);
}

bool Passes(const worker::Capabilities& worker, filecoin::ActorId miner,
            filecoin::PoStProofType type) {
  const auto has = [](const auto& list, const auto& value) {
    return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
  };
  return worker.threads.empty() ||
         std::any_of(worker.threads.begin(), worker.threads.end(), [&](const job::JobFilter& one) {
           return has(one.miners, miner) && has(one.proof_types, type);
         });
}
class SectorJudge {
 public:
  SectorJudge(const Facts& facts, const CheckLimits& limits, Findings& out)
      : facts_(facts), limits_(limits), out_(out) {}

  void Deadlines(const MinerFacts& miner) {
    const std::string subject = MinerName(miner.miner);
    if (!miner.deadlines.ok()) {
      out_.NotChecked("deadlines_not_checked", subject, "its deadlines could not be looked at",
                      miner.deadlines.status());
      return;
    }
    std::uint64_t live = 0;
    std::uint64_t missing = 0;
    for (const DeadlineFacts& deadline : *miner.deadlines) {
      live += deadline.live;
      missing += deadline.missing_count;
    }
    const std::string attach = "util storage attach the store that has them";
    if (live > 0 && missing == live) {
      out_.Add(true, "index_empty", subject,
               absl::StrFormat("none of its %s on chain is in the index", Sectors(live)), "",
               attach);
    } else if (missing > 0) {
      MissingSectors(miner, subject, attach);
    } else {
      out_.Fine(absl::StrFormat("%s: its %s on chain are in the index", subject, Sectors(live)));
    }
    if (miner.deadlines->size() < miner.deadlines_total) {
      out_.NotLearnt(subject);
      out_.Warn("deadlines_not_checked", subject,
                "not all of its deadlines could be looked at in time",
                absl::StrFormat("%d of %d", miner.deadlines->size(), miner.deadlines_total),
                "the node is slow: look into its log");
    }
  }

  void Workers(const MinerFacts& miner) {
    if (!facts_.workers.ok()) return;  // they have had no time to connect
    const std::string subject = MinerName(miner.miner);
    const filecoin::PoStProofType type = *miner.proof_type;
    std::vector<DeadlineFacts> deadlines;
    if (miner.deadlines.ok()) {
      for (const DeadlineFacts& deadline : *miner.deadlines) {
        if (deadline.live > 0) deadlines.push_back(deadline);
      }
      if (deadlines.empty()) return;  // nothing to prove
    } else {
      deadlines.emplace_back();
    }
    std::vector<std::uint64_t> nobody;
    std::vector<std::string> reasons;
    for (const DeadlineFacts& deadline : deadlines) {
      std::vector<std::string> why;
      const bool somebody =
          std::any_of(facts_.workers->begin(), facts_.workers->end(), [&](const auto& worker) {
            const std::string lacks = WhyNot(worker, miner.miner, type, deadline.stores);
            if (!lacks.empty() && why.size() < kReasonsMax) {
              why.push_back(absl::StrFormat("%s %s", worker.capabilities.name, lacks));
            }
            return lacks.empty();
          });
      if (somebody) continue;
      if (nobody.empty()) reasons = std::move(why);
      nobody.push_back(deadline.index);
    }
    const std::string size = filecoin::ToString(filecoin::SectorSizeOf(type));
    if (nobody.empty()) {
      out_.Fine(absl::StrFormat("%s: a connected worker can prove each of its deadlines", subject));
      return;
    }
    out_.Add(
        true, "no_worker", subject,
        nobody.size() == deadlines.size()
            ? absl::StrFormat("no connected worker can prove its sectors of %s", size)
            : absl::StrFormat("no connected worker can prove its sectors of %s of deadlines %s",
                              size, absl::StrJoin(nobody, ", ")),
        reasons.empty() ? "no worker has connected" : absl::StrJoin(reasons, "; "),
        "start a worker with the parameters of that size and the stores attached (util worker "
        "list)");
  }

 private:
  void MissingSectors(const MinerFacts& miner, const std::string& subject,
                      const std::string& attach) {
    std::uint64_t others = 0;
    std::uint64_t others_faulty = 0;
    std::vector<std::uint64_t> other_deadlines;
    std::size_t at = 0;
    for (const DeadlineFacts& deadline : *miner.deadlines) {
      const bool next = at++ < limits_.next_deadlines;
      if (deadline.missing_count == 0) continue;
      if (!next) {
        others += deadline.missing_count;
        others_faulty += deadline.missing_faulty;
        other_deadlines.push_back(deadline.index);
        continue;
      }
      out_.Add(deadline.missing_count > deadline.missing_faulty, "sectors_not_indexed",
               absl::StrFormat("%s deadline %d", subject, deadline.index),
               absl::StrFormat("%d of %s on chain are not in the index", deadline.missing_count,
                               Sectors(deadline.live)),
               absl::StrFormat("sectors %s%s", absl::StrJoin(deadline.missing, ", "),
                               deadline.missing_count > deadline.missing.size() ? ", ..." : ""),
               attach);
    }
    if (others == 0) return;
    out_.Add(others > others_faulty, "sectors_not_indexed", subject + " later deadlines",
             absl::StrFormat("%s of %d deadlines are not in the index", Sectors(others),
                             other_deadlines.size()),
             absl::StrFormat("deadlines %s", absl::StrJoin(other_deadlines, ", ")), attach);
  }

  static std::string WhyNot(const worker::Hub::WorkerInfo& worker, filecoin::ActorId miner,
                            filecoin::PoStProofType type, const std::set<std::string>& stores) {
    if (!worker.connected) return "is not connected";
    if (!worker.capabilities.verifying_keys.contains(type)) {
      return "has no parameters for them";
    }
    if (!Passes(worker.capabilities, miner, type)) return "does not take them by its configuration";
    if (const auto store = LacksStore(worker.capabilities, stores)) {
      return absl::StrFormat("has not got store \"%s\"", *store);
    }
    return "";
  }

  const Facts& facts_;
  const CheckLimits& limits_;
  Findings& out_;
};

}  // namespace

void JudgeSectors(const Facts& facts, const MinerFacts& miner, const CheckLimits& limits,
                  Findings& out) {
  SectorJudge judge(facts, limits, out);
  judge.Deadlines(miner);
  if (!facts.proves_itself) judge.Workers(miner);
}

}  // namespace damocles::manager
