// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/endpoint.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace damocles {
namespace {

using testing_support::StatusIs;

TEST(EndpointTest, EveryFormThatOperatorsUse) {
  struct Case {
    const char* text;
    const char* token;
    const char* url;
  };
  const Case cases[] = {
      {"/ip4/1.2.3.4/tcp/1234/http", "", "http://1.2.3.4:1234/rpc/v1"},
      {"ey.J-_:/ip4/1.2.3.4/tcp/1234/http", "ey.J-_", "http://1.2.3.4:1234/rpc/v1"},
      {"/ip4/1.2.3.4/tcp/1234", "", "http://1.2.3.4:1234/rpc/v1"},
      {"T:/dns4/node.example/tcp/443/wss", "T", "https://node.example:443/rpc/v1"},
      {"/ip6/::1/tcp/1234/http", "", "http://[::1]:1234/rpc/v1"},
      {"http://127.0.0.1:1234/rpc/v0", "", "http://127.0.0.1:1234/rpc/v0"},
      {"T:http://127.0.0.1:1234", "T", "http://127.0.0.1:1234/rpc/v1"},
      {"T:https://api.node.example/", "T", "https://api.node.example:443/rpc/v1"},
      {"ws://host:9/prefix", "", "http://host:9/prefix/rpc/v1"},
      {"wss://[::1]:9", "", "https://[::1]:9/rpc/v1"},
      {"localhost:1234", "", "http://localhost:1234/rpc/v1"},
      {"T:localhost:1234", "T", "http://localhost:1234/rpc/v1"},
      {" [::1]:1234 ", "", "http://[::1]:1234/rpc/v1"},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.text);
    ASSERT_OK_AND_ASSIGN(const Endpoint endpoint, ParseEndpoint(test.text));
    EXPECT_EQ(endpoint.token, test.token);
    EXPECT_EQ(endpoint.Url(), test.url);
    EXPECT_TRUE(endpoint.Url().starts_with(endpoint.Origin() + "/"));
    ASSERT_OK_AND_ASSIGN(const Endpoint again, ParseEndpoint(endpoint.Url()));
    EXPECT_EQ(again.Url(), endpoint.Url());
  }
}

TEST(EndpointTest, NonsenseIsRefusedWithoutTellingTheToken) {
  for (const char* text : {"",
                           "SECRET",
                           "SECRET:",
                           "SECRET:/ip4/1.2.3.4/udp/1/http",
                           "SECRET:/ip4/1.2.3.4/tcp/0/http",
                           "SECRET:/ip4/1.2.3.4/tcp/70000",
                           "SECRET:/onion/x/tcp/1",
                           "SECRET:http://",
                           "SECRET:http://a:b",
                           "SECRET:http://h:1/?token=SECRET",
                           "https://h/rpc/v1?token=SECRET",
                           "https://h/rpc/v1#SECRET",
                           "SECRET:ftp://h:1",
                           "SECRET:/ip4//tcp/1",
                           "http://u:SECRET@h:1",
                           "http://SECRET@h:1",
                           "SECRET:[::1:1",
                           "SEC RET:http://h:1",
                           "http://h:1/a b",
                           "http://h:0",
                           "h:0",
                           "/ip4/1.2.3.4/tcp/1/SECRET",
                           "/SECRET/h/tcp/1",
                           "/ip4/SEC RET/tcp/1",
                           "http://h:SECRET",
                           "SECRET@h:1",
                           "host",
                           "host:",
                           "a:b:c:d",
                           "/ip4/1.2.3.4/tcp/1/http/x",
                           "::1:80"}) {
    const auto endpoint = ParseEndpoint(text);
    EXPECT_THAT(endpoint, StatusIs(absl::StatusCode::kInvalidArgument, "is not an address"))
        << text;
    EXPECT_EQ(endpoint.status().ToString().find("SEC"), std::string::npos) << text;
  }
  // What a log may say of an endpoint.
  ASSERT_OK_AND_ASSIGN(const Endpoint endpoint, ParseEndpoint("SECRET:https://h/SECRET"));
  EXPECT_EQ(endpoint.Origin(), "https://h:443");
  EXPECT_EQ(endpoint.Name(), "h:443");
}

TEST(LoopbackTest, IsAnAddressOrThatOneNameNotWhatLooksLikeIt) {
  for (const char* host :
       {"127.0.0.1", "127.255.0.9", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "localhost"}) {
    EXPECT_TRUE(IsLoopbackHost(host)) << host;
  }
  for (const char* host :
       {"", "*", "0.0.0.0", "::", "127.0.0.1.evil.test", "127.example.org", "127.0.0.1.", "127.1",
        "0127.0.0.1", "128.0.0.1", "localhost.evil.test", "localhost4", "::ffff:10.0.0.1", "::2",
        "fe80::1", "[::1]", "127.0.0.1 "}) {
    EXPECT_FALSE(IsLoopbackHost(host)) << host;
  }
  EXPECT_FALSE(IsLoopbackHost(std::string_view("127.0.0.1\0.evil.test", 20)));
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
  EXPECT_EQ(parse(":0"), "127.0.0.1:0");
  EXPECT_EQ(parse("[::1]:80"), "[::1]:80");
  EXPECT_EQ(parse("http://10.0.0.1:1789/rpc/v0"), "10.0.0.1:1789");
  EXPECT_EQ(ParseHostPort(":1", "*")->ToString(), "*:1");
  for (const char* bad : {"", "manager", "manager:", "manager:x", "manager:99999", "manager:-1",
                          "a b:1", "[::1]", "[x]:1", "::1:80", "/ip4/1.1.1.1", "SECRET:m:1"}) {
    const auto parsed = ParseHostPort(bad, "h");
    EXPECT_THAT(parsed, StatusIs(absl::StatusCode::kInvalidArgument, "is not an address")) << bad;
    EXPECT_EQ(parsed.status().ToString().find("SECRET"), std::string::npos) << bad;
  }
}

TEST(HostPortTest, NobodyIsCalledAtPortZeroAndNoTokenIsRepeated) {
  EXPECT_EQ(ParsePeer("m:1789", "h")->ToString(), "m:1789");
  EXPECT_EQ(ParsePeer(":1789", "h")->ToString(), "h:1789");
  EXPECT_EQ(ParsePeer("[::1]:1789", "h")->ToString(), "[::1]:1789");
  EXPECT_THAT(ParsePeer("m:0", "h"), StatusIs(absl::StatusCode::kInvalidArgument, "port 0"));
  for (const char* bad : {"SECRET:/ip4/1.2.3.4/tcp/1", "SECRET:http://m:1", "SECRET:m:1"}) {
    const auto parsed = ParsePeer(bad, "h");
    EXPECT_THAT(parsed, StatusIs(absl::StatusCode::kInvalidArgument, "a token in front")) << bad;
    EXPECT_EQ(parsed.status().ToString().find("SECRET"), std::string::npos) << bad;
  }
}

}  // namespace
}  // namespace damocles
