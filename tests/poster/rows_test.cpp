// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/poster/rows.h"

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/poster/machine_bench.h"
#include "tests/support/status_matchers.h"

#include "damocles/store/row.h"

namespace damocles::poster::internal {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using testing_support::StatusIs;

// A store of which some rows cannot be read.
class HalfReadable final : public store::Store {
 public:
  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    if (key.starts_with(unreadable)) return trouble;
    return inner_->Get(key);
  }
  absl::Status Scan(std::string_view prefix, const Visitor& visit) const override {
    if (prefix.starts_with(unreadable)) return trouble;
    return inner_->Scan(prefix, visit);
  }
  absl::Status Commit(const store::Batch& batch, const store::Fence* fence) override {
    if (is_full) return absl::UnavailableError("no space left");
    return inner_->Commit(batch, fence);
  }

  std::string unreadable = "none";
  absl::Status trouble = absl::UnavailableError("Input/output error");
  bool is_full = false;

 private:
  std::unique_ptr<store::Store> inner_ = store::OpenMemoryStore();
};

class PosterRowsTest : public ::testing::Test {
 protected:
  PosterRowsTest() {
    testing::Bench bench;
    bench.Reach(DeadlineState::kOnChain);
    record_ = bench.Record();
    recovery_.miner = record_.miner;
    recovery_.target = record_.deadline;
    const std::string plan = EncodePlan(*record_.plan);
    NotePlan(record_, plan);
    record_key_ = RecordRowKey(record_.Key());
    plan_key_ = PlanRowKey(record_.Key());
    recovery_key_ = RecoveryRowKey(record_.Key());
    Put(record_key_, RecordRow(record_key_, record_));
    Put(plan_key_, PlanRow(plan_key_, plan));
    Put(recovery_key_, RecoveryRow(recovery_key_, recovery_));
  }

  void Put(const std::string& key, const std::string& value) {
    ASSERT_OK(store::Put(store_, key, value));
  }
  absl::StatusOr<LoadedRows> Load() {
    absl::StatusOr<std::unique_ptr<store::Rows>> rows =
        store::Rows::Open(store_, "poster", kRowFormat);
    EXPECT_OK(rows);
    return LoadRows(store_, **rows);
  }
  std::vector<std::string> Keys(std::string_view prefix) {
    std::vector<std::string> keys;
    const auto rows = store::List(store_, prefix);
    EXPECT_OK(rows);
    for (const store::Entry& row : *rows) keys.push_back(row.key);
    return keys;
  }

  HalfReadable store_;
  DeadlineRecord record_;
  RecoveryRecord recovery_;
  std::string record_key_;
  std::string plan_key_;
  std::string recovery_key_;
};

TEST_F(PosterRowsTest, WhatWasWrittenIsLoaded) {
  ASSERT_OK_AND_ASSIGN(const LoadedRows loaded, Load());
  ASSERT_EQ(loaded.records.size(), 1u);
  EXPECT_FALSE(loaded.records[0].plan_lost);
  EXPECT_EQ(loaded.records[0].record.batches, record_.batches);
  EXPECT_EQ(*loaded.records[0].record.plan, *record_.plan);
  ASSERT_EQ(loaded.recoveries.size(), 1u);
  EXPECT_THAT(Keys(kDamagedPrefix), IsEmpty());
}

TEST_F(PosterRowsTest, RowsWithoutFramesAreRead) {
  Put(record_key_, EncodeRecord(record_));
  Put(plan_key_, EncodePlan(*record_.plan));
  Put(recovery_key_, EncodeRecovery(recovery_));
  ASSERT_OK_AND_ASSIGN(const LoadedRows loaded, Load());
  ASSERT_EQ(loaded.records.size(), 1u);
  EXPECT_FALSE(loaded.records[0].plan_lost);
  EXPECT_EQ(*loaded.records[0].record.plan, *record_.plan);
  EXPECT_EQ(loaded.recoveries.size(), 1u);
}

// Of every bit: none makes of a row another one, or one of a newer program.
TEST_F(PosterRowsTest, ARowWithAWrongBitIsDamaged) {
  const auto judge = [](const std::string& row, auto read) {
    for (std::size_t bit = 0; bit < row.size() * 8; ++bit) {
      std::string damaged = row;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
      const absl::Status status = read(damaged);
      ASSERT_FALSE(status.ok()) << bit;
      ASSERT_FALSE(absl::IsFailedPrecondition(status)) << bit << status;
    }
  };
  judge(RecordRow(record_key_, record_),
        [&](const std::string& row) { return ReadRecord(record_key_, row).status(); });
  judge(RecoveryRow(recovery_key_, recovery_),
        [&](const std::string& row) { return ReadRecovery(recovery_key_, row).status(); });
}

TEST_F(PosterRowsTest, ARowUnderAnotherKeyIsNotBelieved) {
  const RecordKey other{record_.miner, record_.deadline.open + filecoin::EpochDelta(60)};
  EXPECT_THAT(ReadRecord(RecordRowKey(other), RecordRow(record_key_, record_)),
              StatusIs(absl::StatusCode::kDataLoss, "under this key"));
  EXPECT_THAT(ReadRecord(HistoryRowKey(record_.Key()), RecordRow(record_key_, record_)),
              StatusIs(absl::StatusCode::kDataLoss, "under this key"));
}

// A read that fails says nothing about the row.
TEST_F(PosterRowsTest, WhatCouldNotBeReadIsNeitherDeletedNorSetAside) {
  const auto before = Keys("");
  for (const std::string_view prefix : {kRecordPrefix, kPlanPrefix, kRecoveryPrefix}) {
    SCOPED_TRACE(prefix);
    store_.unreadable = prefix;
    EXPECT_THAT(Load(), StatusIs(absl::StatusCode::kUnavailable, "Input/output error"));
    store_.unreadable = "none";
    EXPECT_EQ(Keys(""), before);
  }
  ASSERT_OK_AND_ASSIGN(const LoadedRows loaded, Load());
  EXPECT_FALSE(loaded.records.at(0).plan_lost);
}

// It never comes back, and can be made again.
TEST_F(PosterRowsTest, APlanInADamagedPartOfTheFilesIsMadeAnew) {
  store_.unreadable = kPlanPrefix;
  store_.trouble = absl::DataLossError("block checksum mismatch");
  ASSERT_OK_AND_ASSIGN(const LoadedRows loaded, Load());
  ASSERT_EQ(loaded.records.size(), 1u);
  EXPECT_TRUE(loaded.records[0].plan_lost);
}

// What takes the place of a damaged row must not destroy the only copy of it.
TEST_F(PosterRowsTest, RowsThatAFullDiskDidNotSetAsideGoInFrontOfTheNext) {
  const std::string key = RecoveryRowKey(record_.Key());
  Put(key, "garbage");
  store_.is_full = true;
  ASSERT_OK_AND_ASSIGN(const auto rows, store::Rows::Open(store_, "poster", kRowFormat));
  EXPECT_OK(LoadRows(store_, *rows).status());
  store::Batch anew;
  anew.Put(key, "anew");
  EXPECT_FALSE(rows->Write(anew).ok());
  store_.is_full = false;
  ASSERT_OK(rows->Write(anew));
  ASSERT_OK_AND_ASSIGN(const auto aside, store_.Get(std::string(kDamagedPrefix) + key));
  EXPECT_EQ(aside, "garbage");
  ASSERT_OK_AND_ASSIGN(const auto there, store_.Get(key));
  EXPECT_EQ(there, "anew");
}

TEST_F(PosterRowsTest, ARowOfANewerProgramRefusesTheStartAndStays) {
  const std::map<std::string, store::RowKind> rows = {
      {RecordRowKey(record_.Key()), {"deadline", kRecordFormat + 1}},
      {PlanRowKey(record_.Key()), {"deadline-plan", kPlanFormat + 1}},
      {RecoveryRowKey(record_.Key()), {"recovery", kRecoveryFormat + 1}}};
  for (const auto& [key, kind] : rows) {
    SCOPED_TRACE(key);
    ASSERT_OK_AND_ASSIGN(const auto before, store_.Get(key));
    const std::string newer = store::FrameRow(kind, key, "whatever it says");
    Put(key, newer);
    EXPECT_THAT(Load(), StatusIs(absl::StatusCode::kFailedPrecondition, kind.name));
    EXPECT_THAT(Load(), StatusIs(absl::StatusCode::kFailedPrecondition, key));
    EXPECT_THAT(Keys(kDamagedPrefix), IsEmpty());
    ASSERT_OK_AND_ASSIGN(const auto there, store_.Get(key));
    EXPECT_EQ(there, newer);
    Put(key, *before);
  }
  ASSERT_OK(Load().status());
}

TEST_F(PosterRowsTest, DamagedRowsAreSetAsideUnderTheirWholeKey) {
  for (const std::string& key : {RecordRowKey(record_.Key()), RecoveryRowKey(record_.Key())}) {
    Put(key, "garbage of " + key);
  }
  ASSERT_OK_AND_ASSIGN(const LoadedRows loaded, Load());
  EXPECT_THAT(loaded.records, IsEmpty());
  EXPECT_THAT(loaded.recoveries, IsEmpty());
  const std::string record = std::string(kDamagedPrefix) + RecordRowKey(record_.Key());
  const std::string recovery = std::string(kDamagedPrefix) + RecoveryRowKey(record_.Key());
  EXPECT_THAT(Keys(kDamagedPrefix), UnorderedElementsAre(record, recovery));
  ASSERT_OK_AND_ASSIGN(const auto kept, store_.Get(record));
  EXPECT_EQ(kept, "garbage of " + RecordRowKey(record_.Key()));
}

TEST_F(PosterRowsTest, ADamagedPlanIsSetAsideAndAMissingOneIsNot) {
  const std::string key = PlanRowKey(record_.Key());
  Put(key, "garbage");
  for (const bool is_there : {true, false}) {
    SCOPED_TRACE(is_there);
    ASSERT_OK_AND_ASSIGN(const LoadedRows loaded, Load());
    ASSERT_EQ(loaded.records.size(), 1u);
    EXPECT_TRUE(loaded.records[0].plan_lost);
    EXPECT_EQ(loaded.records[0].record.state, DeadlineState::kPreparing);
    EXPECT_EQ(loaded.records[0].record.attempts, record_.attempts);
    EXPECT_THAT(Keys(kPlanPrefix), IsEmpty());
    ASSERT_OK_AND_ASSIGN(const auto kept, store_.Get(std::string(kDamagedPrefix) + key));
    EXPECT_EQ(kept, "garbage") << "the first stays there";
  }
}

}  // namespace
}  // namespace damocles::poster::internal
