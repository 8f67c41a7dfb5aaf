// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/devnet/direct_api.h"

#include <set>
#include <string>
#include <tuple>

#include "gtest/gtest.h"
#include "lib/devnet/method_table.h"
#include "tests/devnet/chain_fixture.h"
#include "tests/support/loop.h"

namespace damocles::devnet {
namespace {

using chain::HeadChangeKind;
using damocles::testing_support::StatusIs;
using filecoin::EpochDelta;
using testing_support::AdvanceTo;
using testing_support::FirstOpen;
using testing_support::kMinerAddress;
using testing_support::PostMessage;
using testing_support::SmallGenesis;
using testing_support::Verifier;
using testing_support::WithUuid;

class DirectApiTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(chain_,
                         Chain::InMemory(QuickPreset(), SmallGenesis(), verifier_.Options()));
    api_ = std::make_unique<DirectApi>(*chain_);
  }
  template <typename T>
  absl::StatusOr<T> Wait(chain::Result<T> task) {
    return loop_.Wait(kj::mv(task).ToPromise());
  }

  damocles::testing_support::Loop loop_;
  Verifier verifier_;
  std::unique_ptr<Chain> chain_;
  std::unique_ptr<DirectApi> api_;
};

TEST_F(DirectApiTest, AnswersLikeTheChain) {
  ASSERT_OK_AND_ASSIGN(const auto head, Wait(api_->ChainHead()));
  EXPECT_EQ(head, chain_->ChainHead());
  ASSERT_OK_AND_ASSIGN(const auto info, Wait(api_->StateMinerInfo(kMinerAddress, {})));
  EXPECT_EQ(info.window_post_partition_sectors, 2U);
  ASSERT_OK_AND_ASSIGN(const auto key, Wait(api_->StateAccountKey(info.worker, {})));
  ASSERT_OK_AND_ASSIGN(const auto id, Wait(api_->StateLookupId(key, {})));
  EXPECT_EQ(id, info.worker);
  ASSERT_OK_AND_ASSIGN(const bool has, Wait(api_->WalletHas(key)));
  EXPECT_TRUE(has);
  EXPECT_EQ(api_->Calls("ChainHead"), 1U);
}

// ChainNotify lives on a connection and is served there.
TEST_F(DirectApiTest, WhateverTheClientAsksIsServedToThoseWhoMay) {
  const internal::MethodTable table(*chain_);
  std::set<std::string> names;
  for (const chain::MethodInfo& info : chain::AllMethods()) {
    SCOPED_TRACE(info.name);
    EXPECT_TRUE(info.name.starts_with("Filecoin."));
    const std::string name(info.ShortName());
    EXPECT_TRUE(names.insert(name).second);
    if (name == "ChainNotify") continue;
    const internal::MethodTable::Method* served = table.Find(name, false);
    ASSERT_NE(served, nullptr);
    EXPECT_EQ(served->permission, info.permission);
    EXPECT_EQ(served->answer == nullptr, info.kind == chain::CallKind::kWait);
  }
  EXPECT_EQ(names.size(), std::tuple_size_v<decltype(chain::kMethods)>);
}

TEST_F(DirectApiTest, FailsLosesAndHangsAsOrdered) {
  api_->FailNext("ChainHead", 2, absl::UnavailableError("down"));
  EXPECT_THAT(Wait(api_->ChainHead()).status(), StatusIs(absl::StatusCode::kUnavailable, "down"));
  EXPECT_THAT(Wait(api_->ChainHead()).status(), StatusIs(absl::StatusCode::kUnavailable, "down"));
  EXPECT_OK(Wait(api_->ChainHead()).status());

  AdvanceTo(*chain_, FirstOpen(*chain_) - EpochDelta(1));
  const auto message = PostMessage(*chain_, 0, {{0, {}}});
  api_->LoseAnswers("MpoolPushMessage", 1, absl::DeadlineExceededError("no answer"));
  EXPECT_THAT(Wait(api_->MpoolPushMessage(message, WithUuid(1))).status(),
              StatusIs(absl::StatusCode::kDeadlineExceeded, "no answer"));
  EXPECT_EQ(chain_->MpoolPending().size(), 1U) << "done all the same";
  ASSERT_OK_AND_ASSIGN(const auto again, Wait(api_->MpoolPushMessage(message, WithUuid(1))));
  EXPECT_EQ(again, chain_->MpoolPending()[0]);

  api_->HangNext("*", 1);
  auto hung = api_->ChainHead().ToPromise();
  ASSERT_OK(chain_->Advance());
  EXPECT_FALSE(hung.poll(loop_.Scope()));
  api_->Release();
  ASSERT_OK_AND_ASSIGN(const auto head, loop_.Wait(kj::mv(hung)));
  EXPECT_EQ(head, chain_->ChainHead());

  api_->SetDown(true);
  EXPECT_THAT(Wait(api_->StateNetworkName()).status(),
              StatusIs(absl::StatusCode::kUnavailable, "lost"));
  api_->SetDown(false);
  EXPECT_OK(Wait(api_->StateNetworkName()).status());
}

TEST_F(DirectApiTest, SubscriptionFollowsTheHead) {
  ASSERT_OK_AND_ASSIGN(auto subscription, Wait(api_->ChainNotify()));
  ASSERT_OK_AND_ASSIGN(auto changes, Wait(subscription->Next()));
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].kind, HeadChangeKind::kCurrent);
  auto next = subscription->Next().ToPromise();
  EXPECT_FALSE(next.poll(loop_.Scope()));
  ASSERT_OK(chain_->Advance());
  ASSERT_OK_AND_ASSIGN(changes, loop_.Wait(kj::mv(next)));
  EXPECT_EQ(changes[0].kind, HeadChangeKind::kApply);
  ASSERT_OK(chain_->Reorg(1));
  ASSERT_OK_AND_ASSIGN(changes, Wait(subscription->Next()));
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_EQ(changes[0].kind, HeadChangeKind::kRevert);

  api_->DropSubscriptions();
  EXPECT_THAT(Wait(subscription->Next()).status(), StatusIs(absl::StatusCode::kUnavailable, ""));
}

TEST_F(DirectApiTest, SlowReaderIsDropped) {
  ASSERT_OK_AND_ASSIGN(auto subscription, Wait(api_->ChainNotify()));
  for (int i = 0; i < 20; ++i) ASSERT_OK(chain_->Advance());
  absl::Status last;
  for (int i = 0; i < 20 && last.ok(); ++i) last = Wait(subscription->Next()).status();
  EXPECT_THAT(last, StatusIs(absl::StatusCode::kUnavailable, "too slow"));
}

TEST_F(DirectApiTest, WaitsForTheBeaconOfAnEpoch) {
  const filecoin::ChainEpoch epoch = chain_->ChainHead().Height() + EpochDelta(3);
  auto asking = api_->StateGetBeaconEntry(epoch).ToPromise();
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(asking.poll(loop_.Scope())) << i;
    ASSERT_OK(chain_->Advance());
  }
  ASSERT_OK_AND_ASSIGN(const auto entry, loop_.Wait(kj::mv(asking)));
  EXPECT_EQ(entry, *chain_->StateGetBeaconEntry(epoch));
}

}  // namespace
}  // namespace damocles::devnet
