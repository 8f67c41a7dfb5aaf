// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/sector/tracker.h"

#include <sys/stat.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "lib/sector/check.h"
#include "tests/sector/sector_support.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/without_rights.h"

namespace damocles::sector {
namespace {

namespace fs = std::filesystem;
using filecoin::SectorSize;
using storage::Variant;
using testing_support::StatusIs;
using testing_support::TempDir;

class TrackerTest : public ::testing::Test {
 protected:
  TrackerTest() {
    fs::create_directories(dir_ / "a");
    stores_ = *storage::StoreRegistry::Open({{.name = "store-a", .path = dir_ / "a"}});
    index_ = *Index::Open(*store_);
    tracker_ = std::make_unique<Tracker>(*index_, stores_);
  }
  void Add(filecoin::SectorNumber number, SectorSize size, Variant variant = Variant::kSealed) {
    MakeSector(dir_ / "a", dir_ / "a", {1000, number}, size, variant);
    ASSERT_OK(index_->Put({{{1000, number}, variant, {"store-a", "store-a"}}}));
  }
  std::vector<SectorHealth> Check(const std::vector<ProvableSector>& sectors, SectorSize size,
                                  CheckLimits limits = {}, StrictCheck strict = nullptr) {
    return tracker_->Check(1000, size, sectors, limits, strict);
  }

  TempDir dir_;
  storage::StoreRegistry stores_;
  std::unique_ptr<store::Store> store_ = store::OpenMemoryStore();
  std::unique_ptr<Index> index_;
  std::unique_ptr<Tracker> tracker_;
};

TEST_F(TrackerTest, ResolvesBothVariants) {
  Add(7, SectorSize::k2KiB);
  Add(7, SectorSize::k2KiB, Variant::kUpgraded);
  ASSERT_OK_AND_ASSIGN(SectorFiles files, tracker_->Resolve({1000, 7}, false));
  EXPECT_EQ(files.sealed_path, dir_ / "a/sealed/s-t01000-7");
  EXPECT_EQ(files.cache_dir, dir_ / "a/cache/s-t01000-7");
  ASSERT_OK_AND_ASSIGN(files, tracker_->Resolve({1000, 7}, true));
  EXPECT_EQ(files.sealed_path, dir_ / "a/update/s-t01000-7");
  EXPECT_EQ(files.cache_dir, dir_ / "a/update-cache/s-t01000-7");
  EXPECT_THAT(
      tracker_->Resolve({1000, 8}, true),
      StatusIs(absl::StatusCode::kNotFound, "sector f01000/8 is not in the index of upgraded"));
  ASSERT_OK(index_->Put({{{1000, 9}, Variant::kSealed, {"store-a", "gone"}}}));
  EXPECT_THAT(tracker_->Resolve({1000, 9}, false),
              StatusIs(absl::StatusCode::kNotFound, "\"gone\" is not configured here"));
  ASSERT_OK_AND_ASSIGN(const Location location, tracker_->Locate({1000, 9}, false));
  EXPECT_EQ(location.cache_store, "gone") << "names suffice for a job";
}

TEST_F(TrackerTest, GoodSectorsOfEverySizeAreGood) {
  for (const SectorSize size : filecoin::kSectorSizes) {
    SCOPED_TRACE(filecoin::ToString(size));
    const auto number = static_cast<filecoin::SectorNumber>(filecoin::ToBytes(size));
    Add(number, size);
    const auto health = Check({{.number = number}}, size);
    ASSERT_EQ(health.size(), 1u);
    EXPECT_EQ(health[0].health, Health::kGood) << health[0].reason;
  }
}

TEST_F(TrackerTest, EachKindOfDamageHasItsReason) {
  std::vector<ProvableSector> sectors;
  for (filecoin::SectorNumber number = 1; number <= 6; ++number) {
    Add(number, SectorSize::k16KiB);
    sectors.push_back({.number = number});
  }
  fs::remove(dir_ / "a/sealed/s-t01000-1");
  fs::resize_file(dir_ / "a/sealed/s-t01000-2", 16383);
  fs::remove(dir_ / "a/cache/s-t01000-3/p_aux");
  fs::remove(dir_ / "a/cache/s-t01000-4/sc-02-data-tree-r-last-7.dat");
  // Another number of rows left out than in the other trees.
  fs::resize_file(dir_ / "a/cache/s-t01000-5/sc-02-data-tree-r-last-3.dat", 288);
  sectors.push_back({.number = 99});
  sectors.push_back({.number = 6, .upgraded = true});
  const auto health = Check(sectors, SectorSize::k16KiB);
  const Health healths[] = {Health::kUnreadable, Health::kWrong,     Health::kUnreadable,
                            Health::kUnreadable, Health::kWrong,     Health::kGood,
                            Health::kUnreadable, Health::kUnreadable};
  const char* reasons[] = {"sealed/s-t01000-1 is missing",
                           "sealed/s-t01000-2 is 16383 bytes, want 16384",
                           "p_aux is missing",
                           "sc-02-data-tree-r-last-7.dat is missing",
                           "sc-02-data-tree-r-last-3.dat is 288 bytes, the other tree files are 32",
                           "",
                           "f01000/99 is not in the index",
                           "not in the index of upgraded sectors"};
  ASSERT_EQ(health.size(), std::size(reasons));
  for (std::size_t i = 0; i < health.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(health[i].number, sectors[i].number);
    EXPECT_EQ(health[i].health, healths[i]);
    EXPECT_NE(health[i].reason.find(reasons[i]), std::string::npos) << health[i].reason;
  }
}

TEST_F(TrackerTest, StrictCheckDecidesWhereTheFilesAreThere) {
  for (filecoin::SectorNumber number : {1U, 2U, 3U}) Add(number, SectorSize::k2KiB);
  fs::remove(dir_ / "a/sealed/s-t01000-3");
  std::atomic<int> calls = 0;
  const auto health =
      Check({{.number = 1}, {.number = 2}, {.number = 3}}, SectorSize::k2KiB, {},
            [&](filecoin::SectorId id, const ProvableSector&, const SectorFiles&, SectorSize size) {
              ++calls;
              EXPECT_EQ(size, SectorSize::k2KiB);
              return id.number == 2 ? absl::DataLossError("root differs") : absl::OkStatus();
            });
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(health[0].health, Health::kGood);
  EXPECT_EQ(health[1].reason, "root differs");
  EXPECT_EQ(health[1].health, Health::kWrong);
  EXPECT_EQ(health[2].health, Health::kUnreadable);
}

TEST_F(TrackerTest, SymbolicLinksDoNotCountInAStrictStore) {
  Add(1, SectorSize::k2KiB);
  fs::rename(dir_ / "a/sealed/s-t01000-1", dir_ / "elsewhere");
  fs::create_symlink(dir_ / "elsewhere", dir_ / "a/sealed/s-t01000-1");
  EXPECT_EQ(Check({{.number = 1}}, SectorSize::k2KiB)[0].health, Health::kGood);
  stores_ = *storage::StoreRegistry::Open(
      {{.name = "store-a", .path = dir_ / "a", .read_only = false, .strict = true}});
  EXPECT_EQ(Check({{.number = 1}}, SectorSize::k2KiB)[0].health, Health::kWrong);
}

// Whatever is in the place of a file: none of it hangs the check, and only what can never be the
// sector's file is wrong.
TEST_F(TrackerTest, WhatIsInThePlaceOfAFile) {
  struct Case {
    const char* what;
    Health health;
    std::function<void(const std::string& path)> put;
  };
  const std::vector<Case> cases = {
      {"a folder", Health::kWrong, [](const std::string& path) { fs::create_directories(path); }},
      {"a pipe", Health::kWrong,
       [](const std::string& path) { ASSERT_EQ(mkfifo(path.c_str(), 0644), 0); }},
      {"a device", Health::kWrong,
       [](const std::string& path) { fs::create_symlink("/dev/zero", path); }},
      {"an empty file", Health::kWrong,
       [](const std::string& path) { std::ofstream(path).close(); }},
      {"a link to itself", Health::kUnreadable,
       [](const std::string& path) { fs::create_symlink(path, path); }},
      {"a link to nowhere", Health::kUnreadable,
       [](const std::string& path) { fs::create_symlink("/nowhere/at/all", path); }},
      {"a link with too long a name", Health::kUnreadable,
       [](const std::string& path) { fs::create_symlink(std::string(300, 'x'), path); }},
      {"nothing", Health::kUnreadable, [](const std::string&) {}},
  };
  filecoin::SectorNumber number = 0;
  for (const char* file : {"sealed/s-t01000-%d", "cache/s-t01000-%d/p_aux",
                           "cache/s-t01000-%d/sc-02-data-tree-r-last.dat"}) {
    for (const Case& one : cases) {
      Add(++number, SectorSize::k2KiB);
      const std::string path =
          dir_ / "a" + "/" + absl::StrFormat(*absl::ParsedFormat<'d'>::New(file), number);
      SCOPED_TRACE(std::string(one.what) + " as " + path);
      fs::remove(path);
      one.put(path);
      const SectorHealth health = Check({{.number = number}}, SectorSize::k2KiB)[0];
      EXPECT_EQ(health.health, one.health) << health.reason;
      EXPECT_NE(health.reason.find(path), std::string::npos) << health.reason;
    }
  }
}

TEST_F(TrackerTest, RightsAreNoVerdict) {
  Add(1, SectorSize::k2KiB);
  Add(2, SectorSize::k2KiB);
  const testing_support::WithoutRights plain(dir_.Path());
  fs::permissions(dir_ / "a/cache/s-t01000-1", fs::perms::none);
  const auto health = Check({{.number = 1}, {.number = 2}}, SectorSize::k2KiB);
  EXPECT_EQ(health[0].health, Health::kUnreadable) << health[0].reason;
  EXPECT_EQ(health[1].health, Health::kGood) << health[1].reason;
  fs::permissions(dir_ / "a/cache/s-t01000-1", fs::perms::all);
}

// By the status of a real read: what a device or a mount says is no word about the contents.
TEST_F(TrackerTest, StatusOfARealReadTellsWrongFromUnreadable) {
  for (int code = 1; code <= 16; ++code) {
    const auto status = static_cast<absl::StatusCode>(code);
    const bool wrong = status == absl::StatusCode::kDataLoss ||
                       status == absl::StatusCode::kOutOfRange ||
                       status == absl::StatusCode::kInvalidArgument ||
                       status == absl::StatusCode::kFailedPrecondition;
    EXPECT_EQ(HealthOf(absl::Status(status, "x")), wrong ? Health::kWrong : Health::kUnreadable)
        << code;
  }
}

// A reader that hangs, as in a dead network mount, until the test lets go.
struct Gate {
  std::mutex mutex;
  std::condition_variable opened;
  bool open = false;
  void Wait() {
    std::unique_lock<std::mutex> lock(mutex);
    opened.wait(lock, [this] { return open; });
  }
  void Open() {
    const std::lock_guard<std::mutex> lock(mutex);
    open = true;
    opened.notify_all();
  }
};

TEST_F(TrackerTest, HangingSectorIsUnreadableAndDoesNotHoldUpTheOthers) {
  std::vector<ProvableSector> sectors;
  for (filecoin::SectorNumber number = 1; number <= 20; ++number) {
    Add(number, SectorSize::k2KiB);
    sectors.push_back({.number = number});
  }
  auto gate = std::make_shared<Gate>();
  const auto health =
      Check(sectors, SectorSize::k2KiB, {.parallel = 1, .single = absl::Milliseconds(300)},
            [gate](filecoin::SectorId id, const ProvableSector&, const SectorFiles&, SectorSize) {
              if (id.number == 3) gate->Wait();
              return absl::OkStatus();
            });
  gate->Open();
  for (const SectorHealth& one : health) {
    EXPECT_EQ(one.health, one.number == 3 ? Health::kUnreadable : Health::kGood)
        << one.number << ": " << one.reason;
  }
  EXPECT_NE(health[2].reason.find("did not answer within"), std::string::npos);
}

// The budget of a check is shorter than SingleCheckTimeout by default: what hangs is unreadable all
// the same, or it would go into the job and take the healthy sectors with it.
TEST_F(TrackerTest, WhatHangsIsUnreadableAlsoWhereTheTotalIsShorterThanTheSingleLimit) {
  for (filecoin::SectorNumber number : {1U, 2U, 3U}) Add(number, SectorSize::k2KiB);
  auto gate = std::make_shared<Gate>();
  const auto health =
      Check({{.number = 1}, {.number = 2}, {.number = 3}}, SectorSize::k2KiB,
            {.single = absl::Minutes(10), .total = absl::Milliseconds(400)},
            [gate](filecoin::SectorId id, const ProvableSector&, const SectorFiles&, SectorSize) {
              if (id.number == 2) gate->Wait();
              return absl::OkStatus();
            });
  gate->Open();
  EXPECT_EQ(health[0].health, Health::kGood);
  EXPECT_EQ(health[1].health, Health::kUnreadable);
  EXPECT_EQ(health[1].reason, "the file system of store \"store-a\" did not answer within 200ms");
  EXPECT_EQ(health[2].health, Health::kGood);
}

TEST_F(TrackerTest, WhatTimeDoesNotSufficeForIsUnknownNotBad) {
  for (filecoin::SectorNumber number : {1U, 2U, 3U}) Add(number, SectorSize::k2KiB);
  auto gate = std::make_shared<Gate>();
  const auto health =
      Check({{.number = 1}, {.number = 2}, {.number = 3}}, SectorSize::k2KiB,
            {.parallel = 1, .single = absl::Milliseconds(300), .total = absl::Milliseconds(600)},
            [gate](filecoin::SectorId id, const ProvableSector&, const SectorFiles&, SectorSize) {
              if (id.number == 1) absl::SleepFor(absl::Milliseconds(200));
              if (id.number > 1) gate->Wait();
              return absl::OkStatus();
            });
  gate->Open();
  EXPECT_EQ(health[0].health, Health::kGood);
  EXPECT_EQ(health[1].health, Health::kUnreadable);
  // It began too late for its silence to say anything.
  EXPECT_EQ(health[2].health, Health::kUnknown) << health[2].reason;
}

// Two stores, of which "hung" does not answer.
class HungStoreTest : public TrackerTest {
 protected:
  HungStoreTest() {
    fs::create_directories(dir_ / "hung");
    stores_ = *storage::StoreRegistry::Open(
        {{.name = "store-a", .path = dir_ / "a"}, {.name = "hung", .path = dir_ / "hung"}});
    for (filecoin::SectorNumber number = 1; number <= 200; ++number) {
      const bool hangs = number <= 100;
      if (hangs) {
        MakeSector(dir_ / "hung", dir_ / "hung", {1000, number}, SectorSize::k2KiB);
        EXPECT_OK(index_->Put({{{1000, number}, Variant::kSealed, {"hung", "hung"}}}));
      } else {
        Add(number, SectorSize::k2KiB);
      }
      sectors_.push_back({.number = number});
    }
  }
  ~HungStoreTest() override { gate_->Open(); }

  std::vector<SectorHealth> CheckAll(absl::Duration total) {
    return Check(sectors_, SectorSize::k2KiB, {.parallel = 8, .total = total},
                 [gate = gate_, asked = asked_](filecoin::SectorId id, const ProvableSector&,
                                                const SectorFiles&, SectorSize) {
                   if (id.number > 100) return absl::OkStatus();
                   ++*asked;
                   gate->Wait();
                   return absl::OkStatus();
                 });
  }

  std::vector<ProvableSector> sectors_;
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
  std::shared_ptr<std::atomic<int>> asked_ = std::make_shared<std::atomic<int>>(0);
};

TEST_F(HungStoreTest, IsBadAsAWholeAndTheOthersAreGood) {
  const auto health = CheckAll(absl::Milliseconds(600));
  for (const SectorHealth& one : health) {
    ASSERT_EQ(one.health, one.number <= 100 ? Health::kUnreadable : Health::kGood)
        << one.number << ": " << one.reason;
  }
  EXPECT_EQ(health[99].reason, "the file system of store \"hung\" has not answered within 300ms");
  EXPECT_EQ(*asked_, 3) << "a dead store costs a few threads, not one for each sector";
}

TEST_F(HungStoreTest, CostsNoMoreThreadsWithEachCheckAndIsBackWhenItAnswers) {
  for (int i = 0; i < 6; ++i) CheckAll(absl::Milliseconds(200));
  EXPECT_LE(*asked_, 9) << "a store that owes many answers gets no new questions";
  const absl::Time began = absl::Now();
  const auto health = CheckAll(absl::Seconds(60));
  EXPECT_LT(absl::Now() - began, absl::Seconds(20)) << "known to be silent: nothing to wait for";
  EXPECT_EQ(health[0].health, Health::kUnreadable);
  gate_->Open();
  absl::SleepFor(absl::Milliseconds(300));
  for (const SectorHealth& one : CheckAll(absl::Seconds(60))) {
    ASSERT_EQ(one.health, Health::kGood) << one.number << ": " << one.reason;
  }
}

// Three ways for a sector to be elsewhere than the index says; each is found, read, and learnt.
class ElsewhereTest : public ::testing::Test {
 protected:
  ElsewhereTest() {
    for (const char* name : {"a", "b"}) fs::create_directories(dir_ / name);
    stores_ = *storage::StoreRegistry::Open(
        {{.name = "a", .path = dir_ / "a"}, {.name = "b", .path = dir_ / "b"}});
  }
  SectorHealth CheckOne(StrictCheck strict = nullptr) const {
    const Tracker tracker(*index_, stores_,
                          [this](const IndexRow& row) { return index_->Put({row}); });
    return tracker.Check(1000, SectorSize::k2KiB, {{.number = 1}}, {.total = absl::Seconds(30)},
                         strict)[0];
  }
  TempDir dir_;
  storage::StoreRegistry stores_;
  std::unique_ptr<store::Store> store_ = store::OpenMemoryStore();
  std::unique_ptr<Index> index_ = *Index::Open(*store_);
};

TEST_F(ElsewhereTest, SectorThatWasMovedOrPutBackOrWhoseStoreWasRenamed) {
  MakeSector(dir_ / "b", dir_ / "b", {1000, 1}, SectorSize::k2KiB);
  const std::vector<std::optional<Location>> before = {
      std::nullopt,               // a file was missing when its store was attached
      Location{"a", "a"},         // moved to b
      Location{"old-b", "old-b"}  // the configuration calls it b now
  };
  for (const auto& location : before) {
    ASSERT_OK(index_->Remove({1000, 1}, Variant::kSealed));
    if (location) {
      ASSERT_OK(index_->Put({{{1000, 1}, Variant::kSealed, *location}}));
    }
    const SectorHealth health = CheckOne();
    EXPECT_EQ(health.health, Health::kGood) << health.reason;
    EXPECT_EQ(health.location, (Location{"b", "b"}));
    ASSERT_OK_AND_ASSIGN(const auto learnt, index_->Find({1000, 1}, Variant::kSealed));
    EXPECT_EQ(learnt, (Location{"b", "b"}));
  }
}

// An empty mount point says nothing, a file that misses among others does.
TEST_F(ElsewhereTest, MissingIsOnlyWhatIsMissingAmongOthers) {
  ASSERT_OK(index_->Put({{{1000, 1}, Variant::kSealed, {"a", "a"}}}));
  EXPECT_FALSE(CheckOne().missing);
  EXPECT_EQ(CheckOne().reason,
            absl::StrFormat("store \"a\": %s holds no sector: is its disk mounted?", dir_ / "a"));
  MakeSector(dir_ / "a", dir_ / "a", {1000, 2}, SectorSize::k2KiB);
  EXPECT_TRUE(CheckOne().missing);
  ASSERT_OK(index_->Put({{{1000, 1}, Variant::kSealed, {"a", "gone"}}}));
  EXPECT_FALSE(CheckOne().missing);
  EXPECT_NE(CheckOne().reason.find("store \"gone\" is not configured here (known: a, b): give it"),
            std::string::npos);
}

TEST_F(ElsewhereTest, HalvesInTwoStoresAreOneSector) {
  MakeSector(dir_ / "a", dir_ / "b", {1000, 1}, SectorSize::k2KiB);
  EXPECT_EQ(CheckOne().location, (Location{"a", "b"}));
}

// Files of the right length with other contents must not take the place of the sector.
TEST_F(ElsewhereTest, WhatIsWrongThereIsNotLearnt) {
  MakeSector(dir_ / "b", dir_ / "b", {1000, 1}, SectorSize::k2KiB);
  ASSERT_OK(index_->Put({{{1000, 1}, Variant::kSealed, {"a", "a"}}}));
  const SectorHealth health =
      CheckOne([](filecoin::SectorId, const ProvableSector&, const SectorFiles&, SectorSize) {
        return absl::DataLossError("root differs");
      });
  EXPECT_EQ(health.health, Health::kUnreadable);
  EXPECT_NE(health.reason.find("holds no sector"), std::string::npos) << health.reason;
  ASSERT_OK_AND_ASSIGN(const auto known, index_->Find({1000, 1}, Variant::kSealed));
  EXPECT_EQ(known, (Location{"a", "a"}));
}

TEST_F(TrackerTest, IndexThatCannotBeAskedMakesNoSectorBad) {
  class DeafLocator final : public Locator {
   public:
    absl::StatusOr<std::optional<Location>> Find(filecoin::SectorId, Variant) const override {
      return absl::UnavailableError("source manager does not answer");
    }
  };
  const DeafLocator deaf;
  const Tracker tracker(deaf, stores_);
  const auto health = tracker.Check(1000, SectorSize::k2KiB, {{.number = 1}}, {}, nullptr);
  ASSERT_EQ(health.size(), 1u);
  EXPECT_EQ(health[0].health, Health::kUnknown);
  EXPECT_EQ(health[0].reason, "source manager does not answer");
}

std::vector<SectorRead> OneRead(const TempDir& dir) {
  MakeSector(dir / "s", dir / "s", {1000, 1}, SectorSize::k2KiB);
  return {{.id = {1000, 1},
           .sector = {.number = 1},
           .files = {.location = {"s", "s"},
                     .sealed_path = storage::ReplicaPath(dir / "s", {1000, 1}, Variant::kSealed),
                     .cache_dir = storage::CachePath(dir / "s", {1000, 1}, Variant::kSealed)}}};
}

TEST(ReadersTest, CheckWithoutThreadsEndsInTimeAndSaysNothing) {
  const TempDir dir;
  auto readers =
      std::make_shared<storage::Readers>([](const std::function<void()>&) { return false; });
  const auto health = ReadAll(readers, OneRead(dir), SectorSize::k2KiB,
                              {.total = absl::Milliseconds(300)}, nullptr);
  EXPECT_EQ(health[0].health, Health::kUnknown) << health[0].reason;
}

TEST(ReadersTest, CheckTakesItsThreadsWhenTheSystemHasThemAgain) {
  const TempDir dir;
  int calls = 0;
  auto readers = std::make_shared<storage::Readers>([&calls](std::function<void()> work) {
    return ++calls > 2 && storage::Readers::SpawnDetached(std::move(work));
  });
  const auto health =
      ReadAll(readers, OneRead(dir), SectorSize::k2KiB, {.total = absl::Seconds(30)}, nullptr);
  EXPECT_EQ(health[0].health, Health::kGood) << health[0].reason;
}

TEST(ReadersTest, ThereIsAMostForAllChecksTogether) {
  std::vector<std::function<void()>> held;
  auto readers = std::make_shared<storage::Readers>([&held](std::function<void()> work) {
    held.push_back(std::move(work));
    return true;
  });
  for (std::size_t i = 0; i < storage::Readers::kThreadsMax; ++i) {
    ASSERT_TRUE(storage::Readers::Start(readers, [] {}));
  }
  EXPECT_FALSE(storage::Readers::Start(readers, [] {}));
  held.front()();
  EXPECT_TRUE(storage::Readers::Start(readers, [] {}));
}

}  // namespace
}  // namespace damocles::sector
