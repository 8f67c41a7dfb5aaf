// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/file.h"

#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <thread>
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

// Runs `body` in a process of its own that is killed in it.
void InAProcessThatIsKilled(const std::function<void()>& body) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    body();
    raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
}

TEST(FileTest, WhatAKilledProcessLeftStopsNobodyAndGoes) {
  const TempDir dir;
  const std::string path = dir / "state";
  ASSERT_OK(WriteFileAtomically(path, "old"));
  InAProcessThatIsKilled([&] { (void)CreateDraft(path); });
  // Of version 0.1.0: of a process with our own number, which is what a container starts again, and
  // of one that is gone.
  const pid_t gone = fork();
  if (gone == 0) _exit(0);
  ASSERT_EQ(waitpid(gone, nullptr, 0), gone);
  const std::string stays = "alive.tmp-" + std::to_string(getppid()) + "-0";
  for (const std::string& name :
       {"state.tmp-" + std::to_string(getpid()) + "-0", "other.tmp-" + std::to_string(gone),
        "big.part-" + std::to_string(gone), stays, std::string("notes.tmp-1x"),
        std::string("state.tmp-"), std::string(".tmp-0123456789abcdef"),
        std::string("x.tmp-0123456789abcdeg")}) {
    std::ofstream(dir / name) << "x";
  }
  std::filesystem::create_directory(dir / "folder.tmp-0123456789abcdef");
  ASSERT_EQ(mkfifo((dir / "pipe.tmp-0123456789abcdef").c_str(), 0600), 0);
  ASSERT_OK_AND_ASSIGN(const DraftFile mine, CreateDraft(path));
  EXPECT_OK(WriteFileAtomically(path, "new"));
  RemoveAbandonedDrafts(dir.Path());
  EXPECT_EQ(ReadFile(path).value(), "new");
  std::set<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(dir.Path())) {
    left.insert(entry.path().filename().string());
  }
  EXPECT_EQ(left,
            (std::set<std::string>{"state", std::filesystem::path(mine.path).filename().string(),
                                   stays, "notes.tmp-1x", "state.tmp-", ".tmp-0123456789abcdef",
                                   "x.tmp-0123456789abcdeg", "folder.tmp-0123456789abcdef",
                                   "pipe.tmp-0123456789abcdef"}));
}

TEST(FileTest, TheFirstDraftOfAProcessInAFolderSweepsIt) {
  const TempDir dir;
  const std::string path = dir / "state";
  InAProcessThatIsKilled([&] { (void)CreateDraft(path); });
  ASSERT_EQ(EntriesOf(dir.Path()), 1U);
  ASSERT_OK(WriteFileAtomically(path, "x"));
  EXPECT_EQ(EntriesOf(dir.Path()), 1U);
  EXPECT_EQ(ReadFile(path).value(), "x");
}

TEST(FileTest, DraftsThatAreBeingWrittenSurviveTheSweepsOfOthers) {
  const TempDir dir;
  const std::string path = dir / "state";
  std::atomic<bool> stop{false};
  std::thread sweeper([&] {
    while (!stop) RemoveAbandonedDrafts(dir.Path());
  });
  for (int i = 0; i < 300; ++i) EXPECT_OK(WriteFileAtomically(path, std::to_string(i)));
  stop = true;
  sweeper.join();
  EXPECT_EQ(ReadFile(path).value(), "299");
  EXPECT_EQ(EntriesOf(dir.Path()), 1U);
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

// NOLINTBEGIN(concurrency-mt-unsafe): one thread
TEST(FileTest, WithoutHomeThePasswordDatabaseIsAskedAndNoFolderOfTheNameTildeComesAbout) {
  const char* const was = std::getenv("HOME");
  const std::string home = was == nullptr ? "" : was;
  unsetenv("HOME");
  if (const struct passwd* entry = getpwuid(getuid()); entry != nullptr) {
    EXPECT_EQ(ExpandHome("~/x"), std::string(entry->pw_dir) + "/x");
    EXPECT_OK(CheckHome("~/x"));
  }
  setenv("HOME", "~", 1);  // as good as none
  for (const absl::Status& status :
       {CheckHome("~/x"), MakeFolders("~/x"), WriteFileAtomically("~/x", "y"),
        WriteFileAtomically(AbsolutePath("~/x"), "y"), ReadFile("~/x").status()}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, "nobody knows the home folder"));
  }
  EXPECT_FALSE(PathExists("~"));
  EXPECT_OK(CheckHome("/x/~/y"));
  setenv("HOME", home.c_str(), 1);
}
// NOLINTEND(concurrency-mt-unsafe)

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
