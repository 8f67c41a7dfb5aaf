// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/chain/lotus_heads.h"

#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "damocles/async/duration.h"
#include "damocles/async/failure.h"
#include "damocles/async/timeout.h"
#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/chain/methods.h"

namespace damocles::chain::internal {
namespace {

// Polling while a subscription is quiet: about once an epoch, but neither busy nor late.
constexpr kj::Duration kPollMin = 1 * kj::SECONDS;
constexpr kj::Duration kPollMax = 15 * kj::SECONDS;
// A subscription is asked for again, while polling does, after so many longest pauses at most.
constexpr int kRetryFactorMax = 12;

std::vector<HeadChange> Current(filecoin::TipSet head) {
  std::vector<HeadChange> changes(1);
  changes[0].kind = HeadChangeKind::kCurrent;
  changes[0].tip_set = std::move(head);
  return changes;
}

}  // namespace

LotusHeads::LotusHeads(LotusNodes& nodes, filecoin::TipSet head, kj::Duration block_delay)
    : nodes_(nodes),
      silence_(async::ToKj(nodes.Options().silence)),
      poll_interval_(async::ToKj(nodes.Options().poll_interval)),
      last_told_(nodes.GetTimer().now()) {
  if (silence_ == 0 * kj::SECONDS) silence_ = 3 * block_delay + 5 * kj::SECONDS;
  if (poll_interval_ == 0 * kj::SECONDS) {
    poll_interval_ = std::clamp(block_delay, kPollMin, kPollMax);
  }
  Deliver(Current(std::move(head)));
  nodes.WatchHeads(block_delay);
  if (nodes.Options().use_websocket) following_.emplace(Always(&LotusHeads::Follow));
  polling_.emplace(Always(&LotusHeads::Poll));
}

async::Task<absl::StatusOr<std::vector<HeadChange>>> LotusHeads::Next() {
  while (waiting_.empty()) {
    co_await news_.Next();
  }
  std::vector<HeadChange> changes = std::move(waiting_.front());
  waiting_.pop_front();
  co_return changes;
}

async::Task<void> LotusHeads::Always(async::Task<void> (LotusHeads::*run)()) {
  while (true) {
    std::string failed;
    try {
      auto running = (this->*run)();
      co_await kj::mv(running);
    } catch (const kj::Exception& error) {
      failed = async::Plainly(error);
    }
    co_await nodes_.GetTimer().afterDelay(async::ToKj(nodes_.Options().reconnect_max));
    try {
      LogWarning("chain", "head_not_followed", {{"why", failed}, {"then", "it is followed anew"}});
    } catch (const std::exception& /*the log itself: there is nowhere to say it*/) {
      continue;
    }
  }
}

async::Task<void> LotusHeads::Follow() {
  const LotusOptions& options = nodes_.Options();
  const kj::Duration least = async::ToKj(options.reconnect_min);
  const kj::Duration most = async::ToKj(options.reconnect_max);
  kj::Duration pause = least;
  kj::Duration retry = most;
  std::size_t without = 0;  // nodes in a row that gave no subscription
  subscription_ = nullptr;
  while (true) {
    const std::size_t node = nodes_.Current();
    const kj::TimePoint began = nodes_.GetTimer().now();
    const absl::Status why = co_await FollowOne(node);
    const bool subscribed = subscription_ != nullptr;
    subscription_ = nullptr;
    bool answers = false;
    if (subscribed) {
      LogInfo("chain", "head_subscription_ended",
              {{"node", nodes_.Link(node).Where().Name()}, {"why", why}});
      without = 0;
      retry = most;
    } else if (++without >= nodes_.Count()) {
      answers = co_await Answers(node);
    }
    if (answers) {
      // No node has a WebSocket to give: this one is asked for its head, and for a subscription
      // only now and then.
      nodes_.NodeServes(node);
      NotePolling(node, why);
      co_await nodes_.GetTimer().afterDelay(retry);
      retry = std::min(retry * 2, kRetryFactorMax * most);
      continue;
    }
    nodes_.LeaveNode(node, why);
    const bool lasted = nodes_.GetTimer().now() - began > most;
    pause = lasted ? least : std::min(pause * 3 / 2, most);
    co_await nodes_.GetTimer().afterDelay(pause);
  }
}

async::Task<bool> LotusHeads::Answers(std::size_t node) {
  const LinkAnswer answer = co_await nodes_.Link(node).Call(
      "Filecoin.ChainHead", "[]", async::ToKj(nodes_.Options().connect_timeout));
  co_return answer.fate == LinkAnswer::Fate::kAnswered&& answer.result.ok();
}

void LotusHeads::NotePolling(std::size_t node, const absl::Status& why) {
  if (polled_ == node) return;
  polled_ = node;
  LogWarning("chain", "head_polled",
             {{"node", nodes_.Link(node).Where().Name()},
              {"every_s", (poll_interval_ + 999 * kj::MILLISECONDS) / kj::SECONDS},
              {"why", why},
              {"effect", "new heads are seen a little later; nothing else is different"}});
}

void LotusHeads::NoteSubscribed(std::size_t node) {
  nodes_.NodeServes(node);
  if (!polled_) return;
  polled_.reset();
  LogInfo("chain", "head_subscribed", {{"node", nodes_.Link(node).Where().Name()}});
}

async::Task<absl::Status> LotusHeads::FollowOne(std::size_t node) {
  auto subscribed = co_await nodes_.Link(node).Subscribe("Filecoin.ChainNotify");
  if (!subscribed.ok()) co_return subscribed.status();
  subscription_ = *subscribed;
  bool heard = false;
  while (true) {
    // One node for the heads and for the questions about them.
    kj::Promise<absl::StatusOr<std::string>> next =
        NextValue(**subscribed)
            .exclusiveJoin(nodes_.Left(node).then([]() -> absl::StatusOr<std::string> {
              return absl::UnavailableError("another node is used");
            }));
    const absl::StatusOr<std::string> value = co_await kj::mv(next);
    if (!value.ok()) co_return value.status();
    auto changes = ReadAnswer<std::vector<HeadChange>>(*value);
    if (!changes.ok()) co_return Annotate(changes.status(), "unreadable head change");
    if (!heard) NoteSubscribed(node);
    heard = true;
    missed_ = 0;
    Take(*std::move(changes));
  }
}

kj::Promise<absl::StatusOr<std::string>> LotusHeads::NextValue(
    NodeLink::Subscription& subscription) {
  return async::Within(nodes_.GetTimer(), silence_, subscription.Next(),
                       absl::UnavailableError("the subscription fell silent"));
}

async::Task<void> LotusHeads::Poll() {
  while (true) {
    co_await nodes_.GetTimer().afterDelay(poll_interval_);
    if (nodes_.GetTimer().now() - last_told_ < poll_interval_) continue;
    const auto head = std::make_shared<filecoin::TipSet>();
    AnswerReader read = [head](std::string_view raw) -> absl::Status {
      DAMOCLES_ASSIGN_OR_RETURN(*head, ReadAnswer<filecoin::TipSet>(raw));
      return absl::OkStatus();
    };
    auto asking = nodes_.Call(kMethod<&ChainReader::ChainHead>, "[]", std::move(read));
    const absl::Status answered = co_await kj::mv(asking);
    if (!answered.ok()) continue;  // Follow says what is wrong
    if (head->Key() == last_key_) continue;
    Deliver(Current(std::move(*head)));
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
  if (last.kind != HeadChangeKind::kRevert) nodes_.Saw(last_head_);
  if (waiting_.size() >= kWaitingMax && last.kind != HeadChangeKind::kRevert) {
    LogWarning("chain", "head_changes_dropped", {{"count", waiting_.size()}});
    waiting_.clear();
    changes = Current(last_head_);
  }
  waiting_.push_back(std::move(changes));
  news_.Fire();
}

}  // namespace damocles::chain::internal
