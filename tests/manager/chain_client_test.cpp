// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "apps/manager/chain_client.h"

#include <kj/compat/http.h>

#include <deque>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_format.h"
#include "apps/common/rpc_call.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/log.h"

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
      auto reply = kj::heap<Reply>(replies.front());
      if (replies.size() > 1) replies.pop_front();
      auto out = response.send(reply->status, "as told", kj::HttpHeaders(table_),
                               std::uint64_t{reply->body.size()});
      auto writing = out->write(reply->body.data(), reply->body.size());
      return writing.attach(kj::mv(out), kj::mv(reply));
    });
  }
  std::deque<Reply> replies;

 private:
  kj::HttpHeaderTable& table_;
};
#pragma GCC diagnostic pop

class ChainClientTest : public ::testing::Test {
 protected:
  ChainClientTest() {
    auto address = Network().parseAddress("127.0.0.1", 0).wait(io_.waitScope);
    auto receiver = address->listen();
    url_ = absl::StrFormat("http://127.0.0.1:%d/rpc/v1", receiver->getPort());
    serving_ = server_.listenHttp(*receiver).attach(kj::mv(receiver)).eagerlyEvaluate(nullptr);
    SetLogSink([this](Severity, std::string_view line) { log_.emplace_back(line); });
  }
  ~ChainClientTest() noexcept override { SetLogSink({}); }

  kj::Network& Network() { return io_.provider->getNetwork(); }
  absl::StatusOr<nlohmann::json> Call(Reply reply, const std::string& token = "secret") {
    node_.replies = {std::move(reply)};
    return cli::CallNode(io_.provider->getTimer(), Network(), url_, token, "Damocles.X")
        .ToPromise()
        .wait(io_.waitScope);
  }
  absl::StatusOr<bool> Ask(std::deque<Reply> replies,
                           std::map<filecoin::PoStProofType, std::string> own = {}) {
    node_.replies = std::move(replies);
    return AskDevnet(io_.provider->getTimer(), Network(),
                     {{.url = url_, .origin = {}, .token = {}}}, std::move(own))
        .ToPromise()
        .wait(io_.waitScope);
  }

  kj::AsyncIoContext io_ = kj::setupAsyncIo();
  kj::HttpHeaderTable table_;
  FakeNode node_{table_};
  kj::HttpServer server_{io_.provider->getTimer(), table_, node_};
  kj::Promise<void> serving_ = nullptr;
  std::string url_;
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
  config.chain.push_back({.url = url_, .origin = {}, .token = config::Secret(bad)});
  const auto client = ChainClient::Make(config, *io_.provider);
  EXPECT_THAT(client, StatusIs(absl::StatusCode::kInvalidArgument, "token of chain endpoint"));
  EXPECT_EQ(client.status().ToString().find("SECRET"), std::string::npos);
}

TEST_F(ChainClientTest, OnlyJsonRpcSaysThatThereIsNoSuchMethod) {
  EXPECT_THAT(Call({200, kUnknownMethod}), StatusIs(absl::StatusCode::kUnimplemented, "method"));
  EXPECT_THAT(Call(kProxyPage), StatusIs(absl::StatusCode::kUnavailable, "HTTP status 502"));
  EXPECT_THAT(Call({200, "<html>Welcome</html>"}),
              StatusIs(absl::StatusCode::kUnavailable, "no JSON-RPC answer"));
  EXPECT_THAT(Call({200, "{}"}), StatusIs(absl::StatusCode::kUnavailable, "no JSON-RPC answer"));
  ASSERT_OK_AND_ASSIGN(const nlohmann::json result, Call({200, kDevnet}));
  EXPECT_TRUE(result.contains("VerifyingKeys"));
}

TEST_F(ChainClientTest, OddAnswersDoNotDecideWhetherItIsADevnetAndAreLogged) {
  ASSERT_OK_AND_ASSIGN(const bool devnet, Ask({kProxyPage, {401, ""}, {200, kDevnet}}));
  EXPECT_TRUE(devnet);
  EXPECT_THAT(log_, Contains(HasSubstr("node_unreachable")));
  EXPECT_THAT(log_, Contains(HasSubstr("HTTP status 502")));
  EXPECT_THAT(log_, Contains(HasSubstr("wants a token")));
  ASSERT_OK_AND_ASSIGN(const bool real, Ask({kProxyPage, {200, kUnknownMethod}}));
  EXPECT_FALSE(real);
}

TEST_F(ChainClientTest, DevnetWithOtherKeysIsRefused) {
  EXPECT_THAT(Ask({{200, R"({"result":{"VerifyingKeys":{"10":"aa"}}})"}},
                  {{filecoin::PoStProofType::kWindow2KiBV1_1, "bb"}}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "is aa, of the manager's bb"));
}

}  // namespace
}  // namespace damocles::manager
