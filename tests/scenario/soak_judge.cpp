// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "tests/scenario/soak_judge.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"
#include "damocles/base/invariant.h"

namespace damocles::simulation {
namespace {

using filecoin::ChainEpoch;
using filecoin::EpochDelta;
using filecoin::SectorNumber;

// Rows of the manager's store, jobs of a partition in each period and memory of a life: far above
// what any of them needs, far below what grows with every block.
constexpr std::size_t kRowsMax = 4000;
constexpr std::size_t kJobsMax = 6;
constexpr std::uint64_t kMemoryMaxKb = 600'000;

}  // namespace

SoakJudge::SoakJudge(World& world, const Cluster& cluster, WasBad was_bad)
    : world_(world),
      cluster_(cluster),
      was_bad_(std::move(was_bad)),
      shape_(cluster.options.config.policy.period),
      window_(shape_.challenge_window.Count()),
      first_(ChainEpoch(0) + cluster.options.config.first_open) {}

void SoakJudge::AfterBlock(ChainEpoch head) {
  const ChainEpoch before = std::exchange(head_, head);
  JudgeDeclarations(before, head);
  NoteFees();
  if (world_.ManagerRuns()) jobs_ = std::max(jobs_, world_.Jobs());
}

std::string SoakJudge::AtTheEnd() {
  JudgeTimes();
  JudgeFees();
  JudgeBounds();
  return problems_;
}

// When declarations for a window close, what is faulty in it and was readable since three windows
// (recoveries are declared while the second window before it is open) is declared.
void SoakJudge::JudgeDeclarations(ChainEpoch before, ChainEpoch head) {
  for (const devnet::GenesisMiner& genesis : cluster_.options.miners) {
    const absl::StatusOr<devnet::MinerState> miner = world_.chain().MinerAfterHead(genesis.id);
    DAMOCLES_CHECK(miner.ok());
    for (std::uint64_t index = 0; index < shape_.deadlines; ++index) {
      const filecoin::DeadlineInfo deadline = filecoin::NextNotElapsed(
          filecoin::MakeDeadlineInfo(shape_, miner->proving_period_start, index, head));
      const ChainEpoch cutoff = deadline.open - shape_.fault_declaration_cutoff;
      if (before >= cutoff || head < cutoff || head < first_ + shape_.proving_period) continue;
      for (const devnet::PartitionRecord& partition : miner->Deadline(index).partitions) {
        const auto undeclared = Difference(partition.faults, partition.recoveries).ToVector(1000);
        DAMOCLES_CHECK(undeclared.ok());
        for (const SectorNumber sector : *undeclared) {
          if (was_bad_(sector, head - EpochDelta(4 * window_), head)) continue;
          Say(absl::StrFormat("sector %d is readable but was not declared for the window at %d",
                              sector, deadline.open.Value()));
        }
      }
    }
  }
}

// Every proof is on the chain some epochs before the close: on the main network five of sixty.
// Shorter windows have none to spare: a message needs as many as there.
void SoakJudge::JudgeTimes() {
  if (window_ < 60) return;
  const EpochDelta margin(window_ / 12);
  for (const devnet::ExecutedPost& post : world_.chain().ExecutedPosts()) {
    if (post.exit_code != 0) continue;
    const filecoin::DeadlineInfo deadline = filecoin::MakeDeadlineInfo(
        shape_, post.post->period_start, post.post->deadline, post.epoch);
    if (deadline.open < first_ || post.epoch < deadline.close - margin) continue;
    Say(absl::StrFormat("f0%d deadline %d open %d: posted only at %d", post.miner, deadline.index,
                        deadline.open.Value(), post.epoch.Value()));
  }
}

// Fees by the actor's rules: the daily fee of live sectors, and the continued fault of those that
// were faulty before the deadline's end.
void SoakJudge::NoteFees() {
  for (const devnet::GenesisMiner& genesis : cluster_.options.miners) {
    const absl::StatusOr<devnet::MinerState> miner = world_.chain().MinerAfterHead(genesis.id);
    DAMOCLES_CHECK(miner.ok());
    paid_at_[genesis.id][head_] = miner->fee_debt - miner->balance;
  }
}
// As the chain has it that is there at the end: what was seen on the way may be of a branch that
// a reorg took away.
std::uint64_t SoakJudge::FaultyBefore(const devnet::DeadlineOutcome& outcome) {
  const devnet::Chain& chain = world_.chain();
  const auto next = chain.ChainGetTipSetAfterHeight(outcome.epoch, chain.ChainHead().Key());
  DAMOCLES_CHECK(next.ok());
  const auto partitions = chain.StateMinerPartitions(filecoin::Address::FromId(outcome.miner),
                                                     outcome.end.deadline, next->Key());
  DAMOCLES_CHECK(partitions.ok());
  std::uint64_t faulty = 0;
  for (const chain::Partition& partition : *partitions) {
    faulty += partition.faulty_sectors.Count();
  }
  return faulty;
}
void SoakJudge::JudgeFees() {
  const devnet::FeeSchedule& fees = cluster_.options.config.policy.fees;
  std::map<filecoin::ActorId, filecoin::TokenAmount> owed;
  // From the last block that was seen by then on; there may be none at the very epoch.
  const auto& seen = paid_at_.begin()->second;
  const auto later = seen.upper_bound(first_);
  if (later == seen.begin()) return;
  const ChainEpoch from = std::prev(later)->first;
  for (const devnet::DeadlineOutcome& outcome : world_.chain().DeadlineOutcomes()) {
    if (outcome.epoch <= from || outcome.epoch > head_) continue;
    std::uint64_t live = 0;
    for (const devnet::PartitionEnd& partition : outcome.end.partitions) live += partition.live;
    owed[outcome.miner] += fees.daily * live + fees.continued_fault * FaultyBefore(outcome);
  }
  // What a message of the very last epoch skips is faulty before the end, and no state shows it.
  std::set<filecoin::ActorId> unclear;
  for (const devnet::ExecutedPost& post : world_.chain().ExecutedPosts()) {
    const filecoin::DeadlineInfo deadline = filecoin::MakeDeadlineInfo(
        shape_, post.post->period_start, post.post->deadline, post.epoch);
    if (post.epoch + EpochDelta(1) >= deadline.close) unclear.insert(post.miner);
  }
  for (const auto& [miner, paid] : paid_at_) {
    if (unclear.contains(miner)) continue;
    const filecoin::TokenAmount sum = paid.rbegin()->second - paid.at(from);
    if (sum != owed[miner]) {
      Say(absl::StrFormat("f0%d paid %s of fees, the actor's rules say %s", miner, sum.ToString(),
                          owed[miner].ToString()));
    }
  }
}

void SoakJudge::JudgeBounds() {
  const auto rows = store::List(world_.disk(), "");
  DAMOCLES_CHECK(rows.ok());
  // The jobs of all periods are kept.
  if (jobs_ > kJobsMax * (kSoakPeriods + 1) * cluster_.partitions) {
    Say(absl::StrFormat("%d jobs of %d partitions", jobs_, cluster_.partitions));
  }
  if (rows->size() > kRowsMax) Say(absl::StrFormat("%d rows in the store", rows->size()));
  if (InvariantViolations() > 0) Say("invariants were violated, see the log");
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::uint64_t number = 0;
    if (word == "VmHWM:" && status >> number && number > kMemoryMaxKb) {
      Say(absl::StrFormat("%d kB of memory", number));
    }
    if (word == "Threads:" && status >> number && number != 1) {
      Say(absl::StrFormat("%d threads", number));
    }
  }
}

}  // namespace damocles::simulation
