// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/devnet/actor.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "lib/devnet/actor_internal.h"

#include "damocles/base/check.h"

namespace damocles::devnet {

using filecoin::BitField;
using filecoin::ChainEpoch;
using filecoin::DeadlineInfo;
using filecoin::EpochDelta;
using filecoin::TokenAmount;

FeeSchedule NominalFees() {
  constexpr std::int64_t kMilliFil = 1'000'000'000'000'000;
  return {.continued_fault = 10 * kMilliFil,
          .daily = kMilliFil / 1000,
          .termination = 100 * kMilliFil,
          .invalid_post = 20 * kMilliFil,
          .dispute_penalty = filecoin::Fil(20)};
}

std::uint64_t DeadlineRecord::LiveSectors() const {
  std::uint64_t count = 0;
  for (const PartitionRecord& partition : partitions) {
    count += partition.sectors.Count() - partition.terminated.Count();
  }
  return count;
}

std::uint64_t DeadlineRecord::TotalSectors() const {
  std::uint64_t count = 0;
  for (const PartitionRecord& partition : partitions) count += partition.sectors.Count();
  return count;
}

std::uint64_t DeadlineRecord::FaultySectors() const {
  std::uint64_t count = 0;
  for (const PartitionRecord& partition : partitions) count += partition.faults.Count();
  return count;
}

bool DeadlineRecord::IsLive() const {
  return LiveSectors() > 0 || !posted.Empty() || !proofs.empty() || !proofs_snapshot.empty() ||
         partitions != partitions_snapshot;
}

std::uint64_t MinerState::LiveSectors() const {
  std::uint64_t count = 0;
  for (const auto& deadline : deadlines) count += deadline->LiveSectors();
  return count;
}

std::uint64_t MinerState::ActiveSectors() const {
  std::uint64_t count = 0;
  for (const auto& deadline : deadlines) {
    for (const PartitionRecord& partition : deadline->partitions) {
      count += partition.Active().Count();
    }
  }
  return count;
}

DeadlineRecord& MinerState::MutableDeadline(std::uint64_t index) {
  auto copy = std::make_shared<DeadlineRecord>(*deadlines[index]);
  DeadlineRecord& mutable_copy = *copy;
  deadlines[index] = std::move(copy);
  return mutable_copy;
}

MinerState MakeMiner(const ActorPolicy& policy, MinerState identity,
                     ChainEpoch proving_period_start, ChainEpoch epoch) {
  MinerState state = std::move(identity);
  state.proving_period_start = proving_period_start;
  state.current_deadline = filecoin::DeadlineAt(policy.period, proving_period_start, epoch).index;
  state.deadlines.assign(policy.period.deadlines, std::make_shared<const DeadlineRecord>());
  return state;
}

// ---------------------------------------------------------------- new sectors

namespace {

void Store(MinerState& state, const std::vector<SectorRecord>& sectors) {
  auto table = std::make_shared<SectorTable>(*state.sectors);
  for (const SectorRecord& sector : sectors) table->insert_or_assign(sector.number, sector);
  state.sectors = std::move(table);
}

absl::Status CheckNew(const MinerState& state, const std::vector<SectorRecord>& sectors) {
  for (const SectorRecord& sector : sectors) {
    if (state.sectors->contains(sector.number)) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "sector %d of miner f0%d is on the chain already", sector.number, state.id));
    }
  }
  return absl::OkStatus();
}

void SortByNumber(std::vector<SectorRecord>& sectors) {
  std::sort(sectors.begin(), sectors.end(),
            [](const SectorRecord& a, const SectorRecord& b) { return a.number < b.number; });
}

void Note(std::vector<Placement>& placed, filecoin::SectorNumber number, std::uint64_t deadline,
          std::uint64_t partition) {
  if (!placed.empty()) {
    Placement& last = placed.back();
    if (last.deadline == deadline && last.partition == partition && last.last + 1 == number) {
      last.last = number;
      return;
    }
  }
  placed.push_back({number, number, deadline, partition});
}

// `sectors` in ascending order and new.
void Fill(const MinerState& state, DeadlineRecord& deadline, std::uint64_t deadline_index,
          const std::vector<SectorRecord>& sectors, std::vector<Placement>& placed) {
  for (const SectorRecord& sector : sectors) {
    if (deadline.partitions.empty() ||
        deadline.partitions.back().sectors.Count() >= state.partition_sectors) {
      deadline.partitions.emplace_back();
    }
    PartitionRecord& partition = deadline.partitions.back();
    partition.sectors.Set(sector.number);
    partition.unproven.Set(sector.number);
    Note(placed, sector.number, deadline_index, deadline.partitions.size() - 1);
  }
}

}  // namespace

absl::StatusOr<std::vector<Placement>> AddSectors(const ActorPolicy& policy, MinerState& state,
                                                  std::uint64_t deadline,
                                                  std::vector<SectorRecord> sectors) {
  if (deadline >= policy.period.deadlines) {
    return absl::InvalidArgumentError(
        absl::StrFormat("deadline %d of %d", deadline, policy.period.deadlines));
  }
  SortByNumber(sectors);
  DAMOCLES_RETURN_IF_ERROR(CheckNew(state, sectors));
  std::vector<Placement> placed;
  Fill(state, state.MutableDeadline(deadline), deadline, sectors, placed);
  Store(state, sectors);
  if (!sectors.empty()) state.cron_active = true;
  return placed;
}

absl::Status AddSectorsToPartition(const ActorPolicy& policy, MinerState& state,
                                   std::uint64_t deadline, std::uint64_t partition,
                                   std::vector<SectorRecord> sectors) {
  if (deadline >= policy.period.deadlines) {
    return absl::InvalidArgumentError(
        absl::StrFormat("deadline %d of %d", deadline, policy.period.deadlines));
  }
  SortByNumber(sectors);
  DAMOCLES_RETURN_IF_ERROR(CheckNew(state, sectors));
  DeadlineRecord& record = state.MutableDeadline(deadline);
  if (partition > record.partitions.size()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "partition %d of deadline %d of miner f0%d: partition %d must have sectors first",
        partition, deadline, state.id, record.partitions.size()));
  }
  if (partition == record.partitions.size()) record.partitions.emplace_back();
  PartitionRecord& target = record.partitions[partition];
  if (target.sectors.Count() + sectors.size() > state.partition_sectors) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "partition %d of deadline %d of miner f0%d: %d sectors, it holds %d", partition, deadline,
        state.id, target.sectors.Count() + sectors.size(), state.partition_sectors));
  }
  for (const SectorRecord& sector : sectors) {
    target.sectors.Set(sector.number);
    target.unproven.Set(sector.number);
  }
  Store(state, sectors);
  if (!sectors.empty()) state.cron_active = true;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Placement>> AssignSectors(const ActorPolicy& policy, MinerState& state,
                                                     ChainEpoch epoch,
                                                     std::vector<SectorRecord> sectors) {
  SortByNumber(sectors);
  DAMOCLES_RETURN_IF_ERROR(CheckNew(state, sectors));
  const ChainEpoch period_start =
      filecoin::PeriodStartAt(policy.period, state.proving_period_start, epoch);
  std::vector<filecoin::DeadlineLoad> loads;
  for (std::uint64_t i = 0; i < policy.period.deadlines; ++i) {
    if (filecoin::DeadlineIsMutable(policy.period, period_start, i, epoch)) {
      loads.push_back({i, state.Deadline(i).LiveSectors(), state.Deadline(i).TotalSectors()});
    }
  }
  if (loads.empty()) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "no deadline of miner f0%d takes sectors at epoch %d", state.id, epoch.Value()));
  }
  DAMOCLES_ASSIGN_OR_RETURN(
      const std::vector<std::uint64_t> chosen,
      filecoin::AssignDeadlines(std::move(loads), state.partition_sectors,
                                policy.partitions_per_deadline_max, sectors.size()));
  std::map<std::uint64_t, std::vector<SectorRecord>> by_deadline;
  for (std::size_t i = 0; i < sectors.size(); ++i) by_deadline[chosen[i]].push_back(sectors[i]);
  std::vector<Placement> placed;
  for (const auto& [index, group] : by_deadline) {
    Fill(state, state.MutableDeadline(index), index, group, placed);
  }
  // By number, with runs that were cut by the order of deadlines joined again.
  std::sort(placed.begin(), placed.end(),
            [](const Placement& a, const Placement& b) { return a.first < b.first; });
  Store(state, sectors);
  return placed;
}

// ---------------------------------------------------------------- messages

namespace internal {

bool Execution::CallerControlsMiner() const {
  return call.from == state.owner || call.from == state.worker ||
         std::find(state.control.begin(), state.control.end(), call.from) != state.control.end();
}

ChainEpoch Execution::PeriodStart() const {
  return filecoin::PeriodStartAt(policy.period, state.proving_period_start, call.epoch);
}

PartitionContext Execution::Context(const DeadlineInfo& deadline) const {
  return {*state.sectors, deadline};
}

Bytes32 Execution::Draw(RandomnessSource source, filecoin::DomainTag tag, ChainEpoch epoch,
                        Bytes entropy) {
  const Bytes32 value = host.DrawRandomness(source, tag, epoch, entropy);
  result.randomness.push_back({source, tag, epoch, std::move(entropy), value});
  return value;
}

void ChargeFee(MinerState& state, const TokenAmount& fee) {
  state.fee_debt += fee;
  const TokenAmount paid = std::min(state.balance, state.fee_debt);
  state.balance -= paid;
  state.fee_debt -= paid;
}

void Execution::Charge(const TokenAmount& fee) {
  ChargeFee(state, fee);
}

std::vector<ProvenSector> WithCommitments(const MinerState& state, const BitField& sectors) {
  std::vector<ProvenSector> list;
  for (const std::uint64_t number : sectors) {
    const auto found = state.sectors->find(number);
    list.push_back({number, found == state.sectors->end() ? Bytes32{} : found->second.comm_r});
  }
  return list;
}

absl::StatusOr<bool> Execution::Verify(ChainEpoch challenge, const BitField& sectors,
                                       const BitField& ignored, filecoin::PoStProofType proof_type,
                                       ByteSpan proof) {
  Verification verification;
  verification.randomness =
      Draw(RandomnessSource::kBeacon, filecoin::DomainTag::kWindowedPoStChallengeSeed, challenge,
           filecoin::MinerEntropy(state.id));
  const BitField good = Difference(sectors, ignored);
  if (!good.Empty()) {  // else there is nobody to stand in, and nothing to prove
    for (const std::uint64_t sector : sectors) {
      verification.sectors.push_back(good.Contains(sector) ? sector : *good.First());
    }
  }
  verification.proof_type = proof_type;
  verification.proof.assign(proof.begin(), proof.end());
  const PostStatement statement{.proof_type = proof_type,
                                .miner = state.id,
                                .randomness = filecoin::MaskForProver(verification.randomness),
                                .sectors = WithCommitments(state, good)};
  absl::StatusOr<bool> valid = host.VerifyPost(statement, proof);
  verification.answer = valid.ok() && *valid;
  result.verification = std::move(verification);
  return valid;
}

Refusal BadParameters(const absl::Status& why) {
  return {kExitSerialization,
          "Serialization error for Cbor protocol: " + std::string(why.message())};
}

}  // namespace internal

CallResult CallMiner(const ActorPolicy& policy, VerifyMode mode, const MinerCall& call,
                     ActorHost& host, MinerState& state) {
  CallResult result;
  MinerState next = state;
  internal::Execution run{policy, mode, call, host, next, result};
  internal::Refusal refusal;
  switch (call.method) {
    case filecoin::kMethodSend:
      break;
    case filecoin::kMethodSubmitWindowedPoSt:
      refusal = internal::SubmitWindowedPoSt(run);
      break;
    case filecoin::kMethodTerminateSectors:
      refusal = internal::TerminateSectors(run);
      break;
    case filecoin::kMethodDeclareFaults:
      refusal = internal::DeclareFaults(run);
      break;
    case filecoin::kMethodDeclareFaultsRecovered:
      refusal = internal::DeclareFaultsRecovered(run);
      break;
    case filecoin::kMethodDisputeWindowedPoSt:
      refusal = internal::DisputeWindowedPoSt(run);
      break;
    default:
      refusal = {kExitUnhandledMessage,
                 absl::StrFormat("method %d is not modelled by this chain", call.method)};
  }
  if (refusal.Happened()) {
    result.exit_code = refusal.exit_code;
    result.error = std::move(refusal.text);
    result.post.reset();
    return result;
  }
  state = std::move(next);
  return result;
}

// ---------------------------------------------------------------- cron

std::optional<CronResult> RunCron(const ActorPolicy& policy, ChainEpoch epoch, MinerState& state) {
  if (!state.cron_active) return std::nullopt;
  const DeadlineInfo deadline =
      filecoin::DeadlineAt(policy.period, state.proving_period_start, epoch);
  if (epoch != deadline.Last() || deadline.index >= policy.period.deadlines) return std::nullopt;

  CronResult result{
      .period_start = deadline.period_start, .deadline = deadline.index, .partitions = {}};
  state.current_deadline = (deadline.index + 1) % policy.period.deadlines;
  if (state.current_deadline == 0) state.proving_period_start = deadline.NextPeriodStart();

  const DeadlineRecord& before = state.Deadline(deadline.index);
  const std::uint64_t faulty_before = before.FaultySectors();
  if (before.IsLive()) {
    const bool has_sectors = before.LiveSectors() > 0;
    DeadlineRecord& record = state.MutableDeadline(deadline.index);
    const internal::PartitionContext context{*state.sectors, deadline};
    const ChainEpoch fault_expiration = deadline.Last() + policy.fault_max_age;
    for (std::uint64_t i = 0; i < record.partitions.size(); ++i) {
      PartitionRecord& partition = record.partitions[i];
      const bool posted = record.posted.Contains(i);
      if (has_sectors) {
        result.partitions.push_back(
            {i, partition.MustBePosted(), posted, partition.Live().Count()});
      }
      if (!posted && partition.MustBePosted()) {
        internal::MarkMissed(context, partition, fault_expiration);
      }
    }
    record.posted = BitField();
    record.proofs_snapshot.clear();
    for (std::uint64_t i = 0; i < record.proofs.size(); ++i) {
      record.proofs_snapshot.emplace(i, std::move(record.proofs[i]));
    }
    record.proofs.clear();
    record.partitions_snapshot = record.partitions;

    std::uint64_t terminated = 0;
    for (PartitionRecord& partition : record.partitions) {
      const internal::Expired expired = internal::PopExpired(context, partition, deadline.Last());
      terminated += expired.early.Count();
    }
    internal::ChargeFee(
        state, policy.fees.daily * record.LiveSectors() + policy.fees.termination * terminated);
  }
  internal::ChargeFee(state, policy.fees.continued_fault * faulty_before);
  // The cron goes on without sectors: the deposit of the miner's creation, still locked, keeps it
  // awake on the network too (for 180 days; here for good).
  return result;
}

}  // namespace damocles::devnet
