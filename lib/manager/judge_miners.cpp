// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <string>

#include "lib/manager/findings.h"

namespace damocles::manager {

void JudgeMiners(const Facts& facts, const CheckLimits& limits, Findings& out) {
  for (const MinerFacts& miner : facts.miners) {
    const std::string subject = MinerName(miner.miner);
    if (absl::IsNotFound(miner.proof_type.status())) {
      out.Add(true, "miner_unknown", subject, "there is no such miner on this chain",
              MessageOf(miner.proof_type.status()),
              "correct Actor under [[Miners]], or the node under [Common.API]");
    } else if (!miner.proof_type.ok()) {
      out.NotChecked("miner_not_checked", subject, "it could not be looked up on the chain",
                     miner.proof_type.status());
    } else {
      JudgeSenders(facts, miner, limits, out);
      JudgeSectors(facts, miner, limits, out);
    }
  }
}

}  // namespace damocles::manager
