// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "tests/support/practice.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/base/random.h"
#include "damocles/hash/sha256.h"
#include "damocles/merkle/build.h"
#include "damocles/merkle/sector_tree.h"
#include "damocles/merkle/shape.h"
#include "damocles/poseidon/poseidon.h"

namespace damocles::merkle {
namespace {

using testing_support::StatusIs;
using testing_support::TempDir;

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;
constexpr std::uint64_t kGiB = 1024 * kMiB;

std::string Hex(const Fr& value) {
  return ToHex(bls12_381::ToBytesLe(value));
}

std::vector<Fr> NodesOf(std::string_view content) {
  std::vector<Fr> nodes;
  for (std::size_t at = 0; at < content.size(); at += 32) {
    nodes.push_back(bls12_381::FrFromBytesLe(AsBytes(content).subspan(at, 32)).value());
  }
  return nodes;
}

// All rows of one base tree, the simple way.
std::vector<std::vector<Fr>> Rows(std::vector<Fr> leaves) {
  std::vector<std::vector<Fr>> rows = {std::move(leaves)};
  while (rows.back().size() > 1) {
    std::vector<Fr> parents;
    for (std::size_t i = 0; i < rows.back().size(); i += 8) {
      parents.push_back(poseidon::HashPlain(std::span<const Fr>(rows.back()).subspan(i, 8)));
    }
    rows.push_back(std::move(parents));
  }
  return rows;
}

class MerkleTest : public ::testing::Test {
 protected:
  SectorFiles MakeSector(const TreeShape& shape, std::uint64_t number,
                         std::optional<unsigned> rows_to_discard = std::nullopt,
                         std::uint64_t filled = 1024) {
    const SectorFiles files{folder_ / "sealed", folder_ / "cache"};
    // Of the sector that lay there before: its p_aux would speak against this one.
    std::filesystem::remove_all(files.cache_folder);
    testing_support::WriteMadeUpSector(files.sealed_path, shape, number, filled);
    BuildOptions options;
    options.rows_to_discard = rows_to_discard;
    const absl::StatusOr<PAux> p_aux =
        RebuildSector(pool_, shape, files, Fr::FromU64(number), options);
    EXPECT_OK(p_aux.status());
    return files;
  }

  void CheckProof(const SectorTree& tree, std::uint64_t leaf, const std::vector<Fr>& nodes) {
    SCOPED_TRACE(leaf);
    ASSERT_OK_AND_ASSIGN(const InclusionProof proof, tree.Prove(leaf));
    ASSERT_OK(CheckForm(proof, tree.Shape()));
    EXPECT_EQ(proof.leaf, nodes[leaf]);
    EXPECT_EQ(proof.root, tree.Commitments().comm_r_last);
    EXPECT_EQ(ComputedRoot(proof), proof.root);
    EXPECT_EQ(ComputedLeafIndex(proof), leaf);
  }

  TempDir folder_;
  ThreadPool pool_{2};
};

TEST(ShapeTest, AllTenSizes) {
  struct Want {
    std::uint64_t bytes;
    const char* name;
    const char* size;
    unsigned base_trees, depth, rows_to_discard;
    std::uint64_t file_bytes;
    unsigned levels;
  };
  const Want wants[] = {
      {2 * kKiB, "8-0-0", "2KiB", 1, 2, 1, 32, 2},
      {4 * kKiB, "8-2-0", "4KiB", 2, 2, 1, 32, 3},
      {16 * kKiB, "8-8-0", "16KiB", 8, 2, 1, 32, 3},
      {32 * kKiB, "8-8-2", "32KiB", 16, 2, 1, 32, 4},
      {8 * kMiB, "8-0-0", "8MiB", 1, 6, 2, 18720, 6},
      {16 * kMiB, "8-2-0", "16MiB", 2, 6, 2, 18720, 7},
      {512 * kMiB, "8-0-0", "512MiB", 1, 8, 2, 1198368, 8},
      {1 * kGiB, "8-2-0", "1GiB", 2, 8, 2, 1198368, 9},
      {32 * kGiB, "8-8-0", "32GiB", 8, 9, 2, 9586976, 10},
      {64 * kGiB, "8-8-2", "64GiB", 16, 9, 2, 9586976, 11},
  };
  ASSERT_EQ(AllShapes().size(), std::size(wants));
  for (const Want& want : wants) {
    SCOPED_TRACE(want.size);
    ASSERT_OK_AND_ASSIGN(const TreeShape shape, ShapeOf(want.bytes));
    EXPECT_EQ(shape.Name(), want.name);
    EXPECT_EQ(SizeName(want.bytes), want.size);
    EXPECT_EQ(shape.BaseTrees(), want.base_trees);
    EXPECT_EQ(shape.base_depth, want.depth);
    EXPECT_EQ(shape.BaseLeaves() * shape.BaseTrees(), shape.Nodes());
    EXPECT_EQ(shape.PathLevels(), want.levels);
    EXPECT_EQ(DefaultRowsToDiscard(shape), want.rows_to_discard);
    EXPECT_EQ(TreeFileBytes(shape, want.rows_to_discard), want.file_bytes);
    std::uint64_t leaves = 1;
    for (unsigned level = 0; level < shape.PathLevels(); ++level) leaves *= shape.Arity(level);
    EXPECT_EQ(leaves, shape.Nodes());
    const std::vector<std::string> names = TreeFileNames(shape);
    ASSERT_EQ(names.size(), want.base_trees);
    EXPECT_EQ(names.back(),
              want.base_trees == 1
                  ? "sc-02-data-tree-r-last.dat"
                  : "sc-02-data-tree-r-last-" + std::to_string(want.base_trees - 1) + ".dat");
  }
  for (std::uint64_t wrong :
       {std::uint64_t{0}, std::uint64_t{1}, 2 * kKiB - 1, 8 * kKiB, 128 * kGiB}) {
    EXPECT_THAT(ShapeOf(wrong), StatusIs(absl::StatusCode::kInvalidArgument, ""));
  }
}

// A sector of the main network.
TEST(ShapeTest, RootsOfARealSectorMakeItsCommitment) {
  std::vector<Fr> roots;
  for (const char* root : {"924a00c61658322995d9fc493f8aec72365b30a50197e59537df246ca39ffd1b",
                           "d7958d6ff26877091592ea9b51de5ca3b0ad57af34fefd102291a4db1aec543a",
                           "fafb11646c07d01cbf63facc266b46dd1ab00cd3e30560ef18cf50fd40f32d73",
                           "dcb8d1b4bd3e672ad98c29e5cd05dc2e09a76ef00883a487e163fe4e719fe663",
                           "d846e93787fe6c14f26f49ee610f434d021cc0d1ada562695e08af4d5af63357",
                           "5aaef4e9777d3b31d74dad2075ddd584578c9379e7ef38152cc919fa27d1c629",
                           "406728684d7fc85e050f31db99752b552a2f9d608709f0eaa2d6c66afc96e46b",
                           "9cb01c337f13b4bbf4a4ae0296bdd927dbb52479e8875bd31374c9e567735f2c"}) {
    roots.push_back(bls12_381::FrFromBytesLe(FromHex(root).value()).value());
  }
  PAux p_aux;
  p_aux.comm_r_last = RootOverBaseRoots(ShapeOf(32 * kGiB).value(), roots);
  EXPECT_EQ(Hex(p_aux.comm_r_last),
            "f56b7f7f318d88ac4d72e5d94efd7de7f1df501b98b01a8564fa4cb4983b9e4b");
  p_aux.comm_c =
      bls12_381::FrFromBytesLe(
          FromHex("9941e59d24a2a05877558ac5fa1aab256bd12a3e88ef51ee79f58b8d80adb94e").value())
          .value();
  EXPECT_EQ(Hex(p_aux.CommR()), "df691086e3c673c95a45908713d4c5938e5ced43f21b888bd9bc6e181c9f326b");
}

// The roots of other implementations.
TEST_F(MerkleTest, TreesOfZerosAreThoseOfOthers) {
  struct Want {
    std::uint64_t bytes;
    const char* comm_r_last;
    const char* comm_r;  // for comm_c = 1
    const char* file_sha256;
  };
  constexpr char kDepth2[] = "1435c698d73c41b6af074f417ddc97319eaa88ccfabd71aaa7bc357b0bc49b4b";
  constexpr char kDepth6[] = "1cb015051d7130ca47fd055c87dbe534f75f36e0d9ad32fb98c7ae70cfa05b5e";
  constexpr char kDepth8[] = "90f44f562adcb6517be485a037bc5a7f4f99458afcfeabaefcb1ef56e5fec609";
  constexpr char kDepth9[] = "39f12c569efa867fdbcc5e426da77bb0bdd9b01b99ec0499ac0325683f07d63b";
  const Want wants[] = {
      {2 * kKiB, "643ff4d08bf7d20de2f3cf0506d75cfb763aa239971e24fad179a7970a06ef1f",
       "a8f19dc935e218aaa6cccbf037531650f2cfe726a53a3a4b27b9bcac8b6c4b13", kDepth2},
      {4 * kKiB, "b28bc86f7bba454eb5a25824a72c896df274d21383a7ac45ef5a7a4eea2c960d",
       "6d754db606cb1631d88fcc14aaafb66bef04b9bd537d18d7c0b3a49a9e95055f", kDepth2},
      {16 * kKiB, "4b621c74de11ac0ab579dc2f407036f542d689564e5e4bb48b4c70aeaba88435",
       "79aff56781e72cb5f5d379dd5b7ed220cd9532480afae2b2c07bbc41706e1e07", kDepth2},
      {32 * kKiB, "e1ec2c8fe1ecbed69cf58f5f65bc2f6242acc0acdf1f5bd140ad3591301f3267",
       "cb92d17b3cd534ae5d39c6f8eb2b98396ff3568f8e0ba58b4475a35c479dbc6f", kDepth2},
      {8 * kMiB, "0c235abfbb5cf445d03109e9f54a0eaf5588e8c359193969ea830b7ee4928b63",
       "fee7bcd79aef59234eacb7046e15b93e461de28cb9cee507be24f301abd89c1a", kDepth6},
      {16 * kMiB, "164eaf9c568428bc6ba4b4c7d55caa64ecb1ed9a86f9c85342a5e11d38081709",
       "afe638a3be6f46b5323f0317eea7ffb6160b601d429132520dfee3101d063750", kDepth6},
      {512 * kMiB, "7995c84d3fb91b4c0f7466fe0f5373795e808ad7760f63ee203b190596354959",
       "88b0fa12b411ccfff4a795d141cd93cbbd4d3e153e14a1a039820a1bec8bb326", kDepth8},
      {1 * kGiB, "ef053bf4c15e40407650c766bb812d1671ce249a087f77c1ea86145692acf02b",
       "6e837038b56424ff3777cc2c39e6013f0070998c6ae99ccf743671126ab3c65b", kDepth8},
      {32 * kGiB, "d5cd408ceb94566b8d39966d406ea4312018f98684ffe630ece1ea0cf3fe7d4d",
       "1e14f59e67ec1b4649d976e5e242d43118c5cb5d1f257a0d4c80e33ff16ee539", kDepth9},
      {64 * kGiB, "f99f9b2043f2b35049dc23b9a442d58c69799a910a46bd3d034cae5e1ab82263",
       "f3298d71930c48af95855587e0a2814c3a131f73852545c31872dd3f22d73252", kDepth9},
  };
  for (const Want& want : wants) {
    SCOPED_TRACE(SizeName(want.bytes));
    const TreeShape shape = ShapeOf(want.bytes).value();
    const std::string cache = folder_ / SizeName(want.bytes);
    PAux p_aux;
    p_aux.comm_c = Fr::One();
    ASSERT_OK_AND_ASSIGN(p_aux.comm_r_last, BuildZeroTreeFiles(shape, cache));
    EXPECT_EQ(Hex(p_aux.comm_r_last), want.comm_r_last);
    EXPECT_EQ(Hex(p_aux.CommR()), want.comm_r);
    for (const std::string& name : TreeFileNames(shape)) {
      EXPECT_EQ(ToHex(hash::Sha256Of(AsBytes(*ReadFile(cache + "/" + name)))), want.file_sha256);
    }
  }
}

TEST_F(MerkleTest, FileHoldsTheRowsAboveTheDiscardedOnes) {
  const TreeShape shape = ShapeOf(8 * kMiB).value();
  std::vector<std::vector<Fr>> rows = {NodesOf(*ReadFile(MakeSector(shape, 3).sealed_path))};
  while (rows.back().size() > 1) {
    std::vector<Fr> parents(rows.back().size() / 8);
    poseidon::HashRow8(rows.back(), parents);
    rows.push_back(std::move(parents));
  }
  for (unsigned discarded : {0u, 1u, 2u, 5u}) {
    SCOPED_TRACE(discarded);
    const SectorFiles files = MakeSector(shape, 3, discarded);
    std::string want;
    for (unsigned row = discarded + 1; row <= shape.base_depth; ++row) {
      for (const Fr& node : rows[row]) want += AsText(bls12_381::ToBytesLe(node));
    }
    const std::string path = files.cache_folder + "/sc-02-data-tree-r-last.dat";
    EXPECT_TRUE(*ReadFile(path) == want);
    ASSERT_OK_AND_ASSIGN(const TreeFile file, TreeFile::Open(path, shape));
    EXPECT_EQ(file.FirstRow(), discarded + 1);
    ASSERT_OK_AND_ASSIGN(const SectorTree tree, SectorTree::Open(shape, files));
    for (std::uint64_t leaf : {std::uint64_t{0}, std::uint64_t{123456}, shape.Nodes() - 1}) {
      CheckProof(tree, leaf, rows[0]);
    }
    EXPECT_OK(CheckSector(pool_, shape, files));
  }
  BuildOptions options;
  options.rows_to_discard = 6;
  EXPECT_THAT(BuildTreeFiles(pool_, shape, {folder_ / "sealed", folder_ / "cache"}, options),
              StatusIs(absl::StatusCode::kInvalidArgument, "6 rows"));
}

TEST_F(MerkleTest, EveryLeafOfEverySmallShapeIsProven) {
  for (std::uint64_t bytes : {2 * kKiB, 4 * kKiB, 16 * kKiB, 32 * kKiB}) {
    SCOPED_TRACE(SizeName(bytes));
    const TreeShape shape = ShapeOf(bytes).value();
    const SectorFiles files = MakeSector(shape, 5);
    const std::vector<Fr> nodes = NodesOf(*ReadFile(files.sealed_path));

    // The root, the simple way.
    std::vector<Fr> roots;
    for (unsigned tree = 0; tree < shape.BaseTrees(); ++tree) {
      const auto first = nodes.begin() + static_cast<std::ptrdiff_t>(64 * tree);
      roots.push_back(Rows(std::vector<Fr>(first, first + 64)).back()[0]);
    }
    ASSERT_OK_AND_ASSIGN(const SectorTree tree, SectorTree::Open(shape, files));
    EXPECT_EQ(tree.Commitments().comm_r_last, RootOverBaseRoots(shape, roots));
    for (std::uint64_t leaf = 0; leaf < shape.Nodes(); ++leaf) CheckProof(tree, leaf, nodes);
    EXPECT_THAT(tree.Prove(shape.Nodes()), StatusIs(absl::StatusCode::kInvalidArgument, "leaf"));
    EXPECT_OK(CheckSector(pool_, shape, files));
  }
}

TEST_F(MerkleTest, FileWithTheLeavesInItIsRead) {
  const TreeShape shape = ShapeOf(2 * kKiB).value();
  const SectorFiles files = MakeSector(shape, 9);
  const std::vector<Fr> nodes = NodesOf(*ReadFile(files.sealed_path));
  std::string whole;
  for (const std::vector<Fr>& row : Rows(nodes)) {
    for (const Fr& node : row) whole += AsText(bls12_381::ToBytesLe(node));
  }
  ASSERT_OK(WriteFileAtomically(files.cache_folder + "/sc-02-data-tree-r-last.dat", whole));
  ASSERT_OK_AND_ASSIGN(const SectorTree tree, SectorTree::Open(shape, files));
  for (std::uint64_t leaf = 0; leaf < shape.Nodes(); ++leaf) CheckProof(tree, leaf, nodes);
  EXPECT_OK(CheckSector(pool_, shape, files));
  // The leaves that count are those of the sealed file.
  whole[0] = static_cast<char>(whole[0] ^ 1);
  ASSERT_OK(WriteFileAtomically(files.cache_folder + "/sc-02-data-tree-r-last.dat", whole));
  ASSERT_OK_AND_ASSIGN(const SectorTree spoiled, SectorTree::Open(shape, files));
  CheckProof(spoiled, 0, nodes);
  EXPECT_THAT(CheckSector(pool_, shape, files), StatusIs(absl::StatusCode::kDataLoss, "row 0"));
}

// Holes are not read: the result is that of zeros, and mixed files are hashed as they are.
TEST_F(MerkleTest, SparseSealedFile) {
  const TreeShape shape = ShapeOf(16 * kMiB).value();
  const SectorFiles sparse{folder_ / "sparse", folder_ / "sparse-cache"};
  std::ofstream(sparse.sealed_path).flush();
  std::filesystem::resize_file(sparse.sealed_path, shape.sector_bytes);
  ASSERT_OK_AND_ASSIGN(const Fr root, BuildTreeFiles(pool_, shape, sparse));
  EXPECT_EQ(Hex(root), "164eaf9c568428bc6ba4b4c7d55caa64ecb1ed9a86f9c85342a5e11d38081709");

  std::fstream file(sparse.sealed_path, std::ios::in | std::ios::out);
  file.seekp(9 * kMiB + 32 * 77);
  file.put(42);
  file.close();
  ASSERT_OK_AND_ASSIGN(const PAux mixed, RebuildSector(pool_, shape, sparse, Fr::One()));
  const SectorFiles dense{folder_ / "dense", folder_ / "dense-cache"};
  ASSERT_OK(WriteFileAtomically(dense.sealed_path, *ReadFile(sparse.sealed_path)));
  ASSERT_OK_AND_ASSIGN(const PAux same, RebuildSector(pool_, shape, dense, Fr::One()));
  EXPECT_EQ(mixed, same);
  EXPECT_NE(mixed.comm_r_last, root);
  EXPECT_OK(CheckSector(pool_, shape, sparse));
  ASSERT_OK_AND_ASSIGN(const SectorTree tree, SectorTree::Open(shape, sparse));
  const std::uint64_t leaf = 9 * kMiB / 32 + 77;
  ASSERT_OK_AND_ASSIGN(const InclusionProof proof, tree.Prove(leaf));
  EXPECT_EQ(proof.leaf, Fr::FromU64(42));
  EXPECT_EQ(ComputedRoot(proof), mixed.comm_r_last);
}

TEST_F(MerkleTest, ResultDoesNotDependOnThreads) {
  const TreeShape shape = ShapeOf(8 * kMiB).value();
  const SectorFiles files = MakeSector(shape, 4, std::nullopt, 70000);
  const std::string name = "/sc-02-data-tree-r-last.dat";
  const std::string two = *ReadFile(files.cache_folder + name);
  ThreadPool one(1);
  ASSERT_OK(BuildTreeFiles(one, shape, {files.sealed_path, folder_ / "one"}));
  EXPECT_TRUE(*ReadFile(folder_ / "one" + name) == two);
}

TEST_F(MerkleTest, ProgressCountsAllLeavesInOrder) {
  const TreeShape shape = ShapeOf(8 * kMiB).value();
  const SectorFiles files = MakeSector(shape, 4);
  std::uint64_t last = 0;
  int calls = 0;
  BuildOptions options;
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_EQ(total, shape.Nodes());
    EXPECT_GT(done, last);
    last = done;
    ++calls;
  };
  ASSERT_OK(BuildTreeFiles(pool_, shape, files, options));
  EXPECT_EQ(last, shape.Nodes());
  EXPECT_GT(calls, 1);
}

TEST_F(MerkleTest, RebuildKeepsCommCOfThePAuxThatIsThere) {
  const TreeShape shape = ShapeOf(4 * kKiB).value();
  const SectorFiles files = MakeSector(shape, 6);  // comm_c = 6
  const PAux before = *ReadPAux(files.cache_folder);
  for (const std::string& name : TreeFileNames(shape)) {
    std::filesystem::remove(files.cache_folder + "/" + name);
  }
  ASSERT_OK_AND_ASSIGN(const PAux rebuilt, RebuildSector(pool_, shape, files, std::nullopt));
  EXPECT_EQ(rebuilt, before);
  EXPECT_EQ(rebuilt.comm_c, Fr::FromU64(6));
  EXPECT_OK(CheckSector(pool_, shape, files, before.CommR()));

  std::filesystem::remove(files.cache_folder + "/p_aux");
  EXPECT_THAT(RebuildSector(pool_, shape, files, std::nullopt),
              StatusIs(absl::StatusCode::kFailedPrecondition, "comm_c"));
}

// Trees over a spoiled sealed file would make it look sound.
TEST_F(MerkleTest, RebuildChangesNothingWhereTheRootIsAnother) {
  const TreeShape shape = ShapeOf(4 * kKiB).value();
  const SectorFiles files = MakeSector(shape, 6);
  const auto snapshot = [&files] {
    std::map<std::string, std::string> content;
    for (const auto& entry : std::filesystem::directory_iterator(files.cache_folder)) {
      content[entry.path().string()] = *ReadFile(entry.path().string());
    }
    return content;
  };
  const std::map<std::string, std::string> before = snapshot();
  std::string sealed = *ReadFile(files.sealed_path);
  sealed[100] = static_cast<char>(sealed[100] ^ 1);
  ASSERT_OK(WriteFileAtomically(files.sealed_path, sealed));
  EXPECT_THAT(RebuildSector(pool_, shape, files, std::nullopt),
              StatusIs(absl::StatusCode::kDataLoss, "comm_r_last"));
  EXPECT_THAT(RebuildSector(pool_, shape, files, Fr::FromU64(6)),
              StatusIs(absl::StatusCode::kDataLoss, "comm_r_last"));
  EXPECT_EQ(snapshot(), before);

  BuildOptions force;
  force.force = true;
  ASSERT_OK_AND_ASSIGN(const PAux forced, RebuildSector(pool_, shape, files, std::nullopt, force));
  EXPECT_EQ(forced, *ReadPAux(files.cache_folder));
  EXPECT_OK(CheckSector(pool_, shape, files));
  EXPECT_THAT(RebuildSector(pool_, shape, files, Fr::FromU64(7)),
              StatusIs(absl::StatusCode::kDataLoss, "another comm_c"));
}

// The whole proof of a sparse 32 GiB sector: 66 leaves.
TEST_F(MerkleTest, ProofsOfASparse32GiBSectorTakeNoTimeForItsSize) {
  const TreeShape shape = ShapeOf(32 * kGiB).value();
  const SectorFiles files{folder_ / "big", folder_ / "big-cache"};
  std::ofstream(files.sealed_path).flush();
  std::filesystem::resize_file(files.sealed_path, shape.sector_bytes);
  ASSERT_OK_AND_ASSIGN(const Fr root, BuildZeroTreeFiles(shape, files.cache_folder));
  ASSERT_OK(WritePAux(files.cache_folder, {Fr::One(), root}));
  ASSERT_OK_AND_ASSIGN(const SectorTree tree, SectorTree::Open(shape, files));
  SeededRandom random(7);
  for (int i = 0; i < 66; ++i) {
    const std::uint64_t leaf = random.Below(shape.Nodes());
    ASSERT_OK_AND_ASSIGN(const InclusionProof proof, tree.Prove(leaf));
    EXPECT_EQ(ComputedLeafIndex(proof), leaf);
    EXPECT_EQ(ComputedRoot(proof), root);
  }
}

TEST(InclusionProofTest, FormIsChecked) {
  const TreeShape shape = ShapeOf(32 * kKiB).value();
  InclusionProof proof;
  for (unsigned level = 0; level < shape.PathLevels(); ++level) {
    proof.path.push_back({std::vector<Fr>(shape.Arity(level) - 1), 0});
  }
  EXPECT_OK(CheckForm(proof, shape));
  const auto refused = [&](auto change, const char* why) {
    InclusionProof wrong = proof;
    change(wrong);
    EXPECT_THAT(CheckForm(wrong, shape), StatusIs(absl::StatusCode::kInvalidArgument, why));
  };
  refused([](InclusionProof& p) { p.path.pop_back(); }, "levels");
  refused([](InclusionProof& p) { p.path.push_back(p.path[0]); }, "levels");
  refused([](InclusionProof& p) { p.path[1].siblings.pop_back(); }, "siblings");
  refused([](InclusionProof& p) { p.path[3].siblings.push_back(Fr::Zero()); }, "siblings");
  refused([](InclusionProof& p) { p.path[0].index = 8; }, "index 8");
  refused([](InclusionProof& p) { p.path[3].index = 2; }, "index 2");
}

}  // namespace
}  // namespace damocles::merkle
