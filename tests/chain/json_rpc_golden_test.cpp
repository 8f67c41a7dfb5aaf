// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The dialogues of golden/chain/jsonrpc-frames*.json: what the server of two releases of the node
// really answers.  Here both ends of the framing; the devnet's server is put the same requests in
// tests/devnet.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/file.h"
#include "damocles/chain/json_rpc.h"
#include "damocles/chain/lotus_json.h"

namespace damocles::chain {
namespace {

using Json = nlohmann::json;

class JsonRpcGoldenTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto text = ReadFile(std::string(DAMOCLES_GOLDEN_DIR) + "/chain/" + GetParam());
    ASSERT_OK(text);
    golden_ = Json::parse(*text);
    ASSERT_GT(golden_["http"].size(), 70u);
  }

  Json golden_;
};

// The error that the framing itself finds in a request is the node's, member by member.
TEST_P(JsonRpcGoldenTest, RequestsAreReadAsTheNodeReadsThem) {
  for (const Json& test : golden_["http"]) {
    const std::string body = test["body"];
    const std::string answer = test["answer"];
    SCOPED_TRACE(std::string(test["what"]) + ": " + body);
    const RpcParsedBody parsed = ParseRpcBody(body);
    EXPECT_EQ(parsed.batch, answer.starts_with('['));
    if (parsed.batch || test["status"] == 401) continue;
    ASSERT_EQ(parsed.requests.size(), 1u);
    const RpcParsedRequest& request = parsed.requests[0];
    if (answer.empty()) {
      EXPECT_TRUE(request.request.id.empty());
      EXPECT_FALSE(request.error.has_value());
      continue;
    }
    const Json wanted = Json::parse(answer);
    // The text, since a number might be written in two ways.
    EXPECT_TRUE(absl::StrContains(answer, "\"id\":" + request.request.id + ",\"jsonrpc\""))
        << request.request.id << " in " << answer;
    if (request.error) {
      EXPECT_EQ(Json::parse(WriteRpcError(request.request.id, *request.error)), wanted);
      EXPECT_EQ(parsed.http_status, int{test["status"]});
    } else {
      // What only the called method can find.
      const std::int64_t code = wanted.contains("error") ? int{wanted["error"]["code"]} : 200;
      EXPECT_TRUE(code != kRpcInvalidRequest &&
                  (code != kRpcParseError ||
                   absl::StrContains(std::string(wanted["error"]["message"]), "for 'Filecoin.")));
    }
  }
}

TEST_P(JsonRpcGoldenTest, BatchesAreReadOneByOne) {
  std::size_t batches = 0;
  for (const Json& test : golden_["http"]) {
    const std::string body = test["body"];
    if (!body.starts_with('[') || !std::string(test["answer"]).starts_with('[')) continue;
    SCOPED_TRACE(std::string(test["what"]));
    ++batches;
    const Json requests = Json::parse(body);
    const RpcParsedBody parsed = ParseRpcBody(body);
    ASSERT_TRUE(parsed.batch);
    ASSERT_EQ(parsed.requests.size(), requests.size());
    for (std::size_t i = 0; i < requests.size(); ++i) {
      EXPECT_EQ(parsed.requests[i].request.method, std::string(requests[i]["method"]));
      EXPECT_EQ(parsed.requests[i].request.id.empty(), !requests[i].contains("id"));
    }
  }
  EXPECT_GE(batches, 4u);
}

TEST_P(JsonRpcGoldenTest, AnswersAreUnderstood) {
  for (const Json& test : golden_["http"]) {
    const std::string answer = test["answer"];
    if (answer.empty() || answer.starts_with('[')) continue;
    SCOPED_TRACE(std::string(test["what"]) + ": " + answer);
    const Json wanted = Json::parse(answer);
    ASSERT_OK_AND_ASSIGN(const RpcFrame frame, ParseRpcFrame(answer));
    EXPECT_EQ(frame.kind, RpcFrame::Kind::kAnswer);
    if (wanted["id"].is_number_unsigned()) {
      EXPECT_EQ(frame.id, wanted["id"].get<std::uint64_t>());
    }
    if (!wanted.contains("error")) {
      EXPECT_EQ(Json::parse(frame.result), wanted["result"]);
      EXPECT_FALSE(frame.error.has_value());
      continue;
    }
    ASSERT_TRUE(frame.error.has_value());
    const std::string text = wanted["error"]["message"];
    EXPECT_EQ(frame.error->code, int{wanted["error"]["code"]});
    EXPECT_EQ(frame.error->message, text);
    const absl::Status status = StatusFromRpcError("Filecoin.StateCall", *frame.error);
    EXPECT_EQ(std::string(status.message()), "StateCall: " + text);
    // By what it means to a caller, whichever release said it.
    absl::StatusCode code = absl::StatusCode::kUnknown;
    if (absl::StrContains(text, "actor not found")) code = absl::StatusCode::kNotFound;
    if (absl::StrContains(text, "loading tipset: not found")) code = absl::StatusCode::kNotFound;
    if (absl::StrContains(text, "null round")) code = absl::StatusCode::kNotFound;
    if (absl::StrContains(text, "execution failed")) code = absl::StatusCode::kFailedPrecondition;
    if (absl::StrContains(text, "out of gas")) code = absl::StatusCode::kFailedPrecondition;
    if (absl::StrContains(text, "missing perm")) code = absl::StatusCode::kPermissionDenied;
    if (absl::StrContains(text, "not supported")) code = absl::StatusCode::kUnimplemented;
    if (frame.error->code == kRpcMethodNotFound) code = absl::StatusCode::kUnimplemented;
    if (frame.error->code == kRpcParseError || frame.error->code == kRpcInvalidRequest ||
        frame.error->code == kRpcInvalidParams) {
      code = absl::StatusCode::kInvalidArgument;
    }
    EXPECT_EQ(status.code(), code) << text;
  }
}

TEST_P(JsonRpcGoldenTest, WebSocketFramesAreUnderstood) {
  std::size_t values = 0;
  std::size_t ends = 0;
  for (const Json& test : golden_["ws"]) {
    if (!test.contains("frames")) continue;
    SCOPED_TRACE(std::string(test["what"]));
    for (const Json& step : test["frames"]) {
      if (step.contains("c")) {
        const RpcParsedBody parsed = ParseRpcBody(std::string(step["c"]));
        EXPECT_FALSE(parsed.requests.empty());
        continue;
      }
      const std::string text = step["s"];
      if (!text.starts_with('{')) continue;  // "nothing"
      ASSERT_OK_AND_ASSIGN(const RpcFrame frame, ParseRpcFrame(text));
      EXPECT_NE(frame.kind, RpcFrame::Kind::kOther);
      if (frame.kind == RpcFrame::Kind::kChannelValue) {
        ++values;
        EXPECT_TRUE(frame.channel.has_value());
        EXPECT_OK(FromLotusJson<std::vector<HeadChange>>(frame.result));
      }
      if (frame.kind == RpcFrame::Kind::kChannelClose) ++ends;
    }
  }
  EXPECT_GE(values, 15u);
  EXPECT_GE(ends, 5u);
}

INSTANTIATE_TEST_SUITE_P(Releases, JsonRpcGoldenTest,
                         ::testing::Values("jsonrpc-frames.json", "jsonrpc-frames-1.34.json"),
                         [](const auto& release) {
                           return release.index == 0 ? std::string("v1_36") : std::string("v1_34");
                         });

}  // namespace
}  // namespace damocles::chain
