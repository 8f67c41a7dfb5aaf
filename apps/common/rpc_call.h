// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// One JSON-RPC call over HTTP, for methods that chain::Api does not have (a devnet's own).

#pragma once

#include <kj/async-io.h>

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"

#include "damocles/async/task.h"

namespace damocles::cli {

// POSTs {"method": method, "params": []} to `url` (http://host:port[/path]; /rpc/v1 if there is no
// path) and returns the result.  UNIMPLEMENTED: the node has no such method; UNAUTHENTICATED,
// PERMISSION_DENIED: the token; UNAVAILABLE: nobody answers, or not in JSON-RPC (a proxy's error
// page, say); UNKNOWN: any other error of the node, with its text.
async::Task<absl::StatusOr<nlohmann::json>> CallNode(kj::Timer& timer, kj::Network& network,
                                                     std::string url, std::string token,
                                                     std::string method);

}  // namespace damocles::cli
