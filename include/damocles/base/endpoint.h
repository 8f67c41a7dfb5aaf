// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Addresses of services as operators write them.  Tokens get into such texts, in the right place
// and in wrong ones: no error repeats any part of what was written.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace damocles {

// Whether `text` can stand in an HTTP header: printable ASCII without blanks, not empty.
bool MayBeToken(std::string_view text);
// What a message says of one that cannot.
inline constexpr std::string_view kNoToken =
    "holds a blank, a line break or another character that a token cannot have: copy the token "
    "again";

// Whether `host` (IPv6 without brackets) is this machine's loopback: an address in 127.0.0.0/8,
// ::1, also written as IPv4 in IPv6, or the name "localhost".  What any other name stands for is
// decided elsewhere and may change, whatever it looks like.
bool IsLoopbackHost(std::string_view host);

// Where a chain node listens, and the token it wants.
struct Endpoint {
  std::string token;  // empty: none.  Secret: in none of the texts below
  bool tls = false;
  std::string host;  // a name or address; IPv6 without brackets
  std::uint16_t port = 0;
  std::string path;  // "/rpc/v1"; some providers put a key into it: not for a log

  std::string Name() const;    // "host:port"
  std::string Origin() const;  // "http://host:port"
  std::string Url() const;     // "http://host:port/rpc/v1", for the WebSocket as well
};

// Reads the forms that nodes and operators use, each with or without "TOKEN:" in front:
// /ip4/1.2.3.4/tcp/1234[/http|/https|/ws|/wss] (also ip6, dns, dns4, dns6), http://, https://,
// ws:// and wss:// URLs, and host:port.  A path other than /rpc/... gets /rpc/v1 appended.  Port 0,
// a query, a fragment and a user name are refused.
absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text);

// A manager, worker or proxy.
struct HostPort {
  std::string host;  // a name, an IPv4 or an IPv6 address without brackets
  std::uint16_t port = 0;

  // "host:port", "[v6]:port"
  std::string ToString() const;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// Where to listen: a multiaddr as above, "host:port", "[v6]:port", ":port" (host becomes
// `default_host`), or a URL of which only host and port count.  Port 0 is any free one.
// INVALID_ARGUMENT otherwise.
absl::StatusOr<HostPort> ParseHostPort(std::string_view text, std::string_view default_host);
// The same for whom to call: port 0 is refused, and so is a token in front.
absl::StatusOr<HostPort> ParsePeer(std::string_view text, std::string_view default_host);

}  // namespace damocles
