// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Whatever bytes come: requests and frames are read or refused, and what was read is written so
// that it reads the same.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "damocles/base/check.h"
#include "damocles/chain/endpoint.h"
#include "damocles/chain/json_rpc.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace damocles;  // NOLINT(google-build-using-namespace): the only function here
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  const chain::RpcParsedBody body = chain::ParseRpcBody(text);
  DAMOCLES_CHECK(!body.requests.empty());
  for (const chain::RpcParsedRequest& request : body.requests) {
    if (request.error) {
      const std::string answer = chain::WriteRpcError(request.request.id, *request.error);
      DAMOCLES_CHECK(request.request.id.empty() || chain::ParseRpcFrame(answer).ok());
    } else if (!request.request.id.empty()) {
      DAMOCLES_CHECK(
          chain::ParseRpcFrame(chain::WriteRpcResult(request.request.id, "[1]"))->result == "[1]");
    }
  }

  const auto frame = chain::ParseRpcFrame(text);
  if (frame.ok() && frame->error) {
    DAMOCLES_CHECK(!chain::StatusFromRpcError("Filecoin.X", *frame->error).ok());
  }
  const auto endpoint = chain::ParseEndpoint(text);
  if (endpoint.ok()) DAMOCLES_CHECK(chain::ParseEndpoint(endpoint->Url()).ok());
  return 0;
}
