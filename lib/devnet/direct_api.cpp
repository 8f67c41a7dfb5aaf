// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/devnet/direct_api.h"

#include <deque>
#include <utility>

#include "lib/devnet/method_table.h"

#include "damocles/chain/methods.h"

namespace damocles::devnet {

using chain::HeadChange;
using chain::HeadChangeKind;

namespace {

absl::Status Down() {
  return absl::UnavailableError("connection to the node lost");
}

}  // namespace

// What ChainNotify returns; the API keeps it informed as long as somebody holds it.
class DirectSubscription {
 public:
  // More than a node buffers for a slow reader: it is dropped likewise.
  static constexpr std::size_t kBufferedMax = 16;

  explicit DirectSubscription(const filecoin::TipSet& head) {
    queue_.push_back({{HeadChangeKind::kCurrent, head}});
  }
  void Push(const std::vector<HeadChange>& changes) {
    if (!error_.ok()) return;
    if (queue_.size() >= kBufferedMax) {
      End(absl::UnavailableError("the node closed the channel: reader too slow"));
      return;
    }
    queue_.push_back(changes);
    news_.Fire();
  }
  void End(absl::Status error) {
    if (error_.ok()) error_ = std::move(error);
    news_.Fire();
  }
  // Resolves once there is something to take.
  kj::Promise<void> Ready() {
    if (!queue_.empty() || !error_.ok()) return kj::READY_NOW;
    return news_.Next();
  }
  absl::StatusOr<std::vector<HeadChange>> Take() {
    if (queue_.empty()) return error_;
    std::vector<HeadChange> changes = std::move(queue_.front());
    queue_.pop_front();
    return changes;
  }

 private:
  std::deque<std::vector<HeadChange>> queue_;
  absl::Status error_;
  async::Event news_;
};

namespace {

class DirectHeads final : public chain::HeadSubscription {
 public:
  explicit DirectHeads(std::shared_ptr<DirectSubscription> state) : state_(std::move(state)) {}
  async::Task<absl::StatusOr<std::vector<HeadChange>>> Next() override { return Wait(state_); }

 private:
  static async::Task<absl::StatusOr<std::vector<HeadChange>>> Wait(
      std::shared_ptr<DirectSubscription> state) {
    co_await state->Ready();
    co_return state->Take();
  }
  std::shared_ptr<DirectSubscription> state_;
};

}  // namespace

DirectApi::DirectApi(Chain& chain)
    : chain_(chain),
      table_(std::make_unique<internal::MethodTable>(chain)),
      heads_(chain.OnHeadChange(
          [this](const std::vector<HeadChange>& changes) { OnHeadChange(changes); })) {}

DirectApi::~DirectApi() = default;

// ---------------------------------------------------------------- failures

void DirectApi::FailNext(const std::string& method, std::uint64_t calls, absl::Status status) {
  failures_[method].push_back({FailureKind::kRefuse, calls, std::move(status)});
}

void DirectApi::LoseAnswers(const std::string& method, std::uint64_t calls, absl::Status status) {
  failures_[method].push_back({FailureKind::kLoseAnswer, calls, std::move(status)});
}

void DirectApi::HangNext(const std::string& method, std::uint64_t calls) {
  failures_[method].push_back({FailureKind::kHang, calls, absl::OkStatus()});
}

void DirectApi::Release() {
  released_.Fire();
}

void DirectApi::SetDown(bool down) {
  down_ = down;
  if (down) DropSubscriptions();
}

void DirectApi::DropSubscriptions() {
  for (const auto& weak : std::exchange(subscriptions_, {})) {
    if (const auto subscription = weak.lock()) subscription->End(Down());
  }
}

std::uint64_t DirectApi::Calls(const std::string& method) const {
  const auto found = calls_.find(method);
  return found == calls_.end() ? 0 : found->second;
}

DirectApi::Failure DirectApi::NextFailure(const std::string& method) {
  ++calls_[method];
  if (down_) return {FailureKind::kRefuse, 1, Down()};
  for (const std::string& name : {method, std::string("*")}) {
    std::vector<Failure>& ordered = failures_[name];
    while (!ordered.empty() && ordered.front().calls == 0) ordered.erase(ordered.begin());
    if (ordered.empty()) continue;
    --ordered.front().calls;
    return ordered.front();
  }
  return {FailureKind::kRefuse, 0, absl::OkStatus()};
}

void DirectApi::OnHeadChange(const std::vector<HeadChange>& changes) {
  head_changed_.Fire();
  if (silent_) return;
  std::erase_if(subscriptions_, [](const auto& weak) { return weak.expired(); });
  for (const auto& weak : subscriptions_) {
    if (const auto subscription = weak.lock()) subscription->Push(changes);
  }
}

// ---------------------------------------------------------------- methods

async::Task<absl::Status> DirectApi::Send(std::shared_ptr<chain::Call> call) {
  if (const auto* beacon = chain::CallAs<&chain::BlockProducer::StateGetBeaconEntry>(*call)) {
    while (chain_.ChainHead().Height() < std::get<0>(beacon->params)) {
      co_await head_changed_.Next();
    }
  }
  const Failure failure = NextFailure(std::string(call->Method().ShortName()));
  if (failure.kind == FailureKind::kHang) {
    co_await released_.Next();
  } else if (failure.kind == FailureKind::kRefuse && !failure.status.ok()) {
    co_return failure.status;
  }
  absl::Status answered = table_->Answer(*call);
  if (failure.kind == FailureKind::kLoseAnswer) co_return failure.status;
  co_return answered;
}

chain::Result<std::unique_ptr<chain::HeadSubscription>> DirectApi::ChainNotify() {
  const Failure failure = NextFailure("ChainNotify");
  if (failure.kind == FailureKind::kHang) {
    co_await released_.Next();
  } else if (failure.kind == FailureKind::kRefuse && !failure.status.ok()) {
    co_return failure.status;
  }
  auto state = std::make_shared<DirectSubscription>(chain_.ChainHead());
  subscriptions_.push_back(state);
  if (failure.kind == FailureKind::kLoseAnswer) co_return failure.status;
  co_return std::make_unique<DirectHeads>(std::move(state));
}

}  // namespace damocles::devnet
