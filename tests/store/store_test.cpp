// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/store/store.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/random.h"
#include "damocles/store/rows.h"

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

TEST_P(StoreTest, TheFormatGoesWithTheFirstRowAndIsRaisedWithTheFirstOfANewerOne) {
  Batch row;
  row.Put("job/1", "x");
  for (const std::uint32_t format : {1U, 3U}) {
    SCOPED_TRACE(format);
    ASSERT_OK_AND_ASSIGN(const auto before, store_->Get("format/job"));
    ASSERT_OK_AND_ASSIGN(const auto rows, Rows::Open(*store_, "job", format));
    ASSERT_OK_AND_ASSIGN(const auto opened, store_->Get("format/job"));
    EXPECT_EQ(opened, before) << "an opening writes nothing";
    ASSERT_OK(rows->Write(row));
    ASSERT_OK_AND_ASSIGN(const auto after, store_->Get("format/job"));
    EXPECT_EQ(after, std::to_string(format));
  }
  EXPECT_THAT(Rows::Open(*store_, "job", 2),
              StatusIs(absl::StatusCode::kFailedPrecondition, "format 3"));
  ASSERT_OK(Rows::Open(*store_, "deadline", 1).status());
  ASSERT_OK(Put(*store_, "format/job", "x"));
  EXPECT_THAT(Rows::Open(*store_, "job", 3), StatusIs(absl::StatusCode::kDataLoss, "format/job"));
}

TEST_P(StoreTest, AWriteIsMadeOnlyWhileItsFenceHolds) {
  const auto write = [&](const Fence& fence, std::string_view key) {
    Batch batch;
    batch.Put(key, "1");
    return store_->Write(batch, fence);
  };
  const Fence absent{"lease", std::nullopt};
  const Fence first{"lease", "1"};
  ASSERT_OK(write(absent, "a"));
  EXPECT_THAT(write(first, "b"), StatusIs(absl::StatusCode::kAborted, "lease is absent"));

  Batch take;
  take.Put("lease", "1");
  ASSERT_OK(store_->Write(take, absent));
  EXPECT_THAT(store_->Write(take, absent), StatusIs(absl::StatusCode::kAborted, "lease is \"1\""));
  ASSERT_OK(write(first, "c"));
  EXPECT_OK(store_->Write(Batch(), first));

  Batch hand_over;
  hand_over.Put("lease", "2");
  hand_over.Put("d", "1");
  ASSERT_OK(store_->Write(hand_over, first));
  EXPECT_THAT(write(first, "e"), StatusIs(absl::StatusCode::kAborted, "taken the rows over"));
  EXPECT_THAT(store_->Write(Batch(), first), StatusIs(absl::StatusCode::kAborted, ""));
  ASSERT_OK(write({"lease", "2"}, "f"));

  Batch give_back;
  give_back.Delete("lease");
  ASSERT_OK(store_->Write(give_back, {"lease", "2"}));
  EXPECT_THAT(write({"lease", "2"}, "g"), StatusIs(absl::StatusCode::kAborted, "absent"));
  ASSERT_OK_AND_ASSIGN(const auto rows, List(*store_, ""));
  EXPECT_EQ(rows, (std::vector<Entry>{{"a", "1"}, {"c", "1"}, {"d", "1"}, {"f", "1"}}));
}

// Each number is taken once, whoever asks: nothing comes between the comparison and the write, also
// not a write without a fence that changes the fence's row.
TEST_P(StoreTest, OfSeveralThatTakeOverAtOnceOneDoes) {
  constexpr int kThreads = 4;
  constexpr int kEach = 25;
  ASSERT_OK(Put(*store_, "lease", "0"));
  std::atomic<int> refused = 0;
  std::atomic<int> forced = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int taken = 0; taken < kEach;) {
        const auto held = store_->Get("lease");
        ASSERT_OK(held);
        const int next = std::stoi(held->value()) + 1;
        Batch take;
        take.Put("lease", std::to_string(next));
        take.Put("holder/" + std::to_string(next), std::to_string(t));
        const absl::Status status = store_->Write(take, {"lease", **held});
        if (status.ok()) {
          ++taken;
        } else {
          ASSERT_THAT(status, StatusIs(absl::StatusCode::kAborted, "lease"));
          ++refused;
        }
      }
    });
  }
  threads.emplace_back([&] {
    while (forced < kEach) {
      // Far above what the others reach by themselves, and each time further.
      ASSERT_OK(Put(*store_, "lease", std::to_string(1'000'000 * ++forced)));
      const auto held = store_->Get("lease");
      ASSERT_OK(held);
      ASSERT_GE(std::stoi(held->value()), 1'000'000 * forced) << "the write before it was lost";
    }
  });
  for (std::thread& thread : threads) thread.join();
  ASSERT_OK_AND_ASSIGN(const auto holders, List(*store_, "holder/"));
  EXPECT_EQ(holders.size(), std::size_t{kThreads * kEach}) << "a number was given twice";
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

// A store that refuses while it is full, and takes its time over what deletes.
class SlowStore final : public Store {
 public:
  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    return inner_->Get(key);
  }
  absl::Status Scan(std::string_view prefix, const Visitor& visit) const override {
    return inner_->Scan(prefix, visit);
  }
  absl::Status Commit(const Batch& batch, const Fence* fence) override {
    if (is_full) return absl::UnavailableError("no space left");
    for (const Batch::Operation& operation : batch.Operations()) {
      if (operation.value) continue;
      is_deleting = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
    return inner_->Commit(batch, fence);
  }

  std::atomic<bool> is_full = false;
  std::atomic<bool> is_deleting = false;

 private:
  const std::unique_ptr<Store> inner_ = OpenMemoryStore();
};

// While one thread catches up on what a full disk refused, another one writes the row anew.
TEST(RowsTest, ASetAsideThatIsMadeLateDeletesNoRowThatWasWrittenMeanwhile) {
  SlowStore store;
  ASSERT_OK(Put(store, "job/1", "damaged"));
  ASSERT_OK_AND_ASSIGN(const auto rows, Rows::Open(store, "job", 1));
  Batch aside;
  rows->SetAside(aside, {"job/1", "damaged"}, "job/damaged/1", absl::DataLossError("a bit"), "");
  store.is_full = true;
  rows->WriteAside(aside);
  store.is_full = false;
  std::thread catches_up([&] {
    Batch other;
    other.Put("job/2", "x");
    EXPECT_OK(rows->Write(other));
  });
  while (!store.is_deleting) std::this_thread::yield();
  Batch anew;
  anew.Put("job/1", "anew");
  EXPECT_OK(rows->Write(anew));
  catches_up.join();
  ASSERT_OK_AND_ASSIGN(const auto there, store.Get("job/1"));
  EXPECT_EQ(there, "anew");
  ASSERT_OK_AND_ASSIGN(const auto kept, store.Get("job/damaged/1"));
  EXPECT_EQ(kept, "damaged");
}

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

TEST(LevelDbTest, AFenceHoldsAfterAReopeningAsBefore) {
  TempDir dir;
  {
    ASSERT_OK_AND_ASSIGN(auto store, OpenLevelDb(dir / "db"));
    ASSERT_OK(Put(*store, "lease", "2"));
  }
  Batch row;
  row.Put("row", "1");
  ASSERT_OK_AND_ASSIGN(auto store, OpenLevelDb(dir / "db"));
  EXPECT_THAT(store->Write(row, {"lease", "1"}), StatusIs(absl::StatusCode::kAborted, "\"2\""));
  EXPECT_THAT(store->Write(row, {"lease", std::nullopt}),
              StatusIs(absl::StatusCode::kAborted, "\"2\""));
  ASSERT_OK(store->Write(row, {"lease", "2"}));
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
