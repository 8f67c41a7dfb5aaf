// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The base fee of the chain, and what foreign traffic does to it and to the blocks.

#include "damocles/devnet/base_fee.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/devnet/base_fee_vectors.h"
#include "tests/devnet/chain_fixture.h"

namespace damocles::devnet {
namespace {

using damocles::testing_support::StatusIs;
using filecoin::ChainEpoch;
using filecoin::EpochDelta;
using filecoin::TokenAmount;
using testing_support::SmallGenesis;
using testing_support::Verifier;

TEST(BaseFeeTest, KeptValuesOfTheNetwork) {
  testing_support::CompareBaseFees(std::string(DAMOCLES_TEST_DATA_DIR) + "/devnet/base-fee.json");
}

class TrafficTest : public testing::Test {
 protected:
  void Start(Traffic traffic, const TokenAmount& base_fee) {
    ChainConfig config = QuickPreset();
    config.base_fee = base_fee;
    config.traffic = traffic;
    ASSERT_OK_AND_ASSIGN(chain_, Chain::InMemory(config, SmallGenesis(), verifier_.Options()));
  }
  TokenAmount HeadFee() const { return chain_->ChainHead().Blocks()[0].parent_base_fee; }
  filecoin::Cid Transfer(const TokenAmount& fee_cap, const TokenAmount& premium,
                         std::size_t sender = 0) {
    filecoin::Message message;
    message.from = chain_->WalletList().at(sender);
    message.to = testing_support::kMinerAddress;
    message.gas_limit = 10'000'000;
    message.gas_fee_cap = fee_cap;
    message.gas_premium = premium;
    message.nonce = chain_->MpoolGetNonce(message.from).value();
    const auto signature = chain_->WalletSign(message.from, SigningBytes(message));
    const auto pushed = chain_->MpoolPush({message, *signature});
    EXPECT_OK(pushed.status());
    return pushed.ok() ? *pushed : filecoin::Cid();
  }
  bool IsPending(const filecoin::Cid& cid) const { return chain_->CheckPending(cid).ok(); }

  Verifier verifier_;
  std::unique_ptr<Chain> chain_;
};

TEST_F(TrafficTest, QuietFeesFallToTheFloorAndStayThere) {
  Start(Traffic::kQuiet, 1000);
  EXPECT_EQ(chain_->BaseFee(), TokenAmount(1000)) << "it does not move in the blocks of the start";
  ASSERT_OK(chain_->Advance());
  EXPECT_EQ(HeadFee(), TokenAmount(1000));
  EXPECT_EQ(chain_->BaseFee(), TokenAmount(875));
  for (int i = 0; i < 40; ++i) ASSERT_OK(chain_->Advance());
  EXPECT_EQ(HeadFee(), TokenAmount(100));
}

TEST_F(TrafficTest, NullRoundsCarryTheFeeOver) {
  Start(Traffic::kQuiet, 1000);
  ASSERT_OK(chain_->Advance({.null_rounds = 7, .timestamp = std::nullopt}));
  EXPECT_EQ(HeadFee(), TokenAmount(1000));
  ASSERT_OK(chain_->Advance({.null_rounds = 7, .timestamp = std::nullopt}));
  EXPECT_EQ(HeadFee(), TokenAmount(875));
}

TEST_F(TrafficTest, RampRisesByAnEighthForSixtyEpochs) {
  Start(Traffic::kRamp, 1'000'000'000);
  const TokenAmount before = chain_->BaseFee();
  for (int i = 0; i < 60; ++i) ASSERT_OK(chain_->Advance());
  EXPECT_GT(chain_->BaseFee(), before * 1171);
  EXPECT_LT(chain_->BaseFee(), before * 1174) << "rounded up each time";
  for (int i = 0; i < 60; ++i) ASSERT_OK(chain_->Advance());
  EXPECT_LT(chain_->BaseFee(), before);
}

TEST_F(TrafficTest, SpikeShutsOutWhoPaysTheUsualPremium) {
  Start(Traffic::kSpike, 1000);
  const filecoin::Cid usual = Transfer(filecoin::Fil(1) / 1'000'000'000, 100'000, 0);
  const filecoin::Cid dear = Transfer(filecoin::Fil(1) / 1'000'000'000, 20'000'000, 1);
  ASSERT_OK(chain_->Advance());
  EXPECT_TRUE(IsPending(usual));
  EXPECT_FALSE(IsPending(dear));
  ASSERT_OK(chain_->Advance());
  EXPECT_GT(chain_->GasEstimateGasPremium(), TokenAmount(10'000'000)) << "what it takes now";
  for (int i = 0; i < 19; ++i) ASSERT_OK(chain_->Advance());
  EXPECT_FALSE(IsPending(usual));
}

TEST_F(TrafficTest, OscillationGoesUpAndDown) {
  Start(Traffic::kOscillation, 1'000'000);
  for (int i = 0; i < 6; ++i) ASSERT_OK(chain_->Advance());
  EXPECT_GT(chain_->BaseFee(), TokenAmount(2'000'000));
  for (int i = 0; i < 6; ++i) ASSERT_OK(chain_->Advance());
  EXPECT_LT(chain_->BaseFee(), TokenAmount(1'000'000));
}

TEST_F(TrafficTest, DearestMessageFirstAndASendersInTheOrderOfItsNonces) {
  Start(Traffic::kQuiet, 100);
  const TokenAmount cap = 1'000'000'000;
  const filecoin::Cid cheap = Transfer(cap, 1, 0);
  const filecoin::Cid behind = Transfer(cap, 500, 0);
  const filecoin::Cid dear = Transfer(cap, 50, 1);
  ASSERT_OK(chain_->Advance());
  ASSERT_OK_AND_ASSIGN(const auto messages,
                       chain_->ChainGetBlockMessages(chain_->ChainHead().Key().Cids().front()));
  EXPECT_EQ(messages.cids, (std::vector<filecoin::Cid>{dear, cheap, behind}));
}

TEST_F(TrafficTest, ScriptBeginsWhenItIsSetAndABranchFollowsItToo) {
  Start(Traffic::kQuiet, 1'000'000);
  ASSERT_OK(chain_->SetTraffic(Traffic::kRamp));
  ASSERT_OK(chain_->Advance());
  ASSERT_OK(chain_->Advance());
  EXPECT_EQ(chain_->BaseFee(), TokenAmount(1'265'625));
  ASSERT_OK(chain_->Reorg(2));
  EXPECT_EQ(chain_->BaseFee(), TokenAmount(1'265'625));
  ASSERT_OK(chain_->SetBaseFee(5000));
  ASSERT_OK(chain_->Advance());
  EXPECT_EQ(HeadFee(), TokenAmount(5000));
  ASSERT_OK(chain_->Reorg(1));
  EXPECT_EQ(HeadFee(), TokenAmount(5000)) << "set by hand: no part of a branch";
}

TEST(TrafficNameTest, NamesAreReadBack) {
  for (const char* name : {"quiet", "ramp", "spike", "oscillation"}) {
    ASSERT_OK_AND_ASSIGN(const Traffic traffic, TrafficByName(name));
    EXPECT_EQ(Name(traffic), name);
  }
  EXPECT_THAT(TrafficByName("noisy").status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "there are quiet"));
}

TEST_F(TrafficTest, MinerIsReachedByItsRobustAddressToo) {
  Start(Traffic::kQuiet, 100);
  const filecoin::Address robust = Chain::RobustAddressOf(testing_support::kMiner);
  ASSERT_OK_AND_ASSIGN(const auto id, chain_->StateLookupId(robust, {}));
  EXPECT_EQ(id, testing_support::kMinerAddress);
  testing_support::AdvanceTo(*chain_, testing_support::FirstOpen(*chain_) - EpochDelta(1));
  filecoin::Message post = testing_support::PostMessage(*chain_, 0, {{0, {}}});
  post.to = robust;
  ASSERT_OK(chain_->MpoolPushMessage(post, std::nullopt).status());
  ASSERT_OK(chain_->Advance());
  ASSERT_EQ(chain_->ExecutedPosts().size(), 1U);
  EXPECT_EQ(chain_->ExecutedPosts()[0].exit_code, 0) << chain_->ExecutedPosts()[0].error;
}

}  // namespace
}  // namespace damocles::devnet
