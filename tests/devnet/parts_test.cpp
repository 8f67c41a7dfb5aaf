// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The parts of the simulated chain, each alone.

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/devnet/pool.h"
#include "lib/devnet/proof_judge.h"
#include "lib/devnet/tipsets.h"
#include "tests/support/status_matchers.h"

namespace damocles::devnet::internal {
namespace {

using ::damocles::testing_support::StatusIs;
using filecoin::Address;
using filecoin::ChainEpoch;
using filecoin::SignedMessage;
using ::testing::ElementsAre;

// ---------------------------------------------------------------- judge

class ProofJudgeTest : public ::testing::Test {
 protected:
  Verdict Ask(const Bytes& proof) { return judge_.Judge(PostStatement{}, proof, said_); }

  absl::StatusOr<bool> answer_ = true;
  int asked_ = 0;
  ProofJudge judge_{[this](const PostStatement&, ByteSpan) {
    ++asked_;
    return answer_;
  }};
  VerdictSource said_;
};

TEST_F(ProofJudgeTest, AsksOnceForAProofAndNotesEachVerdict) {
  EXPECT_TRUE(Ask({1}).valid);
  EXPECT_TRUE(Ask({1}).valid);
  EXPECT_EQ(asked_, 1);
  answer_ = false;
  EXPECT_FALSE(Ask({2}).valid);
  EXPECT_EQ(asked_, 2);
  EXPECT_EQ(said_.list.size(), 3U);
}

TEST_F(ProofJudgeTest, BytesThatAreNoProofAreAWrongOne) {
  answer_ = absl::InvalidArgumentError("not on the curve");
  const Verdict verdict = Ask({1});
  EXPECT_FALSE(verdict.valid);
  EXPECT_EQ(verdict.problem, "");
}

TEST_F(ProofJudgeTest, WhatCouldNotBeJudgedIsAskedAgain) {
  answer_ = absl::NotFoundError("no such key");
  EXPECT_EQ(Ask({1}).problem, "no such key");
  answer_ = true;
  EXPECT_TRUE(Ask({1}).valid);
}

TEST_F(ProofJudgeTest, RepeatsWhatTheJournalHas) {
  VerdictSource recorded{
      .recorded = true, .list = {{true, ""}, {false, "no such key"}}, .exhausted = false};
  EXPECT_TRUE(judge_.Judge(PostStatement{}, Bytes{1}, recorded).valid);
  EXPECT_EQ(judge_.Judge(PostStatement{}, Bytes{1}, recorded).problem, "no such key");
  EXPECT_FALSE(recorded.exhausted);
  EXPECT_FALSE(judge_.Judge(PostStatement{}, Bytes{1}, recorded).valid);
  EXPECT_TRUE(recorded.exhausted);
  EXPECT_EQ(asked_, 0);
}

// ---------------------------------------------------------------- pool

class PoolTest : public ::testing::Test {
 protected:
  PoolTest() {
    auto accounts = std::make_shared<std::map<filecoin::ActorId, Account>>();
    for (const filecoin::ActorId id : {filecoin::ActorId{100}, filecoin::ActorId{101}}) {
      accounts->emplace(
          id,
          Account{.id = id, .key = Address::FromId(id), .nonce = 0, .balance = filecoin::Fil(1)});
    }
    world_.accounts = accounts;
  }

  static SignedMessage Message(filecoin::ActorId from, std::uint64_t nonce, std::int64_t premium) {
    SignedMessage message;
    message.message.from = Address::FromId(from);
    message.message.to = Address::FromId(1000);
    message.message.nonce = nonce;
    message.message.gas_limit = 1'000'000;
    message.message.gas_fee_cap = 1000;
    message.message.gas_premium = premium;
    return message;
  }
  std::vector<std::string> Select(std::vector<PricedGas> foreign = {}) const {
    std::vector<std::string> taken;
    for (const SignedMessage& message : pool_.Select({.world = world_,
                                        .height = ChainEpoch(10),
                                        .base_fee = 100,
                                        .inclusion_delay = 0,
                                        .foreign = std::move(foreign)})) {
      taken.push_back(message.message.from.ToString() + "/" +
                      std::to_string(message.message.nonce));
    }
    return taken;
  }
  static std::string Name(filecoin::ActorId from, int nonce) {
    return Address::FromId(from).ToString() + "/" + std::to_string(nonce);
  }

  World world_;
  Pool pool_;
};

TEST_F(PoolTest, TakesTheDearestFirstAndASendersInTheirOrder) {
  pool_.Add(Message(100, 0, 5), ChainEpoch(1));
  pool_.Add(Message(100, 1, 500), ChainEpoch(1));
  pool_.Add(Message(101, 0, 50), ChainEpoch(1));
  EXPECT_THAT(Select(), ElementsAre(Name(101, 0), Name(100, 0), Name(100, 1)));
}

TEST_F(PoolTest, LeavesWhatHasAGapAndWhatPaysLessThanOthers) {
  pool_.Add(Message(100, 1, 500), ChainEpoch(1));
  EXPECT_THAT(Select(), ElementsAre());
  pool_.Add(Message(101, 0, 50), ChainEpoch(1));
  EXPECT_THAT(Select({{.premium = 49, .gas_limit = kBlockGasLimit}}), ElementsAre(Name(101, 0)));
  EXPECT_THAT(Select({{.premium = 50, .gas_limit = kBlockGasLimit}}), ElementsAre());
}

TEST_F(PoolTest, AnotherOneOfTheSameNonceTakesThePlace) {
  pool_.Add(Message(100, 0, 5), ChainEpoch(1));
  pool_.Add(Message(100, 0, 50), ChainEpoch(1));
  EXPECT_EQ(pool_.All().size(), 1U);
  EXPECT_FALSE(pool_.Holds(CidOf(Message(100, 0, 5))));
  EXPECT_TRUE(pool_.Drop(CidOf(Message(100, 0, 50))));
  EXPECT_FALSE(pool_.Drop(CidOf(Message(100, 0, 50))));
  EXPECT_TRUE(pool_.All().empty());
}

TEST_F(PoolTest, CountsNoncesAndForgetsWhatWasExecuted) {
  pool_.Add(Message(100, 0, 5), ChainEpoch(1));
  pool_.Add(Message(100, 1, 5), ChainEpoch(1));
  pool_.Add(Message(100, 3, 5), ChainEpoch(1));
  EXPECT_EQ(pool_.NextNonce(*world_.FindAccount(filecoin::ActorId{100})), 2U);
  Account later = *world_.FindAccount(filecoin::ActorId{100});
  later.nonce = 1;
  world_.Put(later);
  pool_.Prune(world_);
  EXPECT_THAT(Select(), ElementsAre(Name(100, 1)));
  EXPECT_EQ(pool_.Of(Address::FromId(100)).size(), 2U);
  EXPECT_TRUE(pool_.Of(Address::FromId(101)).empty());
}

// ---------------------------------------------------------------- tipsets

std::shared_ptr<Node> Block(NodePtr parent, std::int64_t height, std::uint64_t branch) {
  filecoin::BlockHeader header;
  header.miner = Address::FromId(1000);
  header.ticket = filecoin::Ticket{Bytes(96, static_cast<std::uint8_t>(branch))};
  header.parent_state_root = filecoin::Cid::OfDagCbor(Bytes{1});
  header.parent_message_receipts = header.parent_state_root;
  header.messages = header.parent_state_root;
  if (parent) header.parents = {parent->cid};
  header.height = ChainEpoch(height);
  auto node = std::make_shared<Node>();
  node->parent = std::move(parent);
  node->tip_set = filecoin::TipSet::Make({header}).value();
  node->cid = node->tip_set.Key().Cids().front();
  return node;
}

TEST(TipsetsTest, FindsTipsetsByHeightOnTheBranchThatIsAsked) {
  Tipsets tipsets;
  tipsets.Adopt(Block(nullptr, 0, 0));
  tipsets.Adopt(Block(tipsets.Head(), 1, 0));
  tipsets.Adopt(Block(tipsets.Head(), 4, 0));
  const NodePtr old_head = tipsets.TakeBack();
  EXPECT_EQ(tipsets.Head()->Height(), ChainEpoch(1));
  tipsets.Adopt(Block(tipsets.Head(), 3, 1));
  tipsets.Adopt(Block(tipsets.Head(), 4, 1));

  EXPECT_EQ(tipsets.AtOrBefore(tipsets.Head(), ChainEpoch(2))->Height(), ChainEpoch(1));
  EXPECT_EQ(tipsets.AtOrAfter(tipsets.Head(), ChainEpoch(2)).value()->Height(), ChainEpoch(3));
  EXPECT_EQ(tipsets.AtOrAfter(old_head, ChainEpoch(2)).value(), old_head) << "of the old branch";
  EXPECT_EQ(tipsets.AtOrBefore(old_head, ChainEpoch(3))->Height(), ChainEpoch(1));
  EXPECT_THAT(tipsets.AtOrAfter(tipsets.Head(), ChainEpoch(5)),
              StatusIs(absl::StatusCode::kInvalidArgument, "epoch 5"));
  EXPECT_EQ(tipsets.Resolve(old_head->tip_set.Key()).value(), old_head) << "still known";
  EXPECT_EQ(tipsets.Resolve({}).value(), tipsets.Head());
  EXPECT_THAT(tipsets.Resolve(filecoin::TipSetKey({filecoin::Cid::OfDagCbor(Bytes{7})})),
              StatusIs(absl::StatusCode::kNotFound, "block not found"));
}

}  // namespace
}  // namespace damocles::devnet::internal
