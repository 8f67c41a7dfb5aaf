// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/store/store.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/random.h"

namespace damocles::store {
namespace {

using testing_support::StatusIs;
using testing_support::TempDir;

// Both implementations keep one contract.
class StoreTest : public ::testing::TestWithParam<bool> {
 protected:
  StoreTest() { Reopen(); }

  bool IsDurable() const { return GetParam(); }
  void Reopen() {
    store_.reset();
    if (!IsDurable()) {
      store_ = OpenMemoryStore();
      return;
    }
    auto opened = OpenLevelDb(dir_ / "db");
    ASSERT_OK(opened);
    store_ = *std::move(opened);
  }

  TempDir dir_;
  std::unique_ptr<Store> store_;
};

TEST_P(StoreTest, GetSeesWhatWasPut) {
  ASSERT_OK_AND_ASSIGN(auto before, store_->Get("a"));
  EXPECT_EQ(before, std::nullopt);
  ASSERT_OK(Put(*store_, "a", std::string("\0\xff", 2)));
  ASSERT_OK_AND_ASSIGN(auto after, store_->Get("a"));
  EXPECT_EQ(after, std::string("\0\xff", 2));
  ASSERT_OK(Delete(*store_, "a"));
  ASSERT_OK(Delete(*store_, "a"));
  ASSERT_OK_AND_ASSIGN(auto gone, store_->Get("a"));
  EXPECT_EQ(gone, std::nullopt);
}

TEST_P(StoreTest, LaterOperationOfABatchWins) {
  Batch batch;
  batch.Put("k", "1");
  batch.Delete("k");
  batch.Put("k", "2");
  batch.Put("gone", "1");
  batch.Delete("gone");
  ASSERT_OK(store_->Write(batch));
  ASSERT_OK_AND_ASSIGN(auto rows, List(*store_, ""));
  EXPECT_EQ(rows, (std::vector<Entry>{{"k", "2"}}));
}

TEST_P(StoreTest, ScanIsByPrefixInOrderOfUnsignedBytes) {
  for (const char* key : {"job/b", "job/a", "joc", "job", "job/\xff", "job/\x01"}) {
    ASSERT_OK(Put(*store_, key, key));
  }
  ASSERT_OK_AND_ASSIGN(auto rows, List(*store_, "job/"));
  std::vector<std::string> keys;
  for (const Entry& row : rows) keys.push_back(row.key);
  EXPECT_EQ(keys, (std::vector<std::string>{"job/\x01", "job/a", "job/b", "job/\xff"}));
}

TEST_P(StoreTest, ScanStopsWhereTheVisitorFailsAndSeesNoLaterWrites) {
  for (const char* key : {"a", "b", "c"}) ASSERT_OK(Put(*store_, key, "1"));
  int seen = 0;
  EXPECT_THAT(store_->Scan("",
                           [&](std::string_view, std::string_view) {
                             return ++seen == 2 ? absl::AbortedError("enough") : absl::OkStatus();
                           }),
              StatusIs(absl::StatusCode::kAborted, "enough"));
  EXPECT_EQ(seen, 2);

  seen = 0;
  ASSERT_OK(store_->Scan("", [&](std::string_view key, std::string_view) {
    ++seen;
    return Put(*store_, std::string(key) + "x", "2");
  }));
  EXPECT_EQ(seen, 3);
}

TEST_P(StoreTest, FormatIsWrittenOnceAndANewerOneIsRefused) {
  ASSERT_OK_AND_ASSIGN(auto first, EnsureFormat(*store_, "job", 1));
  EXPECT_EQ(first, 1u);
  ASSERT_OK_AND_ASSIGN(auto later, EnsureFormat(*store_, "job", 3));
  EXPECT_EQ(later, 1u);
  ASSERT_OK(Put(*store_, "format/job", "4"));
  EXPECT_THAT(EnsureFormat(*store_, "job", 3),
              StatusIs(absl::StatusCode::kFailedPrecondition, "format 4"));
  ASSERT_OK(Put(*store_, "format/job", "x"));
  EXPECT_THAT(EnsureFormat(*store_, "job", 3), StatusIs(absl::StatusCode::kDataLoss, "format/job"));
}

// Random batches, look-ups, scans and (where it lasts) reopenings against a std::map.
TEST_P(StoreTest, BehavesAsAnOrderedMap) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    std::map<std::string, std::string> model;
    ASSERT_OK_AND_ASSIGN(auto left, List(*store_, ""));
    Batch wipe;
    for (const Entry& row : left) wipe.Delete(row.key);
    ASSERT_OK(store_->Write(wipe));

    const auto random_key = [&] {
      std::string key;
      for (std::uint64_t i = random.Below(4); i > 0; --i) {
        key.push_back("ab/\xff"[random.Below(4)]);
      }
      return key;
    };
    for (int step = 0; step < 250; ++step) {
      SCOPED_TRACE(step);
      switch (random.Below(IsDurable() ? 12 : 11)) {
        default: {
          Batch batch;
          for (std::uint64_t i = random.Below(5); i > 0; --i) {
            const std::string key = random_key();
            if (random.Below(3) == 0) {
              batch.Delete(key);
              model.erase(key);
            } else {
              const std::string value(random.Below(2000), static_cast<char>(random.Below(256)));
              batch.Put(key, value);
              model[key] = value;
            }
          }
          ASSERT_OK(store_->Write(batch));
          break;
        }
        case 8:
        case 9: {
          const std::string key = random_key();
          ASSERT_OK_AND_ASSIGN(auto value, store_->Get(key));
          const auto at = model.find(key);
          ASSERT_EQ(value.has_value(), at != model.end());
          if (value.has_value()) {
            ASSERT_EQ(*value, at->second);
          }
          break;
        }
        case 10: {
          const std::string prefix = random_key();
          std::vector<Entry> want;
          for (const auto& [key, value] : model) {
            if (key.starts_with(prefix)) want.push_back({key, value});
          }
          ASSERT_OK_AND_ASSIGN(auto rows, List(*store_, prefix));
          ASSERT_EQ(rows, want);
          break;
        }
        case 11:
          Reopen();
          break;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, StoreTest, ::testing::Values(false, true),
                         [](const auto& param) { return param.param ? "LevelDb" : "Memory"; });

TEST(LevelDbTest, SecondOpeningInThisProcessIsRefused) {
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(auto store, OpenLevelDb(dir / "db"));
  EXPECT_THAT(OpenLevelDb(dir / "db"), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                "another manager runs with this home"));
}

TEST(LevelDbTest, SecondOpeningInAnotherProcessIsRefused) {
  TempDir dir;
  int ready[2];
  int done[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(done), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    close(done[1]);
    auto store = OpenLevelDb(dir / "db");
    const char ok = store.ok() ? 1 : 0;
    if (write(ready[1], &ok, 1) != 1) _exit(1);
    char byte;
    (void)!read(done[0], &byte, 1);
    _exit(0);
  }
  char ok = 0;
  ASSERT_EQ(read(ready[0], &ok, 1), 1);
  EXPECT_EQ(ok, 1);
  EXPECT_THAT(OpenLevelDb(dir / "db"), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                "another manager runs with this home"));
  close(done[1]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_OK(OpenLevelDb(dir / "db"));
  for (const int fd : {ready[0], ready[1], done[0]}) close(fd);
}

TEST(LevelDbTest, PlaceThatCannotBeMadeIsNamed) {
  TempDir dir;
  std::ofstream(dir / "file") << "x";
  const auto opened = OpenLevelDb(dir / "file/db");
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(std::string(opened.status().message()).find(dir / "file"), std::string::npos)
      << opened.status();
}

TEST(LevelDbTest, DamagedFilesAreDataLossNotSilence) {
  TempDir dir;
  {
    ASSERT_OK_AND_ASSIGN(auto store, OpenLevelDb(dir / "db"));
    for (int i = 0; i < 50; ++i) ASSERT_OK(Put(*store, std::to_string(i), std::string(3000, 'x')));
  }
  for (const auto& entry : std::filesystem::directory_iterator(dir / "db")) {
    if (entry.path().extension() != ".log") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(40000);
    file << "damage";
  }
  const auto opened = OpenLevelDb(dir / "db");
  EXPECT_THAT(opened, StatusIs(absl::StatusCode::kDataLoss, "move the folder away"));
}

// LevelDB would make a new database and remove the tables of the old one.
TEST(LevelDbTest, DataWithoutCurrentAreNotTakenForANewStore) {
  TempDir dir;
  {
    ASSERT_OK_AND_ASSIGN(auto store, OpenLevelDb(dir / "db"));
    ASSERT_OK(Put(*store, "a", "1"));
  }
  const std::string current = dir / "db/CURRENT";
  const std::string aside = dir / "CURRENT";
  std::filesystem::rename(current, aside);
  EXPECT_THAT(OpenLevelDb(dir / "db"), StatusIs(absl::StatusCode::kDataLoss, "no CURRENT file"));
  std::filesystem::rename(aside, current);
  ASSERT_OK_AND_ASSIGN(auto store, OpenLevelDb(dir / "db"));
  ASSERT_OK_AND_ASSIGN(auto value, store->Get("a"));
  EXPECT_EQ(value, "1");
}

// The power failed in the middle of the first opening.
TEST(LevelDbTest, FirstOpeningThatWasCutShortIsRepeated) {
  TempDir dir;
  { ASSERT_OK(OpenLevelDb(dir / "db")); }
  std::filesystem::remove(dir / "db/CURRENT");
  EXPECT_OK(OpenLevelDb(dir / "db"));
}

}  // namespace
}  // namespace damocles::store
