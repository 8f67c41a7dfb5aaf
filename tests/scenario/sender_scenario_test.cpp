// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Whose messages these are, and who sends: strangers in the mempool, nonces that others take,
// answers that are about something else.

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "damocles/base/log.h"
#include "damocles/filecoin/miner_params.h"
#include "damocles/simulation/world.h"

namespace damocles::simulation {
namespace {

using filecoin::Address;
using filecoin::ChainEpoch;
using filecoin::EpochDelta;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class SenderScenarioTest : public ::testing::Test {
 protected:
  static constexpr ChainEpoch kFirst{120};
  static constexpr ChainEpoch kEnd{162};

  void SetUp() override {
    SetLogSink([this](Severity, std::string_view line) {
      log_ += std::string(line) + "\n";
      if (std::getenv("DAMOCLES_SCENARIO_LOG") != nullptr) {
        std::fprintf(stderr, "%s\n", std::string(line).c_str());
      }
    });
  }
  void TearDown() override { SetLogSink({}); }

  // Deadline 1 and 2 of f01000; f01001 is a stranger's miner without sectors in these windows.
  static WorldOptions Options() {
    WorldOptions options;
    options.config = SmallConfig();
    options.miners = {MinerWith(1000, {1, 2}, 2), MinerWith(1001, {8}, 1)};
    return options;
  }
  static Address KeyOf(World& world, const Address& id) {
    return *world.chain().StateAccountKey(id, filecoin::TipSetKey());
  }
  static Address Stranger(World& world) {
    const auto info = world.chain().StateMinerInfo(Address::FromId(1001), filecoin::TipSetKey());
    return KeyOf(world, info->worker);
  }
  static std::vector<Address> Own(World& world) {
    const auto info = world.chain().StateMinerInfo(Address::FromId(1000), filecoin::TipSetKey());
    std::vector<Address> out = {KeyOf(world, info->owner), KeyOf(world, info->worker)};
    for (const Address& control : info->control_addresses) out.push_back(KeyOf(world, control));
    return out;
  }
  static std::optional<filecoin::SignedMessage> PendingPost(World& world) {
    for (const filecoin::SignedMessage& message : world.chain().MpoolPending()) {
      if (message.message.method == filecoin::kMethodSubmitWindowedPoSt) return message;
    }
    return std::nullopt;
  }
  static filecoin::SignedMessage Signed(World& world, filecoin::Message message) {
    const auto signature = world.chain().WalletSign(message.from, SigningBytes(message));
    return {std::move(message), *signature};
  }
  static int Missed(World& world) { return world.Missed(1000, kFirst); }
  static void ExpectConfirmed(World& world) {
    for (const poster::DeadlineRecord& record : world.Records()) {
      if (record.miner != 1000 || record.deadline.open < kFirst) continue;
      if (record.deadline.open > ChainEpoch(140)) continue;
      EXPECT_EQ(record.state, poster::DeadlineState::kConfirmed)
          << record.deadline.open.Value() << ": " << record.reason;
    }
  }

  ModelProver prover_{absl::Seconds(30)};
  std::string log_;
};

// ---------------------------------------------------------------- strangers in the mempool

// A planted fault this must catch: a pending message is believed without its sender.
TEST_F(SenderScenarioTest, StrangersMessageInThePoolIsReportedAndLeftAlone) {
  World world(Options(), prover_);
  world.RunTo(ChainEpoch(130));
  // All of it public: deadline, partitions, commit randomness; the proof is rubbish.
  const auto commit = world.chain().StateGetRandomnessFromTickets(
      static_cast<std::int64_t>(filecoin::DomainTag::kPoStChainCommit), ChainEpoch(125), {},
      filecoin::TipSetKey());
  filecoin::SubmitWindowedPoStParams params;
  params.deadline = 1;
  params.partitions = {{0, {}}, {1, {}}};
  params.proofs.push_back({filecoin::PoStProofType::kWindow2KiBV1_1, Bytes(192, 0)});
  params.chain_commit_epoch = ChainEpoch(125);
  params.chain_commit_rand.assign(commit->begin(), commit->end());
  filecoin::Message message;
  message.from = Stranger(world);
  message.to = Address::FromId(1000);
  message.method = filecoin::kMethodSubmitWindowedPoSt;
  message.params = filecoin::cbor::Encode(params);
  message.gas_limit = 50'000'000;
  message.gas_fee_cap = 500;
  message.gas_premium = 100;
  const auto pushed = world.chain().MpoolPush(Signed(world, message));
  ASSERT_TRUE(pushed.ok()) << pushed.status();
  ASSERT_TRUE(world.chain().SetBaseFee(1000).ok());
  world.RunTo(ChainEpoch(139));
  int of_ours = 0;
  for (const devnet::ExecutedPost& post : world.chain().ExecutedPosts()) {
    of_ours += post.exit_code == 0 ? 1 : 0;
  }
  EXPECT_EQ(of_ours, 1);
  world.RunTo(kEnd);
  EXPECT_EQ(Missed(world), 0);
  ExpectConfirmed(world);
  EXPECT_THAT(log_, HasSubstr("foreign_message"));
  EXPECT_THAT(log_, HasSubstr(message.from.ToString()));
  EXPECT_THAT(log_, HasSubstr(pushed->ToString()));
  EXPECT_EQ(world.api().Calls("WalletSign"), 0u) << "nothing was raised";
}

// Not even the very proof makes it ours: its sender does.
TEST_F(SenderScenarioTest, CopyOfOurMessageByAStrangerIsNotOurs) {
  World world(Options(), prover_);
  bool copied = false;
  filecoin::SignedMessage copy;
  world.api().OnPush([&](const filecoin::Message& message, const chain::MessageSendSpec&) {
    if (copied) return;
    copied = true;
    copy.message = message;
    copy.message.from = Stranger(world);
    copy.message.gas_fee_cap = 5;
    copy.message.gas_premium = 1;
    copy.signature = {filecoin::SignatureType::kSecp256k1, Bytes(65, 1)};
  });
  // Shown by the node from the first push on, which is lost.
  world.api().alter_pending = [&](std::vector<filecoin::SignedMessage>& pending) {
    if (copied) pending.insert(pending.begin(), copy);
  };
  world.api().Plan(1, CallFault::kLate, "MpoolPushMessage");
  world.api().SetLateness([] { return kj::Promise<void>(kj::NEVER_DONE); });
  world.RunTo(kEnd);
  EXPECT_TRUE(copied);
  EXPECT_EQ(Missed(world), 0);
  ExpectConfirmed(world);
}

// A message of the miner's own, to its other address: ours, if it says exactly what ours would.
TEST_F(SenderScenarioTest, OwnMessageToTheRobustAddressIsFoundAgain) {
  World world(Options(), prover_);
  int posts = 0;
  world.api().OnPush([&](const filecoin::Message& asked, const chain::MessageSendSpec&) {
    if (asked.method != filecoin::kMethodSubmitWindowedPoSt || ++posts > 1) return;
    filecoin::Message message = asked;
    message.to = devnet::Chain::RobustAddressOf(1000);
    message.nonce = world.chain().MpoolGetNonce(message.from).value();
    message.gas_limit = 60'000'000;
    message.gas_fee_cap = 1000;
    message.gas_premium = 100;
    const auto pushed = world.chain().MpoolPush(Signed(world, message));
    EXPECT_TRUE(pushed.ok()) << pushed.status();
    (void)world.chain().SetBaseFee(2000);  // it is not executed before it is seen
  });
  world.api().Plan(1, CallFault::kLate, "MpoolPushMessage");
  world.api().SetLateness([] { return kj::Promise<void>(kj::NEVER_DONE); });
  world.RunTo(kEnd);
  EXPECT_EQ(Missed(world), 0);
  ExpectConfirmed(world);
  EXPECT_EQ(posts, 2) << "one for each deadline";
}

// A stranger can copy a declaration, too.
TEST_F(SenderScenarioTest, StrangersDeclarationIsNotOurs) {
  World world(Options(), prover_);
  world.unreadable = {1};
  world.RunTo(kEnd);
  world.unreadable.clear();
  std::vector<filecoin::SignedMessage> copies;
  int declared = 0;
  world.api().OnPush([&](const filecoin::Message& asked, const chain::MessageSendSpec&) {
    if (asked.method != filecoin::kMethodDeclareFaultsRecovered) return;
    ++declared;
    filecoin::SignedMessage copy;
    copy.message = asked;
    copy.message.from = Stranger(world);
    copy.signature = {filecoin::SignatureType::kSecp256k1, Bytes(65, 1)};
    copies.push_back(copy);
  });
  world.api().alter_pending = [&](std::vector<filecoin::SignedMessage>& pending) {
    pending.insert(pending.begin(), copies.begin(), copies.end());
  };
  const std::uint64_t next = world.api().Calls("MpoolPushMessage") + 1;
  world.api().Plan(next, CallFault::kLate, "MpoolPushMessage");
  world.api().SetLateness([] { return kj::Promise<void>(kj::NEVER_DONE); });
  world.RunTo(ChainEpoch(275));
  EXPECT_GE(declared, 1);
  const auto miner = world.chain().MinerAfterHead(1000);
  ASSERT_TRUE(miner.ok());
  for (const auto& deadline : miner->deadlines) {
    for (const devnet::PartitionRecord& partition : deadline->partitions) {
      EXPECT_TRUE(partition.faults.Empty()) << partition.faults;
    }
  }
}

// ---------------------------------------------------------------- after the close

// A planted fault this must catch: the list of posted partitions read after the window's end, which
// wipes it.
TEST_F(SenderScenarioTest, PostedListIsReadAsItWasBeforeTheClose) {
  WorldOptions options = Options();
  options.miners[0] = MinerWith(1000, {1}, 2);
  options.poster.submit_confidence = EpochDelta(7);  // the message goes out late in the window
  World world(options, prover_);
  world.api().Break("StateSearchMsg", absl::UnimplementedError("no such method"));
  world.RunTo(kEnd);
  EXPECT_EQ(Missed(world), 0);
  ASSERT_EQ(world.chain().ExecutedPosts().size(), 1u);
  EXPECT_GE(world.chain().ExecutedPosts()[0].epoch, ChainEpoch(136))
      << "so late that it is confirmed after the close";
  for (const poster::DeadlineRecord& record : world.Records()) {
    if (record.miner == 1000 && record.deadline.open == ChainEpoch(130)) {
      EXPECT_EQ(record.state, poster::DeadlineState::kConfirmed) << record.reason;
    }
  }
}

// A planted fault this must catch: a search that looks back one epoch only, and misses what was
// executed while the node was away.
TEST_F(SenderScenarioTest, SearchesLookBackFarEnough) {
  World world(Options(), prover_);
  world.unreadable = {1};
  std::vector<std::int64_t> limits;
  world.api().on_search = [&](std::int64_t limit) { limits.push_back(limit); };
  world.RunTo(kEnd);
  world.unreadable.clear();
  world.RunTo(ChainEpoch(275));
  EXPECT_GT(limits.size(), 10u);
  for (const std::int64_t limit : limits) EXPECT_GE(limit, 20);
}

// ---------------------------------------------------------------- nonces that others take

// A planted fault this must catch: "found message with equal nonce" is taken for trouble with the
// node.
TEST_F(SenderScenarioTest, NonceTakenByAnotherMessageOfTheSameSender) {
  World world(Options(), prover_);
  bool taken = false;
  world.on_block = [&](ChainEpoch) {
    if (taken) return;
    const auto post = PendingPost(world);
    if (!post) return;
    filecoin::Message other = post->message;
    other.to = Address::FromId(1001);
    other.method = filecoin::kMethodSend;
    other.params.clear();
    other.value = 1;
    other.gas_premium = post->message.gas_premium * 2 + 1;
    other.gas_fee_cap = std::max(other.gas_fee_cap, other.gas_premium);
    taken = world.chain().MpoolPush(Signed(world, other)).ok();
  };
  world.RunTo(kEnd);
  EXPECT_EQ(Missed(world), 0);
  ExpectConfirmed(world);
}

TEST_F(SenderScenarioTest, NodeThatDoesNotSearchStillLeadsToTheRightRecord) {
  for (const absl::Status& refusal :
       {absl::UnimplementedError("method 'Filecoin.StateSearchMsg' not found"),
        absl::PermissionDeniedError("missing permission to invoke 'StateSearchMsg'"),
        absl::UnknownError("index is being rebuilt")}) {
    World world(Options(), prover_);
    world.api().Break("StateSearchMsg", refusal);
    world.RunTo(kEnd + EpochDelta(10));
    EXPECT_EQ(Missed(world), 0) << refusal;
    ExpectConfirmed(world);
    EXPECT_EQ(world.chain().ExecutedPosts().size(), 2u) << refusal;
  }
}

// A node says that something else replaced our message: it is looked at before it is believed.
TEST_F(SenderScenarioTest, LookUpThatNamesAnotherMessageIsNotBelieved) {
  World world(Options(), prover_);
  const Address stranger = Stranger(world);
  filecoin::Message other;
  other.from = stranger;
  other.to = Address::FromId(1001);
  const auto pushed = world.chain().MpoolPushMessage(other, std::nullopt);
  ASSERT_TRUE(pushed.ok()) << pushed.status();
  const filecoin::Cid foreign = CidOf(*pushed);
  int lied = 0;
  world.api().alter_search = [&](absl::StatusOr<std::optional<chain::MsgLookup>>& answer) {
    if (lied >= 2 || !answer.ok() || answer->has_value()) return;
    ++lied;
    chain::MsgLookup lie;
    lie.message = foreign;
    lie.height = ChainEpoch(132);
    answer = lie;
  };
  ASSERT_TRUE(world.chain().DropNextMessages(1).ok());
  world.RunTo(kEnd);
  EXPECT_GT(lied, 0);
  EXPECT_EQ(Missed(world), 0);
  ExpectConfirmed(world);
}

// ---------------------------------------------------------------- answers to a push

TEST_F(SenderScenarioTest, AnswerToAPushThatIsAboutSomethingElseIsNotBelieved) {
  for (int field = 0; field < 5; ++field) {
    World world(Options(), prover_);
    int altered = 0;
    world.api().alter_pushed = [&](absl::StatusOr<filecoin::SignedMessage>& answer) {
      if (!answer.ok() || altered++ > 0) return;
      filecoin::Message& message = answer->message;
      if (field == 0) message.from = Stranger(world);
      if (field == 1) message.to = Address::FromId(1001);
      if (field == 2) message.method = 11;
      if (field == 3) message.params.back() ^= 1;
      if (field == 4) message.value = 1;
    };
    log_.clear();
    world.RunTo(kEnd);
    EXPECT_THAT(log_, HasSubstr("with another one")) << field;
    EXPECT_EQ(Missed(world), 0) << field;
    ExpectConfirmed(world);
    EXPECT_EQ(world.chain().ExecutedPosts().size(), 2u) << field;
  }
}

}  // namespace
}  // namespace damocles::simulation
