// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/file.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace damocles {
namespace {

using testing_support::StatusIs;
using testing_support::TempDir;

std::size_t EntriesOf(const std::string& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder),
                                                std::filesystem::directory_iterator()));
}

TEST(FileTest, AtomicWriteReplacesAndLeavesNothingBehind) {
  const TempDir dir;
  const std::string path = dir / "state";
  ASSERT_OK(WriteFileAtomically(path, "first, and longer"));
  ASSERT_OK(WriteFileAtomically(path, std::string_view("a\0b", 3), 0600));
  EXPECT_EQ(ReadFile(path).value(), std::string_view("a\0b", 3));
  EXPECT_EQ(EntriesOf(dir.Path()), 1U);
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST(FileTest, AFailedAtomicWriteKeepsTheOldContent) {
  const TempDir dir;
  const std::string path = dir / "state";
  ASSERT_OK(MakeFolders(path + "/in/it"));  // a file cannot replace a folder with something in it
  EXPECT_FALSE(WriteFileAtomically(path, "new").ok());
  EXPECT_TRUE(PathExists(path + "/in/it"));
  EXPECT_EQ(EntriesOf(dir.Path()), 1U);
  EXPECT_THAT(WriteFileAtomically(dir / "absent/state", "x"),
              StatusIs(absl::StatusCode::kNotFound, dir / "absent/state"));
}

TEST(FileTest, ReadsExactlyWhatWasAskedFor) {
  const TempDir dir;
  const std::string path = dir / "data";
  ASSERT_OK(WriteFileAtomically(path, "0123456789"));
  EXPECT_EQ(FileSize(path).value(), 10U);
  ASSERT_OK_AND_ASSIGN(File file, OpenForReading(path));
  Bytes out(4);
  ASSERT_OK(ReadAt(file, 6, out, path));
  EXPECT_EQ(AsText(out), "6789");
  EXPECT_THAT(ReadAt(file, 7, out, path), StatusIs(absl::StatusCode::kOutOfRange, path));
  const File moved = std::move(file);
  EXPECT_TRUE(moved.IsOpen());
  EXPECT_FALSE(file.IsOpen());  // NOLINT(bugprone-use-after-move): what is tested
}

TEST(FileTest, ErrorsNameThePath) {
  const TempDir dir;
  const std::string absent = dir / "absent";
  EXPECT_THAT(OpenForReading(absent), StatusIs(absl::StatusCode::kNotFound, absent));
  EXPECT_THAT(FileSize(absent), StatusIs(absl::StatusCode::kNotFound, absent));
  EXPECT_THAT(ReadFile(absent), StatusIs(absl::StatusCode::kNotFound, absent));
  EXPECT_THAT(ReadFile(dir.Path()), StatusIs(absl::StatusCode::kInvalidArgument, "folder"));
  EXPECT_THAT(FileSize(dir.Path()), StatusIs(absl::StatusCode::kInvalidArgument, "regular file"));
  EXPECT_FALSE(PathExists(absent));
  ASSERT_OK(WriteFileAtomically(absent, "12345"));
  EXPECT_THAT(ReadFile(absent, 4), StatusIs(absl::StatusCode::kResourceExhausted, "4 bytes"));
  EXPECT_EQ(ReadFile(absent, 5).value(), "12345");
}

TEST(FileTest, FoldersMayExistAlready) {
  const TempDir dir;
  EXPECT_OK(MakeFolders(dir / "a/b/c"));
  EXPECT_OK(MakeFolders(dir / "a/b/c"));
  EXPECT_OK(SyncFolder(dir / "a"));
  EXPECT_THAT(SyncFolder(dir / "z"), StatusIs(absl::StatusCode::kNotFound, "z"));
  ASSERT_OK(WriteFileAtomically(dir / "file", ""));
  EXPECT_FALSE(MakeFolders(dir / "file/x").ok());
}

TEST(FileTest, HomeIsPutInFrontOnly) {
  const char* home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe): one thread
  ASSERT_NE(home, nullptr);
  EXPECT_EQ(ExpandHome("~"), home);
  EXPECT_EQ(ExpandHome("~/x"), std::string(home) + "/x");
  EXPECT_EQ(ExpandHome("~other/x"), "~other/x");
  EXPECT_EQ(ExpandHome("/a/~/b"), "/a/~/b");
  EXPECT_EQ(ExpandHome(""), "");
}

TEST(FileTest, AbsolutePathsHaveOneSpelling) {
  EXPECT_EQ(AbsolutePath("/a/./b/../c//"), "/a/c");
  EXPECT_EQ(AbsolutePath("/"), "/");
  EXPECT_EQ(AbsolutePath("~/x/"), ExpandHome("~/x"));
  EXPECT_TRUE(AbsolutePath("x").ends_with("/x"));
}

TEST(FileTest, WhoMayReadIsTold) {
  const TempDir dir;
  ASSERT_OK(WriteFileAtomically(dir / "own", "x", 0600));
  ASSERT_OK(WriteFileAtomically(dir / "group", "x", 0640));
  EXPECT_FALSE(OthersMayRead(dir / "own"));
  EXPECT_TRUE(OthersMayRead(dir / "group"));
  EXPECT_FALSE(OthersMayRead(dir / "absent"));
}

}  // namespace
}  // namespace damocles
