// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// chain::LotusClient with two nodes, each with a view of the chain of its own, over real sockets.

#include <algorithm>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/devnet/lotus_fixture.h"

#include "damocles/base/log.h"
#include "damocles/chain/lotus_client.h"

namespace damocles::devnet {
namespace {

using chain::HeadChange;
using chain::HeadChangeKind;
using testing_support::kMinerAddress;
using testing_support::LotusFixture;
using testing_support::SmallGenesis;
using testing_support::Verifier;
using testing_support::WithUuid;

class TwoNodesTest : public LotusFixture {
 protected:
  ~TwoNodesTest() noexcept override {  // KJ's may throw
    heads_ = nullptr;
    client_ = nullptr;
    SetLogSink({});
  }

  // Both know the same chain, unless `second` is another one.
  void Start(const ChainConfig& second = QuickPreset(), const LotusServerOptions& of_b = {}) {
    Serve();
    ServeB(second, of_b);
    Connect();
  }
  void ServeB(const ChainConfig& second, const LotusServerOptions& of_b = {}) {
    ASSERT_OK_AND_ASSIGN(chain_b_, Chain::InMemory(second, SmallGenesis(), verifier_b_.Options()));
    auto receiver =
        io_.provider->getNetwork().parseAddress("127.0.0.1:0").wait(io_.waitScope)->listen();
    b_ = At();
    b_.port = static_cast<std::uint16_t>(receiver->getPort());
    server_b_ =
        std::make_unique<LotusServer>(*chain_b_, io_.provider->getTimer(), SystemClock(), of_b);
    serving_b_ = server_b_->Listen(kj::mv(receiver)).eagerlyEvaluate(nullptr);
  }
  void Connect(bool alone = false) {
    SetLogSink([this](Severity, std::string_view line) {
      log_.emplace_back(line);
      if (!unlogged_.empty() && line.find(unlogged_) != std::string_view::npos) {
        unlogged_.clear();
        throw std::runtime_error("no room for the log");
      }
    });
    options_.poll_interval = absl::Milliseconds(20);
    options_.lag_patience = absl::Milliseconds(500);  // above what a busy machine takes for a look
    options_.head_still = absl::Hours(1);
    client_ = alone ? Client({At()}, options_) : Client({At(), b_}, options_);
    ASSERT_OK_AND_ASSIGN(heads_, Wait(client_->ChainNotify()));
    Pass(50 * kj::MILLISECONDS);
  }

  void Pass(kj::Duration time) { io_.provider->getTimer().afterDelay(time).wait(io_.waitScope); }
  // Calls `step` now and then until `done` or for too long.
  bool Until(
      const std::function<bool()>& done, const std::function<void()>& step = [] {}) {
    for (int i = 0; i < 200; ++i) {
      if (done()) return true;
      step();
      Pass(40 * kj::MILLISECONDS);
    }
    return done();
  }
  std::size_t Said(const std::string& event, const std::string& text = "") const {
    return static_cast<std::size_t>(
        std::count_if(log_.begin(), log_.end(), [&](const std::string& line) {
          return line.find(event) != std::string::npos && line.find(text) != std::string::npos;
        }));
  }
  // The head as the subscription has told it so far.
  filecoin::TipSetKey Followed() {
    auto next = heads_->Next().ToPromise();
    while (next.poll(io_.waitScope)) {
      const auto changes = next.wait(io_.waitScope);
      EXPECT_OK(changes);
      for (const HeadChange& change : *changes) {
        followed_ = change.kind == HeadChangeKind::kRevert ? change.tip_set.Parents()
                                                           : change.tip_set.Key();
      }
      next = heads_->Next().ToPromise();
    }
    return followed_;
  }

  chain::LotusOptions options_;
  chain::Endpoint b_;
  std::string unlogged_;  // at the first line with it the log throws
  Verifier verifier_b_;
  std::unique_ptr<Chain> chain_b_;
  std::unique_ptr<LotusServer> server_b_;
  kj::Promise<void> serving_b_ = kj::READY_NOW;
  std::vector<std::string> log_;
  std::unique_ptr<chain::FullNode> client_;
  std::unique_ptr<chain::HeadSubscription> heads_;
  filecoin::TipSetKey followed_;
};

TEST_F(TwoNodesTest, OneWhoseHeadStandsStillIsLeftWithOneWarningAndUsedAgainWhenItKeepsUp) {
  Start();
  const auto advance_b = [&] { ASSERT_OK(chain_b_->Advance()); };
  ASSERT_TRUE(Until([&] { return Said("node_left") > 0; }, advance_b));
  EXPECT_EQ(Said("node_left", "stands still"), 1U);
  for (int i = 0; i < 5; ++i) {
    advance_b();
    Pass(40 * kj::MILLISECONDS);
  }
  EXPECT_EQ(Followed(), chain_b_->ChainHead().Key());
  ASSERT_OK_AND_ASSIGN(const auto head, Wait(client_->ChainHead()));
  EXPECT_EQ(head, chain_b_->ChainHead());
  EXPECT_EQ(Said("node_left"), 1U);
  EXPECT_EQ(Said("node_back"), 0U);
  // It catches up, which is said; and after a while it is used again, as the first in the list.
  while (chain_->ChainHead().Height() < chain_b_->ChainHead().Height())
    ASSERT_OK(chain_->Advance());
  EXPECT_TRUE(Until([&] { return Said("node_back", "keeps up") > 0; }));
  EXPECT_TRUE(Until([&] { return Said("node_changed", "earlier in the list") > 0; },
                    [&] {
                      ASSERT_OK(chain_->Advance());
                      advance_b();
                      Pass(100 * kj::MILLISECONDS);  // for a look between two blocks
                    }));
  ASSERT_OK(chain_->Advance());
  EXPECT_TRUE(Until([&] { return Followed() == chain_->ChainHead().Key(); }));
  EXPECT_EQ(Said("node_left"), 1U) << absl::StrJoin(log_, "\n");
  EXPECT_EQ(Said("node_back", "keeps up"), 1U);
  EXPECT_EQ(Said("node_lags"), 0U);
  EXPECT_EQ(Said("node_changed"), 1U);
}

TEST_F(TwoNodesTest, TheHeavierOfTwoBranchesIsFollowed) {
  Start();
  ASSERT_OK(chain_->Advance({.null_rounds = 2, .timestamp = {}}));
  for (int i = 0; i < 3; ++i) ASSERT_OK(chain_b_->Advance());
  ASSERT_EQ(chain_->ChainHead().Height(), chain_b_->ChainHead().Height());
  ASSERT_TRUE(Until([&] { return Said("node_left", "of a lighter branch") > 0; },
                    [&] {
                      ASSERT_OK(chain_->Advance());
                      ASSERT_OK(chain_b_->Advance());
                    }));
  ASSERT_TRUE(Until([&] { return Followed() == chain_b_->ChainHead().Key(); }));
  ASSERT_OK_AND_ASSIGN(const auto head, Wait(client_->ChainHead()));
  EXPECT_EQ(head, chain_b_->ChainHead());
}

// The pool of the other node does not know it; the poster then pushes the same bytes again.
TEST_F(TwoNodesTest, WhatWasPushedToTheOneThatIsLeftIsTakenByTheOther) {
  Start();
  ASSERT_OK_AND_ASSIGN(const auto info, Wait(client_->StateMinerInfo(kMinerAddress, {})));
  filecoin::Message message;
  message.to = message.from = info.worker;
  ASSERT_OK_AND_ASSIGN(const auto pushed, Wait(client_->MpoolPushMessage(message, WithUuid(4))));
  ASSERT_TRUE(
      Until([&] { return Said("node_left") > 0; }, [&] { ASSERT_OK(chain_b_->Advance()); }));
  ASSERT_OK_AND_ASSIGN(const auto pool, Wait(client_->MpoolPending({})));
  EXPECT_TRUE(pool.empty());
  ASSERT_OK_AND_ASSIGN(const auto cid, Wait(client_->MpoolPush(pushed)));
  EXPECT_EQ(cid, CidOf(pushed));
  for (int i = 0; i < 2; ++i) ASSERT_OK(chain_b_->Advance());
  ASSERT_OK_AND_ASSIGN(const auto found, Wait(client_->StateSearchMsg({}, cid, 10, true)));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->receipt.exit_code, 0);
}

TEST_F(TwoNodesTest, OneThatLagsAnswersNothingWhileTheOtherOneFailsAndAllOnceItIsGone) {
  Start();
  ASSERT_TRUE(
      Until([&] { return Said("node_left") > 0; }, [&] { ASSERT_OK(chain_b_->Advance()); }));
  // For a moment no answer at all is better than an old one.
  serving_b_ = kj::READY_NOW;
  server_b_ = nullptr;
  const auto now = Wait(client_->ChainHead());
  EXPECT_FALSE(now.ok()) << "an old head was told";
  EXPECT_TRUE(Until([&] { return Wait(client_->ChainHead()).ok(); }));
  EXPECT_TRUE(Until([&] { return Followed() == chain_->ChainHead().Key(); }));
}

TEST_F(TwoNodesTest, ANodeOfAnotherNetworkIsNotGoneTo) {
  ChainConfig other = QuickPreset();
  other.network_name = "somewhere-else";
  Start(other);
  for (int i = 0; i < 12; ++i) {
    ASSERT_OK(chain_b_->Advance());
    Pass(40 * kj::MILLISECONDS);
  }
  EXPECT_EQ(Said("node_left"), 0U);
  EXPECT_EQ(Said("node_of_another_network"), 1U);
  ASSERT_OK_AND_ASSIGN(const auto head, Wait(client_->ChainHead()));
  EXPECT_EQ(head, chain_->ChainHead());
  // Also when the right one is down: no answer is better than one about another chain.
  const std::uint16_t port = port_;
  StopServing();
  for (int i = 0; i < 5; ++i) {
    const auto now = Wait(client_->ChainHead());
    EXPECT_FALSE(now.ok()) << "the head of another network was told";
    Pass(40 * kj::MILLISECONDS);
  }
  EXPECT_EQ(Said("node_changed"), 0U);
  Serve({}, port);
  EXPECT_TRUE(Until([&] { return Wait(client_->ChainHead()).ok(); }));
  EXPECT_EQ(Followed(), chain_->ChainHead().Key());
}

TEST_F(TwoNodesTest, AChainOfTheSameNameWithAnotherFirstBlockIsAnotherNetwork) {
  ChainConfig other = QuickPreset();
  ++other.seed;
  Start(other);
  for (int i = 0; i < 12; ++i) {
    ASSERT_OK(chain_b_->Advance());
    Pass(40 * kj::MILLISECONDS);
  }
  EXPECT_EQ(Said("node_left"), 0U);
  EXPECT_EQ(Said("node_of_another_network", "first block"), 1U);
}

// Nobody could tell as long as the first of the list was down.
TEST_F(TwoNodesTest, OneOfAnotherNetworkThatIsInUseIsLeftAtOnce) {
  Serve();
  const std::uint16_t port = port_;
  StopServing();
  ChainConfig other = QuickPreset();
  other.network_name = "somewhere-else";
  ServeB(other);
  Connect();
  ASSERT_OK_AND_ASSIGN(const auto head, Wait(client_->ChainHead()));
  EXPECT_EQ(head, chain_b_->ChainHead());
  for (int i = 0; i < 3; ++i) ASSERT_OK(chain_b_->Advance());
  Serve({}, port);
  EXPECT_TRUE(Until([&] { return Said("node_left", "another network") > 0; }));
  EXPECT_TRUE(Until([&] { return Followed() == chain_->ChainHead().Key(); }));
  Pass(300 * kj::MILLISECONDS);
  EXPECT_EQ(Said("node_left", "another network"), 1U);
  ASSERT_OK_AND_ASSIGN(const auto now, Wait(client_->ChainHead()));
  EXPECT_EQ(now, chain_->ChainHead());
}

// It was asked before that was known, and answers after it was left.
TEST_F(TwoNodesTest, WhatOneOfAnotherNetworkSaysWhenItIsLeftIsOfNoUse) {
  Serve();
  ASSERT_OK(chain_->Advance());
  const std::uint16_t port = port_;
  StopServing();
  ChainConfig other = QuickPreset();
  ++other.seed;
  ServeB(other);
  for (int i = 0; i < 3; ++i) ASSERT_OK(chain_b_->Advance());
  Connect();
  ASSERT_OK(Wait(client_->ChainHead()).status());
  port_ = b_.port;
  const auto [status, answer] =
      Http(R"({"id":1,"method":"Damocles.DevnetInject",)"
           R"("params":[{"method":"StateMinerDeadlines","n":1,"delay_ms":1500}]})");
  ASSERT_NE(answer.find("result"), std::string::npos) << status << answer;
  // A tipset that only the right one knows.
  auto asking = client_->StateMinerDeadlines(kMinerAddress, chain_->ChainHead().Key()).ToPromise();
  EXPECT_FALSE(asking.poll(io_.waitScope));
  Serve({}, port);
  ASSERT_TRUE(Until([&] { return Said("node_left", "another network") > 0; }));
  EXPECT_FALSE(asking.poll(io_.waitScope)) << "the answer came before anybody knew";
  EXPECT_TRUE(Until([&] { return asking.poll(io_.waitScope); }));
  EXPECT_OK(asking.wait(io_.waitScope)) << "the node of this network was not asked";
  Pass(100 * kj::MILLISECONDS);
  EXPECT_EQ(Said("node_left", "another network"), 1U) << "it was used again";
  ASSERT_OK_AND_ASSIGN(const auto head, Wait(client_->ChainHead()));
  EXPECT_EQ(head, chain_->ChainHead());
}

TEST_F(TwoNodesTest, ALookThatGetsNoAnswerLeavesWhatIsUnderWayAlone) {
  options_.connect_timeout = absl::Seconds(1);  // of the handshake too, on a busy machine
  Start();
  ASSERT_OK(Wait(client_->ChainHead()));
  auto waiting =
      client_->StateGetBeaconEntry(chain_->ChainHead().Height() + filecoin::EpochDelta(3))
          .ToPromise();
  EXPECT_FALSE(waiting.poll(io_.waitScope));
  const auto [status, answer] = Http(R"({"id":1,"method":"Damocles.DevnetInject",)"
                                     R"("params":[{"method":"ChainHead","n":1000,"hang":true}]})");
  ASSERT_NE(answer.find("result"), std::string::npos) << status << answer;
  Pass(2500 * kj::MILLISECONDS);
  for (int i = 0; i < 3; ++i) ASSERT_OK(chain_->Advance());
  const bool answered = Until([&] { return waiting.poll(io_.waitScope); });
  ASSERT_TRUE(answered) << "the call went to the other node\n" << absl::StrJoin(log_, "\n");
  EXPECT_OK(waiting.wait(io_.waitScope));
  EXPECT_EQ(Said("node_left"), 0U);
  EXPECT_EQ(Said("node_changed"), 0U);
  EXPECT_EQ(Said("head_subscription_ended"), 0U);
}

// The one in front is a gateway: it reads, and has no wallet that we may use.
TEST_F(TwoNodesTest, OneThatLagsIsAskedForWhatTheOtherOneMayNot) {
  LotusServerOptions reads_only;
  reads_only.token = "not-ours";
  Start(QuickPreset(), reads_only);
  ASSERT_TRUE(
      Until([&] { return Said("node_left") > 0; }, [&] { ASSERT_OK(chain_b_->Advance()); }));
  ASSERT_OK_AND_ASSIGN(const auto info, Wait(client_->StateMinerInfo(kMinerAddress, {})));
  ASSERT_OK_AND_ASSIGN(const bool has, Wait(client_->WalletHas(info.worker)));
  EXPECT_TRUE(has);
  filecoin::Message message;
  message.to = message.from = info.worker;
  ASSERT_OK_AND_ASSIGN(const auto pushed, Wait(client_->MpoolPushMessage(message, WithUuid(4))));
  const auto pool = chain_->MpoolPending();
  ASSERT_EQ(pool.size(), 1U);
  EXPECT_EQ(CidOf(pool[0]), CidOf(pushed));
  ASSERT_OK_AND_ASSIGN(const bool no_key,
                       Wait(client_->WalletHas(filecoin::Address::FromId(77777))));
  EXPECT_FALSE(no_key);
  // The heads still come from the one in front.
  ASSERT_OK_AND_ASSIGN(const auto head, Wait(client_->ChainHead()));
  EXPECT_EQ(head, chain_b_->ChainHead());
  EXPECT_EQ(Said("node_changed"), 0U);
}

TEST_F(TwoNodesTest, AHeadThatIsNotFollowedBecauseSomethingThrewIsFollowedAnew) {
  Serve();
  const std::uint16_t port = port_;
  Connect(true);
  Pass(100 * kj::MILLISECONDS);
  unlogged_ = "head_subscription_ended";
  StopServing();
  ASSERT_TRUE(Until([&] { return Said("head_not_followed", "no room for the log") > 0; }));
  ASSERT_TRUE(Until([&] { return Said("node_lost") > 0; }));
  Serve({}, port);
  EXPECT_TRUE(Until([&] { return Said("node_back") > 0; }));
  EXPECT_EQ(Said("head_not_followed"), 1U);
}

TEST_F(TwoNodesTest, ALookThatThrowsIsSaidAndTheNextOneComes) {
  Start();
  unlogged_ = "node_left";
  ASSERT_TRUE(Until([&] { return Said("heads_not_compared", "no room for the log") > 0; },
                    [&] { ASSERT_OK(chain_b_->Advance()); }));
  while (chain_->ChainHead().Height() < chain_b_->ChainHead().Height()) {
    ASSERT_OK(chain_->Advance());
  }
  EXPECT_TRUE(Until([&] { return Said("node_back", "keeps up") > 0; }));
  EXPECT_EQ(Said("heads_not_compared"), 1U);
}

class OnlyNodeTest : public LotusFixture {};

TEST_F(OnlyNodeTest, TheOnlyNodeStaysInUseWhenItsHeadStandsStillAndThatIsSaid) {
  Serve();
  std::vector<std::string> log;
  SetLogSink([&](Severity, std::string_view line) { log.emplace_back(line); });
  const auto quiet = kj::defer([] { SetLogSink({}); });
  const auto said = [&](const char* event) {
    return std::count_if(log.begin(), log.end(), [&](const std::string& line) {
      return line.find(event) != std::string::npos;
    });
  };
  chain::LotusOptions options;
  options.poll_interval = absl::Milliseconds(20);
  options.head_still = absl::Milliseconds(150);
  const auto client = Client({At()}, options);
  ASSERT_OK_AND_ASSIGN(const auto heads, Wait(client->ChainNotify()));
  const auto pass = [&](kj::Duration time) {
    io_.provider->getTimer().afterDelay(time).wait(io_.waitScope);
  };
  pass(600 * kj::MILLISECONDS);
  EXPECT_EQ(said("head_stands_still"), 1);
  EXPECT_OK(Wait(client->ChainHead()));
  EXPECT_EQ(said("head_moves"), 0);
  ASSERT_OK(chain_->Advance());
  pass(100 * kj::MILLISECONDS);
  EXPECT_EQ(said("head_moves"), 1);
  EXPECT_EQ(said("head_stands_still"), 1);
}

}  // namespace
}  // namespace damocles::devnet
