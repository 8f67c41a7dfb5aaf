// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/chain/node_choice.h"

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace damocles::chain::internal {
namespace {

using filecoin::ChainEpoch;

constexpr kj::Duration kEpoch = 30 * kj::SECONDS;
constexpr kj::Duration kLook = 15 * kj::SECONDS;
constexpr kj::Duration kPatience = 3 * kEpoch;
constexpr kj::Duration kStill = 5 * kEpoch;
constexpr NodeChoice::Times kTimes{
    .patience = kPatience, .still = kStill, .gap = 3 * kLook + kj::SECONDS};

// A block an epoch weighs 5.
HeadSight At(std::int64_t epoch, std::int64_t lighter = 0) {
  return {ChainEpoch(epoch), filecoin::BigInt(5 * epoch - lighter)};
}

using Heads = std::vector<std::optional<HeadSight>>;

// Looks twice an epoch and does what is said.
class NodeChoiceTest : public ::testing::Test {
 protected:
  explicit NodeChoiceTest(std::size_t nodes = 2) : choice_(nodes, kTimes) {}

  void Look(const Heads& heads) {
    now_ = now_ + kLook;
    const NodeChoice::Turn turn = choice_.Look(current_, heads, now_);
    changes_ += turn.use != current_;
    current_ = turn.use;
    for (const HeadNews& news : turn.news) news_.push_back(news);
  }
  std::vector<HeadNews> TakeNews() { return std::exchange(news_, {}); }
  std::size_t Count(HeadNews::Kind kind) const {
    std::size_t count = 0;
    for (const HeadNews& news : news_) count += news.kind == kind;
    return count;
  }

  NodeChoice choice_;
  kj::TimePoint now_ = kj::origin<kj::TimePoint>();
  std::size_t current_ = 0;
  std::size_t changes_ = 0;
  std::vector<HeadNews> news_;
};

TEST_F(NodeChoiceTest, OneThatStandsStillIsLeftSaidOnceAndUsedAgainOnceItKeepsUp) {
  Look({At(100), At(100)});
  int looks = 0;
  while (current_ == 0 && looks < 100) {
    ++looks;
    Look({At(100), At(100 + (looks + 1) / 2)});
  }
  // Three epochs and the look that saw it first.
  EXPECT_LE(looks, 8);
  EXPECT_GT(looks, 5);
  EXPECT_TRUE(choice_.Lags(0));
  std::vector<HeadNews> news = TakeNews();
  ASSERT_EQ(news.size(), 1U);
  EXPECT_EQ(news[0].kind, HeadNews::Kind::kLags);
  EXPECT_EQ(news[0].node, 0U);
  EXPECT_NE(news[0].why.find("stands still at epoch 100 for 105 s"), std::string::npos)
      << news[0].why;
  for (int i = 0; i < 50; ++i) Look({At(100), At(110 + i / 2)});
  EXPECT_TRUE(TakeNews().empty());
  for (int i = 0; i < 12; ++i) Look({At(140 + i / 2), At(140 + i / 2)});
  news = TakeNews();
  ASSERT_EQ(news.size(), 1U);
  EXPECT_EQ(news[0], (HeadNews{HeadNews::Kind::kKeepsUp, 0, ""}));
  EXPECT_FALSE(choice_.Lags(0));
  EXPECT_EQ(current_, 1U) << "it may only be on the way down again";
  for (int i = 12; i < 50; ++i) Look({At(140 + i / 2), At(140 + i / 2)});
  news = TakeNews();
  ASSERT_EQ(news.size(), 1U);
  EXPECT_EQ(news[0].kind, HeadNews::Kind::kReturns);
  EXPECT_EQ(news[0].node, 0U);
  EXPECT_EQ(current_, 0U);
  EXPECT_EQ(changes_, 2U);
}

TEST_F(NodeChoiceTest, TheHeavierBranchIsFollowedAlsoWhereItIsShorter) {
  for (int i = 0; i < 20; ++i) Look({At(200 + i / 2, 100), At(199 + i / 2)});
  EXPECT_EQ(current_, 1U);
  const std::vector<HeadNews> news = TakeNews();
  ASSERT_EQ(news.size(), 1U);
  EXPECT_NE(news[0].why.find("of a lighter branch"), std::string::npos) << news[0].why;
  // The other way round nothing happens.
  for (int i = 0; i < 20; ++i) Look({At(210 + i / 2, 100), At(209 + i / 2)});
  EXPECT_EQ(changes_, 1U);
}

TEST_F(NodeChoiceTest, OneThatIsBehindAllTheTimeIsLeft) {
  for (int i = 0; i < 20; ++i) Look({At(200 + i / 2), At(202 + i / 2)});
  EXPECT_EQ(current_, 1U);
  ASSERT_EQ(Count(HeadNews::Kind::kLags), 1U);
  EXPECT_NE(news_[0].why.find("is behind or of a lighter branch"), std::string::npos);
}

TEST_F(NodeChoiceTest, NodesThatAreLateByTurnsDoNotTakeTurns) {
  for (std::uint32_t seed = 0; seed < 50; ++seed) {
    NodeChoice choice(2, kTimes);
    std::mt19937 random(seed);
    kj::TimePoint now = now_;
    for (int i = 0; i < 2000; ++i) {
      now = now + kLook;
      // At one look in ten a node has not got the newest block yet.
      const auto late = [&] { return static_cast<std::int64_t>(random() % 10 == 0); };
      const Heads heads{At(1000 + i / 2 - late()), At(1000 + i / 2 - late())};
      const NodeChoice::Turn turn = choice.Look(0, heads, now);
      ASSERT_EQ(turn.use, 0U) << "seed " << seed << " look " << i;
      ASSERT_TRUE(turn.news.empty()) << "seed " << seed << " look " << i;
    }
  }
}

TEST_F(NodeChoiceTest, WhereNobodyMovesNobodyIsLeftAndItIsSaid) {
  for (int i = 0; i < 40; ++i) Look({At(100), At(100)});
  EXPECT_EQ(changes_, 0U);
  std::vector<HeadNews> news = TakeNews();
  ASSERT_EQ(news.size(), 1U);
  EXPECT_EQ(news[0].kind, HeadNews::Kind::kStandsStill);
  EXPECT_NE(news[0].why.find("epoch 100 for 150 s"), std::string::npos) << news[0].why;
  Look({At(101), At(101)});
  news = TakeNews();
  ASSERT_EQ(news.size(), 1U);
  EXPECT_EQ(news[0].kind, HeadNews::Kind::kMoves);
}

TEST_F(NodeChoiceTest, NoAnswerSaysNothingAboutAHead) {
  Look({At(100), At(100)});
  for (int i = 0; i < 40; ++i) Look({std::nullopt, At(100 + i / 2)});
  EXPECT_EQ(changes_, 0U);
  for (int i = 0; i < 40; ++i) Look({std::nullopt, std::nullopt});
  EXPECT_EQ(changes_, 0U);
  EXPECT_TRUE(TakeNews().empty());
}

TEST_F(NodeChoiceTest, OneThatLagsIsOfUseOnceNoBetterOneAnswers) {
  for (int i = 0; i < 20; ++i) Look({At(100), At(100 + i / 2)});
  EXPECT_EQ(current_, 1U);
  EXPECT_TRUE(choice_.Lags(0));
  TakeNews();
  Look({At(100), std::nullopt});
  EXPECT_FALSE(choice_.Lags(0));
  EXPECT_EQ(current_, 1U) << "whether the better one is lost its calls say";
  // It has not caught up: nothing is said, and as soon as the other one answers it lags again.
  EXPECT_TRUE(TakeNews().empty());
  current_ = 0;
  for (int i = 0; i < 8; ++i) Look({At(100), At(111 + i / 2)});
  EXPECT_EQ(current_, 1U);
  EXPECT_TRUE(TakeNews().empty());
}

TEST_F(NodeChoiceTest, TwoLooksFarApartAreNoReason) {
  Look({At(100), At(101)});
  now_ = now_ + 10 * kj::MINUTES;
  Look({At(120), At(121)});
  EXPECT_EQ(changes_, 0U);
  EXPECT_TRUE(TakeNews().empty());
}

TEST_F(NodeChoiceTest, LooksBeforeASilenceDoNotCountAfterIt) {
  for (int i = 0; i < 3; ++i) Look({At(100), At(101)});
  now_ = now_ + 10 * kj::MINUTES;
  Look({At(120), At(121)});
  EXPECT_EQ(changes_, 0U);
  EXPECT_TRUE(TakeNews().empty());
  // Nor where only that node was silent.
  for (int i = 0; i < 2; ++i) Look({At(120), At(121)});
  for (int i = 0; i < 40; ++i) Look({std::nullopt, At(121 + i / 2)});
  Look({At(140), At(141)});
  EXPECT_EQ(changes_, 0U);
}

TEST_F(NodeChoiceTest, AnEarlierOneThatCallsHaveLeftIsUsedAgainOnlyWhenItAnswersAllTheTime) {
  Look({At(100), At(100)});
  current_ = 1;
  int at = 100;
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 10; ++i, ++at) Look({At(at), At(at)});
    Look({std::nullopt, At(at)});
  }
  EXPECT_EQ(changes_, 0U);
  for (int i = 0; i < 14; ++i, ++at) Look({At(at), At(at)});
  EXPECT_EQ(current_, 0U);
  EXPECT_EQ(changes_, 1U);
}

TEST_F(NodeChoiceTest, ALaterOneThatIsGoodIsNoReasonToGo) {
  for (int i = 0; i < 100; ++i) Look({At(100 + i), At(100 + i)});
  EXPECT_EQ(changes_, 0U);
}

TEST_F(NodeChoiceTest, OneThatFailsAgainAndAgainIsGoneBackToMoreAndMoreRarely) {
  int at = 100;
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 20; ++i, ++at) Look({At(at), At(at)});
    const int stuck = at;
    for (int i = 0; i < 10; ++i, ++at) Look({At(stuck), At(at)});
  }
  // Left, used again, left: after that five minutes of good looks are too few.
  EXPECT_EQ(changes_, 3U);
  EXPECT_EQ(current_, 1U);
  for (int i = 0; i < 40; ++i, ++at) Look({At(at), At(at)});
  EXPECT_EQ(current_, 0U) << "it is sound now";
}

TEST_F(NodeChoiceTest, OneThatIsLateNowAndThenIsStillGoneBackTo) {
  for (std::uint32_t seed = 0; seed < 50; ++seed) {
    NodeChoice choice(2, kTimes);
    std::mt19937 random(seed);
    kj::TimePoint now = now_;
    std::size_t current = 1;
    int changes = 0;
    for (int i = 0; i < 2000; ++i) {
      now = now + kLook;
      const auto late = [&] { return static_cast<std::int64_t>(random() % 10 == 0); };
      const Heads heads{At(1000 + i / 2 - late()), At(1000 + i / 2 - late())};
      const std::size_t use = choice.Look(current, heads, now).use;
      changes += use != current;
      current = use;
    }
    EXPECT_EQ(current, 0U) << "seed " << seed;
    EXPECT_EQ(changes, 1) << "seed " << seed;
  }
}

class OneNodeTest : public NodeChoiceTest {
 protected:
  OneNodeTest() : NodeChoiceTest(1) {}
};

TEST_F(OneNodeTest, ThatStandsStillStaysInUseAndIsReported) {
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 30; ++i) Look({At(100 + round)});
    EXPECT_EQ(Count(HeadNews::Kind::kStandsStill), 1U);
    EXPECT_EQ(Count(HeadNews::Kind::kMoves), round == 0 ? 0U : 1U);
    EXPECT_EQ(current_, 0U);
    EXPECT_FALSE(choice_.Lags(0));
    TakeNews();
  }
  // A head that goes back and forth over the same epochs is no progress.
  for (int i = 0; i < 30; ++i) Look({At(99 + i % 2)});
  EXPECT_EQ(Count(HeadNews::Kind::kMoves), 0U);
}

}  // namespace
}  // namespace damocles::chain::internal
