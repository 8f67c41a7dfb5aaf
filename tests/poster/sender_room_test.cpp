// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Who sends next: every way in which a sender cannot.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "damocles/filecoin/cbor.h"
#include "damocles/poster/senders.h"

namespace damocles::poster {
namespace {

using filecoin::Address;
using filecoin::ChainEpoch;
using filecoin::TokenAmount;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Address Key(std::uint8_t n) {
  return Address::FromSecp256k1PublicKey(Bytes(65, n));
}

class SenderRoomTest : public ::testing::Test {
 protected:
  // Control, worker, owner; the first is the richest.
  SenderRoomTest() {
    const SenderRole roles[] = {SenderRole::kControl, SenderRole::kWorker, SenderRole::kOwner};
    for (std::uint8_t n = 0; n < 3; ++n) {
      SenderFacts facts;
      facts.role = roles[n];
      facts.id = Address::FromId(100 + n);
      facts.key = Key(n);
      facts.balance = filecoin::Fil(30 - n);
      facts_.push_back(std::move(facts));
    }
  }
  SenderChoice Choose() { return room_.Choose(facts_, base_fee_, epoch_, now_); }
  static filecoin::SignedMessage Pending(std::uint8_t sender, std::uint64_t nonce,
                                         std::int64_t fee_cap) {
    filecoin::SignedMessage out;
    out.message.from = Key(sender);
    out.message.to = Address::FromId(1);
    out.message.nonce = nonce;
    out.message.gas_fee_cap = fee_cap;
    out.signature.data = Bytes(65, 1);
    return out;
  }

  SenderRoom room_;
  std::vector<SenderFacts> facts_;
  TokenAmount base_fee_ = 1000;
  ChainEpoch epoch_{50};
  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
};

TEST_F(SenderRoomTest, RichestOfThoseThatCan) {
  const SenderChoice choice = Choose();
  EXPECT_EQ(choice.address, Key(0));
  EXPECT_EQ(choice.role, "control");
  EXPECT_THAT(choice.warnings, IsEmpty());
  EXPECT_THAT(choice.repairs, IsEmpty());
}

// Each way in which the best one cannot send: the next one does.
TEST_F(SenderRoomTest, AnotherSendsWhenTheBestCannot) {
  struct Way {
    const char* name;
    std::function<void(SenderFacts&)> happen;
    bool warned;
  };
  const Way ways[] = {
      {"no key in the wallet", [](SenderFacts& f) { f.unusable = "no key"; }, false},
      {"no key, and configured",
       [](SenderFacts& f) {
         f.unusable = "no key";
         f.configured = true;
       },
       true},
      {"unknown to the chain",
       [](SenderFacts& f) {
         f.key = Address();
         f.unusable = "unknown";
       },
       false},
      {"locked", [](SenderFacts& f) { f.doubtful = absl::UnknownError("wallet is locked"); }, true},
      {"empty", [](SenderFacts& f) { f.balance = TokenAmount(0); }, true},
      {"next to empty", [](SenderFacts& f) { f.balance = TokenAmount(5000); }, true},
      {"about to be emptied by what is pending",
       [](SenderFacts& f) {
         f.lane = {Pending(0, 4, 10'000)};
         f.lane[0].message.value = *f.balance;
         f.next_nonce = 5;
       },
       true},
      {"lane blocked by a low fee",
       [](SenderFacts& f) {
         f.next_nonce = 8;
         f.lane = {Pending(0, 7, 10)};
       },
       true},
      {"lane full",
       [](SenderFacts& f) {
         f.next_nonce = 2000;
         for (std::uint64_t n = 0; n < 1000; ++n) f.lane.push_back(Pending(0, 1000 + n, 5000));
       },
       true},
  };
  for (const Way& way : ways) {
    SCOPED_TRACE(way.name);
    SenderRoom room;
    std::vector<SenderFacts> facts = facts_;
    way.happen(facts[0]);
    SenderChoice choice = room.Choose(facts, base_fee_, epoch_, now_);
    EXPECT_EQ(choice.address, Key(1));
    ASSERT_THAT(choice.warnings, SizeIs(way.warned ? 1 : 0));
    if (way.warned) {
      EXPECT_EQ(choice.warnings[0].sender, Key(0).ToString());
      EXPECT_EQ(choice.warnings[0].role, "control");
      EXPECT_FALSE(choice.warnings[0].what.empty());
    }
    choice = room.Choose(facts, base_fee_, epoch_, now_);
    EXPECT_THAT(choice.warnings, IsEmpty()) << "said once";
    choice = room.Choose(facts_, base_fee_, epoch_, now_);
    EXPECT_EQ(choice.address, Key(0)) << "all is well again";
    choice = room.Choose(facts, base_fee_, epoch_, now_);
    EXPECT_THAT(choice.warnings, SizeIs(way.warned ? 1 : 0)) << "and said again";
  }
}

TEST_F(SenderRoomTest, WhoFailedIsSetAsideForTheWindow) {
  room_.SetAside(Key(0), "it cannot sign", now_ + absl::Minutes(30));
  SenderChoice choice = Choose();
  EXPECT_EQ(choice.address, Key(1));
  ASSERT_THAT(choice.warnings, SizeIs(1));
  EXPECT_THAT(choice.warnings[0].what, HasSubstr("it cannot sign"));
  room_.SetAside(Key(1), "refused", now_ + absl::Minutes(30));
  EXPECT_EQ(Choose().address, Key(2));
  now_ += absl::Minutes(31);
  EXPECT_EQ(Choose().address, Key(0));
}

// Nobody is without trouble: the one with the least sends all the same.
TEST_F(SenderRoomTest, IfAllFailedTheOneThatFailedLeastTriesAgain) {
  const absl::Time until = now_ + absl::Minutes(30);
  for (std::uint8_t n = 0; n < 3; ++n) room_.SetAside(Key(n), "refused", until);
  EXPECT_EQ(Choose().address, Key(0));
  room_.SetAside(Key(0), "refused", until);
  EXPECT_EQ(Choose().address, Key(1));
  room_.SetAside(Key(1), "refused", until);
  EXPECT_EQ(Choose().address, Key(2));
  room_.SetAside(Key(2), "refused", until);
  EXPECT_EQ(Choose().address, Key(0));
}

TEST_F(SenderRoomTest, BlockedLaneIsBetterThanNobodyAndIsRepaired) {
  facts_.resize(1);
  facts_[0].next_nonce = 8;
  facts_[0].lane = {Pending(0, 7, 10)};
  const SenderChoice choice = Choose();
  EXPECT_EQ(choice.address, Key(0));
  ASSERT_THAT(choice.repairs, SizeIs(1));
  EXPECT_EQ(choice.repairs[0].nonce, 7u);
  EXPECT_EQ(choice.repairs[0].sender, Key(0));
  EXPECT_EQ(choice.repairs[0].signed_message, filecoin::cbor::Encode(facts_[0].lane[0]));
  ASSERT_THAT(choice.warnings, SizeIs(1));
  EXPECT_EQ(choice.warnings[0].nonce, 7u);
  EXPECT_EQ(choice.warnings[0].message, CidOf(facts_[0].lane[0]).ToString());
}

TEST_F(SenderRoomTest, LaneOfAKeyThatIsNotHereIsNotRepaired) {
  facts_[0].unusable = "no key";
  facts_[0].lane = {Pending(0, 7, 10)};
  EXPECT_THAT(Choose().repairs, IsEmpty());
}

TEST_F(SenderRoomTest, NobodyAtAllNamesEveryAddressWithItsReason) {
  for (SenderFacts& facts : facts_) facts.unusable = "no key";
  const SenderChoice choice = Choose();
  EXPECT_FALSE(choice.address);
  for (std::uint8_t n = 0; n < 3; ++n) {
    EXPECT_THAT(choice.trouble, HasSubstr(Key(n).ToString()));
  }
  EXPECT_THAT(choice.trouble, HasSubstr("(worker): no key"));
}

TEST_F(SenderRoomTest, MessageThatIsPassedOverForLongIsInTheWay) {
  facts_[0].next_nonce = 8;
  facts_[0].lane = {Pending(0, 7, 5000)};
  for (int head = 0; head < 5; ++head, ++epoch_) EXPECT_EQ(Choose().address, Key(0));
  const SenderChoice choice = Choose();
  EXPECT_EQ(choice.address, Key(1));
  EXPECT_THAT(choice.repairs, SizeIs(1));
  facts_[0].lane = {Pending(0, 8, 5000)};  // it went through, another one came
  EXPECT_EQ(Choose().address, Key(0));
}

TEST_F(SenderRoomTest, GapIsFilledByTheNextMessageButBlocksWhatIsBehindIt) {
  SenderFacts& facts = facts_[0];
  facts.next_nonce = 5;
  facts.lane = {Pending(0, 7, 5000), Pending(0, 8, 5000)};
  EXPECT_EQ(BlockBeforeNonce(facts, base_fee_, std::nullopt).kind, LaneBlock::Kind::kNone);
  const LaneBlock block = BlockBeforeNonce(facts, base_fee_, 8);
  EXPECT_EQ(block.kind, LaneBlock::Kind::kGap);
  EXPECT_EQ(block.nonce, 5u);
  // What waits for its fee in front of the gap comes first.
  facts.lane.insert(facts.lane.begin(), Pending(0, 4, 10));
  EXPECT_EQ(BlockBeforeNonce(facts, base_fee_, 8).nonce, 4u);
  EXPECT_EQ(BlockBeforeNonce(facts, base_fee_, 8).kind, LaneBlock::Kind::kLowFee);
  EXPECT_EQ(BlockBeforeNonce(facts, base_fee_, 4).kind, LaneBlock::Kind::kNone)
      << "the front itself";
}

// In blocks full of messages that pay more than the one in front, ours behind it waits with it.
TEST_F(SenderRoomTest, SmallerPremiumInFrontOfOursBlocksIt) {
  SenderFacts& facts = facts_[0];
  facts.next_nonce = 9;
  facts.lane = {Pending(0, 6, 5000), Pending(0, 7, 5000), Pending(0, 8, 5000)};
  filecoin::Message& ours = facts.lane[2].message;
  for (filecoin::SignedMessage& message : facts.lane) message.message.gas_premium = 300;
  EXPECT_EQ(BlockBeforeMessage(facts, base_fee_, ours).kind, LaneBlock::Kind::kNone);
  facts.lane[1].message.gas_premium = 100;
  const LaneBlock block = BlockBeforeMessage(facts, base_fee_, ours);
  EXPECT_EQ(block.kind, LaneBlock::Kind::kLowFee);
  EXPECT_EQ(block.nonce, 7U);
  // What a cap leaves of a premium counts.
  facts.lane[0].message.gas_fee_cap = base_fee_ + 50;
  EXPECT_EQ(BlockBeforeMessage(facts, base_fee_, ours).nonce, 6U);
  ours.gas_premium = 20;
  EXPECT_EQ(BlockBeforeMessage(facts, base_fee_, ours).kind, LaneBlock::Kind::kNone);
}

TEST_F(SenderRoomTest, OneMessageIsRaisedOnceAHead) {
  EXPECT_TRUE(room_.MayRepair(Key(0), 7, epoch_));
  EXPECT_FALSE(room_.MayRepair(Key(0), 7, epoch_));
  EXPECT_TRUE(room_.MayRepair(Key(1), 7, epoch_));
  EXPECT_TRUE(room_.MayRepair(Key(0), 7, ++epoch_));
}

// A planted fault this must catch: only the first who asks hears that the address cannot sign.
TEST_F(SenderRoomTest, EachHearsThatAnAddressCannotSign) {
  EXPECT_TRUE(room_.MayRepair(Key(0), 7, epoch_));
  room_.NoteSigning(Key(0), false);
  EXPECT_TRUE(room_.MayRepair(Key(0), 7, epoch_));
  EXPECT_TRUE(room_.MayRepair(Key(0), 7, epoch_));
  room_.NoteSigning(Key(0), true);
  EXPECT_FALSE(room_.MayRepair(Key(0), 7, epoch_));
}

}  // namespace
}  // namespace damocles::poster
