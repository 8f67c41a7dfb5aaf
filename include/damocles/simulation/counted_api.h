// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A node whose n-th call goes wrong in a way of one's choice.

#pragma once

#include <kj/async.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/chain/api.h"

namespace damocles::simulation {

enum class CallFault {
  kNone,
  kRefuse,      // not done, answered with UNAVAILABLE
  kLoseAnswer,  // done, answered with UNAVAILABLE
  kHang,        // not done, never answered
  kDie,         // done, then the manager dies before it hears of it
  kThrow,       // not done, ends with an exception
  kLate,        // never answered; of a push: done much later, without another look at
                // the uuid
};

// Forwards to another node.  Counts the calls of all methods together.
class CountedApi {
 public:
  explicit CountedApi(chain::FullNode& inner);
  ~CountedApi();
  // What the calls go through.
  chain::FullNode& Node();

  // Call number `number` (from 1) goes wrong.  With a method: the number-th call of that one.
  void Plan(std::uint64_t number, CallFault fault, std::string method = "") {
    at_ = number;
    fault_ = fault;
    method_ = std::move(method);
  }
  // Of each call, with this chance in 1000, chosen by `random`.
  void FailAtRandom(std::function<CallFault()> choose) { choose_ = std::move(choose); }
  void OnDie(std::function<void()> die) { die_ = std::move(die); }
  // What kLate waits for, and where such pushes go on when nobody waits for them any more.
  void SetLateness(std::function<kj::Promise<void>()> wait) { wait_ = std::move(wait); }
  // All calls of the method are refused.
  void Break(std::string method, absl::Status status = absl::UnavailableError("planned: refused")) {
    broken_[std::move(method)] = std::move(status);
  }
  // Those about one address are refused: of WalletHas, WalletBalance,
  // WalletSign, MpoolGetNonce, StateAccountKey and StateGetActor the address, of
  // MpoolPushMessage the sender.
  void BreakFor(std::string method, filecoin::Address address, absl::Status status) {
    broken_for_[{std::move(method), std::move(address)}] = std::move(status);
  }
  void Mend(const std::string& method) { broken_.erase(method); }
  void MendFor(const std::string& method, const filecoin::Address& address) {
    broken_for_.erase({method, address});
  }
  // What the node answers instead.
  std::function<void(std::vector<filecoin::SignedMessage>&)> alter_pending;
  std::function<void(absl::StatusOr<std::optional<chain::MsgLookup>>&)> alter_search;
  std::function<void(absl::StatusOr<filecoin::SignedMessage>&)> alter_pushed;
  std::function<void(const filecoin::Address&, absl::StatusOr<bool>&)> alter_has;
  // Called before each MpoolPush is done.
  std::function<void(const filecoin::SignedMessage&)> on_push_signed;
  // How many epochs back each StateSearchMsg looks.
  std::function<void(std::int64_t limit)> on_search;
  // Every call is taken and never answered, as by a node that is stopped.
  void SetHanging(bool hanging) { hanging_ = hanging; }
  // What the node thinks is the head is so many epochs old, or does not move at all any more.  The
  // rest of it sees the chain as it is.
  void SetLag(filecoin::EpochDelta lag) { lag_ = lag; }
  void SetStuck(std::optional<filecoin::TipSet> head) { stuck_at_ = std::move(head); }
  // Every call hangs: the manager is dead and must not act any more.
  void SetDead(bool dead) { dead_ = dead; }
  std::uint64_t Calls() const { return calls_; }
  std::uint64_t Calls(const std::string& method) const {
    const auto found = by_method_.find(method);
    return found == by_method_.end() ? 0 : found->second;
  }
  const std::string& LastMethod() const { return last_method_; }
  // Called before each MpoolPushMessage is done.
  void OnPush(std::function<void(const filecoin::Message&, const chain::MessageSendSpec&)> watch) {
    on_push_ = std::move(watch);
  }

 private:
  class Counter;

  std::uint64_t calls_ = 0;
  std::map<std::string, std::uint64_t> by_method_;
  std::string last_method_;
  std::uint64_t at_ = 0;
  CallFault fault_ = CallFault::kNone;
  std::string method_;
  std::map<std::string, absl::Status> broken_;
  std::map<std::pair<std::string, filecoin::Address>, absl::Status> broken_for_;
  bool dead_ = false;
  bool hanging_ = false;
  filecoin::EpochDelta lag_{0};
  std::optional<filecoin::TipSet> stuck_at_;
  std::function<CallFault()> choose_;
  std::function<void()> die_;
  bool late_ = false;
  std::function<kj::Promise<void>()> wait_;
  std::function<void(const filecoin::Message&, const chain::MessageSendSpec&)> on_push_;
  std::unique_ptr<Counter> counter_;  // last: its promises use everything above
};

}  // namespace damocles::simulation
