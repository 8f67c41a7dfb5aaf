// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/prover/local_prover.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <map>
#include <stop_token>
#include <thread>

#include "gmock/gmock.h"
#include "tests/support/hung_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/without_rights.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/groth16/proof.h"
#include "damocles/hash/sha256.h"
#include "damocles/post/challenge.h"
#include "damocles/practice/practice_sector.h"
#include "damocles/storage/sector_paths.h"

namespace damocles::prover {
namespace {

using filecoin::PoStProofType;
using testing_support::StatusIs;

// Five practice sectors of 2 KiB and parameters for their window circuit; a copy for each test.
class LocalProverTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ThreadPool pool(2);
    made_ = new testing_support::TempDir;
    auto sectors = practice::MakePracticeSectors(pool, SystemRandom(),
                                                 {.size = filecoin::SectorSize::k2KiB,
                                                  .miner = 1000,
                                                  .numbers = {3, 5, 8, 13, 21},
                                                  .store_path = *made_ / "store",
                                                  .content = {},
                                                  .progress = {}});
    ASSERT_OK(sectors);
    sectors_ = *std::move(sectors);
    const auto circuit = ClaimOf(PoStProofType::kWindow2KiBV1_1, {}).value().circuit;
    ASSERT_OK(params::MakeParameterFiles(*made_ / "params", circuit, std::nullopt, SystemRandom(),
                                         pool,
                                         /*overwrite=*/false));
  }
  static void TearDownTestSuite() { delete made_; }

  void SetUp() override {
    for (const char* part : {"store", "params"}) {
      std::filesystem::copy(*made_ / part, folder_ / part,
                            std::filesystem::copy_options::recursive);
    }
    task_.proof_type = PoStProofType::kWindow2KiBV1_1;
    task_.miner = 1000;
    task_.randomness.fill(0xab);  // not below r until it is masked
    for (const practice::PracticeSector& sector : sectors_) {
      const storage::Variant sealed = storage::Variant::kSealed;
      task_.sectors.push_back(
          {.number = sector.id.number,
           .comm_r = sector.comm_r,
           .sealed_path = storage::ReplicaPath(folder_ / "store", sector.id, sealed),
           .cache_dir = storage::CachePath(folder_ / "store", sector.id, sealed)});
    }
    circuit_ = ClaimOf(task_.proof_type, {}).value().circuit;
  }

  WindowPostStatement Statement() const {
    WindowPostStatement statement{task_.proof_type, task_.miner, task_.randomness, {}};
    for (const SectorToProve& sector : task_.sectors) {
      statement.sectors.push_back({sector.number, sector.comm_r});
    }
    return statement;
  }

  static inline testing_support::TempDir* made_ = nullptr;
  static inline std::vector<practice::PracticeSector> sectors_;
  testing_support::TempDir folder_;
  ThreadPool pool_{2};
  std::unique_ptr<groth16::Backend> backend_ = groth16::MakeCpuBackend(pool_);
  params::ParameterStore parameters_{folder_ / "params"};
  PostProver post_prover_{parameters_, *backend_, pool_, SystemRandom()};
  std::unique_ptr<WindowProver> prover_ = MakeLocalWindowProver(post_prover_, pool_);
  std::unique_ptr<WindowVerifier> verifier_ =
      MakeLocalWindowVerifier(parameters_, pool_, SystemRandom());
  WindowPostTask task_;
  post::CircuitShape circuit_;
  const std::stop_token never_{};
};

TEST_F(LocalProverTest, ProofsVerifyForTheirStatementOnly) {
  const auto outcome = prover_->Prove(task_, never_);
  ASSERT_OK(outcome);
  EXPECT_TRUE(outcome->faults.empty());
  const Bytes& proof = outcome->proof;
  ASSERT_EQ(proof.size(), 3 * groth16::kProofBytes);  // five sectors, two a partition
  const WindowPostStatement sound = Statement();
  EXPECT_TRUE(verifier_->Verify(sound, proof).value());

  // The two top bits of the randomness do not count, any other does.
  WindowPostStatement changed = sound;
  changed.randomness[31] ^= 0xc0;
  EXPECT_TRUE(verifier_->Verify(changed, proof).value());
  changed.randomness[31] ^= 0x20;
  EXPECT_FALSE(verifier_->Verify(changed, proof).value());
  changed = sound;
  changed.sectors[4].number = 22;
  EXPECT_FALSE(verifier_->Verify(changed, proof).value());
  changed = sound;
  changed.sectors[2].comm_r = sound.sectors[1].comm_r;
  EXPECT_FALSE(verifier_->Verify(changed, proof).value());
  changed = sound;
  changed.sectors.pop_back();  // still three partitions no more: two
  EXPECT_THAT(verifier_->Verify(changed, proof),
              StatusIs(absl::StatusCode::kInvalidArgument, "bytes"));
  changed = sound;
  std::swap(changed.sectors[0], changed.sectors[1]);
  EXPECT_THAT(verifier_->Verify(changed, proof),
              StatusIs(absl::StatusCode::kInvalidArgument, "ascend"));
  changed = sound;
  changed.sectors[0].comm_r.fill(0xff);
  EXPECT_FALSE(verifier_->Verify(changed, proof).ok());

  Bytes spoiled = proof;
  std::swap_ranges(spoiled.begin(), spoiled.begin() + 192, spoiled.begin() + 192);
  EXPECT_FALSE(verifier_->Verify(sound, spoiled).value());
  spoiled = proof;
  spoiled.back() ^= 1;
  EXPECT_THAT(verifier_->Verify(sound, spoiled), StatusIs(absl::StatusCode::kInvalidArgument, ""));
  spoiled = proof;
  spoiled.pop_back();
  EXPECT_THAT(verifier_->Verify(sound, spoiled), StatusIs(absl::StatusCode::kInvalidArgument, ""));

  // The older proof type counts challenges by position: another proof.
  changed = sound;
  changed.proof_type = PoStProofType::kWindow2KiBV1;
  EXPECT_FALSE(verifier_->Verify(changed, proof).value());
  task_.proof_type = PoStProofType::kWindow2KiBV1;
  const auto older = prover_->Prove(task_, never_);
  ASSERT_OK(older);
  EXPECT_TRUE(verifier_->Verify(changed, older->proof).value());

  // Keys of another setup accept nothing.
  ASSERT_OK(params::MakeParameterFiles(folder_ / "other", circuit_, std::nullopt, SystemRandom(),
                                       pool_, false));
  params::ParameterStore other(folder_ / "other");
  const auto stranger = MakeLocalWindowVerifier(other, pool_, SystemRandom());
  EXPECT_FALSE(stranger->Verify(sound, proof).value());
  EXPECT_NE(stranger->VkDigest(task_.proof_type).value(),
            verifier_->VkDigest(task_.proof_type).value());
}

TEST_F(LocalProverTest, AWinningProofIsOfOneSector) {
  const PoStProofType type = PoStProofType::kWinning2KiBV1;
  const post::CircuitShape winning = ClaimOf(type, {}).value().circuit;
  ASSERT_OK(params::MakeParameterFiles(folder_ / "params", winning, std::nullopt, SystemRandom(),
                                       pool_, /*overwrite=*/false));
  const SectorToProve& sector = task_.sectors[1];
  const auto outcome = ProveWinning(post_prover_, pool_, type, task_.randomness, sector, never_);
  ASSERT_OK(outcome);
  EXPECT_TRUE(outcome->faults.empty());
  EXPECT_EQ(outcome->proof.size(), groth16::kProofBytes);
  const auto verify = [&](const Bytes32& randomness, const post::SectorCommitment& statement) {
    return VerifyWinning(parameters_, pool_, SystemRandom(), type, randomness, statement,
                         outcome->proof);
  };
  const post::SectorCommitment sound{sector.number, sector.comm_r};
  EXPECT_TRUE(verify(task_.randomness, sound).value());
  Bytes32 other_randomness = task_.randomness;
  other_randomness[0] ^= 1;
  EXPECT_FALSE(verify(other_randomness, sound).value());
  EXPECT_FALSE(verify(task_.randomness, {sound.number + 1, sound.comm_r}).value());
  EXPECT_FALSE(verify(task_.randomness, {sound.number, task_.sectors[2].comm_r}).value());

  // A window type is not for it, nor a winning one for the window prover.
  EXPECT_THAT(ProveWinning(post_prover_, pool_, task_.proof_type, task_.randomness, sector, never_),
              StatusIs(absl::StatusCode::kInvalidArgument, ""));
  task_.proof_type = type;
  EXPECT_THAT(prover_->Prove(task_, never_), StatusIs(absl::StatusCode::kInvalidArgument, ""));
  std::filesystem::remove(sector.sealed_path);
  const auto missing = ProveWinning(post_prover_, pool_, type, task_.randomness, sector, never_);
  ASSERT_OK(missing);
  ASSERT_EQ(missing->faults.size(), 1U);
  EXPECT_EQ(missing->faults[0].number, sector.number);
  EXPECT_TRUE(missing->proof.empty());
}

TEST_F(LocalProverTest, BadSectorsAreNamedAndNothingIsProven) {
  std::filesystem::remove(task_.sectors[0].sealed_path);
  std::filesystem::resize_file(task_.sectors[1].sealed_path, 2047);
  task_.sectors[2].comm_r = task_.sectors[3].comm_r;
  std::filesystem::remove(task_.sectors[4].cache_dir + "/p_aux");
  const auto outcome = prover_->Prove(task_, never_);
  ASSERT_OK(outcome);
  EXPECT_TRUE(outcome->proof.empty());
  ASSERT_EQ(outcome->faults.size(), 4u);
  const filecoin::SectorNumber want[] = {3, 5, 8, 21};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(outcome->faults[i].number, want[i]);
    EXPECT_FALSE(outcome->faults[i].reason.empty());
  }
  EXPECT_FALSE(PathExists(task_.sectors[0].sealed_path));  // nothing is created
  // What is left can be proven.
  task_.sectors = {task_.sectors[3]};
  const auto rest = prover_->Prove(task_, never_);
  ASSERT_OK(rest);
  EXPECT_TRUE(verifier_->Verify(Statement(), rest->proof).value());
}

TEST_F(LocalProverTest, AMissingFileIsToldFromADamagedOne) {
  std::filesystem::remove(task_.sectors[0].sealed_path);
  std::filesystem::resize_file(task_.sectors[1].sealed_path, 2047);
  const auto outcome = prover_->Prove(task_, never_);
  ASSERT_OK(outcome);
  ASSERT_EQ(outcome->faults.size(), 2u);
  EXPECT_EQ(outcome->faults[0].kind, FaultKind::kMissing);
  EXPECT_EQ(outcome->faults[1].kind, FaultKind::kWrong);
}

// A file that this process may not read, of one sector or of all: no other sector pays for it, and
// all of them are named at once.
TEST_F(LocalProverTest, SectorsThatMayNotBeReadAreNamedAtOnceAndTheRestCanBeProven) {
  namespace fs = std::filesystem;
  const testing_support::WithoutRights plain(folder_.Path());
  fs::permissions(task_.sectors[0].sealed_path, fs::perms::none);
  fs::permissions(task_.sectors[2].cache_dir, fs::perms::none);
  fs::permissions(task_.sectors[4].cache_dir + "/p_aux", fs::perms::none);
  const auto outcome = prover_->Prove(task_, never_);
  ASSERT_OK(outcome);
  ASSERT_EQ(outcome->faults.size(), 3u);
  const filecoin::SectorNumber want[] = {3, 8, 21};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(outcome->faults[i].number, want[i]);
    EXPECT_EQ(outcome->faults[i].kind, FaultKind::kUnreadable);
    EXPECT_THAT(outcome->faults[i].reason, ::testing::HasSubstr("Permission denied"));
    EXPECT_THAT(outcome->faults[i].reason, ::testing::HasSubstr(folder_ / "store"));
  }
  const std::vector<SectorToProve> all = task_.sectors;
  task_.sectors = {all[1], all[3]};
  const auto rest = prover_->Prove(task_, never_);
  ASSERT_OK(rest);
  EXPECT_TRUE(verifier_->Verify(Statement(), rest->proof).value());
  // Nothing at all: still sector by sector.
  task_.sectors = all;
  fs::permissions(folder_ / "store/sealed", fs::perms::none);
  const auto none = prover_->Prove(task_, never_);
  ASSERT_OK(none);
  EXPECT_EQ(none->faults.size(), 5u);
  fs::permissions(folder_ / "store/sealed", fs::perms::all);
  for (const SectorToProve& sector : all) fs::permissions(sector.cache_dir, fs::perms::all);
}

// Whatever lies in the place of a file, one sector is given up and none hangs.
TEST_F(LocalProverTest, WhatLiesInThePlaceOfAFileCostsItsSectorOnly) {
  namespace fs = std::filesystem;
  fs::remove(task_.sectors[0].sealed_path);
  fs::create_directories(task_.sectors[0].sealed_path);
  fs::remove(task_.sectors[1].sealed_path);
  fs::create_symlink(task_.sectors[1].sealed_path, task_.sectors[1].sealed_path);
  fs::remove(task_.sectors[2].sealed_path);
  ASSERT_EQ(mkfifo(task_.sectors[2].sealed_path.c_str(), 0644), 0);
  fs::remove(task_.sectors[3].cache_dir + "/p_aux");
  fs::create_symlink("/dev/zero", task_.sectors[3].cache_dir + "/p_aux");
  const auto outcome = prover_->Prove(task_, never_);
  ASSERT_OK(outcome);
  std::map<filecoin::SectorNumber, FaultKind> kinds;
  for (const UnprovableSector& fault : outcome->faults) kinds[fault.number] = fault.kind;
  EXPECT_EQ(kinds, (std::map<filecoin::SectorNumber, FaultKind>{{3, FaultKind::kWrong},
                                                                {5, FaultKind::kMissing},
                                                                {8, FaultKind::kWrong},
                                                                {13, FaultKind::kWrong}}));
}

// One of the sectors lies on a mount that is dead: the others are read, and it is given up in time.
TEST_F(LocalProverTest, AReadThatHangsIsGivenUpAndTheOthersAreNot) {
  const PostClaim claim = ClaimOf(task_.proof_type, {}).value();
  const testing_support::HungFile hung(task_.sectors[2].sealed_path);
  const auto began = std::chrono::steady_clock::now();
  task_.read_limit = absl::Milliseconds(500);
  const auto outcome = prover_->Prove(task_, never_);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(30));
  ASSERT_OK(outcome);
  ASSERT_EQ(outcome->faults.size(), 1u);
  EXPECT_EQ(outcome->faults[0].number, 8u);
  EXPECT_EQ(outcome->faults[0].kind, FaultKind::kUnreadable);
  EXPECT_THAT(outcome->faults[0].reason, ::testing::HasSubstr("did not answer within 500ms"));
  // Nobody waits for it who is told to stop.
  std::stop_source stop;
  std::thread stopper([&stop] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    stop.request_stop();
  });
  EXPECT_THAT(ProveVanilla(claim, task_.sectors, pool_, stop.get_token(), absl::Minutes(1)),
              StatusIs(absl::StatusCode::kCancelled, ""));
  stopper.join();
}

// Leaves this process so many descriptors, until it goes.
class FewDescriptors {
 public:
  explicit FewDescriptors(rlim_t free) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const int next = dup(STDERR_FILENO);  // the lowest number that is free
    close(next);
    rlimit few = before_;
    few.rlim_cur = static_cast<rlim_t>(next) + free;
    setrlimit(RLIMIT_NOFILE, &few);
  }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;
  ~FewDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(LocalProverTest, LackOfDescriptorsIsNoFaultOfTheSectors) {
  const PostClaim claim = ClaimOf(task_.proof_type, {}).value();
  {
    const FewDescriptors none(0);
    EXPECT_THAT(ProveVanilla(claim, task_.sectors, pool_, never_),
                StatusIs(absl::StatusCode::kResourceExhausted, "open"));
  }
  {
    // Enough for one sector, not for two at a time: those that failed get another turn, alone.
    const FewDescriptors few(3);
    ThreadPool many(5);
    const auto outcome = ProveVanilla(claim, task_.sectors, many, never_);
    ASSERT_OK(outcome);
    EXPECT_TRUE(outcome->faults.empty());
    EXPECT_EQ(outcome->proofs.size(), 5u);
  }
}

// Hands everything on, in the thread that asks; `OnSum` is called before and may change the sums.
class PassingBackend : public groth16::Backend {
 public:
  explicit PassingBackend(groth16::Backend& backend) : backend_(backend) {}
  std::string Name() const override { return "passing"; }
  std::size_t Depth() const override { return 1; }
  absl::StatusOr<std::unique_ptr<groth16::ProvingKey>> Load(
      const circuit::PostShape& shape, std::shared_ptr<const groth16::ParamsFile> params) override {
    DAMOCLES_ASSIGN_OR_RETURN(auto key, backend_.Load(shape, std::move(params)));
    return std::make_unique<Key>(*this, std::move(key));
  }

 private:
  class Key final : public groth16::ProvingKey {
   public:
    Key(PassingBackend& backend, std::unique_ptr<groth16::ProvingKey> key)
        : backend_(backend), key_(std::move(key)) {}
    std::future<absl::StatusOr<groth16::QuerySums>> Sum(groth16::Assignment assignment,
                                                        const groth16::SumOptions& options,
                                                        std::stop_token stop) override {
      backend_.Begun(stop);
      return std::async(std::launch::deferred,
                        [this, assignment = std::move(assignment), options,
                         stop]() mutable -> absl::StatusOr<groth16::QuerySums> {
                          backend_.BeforeSums();
                          DAMOCLES_ASSIGN_OR_RETURN(
                              groth16::QuerySums sums,
                              key_->Sum(std::move(assignment), options, stop).get());
                          backend_.AfterSums(sums);
                          return sums;
                        });
    }

   private:
    PassingBackend& backend_;
    const std::unique_ptr<groth16::ProvingKey> key_;
  };
  virtual void Begun(const std::stop_token& /*stop*/) {}
  virtual void BeforeSums() {}
  virtual void AfterSums(groth16::QuerySums& /*sums*/) {}

  groth16::Backend& backend_;
};

// Adds a point of the curve that is not of order r to a sum: memory that flips a bit.
class BrokenBackend final : public PassingBackend {
 public:
  using PassingBackend::PassingBackend;
  int sums = 0;

 private:
  void AfterSums(groth16::QuerySums& made) override {
    const bls12_381::G1Affine stray{.x = bls12_381::Fp::Zero(), .y = bls12_381::Fp::FromU64(2)};
    made.l += bls12_381::G1::From(stray);
    ++sums;
  }
};

// What was logged while it lives.
class Heard {
 public:
  Heard() {
    SetLogSink([this](Severity, std::string_view line) { text_ += std::string(line) + "\n"; });
  }
  Heard(const Heard&) = delete;
  Heard& operator=(const Heard&) = delete;
  ~Heard() { SetLogSink({}); }
  const std::string& Text() const { return text_; }

 private:
  std::string text_;
};

TEST_F(LocalProverTest, AMachineThatMakesTwoWrongProofsMakesNoMore) {
  const Heard heard;
  BrokenBackend broken(*backend_);
  PostProver post_prover(parameters_, broken, pool_, SystemRandom());
  const auto prover = MakeLocalWindowProver(post_prover, pool_);
  EXPECT_OK(post_prover.InService(circuit_));
  const auto refused = prover->Prove(task_, never_);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, "out of service"));
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition,
                                parameters_.ParamsPath(circuit_).c_str()));
  EXPECT_EQ(post_prover.InService(circuit_), refused.status());
  EXPECT_THAT(heard.Text(), ::testing::HasSubstr("E prover out_of_service"));
  const int sums = broken.sums;
  EXPECT_EQ(prover->Prove(task_, never_).status(), refused.status());
  EXPECT_EQ(broken.sums, sums) << "not even tried";
  // What is read from the same files elsewhere has nothing to do with it.
  EXPECT_OK(prover_->Prove(task_, never_));
}

// Flips one bit in the middle of the n-th set of points that is kept, and of every set from then on
// if it is told so.
class FailingMemory {
 public:
  groth16::CpuBackendOptions Options() {
    groth16::CpuBackendOptions options;
    options.on_kept = [this](std::span<std::uint8_t> points) {
      ++sets;
      if (sets == flips_at || (always && sets > flips_at)) points[points.size() / 2 + 3] ^= 0x10;
    };
    return options;
  }
  int sets = 0;
  int flips_at = 0;
  bool always = false;
};

TEST_F(LocalProverTest, OneFlippedBitInThePointsThatAreKeptCostsNoProof) {
  constexpr int kSets = 5;  // h, l, a, b in G1, b in G2
  for (const int set : {1, 3, kSets}) {
    SCOPED_TRACE(set);
    const Heard heard;
    FailingMemory memory{.flips_at = set};
    const auto backend = groth16::MakeCpuBackend(pool_, memory.Options());
    PostProver post_prover(parameters_, *backend, pool_, SystemRandom());
    const auto prover = MakeLocalWindowProver(post_prover, pool_);
    const auto outcome = prover->Prove(task_, never_);
    ASSERT_OK(outcome);
    EXPECT_TRUE(verifier_->Verify(Statement(), outcome->proof).value());
    EXPECT_EQ(memory.sets, 2 * kSets) << "all are decoded anew, and kept";
    EXPECT_OK(post_prover.InService(circuit_));
    EXPECT_THAT(heard.Text(), ::testing::HasSubstr("E prover memory_changed"));
  }
}

TEST_F(LocalProverTest, MemoryThatGoesOnFailingTakesTheMachineOutOfService) {
  FailingMemory memory{.flips_at = 2, .always = true};
  const auto backend = groth16::MakeCpuBackend(pool_, memory.Options());
  PostProver post_prover(parameters_, *backend, pool_, SystemRandom());
  const auto prover = MakeLocalWindowProver(post_prover, pool_);
  EXPECT_THAT(prover->Prove(task_, never_),
              StatusIs(absl::StatusCode::kFailedPrecondition, "out of service"));
  EXPECT_FALSE(post_prover.InService(circuit_).ok());
}

TEST_F(LocalProverTest, OneFlippedBitInTheVerifyingKeyRefusesNoProof) {
  const auto outcome = prover_->Prove(task_, never_);
  ASSERT_OK(outcome);
  const auto vk = parameters_.Vk(circuit_).value();
  // In the first point of the key.
  auto* bytes = const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(&vk->verifier));
  bytes[8] ^= 1;
  const Heard heard;
  EXPECT_TRUE(verifier_->Verify(Statement(), outcome->proof).value());
  EXPECT_THAT(heard.Text(), ::testing::HasSubstr("key_changed_in_memory"));
  // The prover checks itself with the same key.
  const auto again = parameters_.Vk(circuit_).value();
  bytes = const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(&again->verifier));
  bytes[8] ^= 1;
  EXPECT_OK(prover_->Prove(task_, never_));
  EXPECT_OK(post_prover_.InService(circuit_));
}

// Has no memory for the first proof.
class StarvedBackend final : public PassingBackend {
 public:
  using PassingBackend::PassingBackend;

 private:
  void BeforeSums() override {
    if (std::exchange(starved_, false)) throw std::bad_alloc();
  }
  bool starved_ = true;
};

TEST_F(LocalProverTest, LackOfMemoryCostsOneProofNotTheProcess) {
  StarvedBackend starved(*backend_);
  PostProver post_prover(parameters_, starved, pool_, SystemRandom());
  const auto prover = MakeLocalWindowProver(post_prover, pool_);
  EXPECT_THAT(prover->Prove(task_, never_),
              StatusIs(absl::StatusCode::kResourceExhausted, "too little memory"));
  EXPECT_OK(prover->Prove(task_, never_));
}

// Wants two assignments at a time, and fails as it is told.
class DeepBackend final : public PassingBackend {
 public:
  using PassingBackend::PassingBackend;
  std::size_t Depth() const override { return 2; }
  std::vector<std::stop_token> begun;
  std::size_t summed = 0;
  std::size_t most = 0;
  bool fails = false;

 private:
  void Begun(const std::stop_token& stop) override {
    begun.push_back(stop);
    most = std::max(most, begun.size() - summed);
  }
  void BeforeSums() override {
    if (fails) throw std::bad_alloc();
  }
  void AfterSums(groth16::QuerySums& /*sums*/) override { ++summed; }
};

TEST_F(LocalProverTest, TheNextPartitionIsBegunWhileOneIsSummed) {
  DeepBackend deep(*backend_);
  PostProver post_prover(parameters_, deep, pool_, SystemRandom());
  const auto prover = MakeLocalWindowProver(post_prover, pool_);
  const auto outcome = prover->Prove(task_, {});
  ASSERT_OK(outcome);
  EXPECT_TRUE(verifier_->Verify(Statement(), outcome->proof).value());
  EXPECT_EQ(deep.begun.size(), 3U);  // five sectors, two a partition
  EXPECT_EQ(deep.most, 2U);
  for (const std::stop_token& stop : deep.begun) EXPECT_TRUE(stop.stop_requested()) << "all over";

  deep.begun.clear();
  deep.summed = 0;
  deep.fails = true;
  EXPECT_THAT(prover->Prove(task_, {}), StatusIs(absl::StatusCode::kResourceExhausted, ""));
  ASSERT_EQ(deep.begun.size(), 2U);
  EXPECT_TRUE(deep.begun[1].stop_requested()) << "what was begun ahead is of no use";
}

// Holds proofs before their sums until they are let go.
class SlowBackend final : public PassingBackend {
 public:
  using PassingBackend::PassingBackend;
  std::atomic<bool> reached{false};
  std::atomic<bool> go_on{false};

 private:
  void BeforeSums() override {
    reached = true;
    while (!go_on) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
};

TEST_F(LocalProverTest, WhoWaitsForItsTurnCanBeCancelled) {
  SlowBackend slow(*backend_);
  PostProver post_prover(parameters_, slow, pool_, SystemRandom());
  const auto prover = MakeLocalWindowProver(post_prover, pool_);
  std::thread first([&] { EXPECT_OK(prover->Prove(task_, never_)); });
  while (!slow.reached) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::stop_source stop;
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    stop.request_stop();
  });
  ThreadPool own(1);
  const auto second = MakeLocalWindowProver(post_prover, own);
  EXPECT_THAT(second->Prove(task_, stop.get_token()), StatusIs(absl::StatusCode::kCancelled, ""));
  EXPECT_FALSE(slow.go_on) << "it did not wait for the first";
  slow.go_on = true;
  canceller.join();
  first.join();
}

TEST_F(LocalProverTest, WrongTasksAndCancellation) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(prover_->Prove(task_, stop.get_token()), StatusIs(absl::StatusCode::kCancelled, ""));
  WindowPostTask wrong = task_;
  wrong.sectors.clear();
  EXPECT_THAT(prover_->Prove(wrong, never_), StatusIs(absl::StatusCode::kInvalidArgument, "no "));
  wrong = task_;
  wrong.sectors.push_back(wrong.sectors.back());
  EXPECT_THAT(prover_->Prove(wrong, never_),
              StatusIs(absl::StatusCode::kInvalidArgument, "ascend"));
  wrong = task_;
  wrong.proof_type = PoStProofType::kWinning2KiBV1;
  EXPECT_THAT(prover_->Prove(wrong, never_),
              StatusIs(absl::StatusCode::kInvalidArgument, "window"));
  wrong.proof_type = static_cast<PoStProofType>(99);
  EXPECT_THAT(prover_->Prove(wrong, never_), StatusIs(absl::StatusCode::kInvalidArgument, "99"));
  // Another size: its parameters are not there.
  wrong.proof_type = PoStProofType::kWindow8MiBV1_1;
  EXPECT_THAT(verifier_->VkDigest(wrong.proof_type),
              StatusIs(absl::StatusCode::kFailedPrecondition, ".vk"));
}

TEST_F(LocalProverTest, ParameterFilesAreCheckedMarkedAndMended) {
  EXPECT_EQ(parameters_.Origin(circuit_).value(), params::ParameterOrigin::kLocal);
  EXPECT_THAT(
      params::MakeParameterFiles(folder_ / "params", circuit_, std::nullopt, SystemRandom(), pool_,
                                 /*overwrite=*/false),
      StatusIs(absl::StatusCode::kAlreadyExists, ".params"));
  const std::string vk_path = parameters_.VkPath(circuit_);
  const std::string vk = ReadFile(vk_path).value();
  EXPECT_EQ(verifier_->VkDigest(task_.proof_type).value(), ToHex(hash::Sha256Of(AsBytes(vk))));

  for (const bool all_points : {false, true}) {
    const auto reports = params::InspectParameters(folder_ / "params", all_points, pool_);
    ASSERT_OK(reports);
    ASSERT_EQ(reports->size(), 2u);  // .params, .vk
    for (const params::ParameterReport& report : *reports) {
      EXPECT_EQ(report.verdict, "local") << report.file;
      EXPECT_EQ(report.sector_size, "2KiB");
      EXPECT_EQ(report.kind, "window");
      EXPECT_EQ(report.counts.ic, 23u);
    }
  }

  // A missing .vk is cut from the .params.
  std::filesystem::remove(vk_path);
  params::ParameterStore fresh(folder_ / "params");
  ASSERT_OK(fresh.Vk(circuit_));
  EXPECT_EQ(ReadFile(vk_path).value(), vk);

  // One of another setup is refused.
  ASSERT_OK(params::MakeParameterFiles(folder_ / "other", circuit_,
                                       groth16::RandomSecrets(SystemRandom()), SystemRandom(),
                                       pool_, false));
  params::ParameterStore other(folder_ / "other");
  EXPECT_EQ(other.Origin(circuit_).value(), params::ParameterOrigin::kKnownSecrets);
  ASSERT_OK(WriteFileAtomically(other.VkPath(circuit_), vk));
  EXPECT_THAT(other.Params(circuit_), StatusIs(absl::StatusCode::kDataLoss, "different setups"));
  const auto mixed = params::InspectParameters(other.ParamsPath(circuit_), false, pool_);
  ASSERT_OK(mixed);
  EXPECT_THAT((*mixed)[0].verdict, ::testing::StartsWith("corrupt: "));

  // A damaged one too, with its name.
  std::string damaged = vk;
  damaged[500] = static_cast<char>(damaged[500] ^ 1);
  ASSERT_OK(WriteFileAtomically(vk_path, damaged));
  params::ParameterStore again(folder_ / "params");
  EXPECT_THAT(again.Vk(circuit_), StatusIs(absl::StatusCode::kDataLoss, vk_path));
  EXPECT_THAT(params::InspectParameters(vk_path, false, pool_).value()[0].verdict,
              ::testing::StartsWith("corrupt: "));
}

}  // namespace
}  // namespace damocles::prover
