// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The call that is of no role of a node, the judgement of the network that stands on it, and what a
// configuration's nodes become: against nodes that answer as they like.

#include "damocles/manager/chain_client.h"

#include <kj/compat/http.h>

#include <deque>
#include <vector>

#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/log.h"
#include "damocles/base/random.h"
#include "damocles/manager/network.h"

namespace damocles::manager {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using testing_support::StatusIs;

struct Reply {
  unsigned status = 200;
  std::string body;
};

constexpr const char* kUnknownMethod =
    R"({"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"method not found"}})";
constexpr const char* kDevnet = R"({"jsonrpc":"2.0","id":1,"result":{"VerifyingKeys":{}}})";
const Reply kProxyPage{502, "<html>Bad Gateway</html>"};
const Reply kReal{200, kUnknownMethod};
const Reply kPractice{200, kDevnet};

// KJ's interfaces have no virtual destructors.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
// Says the replies one after the other, the last for ever.
class FakeNode final : public kj::HttpService {
 public:
  explicit FakeNode(kj::HttpHeaderTable& table) : table_(table) {}
  kj::Promise<void> request(kj::HttpMethod, kj::StringPtr, const kj::HttpHeaders&,
                            kj::AsyncInputStream& body, Response& response) override {
    auto reading = body.readAllText();
    return reading.then([this, &response](kj::String&&) {
      ++asked;
      auto reply = kj::heap<Reply>(replies.front());
      if (replies.size() > 1) replies.pop_front();
      auto out = response.send(reply->status, "as told", kj::HttpHeaders(table_),
                               std::uint64_t{reply->body.size()});
      auto writing = out->write(reply->body.data(), reply->body.size());
      return writing.attach(kj::mv(out), kj::mv(reply));
    });
  }
  std::deque<Reply> replies;
  int asked = 0;

 private:
  kj::HttpHeaderTable& table_;
};
#pragma GCC diagnostic pop

// A node on a port of its own.
class ServedNode {
 public:
  explicit ServedNode(kj::AsyncIoContext& io) : server_(io.provider->getTimer(), table_, node) {
    auto address = io.provider->getNetwork().parseAddress("127.0.0.1", 0).wait(io.waitScope);
    auto receiver = address->listen();
    endpoint.host = "127.0.0.1";
    endpoint.port = static_cast<std::uint16_t>(receiver->getPort());
    endpoint.path = "/rpc/v1";
    serving_ = server_.listenHttp(*receiver).attach(kj::mv(receiver)).eagerlyEvaluate(nullptr);
  }
  ~ServedNode() noexcept {}  // NOLINT(modernize-use-equals-default): KJ's destructors may throw

 private:
  kj::HttpHeaderTable table_;

 public:
  FakeNode node{table_};
  chain::Endpoint endpoint;

 private:
  kj::HttpServer server_;
  kj::Promise<void> serving_ = nullptr;
};

class ChainClientTest : public ::testing::Test {
 protected:
  ChainClientTest() {
    SetLogSink([this](Severity, std::string_view line) { log_.emplace_back(line); });
  }
  ~ChainClientTest() noexcept override { SetLogSink({}); }

  chain::LotusIo Io() {
    return {.timer = io_.provider->getTimer(),
            .network = io_.provider->getNetwork(),
            .tls_network = nullptr,
            .random = SystemRandom()};
  }
  absl::StatusOr<std::string> Call(Reply reply, const std::string& token = "secret") {
    first_.node.replies = {std::move(reply)};
    chain::Endpoint endpoint = first_.endpoint;
    endpoint.token = token;
    return chain::CallNode(endpoint, Io(), "Damocles.X").ToPromise().wait(io_.waitScope);
  }
  absl::StatusOr<bool> Ask(std::deque<Reply> replies,
                           std::map<filecoin::PoStProofType, std::string> own = {}) {
    first_.node.replies = std::move(replies);
    NetworkJudge judge(Io(), {first_.endpoint}, std::move(own));
    return judge.Judge().ToPromise().wait(io_.waitScope);
  }
  NetworkJudge JudgeOfBoth(std::deque<Reply> first, std::deque<Reply> second) {
    first_.node.replies = std::move(first);
    second_.node.replies = std::move(second);
    return NetworkJudge(Io(), {first_.endpoint, second_.endpoint}, {});
  }
  absl::StatusOr<bool> AskBoth(std::deque<Reply> first, std::deque<Reply> second) {
    NetworkJudge judge = JudgeOfBoth(std::move(first), std::move(second));
    return judge.Judge().ToPromise().wait(io_.waitScope);
  }

  kj::AsyncIoContext io_ = kj::setupAsyncIo();
  ServedNode first_{io_};
  ServedNode second_{io_};
  std::vector<std::string> log_;
};

TEST_F(ChainClientTest, RefusedTokenIsSpokenOf) {
  EXPECT_THAT(Call({401, "unauthorized"}),
              StatusIs(absl::StatusCode::kUnauthenticated, "refused the token"));
  EXPECT_THAT(Call({401, kUnknownMethod}),
              StatusIs(absl::StatusCode::kUnauthenticated, "refused the token"));
  EXPECT_THAT(Call({403, "no"}),
              StatusIs(absl::StatusCode::kPermissionDenied, "refused the token"));
  EXPECT_THAT(Call({401, ""}, ""), StatusIs(absl::StatusCode::kUnauthenticated, "wants a token"));
}

// KJ would throw it with its value.
TEST_F(ChainClientTest, ATokenThatNoHeaderCanHoldIsRefusedAndNotRepeated) {
  const std::string bad = "SECRET\r\nX-Evil: 1";
  const auto called = Call({200, kDevnet}, bad);
  EXPECT_THAT(called, StatusIs(absl::StatusCode::kInvalidArgument, "token"));
  EXPECT_EQ(called.status().ToString().find("SECRET"), std::string::npos);
  config::ManagerConfig config;
  config.chain.push_back({.url = absl::StrFormat("http://127.0.0.1:%d", first_.endpoint.port),
                          .origin = {},
                          .token = config::Secret(bad)});
  const auto client = ChainClient::Make(config, *io_.provider);
  EXPECT_THAT(client, StatusIs(absl::StatusCode::kInvalidArgument, "token of chain endpoint"));
  EXPECT_EQ(client.status().ToString().find("SECRET"), std::string::npos);
}

TEST_F(ChainClientTest, OnlyJsonRpcSaysThatThereIsNoSuchMethod) {
  EXPECT_THAT(Call(kReal), StatusIs(absl::StatusCode::kUnimplemented, "method"));
  EXPECT_THAT(Call(kProxyPage), StatusIs(absl::StatusCode::kUnavailable, "HTTP status 502"));
  EXPECT_THAT(Call({200, "<html>Welcome</html>"}),
              StatusIs(absl::StatusCode::kDataLoss, "no JSON-RPC"));
  EXPECT_THAT(Call({200, "{}"}), StatusIs(absl::StatusCode::kDataLoss, "no JSON-RPC"));
  ASSERT_OK_AND_ASSIGN(const std::string result, Call(kPractice));
  EXPECT_EQ(result, R"({"VerifyingKeys":{}})");
}

TEST_F(ChainClientTest, OddAnswersDoNotDecideWhetherItIsADevnetAndAreLogged) {
  ASSERT_OK_AND_ASSIGN(const bool devnet, Ask({kProxyPage, {401, ""}, kPractice}));
  EXPECT_TRUE(devnet);
  EXPECT_THAT(log_, Contains(HasSubstr("node_unreachable")));
  EXPECT_THAT(log_, Contains(HasSubstr("HTTP status 502")));
  EXPECT_THAT(log_, Contains(HasSubstr("wants a token")));
  ASSERT_OK_AND_ASSIGN(const bool real, Ask({kProxyPage, kReal}));
  EXPECT_FALSE(real);
}

// Whatever a node, or what stands in its place, may say.
TEST_F(ChainClientTest, NoAnswerHoweverOddThrows) {
  const std::string deep(1'000'000, '[');
  const std::string parted(500, '[');
  const std::string answers[] = {
      // That there is no such method, but not as it is said.
      R"({"id":1,"error":{"code":"-32601","message":"method not found"}})",
      R"({"id":1,"error":{"code":-32601,"message":null}})",
      R"({"id":1,"error":{"code":-32601}})",
      R"({"id":1,"error":{"code":"x","message":"no"}})",
      R"({"id":1,"error":{"code":null,"message":null}})",
      R"({"id":1,"error":{"code":{},"message":[]}})",
      R"({"id":1,"error":{"code":1e300,"message":7,"data":{"a":[1]}}})",
      R"({"id":1,"error":"text"})",
      R"({"id":1,"error":7})",
      R"({"id":1,"error":[]})",
      R"({"id":1,"result":null})",
      R"({"id":1,"result":7})",
      R"({"id":1,"result":"text"})",
      R"({"id":1,"result":[]})",
      R"({"id":1,"result":{"VerifyingKeys":7}})",
      R"({"id":1,"result":{"VerifyingKeys":[]}})",
      R"({"id":1,"result":{"VerifyingKeys":null}})",
      R"({"id":1,"result":)" + deep + std::string(1'000'000, ']') + "}",
      R"({"id":1,"result":)" + deep,
      R"({"id":1,"error":)" + deep + std::string(1'000'000, ']') + "}",
      R"({"id":1,"error":{"code":1,"data":)" + parted + std::string(500, ']') + "}}",
      R"({"id":1,"result":{"VerifyingKeys":{"10":)" + parted + std::string(500, ']') + "}}}",
      "[]",
      "null",
      "7",
      "\"text\"",
      std::string("\0\xff\xfe", 3),
      "",
  };
  for (const std::string& answer : answers) {
    log_.clear();
    ASSERT_OK_AND_ASSIGN(const bool devnet, Ask({{200, answer}, kPractice}));
    EXPECT_TRUE(devnet) << answer.substr(0, 80);
    EXPECT_THAT(log_, Contains(HasSubstr("node_unreachable"))) << answer.substr(0, 80);
  }
  ASSERT_OK_AND_ASSIGN(const bool odd_key,
                       Ask({{200, R"({"id":1,"result":{"VerifyingKeys":{"10":7,"x":null}}})"}},
                           {{filecoin::PoStProofType::kWindow2KiBV1_1, "bb"}}));
  EXPECT_TRUE(odd_key);
}

TEST_F(ChainClientTest, DevnetWithOtherKeysIsRefused) {
  EXPECT_THAT(Ask({{200, R"({"id":1,"result":{"VerifyingKeys":{"10":"aa"}}})"}},
                  {{filecoin::PoStProofType::kWindow2KiBV1_1, "bb"}}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "is aa, of the manager's bb"));
}

// Messages may go to any of the nodes.
TEST_F(ChainClientTest, AllNodesAreAskedAndOneOfANetworkDecides) {
  ASSERT_OK_AND_ASSIGN(const bool both, AskBoth({kPractice}, {kPractice}));
  EXPECT_TRUE(both);
  for (const bool real_first : {true, false}) {
    log_.clear();
    ASSERT_OK_AND_ASSIGN(const bool devnet, AskBoth({real_first ? kReal : kPractice},
                                                    {real_first ? kPractice : kReal}));
    EXPECT_FALSE(devnet);
    EXPECT_THAT(log_, Contains(HasSubstr("nodes_disagree")));
  }
  // One that does not tell leaves it to the other.
  ASSERT_OK_AND_ASSIGN(const bool one, AskBoth({kProxyPage}, {kPractice}));
  EXPECT_TRUE(one);
}

// A node of the network that was down while the devnet answered.
TEST_F(ChainClientTest, ANodeThatTellsLateCountsToo) {
  NetworkJudge judge = JudgeOfBoth({kPractice}, {kProxyPage, kReal});
  ASSERT_OK_AND_ASSIGN(const bool devnet, judge.Judge().ToPromise().wait(io_.waitScope));
  EXPECT_TRUE(devnet);
  EXPECT_THAT(judge.AskTheRest().ToPromise().wait(io_.waitScope),
              StatusIs(absl::StatusCode::kFailedPrecondition, "of another network"));
  EXPECT_EQ(first_.node.asked, 1) << "who has told is not asked again";
  NetworkJudge agreeing = JudgeOfBoth({kPractice}, {kPractice});
  ASSERT_OK(agreeing.Judge().ToPromise().wait(io_.waitScope));
  EXPECT_OK(agreeing.AskTheRest().ToPromise().wait(io_.waitScope));
}

}  // namespace
}  // namespace damocles::manager
