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

#include "damocles/chain/api.h"

namespace damocles::scenario {

enum class CallFault {
  kNone,
  kRefuse,      // not done, answered with UNAVAILABLE
  kLoseAnswer,  // done, answered with UNAVAILABLE
  kHang,        // not done, never answered
  kDie,         // done, then the manager dies before it hears of it
  kThrow,       // not done, ends with an exception
  kLate,        // never answered; of a push: done much later, without another look at the uuid
};

// Forwards to another Api.  Counts the calls of all methods together.
class CountedApi {
 public:
  explicit CountedApi(chain::Api& inner);
  ~CountedApi();
  // What the calls go through.
  chain::Api& Api();

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
  void Break(std::string method) { broken_ = std::move(method); }
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
  std::string broken_;
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

}  // namespace damocles::scenario
