// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/poster/recovery.h"

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/poster/machine_bench.h"
#include "tests/support/status_matchers.h"

#include "damocles/filecoin/bitfield.h"
#include "damocles/filecoin/cbor.h"
#include "damocles/filecoin/message.h"
#include "damocles/filecoin/miner_params.h"

namespace damocles::poster {
namespace {

using testing::k0;
using testing::k1;

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
  recovery::Push Push() {
    Do(recovery::Tick{});
    recovery::FaultsRead read;
    read.proof_type = filecoin::PoStProofType::kWindow2KiBV1_1;
    read.partitions = {{k0, {testing::Sector(1), testing::Sector(2)}}, {k1, {testing::Sector(3)}}};
    Do(read);
    Do(recovery::FaultyChecked{{{1, "s", "s", ""}, {2, "s", "s", "gone"}, {3, "s", "s", ""}}});
    Look(std::nullopt);
    const auto declare = Find<recovery::Push>();
    EXPECT_TRUE(declare.has_value());
    return declare.value_or(recovery::Push{});
  }
  void Look(std::optional<std::pair<std::int64_t, std::int64_t>> receipt,
            std::vector<RecoveredPartition> undeclared = {{k0, {1, 2}}, {k1, {3}}}) {
    const auto look = Find<recovery::Look>();
    ASSERT_TRUE(look.has_value());
    recovery::Looked looked;
    looked.ref = look->ref;
    looked.head = now_.epoch;
    looked.undeclared = std::move(undeclared);
    if (look->want_sender) looked.sender = filecoin::Address::FromId(101);
    looked.pending_was_read = look->want_pending;
    if (receipt) {
      looked.message = MessageWhereabouts::kOnChain;
      looked.cid = look->cid;
      looked.receipt = {receipt->first, filecoin::ChainEpoch(receipt->second), 0};
    }
    Do(looked);
  }

  // The node's answer to a push.
  void Answer(const recovery::Push& push) {
    waiting_ = {};
    waiting_.message.from = waiting_.message.to = push.from;
    waiting_.message.params = push.params;
    waiting_.message.gas_fee_cap = 100;
    Do(recovery::Pushed{{CidOf(waiting_), filecoin::cbor::Encode(waiting_), 1000}, push.ref});
  }
  void LookPending(std::int64_t base_fee, std::optional<std::uint64_t> sender = std::nullopt) {
    const auto look = Find<recovery::Look>();
    ASSERT_TRUE(look.has_value());
    EXPECT_EQ(look->want_sender, sender.has_value());
    recovery::Looked looked;
    looked.ref = look->ref;
    looked.head = now_.epoch;
    looked.undeclared = {{k0, {1, 2}}, {k1, {3}}};
    looked.message = MessageWhereabouts::kPending;
    looked.cid = CidOf(waiting_);
    looked.signed_message = filecoin::cbor::Encode(waiting_);
    looked.base_fee = base_fee;
    if (sender) looked.sender = filecoin::Address::FromId(*sender);
    Do(looked);
  }
  const RecoveryMessage& Message() const { return machine_.record.messages.at(0); }
  void Restart() {
    recovery::Machine loaded;
    loaded.record = *DecodeRecovery(EncodeRecovery(machine_.record));
    machine_ = std::move(loaded);
    Do(recovery::Tick{});
  }

  MinerPolicy policy_;
  filecoin::SignedMessage waiting_;
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
  const recovery::Push declare = Push();
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
  Answer(declare);
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
    const recovery::Push first = Push();
    Answer(first);
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
  broken.record.messages[0].message.params.clear();
  EXPECT_FALSE(recovery::InvariantsOf(broken).Empty());
}

// A message that the pool lost is pushed again as it is: two messages would cost two fees.
TEST_F(RecoveryTest, WhatThePoolLostIsPushedAgainAsItIs) {
  Answer(Push());
  for (std::int64_t epoch = 1031; epoch < 1034; ++epoch) {
    Head(epoch);
    Look(std::nullopt);
    EXPECT_FALSE(Find<recovery::PushAgain>().has_value()) << epoch;
    EXPECT_FALSE(Find<recovery::Push>().has_value()) << epoch;
  }
  Head(1034);
  Look(std::nullopt);
  const auto again = Find<recovery::PushAgain>();
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->signed_message, filecoin::cbor::Encode(waiting_));
}

TEST_F(RecoveryTest, WhatWaitsForItsFeeIsReplacedAndTheReplacementIsInTheRecordFirst) {
  Answer(Push());
  Head(1032);
  LookPending(800);
  const auto sign = Find<recovery::SignReplacement>();
  ASSERT_TRUE(sign.has_value());
  filecoin::SignedMessage higher = waiting_;
  higher.message.gas_fee_cap = 1200;
  Do(recovery::ReplacementSigned{{filecoin::cbor::Encode(higher), "1200", ""}, sign->ref});
  EXPECT_TRUE(Find<recovery::PushReplacement>().has_value());
  EXPECT_EQ(Message().message.signed_message, filecoin::cbor::Encode(higher));
  EXPECT_EQ(Message().message.cid, CidOf(waiting_)) << "until the pool has the other one";
  Restart();  // before it was pushed
  Look(std::nullopt);
  Head(1033);
  Look(std::nullopt);
  Head(1034);
  LookPending(800);
  const auto push = Find<recovery::PushReplacement>();
  ASSERT_TRUE(push.has_value());
  EXPECT_EQ(push->signed_message, filecoin::cbor::Encode(higher));
}

// A planted fault this must catch: a declaration is left with a sender who cannot raise it any
// more.
TEST_F(RecoveryTest, AnotherOneDeclaresWhatItsSenderCannotRaise) {
  const recovery::Push first = Push();
  Answer(first);
  Head(1032);
  LookPending(800);
  const auto sign = Find<recovery::SignReplacement>();
  ASSERT_TRUE(sign.has_value());
  Do(recovery::DeliveryFailed{
      {delivery::Work::kSignReplacement, absl::UnknownError("key info not found")}, sign->ref});
  EXPECT_TRUE(Find<action::SetAside>().has_value());
  LookPending(800, 101);
  EXPECT_FALSE(Find<recovery::Push>().has_value()) << "nobody else can send: it waits on";
  Head(1033);
  LookPending(800, 102);
  const auto look = Find<recovery::Look>();
  ASSERT_TRUE(look.has_value());
  EXPECT_EQ(look->given_up, std::vector<filecoin::Address>{first.from});
  recovery::Looked looked;
  looked.ref = look->ref;
  looked.undeclared = {{k0, {1, 2}}, {k1, {3}}};
  looked.sender = filecoin::Address::FromId(102);
  Do(looked);
  const auto second = Find<recovery::Push>();
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

// Nobody knows whether it was pushed: it is looked for before the very same is pushed once more.
TEST_F(RecoveryTest, UnansweredPushIsLookedForAndKeepsItsUuidARefusedOneDoesNot) {
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    Begin();
    const recovery::Push first = Push();
    if (restarted) {
      Restart();
    } else {
      Do(recovery::DeliveryFailed{
          {delivery::Work::kPush, absl::UnavailableError("connection reset")}, first.ref});
      now_.time += absl::Seconds(1);
      Do(recovery::Tick{});
    }
    Look(std::nullopt);
    EXPECT_FALSE(Find<recovery::Push>().has_value()) << "the node may still be at it";
    Head(1031);
    Look(std::nullopt);
    EXPECT_FALSE(Find<recovery::Push>().has_value());
    Head(1032);
    Look(std::nullopt);
    const auto second = Find<recovery::Push>();
    ASSERT_TRUE(second.has_value());
    EXPECT_EQ(second->uuid, first.uuid);
    Do(recovery::DeliveryFailed{{delivery::Work::kPush, absl::FailedPreconditionError("exit 19")},
                                second->ref});
    now_.time += absl::Seconds(5);
    Do(recovery::Tick{});
    Look(std::nullopt);
    const auto third = Find<recovery::Push>();
    ASSERT_TRUE(third.has_value());
    EXPECT_NE(third->uuid, first.uuid);
  }
}

// What reached the pool after all is ours.
TEST_F(RecoveryTest, UnansweredPushThatIsInThePoolIsAdopted) {
  const recovery::Push push = Push();
  waiting_.message.from = waiting_.message.to = push.from;
  waiting_.message.params = push.params;
  Restart();
  LookPending(0);
  EXPECT_EQ(Message().message.cid, CidOf(waiting_));
  EXPECT_FALSE(Find<recovery::Push>().has_value());
}

TEST_F(RecoveryTest, DeclaredByAnotherIsDone) {
  const recovery::Push declare = Push();
  Do(recovery::DeliveryFailed{{delivery::Work::kPush, absl::UnavailableError("connection reset")},
                              declare.ref});
  now_.time += absl::Seconds(1);
  Do(recovery::Tick{});
  Look(std::nullopt, {{k0, {2}}});
  EXPECT_EQ(Message().phase, delivery::Phase::kOnChain);
  EXPECT_FALSE(Find<recovery::Push>().has_value());
  Head(1035);
  Look(std::nullopt, {{k0, {2}}});
  EXPECT_EQ(Message().phase, delivery::Phase::kConfirmed);
  Head(1041);
  EXPECT_EQ(machine_.record.state, RecoveryState::kDone);
}

TEST_F(RecoveryTest, OnlyWhatAnotherLeftIsDeclared) {
  const recovery::Push declare = Push();
  Do(recovery::DeliveryFailed{{delivery::Work::kPush, absl::UnavailableError("connection reset")},
                              declare.ref});
  now_.time += absl::Seconds(1);
  Do(recovery::Tick{});
  Look(std::nullopt, {{k1, {3}}});
  EXPECT_EQ(Message().partitions, (std::vector<RecoveredPartition>{{k1, {3}}}));
  Look(std::nullopt, {{k1, {3}}});
  const auto rest = Find<recovery::Push>();
  ASSERT_TRUE(rest.has_value());
  EXPECT_NE(rest->uuid, declare.uuid);
}

TEST_F(RecoveryTest, FailedReceiptIsExplainedAndDeclaredAgain) {
  Answer(Push());
  Head(1032);
  Look(std::pair(7, 1032));
  const auto explain = Find<recovery::Explain>();
  ASSERT_TRUE(explain.has_value());
  Do(recovery::Explained{{"out of gas"}, explain->ref});
  now_.time += absl::Seconds(5);
  Do(recovery::Tick{});
  Look(std::nullopt);
  const auto again = Find<recovery::Push>();
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->gas_limit, 1500);
}

// The same message once more, not another one.
TEST_F(RecoveryTest, ReorgThatTakesADeclarationBackFollowsItAgain) {
  Do(recovery::Tick{});
  recovery::FaultsRead read;
  read.proof_type = filecoin::PoStProofType::kWindow2KiBV1_1;
  read.partitions = {{k0, {testing::Sector(1)}}};
  Do(read);
  Do(recovery::FaultyChecked{{{1, "s", "s", ""}}});
  Look(std::nullopt, {{k0, {1}}});
  const auto first = Find<recovery::Push>();
  ASSERT_TRUE(first.has_value());
  Answer(*first);
  Head(1032);
  Look(std::pair(0, 1032), {});
  Head(1037);
  Look(std::pair(0, 1032), {});
  ASSERT_EQ(machine_.record.state, RecoveryState::kDone);
  Do(recovery::Reorg{filecoin::ChainEpoch(1033)});
  EXPECT_EQ(machine_.record.state, RecoveryState::kDone) << "the receipt is below it";
  Do(recovery::Reorg{filecoin::ChainEpoch(1030)});
  EXPECT_EQ(machine_.record.state, RecoveryState::kSubmitting);
  EXPECT_EQ(machine_.record.finished, Milestone{});
  Look(std::nullopt, {{k0, {1}}});
  EXPECT_EQ(Message().phase, delivery::Phase::kPushed);
  EXPECT_EQ(Message().message.cid, CidOf(waiting_));
  Look(std::nullopt, {{k0, {1}}});
  Head(1038);
  Look(std::nullopt, {{k0, {1}}});
  const auto again = Find<recovery::PushAgain>();
  Head(1039);
  if (!again) Look(std::nullopt, {{k0, {1}}});
  EXPECT_TRUE(again || Find<recovery::PushAgain>().has_value()) << "it is in no pool either";
}

TEST_F(RecoveryTest, NothingIsPushedBehindTheCutoffAndTheChainIsAskedBeforeItIsTooLate) {
  Push();
  Restart();
  Look(std::nullopt);
  Head(1041);
  EXPECT_EQ(machine_.record.state, RecoveryState::kSubmitting);
  Look(std::nullopt);
  EXPECT_FALSE(Find<recovery::Push>().has_value());
  Head(1050);
  EXPECT_EQ(machine_.record.state, RecoveryState::kTooLate);
  EXPECT_NE(machine_.record.note, "");
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
  Do(recovery::Failed{recovery::Step::kRead, absl::UnavailableError("node is down")});
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
