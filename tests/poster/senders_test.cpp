// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Whose a message is.

#include "damocles/poster/senders.h"

#include "gtest/gtest.h"

namespace damocles::poster {
namespace {

using filecoin::Address;

class OwnMessageTest : public ::testing::Test {
 protected:
  OwnMessageTest() {
    addresses_.miner = 1000;
    addresses_.robust = {robust_};
    addresses_.owned = {{Address::FromId(100), SenderRole::kOwner},
                        {Address::FromId(101), SenderRole::kWorker},
                        {worker_key_, SenderRole::kWorker}};
    message_.to = Address::FromId(1000);
    message_.from = worker_key_;
    message_.method = 5;
    message_.params = {1, 2, 3};
  }
  bool Ours() const { return IsOurs(message_, addresses_, {5, {1, 2, 3}}); }

  const Address robust_ = Address::FromActorData(Bytes{7});
  const Address worker_key_ = Address::FromSecp256k1PublicKey(Bytes(65, 4));
  MinerAddresses addresses_;
  filecoin::Message message_;
};

TEST_F(OwnMessageTest, EveryFormOfAddressCounts) {
  EXPECT_TRUE(Ours());
  message_.from = Address::FromId(101);
  EXPECT_TRUE(Ours());
  message_.to = robust_;
  EXPECT_TRUE(Ours());
  message_.from = Address::FromId(100);
  EXPECT_TRUE(Ours());
}

TEST_F(OwnMessageTest, WhatDiffersAnywhereIsNotOurs) {
  const filecoin::Message good = message_;
  message_.from = Address::FromId(102);
  EXPECT_FALSE(Ours()) << "a stranger";
  message_ = good;
  message_.from = Address::FromId(1000);
  EXPECT_FALSE(Ours()) << "the miner itself sends nothing";
  message_ = good;
  message_.to = Address::FromId(1001);
  EXPECT_FALSE(Ours());
  message_.to = Address::FromActorData(Bytes{8});
  EXPECT_FALSE(Ours());
  message_ = good;
  message_.method = 11;
  EXPECT_FALSE(Ours());
  message_ = good;
  message_.params.push_back(0);
  EXPECT_FALSE(Ours());
  message_.params = {1, 2, 4};
  EXPECT_FALSE(Ours()) << "the proof, say";
  message_ = good;
  message_.value = 1;
  EXPECT_FALSE(Ours());
}

TEST_F(OwnMessageTest, NothingIsNoCall) {
  message_.params.clear();
  EXPECT_FALSE(IsOurs(message_, addresses_, {5, {}}));
}

TEST_F(OwnMessageTest, OnlyFeesMayDifferInAReplacement) {
  filecoin::Message other = message_;
  other.gas_fee_cap = 5;
  other.gas_premium = 7;
  other.gas_limit = 9;
  EXPECT_TRUE(IsReplacement(message_, other));
  for (int field = 0; field < 6; ++field) {
    filecoin::Message odd = other;
    if (field == 0) odd.from = Address::FromId(101);
    if (field == 1) odd.nonce = 1;
    if (field == 2) odd.to = robust_;
    if (field == 3) odd.method = 0;
    if (field == 4) odd.value = 1;
    if (field == 5) odd.params = {};
    EXPECT_FALSE(IsReplacement(message_, odd)) << field;
  }
}

}  // namespace
}  // namespace damocles::poster
