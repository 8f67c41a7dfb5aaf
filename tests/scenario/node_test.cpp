// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the poster asks of a node, against the chain itself: where it looks, how far back, and what
// it lets a message cost.

#include "lib/poster/node.h"

#include <optional>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/devnet/chain_fixture.h"
#include "tests/support/loop.h"
#include "tests/support/status_matchers.h"

#include "damocles/devnet/direct_api.h"

namespace damocles::simulation {
namespace {

using devnet::testing_support::AdvanceTo;
using devnet::testing_support::kMiner;
using devnet::testing_support::PostMessage;
using filecoin::ChainEpoch;
using filecoin::EpochDelta;
using filecoin::TokenAmount;
using poster::MessageWhereabouts;

class NodeTest : public ::testing::Test {
 protected:
  ~NodeTest() noexcept override {}  // NOLINT(modernize-use-equals-default): KJ's may throw

  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(chain_, devnet::Chain::InMemory(devnet::QuickPreset(),
                                                         devnet::testing_support::SmallGenesis(),
                                                         verifier_.Options()));
    api_ = std::make_unique<devnet::DirectApi>(*chain_);
    node_ =
        std::make_unique<poster::internal::Node>(*api_, *api_, *api_, timer_, absl::Seconds(30));
    open_ = devnet::testing_support::FirstOpen(*chain_);
    close_ = open_ + chain_->Config().policy.period.challenge_window;
    challenge_ = open_ - chain_->Config().policy.period.challenge_lookback;
  }
  filecoin::SignedMessage Push(const filecoin::Message& message) {
    auto pushed = chain_->MpoolPushMessage(message, std::nullopt);
    EXPECT_OK(pushed.status());
    return *pushed;
  }
  poster::action::Survey Question() const {
    poster::action::Survey question;
    question.deadline_index = 0;
    question.partitions = {filecoin::ChainPartition(0), filecoin::ChainPartition(1)};
    question.challenge = challenge_;
    question.close = close_;
    return question;
  }
  poster::event::Surveyed Survey(const poster::action::Survey& question) {
    auto surveying = node_->Survey(kMiner, open_, question, poster::MinerPolicy{},
                                   chain_->ChainHead(), absl::UnixEpoch());
    auto surveyed = loop_.Wait(kj::mv(surveying).ToPromise());
    EXPECT_OK(surveyed.status());
    return *surveyed;
  }
  // Sends a proof of partition 0 and returns the message as it is in the pool.
  absl::StatusOr<filecoin::SignedMessage> Send(const poster::FeePolicy& fees,
                                               std::int64_t gas_limit) {
    const filecoin::Message message = PostMessage(*chain_, 0, {{0, {}}});
    delivery::action::Push send;
    send.from = message.from;
    send.params = message.params;
    send.gas_limit = gas_limit;
    auto sending = node_->Push(kMiner, filecoin::kMethodSubmitWindowedPoSt, send, fees);
    const auto sent = loop_.Wait(kj::mv(sending).ToPromise());
    if (!sent.ok()) return sent.status();
    return filecoin::cbor::Decode<filecoin::SignedMessage>(sent->signed_message);
  }

  testing_support::Loop loop_;
  kj::TimerImpl timer_{kj::origin<kj::TimePoint>()};
  devnet::testing_support::Verifier verifier_;
  std::unique_ptr<devnet::Chain> chain_;
  std::unique_ptr<devnet::DirectApi> api_;
  std::unique_ptr<poster::internal::Node> node_;
  ChainEpoch open_;
  ChainEpoch close_;
  ChainEpoch challenge_;
};

// The end of the window wipes the list; what was in it before decides about a miss.
TEST_F(NodeTest, AfterTheCloseTheLastEpochOfTheWindowIsAsked) {
  AdvanceTo(*chain_, open_);
  const auto pushed = Push(PostMessage(*chain_, 0, {{0, {}}, {1, {}}}));
  ASSERT_OK(chain_->Advance());
  ASSERT_OK(chain_->Advance());
  EXPECT_EQ(Survey(Question()).posted,
            (std::set{filecoin::ChainPartition(0), filecoin::ChainPartition(1)}));
  for (const std::int64_t after : {0, 1, 5}) {
    AdvanceTo(*chain_, close_ + EpochDelta(after));
    EXPECT_EQ(Survey(Question()).posted,
              (std::set{filecoin::ChainPartition(0), filecoin::ChainPartition(1)}))
        << after;
  }
}

TEST_F(NodeTest, AMessageIsFoundAsFarBackAsItsWindowReaches) {
  AdvanceTo(*chain_, open_);
  const auto pushed = Push(PostMessage(*chain_, 0, {{0, {}}, {1, {}}}));
  AdvanceTo(*chain_, close_ + EpochDelta(10));
  poster::action::Survey question = Question();
  question.cid = CidOf(pushed);
  question.params = pushed.message.params;
  const poster::event::Surveyed found = Survey(question);
  EXPECT_OK(found.search_trouble);
  EXPECT_EQ(found.message, MessageWhereabouts::kOnChain);
  EXPECT_EQ(found.receipt.exit_code, 0);
}

TEST_F(NodeTest, ADeclarationIsFoundADayLater) {
  AdvanceTo(*chain_, open_);
  Push(PostMessage(*chain_, 0, {{0, {}}, {1, {3}}}));
  AdvanceTo(*chain_, close_);
  filecoin::Message recovery;
  recovery.to = devnet::testing_support::kMinerAddress;
  recovery.from = filecoin::Address::FromId(chain_->MinerAfterHead(kMiner)->worker);
  recovery.method = filecoin::kMethodDeclareFaultsRecovered;
  recovery.params = filecoin::cbor::Encode(
      filecoin::DeclareFaultsRecoveredParams{{{.deadline = 0, .partition = 1, .sectors = {3}}}});
  const auto pushed = Push(recovery);
  AdvanceTo(*chain_, close_ + EpochDelta(400));
  poster::recovery::Look question;
  question.deadline_index = 0;
  question.cid = CidOf(pushed);
  question.params = recovery.params;
  auto looking = node_->LookForRecovery(kMiner, question, poster::MinerPolicy{},
                                        chain_->ChainHead(), absl::UnixEpoch());
  const auto looked = loop_.Wait(kj::mv(looking).ToPromise());
  ASSERT_OK(looked.status());
  EXPECT_EQ(looked->message, MessageWhereabouts::kOnChain);
}

// Limit times cap is more than the node's own highest fee: ours counts.
TEST_F(NodeTest, TheFeeCapIsTheOperatorsAlsoAboveTheNodesHighestFee) {
  AdvanceTo(*chain_, open_);
  poster::FeePolicy fees;
  fees.gas_fee_cap = 20'000'000'000;
  ASSERT_OK_AND_ASSIGN(const auto message, Send(fees, 50'000'000));
  EXPECT_EQ(message.message.gas_fee_cap, fees.gas_fee_cap);
  EXPECT_EQ(message.message.gas_limit, 50'000'000);
}

TEST_F(NodeTest, NoPremiumAboveTheCapAndNoLimitAboveWhatABlockHolds) {
  AdvanceTo(*chain_, open_);
  poster::FeePolicy fees;
  fees.gas_fee_cap = 5000;
  fees.gas_over_premium = 1000;
  fees.gas_over_estimation = 1e9;
  ASSERT_OK_AND_ASSIGN(const auto message, Send(fees, 0));
  EXPECT_EQ(message.message.gas_fee_cap, fees.gas_fee_cap);
  EXPECT_EQ(message.message.gas_premium, fees.gas_fee_cap);
  EXPECT_EQ(message.message.gas_limit, 10'000'000'000);
}

}  // namespace
}  // namespace damocles::simulation
