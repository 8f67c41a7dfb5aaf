// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A chain::FullNode straight over the engine, for tests in one process and virtual time: no
// network, no JSON, and failures to order.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"

#include "damocles/async/event.h"
#include "damocles/base/observers.h"
#include "damocles/chain/api.h"
#include "damocles/devnet/chain.h"

namespace damocles::devnet {

class DirectSubscription;
namespace internal {
class MethodTable;
}

// Borrows the chain, which must outlive it and be advanced on the thread of the event loop.
// Several of them may show one chain, as several nodes do.
class DirectApi final : public chain::FullNode {
 public:
  explicit DirectApi(Chain& chain);
  ~DirectApi() override;
  DirectApi(const DirectApi&) = delete;
  DirectApi& operator=(const DirectApi&) = delete;

  // ------------------------------------------------------------ failures
  // The next `calls` calls of the method ("*": of any method) answer `status` without being done.
  void FailNext(const std::string& method, std::uint64_t calls, absl::Status status);
  // They are done, and then the answer is lost: the caller gets `status`.
  void LoseAnswers(const std::string& method, std::uint64_t calls, absl::Status status);
  // They do not answer, until Release or for good; then they are done.
  void HangNext(const std::string& method, std::uint64_t calls);
  void Release();
  // Every call and subscription fails with kUnavailable while it is down.
  void SetDown(bool down);
  // Ends all subscriptions with kUnavailable.
  void DropSubscriptions();
  // Subscriptions stay open but hear nothing while silent.
  void SetSilent(bool silent) { silent_ = silent; }
  // How often a method was called, refused calls included.
  std::uint64_t Calls(const std::string& method) const;

  async::Task<absl::Status> Send(std::shared_ptr<chain::Call> call) override;
  chain::Result<std::unique_ptr<chain::HeadSubscription>> ChainNotify() override;

 private:
  enum class FailureKind { kRefuse, kLoseAnswer, kHang };
  struct Failure {
    FailureKind kind = FailureKind::kRefuse;
    std::uint64_t calls = 0;
    absl::Status status;
  };
  // What is ordered for this call; takes one off the order.
  Failure NextFailure(const std::string& method);
  void OnHeadChange(const std::vector<chain::HeadChange>& changes);

  Chain& chain_;
  std::unique_ptr<internal::MethodTable> table_;
  bool down_ = false;
  bool silent_ = false;
  std::map<std::string, std::vector<Failure>> failures_;
  std::map<std::string, std::uint64_t> calls_;
  std::vector<std::weak_ptr<DirectSubscription>> subscriptions_;
  async::Event head_changed_;
  async::Event released_;  // calls that hang
  Subscription heads_;
};

}  // namespace damocles::devnet
