// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/chain/endpoint.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace damocles::chain {
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
  }
}

TEST(EndpointTest, ListsAreSplitAtCommas) {
  ASSERT_OK_AND_ASSIGN(const auto endpoints,
                       ParseEndpoints("A:/ip4/10.0.0.1/tcp/1/http, B:http://10.0.0.2:2 ,"));
  ASSERT_EQ(endpoints.size(), 2u);
  EXPECT_EQ(endpoints[0].Name(), "10.0.0.1:1");
  EXPECT_EQ(endpoints[1].Name(), "10.0.0.2:2");
  EXPECT_EQ(endpoints[1].token, "B");
  EXPECT_THAT(ParseEndpoints(" , "), StatusIs(absl::StatusCode::kInvalidArgument, "empty"));
}

TEST(EndpointTest, NonsenseIsRefusedWithoutTellingTheToken) {
  for (const char* text :
       {"", "SECRET", "SECRET:", "SECRET:/ip4/1.2.3.4/udp/1/http", "SECRET:/ip4/1.2.3.4/tcp/0/http",
        "SECRET:/ip4/1.2.3.4/tcp/70000", "SECRET:/onion/x/tcp/1", "SECRET:http://",
        "SECRET:http://a:b", "SECRET:http://h:1/?token=SECRET", "SECRET:ftp://h:1",
        "SECRET:/ip4//tcp/1", "SECRET:http://u@h:1", "SECRET:[::1:1", "SEC RET:http://h:1",
        "host"}) {
    const auto endpoint = ParseEndpoint(text);
    EXPECT_THAT(endpoint, StatusIs(absl::StatusCode::kInvalidArgument, "")) << text;
    EXPECT_EQ(std::string(endpoint.status().message()).find("SECRET"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace damocles::chain
