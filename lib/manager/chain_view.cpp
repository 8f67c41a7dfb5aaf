// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/manager/chain_view.h"

#include <map>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/manager/json_text.h"

#include "damocles/base/status.h"
#include "damocles/filecoin/address.h"
#include "damocles/manager/view.h"
#include "damocles/poster/recovery.h"

namespace damocles::manager {
namespace {

using chain::ChainReader;
using filecoin::ChainEpoch;
using nlohmann::json;
using Partitions = std::vector<chain::Partition>;

// Numbers of one set that are listed at most; a partition has 2349.
constexpr std::uint64_t kNumbersMax = 100'000;

void Add(const Partitions& partitions, bool empty_too, SectorCounts& counts) {
  for (const chain::Partition& partition : partitions) {
    if (empty_too || !partition.live_sectors.Empty()) ++counts.partitions;
    counts.all += partition.all_sectors.Count();
    counts.live += partition.live_sectors.Count();
    counts.faulty += partition.faulty_sectors.Count();
    counts.recovering += partition.recovering_sectors.Count();
  }
}

async::Task<absl::StatusOr<Partitions>> PartitionsOf(ChainReader& reader, MinerView at,
                                                     std::uint64_t index) {
  co_return co_await reader.StateMinerPartitions(filecoin::Address::FromId(at.miner), index,
                                                 at.head);
}

absl::StatusOr<SectorSet> SetOf(std::string_view name, const filecoin::BitField& set,
                                SetDetails details) {
  SectorSet out{.name = name, .count = set.Count()};
  if (details.numbers) {
    DAMOCLES_ASSIGN_OR_RETURN(out.numbers, set.ToVector(kNumbersMax));
  }
  if (details.encoded) {
    out.encoded = SectorSet::Encoded{.runs = set.Ranges().size(), .bytes = set.ToRle().size()};
  }
  return out;
}

absl::StatusOr<PartitionView> PartitionOf(const chain::Partition& partition, bool proven,
                                          SetDetails details) {
  PartitionView out{.proven = proven, .sets = {}};
  const std::pair<std::string_view, const filecoin::BitField*> sets[] = {
      {"all", &partition.all_sectors},
      {"live", &partition.live_sectors},
      {"active", &partition.active_sectors},
      {"faulty", &partition.faulty_sectors},
      {"recovering", &partition.recovering_sectors}};
  for (const auto& [name, set] : sets) {
    DAMOCLES_ASSIGN_OR_RETURN(SectorSet detailed, SetOf(name, *set, details));
    out.sets.push_back(std::move(detailed));
  }
  return out;
}

// When the poster begins to look whether sectors of the deadline can be declared recovered.
ChainEpoch LookedAtFrom(const MinerView& at, std::uint64_t index) {
  const filecoin::EpochDelta ahead = poster::RecoveryTarget(at.now).open - at.now.open;
  ChainEpoch from = at.Next(index).open - ahead;
  // Its look may be over already: then the one before the window after it.
  if (from + at.now.shape.challenge_window <= at.now.open) {
    from = from + at.now.shape.proving_period;
  }
  return from;
}

// Of a sector that is not declared.
void Explain(const rpc::RecoverySummary* latest, FaultRow& row) {
  row.why = "not looked at yet";
  if (latest == nullptr) return;
  for (const rpc::FaultySector& known : latest->sectors) {
    if (known.number != row.sector) continue;
    row.why = known.why;
    row.message = known.message_cid;
    return;
  }
  if (latest->state == "TooLate") {
    row.why = absl::StrFormat("the cut-off passed: %s", latest->note);
  }
}

json SetJson(const SectorSet& set) {
  json out = {{"count", set.count}};
  if (set.numbers) out["numbers"] = *set.numbers;
  if (set.encoded) {
    out["runs"] = set.encoded->runs;
    out["encoded_bytes"] = set.encoded->bytes;
  }
  return out;
}

}  // namespace

filecoin::DeadlineInfo MinerView::Next(std::uint64_t index) const {
  return filecoin::NextNotElapsed(
      filecoin::MakeDeadlineInfo(now.shape, now.period_start, index, now.current_epoch));
}

std::string MinerView::Describe(ChainEpoch at) const {
  const std::int64_t ahead = (at - now.current_epoch).Count();
  if (ahead == 0) return absl::StrFormat("%d (now)", at.Value());
  const std::int64_t distance = ahead < 0 ? -ahead : ahead;
  const std::string time = FormatElapsed(epoch * distance);
  return ahead > 0 ? absl::StrFormat("%d (in %d epochs, %s)", at.Value(), distance, time)
                   : absl::StrFormat("%d (%d epochs, %s ago)", at.Value(), distance, time);
}

std::int64_t ProvingView::PeriodBoundary() const {
  return at.now.period_start.Value() % at.now.shape.proving_period.Count();
}

double ProvingView::FaultsPercent() const {
  if (total.live == 0) return 0;
  return 100.0 * static_cast<double>(total.faulty) / static_cast<double>(total.live);
}

async::Task<absl::StatusOr<MinerView>> ViewMiner(ChainReader& reader, filecoin::ActorId miner) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const filecoin::TipSet head, co_await reader.ChainHead());
  DAMOCLES_CO_ASSIGN_OR_RETURN(
      const filecoin::DeadlineInfo recorded,
      co_await reader.StateMinerProvingDeadline(filecoin::Address::FromId(miner), head.Key()));
  DAMOCLES_CO_ASSIGN_OR_RETURN(const chain::NodeVersion version, co_await reader.Version());
  MinerView view;
  view.miner = miner;
  view.head = head.Key();
  view.head_at = absl::FromUnixSeconds(static_cast<std::int64_t>(head.Blocks().front().timestamp));
  view.epoch = absl::Seconds(static_cast<std::int64_t>(version.block_delay_secs));
  view.now = filecoin::DeadlineAt(recorded.shape, recorded.period_start, recorded.current_epoch);
  co_return view;
}

async::Task<absl::StatusOr<ProvingView>> ViewProving(ChainReader& reader, filecoin::ActorId miner) {
  ProvingView view;
  DAMOCLES_CO_ASSIGN_OR_RETURN(view.at, co_await ViewMiner(reader, miner));
  for (std::uint64_t index = 0; index < view.at.now.shape.deadlines; ++index) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(const Partitions partitions,
                                 co_await PartitionsOf(reader, view.at, index));
    Add(partitions, true, view.total);
    if (index == view.at.now.index) Add(partitions, true, view.current);
  }
  co_return view;
}

async::Task<absl::StatusOr<std::vector<DeadlineRow>>> ViewDeadlines(ChainReader& reader,
                                                                    filecoin::ActorId miner,
                                                                    bool all) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const MinerView at, co_await ViewMiner(reader, miner));
  DAMOCLES_CO_ASSIGN_OR_RETURN(
      const std::vector<chain::DeadlineState> states,
      co_await reader.StateMinerDeadlines(filecoin::Address::FromId(miner), at.head));
  std::vector<DeadlineRow> rows;
  for (std::uint64_t index = 0; index < states.size(); ++index) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(const Partitions partitions,
                                 co_await PartitionsOf(reader, at, index));
    SectorCounts counts;
    Add(partitions, all, counts);
    DeadlineRow row;
    row.deadline = at.Next(index);
    row.open_at = at.head_at + at.epoch * (row.deadline.open - at.now.current_epoch).Count();
    row.partitions = counts.partitions;
    row.sectors = all ? counts.all : counts.live;
    row.faults = counts.faulty;
    row.proven_partitions = states[index].post_submissions.Count();
    row.current = index == at.now.index;
    rows.push_back(row);
  }
  co_return rows;
}

async::Task<absl::StatusOr<DeadlineView>> ViewDeadline(ChainReader& reader, filecoin::ActorId miner,
                                                       std::uint64_t index, SetDetails details) {
  DeadlineView view;
  DAMOCLES_CO_ASSIGN_OR_RETURN(view.at, co_await ViewMiner(reader, miner));
  const std::uint64_t deadlines = view.at.now.shape.deadlines;
  if (index >= deadlines) {
    co_return absl::OutOfRangeError(absl::StrFormat(
        "deadline %d: a proving period has deadlines 0 to %d", index, deadlines - 1));
  }
  DAMOCLES_CO_ASSIGN_OR_RETURN(
      const std::vector<chain::DeadlineState> states,
      co_await reader.StateMinerDeadlines(filecoin::Address::FromId(miner), view.at.head));
  DAMOCLES_CO_ASSIGN_OR_RETURN(const Partitions partitions,
                               co_await PartitionsOf(reader, view.at, index));
  const filecoin::BitField proven =
      index < states.size() ? states[index].post_submissions : filecoin::BitField();
  view.deadline = view.at.Next(index);
  view.proven_partitions = proven.Count();
  view.current = index == view.at.now.index;
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(PartitionView partition,
                                 PartitionOf(partitions[i], proven.Contains(i), details));
    view.partitions.push_back(std::move(partition));
  }
  co_return view;
}

async::Task<absl::StatusOr<FaultsView>> ViewFaults(ChainReader& reader, filecoin::ActorId miner,
                                                   std::vector<rpc::RecoverySummary> recoveries) {
  std::map<std::uint64_t, const rpc::RecoverySummary*> latest;
  for (const rpc::RecoverySummary& one : recoveries) latest.emplace(one.deadline_index, &one);
  FaultsView view;
  DAMOCLES_CO_ASSIGN_OR_RETURN(view.at, co_await ViewMiner(reader, miner));
  for (std::uint64_t index = 0; index < view.at.now.shape.deadlines; ++index) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(const Partitions partitions,
                                 co_await PartitionsOf(reader, view.at, index));
    const auto known = latest.find(index);
    for (std::size_t i = 0; i < partitions.size(); ++i) {
      DAMOCLES_CO_ASSIGN_OR_RETURN(const std::vector<std::uint64_t> faulty,
                                   partitions[i].faulty_sectors.ToVector(kNumbersMax));
      for (const std::uint64_t number : faulty) {
        FaultRow row{.deadline = index, .partition = i, .sector = number};
        row.declared = partitions[i].recovering_sectors.Contains(number);
        if (row.declared) {
          row.why = "declared recovered: to be proven in its next window";
        } else {
          Explain(known == latest.end() ? nullptr : known->second, row);
          row.looked_at_from = LookedAtFrom(view.at, index);
        }
        view.rows.push_back(std::move(row));
      }
    }
  }
  co_return view;
}

std::string ProvingJson(const ProvingView& view) {
  const filecoin::DeadlineInfo& now = view.at.now;
  return JsonText({{"miner", view.at.miner},
                   {"current_epoch", now.current_epoch.Value()},
                   {"proving_period_boundary", view.PeriodBoundary()},
                   {"proving_period_start", now.period_start.Value()},
                   {"next_period_start", now.NextPeriodStart().Value()},
                   {"sectors", view.total.live},
                   {"faults", view.total.faulty},
                   {"faults_percent", view.FaultsPercent()},
                   {"recovering", view.total.recovering},
                   {"deadline",
                    {{"index", now.index},
                     {"sectors", view.current.live},
                     {"open", now.open.Value()},
                     {"close", now.close.Value()},
                     {"challenge", now.challenge.Value()},
                     {"fault_cutoff", now.fault_cutoff.Value()}}}});
}

std::string DeadlineRowsJson(const std::vector<DeadlineRow>& rows) {
  return JsonText(JsonList(rows, [](const DeadlineRow& row) {
    return json{{"deadline", row.deadline.index},
                {"open_epoch", row.deadline.open.Value()},
                {"close_epoch", row.deadline.close.Value()},
                {"open_at", UtcTime(row.open_at)},
                {"partitions", row.partitions},
                {"sectors", row.sectors},
                {"faults", row.faults},
                {"proven_partitions", row.proven_partitions},
                {"current", row.current}};
  }));
}

std::string DeadlineJson(const DeadlineView& view) {
  json partitions = json::array();
  for (std::size_t i = 0; i < view.partitions.size(); ++i) {
    json row = {{"partition", i}, {"proven", view.partitions[i].proven}};
    for (const SectorSet& set : view.partitions[i].sets) row[std::string(set.name)] = SetJson(set);
    partitions.push_back(std::move(row));
  }
  return JsonText({{"deadline", view.deadline.index},
                   {"open_epoch", view.deadline.open.Value()},
                   {"close_epoch", view.deadline.close.Value()},
                   {"proven_partitions", view.proven_partitions},
                   {"current", view.current},
                   {"partitions", std::move(partitions)}});
}

std::string FaultsJson(const FaultsView& view) {
  return JsonText(JsonList(view.rows, [](const FaultRow& row) {
    return json{
        {"deadline", row.deadline},
        {"partition", row.partition},
        {"sector", row.sector},
        {"declared", row.declared},
        {"why", row.why},
        {"message", row.message},
        {"looked_at_from", row.looked_at_from ? json(row.looked_at_from->Value()) : json()}};
  }));
}

}  // namespace damocles::manager
