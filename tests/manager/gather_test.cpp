// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The self check over a simulated chain whose calls fail or hang as they are told.

#include "damocles/manager/gather.h"

#include <kj/async-io.h>

#include <latch>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/devnet/lotus_fixture.h"
#include "tests/support/status_matchers.h"

#include "damocles/async/loose_executor.h"
#include "damocles/base/log.h"
#include "damocles/devnet/direct_api.h"
#include "damocles/manager/judge.h"
#include "damocles/manager/self_check.h"
#include "damocles/store/store.h"

namespace damocles::manager {
namespace {

using devnet::testing_support::kMiner;
using devnet::testing_support::LotusFixture;
using ::testing::HasSubstr;

constexpr auto kSmallType = filecoin::PoStProofType::kWindow2KiBV1_1;

// A whole manager as far as the check sees it, over a chain of six sectors.
class GatherTest : public LotusFixture {
 protected:
  void SetUp() override {
    LotusFixture::SetUp();
    index_ = *sector::Index::Open(*store_);
    for (std::uint64_t number = 1; number <= 6; ++number) {
      ASSERT_OK(index_->Put({{{kMiner, number}, storage::Variant::kSealed, {"st", "st"}}}));
    }
    stores_ = *storage::StoreRegistry::Open({{.name = "st", .path = "/"}});
    clock_.Set(
        absl::FromUnixSeconds(static_cast<std::int64_t>(chain_->ChainHead().MinTimestamp()) + 1));
  }
  ~GatherTest() noexcept override {
    release_->count_down();
    executor_.Idle(absl::Seconds(60));
  }

  GatherParts Parts(std::vector<CheckedNode> nodes) {
    GatherParts parts{.timer = io_.provider->getTimer(),
                      .clock = clock_,
                      .executor = executor_,
                      .index = *index_,
                      .stores = stores_};
    parts.poster = true;
    parts.proves_itself = true;
    parts.nodes = std::move(nodes);
    parts.miners = [this] { return miners_; };
    parts.workers = [] { return std::vector<worker::Hub::WorkerInfo>(); };
    parts.parameters = [] {
      return ParameterFacts{.folder = "/p", .verifiable = {kSmallType}, .provable = {kSmallType}};
    };
    parts.readable_secrets = [] { return std::vector<std::string>(); };
    parts.disks = {{"home", "/"}};
    parts.look_at_store = storage::OneLookAtATime(
        [hang = hang_, release = release_](const std::string&) -> storage::StoreSight {
          if (*hang) release->wait();
          return {storage::StoreCondition::kShowsSectors, ""};
        });
    return parts;
  }
  // One node that calls the chain directly; `direct_` orders its failures.
  std::vector<CheckedNode> Direct() {
    auto api = std::make_unique<devnet::DirectApi>(*chain_);
    direct_ = api.get();
    std::vector<CheckedNode> nodes;
    nodes.push_back({.name = "direct:1", .has_token = true, .api = std::move(api)});
    return nodes;
  }
  GatherLimits Quick() {
    GatherLimits limits;
    limits.call = absl::Milliseconds(150);
    limits.look = absl::Seconds(5);
    limits.workers_after = absl::ZeroDuration();
    return limits;
  }
  Facts Gather(Gatherer& gatherer) {
    return io_.provider->getTimer()
        .timeoutAfter(60 * kj::SECONDS, gatherer.Gather().ToPromise())
        .wait(io_.waitScope);
  }
  static std::vector<std::string> Kinds(const rpc::CheckReport& report) {
    std::vector<std::string> kinds;
    for (const rpc::Finding& finding : report.findings) {
      // How much room this machine has is not what is tested here.
      if (!finding.kind.starts_with("disk_")) kinds.push_back(finding.kind);
    }
    return kinds;
  }

  std::shared_ptr<std::atomic<bool>> hang_ = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<std::latch> release_ = std::make_shared<std::latch>(1);
  std::vector<CheckedMiner> miners_ = {{.miner = kMiner, .senders = {}, .fee_cap = 5'000'000'000}};
  std::unique_ptr<store::Store> store_ = store::OpenMemoryStore();
  std::unique_ptr<sector::Index> index_;
  storage::StoreRegistry stores_;
  SimClock clock_{absl::UnixEpoch()};
  async::LooseExecutor executor_{8};
  devnet::DirectApi* direct_ = nullptr;
};

TEST_F(GatherTest, ALivingChainIsInOrder) {
  Gatherer gatherer(Parts(Direct()), Quick());
  const Facts facts = Gather(gatherer);
  ASSERT_EQ(facts.miners.size(), 1u);
  ASSERT_OK(facts.miners[0].deadlines.status());
  EXPECT_EQ(facts.miners[0].deadlines->size(), facts.miners[0].deadlines_total);
  std::uint64_t live = 0;
  for (const DeadlineFacts& deadline : *facts.miners[0].deadlines) {
    live += deadline.live;
    EXPECT_EQ(deadline.stores.size(), deadline.live > 0 ? 1u : 0u);
  }
  EXPECT_EQ(live, 6u);
  const rpc::CheckReport report = Judge(facts);
  EXPECT_TRUE(Kinds(report).empty()) << Kinds(report)[0];
  EXPECT_TRUE(report.not_learnt.empty());
}

TEST_F(GatherTest, WhatTheIndexLacksIsFoundByDeadline) {
  ASSERT_OK(index_->Remove({kMiner, 4}, storage::Variant::kSealed));
  Gatherer gatherer(Parts(Direct()), Quick());
  const rpc::CheckReport report = Judge(Gather(gatherer));
  ASSERT_EQ(Kinds(report), (std::vector<std::string>{"sectors_not_indexed"}));
  EXPECT_TRUE(report.findings[0].costs_window);
}

// At each call that is made: it errs in every way, and it hangs.
TEST_F(GatherTest, ANodeThatErrsOrHangsAtAnyCallLeavesTheRestKnown) {
  const char* kCalls[] = {"Version",
                          "ChainHead",
                          "StateNetworkName",
                          "StateNetworkVersion",
                          "SyncState",
                          "WalletHas",
                          "WalletSign",
                          "MpoolPending",
                          "StateMinerInfo",
                          "StateAccountKey",
                          "MpoolGetNonce",
                          "WalletBalance",
                          "StateMinerProvingDeadline",
                          "StateMinerPartitions"};
  constexpr std::uint64_t kAll = 1'000'000;
  // Otherwise there is no lane to ask about.
  const auto info = chain_->StateMinerInfo(devnet::testing_support::kMinerAddress, {});
  ASSERT_OK(info.status());
  filecoin::Message waiting;
  waiting.from = waiting.to = info->worker;
  ASSERT_OK(chain_->MpoolPushMessage(waiting, {}).status());
  for (const char* call : kCalls) {
    for (const absl::StatusCode code :
         {absl::StatusCode::kUnavailable, absl::StatusCode::kUnknown, absl::StatusCode::kNotFound,
          absl::StatusCode::kPermissionDenied, absl::StatusCode::kUnimplemented,
          absl::StatusCode::kDataLoss, absl::StatusCode::kOk /* it hangs */}) {
      SCOPED_TRACE(std::string(call) + " " + absl::StatusCodeToString(code));
      GatherLimits limits = Quick();
      limits.call = code == absl::StatusCode::kOk ? absl::Milliseconds(500) : absl::Seconds(10);
      Gatherer gatherer(Parts(Direct()), limits);
      if (code == absl::StatusCode::kOk) {
        direct_->HangNext(call, kAll);
      } else {
        direct_->FailNext(call, kAll, absl::Status(code, "as ordered"));
      }
      const Facts facts = Gather(gatherer);
      EXPECT_GT(direct_->Calls(call), 0u) << "the check does not make this call any more";
      ASSERT_EQ(facts.nodes.size(), 1u);
      ASSERT_EQ(facts.miners.size(), 1u);
      EXPECT_OK(facts.stores.status());
      EXPECT_OK(facts.parameters.status());
      const bool about_head = std::string(call) == "ChainHead";
      EXPECT_EQ(facts.nodes[0].head.ok(), !about_head);
      if (!about_head && std::string(call) != "StateMinerInfo") {
        EXPECT_OK(facts.miners[0].proof_type.status());
      }
      // Nothing is taken for missing because it could not be learnt.
      for (const rpc::Finding& finding : Judge(facts).findings) {
        EXPECT_THAT(finding.kind, ::testing::AnyOf(HasSubstr("node_"), HasSubstr("_not_checked"),
                                                   HasSubstr("_unknown"), HasSubstr("disk_"),
                                                   HasSubstr("_not_answering")))
            << finding.what;
      }
    }
  }
}

TEST_F(GatherTest, ADeadNodeAndADeadMountEndTheLookInItsTime) {
  Gatherer gatherer(Parts(Direct()), Quick());
  direct_->HangNext("*", 1'000'000);
  *hang_ = true;
  const Facts facts = Gather(gatherer);
  EXPECT_EQ(Kinds(Judge(facts)),
            (std::vector<std::string>{"node_unreachable", "store_not_answering"}));
  // The next one does not wait for the same mount with another thread.
  EXPECT_EQ(Kinds(Judge(Gather(gatherer))),
            (std::vector<std::string>{"node_unreachable", "store_not_answering"}));
}

// Over the wire, as the node judges it, and without a trace on the chain.
TEST_F(GatherTest, WhatATokenMayDoIsFoundWithoutDoingHarm) {
  devnet::LotusServerOptions options;
  options.token = "all";
  options.scoped_tokens = {
      {"reads", devnet::kReadPermission},
      {"writes", devnet::kReadPermission | devnet::kWritePermission},
      {"signs", devnet::kReadPermission | devnet::kWritePermission | devnet::kSignPermission}};
  Serve(options);
  for (const char* token : {"", "reads", "writes", "signs", "all", "wrong"}) {
    SCOPED_TRACE(token);
    std::vector<CheckedNode> nodes;
    nodes.push_back({.name = "n:1", .has_token = *token != 0, .api = Client({At(token)})});
    GatherLimits limits = Quick();
    limits.call = absl::Seconds(5);
    Gatherer gatherer(Parts(std::move(nodes)), limits);
    const Facts facts = Gather(gatherer);
    const NodeFacts& node = facts.nodes[0];
    const std::string name = token;
    if (name == "wrong") {
      EXPECT_TRUE(absl::IsUnauthenticated(node.answers)) << node.answers;
      continue;
    }
    EXPECT_OK(node.answers);
    const bool writes = name == "writes" || name == "signs" || name == "all";
    const bool signs = name == "signs" || name == "all";
    EXPECT_EQ(node.may_push.ok(), writes) << node.may_push;
    EXPECT_EQ(node.may_sign.ok(), signs) << node.may_sign;
    EXPECT_EQ(absl::IsPermissionDenied(node.may_push), !writes) << node.may_push;
    EXPECT_EQ(absl::IsPermissionDenied(node.may_sign), !signs) << node.may_sign;
    const rpc::CheckReport report = Judge(facts);
    EXPECT_EQ(report.findings.empty() || !report.findings[0].costs_window, signs);
  }
  const auto pending = chain_->MpoolPending();
  EXPECT_TRUE(pending.empty());
}

TEST_F(GatherTest, SendersOfTheConfigurationAreHeldAgainstTheChain) {
  const auto info = chain_->StateMinerInfo(devnet::testing_support::kMinerAddress, {});
  ASSERT_OK(info.status());
  miners_[0].senders = {info->worker, filecoin::Address::FromId(77777)};
  Gatherer gatherer(Parts(Direct()), Quick());
  const Facts facts = Gather(gatherer);
  std::size_t configured = 0;
  for (const CheckedSender& sender : facts.miners[0].senders) {
    configured += sender.facts.configured;
  }
  EXPECT_EQ(configured, 2u);
  EXPECT_EQ(Kinds(Judge(facts)), (std::vector<std::string>{"sender_not_of_miner"}));
  miners_[0].miner = 4711;
  EXPECT_EQ(Kinds(Judge(Gather(gatherer))), (std::vector<std::string>{"miner_unknown"}));
}

TEST_F(GatherTest, AMissingNonceAndWhatWaitsForItAreNamed) {
  const auto info = chain_->StateMinerInfo(devnet::testing_support::kMinerAddress, {});
  ASSERT_OK(info.status());
  filecoin::Message message;
  message.from = message.to = info->worker;
  std::vector<filecoin::SignedMessage> pushed;
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(filecoin::SignedMessage one, chain_->MpoolPushMessage(message, {}));
    pushed.push_back(std::move(one));
  }
  ASSERT_OK(chain_->DropMessage(CidOf(pushed[1])));
  Gatherer gatherer(Parts(Direct()), Quick());
  const rpc::CheckReport report = Judge(Gather(gatherer));
  ASSERT_EQ(Kinds(report), (std::vector<std::string>{"sender_nonce_gap"}));
  const std::uint64_t missing = pushed[1].message.nonce;
  EXPECT_EQ(report.findings[0].what,
            absl::StrFormat("nonce %d is missing: its messages from %d on wait for it", missing,
                            missing + 1));
  EXPECT_FALSE(report.findings[0].costs_window);
  EXPECT_THAT(report.findings[0].remedy, HasSubstr(absl::StrFormat("--nonce %d", missing)));
}

TEST_F(GatherTest, ANodeOnAnotherBranchIsNamed) {
  devnet::testing_support::Verifier verifier;
  ASSERT_OK_AND_ASSIGN(
      const auto other,
      devnet::Chain::InMemory(devnet::QuickPreset(), devnet::testing_support::SmallGenesis(),
                              verifier.Options()));
  const auto kinds = [&] {
    std::vector<CheckedNode> nodes = Direct();
    nodes.push_back(
        {.name = "other:1", .has_token = true, .api = std::make_unique<devnet::DirectApi>(*other)});
    clock_.Set(
        absl::FromUnixSeconds(static_cast<std::int64_t>(chain_->ChainHead().MinTimestamp()) + 1));
    Gatherer gatherer(Parts(std::move(nodes)), Quick());
    const rpc::CheckReport report = Judge(Gather(gatherer));
    std::vector<std::string> out = Kinds(report);
    if (!out.empty()) out.push_back(report.findings[0].subject);
    return out;
  };
  EXPECT_THAT(kinds(), ::testing::IsEmpty());
  // Less than ten epochs are nothing to speak of.
  ASSERT_OK(other->Advance({.null_rounds = 1, .timestamp = {}}));
  for (int i = 0; i < 2; ++i) ASSERT_OK(chain_->Advance());
  EXPECT_THAT(kinds(), ::testing::IsEmpty());
  for (int i = 0; i < 12; ++i) {
    ASSERT_OK(chain_->Advance());
    ASSERT_OK(other->Advance());
  }
  EXPECT_EQ(kinds(), (std::vector<std::string>{"node_on_other_branch", "node other:1"}));
}

TEST_F(GatherTest, WhatIsWrongIsSaidOnceAndThatItIsMended) {
  std::vector<std::string> log;
  SetLogSink([&](Severity, std::string_view line) {
    if (line.find("check ") <= 2) log.emplace_back(line);
  });
  const auto quiet = kj::defer([] { SetLogSink({}); });
  const auto said = [&](const std::string& text) {
    std::size_t count = 0;
    for (const std::string& line : log) count += line.find(text) != std::string::npos;
    return count;
  };
  Gatherer gatherer(Parts(Direct()), Quick());
  SelfCheck check(gatherer, io_.provider->getTimer());
  const auto look = [&] { ASSERT_OK(check.Look().ToPromise().wait(io_.waitScope).status()); };
  look();
  EXPECT_EQ(said("looked"), 1u);
  const std::size_t at_first = log.size();
  direct_->SetDown(true);
  look();
  look();
  look();
  EXPECT_EQ(said("node_unreachable"), 1u);
  EXPECT_EQ(said("mended"), 0u);
  direct_->SetDown(false);
  look();
  look();
  EXPECT_EQ(said("mended kind=node_unreachable"), 1u);
  EXPECT_EQ(log.size(), at_first + 4) << "a line each, and one of the sum each";
}

TEST_F(GatherTest, TwoWhoAskAtOnceGetOneLook) {
  Gatherer gatherer(Parts(Direct()), Quick());
  SelfCheck check(gatherer, io_.provider->getTimer());
  auto first = check.Look().ToPromise();
  auto second = check.Look().ToPromise();
  ASSERT_OK(first.wait(io_.waitScope).status());
  ASSERT_OK(second.wait(io_.waitScope).status());
  EXPECT_EQ(direct_->Calls("Version"), 1u);
}

}  // namespace
}  // namespace damocles::manager
