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
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/devnet/genesis.h"
#include "damocles/filecoin/cid.h"
#include "damocles/filecoin/token_amount.h"

namespace damocles::devnet::internal {

// What can be wrong on purpose with the next calls of a method.
struct CallFault {
  std::string method;  // without the name space; "*" is every one but Damocles.*
  std::uint64_t left = 1;
  std::string error;  // answers with this text
  bool hang = false;  // never answers
  std::optional<std::int64_t> delay_ms;
};

// New sectors for a miner of the running chain.
struct AddSectorsOrder {
  filecoin::ActorId miner = 0;
  std::vector<GenesisSector> sectors;
};
// Money of a miner beyond its pledge, and what it owes.
struct FundsOrder {
  filecoin::ActorId miner = 0;
  filecoin::TokenAmount balance;
  filecoin::TokenAmount fee_debt;
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
  std::optional<filecoin::Cid> drop_message;
  std::optional<std::uint64_t> drop_next_messages;
  std::optional<filecoin::TokenAmount> base_fee;
  std::optional<Traffic> traffic;
  std::optional<AddSectorsOrder> add_sectors;
  std::optional<FundsOrder> funds;
  bool clear = false;
};

// INVALID_ARGUMENT names a member that is unknown or does not fit.  What only the chain can judge
// is not looked at.
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

  std::uint64_t NullRounds() const { return null_rounds_; }
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
