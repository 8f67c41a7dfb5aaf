// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/chain/lotus_heads.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "lib/chain/kj_status.h"

#include "damocles/base/log.h"
#include "damocles/chain/lotus_json.h"

namespace damocles::chain::internal {
namespace {

// Polling while a subscription is quiet: about once an epoch, but neither busy nor late.
constexpr kj::Duration kPollMin = 1 * kj::SECONDS;
constexpr kj::Duration kPollMax = 15 * kj::SECONDS;
// Between two lines in the log that no subscription can be had.
constexpr kj::Duration kComplainInterval = 10 * kj::MINUTES;

std::vector<HeadChange> Current(filecoin::TipSet head) {
  std::vector<HeadChange> changes(1);
  changes[0].kind = HeadChangeKind::kCurrent;
  changes[0].tip_set = std::move(head);
  return changes;
}

}  // namespace

LotusHeads::LotusHeads(LotusNodes& nodes, filecoin::TipSet head, kj::Duration block_delay)
    : nodes_(nodes),
      silence_(nodes.Options().silence),
      poll_interval_(nodes.Options().poll_interval),
      last_told_(nodes.GetTimer().now()) {
  if (silence_ == 0 * kj::SECONDS) silence_ = 3 * block_delay + 5 * kj::SECONDS;
  if (poll_interval_ == 0 * kj::SECONDS) {
    poll_interval_ = std::clamp(block_delay, kPollMin, kPollMax);
  }
  Deliver(Current(std::move(head)));
  if (nodes.Options().use_websocket) following_.emplace(Follow());
  polling_.emplace(Poll());
}

async::Task<absl::StatusOr<std::vector<HeadChange>>> LotusHeads::Next() {
  while (waiting_.empty()) {
    auto pair = kj::newPromiseAndFulfiller<void>();
    sleeper_ = kj::mv(pair.fulfiller);
    co_await kj::mv(pair.promise);
  }
  std::vector<HeadChange> changes = std::move(waiting_.front());
  waiting_.pop_front();
  co_return changes;
}

async::Task<void> LotusHeads::Follow() {
  kj::Duration pause = nodes_.Options().reconnect_min;
  std::optional<kj::TimePoint> complained_at;
  while (true) {
    const std::size_t node = nodes_.Current();
    const kj::TimePoint began = nodes_.GetTimer().now();
    const absl::Status why = co_await FollowOne(node);
    const bool subscribed = subscription_ != nullptr;
    subscription_ = nullptr;
    // A node that only answers HTTP fails at every attempt: one line, and another now and then.
    const kj::TimePoint now = nodes_.GetTimer().now();
    if (subscribed || !complained_at || now - *complained_at >= kComplainInterval) {
      LogInfo("chain", subscribed ? "head_subscription_ended" : "head_subscription_failed",
              {{"node", nodes_.Link(node).Where().Name()}, {"why", why}});
      complained_at = now;
    }
    nodes_.LeaveNode(node, why);
    const bool lasted = nodes_.GetTimer().now() - began > nodes_.Options().reconnect_max;
    pause = lasted ? nodes_.Options().reconnect_min
                   : std::min(pause * 3 / 2, nodes_.Options().reconnect_max);
    co_await nodes_.GetTimer().afterDelay(pause);
  }
}

async::Task<absl::Status> LotusHeads::FollowOne(std::size_t node) {
  auto subscribed = co_await nodes_.Link(node).Subscribe("Filecoin.ChainNotify");
  if (!subscribed.ok()) co_return subscribed.status();
  subscription_ = *subscribed;
  while (true) {
    kj::Promise<absl::StatusOr<std::string>> next = NextValue(**subscribed);
    const absl::StatusOr<std::string> value = co_await kj::mv(next);
    if (!value.ok()) co_return value.status();
    auto changes = FromLotusJson<std::vector<HeadChange>>(*value);
    if (!changes.ok()) co_return Annotate(changes.status(), "unreadable head change");
    missed_ = 0;
    Take(*std::move(changes));
  }
}

kj::Promise<absl::StatusOr<std::string>> LotusHeads::NextValue(
    NodeLink::Subscription& subscription) {
  return WithDeadline<std::string>(nodes_.GetTimer(), silence_,
                                   absl::UnavailableError("the subscription fell silent"),
                                   subscription.Next());
}

async::Task<void> LotusHeads::Poll() {
  while (true) {
    co_await nodes_.GetTimer().afterDelay(poll_interval_);
    if (nodes_.GetTimer().now() - last_told_ < poll_interval_) continue;
    const auto raw = co_await nodes_.Call("Filecoin.ChainHead", "[]", CallKind::kRead);
    if (!raw.ok()) continue;  // Follow says what is wrong
    auto head = FromLotusJson<filecoin::TipSet>(*raw);
    if (!head.ok() || head->Key() == last_key_) continue;
    Deliver(Current(*std::move(head)));
    // The push may be on its way; twice in a row it is not.
    if (++missed_ >= 2 && subscription_ != nullptr) {
      subscription_->End(absl::UnavailableError("the head moved, the subscription said nothing"));
      missed_ = 0;
    }
  }
}

void LotusHeads::Take(std::vector<HeadChange> changes) {
  if (changes.empty()) return;
  const HeadChange& last = changes.back();
  if (last.kind != HeadChangeKind::kRevert) {
    if (last.tip_set.Key() == last_key_) return;  // polling was faster, or the same after a gap
    if (last.kind == HeadChangeKind::kApply && !Connects(changes)) {
      changes = Current(last.tip_set);
    }
  }
  Deliver(std::move(changes));
}

bool LotusHeads::Connects(const std::vector<HeadChange>& changes) const {
  filecoin::TipSetKey at = last_key_;
  for (const HeadChange& change : changes) {
    switch (change.kind) {
      case HeadChangeKind::kRevert:
        if (change.tip_set.Key() != at) return false;
        at = change.tip_set.Parents();
        break;
      case HeadChangeKind::kApply:
        if (change.tip_set.Parents() != at) return false;
        at = change.tip_set.Key();
        break;
      case HeadChangeKind::kCurrent:
        at = change.tip_set.Key();
        break;
    }
  }
  return true;
}

void LotusHeads::Deliver(std::vector<HeadChange> changes) {
  const HeadChange& last = changes.back();
  last_head_ = last.tip_set;
  last_key_ = last.kind == HeadChangeKind::kRevert ? last.tip_set.Parents() : last.tip_set.Key();
  last_told_ = nodes_.GetTimer().now();
  if (waiting_.size() >= kWaitingMax && last.kind != HeadChangeKind::kRevert) {
    LogWarning("chain", "head_changes_dropped", {{"count", waiting_.size()}});
    waiting_.clear();
    changes = Current(last_head_);
  }
  waiting_.push_back(std::move(changes));
  if (sleeper_) {
    (*sleeper_)->fulfill();
    sleeper_.reset();
  }
}

}  // namespace damocles::chain::internal
