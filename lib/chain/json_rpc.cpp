// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/chain/json_rpc.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "lib/chain/json_skim.h"

#include "damocles/base/status.h"

namespace damocles::chain {
namespace {

using Json = nlohmann::json;

std::string DumpText(std::string_view text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

// A floating-point number as Go's encoder writes it: shortest digits, an exponent only far out.
std::string GoNumber(double value) {
  const double size = std::fabs(value);
  const bool plain = size == 0 || (size >= 1e-6 && size < 1e21);
  char buffer[64];
  const auto write = [&](std::chars_format format) {
    return std::string(buffer, std::to_chars(buffer, buffer + sizeof(buffer), value, format).ptr);
  };
  if (!plain || size < 9007199254740992.0) {
    return write(plain ? std::chars_format::fixed : std::chars_format::scientific);
  }
  // A large whole number: the digits that tell it apart, then zeros.
  std::string digits = write(std::chars_format::scientific);
  const std::size_t e = digits.find('e');
  std::size_t exponent = 0;
  std::from_chars(digits.data() + e + 2, digits.data() + digits.size(), exponent);
  digits.resize(e);
  std::erase(digits, '.');
  digits.resize(exponent + (value < 0 ? 2 : 1), '0');
  return digits;
}

// The id as the node echoes it (numbers went through a double there), or what is wrong with it.
absl::StatusOr<std::string> EchoedId(std::string_view raw) {
  if (raw.empty() || raw == "null") return std::string();
  const Json id = Json::parse(raw, nullptr, false);
  if (id.is_string()) return DumpText(id.get<std::string>());
  if (id.is_number()) return GoNumber(id.get<double>());
  const char* kind = id.is_boolean()  ? "bool"
                     : id.is_array()  ? "[]interface {}"
                     : id.is_object() ? "map[string]interface {}"
                                      : "unknown";
  return absl::InvalidArgumentError(
      absl::StrFormat("failed to parse ID: invalid id type: %s", kind));
}

RpcParsedRequest Unreadable(std::string id, std::int64_t code, std::string message, bool framing) {
  RpcParsedRequest out;
  out.request.id = std::move(id);
  out.error = RpcError{code, std::move(message), ""};
  out.framing = framing;
  return out;
}

const char* GoKind(std::string_view raw) {
  switch (raw.front()) {
    case '{':
      return "object";
    case '"':
      return "string";
    case 't':
    case 'f':
      return "bool";
    default:
      return "number";
  }
}

// `text` is valid JSON.
RpcParsedRequest ParseRequest(std::string_view text) {
  std::vector<std::pair<std::string, std::string_view>> members;
  if (text != "null") {
    auto read = internal::Members(text);
    if (!read.ok()) return Unreadable("null", kRpcParseError, "Parse error", true);
    members = std::move(*read);
  }
  auto id = EchoedId(internal::Member(members, "id"));
  if (!id.ok()) {
    return Unreadable("null", kRpcParseError, std::string(id.status().message()), true);
  }

  RpcParsedRequest out;
  out.request.id = *id;
  const std::string_view method = internal::Member(members, "method");
  if (!method.empty() && method != "null") {
    const Json name = Json::parse(method, nullptr, false);
    if (!name.is_string()) return Unreadable("null", kRpcParseError, "Parse error", true);
    out.request.method = name.get<std::string>();
  }
  // Without a method there is nothing to notify of: the node says so even to a bare `null`.
  if (out.request.method.empty()) {
    return Unreadable(id->empty() ? "null" : *id, kRpcMethodNotFound, "method '' not found", false);
  }

  const std::string_view params = internal::Member(members, "params");
  if (params.empty() || params == "null") return out;
  auto elements = internal::Elements(params);
  if (!elements.ok()) {
    return Unreadable(
        *id, kRpcParseError,
        absl::StrFormat("unmarshaling param array: json: cannot unmarshal %s into Go value of "
                        "type []jsonrpc.param",
                        GoKind(params)),
        false);
  }
  out.request.params.assign(elements->begin(), elements->end());
  return out;
}

std::optional<std::uint64_t> IdNumber(std::string_view raw) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
  if (error != std::errc() || end != raw.data() + raw.size()) return std::nullopt;
  return value;
}

// Of the text of an error, which goes into records and logs.
constexpr std::size_t kErrorBytesMax = 4096;

std::string Shortened(std::string text) {
  if (text.size() > kErrorBytesMax) text.resize(kErrorBytesMax);
  return text;
}

RpcError ReadError(std::string_view raw) {
  RpcError out;
  const Json error = Json::parse(raw, nullptr, false);
  if (!error.is_object()) {
    out.message = Shortened(std::string(raw));
    return out;
  }
  // Some servers leave out the code.
  const auto code = error.find("code");
  if (code != error.end() && code->is_number_integer()) out.code = code->get<std::int64_t>();
  const auto message = error.find("message");
  if (message != error.end() && message->is_string()) {
    out.message = Shortened(message->get<std::string>());
  }
  const auto data = error.find("data");
  if (data != error.end()) {
    std::string dumped = data->dump(-1, ' ', false, Json::error_handler_t::replace);
    if (dumped.size() <= kErrorBytesMax) out.data = std::move(dumped);
  }
  return out;
}

bool Says(const RpcError& error, const char* text) {
  return absl::StrContains(error.message, text);
}

absl::StatusCode CodeOf(const RpcError& error) {
  switch (error.code) {
    case kRpcMethodNotFound:
      return absl::StatusCode::kUnimplemented;
    case kRpcParseError:
    case kRpcInvalidRequest:
    case kRpcInvalidParams:
      return absl::StatusCode::kInvalidArgument;
    case -32005:  // limit exceeded
      return absl::StatusCode::kUnavailable;
    case 2:  // out of gas
      return absl::StatusCode::kFailedPrecondition;
    case 12:  // null round
      return absl::StatusCode::kNotFound;
    default:
      break;
  }
  if (Says(error, "missing permission")) return absl::StatusCode::kPermissionDenied;
  if (Says(error, "method not supported")) return absl::StatusCode::kUnimplemented;
  if (Says(error, "message execution failed") || Says(error, "execution reverted") ||
      Says(error, "ran out of gas")) {
    return absl::StatusCode::kFailedPrecondition;
  }
  if (Says(error, "from the future") || Says(error, "in the future") ||
      Says(error, "context canceled") || Says(error, "context deadline exceeded") ||
      Says(error, "too many requests")) {
    return absl::StatusCode::kUnavailable;
  }
  if (Says(error, "not found") || Says(error, "could not find")) return absl::StatusCode::kNotFound;
  if (error.code == 3 && !error.data.empty()) return absl::StatusCode::kFailedPrecondition;
  return absl::StatusCode::kUnknown;
}

}  // namespace

RpcParsedBody ParseRpcBody(std::string_view body) {
  RpcParsedBody out;
  const auto broken = [&](std::int64_t code, const char* message, int status) {
    out.batch = false;
    out.http_status = status;
    out.requests.assign(1, Unreadable("null", code, message, true));
    return out;
  };

  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return broken(kRpcInvalidRequest, "Invalid request", 400);
  }
  const auto value = internal::FirstValue(body);
  if (!value.ok() || !Json::accept(*value)) return broken(kRpcParseError, "Parse error", 500);

  if (value->front() != '[') {
    out.requests.push_back(ParseRequest(*value));
    if (out.requests[0].error) out.http_status = HttpStatusOf(*out.requests[0].error);
    return out;
  }
  const auto elements = internal::Elements(*value);
  if (!elements.ok()) return broken(kRpcParseError, "Parse error", 500);
  if (elements->empty()) return broken(kRpcInvalidRequest, "Invalid request", 400);
  out.batch = true;
  for (const std::string_view element : *elements) {
    if (element.front() != '{' && element != "null") {
      return broken(kRpcParseError, "Parse error", 500);
    }
    out.requests.push_back(ParseRequest(element));
  }
  return out;
}

std::string WriteRpcResult(std::string_view id, std::string_view result) {
  return absl::StrFormat("{\"id\":%s,\"jsonrpc\":\"2.0\",\"result\":%s}", id, result);
}

std::string WriteRpcError(std::string_view id, const RpcError& error) {
  const std::string data = error.data.empty() ? "" : absl::StrFormat(",\"data\":%s", error.data);
  return absl::StrFormat("{\"error\":{\"code\":%d,\"message\":%s%s},\"id\":%s,\"jsonrpc\":\"2.0\"}",
                         error.code, DumpText(error.message), data, id);
}

int HttpStatusOf(const RpcError& error) {
  if (error.code == kRpcInvalidRequest) return 400;
  return error.code <= 0 && error.code >= -32768 && (error.code <= -32600 || error.code == 0) ? 500
                                                                                              : 200;
}

std::string WriteRpcRequest(std::uint64_t id, std::string_view method, std::string_view params) {
  return absl::StrFormat("{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":%s,\"params\":%s}", id,
                         DumpText(method), params);
}

std::string WriteRpcCancel(std::uint64_t id) {
  return absl::StrFormat("{\"jsonrpc\":\"2.0\",\"method\":\"xrpc.cancel\",\"params\":[%d]}", id);
}

absl::StatusOr<std::uint64_t> ParseRpcChannel(std::string_view raw) {
  if (raw.size() >= 2 && raw.front() == '"' && raw.back() == '"') {
    raw = raw.substr(1, raw.size() - 2);
  }
  int base = 10;
  if (raw.starts_with("0x") || raw.starts_with("0X")) {
    raw.remove_prefix(2);
    base = 16;
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value, base);
  if (error != std::errc() || end != raw.data() + raw.size() || raw.empty()) {
    return absl::InvalidArgumentError("the channel of a subscription is not a number");
  }
  return value;
}

absl::StatusOr<RpcFrame> ParseRpcFrame(std::string_view text) {
  DAMOCLES_ASSIGN_OR_RETURN(const std::string_view value, internal::FirstValue(text));
  DAMOCLES_ASSIGN_OR_RETURN(const auto members, internal::Members(value));
  RpcFrame out;

  const std::string_view method = internal::Member(members, "method");
  if (!method.empty() && method != "null") {
    const bool is_value = method == "\"xrpc.ch.val\"";
    if (!is_value && method != "\"xrpc.ch.close\"") return out;
    DAMOCLES_ASSIGN_OR_RETURN(const auto params,
                              internal::Elements(internal::Member(members, "params")));
    if (params.size() < (is_value ? 2u : 1u)) {
      return absl::InvalidArgumentError("a push of a subscription lacks parameters");
    }
    DAMOCLES_ASSIGN_OR_RETURN(out.channel, ParseRpcChannel(params[0]));
    out.kind = is_value ? RpcFrame::Kind::kChannelValue : RpcFrame::Kind::kChannelClose;
    if (is_value) out.result = std::string(params[1]);
    return out;
  }

  const std::string_view id = internal::Member(members, "id");
  const std::string_view error = internal::Member(members, "error");
  const std::string_view result = internal::Member(members, "result");
  if (id.empty() && error.empty() && result.empty()) {
    return absl::InvalidArgumentError("neither an answer nor a push of a subscription");
  }
  out.kind = RpcFrame::Kind::kAnswer;
  out.id = IdNumber(id);
  if (!error.empty() && error != "null") {
    out.error = ReadError(error);
  } else {
    out.result = result.empty() ? "null" : std::string(result);
  }
  return out;
}

absl::Status StatusFromRpcError(std::string_view method, const RpcError& error) {
  return absl::Status(
      CodeOf(error),
      absl::StrFormat(
          "%s: %s", absl::StripPrefix(absl::string_view(method.data(), method.size()), "Filecoin."),
          error.message.empty() ? std::string(kNoReason) : error.message));
}

RpcError RpcErrorFromStatus(const absl::Status& status) {
  RpcError out{1, std::string(status.message()), ""};
  switch (status.code()) {
    case absl::StatusCode::kUnimplemented:
      out.code = kRpcMethodNotFound;
      break;
    case absl::StatusCode::kNotFound:
      if (out.message == "actor not found") out.code = 11;
      break;
    case absl::StatusCode::kFailedPrecondition:
      if (out.message.starts_with("message execution failed")) {
        out.code = 3;
        out.data = "\"0x\"";
      }
      break;
    default:
      break;
  }
  return out;
}

}  // namespace damocles::chain
