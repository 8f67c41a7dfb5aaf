// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/winning/round.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/winning/winning_support.h"

#include "damocles/base/random.h"

namespace damocles::winning {
namespace {

using filecoin::ChainEpoch;
using filecoin::EpochDelta;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::HeaderOf;
using ::testing::IsEmpty;
using testing::KeyOf;

const absl::Time kGenesis = absl::FromUnixSeconds(1'700'000'000);

absl::Time TimeOf(std::int64_t height) {
  return kGenesis + absl::Seconds(30) * height;
}

Head HeadAt(std::int64_t height, const std::vector<std::uint64_t>& blocks,
            const std::vector<std::uint64_t>& parents) {
  return {.base = {.key = KeyOf(blocks), .height = ChainEpoch(height), .parents = KeyOf(parents)},
          .timestamp = TimeOf(height)};
}

class RoundTest : public ::testing::Test {
 protected:
  void Feed(const Event& event) {
    StepResult step = Step(rules_, std::move(state_), event, now_);
    state_ = std::move(step.state);
    actions_ = std::move(step.actions);
    for (Ended& ended : step.ended) ended_.push_back(std::move(ended));
    deleted_ = std::move(step.deleted);
    EXPECT_THAT(InvariantsOf(state_).Rules(), IsEmpty());
    EXPECT_GT(WakeAt(rules_, state_), now_);
  }
  void At(absl::Time time) {
    now_ = time;
    Feed(event::Tick{});
  }
  event::Answer Answer() {
    event::Answer answer;
    answer.attempt = state_.attempt.id;
    answer.stage = state_.stage;
    answer.wins = 1;
    answer.head = state_.attempt.head;
    answer.header = HeaderOf(state_.attempt, 1);
    return answer;
  }
  void Fail(absl::Status status) {
    event::Answer answer = Answer();
    answer.status = std::move(status);
    Feed(answer);
  }
  std::vector<Stage> Asked() {
    std::vector<Stage> stages;
    for (const Action& action : actions_) stages.push_back(action.stage);
    return stages;
  }
  // To the stage, with answers that are all well.
  void GoTo(Stage stage) {
    for (int i = 0; i < 30 && state_.stage != stage; ++i) {
      if (state_.stage == Stage::kIdle || state_.stage == Stage::kSettling ||
          state_.stage == Stage::kHolding) {
        At(std::max(now_, WakeAt(rules_, state_)));
      } else {
        Feed(Answer());
      }
    }
    ASSERT_EQ(state_.stage, stage);
  }
  void SeeFirstHead() {
    now_ = TimeOf(10) + absl::Seconds(3);
    Feed(event::HeadSeen{HeadAt(10, {1}, {0})});
  }

  Rules rules_;
  State state_;
  absl::Time now_ = TimeOf(10);
  std::vector<Action> actions_;
  std::vector<Ended> ended_;
  std::vector<ChainEpoch> deleted_;
};

TEST_F(RoundTest, BlockIsMadeInLotussOrder) {
  SeeFirstHead();
  EXPECT_THAT(Asked(), IsEmpty());
  EXPECT_EQ(WakeAt(rules_, state_), TimeOf(10) + absl::Seconds(10));
  At(TimeOf(10) + absl::Seconds(10));
  std::vector<Stage> asked = Asked();
  while (state_.stage != Stage::kIdle) {
    if (state_.stage == Stage::kSettling || state_.stage == Stage::kHolding) {
      At(WakeAt(rules_, state_));
    } else {
      Feed(Answer());
    }
    for (const Stage stage : Asked()) asked.push_back(stage);
    if (state_.stage == Stage::kSubmitting) {
      EXPECT_EQ(now_, TimeOf(11));
    }
  }
  EXPECT_THAT(
      asked, ElementsAre(Stage::kLooking, Stage::kAskingBase, Stage::kElecting, Stage::kProving,
                         Stage::kTicket, Stage::kSelecting, Stage::kLookingAgain, Stage::kRecording,
                         Stage::kCreating, Stage::kKeeping, Stage::kSubmitting));
  ASSERT_EQ(ended_.size(), 1);
  EXPECT_EQ(ended_[0].result, Result::kMade);
  EXPECT_EQ(ended_[0].height, ChainEpoch(11));
  EXPECT_EQ(ended_[0].block, state_.made.Blocks().at(ChainEpoch(11)).cid);
}

TEST_F(RoundTest, WhoIsNotElectedWaitsForTheNextEpoch) {
  SeeFirstHead();
  GoTo(Stage::kElecting);
  event::Answer lost = Answer();
  lost.wins = 0;
  Feed(lost);
  ASSERT_EQ(ended_.size(), 1);
  EXPECT_EQ(ended_[0].result, Result::kLost);
  // No new head: the epoch was a null round, and the next one builds on the same head.
  EXPECT_EQ(WakeAt(rules_, state_), TimeOf(11) + absl::Seconds(10));
  At(WakeAt(rules_, state_));
  EXPECT_EQ(state_.attempt.height, ChainEpoch(12));
  EXPECT_EQ(state_.attempt.publish, TimeOf(12));
}

TEST_F(RoundTest, OneThatMayNotMineSaysWhy) {
  SeeFirstHead();
  GoTo(Stage::kAskingBase);
  Fail(absl::FailedPreconditionError("fee debt"));
  ASSERT_EQ(ended_.size(), 1);
  EXPECT_EQ(ended_[0].result, Result::kNotEligible);
  EXPECT_EQ(ended_[0].why, "fee debt");
}

TEST_F(RoundTest, QuestionsToTheNodeAreAskedAgainUntilTheEpochIsOver) {
  SeeFirstHead();
  GoTo(Stage::kTicket);
  Fail(absl::UnavailableError("no node"));
  EXPECT_THAT(Asked(), IsEmpty());
  EXPECT_EQ(WakeAt(rules_, state_), now_ + rules_.retry_delay);
  At(WakeAt(rules_, state_));
  EXPECT_THAT(Asked(), ElementsAre(Stage::kTicket));
  Fail(absl::UnavailableError("no node"));
  At(TimeOf(11) + absl::Seconds(10));
  ASSERT_FALSE(ended_.empty());
  EXPECT_EQ(ended_[0].result, Result::kLate);
  EXPECT_EQ(ended_[0].why, "no node");
  EXPECT_EQ(ended_[0].stage, Stage::kTicket);
  EXPECT_EQ(state_.attempt.height, ChainEpoch(12));  // and on
}

TEST_F(RoundTest, ProofThatFailsEndsTheAttempt) {
  SeeFirstHead();
  GoTo(Stage::kProving);
  Fail(absl::DataLossError("sector 7: tree damaged"));
  ASSERT_EQ(ended_.size(), 1);
  EXPECT_EQ(ended_[0].result, Result::kFailed);
  EXPECT_THAT(ended_[0].why, HasSubstr("sector 7"));
}

TEST_F(RoundTest, RowOfABlockThatNobodySawIsWithdrawn) {
  for (const Stage stage : {Stage::kRecording, Stage::kCreating, Stage::kKeeping}) {
    state_ = {};
    now_ = TimeOf(10);
    ended_.clear();
    SeeFirstHead();
    GoTo(stage);
    EXPECT_EQ(state_.made.Blocks().count(ChainEpoch(11)), 1);
    Fail(absl::UnavailableError("trouble"));
    EXPECT_EQ(WakeAt(rules_, state_), now_ + rules_.retry_delay);
    At(WakeAt(rules_, state_));
    EXPECT_THAT(Asked(), ElementsAre(stage));
    At(TimeOf(11) + absl::Seconds(10));
    ASSERT_EQ(ended_.size(), 1);
    EXPECT_EQ(ended_[0].result, Result::kLate);
    EXPECT_EQ(ended_[0].why, "trouble");
    EXPECT_EQ(state_.made.Blocks().count(ChainEpoch(11)), 0);
    EXPECT_THAT(deleted_, ElementsAre(ChainEpoch(11)));
  }
}

TEST_F(RoundTest, BlockThatTheNodeRefusesToMakeIsNotAskedForAgain) {
  SeeFirstHead();
  GoTo(Stage::kCreating);
  Fail(absl::InvalidArgumentError("no such parents"));
  ASSERT_EQ(ended_.size(), 1);
  EXPECT_EQ(ended_[0].result, Result::kFailed);
  EXPECT_THAT(deleted_, ElementsAre(ChainEpoch(11)));
}

TEST_F(RoundTest, BlockThatWasNotAskedForIsNotShownToAnybody) {
  SeeFirstHead();
  GoTo(Stage::kCreating);
  event::Answer answer = Answer();
  answer.header->height = ChainEpoch(12);
  Feed(answer);
  ASSERT_EQ(ended_.size(), 1);
  EXPECT_THAT(ended_[0].why, HasSubstr("another block"));
  EXPECT_EQ(state_.stage, Stage::kIdle);
}

TEST_F(RoundTest, AfterARestartTheRowKeepsItsHeight) {
  SeeFirstHead();
  GoTo(Stage::kCreating);
  const BlocksMade made = state_.made;
  state_ = {};
  state_.made = made;
  now_ += absl::Seconds(1);
  Feed(event::HeadSeen{HeadAt(10, {1}, {0})});
  ASSERT_EQ(ended_.size(), 1);
  EXPECT_EQ(ended_[0].result, Result::kRefused);
  GoTo(Stage::kAskingBase);
  EXPECT_EQ(state_.attempt.height, ChainEpoch(12));
}

TEST_F(RoundTest, BlockThatWasKeptIsSubmittedAfterARestart) {
  SeeFirstHead();
  GoTo(Stage::kHolding);
  const MadeBlock row = state_.made.Blocks().at(ChainEpoch(11));
  const BlocksMade made = state_.made;
  State fresh;
  fresh.made = made;
  state_ = Resumed(rules_, fresh, row, TimeOf(11), now_);
  EXPECT_EQ(WakeAt(rules_, state_), TimeOf(11));
  At(TimeOf(11));
  EXPECT_THAT(Asked(), ElementsAre(Stage::kSubmitting));
  Feed(Answer());
  EXPECT_EQ(ended_.back().result, Result::kMade);
  EXPECT_EQ(ended_.back().block, row.cid);
  EXPECT_EQ(Resumed(rules_, fresh, row, TimeOf(11), TimeOf(12)).stage, Stage::kIdle);
}

TEST_F(RoundTest, BlocksThatVanishFromTheBaseAreLeftOut) {
  now_ = TimeOf(10) + absl::Seconds(10);
  Feed(event::HeadSeen{HeadAt(10, {1, 2}, {0})});
  GoTo(Stage::kLookingAgain);
  event::Answer looked = Answer();
  looked.head = HeadAt(10, {2, 3}, {0});  // who made block 1 made two; block 3 came late
  Feed(looked);
  EXPECT_THAT(Asked(), ElementsAre(Stage::kTicketAgain));
  GoTo(Stage::kRecording);
  EXPECT_EQ(state_.made.Blocks().at(ChainEpoch(11)).parents, KeyOf({2}));
}

TEST_F(RoundTest, BaseThatIsWhollyReplacedStays) {
  SeeFirstHead();
  GoTo(Stage::kLookingAgain);
  event::Answer looked = Answer();
  looked.head = HeadAt(10, {7, 8}, {0});
  Feed(looked);
  EXPECT_EQ(state_.stage, Stage::kRecording);
  EXPECT_EQ(state_.made.Blocks().at(ChainEpoch(11)).parents, KeyOf({1}));
}

TEST_F(RoundTest, BlocksOfOthersAtItsHeightDoNotMakeItLate) {
  SeeFirstHead();
  GoTo(Stage::kLookingAgain);
  now_ = TimeOf(11) + absl::Seconds(2);
  event::Answer looked = Answer();
  looked.head = HeadAt(11, {4}, {1});
  Feed(looked);
  EXPECT_EQ(state_.stage, Stage::kRecording);
  GoTo(Stage::kSubmitting);
  EXPECT_EQ(state_.made.Blocks().at(ChainEpoch(11)).parents, KeyOf({1}));
}

TEST_F(RoundTest, ChainThatWentOnMakesItLate) {
  SeeFirstHead();
  GoTo(Stage::kLookingAgain);
  event::Answer looked = Answer();
  looked.head = HeadAt(12, {4}, {1});
  Feed(looked);
  ASSERT_EQ(ended_.size(), 1);
  EXPECT_EQ(ended_[0].result, Result::kLate);
}

TEST_F(RoundTest, BetterBaseThatArrivesMeanwhileIsTakenAtOnce) {
  SeeFirstHead();
  At(TimeOf(11) + absl::Seconds(10));
  ASSERT_EQ(state_.attempt.height, ChainEpoch(12));
  GoTo(Stage::kProving);
  Feed(event::HeadSeen{HeadAt(11, {4}, {1})});
  EXPECT_THAT(Asked(), ElementsAre(Stage::kAskingBase));
  EXPECT_EQ(state_.attempt.height, ChainEpoch(12));
  EXPECT_EQ(state_.attempt.head.base.key, KeyOf({4}));
}

TEST_F(RoundTest, HeadOfTheNodeIsAskedForFirst) {
  SeeFirstHead();
  GoTo(Stage::kLooking);
  event::Answer looked = Answer();
  looked.head = HeadAt(10, {1, 2}, {0});
  Feed(looked);
  EXPECT_EQ(state_.stage, Stage::kAskingBase);
  EXPECT_EQ(state_.attempt.head.base.key, KeyOf({1, 2}));
}

TEST_F(RoundTest, HeightThatWasRefusedIsTriedAgainOnAnotherBase) {
  state_.made.Add({.height = ChainEpoch(10),
                   .parents = KeyOf({0}),
                   .cid = filecoin::CidOf(HeaderOf(Attempt{}, 5))});
  SeeFirstHead();  // without our block
  At(TimeOf(10) + absl::Seconds(10));
  ASSERT_EQ(ended_.size(), 1);
  EXPECT_EQ(ended_[0].result, Result::kRefused);
  now_ += absl::Seconds(1);
  Head better = HeadAt(10, {1}, {0});
  std::vector<filecoin::Cid> cids = better.base.key.Cids();
  cids.push_back(*state_.made.Blocks().at(ChainEpoch(10)).cid);
  better.base.key = filecoin::TipSetKey(cids);
  Feed(event::HeadSeen{better});
  EXPECT_EQ(state_.stage, Stage::kLooking);
  EXPECT_EQ(state_.attempt.height, ChainEpoch(11));
}

TEST_F(RoundTest, HeadThatANodeDreamtOfChangesNothingForGood) {
  SeeFirstHead();
  GoTo(Stage::kSubmitting);
  Feed(Answer());
  Feed(event::HeadSeen{HeadAt(50'000, {9}, {8})});
  Feed(event::HeadSeen{HeadAt(10, {1}, {0})});
  EXPECT_EQ(state_.made.Blocks().count(ChainEpoch(11)), 1);
  At(TimeOf(11) + absl::Seconds(10));
  EXPECT_EQ(ended_.back().result, Result::kRefused);
  Feed(event::HeadSeen{HeadAt(std::int64_t{1} << 62, {9}, {8})});
}

TEST_F(RoundTest, ClockThatWasAheadCostsOneEpoch) {
  SeeFirstHead();
  At(TimeOf(10) + absl::Seconds(10) + absl::Seconds(30) * 15);
  ASSERT_EQ(state_.attempt.height, ChainEpoch(26));
  GoTo(Stage::kElecting);
  At(TimeOf(10) + absl::Seconds(12));
  ASSERT_EQ(ended_.size(), 1);
  EXPECT_EQ(ended_[0].result, Result::kFailed);
  EXPECT_THAT(ended_[0].why, HasSubstr("clock"));
  EXPECT_EQ(state_.attempt.height, ChainEpoch(11));  // in its own time
  Feed(event::HeadSeen{HeadAt(11, {2}, {1})});
  At(TimeOf(11) + absl::Seconds(10));
  EXPECT_EQ(state_.attempt.height, ChainEpoch(12));
}

TEST_F(RoundTest, ChainThatStandsStillIsFilledUpFromItsHead) {
  now_ = TimeOf(5000);
  Feed(event::HeadSeen{HeadAt(10, {1}, {0})});
  for (std::int64_t height = 11; height < 14; ++height) {
    GoTo(Stage::kElecting);
    EXPECT_EQ(state_.attempt.height, ChainEpoch(height));
    event::Answer lost = Answer();
    lost.wins = 0;
    Feed(lost);
  }
  GoTo(Stage::kSubmitting);
  Feed(Answer());
  EXPECT_EQ(ended_.back().result, Result::kMade);
}

TEST_F(RoundTest, LateBlockOfAnEpochThatSeemedNullIsBuiltOn) {
  SeeFirstHead();
  At(TimeOf(11) + absl::Seconds(10));
  ASSERT_EQ(state_.attempt.height, ChainEpoch(12));
  GoTo(Stage::kLookingAgain);
  event::Answer looked = Answer();
  looked.head = HeadAt(11, {4}, {1});
  Feed(looked);
  EXPECT_EQ(state_.stage, Stage::kAskingBase);
  EXPECT_EQ(state_.attempt.height, ChainEpoch(12));
  EXPECT_EQ(state_.attempt.head.base.key, KeyOf({4}));
  EXPECT_EQ(state_.attempt.publish, TimeOf(12));
}

TEST_F(RoundTest, StaleAnswersChangeNothing) {
  SeeFirstHead();
  GoTo(Stage::kProving);
  event::Answer stale = Answer();
  stale.attempt -= 1;
  Feed(stale);
  EXPECT_EQ(state_.stage, Stage::kProving);
  stale = Answer();
  stale.stage = Stage::kElecting;
  Feed(stale);
  EXPECT_EQ(state_.stage, Stage::kProving);
}

TEST_F(RoundTest, SubmissionIsRepeatedWithTheSameBlock) {
  SeeFirstHead();
  GoTo(Stage::kSubmitting);
  Fail(absl::UnavailableError("no node"));
  At(WakeAt(rules_, state_));
  EXPECT_THAT(Asked(), ElementsAre(Stage::kSubmitting));
  Feed(Answer());
  EXPECT_EQ(ended_.back().result, Result::kMade);
}

TEST_F(RoundTest, WithoutTroubleEachEpochThatIsWonHasItsBlock) {
  Head head = HeadAt(10, {1}, {0});
  for (std::int64_t height = 11; height < 1200; ++height) {
    now_ = TimeOf(height - 1) + absl::Seconds(1);
    Feed(event::HeadSeen{head});
    GoTo(Stage::kSubmitting);
    Feed(Answer());
    ASSERT_EQ(ended_.size(), static_cast<std::size_t>(height - 10));
    ASSERT_EQ(ended_.back().result, Result::kMade);
    ASSERT_EQ(ended_.back().height, ChainEpoch(height));
    head = {.base = {.key = filecoin::TipSetKey({*ended_.back().block}),
                     .height = ChainEpoch(height),
                     .parents = head.base.key},
            .timestamp = TimeOf(height)};
  }
  EXPECT_LE(state_.made.Blocks().size(), 901);  // what nobody can report is forgotten
}

// ---- nothing that the chain punishes, whatever happens

// What the network has seen of us.
struct Signed {
  ChainEpoch height;
  filecoin::TipSetKey parents;
  filecoin::Cid cid;
};
struct Tip {
  Head head;
  std::vector<filecoin::Cid> blocks;
};

// Why somebody could report the two, or nothing (specs-actors: ConsensusFault).
std::string Fault(const std::vector<Signed>& all, const std::map<filecoin::TipSetKey, Tip>& tips) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t k = i + 1; k < all.size(); ++k) {
      const Signed& a = all[i];
      const Signed& b = all[k];
      if (a.height == b.height) return "double fork mining";
      if (a.parents == b.parents) return "time offset mining";
      // Parent grinding: b builds on a sibling of a, of a's height, without a.
      for (const auto& [earlier, later] : {std::pair{a, b}, std::pair{b, a}}) {
        const auto tip = tips.find(later.parents);
        if (tip == tips.end() || tip->second.head.base.height != earlier.height) continue;
        const auto& blocks = tip->second.blocks;
        if (tip->second.head.base.parents == earlier.parents &&
            std::find(blocks.begin(), blocks.end(), earlier.cid) == blocks.end()) {
          return "parent grinding";
        }
      }
    }
  }
  return "";
}

TEST(WinningRoundLifeTest, NothingThatTheChainPunishesHoweverItGoes) {
  int made = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SeededRandom random(seed);
    const Rules rules;
    State state;
    std::map<ChainEpoch, MadeBlock> disk;
    std::vector<Signed> signed_blocks;
    std::map<filecoin::TipSetKey, Tip> tips;
    std::vector<Tip> recent;
    std::uint64_t next_block = 1;
    const auto new_tip = [&](const Tip& on, std::int64_t height,
                             const std::optional<filecoin::Cid>& own) {
      Tip tip;
      for (std::uint64_t i = 0; i < 1 + random.Below(2); ++i) {
        tip.blocks.push_back(testing::CidOfNumber(next_block++));
      }
      if (own && random.Below(4) != 0) tip.blocks.push_back(*own);
      tip.head = {.base = {.key = filecoin::TipSetKey(tip.blocks),
                           .height = ChainEpoch(height),
                           .parents = filecoin::TipSetKey(on.blocks)},
                  .timestamp = TimeOf(height)};
      tips[tip.head.base.key] = tip;
      return tip;
    };
    recent.push_back(new_tip({}, 10, {}));
    absl::Time now = TimeOf(10);
    std::vector<Action> asked;
    const auto show = [&](std::uint64_t attempt) {
      if (attempt != state.attempt.id || !state.attempt.block) return;
      for (const Signed& block : signed_blocks) {
        if (block.cid == *state.attempt.block) return;  // the same again
      }
      signed_blocks.push_back(
          {state.attempt.height, state.attempt.head.base.key, *state.attempt.block});
    };
    const auto feed = [&](const Event& event) {
      StepResult step = Step(rules, std::move(state), event, now);
      state = std::move(step.state);
      // What is asked of the disk is done in order: a row that is deleted was written before.
      for (const ChainEpoch height : step.deleted) {
        disk.erase(height);
        std::erase_if(asked, [&](const Action& action) {
          return action.row && action.row->height == height;
        });
      }
      for (Action& action : step.actions) asked.push_back(std::move(action));
      for (const Ended& ended : step.ended) made += ended.result == Result::kMade ? 1 : 0;
      ASSERT_THAT(InvariantsOf(state).Rules(), IsEmpty()) << "seed " << seed;
      ASSERT_GT(WakeAt(rules, state), now) << "seed " << seed;
    };
    for (int turn = 0; turn < 1500; ++turn) {
      now += absl::Milliseconds(static_cast<std::int64_t>(random.Below(1500)));
      const std::uint64_t dice = random.Below(100);
      if (dice < 5) {
        // A new head: on any of the last ones, so that there are forks, gaps and ways back.
        const Tip& on =
            recent[recent.size() - 1 - random.Below(std::min<std::size_t>(recent.size(), 4))];
        const std::int64_t height = std::max<std::int64_t>(
            on.head.base.height.Value() + 1,
            (now - kGenesis) / absl::Seconds(30) - static_cast<std::int64_t>(random.Below(2)));
        std::optional<filecoin::Cid> own;
        for (const Signed& block : signed_blocks) {
          if (block.height.Value() == height && block.parents == on.head.base.key) {
            own = block.cid;
          }
        }
        recent.push_back(new_tip(on, height, own));
        feed(event::HeadSeen{recent.back().head});
      } else if (dice < 7 && recent.size() > 3) {
        feed(event::HeadSeen{recent[recent.size() - 1 - random.Below(3)].head});
      } else if (dice < 9) {
        // The process is killed; what was on the disk is there.
        state = {};
        for (const auto& [height, row] : disk) state.made.Add(row);
        // What was submitted may arrive all the same.
        for (const Action& action : asked) {
          if (action.stage == Stage::kSubmitting && random.Below(2) == 0) show(action.attempt);
        }
        asked.clear();
        if (!disk.empty() && random.Below(2) == 0) {
          const MadeBlock& last = disk.rbegin()->second;
          state = Resumed(rules, state, last, TimeOf(last.height.Value()), now);
        }
        feed(event::HeadSeen{recent.back().head});  // the first thing that it asks for
      } else if (dice < 25 || asked.empty()) {
        feed(event::Tick{});
      } else {
        const std::size_t which = random.Below(asked.size());
        const Action action = asked[which];
        asked.erase(asked.begin() + static_cast<std::ptrdiff_t>(which));
        event::Answer answer;
        answer.attempt = action.attempt;
        answer.stage = action.stage;
        answer.wins = random.Below(4) == 0 ? 0 : 1;
        if (random.Below(12) == 0) answer.status = absl::UnavailableError("trouble");
        answer.head = recent.back().head;
        const bool writes = action.stage == Stage::kRecording || action.stage == Stage::kKeeping;
        if (writes && (answer.status.ok() || random.Below(2) == 0)) {
          disk[action.row->height] = *action.row;  // written, whatever was heard of it
        }
        if (action.stage == Stage::kCreating) answer.header = HeaderOf(state.attempt, next_block++);
        // Seen by the network, whatever was heard of it.
        const bool shown = action.stage == Stage::kSubmitting && action.attempt == state.attempt.id;
        if (shown && (answer.status.ok() || random.Below(2) == 0)) show(action.attempt);
        feed(answer);
      }
      ASSERT_EQ(Fault(signed_blocks, tips), "") << "seed " << seed << " turn " << turn;
    }
  }
  EXPECT_GT(made, 50);
}

}  // namespace
}  // namespace damocles::winning
