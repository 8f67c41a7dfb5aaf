// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// JSON-RPC 2.0 as a Filecoin node frames it (go-jsonrpc): requests and answers as text, no
// sockets.  Parameters and results stay raw JSON text; chain/lotus_json.h reads and writes them.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace damocles::chain {

inline constexpr int kRpcParseError = -32700;
inline constexpr int kRpcInvalidRequest = -32600;
inline constexpr int kRpcMethodNotFound = -32601;
inline constexpr int kRpcInvalidParams = -32602;

struct RpcError {
  std::int64_t code = 0;
  std::string message;
  std::string data;  // raw JSON, or empty
};

// ---------------------------------------------------------------- the node's side

struct RpcRequest {
  std::string id;  // raw JSON as it is to be echoed; empty: a notification, which gets no answer
  std::string method;
  std::vector<std::string> params;  // raw JSON each
};

// A request that can be called, or the answer to one that cannot.
struct RpcParsedRequest {
  RpcRequest request;
  std::optional<RpcError> error;  // then request.id is what to answer it under ("null" at worst)
  bool framing = false;  // the error is one of the framing: a WebSocket leaves it unanswered
};

struct RpcParsedBody {
  bool batch = false;
  std::vector<RpcParsedRequest> requests;
  int http_status = 200;  // of an answer to a single broken request: 400 or 500
};

// Reads the body of a POST or one text frame: a request or a batch of them.  Bytes after the first
// value are ignored, as the node does.  Never fails: what cannot be read becomes an error to send.
RpcParsedBody ParseRpcBody(std::string_view body);

// `result` is raw JSON.
std::string WriteRpcResult(std::string_view id, std::string_view result);
std::string WriteRpcError(std::string_view id, const RpcError& error);
// The HTTP status that goes with a single answer: 200 for what a method itself says, else 500.
int HttpStatusOf(const RpcError& error);

// ---------------------------------------------------------------- the client's side

// `params` is a raw JSON array.
std::string WriteRpcRequest(std::uint64_t id, std::string_view method, std::string_view params);
std::string WriteRpcCancel(std::uint64_t id);

// What a node may send: an answer, or a value or the end of a subscription.
struct RpcFrame {
  enum class Kind { kAnswer, kChannelValue, kChannelClose, kOther };
  Kind kind = Kind::kOther;
  std::optional<std::uint64_t> id;       // kAnswer: of the request, when it is a number
  std::optional<std::uint64_t> channel;  // of the other kinds
  std::string result;                    // raw JSON: of the answer, or the channel's value
  std::optional<RpcError> error;
};

// INVALID_ARGUMENT for text that is no JSON-RPC frame.
absl::StatusOr<RpcFrame> ParseRpcFrame(std::string_view text);

// A channel number as nodes write it: 1, "1" or "0x1".
absl::StatusOr<std::uint64_t> ParseRpcChannel(std::string_view raw);

// What an error of the node means to a caller; codes as in chain/api.h.  The node's text is kept,
// behind the method's name.  Codes 3 and 11 are told apart by the text, since nodes up to 1.34
// have them the other way round.
inline constexpr std::string_view kNoReason = "the node gave no reason";  // where it gave no text
absl::Status StatusFromRpcError(std::string_view method, const RpcError& error);
// The reverse, for a server: code and text that lead back to the same status.
RpcError RpcErrorFromStatus(const absl::Status& status);

}  // namespace damocles::chain
