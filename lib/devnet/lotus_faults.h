// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace damocles::devnet::internal {

// What can be wrong on purpose with the next calls of a method.
struct CallFault {
  std::string method;  // without the name space; "*" is every one but Damocles.*
  std::uint64_t left = 1;
  std::string error;  // answers with this text
  bool hang = false;  // never answers
  std::optional<std::int64_t> delay_ms;
};

// One order to Damocles.DevnetInject, as read from its JSON.
struct FaultOrder {
  std::optional<CallFault> call;
  std::optional<std::uint64_t> http_status;  // of the next `count` HTTP requests and handshakes
  std::uint64_t count = 1;
  bool drop_websockets = false;
  bool end_channels = false;
  std::optional<bool> silent;  // subscriptions say nothing
  std::optional<bool> pause;   // the clock stands still
  std::optional<std::uint64_t> null_rounds;
  std::optional<std::uint64_t> reorg;
  std::string drop_message;  // a CID
  std::optional<std::uint64_t> drop_next_messages;
  std::string base_fee;
  bool clear = false;
};

// INVALID_ARGUMENT names a member that is unknown or does not fit.
absl::StatusOr<FaultOrder> ParseFault(std::string_view json);

// The faults that wait for their occasion.
class Faults {
 public:
  void Add(CallFault fault) { calls_.push_back(std::move(fault)); }
  // The fault that this call is to meet, counted down.
  std::optional<CallFault> Take(std::string_view method);

  void SetHttpStatus(std::uint64_t status, std::uint64_t count) {
    http_status_ = status;
    http_left_ = count;
  }
  std::optional<std::uint64_t> TakeHttpStatus();

  std::uint64_t TakeNullRounds() { return std::exchange(null_rounds_, 0); }
  void AddNullRounds(std::uint64_t rounds) { null_rounds_ += rounds; }

  void Clear();

  bool silent = false;
  bool paused = false;

 private:
  std::deque<CallFault> calls_;
  std::uint64_t http_status_ = 0;
  std::uint64_t http_left_ = 0;
  std::uint64_t null_rounds_ = 0;
};

}  // namespace damocles::devnet::internal
