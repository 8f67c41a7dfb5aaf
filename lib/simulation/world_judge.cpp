// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What must hold of a world, whatever happened in it.

#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"
#include "damocles/simulation/world.h"

namespace damocles::simulation {

using filecoin::ChainEpoch;
using filecoin::EpochDelta;

int World::Missed(filecoin::ActorId miner, ChainEpoch from) const {
  int missed = 0;
  for (const devnet::DeadlineOutcome& outcome : chain_->DeadlineOutcomes()) {
    if (outcome.miner != miner || outcome.epoch < from) continue;
    for (const devnet::PartitionEnd& partition : outcome.end.partitions) {
      missed += partition.must_be_posted && !partition.posted ? 1 : 0;
    }
  }
  return missed;
}

std::string World::Problems(ChainEpoch from,
                            const std::set<filecoin::SectorNumber>& may_be_skipped) const {
  return Problems(from, [&](filecoin::SectorNumber sector, const devnet::ExecutedPost&) {
    return may_be_skipped.contains(sector);
  });
}

std::string World::Problems(ChainEpoch from, const MaySkip& may_skip) const {
  std::string out;
  const auto say = [&](std::string line) { out += line + "\n"; };
  const filecoin::PeriodShape& shape = options_.config.policy.period;
  using Partition = std::tuple<filecoin::ActorId, std::int64_t, std::uint64_t, std::uint64_t>;
  std::set<Partition> judged;
  for (const devnet::DeadlineOutcome& outcome : chain_->DeadlineOutcomes()) {
    const filecoin::DeadlineInfo deadline = filecoin::MakeDeadlineInfo(
        shape, outcome.end.period_start, outcome.end.deadline, outcome.epoch);
    if (deadline.open < from) continue;
    for (const devnet::PartitionEnd& partition : outcome.end.partitions) {
      judged.insert({outcome.miner, outcome.end.period_start.Value(), outcome.end.deadline,
                     partition.partition});
      if (partition.must_be_posted && !partition.posted) {
        say(absl::StrFormat("f0%d deadline %d partition %d open %d: missed", outcome.miner,
                            outcome.end.deadline, partition.partition, deadline.open.Value()));
      }
    }
  }
  if (judged.empty()) say("no deadline was judged");
  std::set<Partition> posted;
  for (const devnet::ExecutedPost& post : chain_->ExecutedPosts()) {
    if (post.exit_code != 0) {
      if (may_fail && may_fail(post)) continue;
      say(absl::StrFormat("f0%d: message at epoch %d failed with %d: %s", post.miner,
                          post.epoch.Value(), post.exit_code, post.error));
      continue;
    }
    for (const devnet::AcceptedPost::Part& part : post.post->partitions) {
      const Partition key{post.miner, post.post->period_start.Value(), post.post->deadline,
                          part.partition};
      if (!posted.insert(key).second) say("a partition was posted twice");
      for (const std::uint64_t sector : part.skipped) {
        if (!may_skip(sector, post)) {
          say(absl::StrFormat("sector %d was skipped for no reason at epoch %d", sector,
                              post.epoch.Value()));
        }
      }
    }
  }
  for (const poster::DeadlineRecord& record : Records()) {
    if (record.deadline.open < from) continue;
    const EpochDelta grace =
        EpochDelta(2 * static_cast<std::int64_t>(options_.config.confirmation_depth)) +
        EpochDelta(6);
    const bool over = Head() >= record.deadline.close + grace;
    if (record.state == poster::DeadlineState::kMissed ||
        (over && record.state != poster::DeadlineState::kConfirmed)) {
      say(absl::StrFormat("record of f0%d open %d: %s: %s", record.miner,
                          record.deadline.open.Value(), std::string(Name(record.state)),
                          record.reason));
    }
  }
  return out;
}

}  // namespace damocles::simulation
