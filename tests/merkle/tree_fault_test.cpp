// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Sectors whose files are missing, short, spoiled or not files at all.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/practice.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"
#include "damocles/merkle/build.h"
#include "damocles/merkle/sector_tree.h"

namespace damocles::merkle {
namespace {

using testing_support::FilesBelow;
using testing_support::StatusIs;
using testing_support::TempDir;

// 8 MiB and 32 KiB: one with rows in its tree file, one with all levels.
class TreeFaultTest : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  void SetUp() override {
    testing_support::WriteMadeUpSector(files_.sealed_path, shape_, 1, 1024);
    ASSERT_OK(RebuildSector(pool_, shape_, files_, Fr::One()));
    tree_path_ = files_.cache_folder + "/" + TreeFileNames(shape_)[0];
    before_ = FilesBelow(folder_.Path());
  }

  // Opens the sector and proves `leaf`.
  absl::Status Prove(std::uint64_t leaf) {
    const absl::StatusOr<SectorTree> tree = SectorTree::Open(shape_, files_);
    if (!tree.ok()) return tree.status();
    return tree->Prove(leaf).status();
  }

  void Flip(const std::string& path, std::uint64_t at, int bit = 1) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ bit));
    ASSERT_TRUE(file.good());
  }

  TreeShape shape_ = ShapeOf(GetParam()).value();
  TempDir folder_;
  SectorFiles files_{folder_ / "sealed", folder_ / "cache"};
  std::string tree_path_;
  std::vector<std::string> before_;
  ThreadPool pool_{2};
};

TEST_P(TreeFaultTest, WholeSectorIsFine) {
  EXPECT_OK(Prove(0));
  EXPECT_OK(CheckSector(pool_, shape_, files_));
}

TEST_P(TreeFaultTest, MissingFileIsNamedAndNotMade) {
  for (const std::string& path :
       {files_.sealed_path, tree_path_, files_.cache_folder + "/" + TreeFileNames(shape_).back(),
        files_.cache_folder + "/p_aux"}) {
    SCOPED_TRACE(path);
    std::filesystem::rename(path, folder_ / "away");
    EXPECT_THAT(Prove(0), StatusIs(absl::StatusCode::kNotFound, path));
    EXPECT_THAT(CheckSector(pool_, shape_, files_), StatusIs(absl::StatusCode::kNotFound, path));
    EXPECT_FALSE(PathExists(path));
    std::filesystem::rename(folder_ / "away", path);
  }
  const SectorFiles nowhere{folder_ / "no/sealed", folder_ / "no/cache"};
  EXPECT_THAT(SectorTree::Open(shape_, nowhere), StatusIs(absl::StatusCode::kNotFound, "sealed"));
  EXPECT_EQ(FilesBelow(folder_.Path()), before_);
}

TEST_P(TreeFaultTest, WrongLengthIsNamed) {
  for (const std::string& path : {files_.sealed_path, tree_path_, files_.cache_folder + "/p_aux"}) {
    const std::uint64_t bytes = std::filesystem::file_size(path);
    const std::string content = *ReadFile(path);
    for (std::uint64_t wrong : {std::uint64_t{0}, bytes - 1, bytes - 31, bytes + 1, bytes + 32}) {
      SCOPED_TRACE(path + " " + std::to_string(wrong));
      std::filesystem::resize_file(path, wrong);
      EXPECT_THAT(Prove(0), StatusIs(absl::StatusCode::kDataLoss, path));
      EXPECT_THAT(CheckSector(pool_, shape_, files_), StatusIs(absl::StatusCode::kDataLoss, path));
    }
    ASSERT_OK(WriteFileAtomically(path, content));
  }
  EXPECT_OK(Prove(0));
}

TEST_P(TreeFaultTest, FolderOrPipeInPlaceOfAFile) {
  for (const std::string& path : {files_.sealed_path, tree_path_, files_.cache_folder + "/p_aux"}) {
    SCOPED_TRACE(path);
    std::filesystem::rename(path, folder_ / "away");
    ASSERT_OK(MakeFolders(path));
    EXPECT_THAT(Prove(0), StatusIs(absl::StatusCode::kDataLoss, path));
    std::filesystem::remove(path);
    ASSERT_EQ(mkfifo(path.c_str(), 0644), 0);  // opening it would wait for ever
    EXPECT_THAT(Prove(0), StatusIs(absl::StatusCode::kDataLoss, path));
    std::filesystem::remove(path);
    std::filesystem::rename(folder_ / "away", path);
  }
}

// Root reads everything: in its place nobody does, for as long as the object lives.
class WithoutRoot {
 public:
  WithoutRoot() : was_root_(geteuid() == 0) {
    if (was_root_) {
      EXPECT_EQ(seteuid(kNobody), 0);
    }
  }
  WithoutRoot(const WithoutRoot&) = delete;
  WithoutRoot& operator=(const WithoutRoot&) = delete;
  ~WithoutRoot() {
    if (was_root_) {
      EXPECT_EQ(seteuid(0), 0);
    }
  }

 private:
  static constexpr uid_t kNobody = 65534;
  const bool was_root_;
};

TEST_P(TreeFaultTest, NoRightToRead) {
  ASSERT_EQ(chmod(folder_.Path().c_str(), 0755), 0);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.Path())) {
    ASSERT_EQ(chmod(entry.path().c_str(), entry.is_directory() ? 0755 : 0644), 0);
  }
  for (const std::string& path : {files_.sealed_path, tree_path_, files_.cache_folder + "/p_aux"}) {
    SCOPED_TRACE(path);
    ASSERT_EQ(chmod(path.c_str(), 0), 0);
    {
      const WithoutRoot plain_user;
      EXPECT_THAT(Prove(0), StatusIs(absl::StatusCode::kPermissionDenied, path));
    }
    ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  }
}

TEST_P(TreeFaultTest, FlippedBitInTheSealedFile) {
  const std::uint64_t leaf = 100;
  Flip(files_.sealed_path, 32 * leaf);
  EXPECT_THAT(Prove(leaf), StatusIs(absl::StatusCode::kDataLoss, files_.sealed_path));
  // Its segment is what a neighbour's path goes through as well.
  EXPECT_THAT(Prove(leaf ^ 1), StatusIs(absl::StatusCode::kDataLoss, tree_path_.substr(0, 5)));
  EXPECT_THAT(CheckSector(pool_, shape_, files_),
              StatusIs(absl::StatusCode::kDataLoss, files_.sealed_path));
  // Another segment is not touched by it.
  EXPECT_OK(Prove(shape_.Nodes() - 1));
}

TEST_P(TreeFaultTest, NodeOfTheSealedFileThatIsNotCanonical) {
  const std::uint64_t leaf = 64 + 7;
  std::fstream file(files_.sealed_path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(32 * leaf));
  file << std::string(32, '\xff');
  file.close();
  EXPECT_THAT(Prove(leaf), StatusIs(absl::StatusCode::kDataLoss, "node 71,"));
  EXPECT_THAT(Prove(leaf), StatusIs(absl::StatusCode::kDataLoss, files_.sealed_path));
  EXPECT_THAT(CheckSector(pool_, shape_, files_),
              StatusIs(absl::StatusCode::kDataLoss, "node 71,"));
  const SectorFiles other{files_.sealed_path, folder_ / "other"};
  EXPECT_THAT(BuildTreeFiles(pool_, shape_, other),
              StatusIs(absl::StatusCode::kDataLoss, "node 71,"));
  // Neither the tree file nor a draft of it stays behind.
  const std::string broken = "/" + TreeFileNames(shape_)[leaf / shape_.BaseLeaves()];
  for (const std::string& path : FilesBelow(folder_ / "other")) {
    EXPECT_EQ(path.find(".tmp"), std::string::npos) << path;
    EXPECT_NE(path, folder_ / ("other" + broken)) << path;
  }
}

TEST_P(TreeFaultTest, FlippedBitInATreeFile) {
  const std::uint64_t bytes = std::filesystem::file_size(tree_path_);
  for (std::uint64_t at = 0; at < bytes; at += 32 * 73) {
    SCOPED_TRACE(at);
    Flip(tree_path_, at);
    EXPECT_THAT(CheckSector(pool_, shape_, files_),
                StatusIs(absl::StatusCode::kDataLoss, tree_path_));
    Flip(tree_path_, at);
  }
  // The last node is the root: comm_r_last does not follow from it.
  Flip(tree_path_, bytes - 32);
  EXPECT_THAT(Prove(0), StatusIs(absl::StatusCode::kDataLoss, files_.cache_folder));
  Flip(tree_path_, bytes - 32);
  // The first node is the hash of the first leaves, where there is more than the root.
  Flip(tree_path_, 0);
  EXPECT_THAT(Prove(0), StatusIs(absl::StatusCode::kDataLoss, ""));
  Flip(tree_path_, 0);
  // A node that is not canonical.
  Flip(tree_path_, 31, 0x80);
  EXPECT_THAT(CheckSector(pool_, shape_, files_),
              StatusIs(absl::StatusCode::kDataLoss, tree_path_));
  Flip(tree_path_, 31, 0x80);
  EXPECT_OK(Prove(0));
}

TEST_P(TreeFaultTest, FlippedBitInPAux) {
  const std::string p_aux = files_.cache_folder + "/p_aux";
  const Fr comm_r = ReadPAux(files_.cache_folder)->CommR();
  Flip(p_aux, 40);  // comm_r_last
  EXPECT_THAT(Prove(0), StatusIs(absl::StatusCode::kDataLoss, "p_aux"));
  EXPECT_THAT(CheckSector(pool_, shape_, files_, comm_r),
              StatusIs(absl::StatusCode::kDataLoss, p_aux));
  Flip(p_aux, 40);
  Flip(p_aux, 3);  // comm_c: only comm_r tells
  EXPECT_OK(CheckSector(pool_, shape_, files_));
  EXPECT_THAT(CheckSector(pool_, shape_, files_, comm_r),
              StatusIs(absl::StatusCode::kDataLoss, p_aux));
}

TEST_P(TreeFaultTest, TreeFileOfAnotherBaseTree) {
  const std::vector<std::string> names = TreeFileNames(shape_);
  if (names.size() == 1) {
    EXPECT_EQ(names.front(), "sc-02-data-tree-r-last.dat");  // there is none to take it for
    return;
  }
  std::filesystem::rename(tree_path_, folder_ / "swap");
  std::filesystem::rename(files_.cache_folder + "/" + names[1], tree_path_);
  std::filesystem::rename(folder_ / "swap", files_.cache_folder + "/" + names[1]);
  EXPECT_THAT(Prove(0), StatusIs(absl::StatusCode::kDataLoss, "roots"));
  EXPECT_THAT(CheckSector(pool_, shape_, files_),
              StatusIs(absl::StatusCode::kDataLoss, tree_path_));
}

INSTANTIATE_TEST_SUITE_P(Sizes, TreeFaultTest,
                         ::testing::Values(std::uint64_t{8} << 20, std::uint64_t{32} << 10));

}  // namespace
}  // namespace damocles::merkle
