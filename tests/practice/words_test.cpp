// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/practice/words.h"

#include <string>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/practice/stored_sectors.h"
#include "damocles/storage/genesis_file.h"

namespace damocles::practice {
namespace {

using post::ApiVersion;
using post::PostKind;
using testing_support::StatusIs;

TEST(WordsTest, ClaimsAreReadFromSizeAndVersionOrFromARegisteredProof) {
  ClaimWords words{.sector_bytes = 2048};
  words.randomness.fill(0xff);
  ASSERT_OK_AND_ASSIGN(const prover::PostClaim window, ReadClaim(PostKind::kWindow, words));
  EXPECT_EQ(window.version, ApiVersion::kV1_2);
  EXPECT_EQ(window.circuit.sectors, 2U);
  EXPECT_EQ(window.randomness[31], 0x3f);
  ASSERT_OK_AND_ASSIGN(const prover::PostClaim winning, ReadClaim(PostKind::kWinning, words));
  EXPECT_EQ(winning.version, ApiVersion::kV1_1);
  EXPECT_EQ(winning.circuit.sectors, 66U);

  words.api_version = "V1_1";
  words.sectors_per_partition = 5;
  ASSERT_OK_AND_ASSIGN(const prover::PostClaim other, ReadClaim(PostKind::kWindow, words));
  EXPECT_EQ(other.version, ApiVersion::kV1_1);
  EXPECT_EQ(other.circuit.sectors, 5U);

  // 10 is the window proof of 2 KiB that the chain calls V1_1.
  for (const ClaimWords& same : {ClaimWords{.api_version = "10"}, ClaimWords{.proof_type = "10"},
                                 ClaimWords{.sector_bytes = 2048, .proof_type = "10"}}) {
    ASSERT_OK_AND_ASSIGN(const prover::PostClaim claim, ReadClaim(PostKind::kWindow, same));
    EXPECT_EQ(claim.circuit, window.circuit);
    EXPECT_EQ(claim.version, window.version);
  }
}

TEST(WordsTest, WhatDoesNotGoTogetherIsSaid) {
  const auto refused = [](PostKind kind, const ClaimWords& words, const char* why) {
    EXPECT_THAT(ReadClaim(kind, words), StatusIs(absl::StatusCode::kInvalidArgument, why));
  };
  refused(PostKind::kWindow, {}, "neither a sector size nor a registered proof");
  refused(PostKind::kWindow, {.sector_bytes = 3072}, "");
  refused(PostKind::kWindow, {.sector_bytes = 2048, .api_version = "V1_3"}, "write V1_0");
  refused(PostKind::kWindow, {.api_version = "99"}, "99");
  refused(PostKind::kWindow, {.proof_type = "StackedDrgNothing"}, "StackedDrgNothing");
  refused(PostKind::kWindow, {.sector_bytes = 8 << 20, .proof_type = "10"}, "size given is 8MiB");
  refused(PostKind::kWinning, {.proof_type = "10"}, "not a winning proof");
  refused(PostKind::kWinning, {.sector_bytes = 2048, .api_version = "V1_2"}, "V1_2");
  refused(PostKind::kWinning, {.sector_bytes = 2048, .sectors_per_partition = 2}, "window");
}

TEST(WordsTest, BlindingsComeInPairs) {
  const std::string one = "01" + std::string(62, '0');
  const std::string zero(64, '0');
  ASSERT_OK_AND_ASSIGN(const auto pairs, ReadBlindings(one + ":" + zero + "," + zero + ":" + one));
  ASSERT_EQ(pairs.size(), 2U);
  EXPECT_EQ(pairs[0].r, bls12_381::Fr::One());
  EXPECT_EQ(pairs[0].s, bls12_381::Fr::Zero());
  EXPECT_EQ(pairs[1].s, bls12_381::Fr::One());
  for (const std::string& wrong : {std::string(), one, one + ":" + one + ":" + one, one + ":12",
                                   one + ":" + std::string(64, 'f'), one + ":" + one + ","}) {
    EXPECT_THAT(ReadBlindings(wrong), StatusIs(absl::StatusCode::kInvalidArgument, "")) << wrong;
  }
}

TEST(WordsTest, CommitmentsAreOfTheSectorsThatAreNamed) {
  const std::string hex = "ab" + std::string(62, '0');
  ASSERT_OK_AND_ASSIGN(const Commitments read, ReadCommitments({"7:" + hex}, {5, 7}));
  EXPECT_EQ(read.size(), 1U);
  EXPECT_EQ(ToHex(read.at(7)), hex);
  const auto refused = [&](const std::vector<std::string>& texts, const char* why) {
    EXPECT_THAT(ReadCommitments(texts, {5, 7}), StatusIs(absl::StatusCode::kInvalidArgument, why));
  };
  refused({"6:" + hex}, "not one of those that are named");
  refused({"7:" + hex, "7:" + hex}, "twice");
  for (const char* text : {"", "7", "7:", ":", "7:ab", "x:", "-7:"}) refused({text}, "a colon");
  refused({"7 :" + hex}, "a colon");
  refused({":" + hex}, "a colon");
}

TEST(WordsTest, AGenesisFileFillsInWhatIsNotKnown) {
  const testing_support::TempDir folder;
  Commitments known;
  EXPECT_FALSE(AddFromGenesis(folder / "absent.json", 1000, {7}, known).ok());
  ASSERT_OK(WriteFileAtomically(folder / "broken.json", "{"));
  EXPECT_FALSE(AddFromGenesis(folder / "broken.json", 1000, {7}, known).ok());
  EXPECT_TRUE(known.empty());

  const std::string path = folder / "genesis.json";
  Bytes32 comm_r{};
  comm_r[0] = 9;
  const std::vector<storage::GenesisSector> entries = {{.miner = 1000,
                                                        .number = 7,
                                                        .comm_r = comm_r,
                                                        .proof_type = 10,
                                                        .deadline = {},
                                                        .partition = {}},
                                                       {.miner = 1000,
                                                        .number = 8,
                                                        .comm_r = comm_r,
                                                        .proof_type = 10,
                                                        .deadline = {},
                                                        .partition = {}}};
  ASSERT_OK(WriteFileAtomically(path, storage::FormatGenesis(entries)));
  ASSERT_OK(AddFromGenesis(path, 1000, {7}, known));
  EXPECT_EQ(known, (Commitments{{7, comm_r}}));
  EXPECT_THAT(AddFromGenesis(path, 1000, {7, 9}, known),
              StatusIs(absl::StatusCode::kNotFound, "does not know sector f01000/9"));
  EXPECT_THAT(AddFromGenesis(path, 1001, {8}, known), StatusIs(absl::StatusCode::kNotFound, ""));
  known[8] = Bytes32{};
  EXPECT_THAT(AddFromGenesis(path, 1000, {7, 8}, known),
              StatusIs(absl::StatusCode::kFailedPrecondition, "sector 8"));
}

TEST(StoredSectorsTest, ASectorWithoutPAuxIsAFault) {
  const testing_support::TempDir folder;
  ThreadPool pool(1);
  ASSERT_OK_AND_ASSIGN(const prover::PostClaim claim,
                       ReadClaim(PostKind::kWindow, {.sector_bytes = 2048}));
  StoredSectors sectors{
      .store = folder.Path(), .miner = 1000, .numbers = {3, 9}, .upgraded = {}, .comm_r = {}};
  ASSERT_OK_AND_ASSIGN(const prover::VanillaOutcome outcome, ProveStored(claim, sectors, pool));
  EXPECT_TRUE(outcome.proofs.empty());
  ASSERT_EQ(outcome.faults.size(), 2U);
  EXPECT_EQ(outcome.faults[1].number, 9U);
  sectors.upgraded = {4};
  EXPECT_THAT(ProveStored(claim, sectors, pool),
              StatusIs(absl::StatusCode::kInvalidArgument, "upgraded"));
}

}  // namespace
}  // namespace damocles::practice
