// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Messages that go wrong, as the deadline machine takes it.

#include <algorithm>
#include <optional>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/poster/machine_bench.h"
#include "tests/support/status_matchers.h"

#include "damocles/delivery/message_errors.h"
#include "damocles/filecoin/cbor.h"
#include "damocles/filecoin/miner_params.h"
#include "damocles/poster/state_machine.h"

namespace damocles::poster {
namespace {

using delivery::ClassifyReceipt;
using delivery::ClassifySearchError;
using delivery::ClassifySendError;
using delivery::ExitCodeIn;
using delivery::LaneRepair;
using delivery::MessageTrouble;
using delivery::SearchTrouble;
using testing::Bench;
using testing::Filled;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::k0;
using testing::k1;

// Up to a push that is on its way.
action::Push Push(Bench& bench) {
  bench.Reach(DeadlineState::kProven);
  bench.Head(1031);
  bench.Survey();
  return bench.Need<action::Push>();
}

// A message on chain with a bad receipt that was explained.
void FailOnChain(Bench& bench, std::int64_t exit_code, const std::string& text) {
  bench.Reach(DeadlineState::kSubmitting);
  bench.Head(1033);
  bench.SurveyReceipt(exit_code, 1033);
  const auto explain = bench.Need<action::Explain>();
  EXPECT_EQ(explain.cid, *bench.Batch().message.cid);
  bench.Do(event::Explained{{text}, explain.ref});
}

// A planted fault this must catch: the record written after the send.  Here: the step that asks for
// the send has the message in its record (the runner's half is in runner_test).
TEST(SubmitTest, RecordHoldsTheMessageBeforeItIsSent) {
  Bench bench;
  const action::Push send = Push(bench);
  EXPECT_TRUE(bench.changed);
  ASSERT_OK_AND_ASSIGN(const DeadlineRecord record, DecodeRecord(EncodeRecord(bench.Record())));
  const PartitionBatch& batch = record.batches.at(0);
  EXPECT_EQ(batch.state, DeadlineState::kSubmitting);
  EXPECT_EQ(batch.message.uuid, send.uuid);
  EXPECT_EQ(batch.message.params, send.params);
  EXPECT_EQ(batch.message.attempt, send.ref.attempt);
  EXPECT_EQ(batch.message.from, send.from);
}

TEST(SubmitTest, UuidIsStableAndDiffersInEveryPart) {
  const filecoin::ChainEpoch start(1000);
  const delivery::Uuid uuid = MessageUuid(1000, start, 3, {k0, k1}, 1);
  EXPECT_EQ(uuid, MessageUuid(1000, start, 3, {k0, k1}, 1));
  EXPECT_NE(uuid, MessageUuid(1001, start, 3, {k0, k1}, 1));
  EXPECT_NE(uuid, MessageUuid(1000, filecoin::ChainEpoch(1120), 3, {k0, k1}, 1));
  EXPECT_NE(uuid, MessageUuid(1000, start, 4, {k0, k1}, 1));
  EXPECT_NE(uuid, MessageUuid(1000, start, 3, {k0}, 1));
  EXPECT_NE(uuid, MessageUuid(1000, start, 3, {k0, k1}, 2));
  EXPECT_EQ(uuid[6] >> 4, 8);
  EXPECT_EQ(uuid[8] >> 6, 2);
}

// A planted fault this must catch: the answer to an old attempt accepted.
TEST(SubmitTest, AnswerToAnOldAttemptIsNotTaken) {
  Bench bench;
  const action::Push first = Push(bench);
  bench.Fail(ActionKind::kPush, first.ref, absl::UnknownError("not enough funds"));
  bench.Pause(absl::Seconds(1));
  bench.Survey();
  const auto second = bench.Need<action::Push>();
  EXPECT_NE(second.ref.attempt, first.ref.attempt);
  EXPECT_NE(second.uuid, first.uuid);
  event::Pushed late;
  late.ref = first.ref;
  late.cid = testing::CidOf(77);
  bench.Do(late);
  EXPECT_FALSE(bench.Batch().message.cid.has_value());
  event::Surveyed look;
  look.ref = first.ref;
  look.message = MessageWhereabouts::kOnChain;
  bench.Do(look);
  EXPECT_EQ(bench.Batch().state, DeadlineState::kSubmitting);
  EXPECT_FALSE(bench.Batch().message.receipt.has_value());
}

TEST(SubmitTest, NeverTwoPushesAtOnce) {
  Bench bench;
  Push(bench);  // on its way, not answered
  for (int epoch = 1032; epoch < 1036; ++epoch) {
    bench.Head(epoch);
    EXPECT_THAT(bench.actions, IsEmpty());
  }
  // Not even when the statement changes meanwhile.
  bench.Do(event::Reorg{filecoin::ChainEpoch(1024)});
  bench.randomness = Filled(8);
  bench.Need<action::ReadRandomness>();
  bench.Do(event::RandomnessRead{bench.randomness});
  bench.ReadInputs();
  bench.CheckSectors();
  bench.EnsureJob();
  bench.Prove();
  bench.Head(1036);
  EXPECT_FALSE(bench.Has<action::Survey>());
  EXPECT_FALSE(bench.Has<action::Push>());
  bench.Fail(ActionKind::kPush, BatchRef{0, 1, 1}, absl::DeadlineExceededError("no answer"));
  EXPECT_TRUE(bench.Has<action::Survey>());
}

// A planted fault this must catch: pushed again while the node is still at work on it.
TEST(SubmitTest, UnansweredPushIsLookedForOnSomeHeadsThenRepeatedUnderItsUuid) {
  Bench bench;
  const action::Push send = Push(bench);
  bench.Fail(ActionKind::kPush, send.ref, absl::DeadlineExceededError("no answer"));
  EXPECT_FALSE(bench.Has<action::Survey>()) << "after a pause";
  bench.Pause(*bench.wake_at - bench.now.time);
  EXPECT_TRUE(bench.Need<action::Survey>().want_pending);
  bench.Fail(ActionKind::kSurvey, send.ref, absl::UnavailableError("busy"));
  for (int epoch = 1032; epoch <= 1033; ++epoch) {
    EXPECT_FALSE(bench.Has<action::Push>()) << epoch;
    bench.Head(epoch);
    bench.Survey();
  }
  const auto again = bench.Need<action::Push>();
  EXPECT_EQ(again.uuid, send.uuid);
  EXPECT_EQ(again.params, send.params);
  EXPECT_EQ(again.ref, send.ref);
}

TEST(SubmitTest, PushThatTheNodeMayBeAtWorkOnIsNotRepeatedForSomeTime) {
  Bench bench;
  // A window of 30 minutes, with heads that come quickly: after null rounds, say.
  bench.machine.record.deadline.close = filecoin::ChainEpoch(1090);
  const action::Push send = Push(bench);
  bench.Fail(ActionKind::kPush, send.ref, absl::DeadlineExceededError("no answer"));
  const absl::Time failed = bench.now.time;
  for (int epoch = 1032; !bench.Has<action::Push>(); ++epoch) {
    ASSERT_LT(epoch, 1060);
    bench.now.time += absl::Seconds(10);
    bench.now.epoch_start = bench.now.time;
    bench.now.epoch = filecoin::ChainEpoch(epoch);
    bench.Do(event::Tick{});
    bench.Survey();
  }
  EXPECT_GE(bench.now.time, failed + bench.policy.push_may_take);
}

TEST(SubmitTest, NearTheCloseAnUnansweredPushIsRepeatedAfterOneLook) {
  Bench bench;
  bench.Reach(DeadlineState::kProven);
  bench.Head(1036);
  bench.Survey();
  action::Push send = bench.Need<action::Push>();
  for (int i = 0; i < 2; ++i) {
    bench.Fail(ActionKind::kPush, send.ref, absl::DeadlineExceededError("no answer"));
    bench.Pause(*bench.wake_at - bench.now.time);
    EXPECT_FALSE(bench.Has<action::Push>()) << "a look first";
    bench.Survey();
    const auto again = bench.Need<action::Push>();
    EXPECT_EQ(again.uuid, send.uuid);
    send = again;
  }
}

// The record may be a new one in the place of one that was lost.
TEST(SubmitTest, FirstMessageLooksAtTheMempoolWhileTheNodeShowsIt) {
  Bench bench;
  bench.Reach(DeadlineState::kProven);
  bench.Head(1031);
  for (int failed = 0; failed < 3; ++failed) {
    const auto look = bench.Need<action::Survey>();
    EXPECT_TRUE(look.want_pending);
    bench.Fail(ActionKind::kSurvey, look.ref, absl::UnavailableError("answer too large"));
    bench.Pause(*bench.wake_at - bench.now.time);
  }
  const auto look = bench.Need<action::Survey>();
  EXPECT_FALSE(look.want_pending) << "a node that cannot must not cost the window";
  bench.Do(bench.Answer(look));
  EXPECT_TRUE(bench.Has<action::Push>());
}

// A devnet's window of ten epochs of a second.
TEST(SubmitTest, QuickWindowIsMetAfterAnUnansweredPush) {
  Bench bench;
  bench.now.epoch_duration = absl::Seconds(1);
  const action::Push send = Push(bench);
  bench.Fail(ActionKind::kPush, send.ref, absl::UnavailableError("connection reset"));
  for (int epoch = 1032; epoch <= 1033; ++epoch) {
    bench.Head(epoch);
    bench.Survey();
  }
  EXPECT_TRUE(bench.Has<action::Push>());
}

TEST(SubmitTest, UnansweredPushOfAnotherBranchIsBuiltAnew) {
  Bench bench;
  const action::Push send = Push(bench);
  bench.Fail(ActionKind::kPush, send.ref, absl::UnavailableError("connection reset"));
  bench.Pause(absl::Seconds(1));
  bench.commit_randomness = Filled(10);
  bench.Survey();  // old parameters do not fit any more
  bench.Survey();  // the look before the new message
  const auto again = bench.Need<action::Push>();
  EXPECT_NE(again.uuid, send.uuid);
  EXPECT_EQ(bench.Batch().message.basis, Filled(10));
  EXPECT_EQ(bench.jobs, 1) << "the proof is the same";
}

TEST(SubmitTest, EqualPendingMessageIsAdoptedInsteadOfSending) {
  Bench bench;
  const action::Push send = Push(bench);
  bench.Fail(ActionKind::kPush, send.ref, absl::UnknownError("something odd"));
  bench.Pause(absl::Seconds(1));
  const auto look = bench.Need<action::Survey>();
  EXPECT_TRUE(look.want_pending);
  event::Surveyed found = bench.Answer(look);
  found.message = MessageWhereabouts::kPending;
  found.cid = testing::CidOf(60);
  bench.Do(found);
  EXPECT_FALSE(bench.Has<action::Push>());
  EXPECT_EQ(bench.Batch().state, DeadlineState::kSubmitting);
  EXPECT_EQ(bench.Batch().message.cid, testing::CidOf(60));
}

// ---------------------------------------------------------------- a look of which parts failed

struct Part {
  const char* name;
  void (*fail)(event::Surveyed& answer);
};
const Part kParts[] = {
    {"randomness",
     [](event::Surveyed& answer) {
       answer.commit_randomness.reset();
       answer.basis_trouble = absl::UnavailableError("part");
     }},
    {"posted",
     [](event::Surveyed& answer) {
       answer.posted.clear();
       answer.done_trouble = absl::UnavailableError("part");
     }},
    {"pool",
     [](event::Surveyed& answer) {
       answer.pending_was_read = false;
       answer.pool_trouble = absl::UnavailableError("part");
     }},
    {"sender",
     [](event::Surveyed& answer) {
       answer.sender.reset();
       answer.sender_unknown = absl::UnavailableError("part");
     }},
};

// Planted faults this must catch: one part is left out of what must be known before a push.
TEST(SubmitTest, NothingIsSentBeforeEachPartOfTheLookIsKnown) {
  for (const Part& part : kParts) {
    SCOPED_TRACE(part.name);
    Bench bench;
    bench.Reach(DeadlineState::kProven);
    bench.Head(1031);
    event::Surveyed answer = bench.Answer(bench.Need<action::Survey>());
    part.fail(answer);
    bench.Do(answer);
    EXPECT_FALSE(bench.Has<action::Push>());
    EXPECT_EQ(bench.Batch().state, DeadlineState::kProven);
    EXPECT_TRUE(bench.log.contains("look_incomplete"));
    EXPECT_FALSE(bench.log.contains("no_sender")) << "nobody knows that";
    bench.Pause(bench.policy.retry.After(1));  // not the next head
    bench.Survey();
    EXPECT_TRUE(bench.Has<action::Push>());
  }
}

TEST(SubmitTest, NoPartOfTheLookKeepsWhatAnotherSaysFromBeingTaken) {
  for (const Part& part : kParts) {
    SCOPED_TRACE(part.name);
    const bool posted = std::string_view(part.name) == "posted";
    Bench bench;
    bench.Reach(DeadlineState::kProven);
    bench.Head(1031);
    event::Surveyed answer = bench.Answer(bench.Need<action::Survey>());
    if (posted) {
      answer.message = MessageWhereabouts::kPending;
      answer.cid = testing::CidOf(60);
    } else {
      answer.posted = {k0, k1};
    }
    part.fail(answer);
    bench.Do(answer);
    EXPECT_EQ(bench.Batch().state, posted ? DeadlineState::kSubmitting : DeadlineState::kOnChain);
  }
}

// A push without an answer is not repeated either.
TEST(SubmitTest, UnansweredPushIsNotRepeatedBeforeEachPartOfTheLookIsKnown) {
  for (const Part& part : kParts) {
    if (std::string_view(part.name) == "sender") continue;  // it has one
    SCOPED_TRACE(part.name);
    Bench bench;
    const action::Push send = Push(bench);
    bench.Fail(ActionKind::kPush, send.ref, absl::UnavailableError("no answer"));
    for (std::int64_t head = 1032; head < 1040; ++head) {
      bench.Head(head);
      std::optional<action::Survey> look = bench.Take<action::Survey>();
      if (!look) continue;
      event::Surveyed answer = bench.Answer(*look);
      part.fail(answer);
      bench.Do(answer);
      EXPECT_FALSE(bench.Has<action::Push>()) << head;
    }
  }
}

// Trouble with another part is no reason to do without the guard against two messages.
TEST(SubmitTest, OnlyAPoolThatCannotBeReadIsDoneWithout) {
  for (const Part& part : kParts) {
    SCOPED_TRACE(part.name);
    Bench bench;
    bench.Reach(DeadlineState::kProven);
    bench.Head(1031);
    for (std::uint32_t look = 0; look < 3; ++look) {
      const auto question = bench.Need<action::Survey>();
      EXPECT_TRUE(question.want_pending);
      event::Surveyed answer = bench.Answer(question);
      part.fail(answer);
      bench.Do(answer);
      bench.Pause(bench.policy.retry.After(look + 1));
    }
    EXPECT_EQ(bench.Need<action::Survey>().want_pending, std::string_view(part.name) != "pool");
  }
}

TEST(SubmitTest, UnknownListTakesNoProofOffTheChain) {
  Bench bench;
  bench.Reach(DeadlineState::kProven);
  bench.posted = {k0, k1};
  bench.Head(1031);
  bench.Survey();
  ASSERT_EQ(bench.Batch().state, DeadlineState::kOnChain);
  bench.Head(1035);
  event::Surveyed answer = bench.Answer(bench.Need<action::Survey>());
  answer.posted.clear();
  answer.done_trouble = absl::UnavailableError("part");
  bench.Do(answer);
  EXPECT_EQ(bench.Batch().state, DeadlineState::kOnChain);
  EXPECT_TRUE(bench.Batch().posted_by_other);
}

// ---------------------------------------------------------------- whose message it is

TEST(SubmitTest, LookSaysExactlyWhatTheMessageOfTheBatchSays) {
  Bench bench;
  bench.Reach(DeadlineState::kProven);
  bench.Head(1031);
  const auto first = bench.Need<action::Survey>();
  EXPECT_TRUE(first.params_want_basis);
  auto params = filecoin::DecodeParams<filecoin::SubmitWindowedPoStParams>(first.params);
  ASSERT_OK(params.status());
  EXPECT_EQ(params->proofs.at(0).bytes, bench.Batch().proof) << "the proof too";
  bench.Do(bench.Answer(first));
  const action::Push send = bench.Send();
  bench.Head(1033);
  const auto later = bench.Need<action::Survey>();
  EXPECT_FALSE(later.params_want_basis);
  EXPECT_EQ(later.params, send.params);
}

TEST(SubmitTest, ForeignMessageIsReportedOnceAndOursGoesOut) {
  Bench bench;
  bench.Reach(DeadlineState::kProven);
  bench.Head(1031);
  event::Surveyed answer = bench.Answer(bench.Need<action::Survey>());
  answer.foreign = {{testing::CidOf(61), filecoin::Address::FromId(999), 5, ""}};
  bench.Do(answer);
  EXPECT_TRUE(bench.log.contains("foreign_message"));
  const action::Push send = bench.Need<action::Push>();
  EXPECT_EQ(send.from, filecoin::Address::FromId(101));
  bench.log.clear();
  bench.Fail(ActionKind::kPush, send.ref, absl::UnknownError("odd"));
  bench.Pause(absl::Seconds(1));
  answer = bench.Answer(bench.Need<action::Survey>());
  answer.foreign = {{testing::CidOf(61), filecoin::Address::FromId(999), 5, ""}};
  bench.Do(answer);
  EXPECT_FALSE(bench.log.contains("foreign_message"));
}

TEST(SubmitTest, FloodOfForeignMessagesDoesNotFloodTheLog) {
  Bench bench;
  bench.Reach(DeadlineState::kSubmitting);
  for (int head = 0; head < 6; ++head) {
    bench.Head(1032 + head);
    event::Surveyed answer = bench.Answer(bench.Need<action::Survey>());
    for (int n = 0; n < 8; ++n) {
      answer.foreign.push_back({testing::CidOf(static_cast<std::uint8_t>(head * 8 + n)),
                                filecoin::Address::FromId(999), 5, ""});
    }
    bench.Do(answer);
    bench.Take<action::PushAgain>();
  }
  EXPECT_EQ(bench.machine.state.foreign_said.size(), 32u);
}

// ---------------------------------------------------------------- messages that are dead

event::Surveyed NotSearched(Bench& bench, absl::Status why) {
  event::Surveyed answer = bench.Answer(bench.Need<action::Survey>());
  answer.search_trouble = std::move(why);
  answer.nonce_used = false;
  return answer;
}

TEST(SubmitTest, MessageWhoseNonceIsTakenOnChainGetsASuccessorAtOnce) {
  Bench bench;
  bench.Reach(DeadlineState::kSubmitting);
  const delivery::Uuid uuid = bench.Batch().message.uuid;
  bench.Head(1032);
  event::Surveyed answer = bench.Answer(bench.Need<action::Survey>());
  answer.message = MessageWhereabouts::kDead;
  answer.dead = "found message with equal nonce";
  bench.Do(answer);
  EXPECT_TRUE(bench.log.contains("message_dead"));
  bench.Survey();
  const action::Push send = bench.Need<action::Push>();
  EXPECT_EQ(send.ref.attempt, 2u);
  EXPECT_NE(send.uuid, uuid);
  EXPECT_EQ(bench.jobs, 1) << "the proof is the same";
}

TEST(SubmitTest, NodeThatFindsNothingUnderAUsedNonceMeansThatTheMessageIsDead) {
  Bench bench;
  bench.Reach(DeadlineState::kSubmitting);
  bench.Head(1032);
  event::Surveyed answer = bench.Answer(bench.Need<action::Survey>());
  answer.nonce_used = true;
  bench.Do(answer);
  bench.Survey();
  EXPECT_EQ(bench.Need<action::Push>().ref.attempt, 2u);
}

TEST(SubmitTest, DeadMessageWhoseTwinIsPostedIsASuccess) {
  Bench bench;
  bench.Reach(DeadlineState::kSubmitting);
  bench.posted = {k0, k1};
  bench.Head(1032);
  event::Surveyed answer = bench.Answer(bench.Need<action::Survey>());
  answer.message = MessageWhereabouts::kDead;
  bench.Do(answer);
  EXPECT_EQ(bench.Batch().state, DeadlineState::kOnChain);
  EXPECT_TRUE(bench.Batch().posted_by_other);
}

// A planted fault this must catch: a search that the node refuses for ever fails the look.
TEST(SubmitTest, NodeThatNeverSearchesIsDoneWithout) {
  for (const absl::Status& refusal :
       {absl::UnimplementedError("method not found"), absl::PermissionDeniedError("need read"),
        absl::UnauthenticatedError("token")}) {
    Bench bench;
    bench.Reach(DeadlineState::kSubmitting);
    bench.Head(1032);
    bench.Do(NotSearched(bench, refusal));
    EXPECT_EQ(bench.Batch().state, DeadlineState::kSubmitting);
    EXPECT_FALSE(bench.Has<action::Push>());
    bench.posted = {k0, k1};
    bench.Head(1033);
    event::Surveyed answer = NotSearched(bench, refusal);
    answer.nonce_used = true;
    bench.Do(answer);
    EXPECT_EQ(bench.Batch().state, DeadlineState::kOnChain) << refusal;
    bench.Head(1036);
    bench.Survey();
    EXPECT_EQ(bench.State(), DeadlineState::kConfirmed) << refusal;
  }
}

TEST(SubmitTest, NonceUsedWithoutAProofOnChainIsAnotherMessagesEvenWithoutASearch) {
  Bench bench;
  bench.Reach(DeadlineState::kSubmitting);
  bench.Head(1032);
  event::Surveyed answer = NotSearched(bench, absl::UnimplementedError("no"));
  answer.nonce_used = true;
  bench.Do(answer);
  bench.Survey();
  EXPECT_EQ(bench.Need<action::Push>().ref.attempt, 2u);
}

TEST(SubmitTest, SearchThatFailsSometimesIsWaitedFor) {
  Bench bench;
  bench.Reach(DeadlineState::kSubmitting);
  bench.posted = {k0, k1};
  for (int epoch = 1032; epoch <= 1034; ++epoch) {
    EXPECT_EQ(bench.Batch().state, DeadlineState::kSubmitting) << "the receipt says more";
    bench.Head(epoch);
    bench.Do(NotSearched(bench, absl::UnavailableError("busy")));
  }
  EXPECT_EQ(bench.Batch().state, DeadlineState::kOnChain);
}

TEST(SubmitTest, ReceiptStandsWhileTheChainCannotBeSearched) {
  Bench bench;
  bench.Reach(DeadlineState::kOnChain);
  bench.posted = {k0, k1};
  bench.Head(1036);
  bench.Do(NotSearched(bench, absl::UnavailableError("busy")));
  EXPECT_EQ(bench.State(), DeadlineState::kConfirmed);
}

TEST(SubmitTest, MissingSenderIsTriedAgain) {
  Bench bench;
  bench.Reach(DeadlineState::kProven);
  bench.Head(1031);
  event::Surveyed answer = bench.Answer(bench.Need<action::Survey>());
  answer.sender.reset();
  answer.sender_trouble = "no key of f01000 is in the wallet";
  bench.Do(answer);
  EXPECT_FALSE(bench.Has<action::Survey>());
  EXPECT_THAT(bench.Batch().note, HasSubstr("no key"));
  bench.Pause(*bench.wake_at - bench.now.time);
  bench.Survey();
  EXPECT_TRUE(bench.Has<action::Push>());
}

// ---------------------------------------------------------------- senders that fail

// A planted fault this must catch: the same sender is asked again and again.
TEST(SubmitTest, SenderThatIsRefusedIsSetAsideUntilTheClose) {
  const std::pair<absl::Status, const char*> refusals[] = {
      {absl::UnknownError("key info not found"), "no-key: sender f0101 (control)"},
      {absl::UnknownError("failed to sign: wallet is locked"), "cannot-sign"},
      {absl::UnknownError("not enough funds: 0 < 5"), "no-funds"},
      {absl::NotFoundError("getting key address: resolve address f1: actor not found"),
       "unknown-sender"},
      {absl::UnknownError("minimum expected nonce is 7: message nonce too low"), "nonce"},
      {absl::ResourceExhaustedError("too many pending messages for actor"), "pool-full"},
      {absl::FailedPreconditionError("message execution failed (exit=[ErrForbidden(18)], ...)"),
       "forbidden: sender f0101 (control): exit 18"},
      {absl::UnknownError("computer says no"), "refused"},
  };
  for (const auto& [refusal, said] : refusals) {
    Bench bench;
    bench.Reach(DeadlineState::kProven);
    bench.Head(1031);
    event::Surveyed answer = bench.Answer(bench.Need<action::Survey>());
    answer.sender_role = "control";
    bench.Do(answer);
    const action::Push send = bench.Need<action::Push>();
    bench.Fail(ActionKind::kPush, send.ref, refusal);
    const auto aside = bench.Need<action::SetAside>();
    EXPECT_EQ(aside.sender, send.from) << refusal;
    EXPECT_EQ(aside.until, bench.now.TimeOf(filecoin::ChainEpoch(1040))) << refusal;
    EXPECT_THAT(bench.Batch().note, HasSubstr(said)) << refusal;
  }
}

TEST(SubmitTest, SenderIsNotBlamedForWhatTheMessageSays) {
  for (const absl::Status& refusal :
       {absl::FailedPreconditionError("exit 16: invalid post was submitted"),
        absl::FailedPreconditionError("exit 16: partition already proven: BitField"),
        absl::AbortedError("estimating gas: no answer"),
        absl::UnknownError("'GasFeeCap' less than 'GasPremium'")}) {
    Bench bench;
    const action::Push send = Push(bench);
    bench.Fail(ActionKind::kPush, send.ref, refusal);
    EXPECT_FALSE(bench.Has<action::SetAside>()) << refusal;
  }
}

TEST(SubmitTest, SenderWhoseMessageFailsOnChainForItsOwnReasonsIsSetAside) {
  for (const std::int64_t exit_code : {1, 2, 6, 18, 19}) {
    Bench bench;
    FailOnChain(bench, exit_code, "");
    EXPECT_TRUE(bench.Has<action::SetAside>()) << exit_code;
  }
  Bench bench;
  FailOnChain(bench, 16, "");
  EXPECT_FALSE(bench.Has<action::SetAside>());
}

TEST(SubmitTest, WalletThatNeverAnswersIsGivenUpForAnother) {
  Bench bench;
  action::Push send = Push(bench);
  const delivery::Uuid uuid = send.uuid;
  int pushes = 1;
  bool under_way = true;
  for (int epoch = 1032; epoch < 1039 && !bench.Has<action::SetAside>(); ++epoch) {
    if (under_way) {
      bench.Fail(ActionKind::kPush, send.ref, absl::DeadlineExceededError("no answer"));
    }
    bench.Head(epoch);
    while (bench.Has<action::Survey>()) bench.Survey();
    const auto again = bench.Take<action::Push>();
    under_way = again.has_value();
    if (!again) continue;
    send = *again;
    ++pushes;
  }
  EXPECT_TRUE(bench.Has<action::SetAside>());
  EXPECT_LE(pushes, 4);
  EXPECT_TRUE(bench.log.contains("sender_given_up"));
  EXPECT_NE(send.uuid, uuid) << "another message, since another one sends it";
}

TEST(SubmitTest, WarningsOfTheSurveyAreLoggedAndALaneIsRepairedOnceAHead) {
  Bench bench;
  bench.Reach(DeadlineState::kSubmitting);
  LaneRepair lane{filecoin::Address::FromId(101), "control", 7, {1, 2}};
  const auto blocked = [&]() {
    event::Surveyed answer = bench.Answer(bench.Need<action::Survey>());
    answer.message = MessageWhereabouts::kPending;
    answer.cid = bench.Batch().message.cid;
    answer.repair = lane;
    answer.warnings = {{"f0101", "control", "waits for its fee", 7, "bafy"}};
    bench.Do(answer);
  };
  bench.Head(1032);
  blocked();
  EXPECT_TRUE(bench.log.contains("sender_trouble"));
  auto unblock = bench.Need<action::Unblock>();
  EXPECT_EQ(unblock.lane, lane);
  event::Unblocked done;
  done.ref = unblock.ref;
  done.lane = lane;
  done.pushed = true;
  bench.Do(done);
  EXPECT_TRUE(bench.log.contains("lane_repaired"));
  EXPECT_FALSE(bench.Has<action::Unblock>());
  bench.Head(1033);
  blocked();
  unblock = bench.Need<action::Unblock>();
  bench.Fail(ActionKind::kUnblock, unblock.ref, absl::UnknownError("key not found"));
  EXPECT_EQ(bench.Batch().state, DeadlineState::kSubmitting);
}

// A planted fault this must catch: patience with a message that no block takes.
TEST(SubmitTest, MessageBelowTheBaseFeeIsRaisedWithEveryHead) {
  Bench bench;
  bench.machine.record.deadline.close = filecoin::ChainEpoch(1090);  // patience of ten epochs
  bench.Reach(DeadlineState::kSubmitting);
  filecoin::SignedMessage waiting;
  waiting.message.from = waiting.message.to = filecoin::Address::FromId(101);
  waiting.message.gas_fee_cap = 500;
  bench.machine.record.batches[0].message.signed_message = filecoin::cbor::Encode(waiting);
  for (int epoch = 1032; epoch <= 1036; ++epoch) {
    bench.Head(epoch);
    event::Surveyed answer = bench.Answer(bench.Need<action::Survey>());
    answer.message = MessageWhereabouts::kPending;
    answer.cid = bench.Batch().message.cid;
    answer.base_fee = epoch == 1034 ? 500 : 501;
    bench.Do(answer);
    ASSERT_EQ(bench.Has<action::SignReplacement>(), epoch != 1034) << epoch;
    if (epoch == 1034) continue;
    event::ReplacementSigned limited;
    limited.ref = bench.Need<action::SignReplacement>().ref;
    limited.limited = "PoSt.MaxGasFeeCap is 5 nanoFIL: raise that";
    bench.log.clear();
    bench.Do(limited);
    EXPECT_EQ(bench.log.contains("fee_limit_reached"), epoch == 1032) << "once";
    EXPECT_THAT(bench.Batch().note, HasSubstr("raise that"));
  }
}

// ---------------------------------------------------------------- refused by the dry run

TEST(SubmitTest, DryRunThatSaysAlreadyProvenIsASuccessAfterALook) {
  Bench bench;
  const action::Push send = Push(bench);
  bench.posted = {k0, k1};
  bench.Fail(ActionKind::kPush, send.ref,
             absl::FailedPreconditionError("exit 16: partition already proven: BitField"));
  bench.Survey();
  EXPECT_EQ(bench.Batch().state, DeadlineState::kOnChain);
  EXPECT_FALSE(bench.Has<action::Push>());
}

TEST(SubmitTest, DryRunThatSaysInvalidPostProvesAgain) {
  Bench bench;
  const action::Push send = Push(bench);
  bench.Fail(ActionKind::kPush, send.ref,
             absl::FailedPreconditionError("exit 16: invalid post was submitted"));
  EXPECT_EQ(bench.Batch().state, DeadlineState::kProving);
  EXPECT_TRUE(bench.Has<action::ReadRandomness>());
  bench.Prove();  // the same bytes again: not taken before the reset
  EXPECT_EQ(bench.Batch().state, DeadlineState::kProving);
  const auto reset = bench.Need<action::ResetJob>();
  bench.Do(event::JobReset{reset.ref});
  bench.Prove();
  EXPECT_EQ(bench.Batch().state, DeadlineState::kProven);
  bench.Survey();
  EXPECT_NE(bench.Need<action::Push>().uuid, send.uuid);
}

TEST(SubmitTest, RefusalsArePausedAndBounded) {
  Bench bench;
  action::Push send = Push(bench);
  absl::Duration last = absl::ZeroDuration();
  for (int i = 0; i < 4; ++i) {
    bench.Fail(ActionKind::kPush, send.ref, absl::UnknownError("mysterious"));
    ASSERT_TRUE(bench.wake_at.has_value());
    const absl::Duration pause = *bench.wake_at - bench.now.time;
    EXPECT_GT(pause, last);
    last = pause;
    bench.Pause(pause);
    bench.Survey();
    send = bench.Need<action::Push>();
  }
  EXPECT_EQ(bench.jobs, 1) << "an odd refusal is no reason to doubt the proof";
}

TEST(SubmitTest, EstimatorThatFailsTwiceIsDoneWithout) {
  Bench bench;
  action::Push send = Push(bench);
  EXPECT_EQ(send.gas_limit, 0);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(send.gas_limit, 0) << "once may be bad luck";
    bench.Fail(ActionKind::kPush, send.ref, absl::UnknownError("failed to estimate gas: timeout"));
    bench.Pause(*bench.wake_at - bench.now.time);
    bench.Survey();
    send = bench.Need<action::Push>();
  }
  EXPECT_EQ(send.gas_limit, 1'200'000'000) << "two partitions";
}

TEST(SubmitTest, LimitThatWasGoodBeforeIsPreferredToTheFallback) {
  Bench bench;
  bench.policy.max_partitions_per_message = 1;
  bench.Head(1027);
  bench.ReadInputs();
  bench.CheckSectors();
  bench.EnsureJob();
  bench.EnsureJob();
  bench.Prove(0);
  bench.Head(1031);
  bench.Survey();
  bench.Send();
  bench.Prove(1);
  bench.Survey();
  action::Push send = bench.Need<action::Push>();
  for (int i = 0; i < 2; ++i) {
    bench.Fail(ActionKind::kPush, send.ref, absl::AbortedError("estimating gas: no answer"));
    bench.Pause(*bench.wake_at - bench.now.time);
    bench.Survey();
    send = bench.Need<action::Push>();
  }
  EXPECT_EQ(send.gas_limit, bench.Batch(0).message.signed_gas_limit);
}

// ---------------------------------------------------------------- bad receipts

TEST(SubmitTest, ReceiptThatSaysAlreadyProvenIsASuccessAfterALook) {
  Bench bench;
  FailOnChain(bench, 16, "failed to process post submission: partition already proven: BitField");
  bench.posted = {k0, k1};
  bench.Survey();
  EXPECT_EQ(bench.Batch().state, DeadlineState::kOnChain);
}

TEST(SubmitTest, ReceiptThatSaysInvalidPostProvesAgain) {
  Bench bench;
  FailOnChain(bench, 16, "invalid post was submitted");
  EXPECT_EQ(bench.Batch().state, DeadlineState::kProving);
  EXPECT_TRUE(bench.Has<action::ResetJob>());
}

TEST(SubmitTest, OutOfGasIsSentAgainWithMore) {
  Bench bench;
  FailOnChain(bench, 7, "");
  bench.Pause(absl::Seconds(1));
  bench.Survey();
  const auto send = bench.Need<action::Push>();
  EXPECT_EQ(send.gas_limit, 7500) << "1.5 times the 5000 that it used";
  EXPECT_EQ(send.ref.attempt, 2u);
}

TEST(SubmitTest, MismatchedCommitRandomnessIsSentAgainFresh) {
  Bench bench;
  FailOnChain(bench, 16, "post commit randomness mismatched");
  bench.commit_randomness = Filled(11);
  bench.Need<action::ReadRandomness>();
  bench.Do(event::RandomnessRead{bench.randomness});
  bench.Pause(absl::Seconds(1));
  bench.Survey();
  bench.Need<action::Push>();
  EXPECT_EQ(bench.Batch().message.basis, Filled(11));
  EXPECT_EQ(bench.jobs, 1);
}

TEST(SubmitTest, WithoutTheChainsWordsASecondFailureDoubtsTheProof) {
  Bench bench;
  FailOnChain(bench, 16, "");
  EXPECT_EQ(bench.Batch().state, DeadlineState::kProven);
  bench.Pause(absl::Seconds(1));
  bench.Survey();
  bench.Send();
  bench.Head(1035);
  bench.SurveyReceipt(16, 1035);
  const auto explain = bench.Need<action::Explain>();
  bench.Do(event::Explained{{""}, explain.ref});
  EXPECT_TRUE(bench.Has<action::ResetJob>());
}

TEST(SubmitTest, ExplanationIsNotNeeded) {
  Bench bench;
  bench.Reach(DeadlineState::kSubmitting);
  bench.Head(1033);
  bench.SurveyReceipt(7, 1033);
  for (int i = 0; i < 3; ++i) {
    const auto explain = bench.Need<action::Explain>();
    bench.Fail(ActionKind::kExplain, explain.ref, absl::UnavailableError("busy"));
    if (bench.wake_at) bench.Pause(*bench.wake_at - bench.now.time);
  }
  EXPECT_TRUE(bench.Has<action::Survey>()) << "out of gas is clear from the code";
}

TEST(SubmitTest, FailureAfterTheCloseIsMissedWithTheChainsWords) {
  Bench bench;
  bench.Reach(DeadlineState::kSubmitting);
  bench.Head(1041);
  bench.SurveyReceipt(16, 1041);
  const auto explain = bench.Need<action::Explain>();
  bench.Do(event::Explained{{"invalid deadline 3 at epoch 1040, expected 4"}, explain.ref});
  bench.Head(1042);
  bench.Survey();
  EXPECT_EQ(bench.State(), DeadlineState::kMissed);
  EXPECT_THAT(bench.Record().reason, HasSubstr("invalid deadline 3 at epoch 1040"));
}

// ---------------------------------------------------------------- messages that vanish

TEST(SubmitTest, DroppedMessageIsPushedAgainAsItWas) {
  Bench bench;
  bench.Reach(DeadlineState::kSubmitting);
  const filecoin::Cid cid = *bench.Batch().message.cid;
  for (int epoch = 1032; epoch <= 1034; ++epoch) {
    bench.Head(epoch);
    bench.Survey();
    EXPECT_FALSE(bench.Has<action::PushAgain>());
  }
  bench.Head(1035);
  bench.Survey();
  const auto again = bench.Need<action::PushAgain>();
  EXPECT_EQ(again.signed_message, bench.Batch().message.signed_message);
  bench.Do(event::PushedAgain{{}, again.ref});
  bench.Head(1036);
  bench.SurveyReceipt(0, 1036);
  EXPECT_EQ(bench.Batch().message.cid, cid);
  EXPECT_EQ(bench.Batch().state, DeadlineState::kOnChain);
}

// A planted fault this must catch: the same patience in the last epochs as at the opening.
TEST(SubmitTest, MessageDroppedNearTheCloseIsPushedAgainSooner) {
  Bench bench;
  bench.Reach(DeadlineState::kProven);
  bench.Head(1035);
  bench.Survey();
  bench.Send();
  bench.Head(1036);
  bench.Survey();
  EXPECT_FALSE(bench.Has<action::PushAgain>());
  bench.Head(1037);
  bench.Survey();
  const auto again = bench.Need<action::PushAgain>();
  bench.Do(event::PushedAgain{{}, again.ref});
  bench.Head(1038);
  bench.Survey();
  EXPECT_FALSE(bench.Has<action::PushAgain>());
}

TEST(SubmitTest, DroppedMessageWhoseNonceIsTakenGetsASuccessor) {
  Bench bench;
  bench.Reach(DeadlineState::kSubmitting);
  for (int epoch = 1032; epoch <= 1035; ++epoch) {
    bench.Head(epoch);
    bench.Survey();
  }
  const auto again = bench.Need<action::PushAgain>();
  bench.Fail(ActionKind::kPushAgain, again.ref, absl::UnknownError("nonce too low"));
  bench.Survey();
  EXPECT_EQ(bench.Need<action::Push>().ref.attempt, 2u);
}

// The next look finds it in the mempool.
void SeePending(Bench& bench) {
  event::Surveyed answer = bench.Answer(bench.Need<action::Survey>());
  answer.message = MessageWhereabouts::kPending;
  answer.cid = bench.Batch().message.cid;
  bench.Do(answer);
}

TEST(SubmitTest, PendingMessageIsLeftAloneUnlessItsFeeIsTooLow) {
  Bench bench;
  bench.Reach(DeadlineState::kSubmitting);
  bench.Head(1032);
  SeePending(bench);
  EXPECT_THAT(bench.actions, IsEmpty());
  for (int epoch = 1033; epoch <= 1038; ++epoch) {
    bench.Head(epoch);
    SeePending(bench);
    const auto raise = bench.Need<action::SignReplacement>();
    EXPECT_EQ(raise.signed_message, bench.Batch().message.signed_message);
    event::ReplacementSigned nothing;
    nothing.ref = raise.ref;
    bench.Do(nothing);
    EXPECT_THAT(bench.actions, IsEmpty());
  }
}

TEST(SubmitTest, MessageThatWaitsForItsFeeIsReplacedAndItsSuccessorFollowed) {
  Bench bench;
  bench.Reach(DeadlineState::kSubmitting);
  const filecoin::Cid old = *bench.Batch().message.cid;
  bench.Head(1033);
  SeePending(bench);
  event::ReplacementSigned raised;
  raised.ref = bench.Need<action::SignReplacement>().ref;
  raised.signed_message = {7, 8};
  raised.fee_cap = "10 nanoFIL";
  bench.Do(raised);
  EXPECT_TRUE(bench.changed) << "on disk before the push";
  const auto replace = bench.Need<action::PushReplacement>();
  EXPECT_EQ(replace.signed_message, (Bytes{7, 8}));
  bench.Do(event::ReplacementPushed{{}, replace.ref});
  EXPECT_EQ(bench.Batch().message.signed_message, (Bytes{7, 8}));
  EXPECT_EQ(bench.Batch().message.cid, old) << "any node knows that one";
  EXPECT_TRUE(bench.log.contains("message_fee_raised"));
  bench.Head(1034);
  const auto look = bench.Need<action::Survey>();
  EXPECT_EQ(look.signed_message, (Bytes{7, 8}));
  event::Surveyed found = bench.Answer(look);
  found.message = MessageWhereabouts::kPending;
  found.cid = testing::CidOf(70);
  found.signed_message = {7, 8};
  bench.Do(found);
  EXPECT_EQ(bench.Batch().message.cid, testing::CidOf(70));
  EXPECT_FALSE(bench.Has<action::SignReplacement>()) << "not again at once";
  bench.Head(1036);
  bench.SurveyReceipt(0, 1036);
  EXPECT_EQ(bench.Batch().state, DeadlineState::kOnChain);
}

// A message that waits for its fee in the pool, and what replaces it.
struct WaitingPost {
  explicit WaitingPost(Bench& bench) {
    bench.Reach(DeadlineState::kSubmitting);
    old_one.message.from = old_one.message.to = filecoin::Address::FromId(101);
    old_one.message.gas_fee_cap = 500;
    new_one = old_one;
    new_one.message.gas_fee_cap = 900;
    BatchMessage& message = bench.machine.record.batches[0].message;
    message.cid = CidOf(old_one);
    message.signed_message = filecoin::cbor::Encode(old_one);
  }
  // The look of a head, with the message in the pool.
  static void See(Bench& bench, std::int64_t epoch, const filecoin::SignedMessage& message) {
    bench.Head(epoch);
    event::Surveyed answer = bench.Answer(bench.Need<action::Survey>());
    answer.message = MessageWhereabouts::kPending;
    answer.cid = CidOf(message);
    answer.signed_message = filecoin::cbor::Encode(message);
    answer.base_fee = 800;
    bench.Do(answer);
  }
  void Raise(Bench& bench) const {
    event::ReplacementSigned raised;
    raised.ref = bench.Need<action::SignReplacement>().ref;
    raised.signed_message = filecoin::cbor::Encode(new_one);
    bench.Do(raised);
  }
  filecoin::SignedMessage old_one;
  filecoin::SignedMessage new_one;
};

TEST(SubmitTest, ReplacementOnDiskIsPushedUntilThePoolHasIt) {
  Bench bench;
  const WaitingPost post(bench);
  post.See(bench, 1032, post.old_one);
  post.Raise(bench);
  const Bytes bytes = filecoin::cbor::Encode(post.new_one);
  EXPECT_EQ(bench.Batch().message.signed_message, bytes);
  // The life ends before the push; then a push is not answered.
  bench.Restart();
  post.See(bench, 1033, post.old_one);
  EXPECT_FALSE(bench.Has<action::SignReplacement>()) << "of what the pool has not";
  auto replace = bench.Need<action::PushReplacement>();
  EXPECT_EQ(replace.signed_message, bytes);
  bench.Fail(ActionKind::kPushReplacement, replace.ref, absl::UnavailableError("lost"));
  post.See(bench, 1034, post.old_one);
  replace = bench.Need<action::PushReplacement>();
  EXPECT_EQ(replace.signed_message, bytes);
  bench.Do(event::ReplacementPushed{{}, replace.ref});
  post.See(bench, 1035, post.new_one);
  EXPECT_FALSE(bench.Has<action::PushReplacement>());
  EXPECT_EQ(bench.Batch().message.cid, CidOf(post.new_one));
  EXPECT_EQ(bench.Batch().message.attempt, 1u) << "the same message all the time";
}

TEST(SubmitTest, ReplacementThatTheNodeRefusesIsMadeAnewOfWhatThePoolHas) {
  Bench bench;
  const WaitingPost post(bench);
  post.See(bench, 1032, post.old_one);
  post.Raise(bench);
  bench.Fail(ActionKind::kPushReplacement, bench.Need<action::PushReplacement>().ref,
             absl::UnknownError("replace by fee has too low GasPremium"));
  EXPECT_EQ(bench.Batch().state, DeadlineState::kSubmitting) << "the old one waits on";
  post.See(bench, 1033, post.old_one);
  EXPECT_FALSE(bench.Has<action::PushReplacement>());
  EXPECT_EQ(bench.Batch().message.signed_message, filecoin::cbor::Encode(post.old_one));
  EXPECT_EQ(bench.Need<action::SignReplacement>().signed_message,
            filecoin::cbor::Encode(post.old_one));
}

// A planted fault this must catch: what was raised a moment ago gets the patience of the opening,
// when others outbid it in the last epochs.
TEST(SubmitTest, MessageThatWaitsNearTheCloseIsLookedAtWithEveryHead) {
  Bench bench;
  const WaitingPost post(bench);
  post.See(bench, 1036, post.old_one);
  post.Raise(bench);
  bench.Do(event::ReplacementPushed{{}, bench.Need<action::PushReplacement>().ref});
  bench.Head(1037);
  event::Surveyed answer = bench.Answer(bench.Need<action::Survey>());
  answer.message = MessageWhereabouts::kPending;
  answer.cid = CidOf(post.new_one);
  answer.signed_message = filecoin::cbor::Encode(post.new_one);
  answer.base_fee = 100;  // it pays that
  bench.Do(answer);
  const auto raise = bench.Need<action::SignReplacement>();
  EXPECT_FALSE(raise.passed_over) << "one block only has gone by";
  event::ReplacementSigned enough;
  enough.ref = raise.ref;
  bench.Do(enough);
  bench.Head(1038);
  answer.ref = bench.Need<action::Survey>().ref;
  bench.Do(answer);
  EXPECT_TRUE(bench.Need<action::SignReplacement>().passed_over);
}

// The wallet answers when nothing can be executed in the window any more: a dearer message would
// only fail, and stand in front of the next window's.
TEST(SubmitTest, FeeThatIsRaisedTooLateIsNotPushed) {
  Bench bench;
  const WaitingPost post(bench);
  post.See(bench, 1036, post.old_one);
  event::ReplacementSigned raised;
  raised.ref = bench.Need<action::SignReplacement>().ref;
  raised.signed_message = filecoin::cbor::Encode(post.new_one);
  bench.Head(1039);
  bench.Do(raised);
  EXPECT_FALSE(bench.Has<action::PushReplacement>());
  EXPECT_EQ(bench.Batch().message.signed_message, filecoin::cbor::Encode(post.old_one));
}

// What waits, whose sender cannot sign any more, and the look that says who else can send.
struct StrandedPost : WaitingPost {
  explicit StrandedPost(Bench& bench, absl::Status why = absl::UnknownError("key info not found"))
      : WaitingPost(bench) {
    bench.machine.record.batches[0].message.from = old_one.message.from;
    See(bench, 1032, old_one);
    bench.Fail(ActionKind::kSignReplacement, bench.Need<action::SignReplacement>().ref,
               std::move(why));
  }
  void SeeSender(Bench& bench, std::optional<filecoin::Address> sender) const {
    const auto survey = bench.Need<action::Survey>();
    EXPECT_TRUE(survey.want_sender);
    event::Surveyed answer = bench.Answer(survey);
    answer.message = MessageWhereabouts::kPending;
    answer.cid = CidOf(old_one);
    answer.signed_message = filecoin::cbor::Encode(old_one);
    answer.base_fee = 800;
    answer.sender = std::move(sender);
    bench.Do(answer);
  }
  const filecoin::Address other = filecoin::Address::FromId(102);
};

// The look before a message, with this sender chosen.
action::Survey LookBeforeSend(Bench& bench, const filecoin::Address& sender) {
  auto survey = bench.Need<action::Survey>();
  event::Surveyed answer = bench.Answer(survey);
  answer.sender = sender;
  bench.Do(answer);
  return survey;
}

// A planted fault this must catch: a message whose sender lost its key is waited for to the close.
TEST(SubmitTest, AnotherOneSendsWhatItsSenderCannotRaise) {
  for (const absl::Status& why :
       {absl::UnknownError("key info not found"), absl::UnknownError("wallet is locked"),
        absl::NotFoundError("resolve address: actor not found"),
        absl::UnimplementedError("of a delegated (f4) sender only the node can")}) {
    SCOPED_TRACE(why);
    for (const bool restart : {false, true}) {
      Bench bench;
      const StrandedPost post(bench, why);
      EXPECT_EQ(bench.Need<action::SetAside>().sender, post.old_one.message.from);
      EXPECT_TRUE(bench.log.contains("message_cannot_be_raised"));
      const delivery::Uuid uuid = bench.Batch().message.uuid;
      post.SeeSender(bench, post.other);
      EXPECT_EQ(bench.Batch().given_up, std::vector{post.old_one.message.from});
      EXPECT_TRUE(bench.log.contains("message_given_up"));
      if (restart) bench.Restart();
      EXPECT_EQ(LookBeforeSend(bench, post.other).given_up, bench.Batch().given_up);
      if (restart) bench.Restart();
      if (restart) {  // sent or not?  Nobody knows
        const auto survey = bench.Need<action::Survey>();
        EXPECT_EQ(survey.given_up, bench.Batch().given_up);
        continue;
      }
      const action::Push send = bench.Send();
      EXPECT_EQ(send.from, post.other);
      EXPECT_NE(send.uuid, uuid);
      EXPECT_EQ(bench.Batch().message.attempt, 2u);
      EXPECT_EQ(bench.Batch().given_up.size(), 1u);
    }
  }
}

// What is out is brought to its end, by whoever can.
TEST(SubmitTest, GivenUpMessageOfADisabledMinerGetsItsSuccessor) {
  Bench bench;
  const StrandedPost post(bench);
  post.SeeSender(bench, post.other);
  ASSERT_EQ(bench.Batch().state, DeadlineState::kProven);
  bench.actions.clear();
  Machine loaded = LoadedMachine(bench.machine.record);
  StepResult result =
      Step(std::move(loaded), event::Tick{}, bench.now, bench.policy, Effort::kFinishOnly);
  EXPECT_TRUE(std::any_of(result.actions.begin(), result.actions.end(), [](const Action& action) {
    return std::holds_alternative<action::Survey>(action);
  }));
}

TEST(SubmitTest, WhoIsLeftAloneStaysWithWhatWaits) {
  Bench bench;
  const StrandedPost post(bench);
  post.SeeSender(bench, std::nullopt);
  EXPECT_EQ(bench.Batch().state, DeadlineState::kSubmitting);
  bench.Head(1033);
  post.SeeSender(bench, post.old_one.message.from);
  EXPECT_EQ(bench.Batch().state, DeadlineState::kSubmitting);
  EXPECT_EQ(bench.Batch().message.cid, CidOf(post.old_one));
  EXPECT_TRUE(bench.Batch().given_up.empty());
  // The key is back.
  post.Raise(bench);
  bench.Do(event::ReplacementPushed{{}, bench.Need<action::PushReplacement>().ref});
  bench.Head(1034);
  EXPECT_FALSE(bench.Need<action::Survey>().want_sender);
}

// Nobody else can send after all: what was given up is followed again.
TEST(SubmitTest, GivenUpMessageIsTakenUpAgainIfNobodyElseCanSend) {
  for (const bool none : {false, true}) {
    Bench bench;
    const StrandedPost post(bench);
    post.SeeSender(bench, post.other);
    event::Surveyed answer = bench.Answer(bench.Need<action::Survey>());
    answer.sender = post.old_one.message.from;
    if (none) answer.sender.reset();
    bench.Do(answer);
    EXPECT_TRUE(bench.Batch().given_up.empty());
    const auto survey = bench.Need<action::Survey>();
    EXPECT_TRUE(survey.given_up.empty());
    answer = bench.Answer(survey);
    answer.message = MessageWhereabouts::kPending;
    answer.cid = CidOf(post.old_one);
    answer.signed_message = filecoin::cbor::Encode(post.old_one);
    bench.Do(answer);
    EXPECT_EQ(bench.Batch().state, DeadlineState::kSubmitting);
    EXPECT_EQ(bench.Batch().message.cid, CidOf(post.old_one));
  }
}

TEST(SubmitTest, GivenUpMessageThatLandsIsASuccess) {
  // Before the other one is sent.
  Bench before;
  const StrandedPost first(before);
  first.SeeSender(before, first.other);
  before.posted = {k0, k1};
  before.Survey();
  EXPECT_EQ(before.Batch().state, DeadlineState::kOnChain);
  // While the other one waits, in the window and behind it.
  for (const std::int64_t epoch : {1034, 1041}) {
    Bench bench;
    const StrandedPost post(bench);
    post.SeeSender(bench, post.other);
    LookBeforeSend(bench, post.other);
    bench.Send();
    bench.posted = {k0, k1};
    bench.Head(epoch);
    SeePending(bench);
    EXPECT_EQ(bench.Batch().state, DeadlineState::kOnChain) << epoch;
  }
}

TEST(SubmitTest, SilentWalletIsAskedSomeTimesBeforeAnotherOneSends) {
  Bench bench;
  const absl::Status silent = absl::DeadlineExceededError("no answer in 60 s");
  const StrandedPost post(bench, silent);
  for (std::int64_t epoch = 1033; epoch <= 1034; ++epoch) {
    EXPECT_FALSE(bench.log.contains("message_cannot_be_raised"));
    post.See(bench, epoch, post.old_one);
    bench.Fail(ActionKind::kSignReplacement, bench.Need<action::SignReplacement>().ref, silent);
  }
  post.SeeSender(bench, post.other);
  EXPECT_EQ(bench.Batch().state, DeadlineState::kProven);
  // Late there is no time for that.
  Bench late;
  const WaitingPost waiting(late);
  waiting.See(late, 1036, waiting.old_one);
  late.Fail(ActionKind::kSignReplacement, late.Need<action::SignReplacement>().ref, silent);
  EXPECT_TRUE(late.Need<action::Survey>().want_sender);
}

// The message itself would do, but one of another program is in front of it.
TEST(SubmitTest, LaneThatItsSenderCannotMakeFreeIsLeft) {
  Bench bench;
  const WaitingPost post(bench);
  bench.machine.record.batches[0].message.from = post.old_one.message.from;
  bench.Head(1032);
  event::Surveyed answer = bench.Answer(bench.Need<action::Survey>());
  answer.message = MessageWhereabouts::kPending;
  answer.cid = CidOf(post.old_one);
  answer.signed_message = filecoin::cbor::Encode(post.old_one);
  answer.base_fee = 100;
  answer.repair = LaneRepair{post.old_one.message.from, "control", 3, {1}};
  bench.Do(answer);
  const auto unblock = bench.Need<action::Unblock>();
  bench.Fail(ActionKind::kUnblock, unblock.ref, absl::UnknownError("key info not found"));
  EXPECT_TRUE(bench.Need<action::Survey>().want_sender);
}

// A planted fault this must catch: who sends is blamed for the lane of the one who could not.
TEST(SubmitTest, LaneOfAnotherOneSaysNothingAboutTheSender) {
  Bench bench;
  const StrandedPost post(bench);
  bench.Need<action::SetAside>();
  post.SeeSender(bench, post.other);
  event::Surveyed answer = bench.Answer(bench.Need<action::Survey>());
  answer.sender = post.other;
  answer.repair = LaneRepair{post.old_one.message.from, "control", 0, {1}};
  bench.Do(answer);
  const auto unblock = bench.Need<action::Unblock>();
  bench.Send();
  bench.Fail(ActionKind::kUnblock, unblock.ref, absl::UnknownError("key info not found"));
  EXPECT_FALSE(bench.Has<action::SetAside>());
  bench.Head(1033);
  EXPECT_FALSE(bench.Need<action::Survey>().want_sender);
}

TEST(SubmitTest, FeeThatCannotBeRaisedChangesNothing) {
  Bench bench;
  bench.Reach(DeadlineState::kSubmitting);
  bench.Head(1033);
  SeePending(bench);
  const Bytes before = bench.Batch().message.signed_message;
  bench.Fail(ActionKind::kSignReplacement, bench.Need<action::SignReplacement>().ref,
             absl::FailedPreconditionError("PoSt.MaxGasFeeCap is 5 nanoFIL: raise that"));
  EXPECT_EQ(bench.Batch().state, DeadlineState::kSubmitting);
  EXPECT_EQ(bench.Batch().message.signed_message, before);
  EXPECT_THAT(bench.Batch().note, HasSubstr("raise that"));
  EXPECT_FALSE(bench.Has<action::SetAside>()) << "another one has the same limit";
  bench.Head(1034);
  SeePending(bench);
  EXPECT_TRUE(bench.Has<action::SignReplacement>());
}

TEST(SubmitTest, MessageInTheLastBlockStillCounts) {
  Bench bench;
  bench.Reach(DeadlineState::kProven);
  bench.Head(1038);  // pushed now, executed at 1039, seen at 1040
  bench.Survey();
  bench.Send();
  bench.Head(1040);
  EXPECT_EQ(bench.State(), DeadlineState::kSubmitting);
  bench.SurveyReceipt(0, 1040);
  EXPECT_EQ(bench.State(), DeadlineState::kOnChain);
  bench.Head(1043);
  bench.SurveyReceipt(0, 1040);
  EXPECT_EQ(bench.State(), DeadlineState::kConfirmed);
}

TEST(SubmitTest, NothingIsSentThatCannotBeExecutedInTime) {
  Bench bench;
  bench.Reach(DeadlineState::kProven);
  bench.Head(1039);
  EXPECT_FALSE(bench.Has<action::Survey>());
  bench.Head(1040);
  const auto question = bench.Need<action::Survey>();
  EXPECT_FALSE(question.want_sender) << "only whether somebody posted it";
  bench.Do(bench.Answer(question));
  EXPECT_EQ(bench.State(), DeadlineState::kMissed);
}

TEST(SubmitTest, MessageNeverFoundIsMissedSomeTimeAfterTheClose) {
  Bench bench;
  bench.Reach(DeadlineState::kSubmitting);
  for (int epoch = 1032; epoch < 1053; ++epoch) {
    bench.Head(epoch);
    while (bench.Has<action::Survey>()) bench.Survey();
    if (auto again = bench.Take<action::PushAgain>()) bench.Do(event::PushedAgain{{}, again->ref});
    ASSERT_EQ(bench.State(), DeadlineState::kSubmitting) << epoch;
  }
  bench.Head(1053);  // close + depth 3 + 10
  EXPECT_EQ(bench.State(), DeadlineState::kMissed);
}

// ---------------------------------------------------------------- words of the chain

TEST(MessageErrorsTest, ErrorsOfThePushAreToldApart) {
  using absl::FailedPreconditionError;
  using absl::UnknownError;
  struct Case {
    absl::Status status;
    MessageTrouble trouble;
  };
  const Case cases[] = {
      {absl::UnavailableError("connection refused"), MessageTrouble::kUnknownFate},
      {absl::DeadlineExceededError("no answer in 60 s"), MessageTrouble::kUnknownFate},
      {absl::DataLossError("answer is cut off"), MessageTrouble::kUnknownFate},
      {absl::PermissionDeniedError("missing permission to invoke"), MessageTrouble::kPermission},
      {FailedPreconditionError("message execution failed: exit ErrIllegalArgument(16), reason: "
                               "invalid deadline 3 at epoch 5, expected 4"),
       MessageTrouble::kWrongDeadline},
      {FailedPreconditionError(
           "message execution failed (exit=[ErrForbidden(18)], vm error=[...])"),
       MessageTrouble::kForbidden},
      {UnknownError("mpool push: not enough funds: 0 < 5"), MessageTrouble::kNoFunds},
      {UnknownError("failed to sign: key not found"), MessageTrouble::kNoKey},
      {UnknownError("GasEstimateMessageGas error: estimating gas used: timeout"),
       MessageTrouble::kEstimator},
      {absl::AbortedError("estimating gas, nothing was pushed: no answer"),
       MessageTrouble::kEstimator},
      {UnknownError("what"), MessageTrouble::kRefused},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(ClassifySendError(c.status), c.trouble) << c.status;
  }
  const std::pair<absl::Status, SearchTrouble> searches[] = {
      {UnknownError("found message with equal nonce as the one we are looking for (F:b n 3, TS: c "
                    "n3)"),
       SearchTrouble::kNonceTaken},
      {UnknownError("failed to search: found message with equal nonce as the one we are looking "
                    "for that is NOT a valid replacement message (F:b n 3, TS: c n3)"),
       SearchTrouble::kNonceTaken},
      {absl::InvalidArgumentError("found message with equal nonce and call params but different "
                                  "CID. wanted b, found: c, nonce: 3, from: f1"),
       SearchTrouble::kNonceTaken},
      {absl::NotFoundError("failed to load message: ipld: could not find bafy"),
       SearchTrouble::kNeverHeard},
      {absl::UnimplementedError("method 'Filecoin.StateSearchMsg' not found"),
       SearchTrouble::kCannotSearch},
      {absl::PermissionDeniedError("missing permission to invoke"), SearchTrouble::kCannotSearch},
      {absl::UnavailableError("an equal nonce of trouble"), SearchTrouble::kRetry},
      {UnknownError("what"), SearchTrouble::kRetry},
  };
  for (const auto& [status, trouble] : searches) {
    EXPECT_EQ(ClassifySearchError(status), trouble) << status;
  }
  EXPECT_EQ(ExitCodeIn("message execution failed (exit=[ErrForbidden(18)], vm error=[x])"), 18);
  EXPECT_EQ(ExitCodeIn("message execution failed: exit ErrIllegalArgument(16), reason: no"), 16);
  EXPECT_EQ(ExitCodeIn("vm error (RetCode=7)"), 7);
  EXPECT_EQ(ExitCodeIn("exit 16: already proven"), 16);
  EXPECT_EQ(ExitCodeIn("exit status unknown"), std::nullopt);
  EXPECT_EQ(ExitCodeIn(""), std::nullopt);
  EXPECT_EQ(ClassifyReceipt(7, ""), MessageTrouble::kOutOfGas);
  EXPECT_EQ(ClassifyReceipt(18, ""), MessageTrouble::kForbidden);
  EXPECT_EQ(ClassifyReceipt(16, ""), MessageTrouble::kRefused);
  EXPECT_EQ(ClassifyReceipt(16, "Invalid PoSt was submitted"), MessageTrouble::kInvalidPost);
}

}  // namespace
}  // namespace damocles::poster
