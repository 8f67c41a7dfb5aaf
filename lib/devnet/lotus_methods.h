// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/devnet/lotus_faults.h"
#include "lib/devnet/method_table.h"

#include "damocles/async/event.h"
#include "damocles/async/task.h"
#include "damocles/base/observers.h"
#include "damocles/chain/json_rpc.h"
#include "damocles/devnet/chain.h"
#include "damocles/devnet/lotus_server.h"

namespace damocles::devnet::internal {

inline constexpr unsigned kAllPermissions =
    kReadPermission | kWritePermission | kSignPermission | kAdminPermission;

struct Caller {
  unsigned permissions = 0;
  bool v0 = false;  // the older shapes of a few methods
};

// What the connections of the server do on orders of DevnetInject.
class Connections {
 public:
  virtual ~Connections() = default;
  virtual void DropWebSockets() = 0;
  virtual void EndChannels() = 0;
};

inline constexpr std::string_view kChainNotify =
    chain::kMethod<&chain::ChainReader::ChainNotify>.name;

// The methods by name, over one chain.
class LotusMethods {
 public:
  LotusMethods(Chain& chain, kj::Timer& timer, Connections& connections);
  LotusMethods(const LotusMethods&) = delete;
  LotusMethods& operator=(const LotusMethods&) = delete;
  ~LotusMethods() noexcept;

  // An answer in every case; may take as long as a message needs to be included.
  async::Task<RpcAnswer> Call(chain::RpcRequest request, Caller caller);

  // What the faults on order say about a call of this method, after the delay they say; it may
  // never come.
  async::Task<std::optional<chain::RpcError>> MeetFault(std::string method);

  // One block more, by the clock.
  absl::Status Tick(std::optional<std::uint64_t> timestamp);

  Chain& TheChain() { return chain_; }
  Faults& TheFaults() { return faults_; }
  // The answer to Damocles.DevnetParameters, JSON.
  void SetParameters(std::string text) { parameters_ = std::move(text); }

 private:
  async::Task<RpcAnswer> CallWaiting(chain::RpcRequest request, bool v0);
  async::Task<RpcAnswer> WaitMsg(filecoin::Cid message, std::uint64_t confidence,
                                 std::int64_t limit, bool allow_replaced);
  async::Task<RpcAnswer> Advance(std::uint64_t epochs);
  // All of an order, or nothing of it.
  absl::Status Inject(std::string_view fault);
  absl::Status CheckFault(const FaultOrder& order) const;

  Chain& chain_;
  kj::Timer& timer_;
  Connections& connections_;
  Faults faults_;
  std::string parameters_ = "{}";
  MethodTable table_;
  async::Event head_changed_;
  Subscription heads_;
};

}  // namespace damocles::devnet::internal
