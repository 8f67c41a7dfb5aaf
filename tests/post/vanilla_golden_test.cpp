// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Sectors, challenges and vanilla proofs against those of the network's own library.

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/post/golden_case.h"

namespace damocles::post {
namespace {

bool Skipped(const std::string& size) {
  return size == "512MiB";  // has a program of its own: it is hashed in full
}

TEST(SectorsGoldenTest, TreesAndCommitmentsAreThoseOfTheNetworksLibrary) {
  Sectors sectors;
  std::map<std::string, int> seen;
  for (const nlohmann::json& golden : Json(kGolden + "/sectors.json")) {
    const std::string size = golden.at("sector_size");
    if (Skipped(size)) continue;
    CheckSectorOf(golden, sectors);
    ++seen[size];
  }
  EXPECT_EQ(seen.size(), 7u);
}

TEST(VanillaGoldenTest, EveryCase) {
  Sectors sectors;
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kGolden + "/cases")) {
    if (entry.path().extension() != ".json") continue;
    SCOPED_TRACE(entry.path().filename().string());
    const nlohmann::json golden = Json(entry.path());
    if (Skipped(golden.at("sector_size"))) continue;
    CheckCase(golden, sectors);
    ++cases;
  }
  EXPECT_GE(cases, 25);
}

TEST(VanillaGoldenTest, ReallySealedSectorBeforeAndAfterItsUpgrade) {
  const std::string folder = kGolden + "/sectors/sealed-2KiB";
  const merkle::TreeShape tree = ShapeNamed("2KiB");
  int seen = 0;
  for (const nlohmann::json& golden : Json(folder + "/sealed.json")) {
    const bool updated = golden.at("what") == "updated";
    SCOPED_TRACE(golden.at("what"));
    const merkle::SectorFiles files =
        updated
            ? merkle::SectorFiles{folder + "/update/s-t01000-21",
                                  folder + "/update-cache/s-t01000-21"}
            : merkle::SectorFiles{folder + "/sealed/s-t01000-21", folder + "/cache/s-t01000-21"};
    const std::vector<std::uint64_t> challenges = WindowChallenges(
        ApiVersion::kV1_2, Bytes32Of(golden.at("randomness")), golden.at("sector"), 0, tree);
    EXPECT_EQ(challenges, golden.at("challenges").get<std::vector<std::uint64_t>>());
    ASSERT_OK_AND_ASSIGN(const FallbackSectorProof proof,
                         GenerateVanillaProof(tree, golden.at("sector"), FrOf(golden.at("comm_r")),
                                              files, challenges));
    const Bytes encoded = EncodeVanillaProof(proof, tree);
    EXPECT_EQ(ToHex(hash::Sha256Of(encoded)), golden.at("vanilla").at("sha256"));
    ThreadPool pool(1);
    EXPECT_OK(merkle::CheckSector(pool, tree, files, FrOf(golden.at("comm_r"))));
    // The commitment of the other one is refused.
    const std::string other = updated ? "cache" : "update-cache";
    EXPECT_FALSE(GenerateVanillaProof(tree, golden.at("sector"), FrOf(golden.at("comm_r")),
                                      {files.sealed_path, folder + "/" + other + "/s-t01000-21"},
                                      challenges)
                     .ok());
    ++seen;
  }
  EXPECT_EQ(seen, 2);
}

// A sector of the main network with the proof that was published for it.
TEST(VanillaGoldenTest, Real32GiBSector) {
  ASSERT_OK_AND_ASSIGN(const std::string file,
                       ReadFile(std::string(DAMOCLES_GOLDEN_DIR) + "/real-32gib/post.vproof"));
  const merkle::TreeShape tree = ShapeNamed("32GiB");
  ASSERT_OK_AND_ASSIGN(const FallbackSectorProof proof, DecodeVanillaProof(AsBytes(file), tree));
  EXPECT_EQ(proof.sector, 1u);
  const Fr comm_r = FrOf("df691086e3c673c95a45908713d4c5938e5ced43f21b888bd9bc6e181c9f326b");
  EXPECT_EQ(proof.comm_r, comm_r);
  const std::vector<std::uint64_t> challenges =
      WindowChallenges(ApiVersion::kV1_0, Bytes32{}, 1, 0, tree);
  EXPECT_EQ(challenges,
            (std::vector<std::uint64_t>{707914199, 439148358, 967788220, 548708700, 1061661429,
                                        6202012, 1055504637, 389535735, 1000069704, 600088878}));
  EXPECT_OK(VerifySectorProof(proof.proof, tree, comm_r, challenges));
  EXPECT_EQ(AsText(EncodeVanillaProof(proof, tree)), file);
}

}  // namespace
}  // namespace damocles::post
