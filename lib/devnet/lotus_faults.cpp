// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/devnet/lotus_faults.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/status.h"

namespace damocles::devnet::internal {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kCountMax = 1000000;

class Reader {
 public:
  explicit Reader(const Json& json) : json_(json) {}

  void Count(const char* name, std::uint64_t& out) {
    const Json* value = Find(name);
    if (value == nullptr) return;
    if (!value->is_number_unsigned() || value->get<std::uint64_t>() > kCountMax) {
      return Fail(name, absl::StrFormat("a number up to %d is wanted", kCountMax));
    }
    out = value->get<std::uint64_t>();
  }
  void Count(const char* name, std::optional<std::uint64_t>& out) {
    if (Find(name) != nullptr) Count(name, out.emplace());
  }
  void Flag(const char* name, bool& out) {
    const Json* value = Find(name);
    if (value == nullptr) return;
    if (!value->is_boolean()) return Fail(name, "true or false is wanted");
    out = value->get<bool>();
  }
  void Flag(const char* name, std::optional<bool>& out) {
    if (Find(name) != nullptr) Flag(name, out.emplace());
  }
  void Text(const char* name, std::string& out) {
    const Json* value = Find(name);
    if (value == nullptr) return;
    if (!value->is_string()) return Fail(name, "a text is wanted");
    out = value->get<std::string>();
  }

  absl::Status Finish() {
    if (!status_.ok()) return status_;
    for (auto member = json_.begin(); member != json_.end(); ++member) {
      bool known = false;
      for (const std::string& name : names_) known = known || name == member.key();
      if (!known) {
        return absl::InvalidArgumentError(
            absl::StrFormat("fault: unknown member \"%s\"", member.key()));
      }
    }
    return absl::OkStatus();
  }

 private:
  const Json* Find(const char* name) {
    names_.emplace_back(name);
    const auto found = json_.find(name);
    return found == json_.end() ? nullptr : &*found;
  }
  void Fail(const char* name, std::string_view why) {
    if (status_.ok()) {
      status_ = absl::InvalidArgumentError(absl::StrFormat("fault: member \"%s\": %s", name, why));
    }
  }

  const Json& json_;
  std::vector<std::string> names_;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<FaultOrder> ParseFault(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return absl::InvalidArgumentError("fault: an object is wanted");
  FaultOrder out;
  CallFault call;
  std::optional<std::uint64_t> delay_ms;
  Reader reader(json);
  reader.Text("method", call.method);
  reader.Count("n", out.count);
  reader.Text("error", call.error);
  reader.Flag("hang", call.hang);
  reader.Count("delay_ms", delay_ms);
  reader.Count("http_status", out.http_status);
  reader.Flag("drop_websockets", out.drop_websockets);
  reader.Flag("end_channels", out.end_channels);
  reader.Flag("silent", out.silent);
  reader.Flag("pause", out.pause);
  reader.Count("null_rounds", out.null_rounds);
  reader.Count("reorg", out.reorg);
  reader.Text("drop_message", out.drop_message);
  reader.Count("drop_next_messages", out.drop_next_messages);
  reader.Text("base_fee", out.base_fee);
  reader.Flag("clear", out.clear);
  DAMOCLES_RETURN_IF_ERROR(reader.Finish());

  if (delay_ms) call.delay_ms = static_cast<std::int64_t>(*delay_ms);
  const bool does_something = !call.error.empty() || call.hang || call.delay_ms;
  if (call.method.empty() == does_something) {
    return absl::InvalidArgumentError(
        "fault: \"method\" goes with one of \"error\", \"hang\" and \"delay_ms\"");
  }
  if (!call.method.empty()) {
    call.left = out.count;
    out.call = std::move(call);
  }
  if (out.http_status && (*out.http_status < 400 || *out.http_status > 599)) {
    return absl::InvalidArgumentError("fault: \"http_status\" is 400 to 599");
  }
  return out;
}

std::optional<CallFault> Faults::Take(std::string_view method) {
  for (auto fault = calls_.begin(); fault != calls_.end(); ++fault) {
    if (fault->method != "*" && fault->method != method) continue;
    CallFault taken = *fault;
    if (fault->left <= 1) {
      calls_.erase(fault);
    } else {
      --fault->left;
    }
    return taken;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> Faults::TakeHttpStatus() {
  if (http_left_ == 0) return std::nullopt;
  --http_left_;
  return http_status_;
}

void Faults::Clear() {
  calls_.clear();
  http_left_ = 0;
  null_rounds_ = 0;
  silent = false;
  paused = false;
}

}  // namespace damocles::devnet::internal
