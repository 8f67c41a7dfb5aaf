// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/config/endpoint.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace damocles::config {
namespace {

using testing_support::StatusIs;

TEST(ChainEndpointTest, MultiaddrsUrlsAndTokens) {
  const auto url = [](std::string_view text) {
    const auto endpoint = ParseChainEndpoint(text);
    EXPECT_OK(endpoint);
    return endpoint.ok() ? endpoint->url + "|" + endpoint->token.Reveal() : "";
  };
  EXPECT_EQ(url("/ip4/1.2.3.4/tcp/1234"), "ws://1.2.3.4:1234/rpc/v1|");
  EXPECT_EQ(url("/ip4/1.2.3.4/tcp/1234/http"), "http://1.2.3.4:1234/rpc/v1|");
  EXPECT_EQ(url("/dns4/node.example/tcp/443/wss"), "wss://node.example:443/rpc/v1|");
  EXPECT_EQ(url("/ip6/::1/tcp/1234"), "ws://[::1]:1234/rpc/v1|");
  EXPECT_EQ(url("aa.bb.cc:/ip4/1.2.3.4/tcp/1234"), "ws://1.2.3.4:1234/rpc/v1|aa.bb.cc");
  EXPECT_EQ(url("aa.bb.cc:https://h/x/y"), "https://h/x/y|aa.bb.cc");
  EXPECT_EQ(url("ws://h:1"), "ws://h:1/rpc/v1|");
  EXPECT_EQ(url("ws://h:1/"), "ws://h:1/rpc/v1|");
  EXPECT_EQ(url("http://h:1/rpc/v0"), "http://h:1/rpc/v0|");
}

TEST(ChainEndpointTest, MistakesAreNamedAndTokensAreNot) {
  for (const char* bad :
       {"", "host:1234", "ftp://h", "/ip4/1.2.3.4", "/ip4/1.2.3.4/udp/1", "/ip4/1.2.3.4/tcp/70000",
        "/ip4/1.2.3.4/tcp/1/quic", "/ip4//tcp/1", "ws://", "ws://user:pw@h/", "SECRET:host:1234",
        "SECRET:/ip4/1.2.3.4/tcp/x"}) {
    const auto endpoint = ParseChainEndpoint(bad);
    ASSERT_FALSE(endpoint.ok()) << bad;
    EXPECT_EQ(endpoint.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(endpoint.status().ToString().find("SECRET"), std::string::npos);
    EXPECT_EQ(endpoint.status().ToString().find("pw"), std::string::npos);
  }
}

TEST(HostPortTest, AllSpellings) {
  const auto parse = [](std::string_view text) {
    const auto parsed = ParseHostPort(text, "127.0.0.1");
    EXPECT_OK(parsed);
    return parsed.ok() ? parsed->ToString() : "";
  };
  EXPECT_EQ(parse("/ip4/10.0.0.1/tcp/1789"), "10.0.0.1:1789");
  EXPECT_EQ(parse("/dns4/manager/tcp/1789"), "manager:1789");
  EXPECT_EQ(parse("manager:1789"), "manager:1789");
  EXPECT_EQ(parse(":1789"), "127.0.0.1:1789");
  EXPECT_EQ(parse("[::1]:80"), "[::1]:80");
  EXPECT_EQ(parse("http://10.0.0.1:1789/rpc/v0"), "10.0.0.1:1789");
  for (const char* bad : {"", "manager", "manager:", "manager:x", "manager:99999", "a b:1", "[::1]",
                          "[x]:1", "::1:80", "/ip4/1.1.1.1"}) {
    EXPECT_THAT(ParseHostPort(bad, "h"),
                StatusIs(absl::StatusCode::kInvalidArgument, "is not an address"))
        << bad;
  }
}

}  // namespace
}  // namespace damocles::config
