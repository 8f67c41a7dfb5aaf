// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/poster/machine_bench.h"
#include "tests/support/loop.h"
#include "tests/support/status_matchers.h"

#include "damocles/poster/sector_source.h"
#include "damocles/sector/index.h"
#include "damocles/storage/persist_store.h"

namespace damocles::poster {
namespace {

using ::testing::HasSubstr;

// Knows sector 1 in both variants; sector 9 makes it fail.
class FewSectors final : public sector::Locator {
 public:
  absl::StatusOr<std::optional<sector::Location>> Find(filecoin::SectorId sector,
                                                       storage::Variant variant) const override {
    if (sector.number == 9) return absl::UnavailableError("the source manager is down");
    if (sector.number != 1) return std::optional<sector::Location>();
    const bool sealed = variant == storage::Variant::kSealed;
    return sector::Location{sealed ? "sealed-store" : "update-store", "cache-store"};
  }
};

class TrackerSourceTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::vector<SectorVerdict>> Check(std::vector<PlannedSector> sectors,
                                                   bool check_files) {
    SectorCheckOptions options;
    options.check_files = check_files;
    options.worker_stores = worker_stores_;
    const std::unique_ptr<SectorSource> source =
        MakeTrackerSource(tracker_, executor_, [options] { return options; });
    return loop_.Wait(source
                          ->Check(testing::kMiner, filecoin::PoStProofType::kWindow2KiBV1_1,
                                  std::move(sectors), absl::Seconds(5))
                          .ToPromise());
  }

  std::vector<std::set<std::string>> worker_stores_;
  testing_support::Loop loop_;
  FewSectors locator_;
  storage::StoreRegistry stores_;
  sector::Tracker tracker_{locator_, stores_};
  async::InlineExecutor executor_;
};

TEST_F(TrackerSourceTest, NamesTheStoresOfTheRightVariant) {
  PlannedSector upgraded = testing::Sector(1);
  upgraded.upgraded = true;
  ASSERT_OK_AND_ASSIGN(const auto verdicts, Check({testing::Sector(1), upgraded}, false));
  ASSERT_EQ(verdicts.size(), 2u);
  EXPECT_EQ(verdicts[0].sealed_store, "sealed-store");
  EXPECT_EQ(verdicts[0].reason, "");
  EXPECT_EQ(verdicts[1].sealed_store, "update-store");
}

TEST_F(TrackerSourceTest, UnknownSectorIsBadAFailingIndexIsNot) {
  ASSERT_OK_AND_ASSIGN(const auto verdicts, Check({testing::Sector(1), testing::Sector(2)}, false));
  EXPECT_EQ(verdicts[0].reason, "");
  EXPECT_NE(verdicts[1].reason, "");
  EXPECT_THAT(Check({testing::Sector(1), testing::Sector(9)}, false),
              testing_support::StatusIs(absl::StatusCode::kUnavailable, "source manager"));
}

TEST_F(TrackerSourceTest, StoreThatIsNotMountedHereIsBadOnlyWhenFilesAreChecked) {
  ASSERT_OK_AND_ASSIGN(const auto trusted, Check({testing::Sector(1)}, false));
  EXPECT_EQ(trusted[0].reason, "");
  ASSERT_OK_AND_ASSIGN(const auto checked, Check({testing::Sector(1)}, true));
  EXPECT_THAT(checked[0].reason, HasSubstr("sealed-store"));
}

// A store that the manager does not have is no word against its sectors while a worker has it.
TEST_F(TrackerSourceTest, WorkersThatHaveBothStoresOfASectorAreItsReaders) {
  worker_stores_ = {
      {"sealed-store", "cache-store"}, {"sealed-store"}, {"sealed-store", "cache-store", "other"}};
  ASSERT_OK_AND_ASSIGN(const auto verdicts, Check({testing::Sector(1), testing::Sector(2)}, true));
  EXPECT_EQ(verdicts[0].readers, 2u);
  EXPECT_FALSE(verdicts[0].wrong);
  EXPECT_NE(verdicts[0].reason, "");
  EXPECT_TRUE(verdicts[0].ForProver());
  EXPECT_FALSE(verdicts[1].ForProver()) << "nobody knows where it is";
}

TEST_F(TrackerSourceTest, EachCheckGoesByTheOptionsOfItsTime) {
  SectorCheckOptions options;
  options.check_files = false;
  const std::unique_ptr<SectorSource> source =
      MakeTrackerSource(tracker_, executor_, [&options] { return options; });
  const auto check = [&] {
    return loop_.Wait(source
                          ->Check(testing::kMiner, filecoin::PoStProofType::kWindow2KiBV1_1,
                                  {testing::Sector(1)}, absl::Seconds(5))
                          .ToPromise());
  };
  ASSERT_OK_AND_ASSIGN(const auto before, check());
  EXPECT_EQ(before[0].reason, "");
  options.check_files = true;
  ASSERT_OK_AND_ASSIGN(const auto after, check());
  EXPECT_NE(after[0].reason, "");
}

}  // namespace
}  // namespace damocles::poster
