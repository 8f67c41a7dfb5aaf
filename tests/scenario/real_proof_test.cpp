// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// One whole proving period with real sectors, real proofs and a chain that verifies each.

#include <memory>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/log.h"
#include "damocles/practice/practice_sector.h"
#include "damocles/prover/local_proving.h"
#include "damocles/simulation/world.h"
#include "damocles/storage/sector_paths.h"

namespace damocles::simulation {
namespace {

constexpr auto kType = filecoin::PoStProofType::kWindow2KiBV1_1;

class RealProver final : public Prover {
 public:
  RealProver(const std::string& params, std::string store)
      : proving_(params, 2), store_(std::move(store)) {}

  absl::StatusOr<Proved> Prove(const job::JobSpec& spec) override {
    prover::WindowPostTask task{.proof_type = spec.proof_type,
                                .miner = spec.miner,
                                .randomness = spec.randomness,
                                .sectors = {}};
    for (const job::JobSector& sector : spec.sectors) {
      const filecoin::SectorId id{.miner = spec.miner, .number = sector.number};
      task.sectors.push_back(
          {.number = sector.number,
           .comm_r = sector.comm_r,
           .sealed_path = storage::ReplicaPath(store_, id, storage::Variant::kSealed),
           .cache_dir = storage::CachePath(store_, id, storage::Variant::kSealed)});
    }
    auto outcome = proving_.Prover()->Prove(task, {});
    if (!outcome.ok()) return outcome.status();
    ++proofs;
    Proved proved{.proof = outcome->proof, .faults = {}};
    for (const auto& fault : outcome->faults) {
      proved.faults.push_back({.number = fault.number, .reason = fault.reason});
    }
    return proved;
  }

  absl::StatusOr<bool> Verify(const devnet::PostStatement& statement, ByteSpan proof) override {
    prover::WindowPostStatement claim{.proof_type = statement.proof_type,
                                      .miner = statement.miner,
                                      .randomness = statement.randomness,
                                      .sectors = {}};
    for (const auto& sector : statement.sectors) {
      claim.sectors.push_back({.number = sector.number, .comm_r = sector.comm_r});
    }
    const auto valid = proving_.Verifier()->Verify(claim, proof);
    if (valid.ok() && *valid) ++verified;
    return valid;
  }

  absl::Duration Takes(const job::JobSpec& /*spec*/) const override { return absl::Seconds(30); }

  int proofs = 0;
  int verified = 0;

 private:
  prover::LocalProving proving_;
  const std::string store_;
};

TEST(RealProofScenarioTest, OnePeriodMissesNothing) {
  SetLogSink([](Severity, std::string_view) {});
  const testing_support::TempDir folder;
  ThreadPool pool(2);
  ASSERT_OK_AND_ASSIGN(const auto claim, prover::ClaimOf(kType, Bytes32{}));
  ASSERT_OK(params::MakeParameterFiles(folder.Path(), claim.circuit, std::nullopt, SystemRandom(),
                                       pool, false));
  WorldOptions options;
  options.config = SmallConfig();
  std::vector<std::uint64_t> all;
  for (std::uint64_t deadline = 0; deadline < 12; ++deadline) all.push_back(deadline);
  options.miners = {MinerWith(1000, all, 1)};
  options.worker_deaths = 5;
  options.manager_deaths = 5;
  practice::PracticeOrder order;
  order.miner = 1000;
  order.store_path = folder / "store";
  order.content.salt = "scenario";
  for (const auto& sector : options.miners[0].sectors) order.numbers.push_back(sector.number);
  ASSERT_OK_AND_ASSIGN(const auto made, practice::MakePracticeSectors(pool, SystemRandom(), order));
  for (std::size_t i = 0; i < made.size(); ++i)
    options.miners[0].sectors[i].comm_r = made[i].comm_r;

  RealProver prover(folder.Path(), order.store_path);
  World world(options, prover);
  constexpr filecoin::ChainEpoch kFirst{120};  // of SmallConfig; a period has 120 epochs
  world.RunTo(filecoin::ChainEpoch(252));
  EXPECT_THAT(world.Problems(kFirst), ::testing::IsEmpty()) << "seed " << options.seed;
  EXPECT_GE(prover.proofs, 12);
  EXPECT_GE(prover.verified, 12);
  SetLogSink({});
}

}  // namespace
}  // namespace damocles::simulation
