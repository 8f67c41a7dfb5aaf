// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Senders that cannot send, each in its way, with the whole manager: proofs and recoveries go out
// all the same, and somebody is told who could not and why.

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <utility>
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
using filecoin::TokenAmount;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr ChainEpoch kWindowsBegin{120};
constexpr ChainEpoch kWindowsEnd{162};
const TokenAmount kOneNano = 1'000'000'000;

class SenderTroubleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SetLogSink([this](Severity, std::string_view line) {
      log_ += std::string(line) + "\n";
      if (std::getenv("DAMOCLES_SCENARIO_LOG") != nullptr) {
        std::fprintf(stderr, "%s\n", std::string(line).c_str());
      }
    });
  }
  void TearDown() override { SetLogSink({}); }

  static WorldOptions Options() {
    WorldOptions options;
    options.config = SmallConfig();
    options.miners = {MinerWith(1000, {1, 2}, 2)};
    options.fees.gas_fee_cap = kOneNano;
    options.fees.max_gas_fee_cap = kOneNano * 50;
    return options;
  }
  struct Own {
    Address id;
    Address key;
  };
  // Control, worker, owner.
  static std::vector<Own> Senders(World& world) {
    const auto info = world.chain().StateMinerInfo(Address::FromId(1000), filecoin::TipSetKey());
    std::vector<Own> out;
    for (const Address& id : {info->control_addresses.at(0), info->worker, info->owner}) {
      out.push_back({id, world.chain().StateAccountKey(id, filecoin::TipSetKey()).value()});
    }
    return out;
  }
  // Of a world that is made like this one: keys come from the seed.
  std::vector<Own> SendersOf(const WorldOptions& options) {
    World probe(options, prover_);
    return Senders(probe);
  }
  static filecoin::Cid Transfer(World& world, const Address& from, TokenAmount cap,
                                std::uint64_t nonces_ahead = 0) {
    filecoin::SignedMessage message;
    message.message.from = from;
    message.message.to = Address::FromId(1000);
    message.message.gas_limit = 10'000'000;
    message.message.gas_fee_cap = cap;
    message.message.gas_premium = std::min(cap, TokenAmount(100));
    message.message.nonce = world.chain().MpoolGetNonce(from).value() + nonces_ahead;
    message.signature = world.chain().WalletSign(from, SigningBytes(message.message)).value();
    const auto pushed = world.chain().MpoolPush(message);
    EXPECT_TRUE(pushed.ok()) << pushed.status();
    return pushed.ok() ? *pushed : filecoin::Cid();
  }
  static void HoldBaseFee(World& world, TokenAmount base_fee) {
    world.on_block = [&world, base_fee](ChainEpoch) { (void)world.chain().SetBaseFee(base_fee); };
  }

  ModelProver prover_{absl::Seconds(30)};
  std::string log_;
};

// Two of three cannot, each in the same way.
TEST_F(SenderTroubleTest, ProofsAndRecoveriesGoOutByWhoeverCan) {
  struct Way {
    const char* name;
    std::function<void(World&, const Own&)> happen;
    const char* said;  // somewhere in the log; empty: nothing is wrong with it
  };
  const auto push_fails = [](absl::Status status) {
    return [status](World& world, const Own& own) {
      world.api().BreakFor("MpoolPushMessage", own.key, status);
    };
  };
  const Way ways[] = {
      {"key gone between look and push", push_fails(absl::UnknownError("key info not found")),
       "no-key"},
      {"wallet locked", push_fails(absl::UnknownError("failed to sign: wallet is locked")),
       "cannot-sign"},
      {"no money", push_fails(absl::UnknownError("mpool push: not enough funds: 0 < 5")),
       "no-funds"},
      {"unknown at the push", push_fails(absl::NotFoundError("actor not found")), "unknown-sender"},
      {"nonce taken", push_fails(absl::UnknownError("minimum expected nonce is 7: nonce too low")),
       "nonce"},
      {"pool full", push_fails(absl::UnknownError("too many pending messages for actor")),
       "pool-full"},
      {"forbidden",
       push_fails(absl::FailedPreconditionError(
           "message execution failed (exit=[ErrForbidden(18)], vm error=[caller "
           "address forbidden])")),
       "exit 18"},
      {"refused for no known reason", push_fails(absl::UnknownError("computer says no")),
       "refused"},
      {"never answers", push_fails(absl::DeadlineExceededError("no answer in 60 s")),
       "sender_given_up"},
      {"no key in the wallet",
       [](World& world, const Own& own) {
         const auto before = world.api().alter_has;
         world.api().alter_has = [before, own](const Address& address, absl::StatusOr<bool>& has) {
           if (before) before(address, has);
           if (address == own.key) has = false;
         };
       },
       ""},
      {"wallet does not answer about it",
       [](World& world, const Own& own) {
         world.api().BreakFor("WalletHas", own.key, absl::UnknownError("wallet is locked"));
       },
       "wallet is locked"},
      {"not on the chain",
       [](World& world, const Own& own) {
         world.api().BreakFor("StateAccountKey", own.id, absl::NotFoundError("actor not found"));
       },
       ""},
      {"empty",
       [](World& world, const Own& own) {
         filecoin::Message drain;
         drain.from = own.key;
         drain.to = Address::FromId(1000);
         drain.value = world.chain().WalletBalance(own.key).value() - filecoin::Fil(1) / 1000;
         EXPECT_TRUE(world.chain().MpoolPushMessage(drain, std::nullopt).ok());
       },
       ""},
      {"lane blocked by a message below the base fee",
       [](World& world, const Own& own) { Transfer(world, own.key, 1000); }, "waits for its fee"},
  };
  for (const Way& way : ways) {
    SCOPED_TRACE(way.name);
    log_.clear();
    World world(Options(), prover_);
    world.unreadable = {1};
    world.RunTo(ChainEpoch(125));
    HoldBaseFee(world, 1'000'000);
    world.RunTo(ChainEpoch(127));
    const std::vector<Own> senders = Senders(world);
    way.happen(world, senders[0]);
    way.happen(world, senders[1]);
    world.RunTo(kWindowsEnd);
    EXPECT_THAT(world.Problems(kWindowsBegin, {1}), IsEmpty());
    if (*way.said != 0) {
      EXPECT_THAT(log_, HasSubstr(way.said));
      EXPECT_TRUE(log_.find(senders[0].key.ToString()) != std::string::npos ||
                  log_.find(senders[1].key.ToString()) != std::string::npos);
    }
    // Readable again: declared by whoever can, and proven.
    world.unreadable.clear();
    world.RunTo(ChainEpoch(275));
    EXPECT_THAT(world.Problems(kWindowsBegin, {1}), IsEmpty());
    const auto miner = world.chain().MinerAfterHead(1000);
    ASSERT_TRUE(miner.ok());
    for (const auto& deadline : miner->deadlines) {
      for (const devnet::PartitionRecord& partition : deadline->partitions) {
        EXPECT_TRUE(partition.faults.Empty()) << partition.faults;
      }
    }
  }
}

// The message in the way is named with its nonce and repaired; meanwhile another one sends.
TEST_F(SenderTroubleTest, BlockedLaneIsNamedAndRepaired) {
  World world(Options(), prover_);
  world.RunTo(ChainEpoch(127));
  HoldBaseFee(world, 1'000'000);
  world.RunTo(ChainEpoch(128));
  const Address control = Senders(world)[0].key;
  const filecoin::Cid stuck = Transfer(world, control, 1000);
  const std::uint64_t nonce = world.chain().MpoolGetNonce(control).value() - 1;
  world.RunTo(kWindowsEnd);
  EXPECT_THAT(world.Problems(kWindowsBegin), IsEmpty());
  EXPECT_THAT(log_, HasSubstr("sender_trouble"));
  EXPECT_THAT(log_, HasSubstr("nonce=" + std::to_string(nonce)));
  EXPECT_THAT(log_, HasSubstr(stuck.ToString()));
  EXPECT_THAT(log_, HasSubstr("lane_repaired"));
  EXPECT_TRUE(world.chain().MpoolPending().empty());
}

TEST_F(SenderTroubleTest, OnlySenderWithABlockedLaneSendsOnceItIsFree) {
  WorldOptions options = Options();
  const Own control = SendersOf(options)[0];
  options.senders = {control.id};
  World world(options, prover_);
  world.RunTo(ChainEpoch(127));
  HoldBaseFee(world, 1'000'000);
  world.RunTo(ChainEpoch(128));
  Transfer(world, control.key, 1000);
  world.RunTo(kWindowsEnd);
  EXPECT_THAT(world.Problems(kWindowsBegin), IsEmpty());
  EXPECT_TRUE(world.chain().MpoolPending().empty());
}

// Another process leaves a gap: ours fills it.
TEST_F(SenderTroubleTest, GapThatAnotherProcessLeftIsFilled) {
  World world(Options(), prover_);
  world.RunTo(ChainEpoch(128));
  for (const Own& own : Senders(world)) Transfer(world, own.key, kOneNano, 1);
  world.RunTo(kWindowsEnd);
  EXPECT_THAT(world.Problems(kWindowsBegin), IsEmpty());
}

// What stood in front of ours was lost in the network.
TEST_F(SenderTroubleTest, GapInFrontOfOurMessageIsFilledWithAnEmptyOne) {
  WorldOptions options = Options();
  options.fees.max_gas_fee_cap = 0;  // nothing may be raised
  options.miners = {MinerWith(1000, {1}, 2)};
  const Own control = SendersOf(options)[0];
  options.senders = {control.id};
  World world(options, prover_);
  world.RunTo(ChainEpoch(127));
  filecoin::Cid front;
  bool dropped = false;
  world.on_block = [&](ChainEpoch head) {
    (void)world.chain().SetBaseFee(1'000'000);
    if (head == ChainEpoch(128)) front = Transfer(world, control.key, 1000);
    if (!dropped && head >= ChainEpoch(133)) dropped = world.chain().DropMessage(front).ok();
  };
  world.RunTo(kWindowsEnd);
  EXPECT_TRUE(dropped);
  EXPECT_THAT(world.Problems(kWindowsBegin), IsEmpty());
  EXPECT_THAT(log_, HasSubstr("filled with an empty message"));
  EXPECT_THAT(log_, HasSubstr("fee_limit_reached"));
}

TEST_F(SenderTroubleTest, ConfiguredSendersKeepTheirMeaningAndOddOnesAreNamed) {
  WorldOptions options = Options();
  const std::vector<Own> own = SendersOf(options);
  // A key address, somebody else's and one that nobody has.
  const Address nobody = Address::FromSecp256k1PublicKey(Bytes(65, 9));
  options.senders = {own[2].key, Address::FromId(1000), nobody};
  World world(options, prover_);
  std::vector<Address> used;
  world.api().OnPush([&](const filecoin::Message& message, const chain::MessageSendSpec&) {
    used.push_back(message.from);
  });
  world.RunTo(kWindowsEnd);
  EXPECT_THAT(world.Problems(kWindowsBegin), IsEmpty());
  EXPECT_THAT(used, ::testing::Each(own[2].key));
  EXPECT_THAT(log_, HasSubstr(nobody.ToString()));
  EXPECT_THAT(log_, HasSubstr("neither owner nor worker nor control"));
}

// ---------------------------------------------------------------- what waits and cannot be raised

// Waits for its fee in the windows of this miner; its sender can sign nothing from then on.
struct Keyless {
  bool locked = false;                       // the wallet still says that it has the key
  std::optional<EpochDelta> back;            // after so many epochs it can again
  std::function<void(ChainEpoch)> on_block;  // once the key is gone
};

class KeylessTest : public SenderTroubleTest {
 protected:
  std::optional<filecoin::SignedMessage> Pending(World& world) const {
    for (const filecoin::SignedMessage& message : world.chain().MpoolPending()) {
      if (message.message.method == waits_for_) return message;
    }
    return std::nullopt;
  }
  // The base fee is above the operator's first cap; the sender of the first proof that waits loses
  // its key.
  void Play(World& world, const Keyless& how, ChainEpoch until = kWindowsEnd) {
    world.api().alter_has = [this, &how](const Address& address, absl::StatusOr<bool>& has) {
      if (!how.locked && gone_ == address) has = false;
    };
    world.on_block = [this, &world, &how](ChainEpoch head) {
      (void)world.chain().SetBaseFee(head < ChainEpoch(127) ? 1'000'000 : kOneNano * 4);
      if (const auto post = Pending(world); post && !since_) {
        gone_ = post->message.from;
        since_ = head;
        for (const char* method : kSigning) {
          world.api().BreakFor(method, *gone_,
                               absl::UnknownError(how.locked ? "failed to sign: wallet is locked"
                                                             : "key info not found"));
        }
      }
      if (since_ && how.back && head >= *since_ + *how.back && gone_) {
        for (const char* method : kSigning) world.api().MendFor(method, *gone_);
        gone_.reset();
      }
      if (since_ && how.on_block) how.on_block(head);
    };
    world.RunTo(until);
    EXPECT_TRUE(since_) << "nothing waited";
  }

  static constexpr const char* kSigning[] = {"MpoolPushMessage", "WalletSign"};
  filecoin::MethodNumber waits_for_ = filecoin::kMethodSubmitWindowedPoSt;
  std::optional<Address> gone_;
  std::optional<ChainEpoch> since_;
};

// A planted fault this must catch: a proof is left with a sender who cannot raise it any more.
TEST_F(KeylessTest, AnotherOneSendsWhatItsSenderCannotRaise) {
  for (const bool locked : {false, true}) {
    SCOPED_TRACE(locked ? "locked" : "gone");
    since_.reset();
    gone_.reset();
    log_.clear();
    World world(Options(), prover_);
    std::vector<Address> used;
    world.api().OnPush([&](const filecoin::Message& message, const chain::MessageSendSpec&) {
      used.push_back(message.from);
    });
    Play(world, {locked, std::nullopt, {}});
    EXPECT_THAT(world.Problems(kWindowsBegin), IsEmpty());
    ASSERT_GE(used.size(), 2u);
    EXPECT_EQ(used[0], gone_);
    EXPECT_NE(used[1], gone_);
    EXPECT_EQ(log_.find("message_given_up"), log_.rfind("message_given_up")) << "once is enough";
    EXPECT_THAT(log_, HasSubstr("message_given_up"));
    EXPECT_THAT(log_, HasSubstr(gone_->ToString()));
  }
}

TEST_F(KeylessTest, ManagerDiesAtAnyWriteOnTheWay) {
  for (const bool locked : {false, true}) {
    for (std::uint64_t write = 1; write <= 14; ++write) {
      SCOPED_TRACE((locked ? "locked, write " : "gone, write ") + std::to_string(write));
      since_.reset();
      gone_.reset();
      World world(Options(), prover_);
      bool planned = false;
      Play(world, {locked, std::nullopt, [&](ChainEpoch) {
                     if (!std::exchange(planned, true)) world.KillAtWrite(write);
                   }});
      EXPECT_EQ(world.Restarts(), 1);
      EXPECT_THAT(world.Problems(kWindowsBegin), IsEmpty());
    }
  }
}

// The key comes back at any time, and the first message may be the one that counts.
TEST_F(KeylessTest, KeyThatComesBack) {
  for (std::int64_t back = 1; back <= 8; ++back) {
    SCOPED_TRACE(back);
    since_.reset();
    gone_.reset();
    World world(Options(), prover_);
    Play(world, {back % 2 == 0, EpochDelta(back), {}});
    EXPECT_THAT(world.Problems(kWindowsBegin), Not(HasSubstr("issed")));
  }
}

// Whoever is left alone stays with what waits, and raises it once it can.
TEST_F(KeylessTest, OnlySenderStaysWithItsMessage) {
  WorldOptions options = Options();
  options.senders = {SendersOf(options)[0].id};
  options.miners = {MinerWith(1000, {1}, 2)};
  World world(options, prover_);
  Play(world, {false, EpochDelta(4), {}});
  EXPECT_THAT(world.Problems(kWindowsBegin), IsEmpty());
  EXPECT_EQ(world.api().Calls("MpoolPushMessage"), 1u);
}

// The fee falls again when both are in the pool: one counts, the other one costs its fee.
TEST_F(KeylessTest, BothMessagesLand) {
  World world(Options(), prover_);
  Play(world, {false, std::nullopt, [&](ChainEpoch head) {
                 if (head > *since_ + EpochDelta(1)) (void)world.chain().SetBaseFee(1000);
               }});
  EXPECT_THAT(world.Problems(kWindowsBegin), Not(HasSubstr("issed")));
  EXPECT_THAT(world.Problems(kWindowsBegin), HasSubstr("already proven"));
}

// A declaration that is not in time costs the sector another period of fees.
TEST_F(KeylessTest, AnotherOneDeclaresWhatItsSenderCannotRaise) {
  for (const bool locked : {false, true}) {
    SCOPED_TRACE(locked ? "locked" : "gone");
    since_.reset();
    gone_.reset();
    log_.clear();
    waits_for_ = filecoin::kMethodDeclareFaultsRecovered;
    World world(Options(), prover_);
    world.unreadable = {1};
    world.RunTo(kWindowsEnd);
    world.unreadable.clear();
    Play(world, {locked, std::nullopt, {}}, ChainEpoch(275));
    EXPECT_THAT(log_, HasSubstr("recovery_message_given_up"));
    EXPECT_THAT(world.Problems(kWindowsBegin, {1}), Not(HasSubstr("issed")));
    const auto miner = world.chain().MinerAfterHead(1000);
    ASSERT_TRUE(miner.ok());
    for (const auto& deadline : miner->deadlines) {
      for (const devnet::PartitionRecord& partition : deadline->partitions) {
        EXPECT_TRUE(partition.faults.Empty()) << partition.faults;
      }
    }
  }
}

TEST_F(KeylessTest, ReorgsNullRoundsAndDeathsOnTop) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    since_.reset();
    gone_.reset();
    WorldOptions options = Options();
    options.seed = seed;
    options.null_rounds = 100;
    options.reorgs = 100;
    options.reorg_depth_max = 2;
    options.manager_deaths = 50;
    World world(options, prover_);
    Play(world, {seed % 2 == 0, std::nullopt, {}});
    EXPECT_THAT(world.Problems(kWindowsBegin), Not(HasSubstr("issed")));
  }
}

}  // namespace
}  // namespace damocles::simulation
