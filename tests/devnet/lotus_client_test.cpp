// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// chain::LotusClient against devnet::LotusServer: one end checks the other, over real sockets.

#include "damocles/chain/lotus_client.h"

#include <kj/compat/http.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/devnet/lotus_fixture.h"

#include "damocles/async/offload.h"
#include "damocles/base/log.h"
#include "damocles/base/thread_pool.h"
#include "damocles/chain/json_rpc.h"
#include "damocles/chain/lotus_json.h"

namespace damocles::devnet {
namespace {

using chain::HeadChange;
using chain::HeadChangeKind;
using damocles::testing_support::StatusIs;
using filecoin::EpochDelta;
using testing_support::AdvanceTo;
using testing_support::FirstOpen;
using testing_support::kMinerAddress;
using testing_support::LotusFixture;
using testing_support::PostMessage;
using testing_support::WithUuid;

class LotusClientTest : public LotusFixture {};

// A node that gives every call the same answer, over HTTP only.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class CannedNode final : public kj::HttpService {
 public:
  explicit CannedNode(std::string result) : result_(std::move(result)) {}
  kj::Promise<void> request(kj::HttpMethod, kj::StringPtr, const kj::HttpHeaders&,
                            kj::AsyncInputStream& body, Response& response) override {
    return body.readAllText().then([this, &response](kj::String&& text) {
      const auto request = nlohmann::json::parse(text.cStr(), nullptr, false);
      const std::string id =
          request.is_object() && request.contains("id") ? request["id"].dump() : "0";
      auto answer =
          kj::heap<std::string>(R"({"jsonrpc":"2.0","id":)" + id + R"(,"result":)" + result_ + "}");
      auto stream = response.send(200, "OK", kj::HttpHeaders(table_), answer->size());
      auto written = stream->write(answer->data(), answer->size());
      return written.attach(kj::mv(stream), kj::mv(answer));
    });
  }

 private:
  kj::HttpHeaderTable table_;
  std::string result_;
};
#pragma GCC diagnostic pop

// Both ways to talk give what the chain says.
void ExpectAnswersOf(const Chain& chain, chain::FullNode& api, kj::WaitScope& scope) {
  const auto wait = [&](auto task) { return kj::mv(task).ToPromise().wait(scope); };
  ASSERT_OK_AND_ASSIGN(const auto head, wait(api.ChainHead()));
  EXPECT_EQ(head, chain.ChainHead());
  const filecoin::TipSetKey key = head.Key();
  ASSERT_OK_AND_ASSIGN(const auto version, wait(api.Version()));
  EXPECT_EQ(version.block_delay_secs, 1u);
  ASSERT_OK_AND_ASSIGN(const auto name, wait(api.StateNetworkName()));
  EXPECT_EQ(name, chain.StateNetworkName());
  ASSERT_OK_AND_ASSIGN(const auto network, wait(api.StateNetworkVersion(key)));
  EXPECT_EQ(network, chain.Config().network_version);
  ASSERT_OK_AND_ASSIGN(const auto earlier,
                       wait(api.ChainGetTipSetByHeight(head.Height() - EpochDelta(4), key)));
  EXPECT_EQ(earlier.Height(), head.Height() - EpochDelta(4));
  ASSERT_OK_AND_ASSIGN(const auto deadline,
                       wait(api.StateMinerProvingDeadline(kMinerAddress, key)));
  EXPECT_EQ(deadline, *chain.StateMinerProvingDeadline(kMinerAddress, key));
  ASSERT_OK_AND_ASSIGN(const auto deadlines, wait(api.StateMinerDeadlines(kMinerAddress, key)));
  EXPECT_EQ(deadlines.size(), 12u);
  ASSERT_OK_AND_ASSIGN(const auto partitions,
                       wait(api.StateMinerPartitions(kMinerAddress, 0, key)));
  ASSERT_EQ(partitions.size(), 2u);
  EXPECT_EQ(partitions[0].all_sectors, (filecoin::BitField{1, 2}));
  ASSERT_OK_AND_ASSIGN(const auto none, wait(api.StateMinerPartitions(kMinerAddress, 1, key)));
  EXPECT_TRUE(none.empty());
  ASSERT_OK_AND_ASSIGN(const auto sectors,
                       wait(api.StateMinerSectors(kMinerAddress, filecoin::BitField{2, 4}, key)));
  ASSERT_EQ(sectors.size(), 2u);
  ASSERT_OK_AND_ASSIGN(const Bytes32 comm_r, sectors[0].sealed_cid.ToCommR());
  EXPECT_EQ(comm_r[0], 2);
  ASSERT_OK_AND_ASSIGN(const auto random, wait(api.StateGetRandomnessFromBeacon(
                                              4, head.Height() - EpochDelta(3), Bytes(4, 1), key)));
  EXPECT_EQ(random, *chain.StateGetRandomnessFromBeacon(4, head.Height() - EpochDelta(3),
                                                        Bytes(4, 1), key));
  ASSERT_OK_AND_ASSIGN(const auto info, wait(api.StateMinerInfo(kMinerAddress, key)));
  ASSERT_OK_AND_ASSIGN(const bool has, wait(api.WalletHas(info.worker)));
  EXPECT_TRUE(has);
}

TEST_F(LotusClientTest, AnswersOfTheChainOverWebSocketAndHttp) {
  Serve();
  ExpectAnswersOf(*chain_, *Client({At()}), io_.waitScope);
  chain::LotusOptions http;
  http.use_websocket = false;
  ExpectAnswersOf(*chain_, *Client({At()}, http), io_.waitScope);
}

TEST_F(LotusClientTest, ErrorsKeepTheNodesTextAndSayWhatToDo) {
  Serve();
  const auto client = Client({At()});
  EXPECT_THAT(Wait(client->StateMinerInfo(filecoin::Address::FromId(77777), {})),
              StatusIs(absl::StatusCode::kNotFound, "StateMinerInfo: "));
  EXPECT_THAT(Wait(client->StateGetRandomnessFromBeacon(
                  4, chain_->ChainHead().Height() + EpochDelta(100), {}, {})),
              StatusIs(absl::StatusCode::kUnavailable, "future"));
  filecoin::Message message;
  message.to = kMinerAddress;
  ASSERT_OK_AND_ASSIGN(const auto info, Wait(client->StateMinerInfo(kMinerAddress, {})));
  message.from = info.worker;
  message.method = 5;
  message.params = Bytes(1, 0x80);
  EXPECT_THAT(Wait(client->GasEstimateGasLimit(message, {})),
              StatusIs(absl::StatusCode::kFailedPrecondition, "21"));
}

TEST_F(LotusClientTest, PushesOnceForOneUuidAndFindsTheReceipt) {
  Serve();
  const auto client = Client({At()});
  ASSERT_OK_AND_ASSIGN(const auto info, Wait(client->StateMinerInfo(kMinerAddress, {})));
  filecoin::Message message;
  message.to = info.worker;
  message.from = info.worker;
  ASSERT_OK_AND_ASSIGN(const auto first, Wait(client->MpoolPushMessage(message, WithUuid(3))));
  ASSERT_OK_AND_ASSIGN(const auto again, Wait(client->MpoolPushMessage(message, WithUuid(3))));
  EXPECT_EQ(CidOf(first), CidOf(again));
  const auto search = [&] { return Wait(client->StateSearchMsg({}, CidOf(first), -1, true)); };
  ASSERT_OK_AND_ASSIGN(const auto before, search());
  EXPECT_FALSE(before.has_value());
  for (int i = 0; i < 2; ++i) ASSERT_OK(chain_->Advance());
  ASSERT_OK_AND_ASSIGN(const auto found, search());
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->receipt.exit_code, 0);
  EXPECT_EQ(found->message, CidOf(first));
  ASSERT_OK_AND_ASSIGN(const auto read, Wait(client->ChainGetMessage(CidOf(first))));
  EXPECT_EQ(read, first.message);
}

TEST_F(LotusClientTest, ReadsWhatABlockProducerNeeds) {
  Serve();
  const auto client = Client({At()});
  // It has power from the end of the deadline on that it was proven in.
  AdvanceTo(*chain_, FirstOpen(*chain_) - EpochDelta(1));
  ASSERT_OK(chain_->MpoolPushMessage(PostMessage(*chain_, 0, {{0, {}}}), {}).status());
  AdvanceTo(*chain_, FirstOpen(*chain_) + chain_->Config().policy.period.challenge_window * 4);
  const filecoin::ChainEpoch next = chain_->ChainHead().Height() + EpochDelta(1);
  const filecoin::TipSetKey key = chain_->ChainHead().Key();
  ASSERT_OK_AND_ASSIGN(const auto base, Wait(client->MinerGetBaseInfo(kMinerAddress, next, key)));
  ASSERT_OK_AND_ASSIGN(const auto told, chain_->MinerGetBaseInfo(kMinerAddress, next, key));
  EXPECT_EQ(chain::ToLotusJson(base), chain::ToLotusJson(told));
  ASSERT_TRUE(base.has_value());
  EXPECT_TRUE(base->eligible_for_mining);
  // The node has it when the epoch has come.
  auto asking = client->StateGetBeaconEntry(next).ToPromise();
  ASSERT_OK(Wait(client->ChainHead()));
  EXPECT_FALSE(asking.poll(io_.waitScope));
  ASSERT_OK(chain_->Advance());
  ASSERT_OK_AND_ASSIGN(const auto entry, asking.wait(io_.waitScope));
  EXPECT_EQ(entry, *chain_->StateGetBeaconEntry(next));
}

TEST_F(LotusClientTest, HeadChangesArriveInOrder) {
  Serve();
  const auto client = Client({At()});
  ASSERT_OK_AND_ASSIGN(const auto heads, Wait(client->ChainNotify()));
  ASSERT_OK_AND_ASSIGN(auto changes, Wait(heads->Next()));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].kind, HeadChangeKind::kCurrent);
  filecoin::TipSetKey at = changes[0].tip_set.Key();
  // Until the subscription stands, a change may also come as a new `current`.
  const auto follow = [&]() {
    while (at != chain_->ChainHead().Key()) {
      const auto next = Wait(heads->Next());
      ASSERT_OK(next);
      for (const HeadChange& change : *next) {
        if (change.kind == HeadChangeKind::kRevert) {
          EXPECT_EQ(change.tip_set.Key(), at);
          at = change.tip_set.Parents();
        } else {
          if (change.kind == HeadChangeKind::kApply) {
            EXPECT_EQ(change.tip_set.Parents(), at);
          }
          at = change.tip_set.Key();
        }
      }
    }
  };
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(chain_->Advance());
    follow();
  }
  ASSERT_OK(chain_->Reorg(2));
  follow();
  ASSERT_OK(chain_->Advance({.null_rounds = 2, .timestamp = {}}));
  follow();
}

TEST_F(LotusClientTest, ComesBackAfterTheNodeRestarted) {
  Serve();
  const auto client = Client({At()});
  ASSERT_OK_AND_ASSIGN(const auto heads, Wait(client->ChainNotify()));
  ASSERT_OK(Wait(heads->Next()));
  const std::uint16_t port = port_;
  StopServing();
  EXPECT_THAT(Wait(client->ChainHead()), StatusIs(absl::StatusCode::kUnavailable, ""));
  ASSERT_OK(chain_->Advance());
  Serve({}, port);
  ASSERT_OK_AND_ASSIGN(const auto changes, Wait(heads->Next()));
  EXPECT_EQ(changes.back().tip_set, chain_->ChainHead());
  EXPECT_OK(Wait(client->ChainHead()));
}

TEST_F(LotusClientTest, PollsWhereThereIsNoWebSocket) {
  Serve();
  chain::LotusOptions options;
  options.use_websocket = false;
  options.poll_interval = absl::Milliseconds(20);
  const auto client = Client({At()}, options);
  ASSERT_OK_AND_ASSIGN(const auto heads, Wait(client->ChainNotify()));
  ASSERT_OK(Wait(heads->Next()));
  ASSERT_OK(chain_->Advance());
  ASSERT_OK_AND_ASSIGN(const auto changes, Wait(heads->Next()));
  EXPECT_EQ(changes[0].kind, HeadChangeKind::kCurrent);
  EXPECT_EQ(changes[0].tip_set, chain_->ChainHead());
}

// A provider without WebSockets: for ever so, and no trouble.
TEST_F(LotusClientTest, ANodeThatHasNoWebSocketIsPolledAndThatIsSaidOnce) {
  CannedNode node(chain::ToLotusJson(chain_->ChainHead()));
  kj::HttpHeaderTable table;
  kj::HttpServer http(io_.provider->getTimer(), table, node);
  std::vector<std::string> log;
  SetLogSink([&](Severity severity, std::string_view line) {
    // It answers every question with its head, also those for something else.
    const bool odd = line.find("answer_refused") != std::string::npos;
    if (severity >= Severity::kWarning && !odd) log.emplace_back(line);
  });
  const auto quiet = kj::defer([] { SetLogSink({}); });
  for (const std::size_t nodes : {1u, 2u}) {
    std::vector<chain::Endpoint> endpoints;
    std::vector<kj::Promise<void>> listening;
    for (std::size_t i = 0; i < nodes; ++i) {
      auto receiver =
          io_.provider->getNetwork().parseAddress("127.0.0.1:0").wait(io_.waitScope)->listen();
      endpoints.push_back(At());
      endpoints.back().port = static_cast<std::uint16_t>(receiver->getPort());
      auto serving = http.listenHttp(*receiver);
      listening.push_back(serving.attach(kj::mv(receiver)).eagerlyEvaluate([](kj::Exception&&) {}));
    }
    log.clear();
    chain::LotusOptions options;
    options.poll_interval = absl::Milliseconds(5);
    const auto client = Client(endpoints, options);
    ASSERT_OK_AND_ASSIGN(const auto heads, Wait(client->ChainNotify()));
    ASSERT_OK(Wait(heads->Next()));
    io_.provider->getTimer().afterDelay(1 * kj::SECONDS).wait(io_.waitScope);
    std::size_t polled = 0;
    std::size_t lost = 0;
    for (const std::string& line : log) {
      polled += line.find("head_polled") != std::string::npos;
      lost += line.find("node_lost") != std::string::npos;
    }
    EXPECT_EQ(polled, 1u) << nodes << " nodes";
    EXPECT_EQ(lost, 0u) << nodes << " nodes";
    EXPECT_LE(log.size(), nodes + 1) << nodes << " nodes";
  }
}

TEST_F(LotusClientTest, ADeadNodeIsSaidOnceAndThatItIsBack) {
  Serve();
  const std::uint16_t port = port_;
  std::vector<std::string> log;
  SetLogSink([&](Severity, std::string_view line) { log.emplace_back(line); });
  const auto quiet = kj::defer([] { SetLogSink({}); });
  const auto said = [&](const char* event) {
    return std::count_if(log.begin(), log.end(), [&](const std::string& line) {
      return line.find(event) != std::string::npos;
    });
  };
  const auto client = Client({At()});
  ASSERT_OK_AND_ASSIGN(const auto heads, Wait(client->ChainNotify()));
  ASSERT_OK(Wait(heads->Next()));
  StopServing();
  io_.provider->getTimer().afterDelay(500 * kj::MILLISECONDS).wait(io_.waitScope);
  EXPECT_EQ(said("node_lost"), 1);
  EXPECT_EQ(said("node_back"), 0);
  ASSERT_OK(chain_->Advance());
  Serve({}, port);
  ASSERT_OK_AND_ASSIGN(const auto changes, Wait(heads->Next()));
  EXPECT_EQ(changes.back().tip_set, chain_->ChainHead());
  EXPECT_EQ(said("node_lost"), 1);
  EXPECT_EQ(said("node_back"), 1);
}

TEST_F(LotusClientTest, GoesToTheNextNodeAndStays) {
  Serve();
  chain::Endpoint dead = At();
  // A port that was free a moment ago.
  {
    auto receiver =
        io_.provider->getNetwork().parseAddress("127.0.0.1:0").wait(io_.waitScope)->listen();
    dead.port = static_cast<std::uint16_t>(receiver->getPort());
  }
  const auto client = Client({dead, At()});
  EXPECT_OK(Wait(client->ChainHead()));
  ASSERT_OK_AND_ASSIGN(const auto heads, Wait(client->ChainNotify()));
  ASSERT_OK(Wait(heads->Next()));
  ASSERT_OK(chain_->Advance());
  ASSERT_OK_AND_ASSIGN(const auto changes, Wait(heads->Next()));
  EXPECT_EQ(changes.back().tip_set, chain_->ChainHead());
}

TEST_F(LotusClientTest, SilentNodeMeetsTheDeadline) {
  // Takes connections and says nothing.
  auto receiver =
      io_.provider->getNetwork().parseAddress("127.0.0.1:0").wait(io_.waitScope)->listen();
  chain::Endpoint silent = At();
  silent.port = static_cast<std::uint16_t>(receiver->getPort());
  chain::LotusOptions options;
  options.connect_timeout = absl::Milliseconds(50);
  options.call_timeout = absl::Milliseconds(150);
  EXPECT_THAT(Wait(Client({silent}, options)->ChainHead()),
              StatusIs(absl::StatusCode::kDeadlineExceeded, "ChainHead"));
  Serve();
  options.call_timeout = absl::Seconds(2);
  EXPECT_OK(Wait(Client({silent, At()}, options)->ChainHead()));
}

TEST_F(LotusClientTest, LengthsThatNobodyCanDivideByAreRefused) {
  for (const char* window : {"0", "null", "-60", "99999999999"}) {
    CannedNode node(
        std::string(
            R"({"CurrentEpoch":10100,"PeriodStart":9000,"Index":18,"Open":10080,"Close":10140,)"
            R"("Challenge":10060,"FaultCutoff":10010,"WPoStPeriodDeadlines":48,)"
            R"("WPoStProvingPeriod":2880,"WPoStChallengeLookback":20,)"
            R"("FaultDeclarationCutoff":70,"WPoStChallengeWindow":)") +
        window + "}");
    kj::HttpHeaderTable table;
    kj::HttpServer http(io_.provider->getTimer(), table, node);
    auto receiver =
        io_.provider->getNetwork().parseAddress("127.0.0.1:0").wait(io_.waitScope)->listen();
    chain::Endpoint endpoint = At();
    endpoint.port = static_cast<std::uint16_t>(receiver->getPort());
    auto listening = http.listenHttp(*receiver).eagerlyEvaluate([](kj::Exception&&) {});
    chain::LotusOptions options;
    options.use_websocket = false;
    EXPECT_THAT(Wait(Client({endpoint}, options)->StateMinerProvingDeadline(kMinerAddress, {})),
                StatusIs(absl::StatusCode::kDataLoss, "StateMinerProvingDeadline"))
        << window;
  }
}

// Several nodes, of which the first answers every call in its own way.
class OddNodeTest : public LotusClientTest {
 protected:
  ~OddNodeTest() noexcept override {}  // NOLINT(modernize-use-equals-default): KJ's may throw

  void Odd(const std::string& result) {
    node_ = std::make_unique<CannedNode>(result);
    http_ = std::make_unique<kj::HttpServer>(io_.provider->getTimer(), table_, *node_);
    receiver_ =
        io_.provider->getNetwork().parseAddress("127.0.0.1:0").wait(io_.waitScope)->listen();
    listening_ = http_->listenHttp(*receiver_).eagerlyEvaluate([](kj::Exception&&) {});
  }
  chain::Endpoint OddAt() {
    chain::Endpoint endpoint = At();
    endpoint.port = static_cast<std::uint16_t>(receiver_->getPort());
    return endpoint;
  }

  kj::HttpHeaderTable table_;
  std::unique_ptr<CannedNode> node_;
  std::unique_ptr<kj::HttpServer> http_;
  kj::Own<kj::ConnectionReceiver> receiver_;
  kj::Promise<void> listening_ = kj::READY_NOW;
};

TEST_F(OddNodeTest, WhatCannotBeIsRefusedAndTheNextNodeIsAsked) {
  Serve();
  const std::string without_from =
      R"([{"Message":{"To":"f01000","Nonce":0,"Method":0,"GasLimit":1,"GasFeeCap":"0",)"
      R"("GasPremium":"0","Value":"0","Params":null},"Signature":{"Type":1,"Data":"AA=="}}])";
  for (const std::string& odd :
       {without_from, std::string("{}"), std::string("7"), std::string(R"([{"Message":null}])"),
        std::string(100'000, '['), "[" + std::string(100, ' ') + "1,2,3]"}) {
    SCOPED_TRACE(odd.substr(0, 60));
    Odd(odd);
    EXPECT_OK(Wait(Client({OddAt(), At()})->MpoolPending({})));
    ASSERT_OK_AND_ASSIGN(const auto head, Wait(Client({OddAt(), At()})->ChainHead()));
    EXPECT_EQ(head, chain_->ChainHead());
    EXPECT_THAT(Wait(Client({OddAt()})->ChainHead()),
                StatusIs(absl::StatusCode::kDataLoss, "ChainHead: "));
  }
  EXPECT_THAT(Wait(Client({OddAt()})->MpoolPending({})).status(),
              ::testing::Not(StatusIs(absl::StatusCode::kOk, "")));
}

TEST_F(OddNodeTest, APushWhoseAnswerIsUnreadableIsNotRepeatedElsewhere) {
  Serve();
  Odd("{}");
  filecoin::Message message;
  message.to = message.from = chain_->StateMinerInfo(kMinerAddress, {})->worker;
  EXPECT_THAT(Wait(Client({OddAt(), At()})->MpoolPushMessage(message, WithUuid(9))),
              StatusIs(absl::StatusCode::kDataLoss, "MpoolPushMessage: "));
  EXPECT_TRUE(Wait(Client({At()})->MpoolPending({}))->empty());
}

TEST_F(OddNodeTest, AnswersHaveALimitByTheirMethod) {
  Serve();
  // Beyond what a head may have, within what a list of messages may.
  Odd("[" + std::string(std::size_t{2} << 20, ' ') + "]");
  EXPECT_THAT(Wait(Client({OddAt()})->ChainHead()),
              StatusIs(absl::StatusCode::kResourceExhausted, "1048576 bytes"));
  EXPECT_OK(Wait(Client({OddAt(), At()})->ChainHead()));
  EXPECT_OK(Wait(Client({OddAt()})->MpoolPending({})));
}

TEST_F(OddNodeTest, LargeAnswersAreReadOnAnotherThread) {
  constexpr char kDeadline[] = R"({"PostSubmissions":[0],"DisputableProofCount":0,"DailyFee":"0"})";
  ThreadPool pool(1);
  async::PoolExecutor executor(pool);
  std::string deadlines = "[";
  for (int i = 0; i < 5'000; ++i) deadlines += (i == 0 ? "" : ",") + std::string(kDeadline);
  Odd(deadlines + "]");
  auto client = chain::MakeLotusClient({OddAt()},
                                       {.timer = io_.provider->getTimer(),
                                        .network = io_.provider->getNetwork(),
                                        .random = SystemRandom(),
                                        .executor = &executor},
                                       {})
                    .value();
  // The thread is busy: the answer waits, the loop goes on.
  std::atomic<bool> go_on{false};
  std::atomic<bool> busy{false};
  pool.Run([&] {
    busy = true;
    while (!go_on) std::this_thread::yield();
  });
  while (!busy) std::this_thread::yield();
  auto asking = client->StateMinerDeadlines(kMinerAddress, {}).ToPromise();
  for (int i = 0; i < 50; ++i) {
    io_.provider->getTimer().afterDelay(10 * kj::MILLISECONDS).wait(io_.waitScope);
    EXPECT_FALSE(asking.poll(io_.waitScope));
  }
  go_on = true;
  const auto read = asking.wait(io_.waitScope);
  ASSERT_OK(read);
  EXPECT_EQ(read->size(), 5'000U);
  // Whoever does not wait any more costs nothing.
  go_on = false;
  { auto dropped = client->StateMinerDeadlines(kMinerAddress, {}).ToPromise(); }
  client = nullptr;
}

TEST_F(LotusClientTest, HalfOpenSocketIsGivenUp) {
  Serve();
  chain::LotusOptions options;
  options.call_timeout = absl::Milliseconds(200);
  const auto client = Client({At()}, options);
  ASSERT_OK(Wait(client->Version()));
  // The next call is never answered; the connection counts as dead, the one after is made anew.
  ASSERT_EQ(
      Http(R"({"id":1,"method":"Damocles.DevnetInject","params":[{"method":"*","hang":true}]})")
          .first,
      200);
  EXPECT_THAT(Wait(client->Version()), StatusIs(absl::StatusCode::kDeadlineExceeded, "Version"));
  EXPECT_OK(Wait(client->Version()));
}

TEST_F(LotusClientTest, TokensDecideWhatIsAllowed) {
  LotusServerOptions options;
  options.token = "s3cret";
  Serve(options);
  ASSERT_OK_AND_ASSIGN(const auto info,
                       Wait(Client({At("s3cret")})->StateMinerInfo(kMinerAddress, {})));
  EXPECT_OK(Wait(Client({At("s3cret")})->WalletHas(info.worker)));
  EXPECT_OK(Wait(Client({At()})->ChainHead()));
  EXPECT_THAT(Wait(Client({At()})->WalletHas(info.worker)),
              StatusIs(absl::StatusCode::kPermissionDenied, "need 'write'"));
  const auto refused = Wait(Client({At("wr0ng")})->ChainHead());
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kUnauthenticated, "token"));
  EXPECT_EQ(std::string(refused.status().message()).find("wr0ng"), std::string::npos);
}

TEST_F(LotusClientTest, AnswersBeyondTheLimitAreRefused) {
  Serve();
  chain::LotusOptions options;
  options.answer_bytes_max = 256;
  EXPECT_THAT(Wait(Client({At()}, options)->ChainHead()).status(),
              ::testing::AnyOf(StatusIs(absl::StatusCode::kResourceExhausted, ""),
                               StatusIs(absl::StatusCode::kUnavailable, "")));
  EXPECT_OK(Wait(Client({At()}, options)->StateNetworkName()));
}

}  // namespace
}  // namespace damocles::devnet
