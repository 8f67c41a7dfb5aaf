// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "gtest/gtest.h"
#include "tests/poster/machine_bench.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/hex.h"
#include "damocles/filecoin/miner_params.h"
#include "damocles/poster/deadline_record.h"
#include "damocles/poster/recovery.h"

namespace damocles::poster {
namespace {

using testing::Bench;
using testing::k0;
using testing::k1;
using testing_support::StatusIs;

DeadlineRecord FullRecord() {
  Bench bench;
  bench.wrong = {2};
  bench.policy.sector_check_rounds = 1;
  bench.Reach(DeadlineState::kOnChain);
  bench.machine.record.batches[0].given_up = {filecoin::Address::FromId(102)};
  return bench.Record();
}

TEST(DeadlineRecordTest, SurvivesItsBytes) {
  const DeadlineRecord record = FullRecord();
  ASSERT_OK_AND_ASSIGN(const DeadlineRecord read, DecodeRecord(EncodeRecord(record)));
  EXPECT_EQ(EncodeRecord(read), EncodeRecord(record));
  EXPECT_EQ(read.batches, record.batches);
  EXPECT_EQ(read.milestones, record.milestones);
  EXPECT_EQ(read.deadline.open, record.deadline.open);
  ASSERT_OK_AND_ASSIGN(const DeadlinePlan plan, DecodePlan(EncodePlan(*record.plan)));
  EXPECT_EQ(plan, *record.plan);
}

TEST(DeadlineRecordTest, DamagedBytesAreRefusedNotBelieved) {
  const std::string bytes = EncodeRecord(FullRecord());
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(DecodeRecord(bytes.substr(0, length)).ok()) << length;
  }
  EXPECT_FALSE(DecodeRecord(bytes + '\0').ok());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 0x80);
    const absl::StatusOr<DeadlineRecord> read = DecodeRecord(changed);  // must not crash
    if (read.ok()) {
      EXPECT_EQ(EncodeRecord(*read), changed) << at;
    }
  }
}

// They would end the process where they become addresses, sets or circuits.
TEST(DeadlineRecordTest, NumbersThatTheChainDoesNotHaveAreRefused) {
  constexpr auto kCode = absl::StatusCode::kInvalidArgument;
  for (const std::uint64_t number : {std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    DeadlineRecord record = FullRecord();
    record.miner = number;
    EXPECT_THAT(DecodeRecord(EncodeRecord(record)), StatusIs(kCode, "no number of a miner"));
    record = FullRecord();
    record.skipped = {{k0, number, "gone"}};
    EXPECT_THAT(DecodeRecord(EncodeRecord(record)), StatusIs(kCode, "no number of a sector"));
    DeadlinePlan plan = *FullRecord().plan;
    plan.partitions[0].sectors[0].number = number;
    EXPECT_THAT(DecodePlan(EncodePlan(plan)), StatusIs(kCode, "no number of a sector"));
    RecoveryRecord recovery;
    recovery.target = FullRecord().deadline;
    ASSERT_OK(DecodeRecovery(EncodeRecovery(recovery)).status());
    recovery.miner = number;
    EXPECT_THAT(DecodeRecovery(EncodeRecovery(recovery)), StatusIs(kCode, "miner"));
    recovery.miner = 1000;
    recovery.unreadable = {{k0, number, "gone"}};
    EXPECT_THAT(DecodeRecovery(EncodeRecovery(recovery)), StatusIs(kCode, "sector"));
    recovery.unreadable.clear();
    recovery.messages.emplace_back();
    recovery.messages[0].partitions = {{k0, {number}}};
    EXPECT_THAT(DecodeRecovery(EncodeRecovery(recovery)), StatusIs(kCode, "sector"));
  }
  DeadlineRecord record = FullRecord();
  record.proof_type = filecoin::PoStProofType{15};
  EXPECT_THAT(DecodeRecord(EncodeRecord(record)), StatusIs(kCode, "proof type 15"));
}

TEST(DeadlineRecordTest, RowOfFormat1IsStillRead) {
  // [1, 1000, [120, 10, 12, 5, 7, 1000, 3], 0 Waiting, "", null, 0, 0, [], 0, 0, milestones...]
  std::string digits = "8c011903e88718780a0c05071903e8030060f6000080000088";
  for (int i = 0; i < 8; ++i) digits += "8200f6";
  ASSERT_OK_AND_ASSIGN(const Bytes bytes, FromHex(digits));
  ASSERT_OK_AND_ASSIGN(const DeadlineRecord record, DecodeRecord(AsText(bytes)));
  EXPECT_EQ(record.miner, 1000u);
  EXPECT_EQ(record.deadline.open, filecoin::ChainEpoch(1030));
  EXPECT_EQ(record.state, DeadlineState::kWaiting);
}

TEST(DeadlineRecordTest, BatchOfFormat2IsStillRead) {
  // [2, 1000, deadline, 3 Proven, "", null, 0, 0, [[[0], 3, 1, "", false, h'07', message, false, 0,
  // 0, ""]], 1, 0, milestones..., null, 0, []]
  std::string digits = "8f021903e88718780a0c05071903e8030360f6000081";
  digits +=
      "8b81000301"
      "60f44107";
  digits += "8b0050" + std::string(32, '0') + "f6405820" + std::string(64, '0') + "0000f60040f6";
  digits +=
      "f4000060"
      "010088";
  for (int i = 0; i < 8; ++i) digits += "8200f6";
  digits += "f60080";
  ASSERT_OK_AND_ASSIGN(const Bytes bytes, FromHex(digits));
  ASSERT_OK_AND_ASSIGN(const DeadlineRecord record, DecodeRecord(AsText(bytes)));
  ASSERT_EQ(record.batches.size(), 1u);
  EXPECT_EQ(record.batches[0].state, DeadlineState::kProven);
  EXPECT_EQ(record.batches[0].proof, Bytes{7});
  EXPECT_TRUE(record.batches[0].given_up.empty());
  ASSERT_OK_AND_ASSIGN(const DeadlineRecord again, DecodeRecord(EncodeRecord(record)));
  EXPECT_EQ(again.batches, record.batches);
}

TEST(DeadlineRecordTest, PlanOfAnotherWriteIsNotBelieved) {
  DeadlineRecord record = FullRecord();
  const std::string row = EncodePlan(*record.plan);
  NotePlan(record, row);
  ASSERT_OK_AND_ASSIGN(DeadlineRecord read, DecodeRecord(EncodeRecord(record)));
  EXPECT_EQ(read.skipped_count, 1u);
  ASSERT_EQ(read.skipped.size(), 1u);
  EXPECT_EQ(read.skipped[0].number, 2u);
  ASSERT_OK(AttachPlan(read, row));
  EXPECT_EQ(*read.plan, *record.plan);

  DeadlinePlan other = *record.plan;
  other.partitions[0].sectors[0].skip_reason = "gone as well";
  EXPECT_THAT(AttachPlan(read, EncodePlan(other)),
              StatusIs(absl::StatusCode::kDataLoss, "not the one"));
  EXPECT_THAT(AttachPlan(read, std::nullopt), StatusIs(absl::StatusCode::kDataLoss, "no plan row"));

  const std::uint32_t attempts = read.attempts;
  ForgetPlan(read, "lost");
  EXPECT_EQ(read.state, DeadlineState::kPreparing);
  EXPECT_FALSE(read.randomness.has_value());
  EXPECT_FALSE(read.plan_digest.has_value());
  EXPECT_EQ(read.attempts, attempts) << "numbers are never given twice";
}

TEST(DeadlineRecordTest, SmallRowNamesOnlySomeSkippedSectors) {
  DeadlineRecord record;
  auto plan = std::make_shared<DeadlinePlan>();
  plan->partitions.resize(1);
  for (std::uint64_t number = 0; number < 2349; ++number) {
    PlannedSector sector = testing::Sector(number);
    sector.skip_reason = std::string(5000, 'r');
    plan->partitions[0].sectors.push_back(sector);
  }
  record.plan = plan;
  NotePlan(record, EncodePlan(*plan));
  EXPECT_EQ(record.skipped_count, 2349u);
  EXPECT_EQ(record.skipped.size(), kSkippedNamedMax);
  EXPECT_LE(EncodeRecord(record).size(), kSkippedNamedMax * (kSkipReasonBytesMax + 32) + 1000);
}

TEST(DeadlineRecordTest, KeysOrderByMinerThenEpoch) {
  const std::string a = RecordRowKey({1000, filecoin::ChainEpoch(99)});
  const std::string b = RecordRowKey({1000, filecoin::ChainEpoch(100)});
  const std::string c = RecordRowKey({1001, filecoin::ChainEpoch(1)});
  EXPECT_LT(a, b);
  EXPECT_LT(b, c);
  EXPECT_EQ(a, "deadline/00000000000003e8/0000000000000063");
}

}  // namespace
}  // namespace damocles::poster
