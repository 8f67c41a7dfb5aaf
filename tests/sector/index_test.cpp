// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/sector/index.h"

#include <filesystem>
#include <map>
#include <stop_token>
#include <string>
#include <tuple>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sector/sector_support.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/random.h"
#include "damocles/sector/store_survey.h"
#include "damocles/store/row.h"

namespace damocles::sector {
namespace {

namespace fs = std::filesystem;
using filecoin::SectorSize;
using storage::Variant;
using testing_support::StatusIs;
using testing_support::TempDir;

// Random rows against a std::map, through reopenings of the index.
TEST(IndexTest, BehavesAsAMap) {
  SeededRandom random(3);
  const auto store = store::OpenMemoryStore();
  std::map<std::tuple<int, std::uint64_t, std::uint64_t>, Location> model;
  for (int step = 0; step < 2000; ++step) {
    ASSERT_OK_AND_ASSIGN(const auto index, Index::Open(*store));
    const filecoin::SectorId sector{.miner = random.Below(3) * 1000,
                                    .number = random.Below(4) << (8 * random.Below(4))};
    const Variant variant = random.Below(2) == 0 ? Variant::kSealed : Variant::kUpgraded;
    const std::tuple key(static_cast<int>(variant), sector.miner, sector.number);
    switch (random.Below(4)) {
      case 0:
      case 1: {
        const Location location{.sealed_store = "s" + std::to_string(random.Below(5)),
                                .cache_store = std::string(1 + random.Below(300), 'c')};
        ASSERT_OK(index->Put({{sector, variant, location}}));
        model[key] = location;
        break;
      }
      case 2:
        ASSERT_OK(index->Remove(sector, variant));
        model.erase(key);
        break;
      default: {
        ASSERT_OK_AND_ASSIGN(const auto found, index->Find(sector, variant));
        const auto want = model.find(key);
        ASSERT_EQ(found.has_value(), want != model.end());
        if (found.has_value()) {
          ASSERT_EQ(*found, want->second);
        }
        ASSERT_OK_AND_ASSIGN(const auto rows, index->List(std::nullopt));
        ASSERT_EQ(rows.size(), model.size());
        auto at = model.begin();
        for (const IndexRow& row : rows) {
          ASSERT_EQ(std::tuple(static_cast<int>(row.variant), row.sector.miner, row.sector.number),
                    at->first);
          ASSERT_EQ(row.location, at->second);
          ++at;
        }
        break;
      }
    }
  }
}

TEST(IndexTest, ListsOneMinerInOrder) {
  const auto store = store::OpenMemoryStore();
  ASSERT_OK_AND_ASSIGN(const auto index, Index::Open(*store));
  const Location at{.sealed_store = "a", .cache_store = "b"};
  ASSERT_OK(index->Put({{{1000, 300}, Variant::kSealed, at},
                        {{1000, 2}, Variant::kSealed, at},
                        {{1001, 1}, Variant::kSealed, at},
                        {{1000, 2}, Variant::kUpgraded, at}}));
  ASSERT_OK_AND_ASSIGN(const auto rows, index->List(1000));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].sector.number, 2u);
  EXPECT_EQ(rows[1].sector.number, 300u);
  EXPECT_EQ(rows[2].variant, Variant::kUpgraded);
  ASSERT_OK_AND_ASSIGN(const auto entry, index->FindAll({1000, 2}));
  EXPECT_TRUE(entry.sealed.has_value());
  EXPECT_TRUE(entry.upgraded.has_value());
  EXPECT_THAT(index->Put({{{1, 1}, Variant::kSealed, {"", "b"}}}),
              StatusIs(absl::StatusCode::kInvalidArgument, "without a store name"));
}

TEST(IndexTest, DamagedAndNewerRowsAreNamed) {
  const auto store = store::OpenMemoryStore();
  ASSERT_OK_AND_ASSIGN(const auto index, Index::Open(*store));
  ASSERT_OK(index->Put({{{1000, 7}, Variant::kSealed, {"a", "b"}}}));
  ASSERT_OK_AND_ASSIGN(const auto rows, store::List(*store, "sector/"));
  ASSERT_EQ(rows.size(), 1u);
  // The format as docs/formats/store.md has it.
  EXPECT_EQ(rows[0].key, std::string("sector/s/\0\0\0\0\0\0\x03\xe8\0\0\0\0\0\0\0\x07", 25));
  const std::string body("\x01\x01\0\0\0a\x01\0\0\0b", 11);
  EXPECT_EQ(rows[0].value, store::FrameRow({"sector", 1}, rows[0].key, body));
  for (std::size_t size = 0; size < rows[0].value.size(); ++size) {
    ASSERT_OK(Put(*store, rows[0].key, rows[0].value.substr(0, size)));
    // As if it were not there, so that the sector is looked for; the others are told.
    ASSERT_OK_AND_ASSIGN(const auto found, index->Find({1000, 7}, Variant::kSealed));
    EXPECT_EQ(found, std::nullopt);
    ASSERT_OK(index->Put({{{1000, 8}, Variant::kSealed, {"a", "b"}}}));
    ASSERT_OK_AND_ASSIGN(const auto listed, index->List(std::nullopt));
    ASSERT_EQ(listed.size(), 1u);
    EXPECT_EQ(listed[0].sector.number, 8u);
    ASSERT_OK(index->Remove({1000, 8}, Variant::kSealed));
  }
  ASSERT_OK(Put(*store, rows[0].key, rows[0].value));
  // Numbers that no miner and no sector has, which the rest of the program must never meet.
  for (const std::size_t at : {9U, 17U}) {
    std::string key = rows[0].key;
    key.replace(at, 8, std::string(8, '\xff'));
    ASSERT_OK(Put(*store, key, rows[0].value));
    ASSERT_OK_AND_ASSIGN(const auto listed, index->List(std::nullopt));
    EXPECT_EQ(listed.size(), 1u);
    ASSERT_OK_AND_ASSIGN(const auto counts, index->CountByStore());
    EXPECT_EQ(counts.at("a"), 1u);
    ASSERT_OK(store::Delete(*store, key));
  }
  EXPECT_THAT(index->Put({{{1000, std::uint64_t{1} << 63}, Variant::kSealed, {"a", "b"}}}),
              StatusIs(absl::StatusCode::kInvalidArgument, "9223372036854775808"));
  ASSERT_OK(Put(*store, rows[0].key, "\x02"));
  ASSERT_OK_AND_ASSIGN(const auto of_another_time, index->Find({1000, 7}, Variant::kSealed));
  EXPECT_EQ(of_another_time, std::nullopt);
  ASSERT_OK(Put(*store, rows[0].key, store::FrameRow({"sector", 2}, rows[0].key, "\x02new")));
  EXPECT_THAT(index->Find({1000, 7}, Variant::kSealed),
              StatusIs(absl::StatusCode::kFailedPrecondition, "format 2"));
  EXPECT_THAT(index->Find({1000, 7}, Variant::kSealed),
              StatusIs(absl::StatusCode::kFailedPrecondition, "s-t01000-7"));
  // As it was written before there were frames.
  ASSERT_OK(Put(*store, rows[0].key, body));
  ASSERT_OK_AND_ASSIGN(const auto old, index->Find({1000, 7}, Variant::kSealed));
  EXPECT_EQ(old, (Location{.sealed_store = "a", .cache_store = "b"}));
}

TEST(StoreSurveyTest, NamesStoresOfTheIndexThatShowNothingHere) {
  const TempDir dir;
  for (const char* name : {"good", "empty", "new"}) fs::create_directories(dir / name);
  MakeSector(dir / "good", dir / "good", {1000, 1}, SectorSize::k2KiB);
  const auto store = store::OpenMemoryStore();
  ASSERT_OK_AND_ASSIGN(const auto index, Index::Open(*store));
  ASSERT_OK(index->Put({{{1000, 1}, Variant::kSealed, {"good", "good"}},
                        {{1000, 1}, Variant::kUpgraded, {"good", "renamed"}},
                        {{1000, 2}, Variant::kSealed, {"renamed", "renamed"}},
                        {{1000, 3}, Variant::kSealed, {"empty", "empty"}}}));
  ASSERT_OK_AND_ASSIGN(const auto stores,
                       storage::StoreRegistry::Open({{.name = "good", .path = dir / "good"},
                                                     {.name = "empty", .path = dir / "empty"},
                                                     {.name = "new", .path = dir / "new"}}));
  ASSERT_OK_AND_ASSIGN(const auto findings, SurveyStores(*index, stores, absl::Seconds(20)));
  std::map<std::string, std::string> texts;
  for (const StoreFinding& finding : findings) texts[finding.name] = Describe(finding);
  ASSERT_EQ(texts.size(), 4u);
  EXPECT_EQ(texts["good"], "");
  EXPECT_EQ(texts["new"], "") << "nothing is expected there";
  EXPECT_THAT(texts["renamed"], ::testing::HasSubstr("2 sectors lie in store \"renamed\", which "
                                                     "is not configured: "));
  EXPECT_THAT(texts["empty"],
              ::testing::MatchesRegex("1 sector lies in store \"empty\": .*/empty holds no "
                                      "sector: is its disk mounted\\?"));
}

class AttachTest : public ::testing::Test {
 protected:
  AttachTest() {
    for (const char* name : {"a", "b"}) fs::create_directories(dir_ / name);
    stores_ = *storage::StoreRegistry::Open(
        {{.name = "store-a", .path = dir_ / "a"}, {.name = "store-b", .path = dir_ / "b"}});
    index_ = *Index::Open(*store_);
  }
  absl::StatusOr<AttachReport> Attach(const std::string& name, AttachOptions options = {}) {
    return AttachStore(*index_, *stores_.Find(name), options, nullptr);
  }

  TempDir dir_;
  storage::StoreRegistry stores_;
  std::unique_ptr<store::Store> store_ = store::OpenMemoryStore();
  std::unique_ptr<Index> index_;
};

TEST_F(AttachTest, FindsPairsAndIsIdempotent) {
  MakeSector(dir_ / "a", dir_ / "a", {1000, 1}, SectorSize::k2KiB);
  MakeSector(dir_ / "a", dir_ / "a", {1000, 2}, SectorSize::k32KiB);
  MakeSector(dir_ / "a", dir_ / "a", {1000, 2}, SectorSize::k32KiB, Variant::kUpgraded);
  MakeSector(dir_ / "a", dir_ / "a", {1001, 5}, SectorSize::k32GiB);
  AttachProgress last;
  ASSERT_OK_AND_ASSIGN(const AttachReport first,
                       AttachStore(*index_, *stores_.Find("store-a"), {},
                                   [&](const AttachProgress& progress) { last = progress; }));
  EXPECT_EQ(first.totals.added, 4u);
  EXPECT_EQ(last.done, 4u);
  EXPECT_EQ(last.folder_entries, 4u);
  EXPECT_TRUE(first.problems.empty());
  ASSERT_OK_AND_ASSIGN(const auto found, index_->Find({1001, 5}, Variant::kSealed));
  EXPECT_EQ(found, (Location{"store-a", "store-a"}));
  ASSERT_OK_AND_ASSIGN(const AttachReport second, Attach("store-a"));
  EXPECT_EQ(second.totals.added, 0u);
  EXPECT_EQ(second.totals.already_known, 4u);
}

TEST_F(AttachTest, IncompleteSectorsAreNamedAndLeftOut) {
  MakeSector(dir_ / "a", dir_ / "a", {1000, 1}, SectorSize::k4KiB);
  fs::remove(dir_ / "a/cache/s-t01000-1/p_aux");
  MakeSector(dir_ / "a", dir_ / "a", {1000, 2}, SectorSize::k4KiB);
  fs::resize_file(dir_ / "a/cache/s-t01000-2/sc-02-data-tree-r-last-1.dat", 33);
  MakeFile(dir_ / "a/sealed/s-t01000-3", 1000);
  MakeFile(dir_ / "a/sealed/s-t01000-4.tmp", 2048);
  fs::create_directories(dir_ / "a/sealed/s-t01000-5");
  ASSERT_OK_AND_ASSIGN(const AttachReport report, Attach("store-a"));
  EXPECT_EQ(report.totals.added, 0u);
  EXPECT_EQ(report.totals.incomplete, 4u);
  std::string all;
  for (const AttachProblem& problem : report.problems) all += problem.reason + "\n";
  EXPECT_NE(all.find("p_aux is missing"), std::string::npos) << all;
  EXPECT_NE(all.find("sc-02-data-tree-r-last-1.dat is 33 bytes"), std::string::npos) << all;
  EXPECT_NE(all.find("1000 bytes is the size of no sector"), std::string::npos) << all;
  EXPECT_NE(all.find("its name is not of the form"), std::string::npos) << all;
  EXPECT_NE(all.find("not a regular file"), std::string::npos) << all;
}

TEST_F(AttachTest, CacheMayLieInAnotherStore) {
  MakeSector(dir_ / "a", dir_ / "b", {1000, 1}, SectorSize::k2KiB);
  ASSERT_OK_AND_ASSIGN(AttachReport report, Attach("store-a"));
  EXPECT_EQ(report.totals.incomplete, 1u);
  ASSERT_OK_AND_ASSIGN(report, Attach("store-a", {.other_stores = &stores_}));
  EXPECT_EQ(report.totals.added, 1u);
  ASSERT_OK_AND_ASSIGN(const auto found, index_->Find({1000, 1}, Variant::kSealed));
  EXPECT_EQ(found, (Location{"store-a", "store-b"}));
}

TEST_F(AttachTest, ConflictsAreKeptUnlessReplaced) {
  MakeSector(dir_ / "a", dir_ / "a", {1000, 1}, SectorSize::k2KiB);
  MakeSector(dir_ / "b", dir_ / "b", {1000, 1}, SectorSize::k2KiB);
  ASSERT_OK(Attach("store-a"));
  ASSERT_OK_AND_ASSIGN(AttachReport report, Attach("store-b"));
  EXPECT_EQ(report.totals.conflicts, 1u);
  ASSERT_OK_AND_ASSIGN(auto found, index_->Find({1000, 1}, Variant::kSealed));
  EXPECT_EQ(found->sealed_store, "store-a");
  ASSERT_OK_AND_ASSIGN(report, Attach("store-b", {.replace = true}));
  EXPECT_EQ(report.totals.moved, 1u);
  ASSERT_OK_AND_ASSIGN(found, index_->Find({1000, 1}, Variant::kSealed));
  EXPECT_EQ(found->sealed_store, "store-b");
}

TEST_F(AttachTest, StopsWhenCancelled) {
  MakeSector(dir_ / "a", dir_ / "a", {1000, 1}, SectorSize::k2KiB);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(Attach("store-a", {.stop = stop.get_token()}),
              StatusIs(absl::StatusCode::kCancelled, "after 0 of 1"));
}

}  // namespace
}  // namespace damocles::sector
