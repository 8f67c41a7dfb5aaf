// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "lib/chain/lotus_nodes.h"

#include "damocles/async/event.h"
#include "damocles/chain/api.h"

namespace damocles::chain::internal {

// Follows the head through lost connections, silent nodes and changes of the node: subscribes again
// and again, and asks for the head while the subscription is quiet.
class LotusHeads final : public HeadSubscription {
 public:
  // Changes not yet taken; beyond it they are replaced by the head alone.
  static constexpr std::size_t kWaitingMax = 256;

  // `head` is the first change; lengths by `block_delay` unless the options state them.
  LotusHeads(LotusNodes& nodes, filecoin::TipSet head, kj::Duration block_delay);
  LotusHeads(const LotusHeads&) = delete;
  LotusHeads& operator=(const LotusHeads&) = delete;
  ~LotusHeads() noexcept override {}  // NOLINT(modernize-use-equals-default)

  async::Task<absl::StatusOr<std::vector<HeadChange>>> Next() override;

 private:
  // Nobody awaits it: what `run` throws is said, and it begins anew.
  async::Task<void> Always(async::Task<void> (LotusHeads::*run)());
  async::Task<void> Follow();
  // Until the subscription ends; returns why.
  async::Task<absl::Status> FollowOne(std::size_t node);
  // Whether a node that gave no subscription says its head when asked.
  async::Task<bool> Answers(std::size_t node);
  // The head of that node is followed by asking, or by subscription again.  Said when it changes.
  void NotePolling(std::size_t node, const absl::Status& why);
  void NoteSubscribed(std::size_t node);
  kj::Promise<absl::StatusOr<std::string>> NextValue(NodeLink::Subscription& subscription);
  async::Task<void> Poll();

  void Take(std::vector<HeadChange> changes);
  void Deliver(std::vector<HeadChange> changes);
  // The changes lead from the last head on without a gap.
  bool Connects(const std::vector<HeadChange>& changes) const;

  LotusNodes& nodes_;
  kj::Duration silence_;
  kj::Duration poll_interval_;

  std::deque<std::vector<HeadChange>> waiting_;
  async::Event news_;
  filecoin::TipSetKey last_key_;  // of the head that was told last
  filecoin::TipSet last_head_;
  kj::TimePoint last_told_;
  unsigned missed_ = 0;  // heads that polling saw first, since the last push
  std::shared_ptr<NodeLink::Subscription> subscription_;
  std::optional<std::size_t> polled_;  // the node whose head is asked for

  std::optional<async::Task<void>> following_;
  std::optional<async::Task<void>> polling_;
};

}  // namespace damocles::chain::internal
