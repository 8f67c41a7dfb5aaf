// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace damocles::chain {

// Where a node listens, and the token it wants.
struct Endpoint {
  std::string token;  // empty: none.  Secret: never part of Name(), Url() or an error
  bool tls = false;
  std::string host;  // a name or address; IPv6 without brackets
  std::uint16_t port = 0;
  std::string path;  // "/rpc/v1"

  std::string Name() const;  // "host:port"
  std::string Url() const;   // "http://host:port/rpc/v1", for the WebSocket as well
};

// Reads the forms that nodes and operators use (chain.md 2.1), each with or without "TOKEN:" in
// front: /ip4/1.2.3.4/tcp/1234/http, /dns4/node/tcp/443/wss, http://, https://, ws:// and wss://
// URLs, and host:port.  A path other than /rpc/... gets /rpc/v1 appended.
// INVALID_ARGUMENT says what is wrong without repeating the token.
absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text);

// The same for a list separated by commas, as in FULLNODE_API_INFO; at least one.
absl::StatusOr<std::vector<Endpoint>> ParseEndpoints(std::string_view text);

}  // namespace damocles::chain
