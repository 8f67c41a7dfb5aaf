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

// ---------------------------------------------------------------- recoveries

class RecoveryTest : public ::testing::Test {
 protected:
  // While deadline 3 is open (1030), deadline 5 (open 1050, cut-off 1043) is the target.
  RecoveryTest() { Begin(); }
  void Begin() {
    machine_ = {};
    now_.epoch = filecoin::ChainEpoch(1030);
    now_.time = now_.epoch_start = absl::FromUnixSeconds(1'000'000);
    machine_.record.miner = testing::kMiner;
    machine_.record.target = RecoveryTarget(
        filecoin::MakeDeadlineInfo(testing::kShape, filecoin::ChainEpoch(1000), 3, now_.epoch));
  }
  void Do(recovery::Event event) {
    recovery::StepResult result = recovery::Advance(std::move(machine_), event, now_, policy_);
    machine_ = std::move(result.machine);
    wake_at_ = result.wake_at;
    actions_ = std::move(result.actions);
  }
  template <typename A>
  std::optional<A> Find() const {
    for (const recovery::Action& action : actions_) {
      if (const A* found = std::get_if<A>(&action)) return *found;
    }
    return std::nullopt;
  }
  void Head(std::int64_t epoch) {
    const filecoin::ChainEpoch to(epoch);
    now_.time = now_.epoch_start = now_.TimeOf(to);
    now_.epoch = to;
    Do(recovery::Tick{});
  }
  // Up to the first push: sectors 1, 2 in partition 0 and 3 in partition 1 are faulty, 2 is still
  // unreadable.
  recovery::Declare Push() {
    Do(recovery::Tick{});
    recovery::FaultsRead read;
    read.proof_type = filecoin::PoStProofType::kWindow2KiBV1_1;
    read.partitions = {{k0, {testing::Sector(1), testing::Sector(2)}}, {k1, {testing::Sector(3)}}};
    Do(read);
    Do(recovery::FaultyChecked{{{1, "s", "s", ""}, {2, "s", "s", "gone"}, {3, "s", "s", ""}}});
    Look(std::nullopt);
    const auto declare = Find<recovery::Declare>();
    EXPECT_TRUE(declare.has_value());
    return declare.value_or(recovery::Declare{});
  }
  void Look(std::optional<std::pair<std::int64_t, std::int64_t>> receipt,
            std::vector<RecoveredPartition> undeclared = {{k0, {1, 2}}, {k1, {3}}}) {
    const auto look = Find<recovery::Look>();
    ASSERT_TRUE(look.has_value());
    recovery::Looked looked;
    looked.message = look->message;
    looked.attempt = look->attempt;
    looked.undeclared = std::move(undeclared);
    looked.sender = filecoin::Address::FromId(101);
    if (receipt) {
      looked.whereabouts = MessageWhereabouts::kOnChain;
      looked.receipt = {receipt->first, filecoin::ChainEpoch(receipt->second), 0};
    }
    Do(looked);
  }

  MinerPolicy policy_;
  Now now_;
  recovery::Machine machine_;
  std::vector<recovery::Action> actions_;
  std::optional<absl::Time> wake_at_;
};

TEST_F(RecoveryTest, TargetsTwoDeadlinesAhead) {
  EXPECT_EQ(machine_.record.target.index, 5u);
  const filecoin::DeadlineInfo mainnet = filecoin::MakeDeadlineInfo(
      filecoin::kMainnetPeriod, filecoin::ChainEpoch(0), 47, filecoin::ChainEpoch(2820));
  EXPECT_EQ(RecoveryTarget(mainnet).open, filecoin::ChainEpoch(2880 + 60));
}

TEST_F(RecoveryTest, DeclaresWhatCanBeReadAndReportsTheRest) {
  const recovery::Declare declare = Push();
  ASSERT_OK_AND_ASSIGN(
      const auto params,
      filecoin::DecodeParams<filecoin::DeclareFaultsRecoveredParams>(declare.params));
  ASSERT_EQ(params.entries.size(), 2u);
  EXPECT_EQ(params.entries[0].deadline, 5u);
  EXPECT_EQ(params.entries[0].sectors, filecoin::BitField({1}));
  EXPECT_EQ(params.entries[1].partition, 1u);
  ASSERT_EQ(machine_.record.unreadable.size(), 1u);
  EXPECT_EQ(machine_.record.unreadable[0].number, 2u);
  ASSERT_OK_AND_ASSIGN(const RecoveryRecord read, DecodeRecovery(EncodeRecovery(machine_.record)));
  EXPECT_EQ(read.messages, machine_.record.messages);
  Do(recovery::Declared{0, declare.attempt, testing::CidOf(1)});
  Head(1032);
  Look(std::pair(0, 1032), {{k0, {2}}});
  EXPECT_EQ(machine_.record.state, RecoveryState::kSubmitting) << "not deep enough";
  Head(1037);
  Look(std::pair(0, 1032), {{k0, {2}}});
  EXPECT_EQ(machine_.record.state, RecoveryState::kSubmitting) << "sector 2 may come back in time";
  Head(1041);
  EXPECT_EQ(machine_.record.state, RecoveryState::kDone);
  EXPECT_EQ(machine_.record.note, "1 sectors stay faulty");
}

// A mount that comes back between the first look and the cut-off.
TEST_F(RecoveryTest, WhatComesBackBeforeTheCutoffIsDeclaredInAMessageOfItsOwn) {
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    Begin();
    const recovery::Declare first = Push();
    Do(recovery::Declared{0, first.attempt, testing::CidOf(1)});
    if (restarted) {
      recovery::Machine loaded;
      loaded.record = *DecodeRecovery(EncodeRecovery(machine_.record));
      machine_ = std::move(loaded);
    }
    Head(1032);
    if (restarted) {
      ASSERT_TRUE(Find<recovery::ReadFaults>().has_value());
      recovery::FaultsRead read;
      read.proof_type = filecoin::PoStProofType::kWindow2KiBV1_1;
      read.partitions = {{k0, {testing::Sector(1), testing::Sector(2)}},
                         {k1, {testing::Sector(3)}}};
      Do(read);
    }
    const auto check = Find<recovery::CheckFaulty>();
    ASSERT_TRUE(check.has_value());
    ASSERT_EQ(check->sectors.size(), 1u) << "only what is in no message";
    EXPECT_EQ(check->sectors[0].number, 2u);
    Do(recovery::FaultyChecked{{{2, "s", "s", ""}}});
    ASSERT_EQ(machine_.record.messages.size(), 2u);
    EXPECT_EQ(machine_.record.messages[0].partitions.size(), 2u) << "it is out: left as it is";
    EXPECT_EQ(machine_.record.messages[1].partitions, (std::vector<RecoveredPartition>{{k0, {2}}}));
    EXPECT_TRUE(machine_.record.unreadable.empty());
  }
}

TEST_F(RecoveryTest, WhatStaysFaultyIsToldOnceAndWhenItChanges) {
  Do(recovery::Tick{});
  recovery::FaultsRead read;
  read.proof_type = filecoin::PoStProofType::kWindow2KiBV1_1;
  read.partitions = {{k0, {testing::Sector(1), testing::Sector(2)}}};
  Do(read);
  const auto told = [this] {
    std::vector<std::string> lines;
    for (const recovery::Action& action : actions_) {
      const auto* line = std::get_if<action::LogLine>(&action);
      if (line == nullptr || line->event != "sector_stays_faulty") continue;
      lines.push_back(line->fields[1].second + ": " + line->fields[2].second);
    }
    return lines;
  };
  Do(recovery::FaultyChecked{{{1, "s", "s", "gone"}, {2, "s", "s", "gone"}}});
  EXPECT_EQ(told(), (std::vector<std::string>{"1: gone", "2: gone"}));
  EXPECT_EQ(machine_.record.state, RecoveryState::kChecking);
  Head(1034);
  ASSERT_TRUE(Find<recovery::CheckFaulty>().has_value());
  Do(recovery::FaultyChecked{{{1, "s", "s", "gone"}, {2, "s", "s", "I/O error"}}});
  EXPECT_EQ(told(), (std::vector<std::string>{"2: I/O error"}));
  Head(1041);
  EXPECT_EQ(machine_.record.state, RecoveryState::kDone);
  EXPECT_EQ(machine_.record.note, "no faulty sector can be read");
}

// What the manager does not have mounted a worker may read.
TEST_F(RecoveryTest, WhatAWorkerMayReadIsDeclared) {
  Do(recovery::Tick{});
  recovery::FaultsRead read;
  read.proof_type = filecoin::PoStProofType::kWindow2KiBV1_1;
  read.partitions = {{k0, {testing::Sector(1), testing::Sector(2), testing::Sector(3)}}};
  Do(read);
  Do(recovery::FaultyChecked{{{1, "s", "s", "not mounted here", false, 1},
                              {2, "s", "s", "root differs", true, 1},
                              {3, "s", "s", "not mounted here", false, 0}}});
  ASSERT_EQ(machine_.record.messages.size(), 1u);
  EXPECT_EQ(machine_.record.messages[0].partitions, (std::vector<RecoveredPartition>{{k0, {1}}}));
}

TEST_F(RecoveryTest, InvariantsSayWhatIsBroken) {
  Push();
  EXPECT_TRUE(recovery::InvariantsOf(machine_).Empty());
  recovery::Machine broken = machine_;
  broken.record.unreadable.push_back({k1, 3, "also in a message"});
  EXPECT_FALSE(recovery::InvariantsOf(broken).Empty());
  broken = machine_;
  broken.record.state = RecoveryState::kDone;
  EXPECT_EQ(recovery::InvariantsOf(broken).Rules().size(), 2u) << "no end, a message open";
  broken = machine_;
  broken.record.messages.clear();
  EXPECT_FALSE(recovery::InvariantsOf(broken).Empty());
  broken = machine_;
  broken.record.messages[0].cid = testing::CidOf(1);
  broken.record.messages[0].attempt = 0;
  EXPECT_FALSE(recovery::InvariantsOf(broken).Empty());
}

// A message without a trace is made anew in time for the cut-off.
TEST_F(RecoveryTest, MessageThatIsLostIsMadeAnewAfterFiveEpochs) {
  const recovery::Declare first = Push();
  Do(recovery::Declared{0, first.attempt, testing::CidOf(1)});
  for (std::int64_t epoch = 1031; epoch < 1035; ++epoch) {
    Head(epoch);
    Look(std::nullopt);
    EXPECT_FALSE(Find<recovery::Declare>().has_value()) << epoch;
  }
  Head(1035);
  Look(std::nullopt);
  const auto again = Find<recovery::Declare>();
  ASSERT_TRUE(again.has_value());
  EXPECT_NE(again->uuid, first.uuid);
}

// A planted fault this must catch: a declaration is left with a sender who cannot raise it any
// more.
TEST_F(RecoveryTest, AnotherOneDeclaresWhatItsSenderCannotRaise) {
  const recovery::Declare first = Push();
  filecoin::SignedMessage waiting;
  waiting.message.from = waiting.message.to = first.from;
  Do(recovery::Declared{0, first.attempt, filecoin::CidOf(waiting)});
  const auto see = [&](std::int64_t epoch, bool want_sender, std::uint64_t sender) {
    if (epoch > 0) Head(epoch);
    const auto look = Find<recovery::Look>();
    ASSERT_TRUE(look.has_value());
    EXPECT_EQ(look->want_sender, want_sender);
    recovery::Looked looked;
    looked.message = look->message;
    looked.attempt = look->attempt;
    looked.undeclared = {{k0, {1, 2}}, {k1, {3}}};
    looked.whereabouts = MessageWhereabouts::kPending;
    looked.cid = filecoin::CidOf(waiting);
    looked.signed_message = filecoin::cbor::Encode(waiting);
    looked.base_fee = 800;
    if (want_sender) looked.sender = filecoin::Address::FromId(sender);
    Do(looked);
  };
  const auto fail = [&] {
    ASSERT_TRUE(Find<recovery::Repair>().has_value());
    Do(recovery::Failed{
        {recovery::Step::kRepair, 0}, first.attempt, absl::UnknownError("key info not found")});
  };
  see(1032, false, 0);
  fail();
  EXPECT_TRUE(Find<action::SetAside>().has_value());
  see(0, true, 101);
  EXPECT_FALSE(Find<recovery::Declare>().has_value()) << "nobody else can send: it waits on";
  see(1033, true, 102);
  const auto second = Find<recovery::Declare>();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->from, filecoin::Address::FromId(102));
  EXPECT_NE(second->uuid, first.uuid);
  EXPECT_EQ(second->params, first.params);
}

TEST_F(RecoveryTest, LimitTakesTheLowestNumbers) {
  policy_.recovery.max_sectors = 1;
  ASSERT_OK_AND_ASSIGN(
      const auto params,
      filecoin::DecodeParams<filecoin::DeclareFaultsRecoveredParams>(Push().params));
  ASSERT_EQ(params.entries.size(), 1u);
  EXPECT_EQ(params.entries[0].sectors, filecoin::BitField({1}));
}

TEST_F(RecoveryTest, UnansweredPushKeepsItsUuidARefusedOneDoesNot) {
  recovery::Declare first = Push();
  Do(recovery::Failed{
      {recovery::Step::kDeclare, 0}, first.attempt, absl::UnavailableError("connection reset")});
  now_.time += absl::Seconds(1);
  Do(recovery::Tick{});
  Look(std::nullopt);
  const auto second = Find<recovery::Declare>();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->uuid, first.uuid);
  Do(recovery::Failed{
      {recovery::Step::kDeclare, 0}, second->attempt, absl::FailedPreconditionError("exit 19")});
  now_.time += absl::Seconds(5);
  Do(recovery::Tick{});
  Look(std::nullopt);
  const auto third = Find<recovery::Declare>();
  ASSERT_TRUE(third.has_value());
  EXPECT_NE(third->uuid, first.uuid);
}

TEST_F(RecoveryTest, DeclaredByAnotherIsDone) {
  const recovery::Declare declare = Push();
  Do(recovery::Failed{
      {recovery::Step::kDeclare, 0}, declare.attempt, absl::UnavailableError("connection reset")});
  now_.time += absl::Seconds(1);
  Do(recovery::Tick{});
  Look(std::nullopt, {{k0, {2}}});
  EXPECT_TRUE(machine_.record.messages[0].done);
  EXPECT_FALSE(Find<recovery::Declare>().has_value());
  Head(1041);
  EXPECT_EQ(machine_.record.state, RecoveryState::kDone);
}

TEST_F(RecoveryTest, ReorgThatTakesADeclarationBackDeclaresAgain) {
  Do(recovery::Tick{});
  recovery::FaultsRead read;
  read.proof_type = filecoin::PoStProofType::kWindow2KiBV1_1;
  read.partitions = {{k0, {testing::Sector(1)}}};
  Do(read);
  Do(recovery::FaultyChecked{{{1, "s", "s", ""}}});
  Look(std::nullopt, {{k0, {1}}});
  const auto first = Find<recovery::Declare>();
  ASSERT_TRUE(first.has_value());
  const recovery::Declare declare = *first;
  Do(recovery::Declared{0, declare.attempt, testing::CidOf(1)});
  Head(1032);
  Look(std::pair(0, 1032), {});
  Head(1037);
  Look(std::pair(0, 1032), {});
  ASSERT_EQ(machine_.record.state, RecoveryState::kDone);
  Do(recovery::Reorg{filecoin::ChainEpoch(1038)});
  EXPECT_EQ(machine_.record.state, RecoveryState::kDone);
  Do(recovery::Reorg{filecoin::ChainEpoch(1030)});
  EXPECT_EQ(machine_.record.state, RecoveryState::kSubmitting);
  EXPECT_EQ(machine_.record.finished, Milestone{});
  Look(std::nullopt, {{k0, {1}}});
  const auto again = Find<recovery::Declare>();
  ASSERT_TRUE(again.has_value()) << "it is in no pool either";
  EXPECT_EQ(again->params, declare.params);
  EXPECT_NE(again->uuid, declare.uuid);
}

TEST_F(RecoveryTest, ReorgReadsTheFaultsAnewWhereThereWereNone) {
  Do(recovery::Tick{});
  Do(recovery::FaultsRead{});
  ASSERT_EQ(machine_.record.state, RecoveryState::kDone);
  Do(recovery::Reorg{filecoin::ChainEpoch(1020)});
  EXPECT_TRUE(Find<recovery::ReadFaults>().has_value());
  Do(recovery::FaultsRead{});
  Head(1043);
  Do(recovery::Reorg{filecoin::ChainEpoch(1020)});
  EXPECT_EQ(machine_.record.state, RecoveryState::kDone) << "too late for another";
  EXPECT_FALSE(Find<recovery::ReadFaults>().has_value());
}

TEST_F(RecoveryTest, CutoffEndsIt) {
  Do(recovery::Tick{});
  EXPECT_TRUE(Find<recovery::ReadFaults>().has_value());
  Do(recovery::Failed{{recovery::Step::kRead}, 0, absl::UnavailableError("node is down")});
  Head(1041);
  EXPECT_EQ(machine_.record.state, RecoveryState::kTooLate);
  EXPECT_EQ(machine_.record.note, "node is down");
}

TEST_F(RecoveryTest, NothingFaultyIsDone) {
  Do(recovery::Tick{});
  Do(recovery::FaultsRead{});
  EXPECT_EQ(machine_.record.state, RecoveryState::kDone);
}

}  // namespace
}  // namespace damocles::poster
