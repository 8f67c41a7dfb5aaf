// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What must hold in every life of the soak, besides World::Problems.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "tests/scenario/soak_draw.h"

#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/token_amount.h"
#include "damocles/simulation/world.h"

namespace damocles::simulation {

class SoakJudge {
 public:
  // At any time in between, ends included.
  using WasBad = std::function<bool(filecoin::SectorNumber, filecoin::ChainEpoch from,
                                    filecoin::ChainEpoch to)>;
  SoakJudge(World& world, const Cluster& cluster, WasBad was_bad);

  // At each block.
  void AfterBlock(filecoin::ChainEpoch head);
  // What did not hold, a line each.
  std::string AtTheEnd();

 private:
  void Say(const std::string& line) { problems_ += line + "\n"; }
  void JudgeDeclarations(filecoin::ChainEpoch before, filecoin::ChainEpoch head);
  void JudgeTimes();
  void NoteFees();
  std::uint64_t FaultyBefore(const devnet::DeadlineOutcome& outcome);
  void JudgeFees();
  void JudgeBounds();

  World& world_;
  const Cluster& cluster_;
  const WasBad was_bad_;
  const filecoin::PeriodShape shape_;
  const std::int64_t window_;
  const filecoin::ChainEpoch first_;
  filecoin::ChainEpoch head_{};
  std::size_t jobs_ = 0;  // the most there were
  std::map<filecoin::ActorId, std::map<filecoin::ChainEpoch, filecoin::TokenAmount>> paid_at_;
  std::string problems_;
};

}  // namespace damocles::simulation
