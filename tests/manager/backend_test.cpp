// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/manager/backend.h"

#include <kj/async-io.h>

#include <atomic>
#include <filesystem>
#include <latch>
#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sector/sector_support.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/async/loose_executor.h"

namespace damocles::manager {
namespace {

using ::testing::HasSubstr;
using testing_support::StatusIs;

class BackendTest : public ::testing::Test {
 protected:
  BackendTest() {
    for (const char* name : {"a", "hung"}) std::filesystem::create_directories(dir_ / name);
    stores_ = *storage::StoreRegistry::Open(
        {{.name = "a", .path = dir_ / "a"}, {.name = "hung", .path = dir_ / "hung"}});
    index_ = *sector::Index::Open(*store_);
    backend_ = std::make_unique<ManagerBackend>(
        *index_, stores_,
        [](poster::RecordFilter)
            -> async::Task<absl::StatusOr<std::vector<poster::DeadlineRecord>>> {
          co_return std::vector<poster::DeadlineRecord>();
        },
        [this](std::optional<filecoin::ActorId>)
            -> async::Task<absl::StatusOr<std::vector<poster::RecoveryRecord>>> {
          co_return recoveries_;
        },
        []() -> async::Task<absl::StatusOr<rpc::CheckReport>> { co_return rpc::CheckReport(); },
        executor_, io_.provider->getTimer(), storage::OneLookAtATime(),
        [gate = gate_, asked = asked_,
         hung = dir_ / "hung"](const std::string& path) -> absl::StatusOr<storage::Space> {
          if (path == hung) {
            ++*asked;
            gate->wait();
          }
          return storage::Space{.total_bytes = 10, .free_bytes = 4};
        });
  }
  ~BackendTest() noexcept override { executor_.Idle(absl::Seconds(60)); }

  template <typename T>
  T Await(async::Task<T> task) {
    return io_.provider->getTimer()
        .timeoutAfter(60 * kj::SECONDS, std::move(task).ToPromise())
        .wait(io_.waitScope);
  }
  absl::StatusOr<rpc::AttachSummary> Attach(const std::string& path, bool replace = false) {
    return Await(backend_->Attach(path, replace, [](std::uint64_t, std::uint64_t) {}));
  }

  testing_support::TempDir dir_;
  std::vector<poster::RecoveryRecord> recoveries_;
  std::shared_ptr<std::latch> gate_ = std::make_shared<std::latch>(1);
  std::shared_ptr<std::atomic<int>> asked_ = std::make_shared<std::atomic<int>>(0);
  storage::StoreRegistry stores_;
  std::unique_ptr<store::Store> store_ = store::OpenMemoryStore();
  std::unique_ptr<sector::Index> index_;
  async::LooseExecutor executor_{8};
  kj::AsyncIoContext io_ = kj::setupAsyncIo();
  std::unique_ptr<ManagerBackend> backend_;
};

TEST_F(BackendTest, StoreThatDoesNotAnswerIsListedAsSuchAndAskedOnce) {
  ASSERT_OK(index_->Put({{{1000, 1}, storage::Variant::kSealed, {"hung", "a"}}}));
  auto first = backend_->Stores().ToPromise();
  auto second = backend_->Stores().ToPromise();
  const auto lists = kj::joinPromises(kj::arr(kj::mv(first), kj::mv(second))).wait(io_.waitScope);
  for (const auto& list : lists) {
    ASSERT_OK(list.status());
    ASSERT_EQ(list->size(), 2u);
    EXPECT_OK((*list)[0].status);
    EXPECT_EQ((*list)[0].total_bytes, 10u);
    EXPECT_EQ((*list)[1].sectors, 1u);
    EXPECT_THAT((*list)[1].status, StatusIs(absl::StatusCode::kUnavailable, "does not answer"));
  }
  EXPECT_EQ(*asked_, 1) << "a dead store keeps one thread, not one for each call";
  gate_->count_down();
  ASSERT_OK_AND_ASSIGN(const auto later, Await(backend_->Stores()));
  EXPECT_OK(later[1].status);
  ASSERT_OK_AND_ASSIGN(const auto anew, Await(backend_->Stores()));
  EXPECT_EQ(*asked_, 2);
}

// A store that was renamed, one whose disk is not mounted: listed with what is missing, and named
// where a sector of it is looked for.
TEST_F(BackendTest, SectorsInStoresThatShowNothingAreToldWithTheRemedy) {
  gate_->count_down();
  sector::MakeSector(dir_ / "a", dir_ / "a", {1000, 1}, filecoin::SectorSize::k2KiB);
  ASSERT_OK(index_->Put({{{1000, 1}, storage::Variant::kSealed, {"a", "a"}},
                         {{1000, 2}, storage::Variant::kSealed, {"hung", "a"}},
                         {{1000, 3}, storage::Variant::kSealed, {"old name", "old name"}},
                         {{1000, 4}, storage::Variant::kSealed, {"old name", "old name"}}}));
  ASSERT_OK_AND_ASSIGN(const auto listed, Await(backend_->Stores()));
  ASSERT_EQ(listed.size(), 3u);
  EXPECT_EQ(listed[0].trouble, "");
  EXPECT_EQ(listed[1].sectors, 1u);
  EXPECT_THAT(listed[1].trouble, HasSubstr("is its disk mounted?"));
  EXPECT_EQ(listed[2].name, "old name");
  EXPECT_EQ(listed[2].path, "");
  EXPECT_EQ(listed[2].sectors, 2u);
  EXPECT_THAT(listed[2].status, StatusIs(absl::StatusCode::kNotFound, "not configured"));
  EXPECT_THAT(listed[2].trouble, HasSubstr("2 sectors lie in store \"old name\", which is not"));
  ASSERT_OK_AND_ASSIGN(auto found, Await(backend_->FindSector({1000, 1})));
  EXPECT_TRUE(found.troubles.empty());
  ASSERT_OK_AND_ASSIGN(found, Await(backend_->FindSector({1000, 2})));
  EXPECT_THAT(found.troubles, ::testing::ElementsAre(HasSubstr("store \"hung\"")));
  ASSERT_OK_AND_ASSIGN(found, Await(backend_->FindSector({1000, 4})));
  EXPECT_THAT(found.troubles, ::testing::ElementsAre(HasSubstr("[[Common.PersistStores]]")));
  ASSERT_OK_AND_ASSIGN(found, Await(backend_->FindSector({1000, 5})));
  EXPECT_TRUE(found.troubles.empty());
}

TEST_F(BackendTest, LatestRecoveryOfEachDeadlineSaysWhatBecameOfEachSector) {
  for (const std::int64_t open : {300, 180}) {
    poster::RecoveryRecord record;
    record.miner = 1000;
    record.target.index = 5;
    record.target.open = filecoin::ChainEpoch(open);
    record.state = poster::RecoveryState::kSubmitting;
    record.unreadable = {{filecoin::ChainPartition(0), 7, "gone"}};
    record.messages.resize(3);
    record.messages[0].partitions = {{filecoin::ChainPartition(1), {8}}};
    record.messages[0].phase = delivery::Phase::kConfirmed;
    record.messages[1].partitions = {{filecoin::ChainPartition(1), {9}}};
    record.messages[1].message.cid = filecoin::Cid::OfDagCbor(Bytes{0x81, 1});
    record.messages[2].partitions = {{filecoin::ChainPartition(2), {10}}};
    recoveries_.push_back(record);
  }
  recoveries_[0].messages[2].note = "nobody can send: no key";
  const auto summaries = Await(backend_->Recoveries(std::nullopt));
  ASSERT_OK(summaries);
  ASSERT_EQ(summaries->size(), 1u);
  EXPECT_EQ((*summaries)[0].open_epoch, 300);
  std::map<std::uint64_t, std::string> why;
  for (const rpc::FaultySector& sector : (*summaries)[0].sectors) why[sector.number] = sector.why;
  EXPECT_EQ(why[7], "gone");
  EXPECT_EQ(why[8], "it is declared");
  EXPECT_EQ(why[9], "its declaration is pending");
  EXPECT_EQ(why[10], "its declaration cannot be sent: nobody can send: no key");
  EXPECT_NE((*summaries)[0].sectors[2].message_cid, "");
}

TEST_F(BackendTest, SectorThatWasMovedIsIndexedAtItsNewPlace) {
  gate_->count_down();
  sector::MakeSector(dir_ / "a", dir_ / "a", {1000, 1}, filecoin::SectorSize::k2KiB);
  sector::MakeSector(dir_ / "a", dir_ / "a", {1000, 2}, filecoin::SectorSize::k2KiB);
  ASSERT_OK(Attach(dir_ / "a"));
  for (const char* folder : {"sealed", "cache"}) {
    std::filesystem::create_directories(dir_ / "hung" + "/" + folder);
    std::filesystem::rename(dir_ / "a" + "/" + folder + "/s-t01000-1",
                            dir_ / "hung" + "/" + folder + "/s-t01000-1");
  }
  // The other one is in both places: that decides a person.
  sector::MakeSector(dir_ / "hung", dir_ / "hung", {1000, 2}, filecoin::SectorSize::k2KiB);
  ASSERT_OK_AND_ASSIGN(const auto summary, Attach(dir_ / "hung"));
  EXPECT_EQ(summary.added, 1u);
  EXPECT_THAT(summary.problems, ::testing::ElementsAre(HasSubstr("s-t01000-2")));
  ASSERT_OK_AND_ASSIGN(auto found, Await(backend_->FindSector({1000, 1})));
  EXPECT_EQ(found.sealed->sealed_store, "hung");
  EXPECT_EQ(found.sealed->cache_store, "hung");
  ASSERT_OK(Attach(dir_ / "hung", /*replace=*/true));
  ASSERT_OK_AND_ASSIGN(found, Await(backend_->FindSector({1000, 2})));
  EXPECT_EQ(found.sealed->sealed_store, "hung");
}

TEST_F(BackendTest, AnEmptyMountPointDoesNotLookAsIfAllWasMoved) {
  gate_->count_down();
  sector::MakeSector(dir_ / "a", dir_ / "a", {1000, 1}, filecoin::SectorSize::k2KiB);
  ASSERT_OK(Attach(dir_ / "a"));
  sector::MakeSector(dir_ / "hung", dir_ / "hung", {1000, 1}, filecoin::SectorSize::k2KiB);
  for (const char* folder : {"sealed", "cache"}) {
    std::filesystem::remove_all(dir_ / "a" + "/" + folder);
  }
  ASSERT_OK_AND_ASSIGN(const auto summary, Attach(dir_ / "hung"));
  EXPECT_EQ(summary.added, 0u);
}

TEST_F(BackendTest, AttachNamesWhatToConfigure) {
  gate_->count_down();
  EXPECT_THAT(Attach(dir_ / "other"),
              StatusIs(absl::StatusCode::kFailedPrecondition, "[[Common.PersistStores]]"));
}

}  // namespace
}  // namespace damocles::manager
