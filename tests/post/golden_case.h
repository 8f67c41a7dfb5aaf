// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Compares sectors, challenges and vanilla proofs with those of the network's own library.

#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "tests/support/practice.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/base/thread_pool.h"
#include "damocles/hash/sha256.h"
#include "damocles/merkle/build.h"
#include "damocles/post/challenge.h"
#include "damocles/post/circuit.h"
#include "damocles/post/partition.h"
#include "damocles/post/public_inputs.h"
#include "damocles/post/vanilla.h"

namespace damocles::post {
using testing_support::MadeUpCommC;
using testing_support::MadeUpSector;
using testing_support::TempDir;

inline const std::string kGolden = std::string(DAMOCLES_GOLDEN_DIR) + "/post";

inline nlohmann::json Json(const std::string& path) {
  return nlohmann::json::parse(*ReadFile(path));
}

inline Bytes32 Bytes32Of(const nlohmann::json& hex) {
  return FromHex32(hex.get<std::string>()).value();
}

inline Fr FrOf(const nlohmann::json& hex) {
  return bls12_381::FrFromBytesLe(Bytes32Of(hex)).value();
}

inline std::string Sha256Hex(std::string_view content) {
  return ToHex(hash::Sha256Of(AsBytes(content)));
}

inline merkle::TreeShape ShapeNamed(const std::string& name) {
  for (const merkle::TreeShape& shape : merkle::AllShapes()) {
    if (merkle::SizeName(shape.sector_bytes) == name) return shape;
  }
  ADD_FAILURE() << name;
  return {};
}

// Makes the sectors of the golden data, each once a test.
class Sectors {
 public:
  merkle::SectorFiles Files(const merkle::TreeShape& shape, std::uint64_t number) {
    const std::string size = merkle::SizeName(shape.sector_bytes);
    const std::string name = absl::StrFormat("s-t01000-%d", number);
    const std::string golden = kGolden + "/sectors/" + size;
    if (std::filesystem::exists(golden + "/sealed/" + name)) {
      return {golden + "/sealed/" + name, golden + "/cache/" + name};
    }
    const merkle::SectorFiles made{folder_ / (size + name), folder_ / (size + name + "-cache")};
    if (std::filesystem::exists(made.sealed_path)) return made;
    merkle::PAux p_aux{MadeUpCommC(number), Fr::Zero()};
    if (shape.sector_bytes >= std::uint64_t{1} << 34) {
      std::ofstream(made.sealed_path).flush();
      std::filesystem::resize_file(made.sealed_path, shape.sector_bytes);
      p_aux.comm_r_last = merkle::BuildZeroTreeFiles(shape, made.cache_folder).value();
    } else {
      std::ofstream(made.sealed_path) << MadeUpSector(shape, number, pool_);
      p_aux.comm_r_last = merkle::BuildTreeFiles(pool_, shape, made).value();
    }
    EXPECT_OK(merkle::WritePAux(made.cache_folder, p_aux));
    return made;
  }

  ThreadPool& Pool() { return pool_; }

 private:
  TempDir folder_;
  ThreadPool pool_{2};
};

// Builds trees and commitments anew and compares them, and the files that are there.
inline void CheckSectorOf(const nlohmann::json& golden, Sectors& sectors) {
  const std::string size = golden.at("sector_size");
  const std::uint64_t number = golden.at("sector");
  SCOPED_TRACE(size + "/" + std::to_string(number));
  const merkle::TreeShape shape = ShapeNamed(size);
  const merkle::SectorFiles files = sectors.Files(shape, number);
  const bool large = shape.sector_bytes >= std::uint64_t{1} << 34;
  if (!large) {
    EXPECT_EQ(Sha256Hex(*ReadFile(files.sealed_path)), golden.at("sealed_sha256"));
  }

  // Built anew, also where the files are there already.
  TempDir folder;
  const merkle::SectorFiles rebuilt{files.sealed_path, folder / "cache"};
  ASSERT_OK_AND_ASSIGN(
      const merkle::PAux p_aux,
      merkle::RebuildSector(sectors.Pool(), shape, rebuilt, FrOf(golden.at("comm_c"))));
  EXPECT_EQ(p_aux.comm_r_last, FrOf(golden.at("comm_r_last")));
  EXPECT_EQ(p_aux.CommR(), FrOf(golden.at("comm_r")));
  std::vector<std::string> names;
  for (const nlohmann::json& tree : golden.at("trees")) {
    names.push_back(tree.at("file"));
    for (const merkle::SectorFiles& set : {files, rebuilt}) {
      ASSERT_OK_AND_ASSIGN(const std::string content,
                           ReadFile(set.cache_folder + "/" + names.back()));
      EXPECT_EQ(content.size(), tree.at("bytes").get<std::uint64_t>());
      EXPECT_EQ(Sha256Hex(content), tree.at("sha256"));
    }
  }
  EXPECT_EQ(names, merkle::TreeFileNames(shape));
  EXPECT_OK(merkle::CheckSector(sectors.Pool(), shape, files, FrOf(golden.at("comm_r"))));
}

// Recomputes everything up to the public inputs and the SHA-256 of their bytes.
inline void CheckCase(const nlohmann::json& golden, Sectors& sectors) {
  const merkle::TreeShape tree = ShapeNamed(golden.at("sector_size"));
  const PostKind kind = KindFromName(golden.at("kind").get<std::string>()).value();
  const ApiVersion version =
      ApiVersionFromName(golden.at("api_version").get<std::string>()).value();
  const nlohmann::json& golden_circuit = golden.at("circuit");
  const CircuitShape circuit = CircuitShapeOf(kind, tree, golden_circuit.at("sectors"));
  ASSERT_EQ(circuit.sectors, golden_circuit.at("sectors"));
  ASSERT_EQ(circuit.challenges, golden_circuit.at("challenges"));
  const Bytes32 randomness = Bytes32Of(golden.at("randomness"));
  EXPECT_EQ(ProverId(golden.at("miner")), Bytes32Of(golden.at("prover_id")));

  std::vector<SectorCommitment> commitments;
  for (const nlohmann::json& sector : golden.at("sectors")) {
    // Backwards: the list has to be sorted.
    commitments.insert(commitments.begin(), {sector.at("sector"), Bytes32Of(sector.at("comm_r"))});
  }
  commitments.push_back(commitments[0]);
  ASSERT_OK_AND_ASSIGN(const std::vector<ChallengedSector> challenged,
                       ChallengeSectors(circuit, version, randomness, commitments));
  ASSERT_EQ(challenged.size(), golden.at("sectors").size());

  std::vector<FallbackSectorProof> proofs;
  for (std::size_t i = 0; i < challenged.size(); ++i) {
    SCOPED_TRACE(challenged[i].sector);
    EXPECT_EQ(challenged[i].sector, golden.at("sectors")[i].at("sector"));
    EXPECT_EQ(challenged[i].challenges,
              golden.at("sectors")[i].at("challenges").get<std::vector<std::uint64_t>>());
    const nlohmann::json& vanilla = golden.at("vanilla")[i];
    ASSERT_OK_AND_ASSIGN(
        const FallbackSectorProof proof,
        GenerateVanillaProof(tree, challenged[i].sector, challenged[i].comm_r,
                             sectors.Files(tree, challenged[i].sector), challenged[i].challenges));
    const Bytes encoded = EncodeVanillaProof(proof, tree);
    EXPECT_EQ(encoded.size(), vanilla.at("bytes").get<std::uint64_t>());
    EXPECT_EQ(encoded.size(), VanillaProofBytes(tree, circuit.ChallengesPerSector()));
    EXPECT_EQ(ToHex(hash::Sha256Of(encoded)), vanilla.at("sha256"));
    ASSERT_OK_AND_ASSIGN(const std::string file,
                         ReadFile(kGolden + "/cases/" + vanilla.at("file").get<std::string>()));
    EXPECT_TRUE(AsText(encoded) == file) << "bytes differ from " << vanilla.at("file");
    ASSERT_OK_AND_ASSIGN(const FallbackSectorProof decoded,
                         DecodeVanillaProof(AsBytes(file), tree));
    EXPECT_TRUE(decoded == proof);
    EXPECT_OK(
        VerifySectorProof(decoded.proof, tree, challenged[i].comm_r, challenged[i].challenges));
    proofs.push_back(proof);
  }

  const nlohmann::json& partitions = golden.at("partitions");
  ASSERT_EQ(PartitionCount(circuit, challenged.size()).Count(), partitions.size());
  std::size_t first = 0;
  for (std::size_t k = 0; k < partitions.size(); ++k) {
    SCOPED_TRACE(k);
    const std::span<const ChallengedSector> real = PartitionOf(circuit, challenged, k);
    const std::vector<Fr> inputs = PublicInputs(circuit, real);
    EXPECT_EQ(inputs.size(), PublicInputCount(circuit));
    EXPECT_EQ(inputs.size() + 1, partitions[k].at("inputs").get<std::size_t>());
    hash::Sha256 digest;
    for (const Fr& input : inputs) digest.Update(bls12_381::ToBytesLe(input));
    EXPECT_EQ(ToHex(digest.Finish()), partitions[k].at("inputs_without_one_sha256"));

    ASSERT_OK_AND_ASSIGN(
        const std::vector<circuit::SectorPaths> paths,
        SectorPathsOf(circuit, real,
                      std::span<const FallbackSectorProof>(proofs).subspan(first, real.size())));
    ASSERT_EQ(paths.size(), circuit.kind == PostKind::kWinning ? circuit.sectors : real.size());
    const std::vector<ChallengedSector> in_circuit = CircuitSectors(circuit, real);
    for (std::size_t i = 0; i < paths.size(); ++i) {
      const SectorProof proof{{paths[i].challenges.begin(), paths[i].challenges.end()},
                              paths[i].comm_c,
                              paths[i].comm_r_last};
      EXPECT_OK(VerifySectorProof(proof, tree, in_circuit[i].comm_r, in_circuit[i].challenges));
    }
    first += real.size();
  }
}

}  // namespace damocles::post
