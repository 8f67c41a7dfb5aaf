// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Challenges, partitions, public inputs and parameter names against the specification.

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/support/practice.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/hex.h"
#include "damocles/post/challenge.h"
#include "damocles/post/parameter_id.h"
#include "damocles/post/partition.h"
#include "damocles/post/public_inputs.h"

namespace damocles::post {
namespace {

using testing_support::MadeUpElement;
using testing_support::StatusIs;
using Challenges = std::vector<std::uint64_t>;

const Bytes32 kRandomness = MadeUpElement("post-spec/randomness", {});

merkle::TreeShape Tree(std::uint64_t kib) {
  return merkle::ShapeOf(kib * 1024).value();
}

constexpr std::uint64_t kGiBInKiB = 1024 * 1024;

// A sector of the main network.
TEST(ChallengeTest, RealSectors) {
  const merkle::TreeShape tree = Tree(32 * kGiBInKiB);
  EXPECT_EQ(WindowChallenges(ApiVersion::kV1_0, Bytes32{}, 1, 0, tree),
            (Challenges{707914199, 439148358, 967788220, 548708700, 1061661429, 6202012, 1055504637,
                        389535735, 1000069704, 600088878}));
  const Bytes32 randomness =
      FromHex32("2fb40fd7043336d645cd138963c6f960f649db53a0f532e264598e9f53e2ed23").value();
  EXPECT_EQ(WindowChallenges(ApiVersion::kV1_2, randomness, 132, 99, tree),
            (Challenges{396119802, 277217811, 436245381, 243087716, 706056829, 128152768, 598990178,
                        81580961, 470132133, 332920863}));
}

// Appendix A.3.
TEST(ChallengeTest, PositionCountsInV1_0AndV1_1Only) {
  EXPECT_EQ(ToHex(kRandomness), "fd60799789d58905e7b637894df8e843fccff4497fbab080bd4658087ad2202d");
  const Challenges by_position = {20, 2, 21, 40, 8, 38, 37, 61, 56, 34};
  const Challenges by_number = {47, 24, 40, 17, 17, 10, 14, 1, 22, 38};
  EXPECT_EQ(WindowChallenges(ApiVersion::kV1_0, kRandomness, 11, 1, Tree(2)), by_position);
  EXPECT_EQ(WindowChallenges(ApiVersion::kV1_1, kRandomness, 11, 1, Tree(2)), by_position);
  EXPECT_EQ(WindowChallenges(ApiVersion::kV1_2, kRandomness, 11, 1, Tree(2)), by_number);
  EXPECT_EQ(WindowChallenges(ApiVersion::kV1_2, kRandomness, 11, 0, Tree(2)), by_number);
  EXPECT_EQ(WindowChallenges(ApiVersion::kV1_0, kRandomness, 13, 2, Tree(2)),
            (Challenges{8, 27, 50, 20, 17, 31, 62, 35, 0, 18}));
  EXPECT_EQ(WindowChallenges(ApiVersion::kV1_1, kRandomness, 11, 1, Tree(32)),
            (Challenges{404, 450, 21, 104, 200, 870, 613, 381, 824, 802}));
}

TEST(ChallengeTest, Winning) {
  const Challenges challenges = WinningChallenges(kRandomness, 7, Tree(2));
  ASSERT_EQ(challenges.size(), 66u);
  EXPECT_EQ(Challenges(challenges.begin(), challenges.begin() + 12),
            (Challenges{10, 34, 18, 33, 55, 54, 53, 21, 6, 29, 26, 3}));
  EXPECT_EQ(challenges.back(), 2u);
  const Bytes32 prover = ProverId(1000);
  EXPECT_EQ(*WinningSectorChallenge(prover, kRandomness, 0, 1000), 205u);
  EXPECT_EQ(*WinningSectorChallenge(prover, kRandomness, 1, 1000), 911u);
  EXPECT_EQ(*WinningSectorChallenge(prover, kRandomness, 2, 1000), 802u);
  EXPECT_THAT(WinningSectorChallenge(prover, kRandomness, 0, 0),
              StatusIs(absl::StatusCode::kInvalidArgument, "sector"));
}

TEST(ChallengeTest, ProverIdAndRandomness) {
  EXPECT_EQ(ToHex(ProverId(1000)).substr(0, 6), "e80700");
  EXPECT_EQ(ToHex(ProverId(3751)).substr(0, 6), "a71d00");
  EXPECT_EQ(ToHex(ProverId(127)).substr(0, 4), "7f00");
  EXPECT_EQ(ToHex(ProverId(128)).substr(0, 6), "800100");
  EXPECT_EQ(ToHex(ProverId(0)), std::string(64, '0'));

  Bytes32 randomness;
  randomness.fill(0xff);
  EXPECT_THAT(CheckRandomness(randomness),
              StatusIs(absl::StatusCode::kInvalidArgument, "randomness"));
  EXPECT_OK(CheckRandomness(MaskRandomness(randomness)));
  EXPECT_EQ(MaskRandomness(randomness)[31], 0x3f);
  EXPECT_EQ(MaskRandomness(randomness)[30], 0xff);
}

std::vector<SectorCommitment> Commitments(std::uint64_t count) {
  std::vector<SectorCommitment> out;
  for (std::uint64_t i = 0; i < count; ++i) {
    out.push_back({3 * i, MadeUpElement("comm_r", {i})});
  }
  return out;
}

TEST(PartitionTest, CircuitsOfTheNetwork) {
  for (const merkle::TreeShape& tree : merkle::AllShapes()) {
    const CircuitShape window = CircuitShapeOf(PostKind::kWindow, tree);
    const std::uint64_t want = tree.sector_bytes == std::uint64_t{32} << 30   ? 2349
                               : tree.sector_bytes == std::uint64_t{64} << 30 ? 2300
                                                                              : 2;
    EXPECT_EQ(window.sectors, want);
    EXPECT_EQ(window.challenges, 10u);
    EXPECT_EQ(window.ChallengesPerSector(), 10u);
    const CircuitShape winning = CircuitShapeOf(PostKind::kWinning, tree);
    EXPECT_EQ(winning.sectors, 66u);
    EXPECT_EQ(winning.challenges, 1u);
    EXPECT_EQ(winning.ChallengesPerSector(), 66u);
  }
  EXPECT_EQ(CircuitShapeOf(PostKind::kWindow, Tree(2), 5).sectors, 5u);
  EXPECT_EQ(PublicInputCount(CircuitShapeOf(PostKind::kWindow, Tree(32 * kGiBInKiB))), 25839u);
  EXPECT_EQ(PublicInputCount(CircuitShapeOf(PostKind::kWindow, Tree(64 * kGiBInKiB))), 25300u);
  EXPECT_EQ(PublicInputCount(CircuitShapeOf(PostKind::kWindow, Tree(2))), 22u);
  EXPECT_EQ(PublicInputCount(CircuitShapeOf(PostKind::kWinning, Tree(2))), 132u);
}

TEST(PartitionTest, CountIsTheCeilingAndAtLeastOne) {
  const CircuitShape small = CircuitShapeOf(PostKind::kWindow, Tree(2));
  const CircuitShape large = CircuitShapeOf(PostKind::kWindow, Tree(32 * kGiBInKiB));
  EXPECT_EQ(PartitionCount(small, 0).Count(), 1u);
  EXPECT_EQ(PartitionCount(small, 1).Count(), 1u);
  EXPECT_EQ(PartitionCount(small, 2).Count(), 1u);
  EXPECT_EQ(PartitionCount(small, 3).Count(), 2u);
  EXPECT_EQ(PartitionCount(large, 2349).Count(), 1u);
  EXPECT_EQ(PartitionCount(large, 2350).Count(), 2u);
  EXPECT_EQ(PartitionCount(large, 3 * 2349).Count(), 3u);
  EXPECT_EQ(PartitionCount(CircuitShapeOf(PostKind::kWinning, Tree(2)), 1).Count(), 1u);
}

TEST(PartitionTest, SectorsAreSortedAndUniqueWhateverTheOrder) {
  const CircuitShape circuit = CircuitShapeOf(PostKind::kWindow, Tree(2));
  const std::vector<SectorCommitment> ascending = Commitments(5);
  ASSERT_OK_AND_ASSIGN(const std::vector<ChallengedSector> want,
                       ChallengeSectors(circuit, ApiVersion::kV1_1, kRandomness, ascending));
  std::vector<SectorCommitment> mixed = {ascending[3], ascending[0], ascending[4], ascending[0],
                                         ascending[2], ascending[1], ascending[4]};
  ASSERT_OK_AND_ASSIGN(const std::vector<ChallengedSector> got,
                       ChallengeSectors(circuit, ApiVersion::kV1_1, kRandomness, mixed));
  EXPECT_EQ(got, want);
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(want[i].sector, 3 * i);
    EXPECT_EQ(want[i].challenges,
              WindowChallenges(ApiVersion::kV1_1, kRandomness, 3 * i, i, Tree(2)));
  }
}

TEST(PartitionTest, LastSectorFillsTheLastPartition) {
  const CircuitShape circuit = CircuitShapeOf(PostKind::kWindow, Tree(2), 3);
  ASSERT_OK_AND_ASSIGN(const std::vector<ChallengedSector> all,
                       ChallengeSectors(circuit, ApiVersion::kV1_2, kRandomness, Commitments(4)));
  ASSERT_EQ(PartitionCount(circuit, all.size()).Count(), 2u);
  EXPECT_EQ(PartitionOf(circuit, all, 0).size(), 3u);
  const std::span<const ChallengedSector> last = PartitionOf(circuit, all, 1);
  ASSERT_EQ(last.size(), 1u);
  const std::vector<ChallengedSector> filled = CircuitSectors(circuit, last);
  EXPECT_EQ(filled, (std::vector<ChallengedSector>{all[3], all[3], all[3]}));

  const std::vector<Fr> inputs = PublicInputs(circuit, last);
  ASSERT_EQ(inputs.size(), 33u);
  for (std::size_t block = 0; block < 3; ++block) {
    EXPECT_EQ(inputs[11 * block], all[3].comm_r);
    for (std::size_t n = 0; n < 10; ++n) {
      EXPECT_EQ(inputs[11 * block + 1 + n], Fr::FromU64(all[3].challenges[n]));
    }
  }
}

TEST(PartitionTest, WinningSectorIsUnrolled) {
  const CircuitShape circuit = CircuitShapeOf(PostKind::kWinning, Tree(2));
  ASSERT_OK_AND_ASSIGN(const std::vector<ChallengedSector> all,
                       ChallengeSectors(circuit, ApiVersion::kV1_1, kRandomness, Commitments(1)));
  const std::vector<Fr> inputs = PublicInputs(circuit, PartitionOf(circuit, all, 0));
  ASSERT_EQ(inputs.size(), 132u);
  for (std::size_t i = 0; i < 66; ++i) {
    EXPECT_EQ(inputs[2 * i], all[0].comm_r);
    EXPECT_EQ(inputs[2 * i + 1], Fr::FromU64(LeafChallenge(kRandomness, 0, i, 64)));
  }
}

TEST(PartitionTest, WhatCannotBeProvenIsRefused) {
  const CircuitShape window = CircuitShapeOf(PostKind::kWindow, Tree(2));
  const CircuitShape winning = CircuitShapeOf(PostKind::kWinning, Tree(2));
  const auto refused = [](const absl::StatusOr<std::vector<ChallengedSector>>& result,
                          const char* why) {
    EXPECT_THAT(result, StatusIs(absl::StatusCode::kInvalidArgument, why));
  };
  refused(ChallengeSectors(window, ApiVersion::kV1_2, kRandomness, {}), "no sector");
  refused(ChallengeSectors(winning, ApiVersion::kV1_1, kRandomness, Commitments(2)), "one sector");
  refused(ChallengeSectors(winning, ApiVersion::kV1_2, kRandomness, Commitments(1)), "V1_2");
  Bytes32 large;
  large.fill(0xff);
  refused(ChallengeSectors(window, ApiVersion::kV1_2, large, Commitments(1)), "randomness");
  std::vector<SectorCommitment> sectors = Commitments(2);
  sectors[1].comm_r = large;
  refused(ChallengeSectors(window, ApiVersion::kV1_2, kRandomness, sectors), "sector 3");
  sectors[1].comm_r = Bytes32{};
  refused(ChallengeSectors(window, ApiVersion::kV1_2, kRandomness, sectors), "all zeros");
  sectors = Commitments(2);
  sectors[1].number = sectors[0].number;
  refused(ChallengeSectors(window, ApiVersion::kV1_2, kRandomness, sectors), "two commitments");
}

// The SHA-256 part of all twenty names: those of parameters.json of rust-fil-proofs.
TEST(ParameterIdTest, AllNames) {
  const std::map<std::string, std::pair<std::string, std::string>> want = {
      {"2KiB",
       {"0170db1f394b35d995252228ee359194b13199d259380541dc529fb0099096b0",
        "3ea05428c9d11689f23529cde32fd30aabd50f7d2c93657c1d3650bca3e8ea9e"}},
      {"4KiB",
       {"cc42931263e38853659466f248a6d623b702bf9ec49f687b2a931cef727c1069",
        "1b919095872c3abb6e84fb6060425159f5ddd55c982df1853100e66919c70d34"}},
      {"16KiB",
       {"457fef4290dae6633b426166ae92f2e7732fe528b75fec3226dc479ce7c95662",
        "fb97aa10509b0b9a3663c412f4362c4899d88bc4fcd680ab5898a4b5c594c9ca"}},
      {"32KiB",
       {"0f2270b825bd80be1b341ad648b96c9cbf744a38c50921dc734e4a251a48447b",
        "46ced5cb1fda8c92490b22b2af7bd1adedace49a0a40539f96bea1082b740ebc"}},
      {"8MiB",
       {"5294475db5237a2e83c3e52fd6c2b03859a1831d45ed08c4f35dbf9a803165a9",
        "50c7368dea9593ed0989e70974d28024efa9d156d585b7eea1be22b2e753f331"}},
      {"16MiB",
       {"8feba84565cc48dcdb48c9b2957754a8b91e1bfa1fc1348791d1a3fda9b5ea09",
        "6f17428086c4e8ebe4fe3cb08be628669bf3e16652c22a78e1fa53e9e83feaf4"}},
      {"512MiB",
       {"0cfb4f178bbb71cf2ecfcd42accce558b27199ab4fb59cb78f2483fe21ef36d9",
        "7d739b8cf60f1b0709eeebee7730e297683552e4b69cab6984ec0285663c5781"}},
      {"1GiB",
       {"f3aab9038a63efce6e3dc362dc6a7f7a01f078100441320740f23d626e3dd4cb",
        "bbd6dae94a7b8b69d4d020e0562f8640033a09b4a500ad3ab68f696fcf521519"}},
      {"32GiB",
       {"0377ded656c6f524f1618760bffe4e0a1c51d5a70c4509eedae8a27555733edc",
        "559e581f022bb4e4ec6e719e563bf0e026ad6de42e56c18714a2c692b1b88d7e"}},
      {"64GiB",
       {"2627e4006b67f99cef990c0a47d5426cb7ab0a0ad58fc1061547bf2d28b09def",
        "b62098629d07946e9028127e70295ed996fe3ed25b0f9f88eb610a0ab4385a3c"}},
  };
  int published = 0;
  for (const merkle::TreeShape& tree : merkle::AllShapes()) {
    const std::string size = merkle::SizeName(tree.sector_bytes);
    SCOPED_TRACE(size);
    for (PostKind kind : {PostKind::kWindow, PostKind::kWinning}) {
      const CircuitShape circuit = CircuitShapeOf(kind, tree);
      const std::string digest =
          kind == PostKind::kWindow ? want.at(size).first : want.at(size).second;
      const std::string id =
          "proof-of-spacetime-fallback-merkletree-poseidon_hasher-" + tree.Name() + "-" + digest;
      EXPECT_EQ(ParameterId(circuit), id);
      EXPECT_EQ(ParamsFileName(circuit), "v28-" + id + ".params");
      EXPECT_EQ(VkFileName(circuit), "v28-" + id + ".vk");
      EXPECT_EQ(MetaFileName(circuit), "v28-" + id + ".meta");
      for (const std::string& name :
           {ParamsFileName(circuit), VkFileName(circuit), "/a/b/" + MetaFileName(circuit)}) {
        ASSERT_OK_AND_ASSIGN(const CircuitShape back, CircuitOfFileName(name));
        EXPECT_EQ(back, circuit);
      }
      published += PublishedParametersOf(circuit).has_value() ? 1 : 0;
    }
  }
  EXPECT_EQ(published, 10);
}

TEST(ParameterIdTest, PublishedDigestsAreForTheNetworksCircuitsOnly) {
  const CircuitShape circuit = CircuitShapeOf(PostKind::kWindow, Tree(32 * kGiBInKiB));
  const auto published = PublishedParametersOf(circuit);
  ASSERT_TRUE(published.has_value());
  EXPECT_EQ(published->params.digest, "2cf49eb26f1fee94c85781a390ddb4c8");
  EXPECT_EQ(published->params.cid, "QmaUmfcJt6pozn8ndq1JVBzLRjRJdHMTPd4foa8iw5sjBZ");
  EXPECT_EQ(published->vk.digest, "0f8ec542485568fa3468c066e9fed82b");
  EXPECT_EQ(published->vk.cid, "QmR9i9KL3vhhAqTBGj1bPPC7LvkptxrH9RvxJxLN1vvsBE");
  CircuitShape other = circuit;
  other.sectors = 2;
  EXPECT_FALSE(PublishedParametersOf(other).has_value());
  EXPECT_FALSE(PublishedParametersOf(CircuitShapeOf(PostKind::kWindow, Tree(4))).has_value());
  for (const char* name : {"", "x.params", "v28-.vk", "v28-proof-of-spacetime.params"}) {
    EXPECT_THAT(CircuitOfFileName(name), StatusIs(absl::StatusCode::kNotFound, ""));
  }
  EXPECT_THAT(CircuitOfFileName(ParamsFileName(other)), StatusIs(absl::StatusCode::kNotFound, ""));
}

TEST(TypesTest, NamesReadBack) {
  for (ApiVersion version : {ApiVersion::kV1_0, ApiVersion::kV1_1, ApiVersion::kV1_2}) {
    EXPECT_EQ(*ApiVersionFromName(ApiVersionName(version)), version);
  }
  EXPECT_EQ(*KindFromName("window"), PostKind::kWindow);
  EXPECT_EQ(*KindFromName("winning"), PostKind::kWinning);
  EXPECT_THAT(ApiVersionFromName("V1"), StatusIs(absl::StatusCode::kInvalidArgument, "V1_2"));
  EXPECT_THAT(KindFromName("Window"), StatusIs(absl::StatusCode::kInvalidArgument, "winning"));
}

}  // namespace
}  // namespace damocles::post
