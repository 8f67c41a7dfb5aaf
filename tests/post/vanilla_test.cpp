// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Vanilla proofs of the sectors kept with the tests, which the network's library made.

#include "damocles/post/vanilla.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/practice.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/base/random.h"
#include "damocles/post/challenge.h"
#include "damocles/post/circuit.h"
#include "damocles/post/partition.h"

namespace damocles::post {
namespace {

using testing_support::StatusIs;
using testing_support::TempDir;

const std::string kData = std::string(DAMOCLES_TEST_DATA_DIR) + "/post";

merkle::SectorFiles KeptSector(std::uint64_t number) {
  const std::string name = "s-t01000-" + std::to_string(number);
  return {kData + "/sectors/2KiB/sealed/" + name, kData + "/sectors/2KiB/cache/" + name};
}

class VanillaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(const std::string text,
                         ReadFile(kData + "/cases/window-2KiB-V1_2-7_11.json"));
    window_ = nlohmann::json::parse(text);
    sectors_ = Challenged(window_, PostKind::kWindow);
    ASSERT_OK_AND_ASSIGN(bytes_, ReadFile(kData + "/cases/window-2KiB-V1_2-7_11-7.vproof"));
    ASSERT_OK_AND_ASSIGN(proof_, DecodeVanillaProof(AsBytes(bytes_), tree_));
  }

  std::vector<ChallengedSector> Challenged(const nlohmann::json& golden, PostKind kind) {
    std::vector<ChallengedSector> out;
    for (const nlohmann::json& sector : golden.at("sectors")) {
      out.push_back(
          {sector.at("sector"),
           CommRFromBytes(FromHex32(sector.at("comm_r").get<std::string>()).value()).value(),
           sector.at("challenges").get<std::vector<std::uint64_t>>()});
      EXPECT_EQ(out.back().challenges.size(), kind == PostKind::kWindow ? 10u : 66u);
    }
    return out;
  }

  merkle::TreeShape tree_ = merkle::ShapeOf(2048).value();
  nlohmann::json window_;
  std::vector<ChallengedSector> sectors_;
  std::string bytes_;
  FallbackSectorProof proof_;
};

TEST_F(VanillaTest, KeptSectorsGiveTheKeptProofs) {
  for (const ChallengedSector& sector : sectors_) {
    ASSERT_OK_AND_ASSIGN(const FallbackSectorProof proof,
                         GenerateVanillaProof(tree_, sector.sector, sector.comm_r,
                                              KeptSector(sector.sector), sector.challenges));
    EXPECT_TRUE(AsText(EncodeVanillaProof(proof, tree_)) ==
                *ReadFile(kData + "/cases/window-2KiB-V1_2-7_11-" + std::to_string(sector.sector) +
                          ".vproof"));
  }
  const nlohmann::json winning =
      nlohmann::json::parse(*ReadFile(kData + "/cases/winning-2KiB-V1_1-7.json"));
  const ChallengedSector sector = Challenged(winning, PostKind::kWinning)[0];
  EXPECT_EQ(
      sector.challenges,
      WinningChallenges(FromHex32(winning.at("randomness").get<std::string>()).value(), 7, tree_));
  ASSERT_OK_AND_ASSIGN(
      const FallbackSectorProof proof,
      GenerateVanillaProof(tree_, 7, sector.comm_r, KeptSector(7), sector.challenges));
  EXPECT_TRUE(AsText(EncodeVanillaProof(proof, tree_)) ==
              *ReadFile(kData + "/cases/winning-2KiB-V1_1-7-7.vproof"));
}

TEST_F(VanillaTest, FaultySectorIsAnErrorThatSaysWhy) {
  const ChallengedSector& seven = sectors_[0];
  EXPECT_THAT(GenerateVanillaProof(tree_, 7, sectors_[1].comm_r, KeptSector(7), seven.challenges),
              StatusIs(absl::StatusCode::kDataLoss, "comm_r"));
  EXPECT_THAT(GenerateVanillaProof(tree_, 7, seven.comm_r,
                                   {KeptSector(11).sealed_path, KeptSector(7).cache_folder},
                                   seven.challenges),
              StatusIs(absl::StatusCode::kDataLoss, "sealed/s-t01000-11"));
  EXPECT_THAT(GenerateVanillaProof(tree_, 7, seven.comm_r,
                                   {KeptSector(99).sealed_path, KeptSector(7).cache_folder},
                                   seven.challenges),
              StatusIs(absl::StatusCode::kNotFound, "sealed/s-t01000-99"));
  EXPECT_FALSE(PathExists(KeptSector(99).sealed_path));
}

TEST_F(VanillaTest, AnyChangeOfAProofIsNoticed) {
  const ChallengedSector& seven = sectors_[0];
  EXPECT_OK(VerifySectorProof(proof_.proof, tree_, seven.comm_r, seven.challenges));
  const auto refused = [&](auto change, const char* why) {
    SectorProof wrong = proof_.proof;
    change(wrong);
    EXPECT_THAT(VerifySectorProof(wrong, tree_, seven.comm_r, seven.challenges),
                StatusIs(absl::StatusCode::kInvalidArgument, why));
  };
  refused([](SectorProof& p) { p.comm_c += Fr::One(); }, "comm_r");
  refused([](SectorProof& p) { p.comm_r_last += Fr::One(); }, "comm_r");
  refused([](SectorProof& p) { p.inclusion_proofs.pop_back(); }, "9 inclusion proofs");
  refused([](SectorProof& p) { std::swap(p.inclusion_proofs[0], p.inclusion_proofs[1]); },
          "challenge 0");
  refused([](SectorProof& p) { p.inclusion_proofs[3].leaf += Fr::One(); }, "challenge 3");
  refused([](SectorProof& p) { p.inclusion_proofs[9].root += Fr::One(); }, "comm_r_last");
  refused([](SectorProof& p) { p.inclusion_proofs[2].path[1].siblings[6] += Fr::One(); },
          "hash to the root");
  refused([](SectorProof& p) { p.inclusion_proofs[2].path[0].index ^= 1; }, "asked for");
  refused([](SectorProof& p) { p.inclusion_proofs[2].path[0].index = 8; }, "index 8");
  refused([](SectorProof& p) { p.inclusion_proofs[2].path.pop_back(); }, "levels");
  EXPECT_THAT(VerifySectorProof(proof_.proof, tree_, sectors_[1].comm_r, seven.challenges),
              StatusIs(absl::StatusCode::kInvalidArgument, "comm_r"));
  EXPECT_THAT(VerifySectorProof(proof_.proof, tree_, seven.comm_r, sectors_[1].challenges),
              StatusIs(absl::StatusCode::kInvalidArgument, "asked for"));
}

TEST_F(VanillaTest, ProofsOfAPartitionAreCheckedByNumberAndOrder) {
  const CircuitShape circuit = CircuitShapeOf(PostKind::kWindow, tree_);
  ASSERT_OK_AND_ASSIGN(const std::string eleven_bytes,
                       ReadFile(kData + "/cases/window-2KiB-V1_2-7_11-11.vproof"));
  ASSERT_OK_AND_ASSIGN(const FallbackSectorProof eleven,
                       DecodeVanillaProof(AsBytes(eleven_bytes), tree_));
  const std::vector<FallbackSectorProof> both{proof_, eleven};
  ASSERT_OK_AND_ASSIGN(const std::vector<circuit::SectorPaths> paths,
                       SectorPathsOf(circuit, sectors_, both));
  ASSERT_EQ(paths.size(), 2u);
  EXPECT_EQ(paths[1].comm_r, eleven.comm_r);
  EXPECT_EQ(paths[1].challenges.data(), both[1].proof.inclusion_proofs.data());
  EXPECT_THAT(SectorPathsOf(circuit, sectors_, std::vector<FallbackSectorProof>{eleven, proof_}),
              StatusIs(absl::StatusCode::kInvalidArgument, "sector 7"));
  EXPECT_THAT(SectorPathsOf(circuit, sectors_, std::vector<FallbackSectorProof>{proof_}),
              StatusIs(absl::StatusCode::kInvalidArgument, "1 vanilla proofs for 2 sectors"));
  FallbackSectorProof short_one = eleven;
  short_one.proof.inclusion_proofs.pop_back();
  EXPECT_THAT(SectorPathsOf(circuit, sectors_, std::vector<FallbackSectorProof>{proof_, short_one}),
              StatusIs(absl::StatusCode::kInvalidArgument, "answers 9 challenges"));
}

TEST_F(VanillaTest, CodecIsStrict) {
  EXPECT_EQ(AsText(EncodeVanillaProof(proof_, tree_)), bytes_);
  EXPECT_EQ(bytes_.size(), VanillaProofBytes(tree_, 10));
  // Every cut, and every longer form.
  for (std::size_t length = 0; length < bytes_.size(); length += 7) {
    EXPECT_THAT(DecodeVanillaProof(AsBytes(std::string_view(bytes_).substr(0, length)), tree_),
                StatusIs(absl::StatusCode::kInvalidArgument, "byte "))
        << length;
  }
  EXPECT_THAT(DecodeVanillaProof(AsBytes(bytes_ + '\0'), tree_),
              StatusIs(absl::StatusCode::kInvalidArgument, "1 bytes are left over"));
  // The form of another sector size.
  EXPECT_FALSE(DecodeVanillaProof(AsBytes(bytes_), merkle::ShapeOf(4096).value()).ok());
  EXPECT_FALSE(
      DecodeVanillaProof(AsBytes(bytes_), merkle::ShapeOf(std::uint64_t{8} << 20).value()).ok());

  const auto refused = [&](std::size_t at, std::uint8_t byte, const char* why) {
    std::string wrong = bytes_;
    wrong[at] = static_cast<char>(byte);
    EXPECT_THAT(DecodeVanillaProof(AsBytes(wrong), tree_),
                StatusIs(absl::StatusCode::kInvalidArgument, why))
        << at;
  };
  refused(39, 0xff, "comm_r");                  // top byte of comm_r
  refused(40, 2, "number of sectors");          // sectors.len
  refused(48, 0, "inclusion proofs");           // inclusion_proofs.len
  refused(48, 67, "inclusion proofs");          //
  refused(55, 0xff, "inclusion proofs");        // a huge count asks for no memory
  refused(56, 1, "kind of a Merkle proof");     // tag
  refused(60 + 64, 3, "number of levels");      // path length
  refused(60 + 72, 6, "number of siblings");    // siblings of level 0
  refused(60 + 80 + 7 * 32, 8, "not below 8");  // index of level 0
}

TEST_F(VanillaTest, RandomChangesOfTheBytesAreRefusedOrNoticed) {
  SeededRandom random(5);
  const ChallengedSector& seven = sectors_[0];
  for (int i = 0; i < 300; ++i) {
    std::string wrong = bytes_;
    const std::size_t at = random.Below(wrong.size());
    wrong[at] = static_cast<char>(wrong[at] ^ (1 << random.Below(8)));
    const absl::StatusOr<FallbackSectorProof> decoded = DecodeVanillaProof(AsBytes(wrong), tree_);
    if (!decoded.ok()) continue;
    const bool same_sector = decoded->sector == 7 && decoded->comm_r == seven.comm_r;
    EXPECT_FALSE(same_sector &&
                 VerifySectorProof(decoded->proof, tree_, seven.comm_r, seven.challenges).ok())
        << at;
  }
}

TEST(CommRTest, ZeroAndNonCanonicalAreRefused) {
  EXPECT_THAT(CommRFromBytes(Bytes32{}), StatusIs(absl::StatusCode::kInvalidArgument, "zero"));
  Bytes32 large;
  large.fill(0xff);
  EXPECT_THAT(CommRFromBytes(large), StatusIs(absl::StatusCode::kInvalidArgument, "canonical"));
}

}  // namespace
}  // namespace damocles::post
