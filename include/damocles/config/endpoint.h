// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Addresses of services as operators write them.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/config/secret.h"

namespace damocles::config {

// A chain node.
struct ChainEndpoint {
  std::string url;  // ws://, wss://, http:// or https://, with a path
  Secret token;     // Bearer; may be empty
  friend bool operator==(const ChainEndpoint&, const ChainEndpoint&) = default;
};

// "/ip4/1.2.3.4/tcp/1234[/ws|/wss|/http|/https]", "/ip6/..", "/dns[4|6]/name/tcp/1234..", a URL, or
// one of them behind "TOKEN:".  Without a transport ws; a URL without a path gets /rpc/v1.
// INVALID_ARGUMENT says what is wrong without repeating the token.
absl::StatusOr<ChainEndpoint> ParseChainEndpoint(std::string_view text);

// A manager, worker or proxy.
struct HostPort {
  std::string host;  // a name, an IPv4 or an IPv6 address without brackets
  std::uint16_t port = 0;

  // "host:port", "[v6]:port"
  std::string ToString() const;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// A multiaddr as above, "host:port", "[v6]:port", ":port" (host becomes `default_host`), or a URL
// of which only host and port count.  INVALID_ARGUMENT otherwise.
absl::StatusOr<HostPort> ParseHostPort(std::string_view text, std::string_view default_host);

}  // namespace damocles::config
