// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/groth16/prover.h"

#include <filesystem>
#include <stop_token>

#include "tests/groth16/tiny_circuit.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"
#include "damocles/groth16/verifier.h"

namespace damocles::groth16 {
namespace {

using testing_support::StatusIs;

class Groth16ProverTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ThreadPool pool(2);
    sound_params_ = new Bytes(TinyParams(pool, 1));
  }
  static void TearDownTestSuite() { delete sound_params_; }

  void SetUp() override {
    params_ = OpenParams(*sound_params_, "some.params");
    auto prover = Prover::Make(TinyShape(), params_, *backend_, pool_);
    ASSERT_OK(prover);
    prover_ = *std::move(prover);
    sectors_ = {TinySector(random_), TinySector(random_)};
    inputs_ = TinyInputs(sectors_);
  }

  std::shared_ptr<const ParamsFile> OpenParams(const Bytes& content, const std::string& name) {
    EXPECT_OK(WriteFileAtomically(folder_ / name, AsText(content)));
    auto file =
        ParamsFile::Open(folder_ / name, ExpectedCounts(circuit::CircuitCounts(TinyShape())));
    EXPECT_OK(file);
    return file.ok() ? *file : nullptr;
  }

  absl::StatusOr<Proof> Prove() {
    return prover_->Prove(sectors_, RandomBlinding(random_), never_);
  }

  static inline Bytes* sound_params_ = nullptr;
  testing_support::TempDir folder_;
  ThreadPool pool_{2};
  SeededRandom random_{3};
  std::unique_ptr<Backend> backend_ = MakeCpuBackend(pool_);
  std::shared_ptr<const ParamsFile> params_;
  std::unique_ptr<Prover> prover_;
  std::vector<circuit::SectorPaths> sectors_;
  std::vector<bls12_381::Fr> inputs_;
  const std::stop_token never_{};
};

TEST_F(Groth16ProverTest, AProofVerifiesForItsInputsOnly) {
  const auto proof = Prove();
  ASSERT_OK(proof);
  const Verifier verifier(params_->Key());
  EXPECT_TRUE(verifier.Verify(*proof, inputs_, pool_).value());
  for (bls12_381::Fr& input : inputs_) {
    const bls12_381::Fr before = input;
    input += bls12_381::Fr::One();
    EXPECT_FALSE(verifier.Verify(*proof, inputs_, pool_).value());
    input = before;
  }
  Proof other = *proof;
  other.c = other.a;
  EXPECT_FALSE(verifier.Verify(other, inputs_, pool_).value());
  other = *proof;
  other.a = -other.a;
  EXPECT_FALSE(verifier.Verify(other, inputs_, pool_).value());
  inputs_.pop_back();
  EXPECT_THAT(verifier.Verify(*proof, inputs_, pool_),
              StatusIs(absl::StatusCode::kInvalidArgument, "public inputs"));
}

TEST_F(Groth16ProverTest, TheKeyOfAnotherSetupRefuses) {
  const auto proof = Prove();
  ASSERT_OK(proof);
  const auto other = OpenParams(TinyParams(pool_, 2), "other.params");
  EXPECT_FALSE(Verifier(other->Key()).Verify(*proof, inputs_, pool_).value());
}

TEST_F(Groth16ProverTest, OneSectorIsRepeated) {
  sectors_.pop_back();
  const auto proof = Prove();
  ASSERT_OK(proof);
  EXPECT_TRUE(Verifier(params_->Key()).Verify(*proof, TinyInputs(sectors_), pool_).value());
}

TEST_F(Groth16ProverTest, BlindingMakesTheProofAndNothingElse) {
  const Blinding blinding = RandomBlinding(random_);
  const auto first = prover_->Prove(sectors_, blinding, never_);
  const auto again = prover_->Prove(sectors_, blinding, never_);
  const auto other = Prove();
  const auto bare =
      prover_->Prove(sectors_, {bls12_381::Fr::Zero(), bls12_381::Fr::Zero()}, never_);
  const Verifier verifier(params_->Key());
  for (const auto* proof : {&first, &again, &other, &bare}) {
    ASSERT_OK(*proof);
    EXPECT_TRUE(verifier.Verify(**proof, inputs_, pool_).value());
  }
  EXPECT_EQ(ToBytes(*first), ToBytes(*again));
  EXPECT_NE(ToBytes(*first), ToBytes(*other));
  EXPECT_NE(ToBytes(*first), ToBytes(*bare));
}

TEST_F(Groth16ProverTest, WithoutMemoryForDecodedPointsTheProofIsTheSame) {
  const auto frugal = MakeCpuBackend(pool_, {.cached_points_bytes_max = 100000});
  const auto prover = Prover::Make(TinyShape(), params_, *frugal, pool_);
  ASSERT_OK(prover);
  const Blinding blinding = RandomBlinding(random_);
  EXPECT_EQ(ToBytes(*(*prover)->Prove(sectors_, blinding, never_)),
            ToBytes(*prover_->Prove(sectors_, blinding, never_)));
}

TEST_F(Groth16ProverTest, AWitnessThatDoesNotHoldIsNotProven) {
  sectors_[0].comm_c += bls12_381::Fr::One();
  EXPECT_THAT(Prove(), StatusIs(absl::StatusCode::kInternal, "satisfy"));
}

TEST_F(Groth16ProverTest, CancelledBeforeItStarts) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(prover_->Prove(sectors_, RandomBlinding(random_), stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled, ""));
}

TEST_F(Groth16ProverTest, APointOffTheCurveIsAnErrorThatNamesTheFile) {
  const Bytes& content = *sound_params_;
  const ParamsLayout layout = ParseParams(content).value();
  for (const FilePart& query : {layout.h, layout.l, layout.a, layout.b_g1, layout.b_g2}) {
    Bytes spoiled = content;
    spoiled[query.offset + 90] ^= 1;
    const auto file = OpenParams(spoiled, "spoiled.params");
    const auto prover = Prover::Make(TinyShape(), file, *backend_, pool_);
    ASSERT_OK(prover);
    EXPECT_THAT((*prover)->Prove(sectors_, RandomBlinding(random_), never_),
                StatusIs(absl::StatusCode::kDataLoss, "spoiled.params"));
  }
}

// With mapped memory this was a SIGBUS.
TEST_F(Groth16ProverTest, AFileThatBecomesShorterIsAnErrorThatNamesIt) {
  for (const std::uint64_t cached : {std::uint64_t{0}, std::uint64_t{1} << 30}) {
    const auto file = OpenParams(*sound_params_, "shrinks.params");
    const auto backend = MakeCpuBackend(pool_, {.cached_points_bytes_max = cached});
    const auto prover = Prover::Make(TinyShape(), file, *backend, pool_);
    ASSERT_OK(prover);
    std::filesystem::resize_file(file->Path(), file->Layout().l.offset + 100);
    EXPECT_THAT((*prover)->Prove(sectors_, RandomBlinding(random_), never_),
                StatusIs(absl::StatusCode::kDataLoss, "shrinks.params"));
    EXPECT_THAT(file->CheckAllPoints(pool_),
                StatusIs(absl::StatusCode::kDataLoss, "shrinks.params"));
  }
}

TEST_F(Groth16ProverTest, ParametersOfAnotherCircuitAreRefused) {
  circuit::PostShape other = TinyShape();
  other.sectors = 1;
  EXPECT_THAT(Prover::Make(other, params_, *backend_, pool_),
              StatusIs(absl::StatusCode::kInvalidArgument, "another circuit"));
}

TEST_F(Groth16ProverTest, ABatchHoldsOnlyIfEachProofDoes) {
  std::vector<Proof> proofs;
  std::vector<std::vector<bls12_381::Fr>> inputs;
  for (int i = 0; i < 3; ++i) {
    sectors_ = {TinySector(random_), TinySector(random_)};
    const auto proof = Prove();
    ASSERT_OK(proof);
    proofs.push_back(*proof);
    inputs.push_back(TinyInputs(sectors_));
  }
  const Verifier verifier(params_->Key());
  const auto verify = [&] { return verifier.VerifyAll(proofs, inputs, random_, pool_).value(); };
  EXPECT_TRUE(verify());
  for (std::size_t i = 0; i < proofs.size(); ++i) {
    const Proof sound = proofs[i];
    proofs[i].c = -sound.c;
    EXPECT_FALSE(verify());
    proofs[i] = sound;
    inputs[i][1] += bls12_381::Fr::One();
    EXPECT_FALSE(verify());
    inputs[i][1] -= bls12_381::Fr::One();
  }
  // Two errors that would cancel without weights.
  const auto delta = bls12_381::G1::From(bls12_381::G1Generator());
  const Proof first = proofs[0];
  const Proof second = proofs[1];
  proofs[0].c = bls12_381::ToAffine(delta + first.c);
  proofs[1].c = bls12_381::ToAffine(-delta + second.c);
  EXPECT_FALSE(verify());
  proofs[0] = first;
  proofs[1] = second;
  std::swap(proofs[0], proofs[1]);
  EXPECT_FALSE(verify());
  EXPECT_FALSE(verifier.VerifyAll({}, {}, random_, pool_).ok());
}

TEST_F(Groth16ProverTest, DigestsAreOfTheWholeWitness) {
  WitnessDigests digests;
  ASSERT_OK(prover_->Prove(sectors_, RandomBlinding(random_), never_, &digests));
  WitnessDigests again;
  ASSERT_OK(prover_->Prove(sectors_, RandomBlinding(random_), never_, &again));
  EXPECT_EQ(digests.aux, again.aux);
  EXPECT_EQ(digests.a.size(), 64u);
  sectors_[1] = TinySector(random_);
  ASSERT_OK(prover_->Prove(sectors_, RandomBlinding(random_), never_, &again));
  EXPECT_NE(digests.inputs_without_one, again.inputs_without_one);
  EXPECT_NE(digests.aux, again.aux);
  EXPECT_NE(digests.c, again.c);
}

}  // namespace
}  // namespace damocles::groth16
