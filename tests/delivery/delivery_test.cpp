// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/delivery/delivery.h"

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "damocles/filecoin/cbor.h"
#include "damocles/filecoin/message.h"

namespace damocles::delivery {
namespace {

using filecoin::ChainEpoch;
using filecoin::EpochDelta;
using ::testing::IsEmpty;

const filecoin::Address kFirst = filecoin::Address::FromId(101);
const filecoin::Address kOther = filecoin::Address::FromId(102);

filecoin::SignedMessage Signed(const filecoin::Address& from, std::int64_t fee_cap) {
  filecoin::SignedMessage out;
  out.message.from = out.message.to = from;
  out.message.nonce = 7;
  out.message.params = {1, 2};
  out.message.gas_fee_cap = fee_cap;
  return out;
}

// A delivery that may begin at once; a message must be executed before 140, which is also when the
// chain decides.
class DeliveryTest : public ::testing::Test {
 protected:
  DeliveryTest() {
    terms_.until = terms_.close = ChainEpoch(140);
    terms_.search_until = ChainEpoch(150);
    terms_.window = EpochDelta(60);
    terms_.policy.confirmation_depth = EpochDelta(3);
    now_.epoch = ChainEpoch(100);
    now_.time = now_.epoch_start = absl::FromUnixSeconds(1'000'000);
    terms_.late_from = now_.TimeOf(ChainEpoch(130));
    machine_.phase = Phase::kWanted;
  }
  void Do(const Event& event) {
    terms_.next_attempt = machine_.record.message.attempt + 1;
    terms_.next_uuid[0] = static_cast<std::uint8_t>(terms_.next_attempt);
    StepResult result = Step(std::move(machine_), event, now_, terms_);
    machine_ = std::move(result.machine);
    outcome_ = std::move(result.outcome);
    EXPECT_THAT(InvariantsOf(machine_.phase, machine_.record).Rules(), IsEmpty());
    for (Action& action : result.actions) {
      if (const auto* line = std::get_if<action::LogLine>(&action)) {
        log_.insert(line->event);
      } else {
        actions_.push_back(std::move(action));
      }
    }
  }
  void Head(std::int64_t epoch) {
    const ChainEpoch to(epoch);
    now_.time = now_.epoch_start = now_.TimeOf(to);
    now_.epoch = to;
    Do(event::Tick{});
  }
  void Restart() {
    machine_.state = State{};
    actions_.clear();
    Do(event::Tick{});
  }
  template <typename A>
  std::optional<A> Take() {
    for (auto it = actions_.begin(); it != actions_.end(); ++it) {
      if (A* found = std::get_if<A>(&*it)) {
        std::optional<A> out = std::move(*found);
        actions_.erase(it);
        return out;
      }
    }
    return std::nullopt;
  }
  template <typename A>
  A Need() {
    std::optional<A> found = Take<A>();
    if (!found) ADD_FAILURE() << "not asked for: " << Name(A::kWork);
    return found ? *std::move(found) : A{};
  }
  event::Looked Seen(const action::Look& look) const {
    event::Looked seen;
    seen.head = now_.epoch;
    seen.basis = basis_;
    seen.params = Bytes{1, 2};
    if (look.want_sender) seen.sender = kFirst;
    seen.pending_was_read = look.want_pending;
    return seen;
  }
  void Look() { Do(Seen(Need<action::Look>())); }
  void LookPending(const filecoin::SignedMessage& pending, std::int64_t base_fee = 0) {
    const action::Look look = Need<action::Look>();
    event::Looked seen = Seen(look);
    seen.message = MessageWhereabouts::kPending;
    seen.cid = CidOf(pending);
    seen.signed_message = filecoin::cbor::Encode(pending);
    seen.base_fee = base_fee;
    if (look.want_sender) seen.sender = kOther;
    Do(seen);
  }
  void LookReceipt(std::int64_t exit_code, std::int64_t height) {
    event::Looked seen = Seen(Need<action::Look>());
    seen.message = MessageWhereabouts::kOnChain;
    seen.cid = machine_.record.message.cid;
    seen.receipt = {exit_code, ChainEpoch(height), 5};
    Do(seen);
  }
  action::Push Push() {
    Do(event::Tick{});
    Look();
    return Need<action::Push>();
  }
  void Sent() {
    Push();
    Do(event::Pushed{CidOf(message_), filecoin::cbor::Encode(message_), 1000});
  }
  const Message& Kept() const { return machine_.record.message; }

  Now now_;
  Terms terms_;
  Machine machine_;
  Outcome outcome_;
  Bytes32 basis_{};
  filecoin::SignedMessage message_ = Signed(kFirst, 100);
  std::vector<Action> actions_;
  std::set<std::string> log_;
};

TEST_F(DeliveryTest, FromTheWishToTheConfirmedReceipt) {
  const action::Push push = Push();
  EXPECT_EQ(machine_.phase, Phase::kPushed);
  EXPECT_EQ(push.uuid, Kept().uuid) << "in the record before it is pushed";
  Do(event::Pushed{CidOf(message_), filecoin::cbor::Encode(message_), 1000});
  Head(101);
  Look();
  Head(102);
  LookReceipt(0, 102);
  EXPECT_EQ(machine_.phase, Phase::kOnChain);
  Head(104);
  EXPECT_FALSE(Take<action::Look>()) << "not deep enough";
  Head(105);
  LookReceipt(0, 102);
  EXPECT_EQ(machine_.phase, Phase::kConfirmed);
}

// Whether it was pushed nobody knows: it is looked for, and the very same is pushed only later.
TEST_F(DeliveryTest, UnknownFateIsLookedForAndPushedAgainWithTheSameUuid) {
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    machine_ = Machine{};
    machine_.phase = Phase::kWanted;
    now_.epoch = ChainEpoch(100);
    now_.time = now_.epoch_start = absl::FromUnixSeconds(1'000'000);
    const action::Push first = Push();
    if (restarted) {
      Restart();
    } else {
      Do(event::Failed{Work::kPush, absl::UnavailableError("connection reset")});
      now_.time += absl::Seconds(1);
      Do(event::Tick{});
    }
    Look();
    EXPECT_FALSE(Take<action::Push>()) << "the node may still be at it";
    std::optional<action::Push> again;
    std::int64_t epoch = 101;
    for (; epoch < 110 && !again; ++epoch) {
      Head(epoch);
      Look();
      again = Take<action::Push>();
    }
    ASSERT_TRUE(again);
    EXPECT_GT(epoch, 103);
    EXPECT_EQ(again->uuid, first.uuid);
    EXPECT_EQ(again->params, first.params);
  }
}

TEST_F(DeliveryTest, WhatIsFoundInThePoolIsAdopted) {
  Push();
  Restart();
  LookPending(message_);
  EXPECT_EQ(Kept().cid, CidOf(message_));
  EXPECT_FALSE(Take<action::Push>());
  // Also where the whole record was lost.
  machine_ = Machine{};
  machine_.phase = Phase::kWanted;
  Do(event::Tick{});
  LookPending(message_);
  EXPECT_EQ(machine_.phase, Phase::kPushed);
  EXPECT_EQ(Kept().cid, CidOf(message_));
  EXPECT_FALSE(Take<action::Push>());
}

TEST_F(DeliveryTest, AnotherBasisMakesAnotherMessage) {
  const action::Push first = Push();
  Do(event::Failed{Work::kPush, absl::UnavailableError("connection reset")});
  now_.time += absl::Seconds(1);
  basis_.fill(9);
  Do(event::Tick{});
  Look();
  Look();
  const action::Push second = Need<action::Push>();
  EXPECT_NE(second.uuid, first.uuid);
  EXPECT_EQ(Kept().basis, basis_);
}

TEST_F(DeliveryTest, WhatThePoolLostIsPushedAgainAsItIs) {
  Sent();
  Head(101);
  Look();
  for (std::int64_t epoch = 102; epoch < 104; ++epoch) {
    Head(epoch);
    Look();
    EXPECT_FALSE(Take<action::PushAgain>()) << epoch;
  }
  Head(104);
  Look();
  EXPECT_EQ(Need<action::PushAgain>().signed_message, filecoin::cbor::Encode(message_));
  Do(event::PushedAgain{});
  EXPECT_EQ(Kept().sent_at, ChainEpoch(104));
}

// Its nonce was taken by another process meanwhile.
TEST_F(DeliveryTest, BytesThatAreNotTakenAgainMakeWayForANewMessage) {
  Sent();
  for (std::int64_t epoch = 101; epoch < 105; ++epoch) {
    Head(epoch);
    Look();
  }
  Need<action::PushAgain>();
  Do(event::Failed{Work::kPushAgain, absl::UnknownError("minimum expected nonce is 8")});
  Look();
  EXPECT_EQ(Need<action::Push>().uuid[0], 2);
}

// The pool refuses them because the chain has just executed them: that is seen, and nothing is
// made.
TEST_F(DeliveryTest, BytesThatAreNotTakenAgainBecauseTheChainHasThemAreFollowed) {
  Sent();
  for (std::int64_t epoch = 101; epoch < 105; ++epoch) {
    Head(epoch);
    Look();
  }
  Need<action::PushAgain>();
  Do(event::Failed{Work::kPushAgain, absl::UnknownError("minimum expected nonce is 8")});
  ASSERT_EQ(machine_.phase, Phase::kWanted);
  LookReceipt(0, 104);
  EXPECT_EQ(machine_.phase, Phase::kOnChain);
  EXPECT_EQ(Kept().receipt->height, ChainEpoch(104));
  EXPECT_FALSE(Take<action::Push>());
}

TEST_F(DeliveryTest, MessageWhoseNonceAnotherOneUsedIsDead) {
  Sent();
  Head(101);
  event::Looked seen = Seen(Need<action::Look>());
  seen.message = MessageWhereabouts::kDead;
  seen.dead = "another one was executed in its place";
  Do(seen);
  EXPECT_TRUE(log_.contains("message_dead"));
  Look();
  EXPECT_EQ(Need<action::Push>().uuid[0], 2);
}

TEST_F(DeliveryTest, ReplacementIsInTheRecordBeforeItIsPushedAndIsFoundAfterARestart) {
  Sent();
  const filecoin::SignedMessage higher = Signed(kFirst, 300);
  Head(102);
  LookPending(message_, 200);
  Need<action::SignReplacement>();
  Do(event::ReplacementSigned{filecoin::cbor::Encode(higher), "300", ""});
  EXPECT_EQ(Kept().signed_message, filecoin::cbor::Encode(higher));
  EXPECT_EQ(Kept().cid, CidOf(message_)) << "until the pool has the other one";
  EXPECT_EQ(Need<action::PushReplacement>().signed_message, filecoin::cbor::Encode(higher));
  Restart();
  Head(103);
  Take<action::Look>();
  Head(104);
  Do(event::Failed{Work::kLook, absl::UnavailableError("no answer")});
  now_.time += absl::Seconds(5);
  Do(event::Tick{});
  LookPending(message_, 200);
  EXPECT_EQ(Need<action::PushReplacement>().signed_message, filecoin::cbor::Encode(higher));
  Do(event::ReplacementPushed{});
  Head(105);
  LookPending(higher, 200);
  EXPECT_EQ(Kept().cid, CidOf(higher));
}

TEST_F(DeliveryTest, AnotherOneSendsWhatItsSenderCannotRaise) {
  Sent();
  Head(102);
  LookPending(message_, 200);
  Need<action::SignReplacement>();
  Do(event::Failed{Work::kSignReplacement, absl::UnknownError("key info not found")});
  EXPECT_TRUE(Take<action::SetAside>());
  LookPending(message_, 200);
  EXPECT_EQ(machine_.record.given_up, std::vector<filecoin::Address>{kFirst});
  const action::Look look = Need<action::Look>();
  EXPECT_EQ(look.given_up, machine_.record.given_up);
  event::Looked seen = Seen(look);
  seen.sender = kOther;
  Do(seen);
  EXPECT_EQ(Need<action::Push>().from, kOther);
}

TEST_F(DeliveryTest, ReorgTakesTheReceiptBackAndTheMessageIsFollowedAgain) {
  Sent();
  Head(102);
  LookReceipt(0, 102);
  Head(105);
  LookReceipt(0, 102);
  ASSERT_EQ(machine_.phase, Phase::kConfirmed);
  Do(event::Reorg{ChainEpoch(103)});
  EXPECT_EQ(machine_.phase, Phase::kConfirmed) << "it does not reach so far";
  Do(event::Reorg{ChainEpoch(102)});
  EXPECT_EQ(machine_.phase, Phase::kOnChain);
  Look();
  EXPECT_EQ(machine_.phase, Phase::kPushed);
  EXPECT_FALSE(Kept().receipt);
  EXPECT_EQ(Kept().cid, CidOf(message_)) << "the same message, not another";
}

TEST_F(DeliveryTest, FailedReceiptIsExplainedAndAnotherMessageIsMade) {
  Sent();
  Head(102);
  LookReceipt(7, 102);
  Need<action::Explain>();
  Do(event::Explained{"out of gas"});
  EXPECT_EQ(machine_.phase, Phase::kWanted);
  EXPECT_EQ(Kept().gas_limit, 1500);
  now_.time += absl::Seconds(5);
  Do(event::Tick{});
  Look();
  EXPECT_EQ(Need<action::Push>().gas_limit, 1500);
}

TEST_F(DeliveryTest, WrongContentsGoBackToTheOwnerWhoRemakesThemOnly) {
  for (const bool remakes : {true, false}) {
    SCOPED_TRACE(remakes);
    machine_ = Machine{};
    machine_.phase = Phase::kWanted;
    actions_.clear();
    terms_.remakes = remakes;
    Push();
    Do(event::Failed{Work::kPush, absl::FailedPreconditionError("invalid post was submitted")});
    EXPECT_EQ(outcome_.refuted, remakes);
    EXPECT_EQ(machine_.phase, remakes ? Phase::kIdle : Phase::kWanted);
  }
}

TEST_F(DeliveryTest, WhatAnotherDidIsFollowedToo) {
  Do(event::Tick{});
  event::Looked seen = Seen(Need<action::Look>());
  seen.done = Done::kPart;
  Do(seen);
  EXPECT_TRUE(outcome_.partly_done);
  EXPECT_EQ(machine_.phase, Phase::kIdle);
  machine_.phase = Phase::kWanted;
  Head(101);
  seen = Seen(Need<action::Look>());
  seen.done = Done::kAll;
  Do(seen);
  EXPECT_EQ(machine_.phase, Phase::kOnChain);
  EXPECT_TRUE(machine_.record.posted_by_other);
  Head(104);
  Look();
  EXPECT_TRUE(outcome_.undone);
  EXPECT_EQ(machine_.phase, Phase::kWanted);
}

TEST_F(DeliveryTest, TheEndAsksTheChainBeforeItIsMissed) {
  Head(140);
  action::Look look = Need<action::Look>();
  EXPECT_FALSE(look.want_sender);
  event::Looked seen = Seen(look);
  seen.done_trouble = absl::UnavailableError("no answer");
  Do(seen);
  EXPECT_EQ(machine_.phase, Phase::kWanted) << "not known";
  Head(141);
  Look();
  EXPECT_EQ(machine_.phase, Phase::kMissed);
  EXPECT_EQ(outcome_.missed, "");
  Head(139);
  Do(event::Reorg{ChainEpoch(138)});
  EXPECT_EQ(machine_.phase, Phase::kWanted) << "its time is open again";
}

TEST_F(DeliveryTest, WhatAnotherDidAndTheChainLostIsOursWhenItsTimeIsOpenAgain) {
  machine_.record.posted_by_other = true;
  machine_.phase = Phase::kMissed;
  Head(130);
  Do(event::Reorg{ChainEpoch(129)});
  ASSERT_EQ(machine_.phase, Phase::kWanted);
  EXPECT_FALSE(machine_.record.posted_by_other);
}

// Whatever comes, in whatever state: nothing is pushed twice at once, and what is pushed is in the
// record.
TEST_F(DeliveryTest, EveryEventInEveryState) {
  const filecoin::SignedMessage higher = Signed(kFirst, 300);
  std::vector<Event> events = {
      event::Tick{},
      event::Reorg{ChainEpoch(0)},
      event::Pushed{CidOf(message_), filecoin::cbor::Encode(message_), 1},
      event::PushedAgain{},
      event::ReplacementSigned{filecoin::cbor::Encode(higher), "300", ""},
      event::ReplacementSigned{{}, "", "limited"},
      event::ReplacementPushed{},
      event::Unblocked{{kFirst, "worker", 7, {}}, true, "5", ""},
      event::Explained{"invalid post was submitted"},
  };
  for (const Work work : {Work::kLook, Work::kPush, Work::kPushAgain, Work::kSignReplacement,
                          Work::kPushReplacement, Work::kUnblock, Work::kExplain}) {
    events.push_back(event::Failed{work, absl::UnavailableError("no answer")});
    events.push_back(event::Failed{work, absl::UnknownError("key info not found")});
  }
  for (const MessageWhereabouts where :
       {MessageWhereabouts::kNotFound, MessageWhereabouts::kPending, MessageWhereabouts::kOnChain,
        MessageWhereabouts::kDead}) {
    for (const Done done : {Done::kNothing, Done::kPart, Done::kAll}) {
      for (const std::int64_t exit_code : {0, 16}) {
        event::Looked seen = Seen({});
        seen.message = where;
        seen.done = done;
        seen.head = ChainEpoch(140);
        seen.sender = kOther;
        seen.pending_was_read = true;
        seen.nonce_used = exit_code != 0;
        if (where != MessageWhereabouts::kNotFound) seen.cid = CidOf(message_);
        if (where == MessageWhereabouts::kPending) {
          seen.signed_message = filecoin::cbor::Encode(message_);
        }
        seen.receipt.exit_code = exit_code;
        events.push_back(seen);
      }
    }
  }
  std::vector<Machine> reached;
  const auto reach = [&] { reached.push_back(machine_); };
  machine_.phase = Phase::kIdle;
  reach();
  machine_.phase = Phase::kWanted;
  reach();
  Push();
  reach();
  Do(event::Pushed{CidOf(message_), filecoin::cbor::Encode(message_), 1});
  reach();
  Head(102);
  LookReceipt(16, 102);
  reach();
  machine_ = reached[3];
  Head(103);
  LookReceipt(0, 102);
  reach();
  Head(106);
  LookReceipt(0, 102);
  reach();
  machine_.phase = Phase::kMissed;
  reach();
  ASSERT_EQ(reached.size(), 8u);
  for (std::size_t s = 0; s < reached.size(); ++s) {
    for (std::size_t e = 0; e < events.size(); ++e) {
      for (const bool restarted : {false, true}) {
        for (const std::int64_t epoch : {110, 139, 141, 151}) {
          SCOPED_TRACE(testing::Message() << "state " << s << " event " << e << " at " << epoch);
          machine_ = reached[s];
          if (restarted) machine_.state = State{};
          actions_.clear();
          now_.epoch = ChainEpoch(epoch);
          Do(events[e]);
          Do(events[e]);
          std::size_t pushes = 0;
          for (const Action& action : actions_) {
            const auto* push = std::get_if<action::Push>(&action);
            if (push == nullptr) continue;
            ++pushes;
            EXPECT_EQ(push->uuid, Kept().uuid);
            EXPECT_EQ(machine_.phase, Phase::kPushed);
            EXPECT_LT(epoch, 139) << "it could not be executed in time";
          }
          EXPECT_LE(pushes, 1u);
        }
      }
    }
  }
}

}  // namespace
}  // namespace damocles::delivery
