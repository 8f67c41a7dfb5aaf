// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The requests of golden/chain/jsonrpc-frames.json, broken ones included, put to the devnet's
// server: the same status, the same framing, the same errors as the real one's.

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "tests/devnet/lotus_fixture.h"

#include "damocles/base/file.h"

namespace damocles::devnet {
namespace {

using Json = nlohmann::json;
using testing_support::LotusFixture;

class LotusGoldenTest : public LotusFixture {};

// What the recorded server was told to answer, or tokens of rights that the devnet does not have.
const std::set<std::string>& OfThatServer() {
  static const auto* names = new std::set<std::string>{
      "method that this node has not filled",
      "registered error: out of gas",
      "registered error: null round",
      "registered error: execution reverted",
      "the same error wrapped: its code is lost",
      "error of the method",
      "batch with an error",
      "panic in the node",
      "read token, needs write",
      "token without rights",
      "nil list",
      "other path: the server itself does not look at it",
      "null result",
      "wrong type of a parameter",  // the same code; the words are of Go's decoder
      "batch with a notification",  // the recorded answer is no JSON
  };
  return *names;
}

TEST_F(LotusGoldenTest, AnswersRequestsAsTheNodeDoes) {
  LotusServerOptions options;
  options.token = "admin";
  Serve(options);
  ASSERT_OK_AND_ASSIGN(const auto text,
                       ReadFile(std::string(DAMOCLES_GOLDEN_DIR) + "/chain/jsonrpc-frames.json"));
  const Json golden = Json::parse(text);
  std::size_t compared = 0;
  for (const Json& test : golden["http"]) {
    const std::string what = test["what"];
    if (OfThatServer().contains(what)) continue;
    SCOPED_TRACE(what + ": " + std::string(test["body"]));
    std::string headers;
    if (test.contains("headers")) {
      for (const auto& [name, value] : test["headers"].items()) {
        headers += name + ": " + std::string(value) + "\r\n";
      }
    }
    const auto [status, body] =
        Http(test["body"], headers, test.value("path", "/rpc/v1"), test.value("verb", "POST"));
    EXPECT_EQ(status, int{test["status"]}) << body;
    ++compared;
    const std::string answer = test["answer"];
    if (answer.empty()) {
      EXPECT_EQ(body, "");
      continue;
    }
    const Json wanted = Json::parse(answer);
    const Json got = Json::parse(body, nullptr, false);
    ASSERT_EQ(got.type(), wanted.type()) << body;
    const auto compare = [](const Json& got_one, const Json& wanted_one) {
      EXPECT_EQ(got_one["id"], wanted_one["id"]);
      EXPECT_EQ(got_one["jsonrpc"], "2.0");
      ASSERT_EQ(got_one.contains("error"), wanted_one.contains("error")) << got_one;
      if (wanted_one.contains("error")) {
        EXPECT_EQ(got_one["error"], wanted_one["error"]);
      } else {
        EXPECT_EQ(got_one["result"].type(), wanted_one["result"].type());
      }
    };
    if (!wanted.is_array()) {
      compare(got, wanted);
      continue;
    }
    ASSERT_EQ(got.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) compare(got[i], wanted[i]);
  }
  EXPECT_GE(compared, 55u);
}

}  // namespace
}  // namespace damocles::devnet
