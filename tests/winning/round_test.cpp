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
using testing::CidOfNumber;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
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
    EXPECT_THAT(InvariantsOf(state_).Rules(), IsEmpty());
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
    answer.block = CidOfNumber(1000 + static_cast<std::uint64_t>(state_.attempt.height.Value()));
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
  EXPECT_THAT(asked,
              ElementsAre(Stage::kAskingBase, Stage::kElecting, Stage::kProving, Stage::kTicket,
                          Stage::kSelecting, Stage::kLookingAgain, Stage::kRecording,
                          Stage::kCreating, Stage::kKeeping, Stage::kSubmitting));
  ASSERT_EQ(ended_.size(), 1);
  EXPECT_EQ(ended_[0].result, Result::kMade);
  EXPECT_EQ(ended_[0].height, ChainEpoch(11));
  EXPECT_EQ(state_.made.Blocks().at(ChainEpoch(11)).cid, CidOfNumber(1011));
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

TEST_F(RoundTest, BlockThatMayBeSignedIsNeverAskedForTwice) {
  SeeFirstHead();
  GoTo(Stage::kCreating);
  const State before = state_;
  Fail(absl::UnavailableError("the connection was lost"));
  ASSERT_EQ(ended_.size(), 1);
  EXPECT_EQ(ended_[0].result, Result::kFailed);
  EXPECT_EQ(state_.made.Blocks().at(ChainEpoch(11)).cid, std::nullopt);
  // After a restart all that is left are the rows.
  state_ = {};
  state_.made = before.made;
  now_ += absl::Seconds(1);
  Feed(event::HeadSeen{HeadAt(10, {1}, {0})});
  ASSERT_EQ(ended_.size(), 2);
  EXPECT_EQ(ended_[1].result, Result::kRefused);
  EXPECT_EQ(state_.stage, Stage::kIdle);
}

TEST_F(RoundTest, BlocksThatVanishFromTheBaseAreLeftOut) {
  now_ = TimeOf(10) + absl::Seconds(10);
  Feed(event::HeadSeen{HeadAt(10, {1, 2}, {0})});
  GoTo(Stage::kLookingAgain);
  event::Answer looked = Answer();
  looked.head = HeadAt(10, {2}, {0});  // who made block 1 made two
  Feed(looked);
  EXPECT_THAT(Asked(), ElementsAre(Stage::kTicketAgain));
  GoTo(Stage::kRecording);
  EXPECT_EQ(state_.made.Blocks().at(ChainEpoch(11)).parents, KeyOf({2}));
}

TEST_F(RoundTest, ChainThatWentOnMakesItLate) {
  SeeFirstHead();
  GoTo(Stage::kLookingAgain);
  event::Answer looked = Answer();
  looked.head = HeadAt(11, {4}, {1});
  Feed(looked);
  ASSERT_EQ(ended_.size(), 1);
  EXPECT_EQ(ended_[0].result, Result::kLate);
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

// ---- nothing that the chain punishes, whatever happens

struct Signed {
  ChainEpoch height;
  filecoin::TipSetKey parents;
  std::uint64_t number;
};
struct Tip {
  Head head;
  std::vector<std::uint64_t> blocks;
  std::vector<std::uint64_t> parents;
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
            std::find(blocks.begin(), blocks.end(), earlier.number) == blocks.end()) {
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
    const auto new_tip = [&](const Tip& on, std::int64_t height, std::optional<std::uint64_t> own) {
      Tip tip;
      tip.parents = on.blocks;
      for (std::uint64_t i = 0; i < 1 + random.Below(2); ++i) tip.blocks.push_back(next_block++);
      if (own && random.Below(4) != 0) tip.blocks.push_back(*own);
      tip.head = HeadAt(height, tip.blocks, tip.parents);
      tips[tip.head.base.key] = tip;
      return tip;
    };
    recent.push_back(new_tip({}, 10, {}));
    absl::Time now = TimeOf(10);
    std::vector<Action> asked;
    const auto feed = [&](const Event& event) {
      StepResult step = Step(rules, std::move(state), event, now);
      state = std::move(step.state);
      for (Action& action : step.actions) asked.push_back(std::move(action));
      for (const Ended& ended : step.ended) made += ended.result == Result::kMade ? 1 : 0;
      ASSERT_THAT(InvariantsOf(state).Rules(), IsEmpty()) << "seed " << seed;
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
        std::optional<std::uint64_t> own;
        for (const Signed& block : signed_blocks) {
          if (block.height.Value() == height && block.parents == on.head.base.key) {
            own = block.number;
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
        // A signature that was asked for may be made all the same.
        for (const Action& action : asked) {
          if (action.stage != Stage::kCreating || random.Below(2) == 0) continue;
          signed_blocks.push_back({action.row->height, action.row->parents, next_block++});
        }
        asked.clear();
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
        if (action.stage == Stage::kLookingAgain) answer.head = recent.back().head;
        const bool writes = action.stage == Stage::kRecording || action.stage == Stage::kKeeping;
        if (writes && (answer.status.ok() || random.Below(2) == 0)) {
          disk[action.row->height] = *action.row;  // written, whatever was heard of it
        }
        if (action.stage == Stage::kCreating && (answer.status.ok() || random.Below(2) == 0)) {
          // Signed, whatever was heard of it.
          signed_blocks.push_back({action.row->height, action.row->parents, next_block});
          answer.block = CidOfNumber(next_block++);
        }
        feed(answer);
      }
      ASSERT_EQ(Fault(signed_blocks, tips), "") << "seed " << seed << " turn " << turn;
    }
  }
  EXPECT_GT(made, 50);
}

}  // namespace
}  // namespace damocles::winning
