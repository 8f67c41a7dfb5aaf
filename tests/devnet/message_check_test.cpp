// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Calls with values that no honest client sends.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/devnet/chain_fixture.h"

namespace damocles::devnet {
namespace {

using damocles::testing_support::StatusIs;
using filecoin::EpochDelta;
using testing_support::kMiner;
using testing_support::kMinerAddress;
using testing_support::SmallGenesis;
using testing_support::Verifier;

class MessageCheckTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(chain_,
                         Chain::InMemory(QuickPreset(), SmallGenesis(), verifier_.Options()));
    ASSERT_OK_AND_ASSIGN(const MinerState miner, chain_->MinerAfterHead(kMiner));
    send_.from = filecoin::Address::FromId(miner.worker);
    send_.to = filecoin::Address::FromId(miner.owner);
    send_.value = 5;
  }

  Verifier verifier_;
  std::unique_ptr<Chain> chain_;
  filecoin::Message send_;
};

TEST_F(MessageCheckTest, EveryWayInChecksTheFields) {
  using Change = std::function<void(filecoin::Message&)>;
  const std::vector<std::pair<std::string, Change>> wrong = {
      {"'Version' unsupported", [](auto& m) { m.version = 7; }},
      {"'Value' field cannot be negative", [](auto& m) { m.value = -5; }},
      {"'Value' field cannot be greater", [](auto& m) { m.value = filecoin::Fil(2'000'000'001); }},
      {"'GasFeeCap' field cannot be negative", [](auto& m) { m.gas_fee_cap = -1; }},
      {"'GasPremium' field cannot be negative", [](auto& m) { m.gas_premium = -1; }},
      {"'GasLimit' field -1 must be positive", [](auto& m) { m.gas_limit = -1; }},
      {"greater than a block's gas limit", [](auto& m) { m.gas_limit = 10'000'000'001; }},
  };
  for (const auto& [text, change] : wrong) {
    SCOPED_TRACE(text);
    filecoin::Message message = send_;
    change(message);
    const auto refuses = StatusIs(absl::StatusCode::kInvalidArgument, text);
    EXPECT_THAT(chain_->MpoolPushMessage(message, std::nullopt).status(), refuses);
    EXPECT_THAT(chain_->GasEstimateMessageGas(message, std::nullopt, {}).status(), refuses);
    EXPECT_THAT(chain_->GasEstimateGasLimit(message, {}).status(), refuses);
    EXPECT_THAT(chain_->StateCall(message, {}).status(), refuses);
    EXPECT_THAT(chain_->MpoolPush({message, {}}).status(), refuses);
  }
  filecoin::Message message = send_;
  message.gas_limit = 1'000'000;
  message.gas_premium = 2;
  message.gas_fee_cap = 1;
  EXPECT_THAT(chain_->MpoolPush({message, {}}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "'GasFeeCap' less than 'GasPremium'"));
  chain::MessageSendSpec spec;
  spec.max_fee = -1;
  EXPECT_THAT(chain_->MpoolPushMessage(send_, spec).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "MaxFee"));
  EXPECT_TRUE(chain_->MpoolPending().empty());
  EXPECT_OK(chain_->MpoolPushMessage(send_, std::nullopt).status());
}

TEST_F(MessageCheckTest, RoundsFarAheadAreRefused) {
  const auto head = chain_->ChainHead().Height();
  EXPECT_OK(chain_->MinerGetBaseInfo(kMinerAddress, head + EpochDelta(1000), {}).status());
  EXPECT_THAT(
      chain_->MinerGetBaseInfo(kMinerAddress, filecoin::ChainEpoch(std::int64_t{1} << 62), {})
          .status(),
      StatusIs(absl::StatusCode::kInvalidArgument, "epochs after the base"));
}

TEST_F(MessageCheckTest, GenesisIsChecked) {
  const auto start = [&](const Genesis& genesis) {
    return Chain::InMemory(QuickPreset(), genesis, verifier_.Options()).status();
  };
  EXPECT_THAT(start({}), StatusIs(absl::StatusCode::kInvalidArgument, "no miner"));
  Genesis genesis = SmallGenesis();
  genesis.miners[0].id = std::uint64_t{1} << 63;
  EXPECT_THAT(start(genesis), StatusIs(absl::StatusCode::kInvalidArgument, "largest number"));
  genesis = SmallGenesis();
  genesis.miners[0].control_addresses = 11;
  EXPECT_THAT(start(genesis), StatusIs(absl::StatusCode::kInvalidArgument, "at most 10"));
  ChainConfig config = QuickPreset();
  config.block_delay_secs = 86401;
  EXPECT_THAT(Chain::InMemory(config, SmallGenesis(), verifier_.Options()).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "86400 seconds"));
}

}  // namespace
}  // namespace damocles::devnet
