// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/devnet/lotus_faults.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/devnet/config_json.h"

#include "damocles/base/status.h"

namespace damocles::devnet::internal {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kCountMax = 1000000;

class Reader {
 public:
  explicit Reader(const Json& object) : json_(object) {}

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
  void Message(const char* name, std::optional<filecoin::Cid>& out) {
    std::string text;
    Text(name, text);
    if (json_.contains(name)) Take(name, filecoin::Cid::Parse(text), out);
  }
  void Amount(const char* name, std::optional<filecoin::TokenAmount>& out) {
    std::string text;
    Text(name, text);
    if (json_.contains(name)) Take(name, filecoin::TokenAmount::Parse(text), out);
  }
  void Sectors(const char* name, std::vector<GenesisSector>& out) {
    const Json* value = Find(name);
    if (value == nullptr || !value->is_array()) return Fail(name, "a list is wanted");
    std::optional<std::vector<GenesisSector>> sectors;
    Take(name, SectorsFromJson(*value), sectors);
    if (sectors) out = *std::move(sectors);
  }
  void Script(const char* name, std::optional<Traffic>& out) {
    const Json* value = Find(name);
    if (value == nullptr) return;
    if (!value->is_string()) return Fail(name, "a text is wanted");
    Take(name, TrafficByName(value->get<std::string>()), out);
  }
  void Actor(const char* name, filecoin::ActorId& out) {
    const Json* value = Find(name);
    if (value == nullptr || !value->is_number_unsigned()) return Fail(name, "a number is wanted");
    out = value->get<std::uint64_t>();
  }
  // A member that is an object: read by `read`, with the same care.
  template <typename T, typename Read>
  void Object(const char* name, std::optional<T>& out, Read read) {
    const Json* value = Find(name);
    if (value == nullptr) return;
    if (!value->is_object()) return Fail(name, "an object is wanted");
    Reader inner(*value);
    read(inner, out.emplace());
    if (const absl::Status status = inner.Finish(); !status.ok()) {
      Fail(name, std::string(status.message()));
    }
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
  template <typename T>
  void Take(const char* name, absl::StatusOr<T> value, std::optional<T>& out) {
    if (value.ok()) {
      out = *std::move(value);
    } else {
      Fail(name, std::string(value.status().message()));
    }
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

namespace {

// What goes with what; `count` as it was stated.
absl::Status CheckOrder(const CallFault& call, const std::optional<std::uint64_t>& count,
                        const std::optional<std::uint64_t>& http_status) {
  const bool does_something = !call.error.empty() || call.hang || call.delay_ms;
  if (call.method.empty() == does_something) {
    return absl::InvalidArgumentError(
        "fault: \"method\" goes with one of \"error\", \"hang\" and \"delay_ms\"");
  }
  if (call.hang && (!call.error.empty() || call.delay_ms)) {
    return absl::InvalidArgumentError("fault: a call that hangs has no \"error\" or \"delay_ms\"");
  }
  if (count == std::uint64_t{0}) return absl::InvalidArgumentError("fault: \"n\" is at least 1");
  if (count && call.method.empty() && !http_status) {
    return absl::InvalidArgumentError("fault: \"n\" goes with \"method\" or \"http_status\"");
  }
  if (http_status && (*http_status < 400 || *http_status > 599)) {
    return absl::InvalidArgumentError("fault: \"http_status\" is 400 to 599");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<FaultOrder> ParseFault(std::string_view text) {
  const Json object = Json::parse(text, nullptr, false);
  if (!object.is_object()) return absl::InvalidArgumentError("fault: an object is wanted");
  FaultOrder out;
  CallFault call;
  std::optional<std::uint64_t> delay_ms;
  std::optional<std::uint64_t> count;
  Reader reader(object);
  reader.Text("method", call.method);
  reader.Count("n", count);
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
  reader.Message("drop_message", out.drop_message);
  reader.Count("drop_next_messages", out.drop_next_messages);
  reader.Amount("base_fee", out.base_fee);
  reader.Script("traffic", out.traffic);
  reader.Object("add_sectors", out.add_sectors, [](Reader& inner, AddSectorsOrder& order) {
    inner.Actor("miner", order.miner);
    inner.Sectors("sectors", order.sectors);
  });
  reader.Object("funds", out.funds, [](Reader& inner, FundsOrder& order) {
    std::optional<filecoin::TokenAmount> balance;
    std::optional<filecoin::TokenAmount> fee_debt;
    inner.Actor("miner", order.miner);
    inner.Amount("balance", balance);
    inner.Amount("fee_debt", fee_debt);
    order.balance = balance.value_or(0);
    order.fee_debt = fee_debt.value_or(0);
  });
  reader.Flag("clear", out.clear);
  DAMOCLES_RETURN_IF_ERROR(reader.Finish());

  if (delay_ms) call.delay_ms = static_cast<std::int64_t>(*delay_ms);
  DAMOCLES_RETURN_IF_ERROR(CheckOrder(call, count, out.http_status));
  out.count = count.value_or(1);
  constexpr std::string_view kSpace = "Filecoin.";
  if (call.method.starts_with(kSpace)) call.method.erase(0, kSpace.size());
  if (!call.method.empty()) {
    call.left = out.count;
    out.call = std::move(call);
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
