// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/chain/json_rpc.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

#include "damocles/chain/lotus_json.h"

namespace damocles::chain {
namespace {

using testing_support::StatusIs;

TEST(JsonRpcTest, ForeignServersAreRead) {
  // A channel number in hexadecimal, as Ganache sends it.
  ASSERT_OK_AND_ASSIGN(RpcFrame frame,
                       ParseRpcFrame(R"({"method":"xrpc.ch.val","params":["0x1f",[1]]})"));
  EXPECT_EQ(frame.kind, RpcFrame::Kind::kChannelValue);
  EXPECT_EQ(frame.channel, 0x1fu);
  EXPECT_EQ(frame.result, "[1]");
  // An error without a code.
  ASSERT_OK_AND_ASSIGN(frame, ParseRpcFrame(R"({"id":"7","error":{"message":"bad nonce"}})"));
  ASSERT_TRUE(frame.error.has_value());
  EXPECT_THAT(StatusFromRpcError("MpoolPush", *frame.error),
              StatusIs(absl::StatusCode::kUnknown, "MpoolPush: bad nonce"));
  // Both members, one of them null.
  ASSERT_OK_AND_ASSIGN(frame, ParseRpcFrame(R"({"id":7,"result":null,"error":null})"));
  EXPECT_FALSE(frame.error.has_value());
  EXPECT_EQ(frame.result, "null");
  EXPECT_EQ(frame.id, 7u);
}

TEST(JsonRpcTest, WhatIsNoFrameIsRefused) {
  for (const char* text :
       {"", " ", "null", "7", "[]", "{}", "hello", R"({"id":1,"result":[)",
        R"({"id":1 "result":1})", R"({"method":"xrpc.ch.val","params":[1]})",
        R"({"method":"xrpc.ch.val","params":["x",1]})", R"({"method":"xrpc.ch.close"})"}) {
    EXPECT_THAT(ParseRpcFrame(text), StatusIs(absl::StatusCode::kInvalidArgument, "")) << text;
  }
  ASSERT_OK_AND_ASSIGN(const RpcFrame other, ParseRpcFrame(R"({"method":"x","params":[1]})"));
  EXPECT_EQ(other.kind, RpcFrame::Kind::kOther);
}

TEST(JsonRpcTest, DeepNestingIsRefusedNotFollowed) {
  const std::string deep(100000, '[');
  EXPECT_THAT(ParseRpcFrame("{\"id\":1,\"result\":" + deep),
              StatusIs(absl::StatusCode::kInvalidArgument, ""));
  const RpcParsedBody body = ParseRpcBody(deep + std::string(100000, ']'));
  ASSERT_EQ(body.requests.size(), 1u);
  EXPECT_EQ(body.requests[0].error->code, kRpcParseError);
  EXPECT_THAT(FromLotusJson<filecoin::BitField>(deep),
              StatusIs(absl::StatusCode::kInvalidArgument, ""));
}

TEST(JsonRpcTest, WhatIsWrittenIsRead) {
  const std::string request = WriteRpcRequest(18, "Filecoin.ChainHead", "[\"a\\\"]\",{\"b\":[]}]");
  const RpcParsedBody body = ParseRpcBody(request);
  ASSERT_EQ(body.requests.size(), 1u);
  ASSERT_FALSE(body.requests[0].error.has_value());
  EXPECT_EQ(body.requests[0].request.id, "18");
  EXPECT_EQ(body.requests[0].request.method, "Filecoin.ChainHead");
  EXPECT_EQ(body.requests[0].request.params,
            (std::vector<std::string>{"\"a\\\"]\"", "{\"b\":[]}"}));

  ASSERT_OK_AND_ASSIGN(RpcFrame frame, ParseRpcFrame(WriteRpcResult("18", "{\"x\":\"}\"}")));
  EXPECT_EQ(frame.id, 18u);
  EXPECT_EQ(frame.result, "{\"x\":\"}\"}");
  ASSERT_OK_AND_ASSIGN(frame, ParseRpcFrame(WriteRpcError("18", {12, "a \"null\" round", "77"})));
  ASSERT_TRUE(frame.error.has_value());
  EXPECT_EQ(frame.error->code, 12);
  EXPECT_EQ(frame.error->message, "a \"null\" round");
  EXPECT_EQ(frame.error->data, "77");
}

TEST(JsonRpcTest, TheTextDecidesBetweenSwappedCodes) {
  for (const std::int64_t code : {3, 11}) {
    EXPECT_EQ(StatusFromRpcError("m", {code, "actor not found", ""}).code(),
              absl::StatusCode::kNotFound);
    EXPECT_EQ(
        StatusFromRpcError("m", {code, "message execution failed (exit=[16])", "\"0x\""}).code(),
        absl::StatusCode::kFailedPrecondition);
  }
}

TEST(JsonRpcTest, StatusesSurviveTheWire) {
  for (const absl::Status& status :
       {absl::NotFoundError("actor not found"), absl::NotFoundError("loading tipset: not found"),
        absl::FailedPreconditionError("message execution failed (exit=[16], vm error=[x])")}) {
    const absl::Status back = StatusFromRpcError("m", RpcErrorFromStatus(status));
    EXPECT_EQ(back.code(), status.code());
    EXPECT_EQ(std::string(back.message()), "m: " + std::string(status.message()));
  }
}

}  // namespace
}  // namespace damocles::chain
