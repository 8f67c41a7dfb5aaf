// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/sector/tracker.h"

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include "gtest/gtest.h"
#include "tests/sector/sector_support.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

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
    EXPECT_EQ(health[i].health, i == 5 ? Health::kGood : Health::kBad);
    EXPECT_NE(health[i].reason.find(reasons[i]), std::string::npos) << health[i].reason;
  }
}

TEST_F(TrackerTest, StrictCheckDecidesWhereTheFilesAreThere) {
  for (filecoin::SectorNumber number : {1, 2, 3}) Add(number, SectorSize::k2KiB);
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
  EXPECT_EQ(health[2].health, Health::kBad);
}

TEST_F(TrackerTest, SymbolicLinksDoNotCountInAStrictStore) {
  Add(1, SectorSize::k2KiB);
  fs::rename(dir_ / "a/sealed/s-t01000-1", dir_ / "elsewhere");
  fs::create_symlink(dir_ / "elsewhere", dir_ / "a/sealed/s-t01000-1");
  EXPECT_EQ(Check({{.number = 1}}, SectorSize::k2KiB)[0].health, Health::kGood);
  stores_ = *storage::StoreRegistry::Open(
      {{.name = "store-a", .path = dir_ / "a", .read_only = false, .strict = true}});
  EXPECT_EQ(Check({{.number = 1}}, SectorSize::k2KiB)[0].health, Health::kBad);
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

TEST_F(TrackerTest, HangingSectorIsBadAndDoesNotHoldUpTheOthers) {
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
    EXPECT_EQ(one.health, one.number == 3 ? Health::kBad : Health::kGood)
        << one.number << ": " << one.reason;
  }
  EXPECT_NE(health[2].reason.find("did not answer within"), std::string::npos);
}

TEST_F(TrackerTest, WhatTimeDoesNotSufficeForIsUnknownNotBad) {
  for (filecoin::SectorNumber number : {1, 2}) Add(number, SectorSize::k2KiB);
  auto gate = std::make_shared<Gate>();
  const auto health =
      Check({{.number = 1}, {.number = 2}}, SectorSize::k2KiB,
            {.parallel = 1, .single = absl::ZeroDuration(), .total = absl::Milliseconds(200)},
            [gate](filecoin::SectorId, const ProvableSector&, const SectorFiles&, SectorSize) {
              gate->Wait();
              return absl::OkStatus();
            });
  gate->Open();
  for (const SectorHealth& one : health) EXPECT_EQ(one.health, Health::kUnknown);
  EXPECT_EQ(health[0].reason, "time ran out while it was read");
  EXPECT_EQ(health[1].reason, "time ran out before its turn");
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

}  // namespace
}  // namespace damocles::sector
