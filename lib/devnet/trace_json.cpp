// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/devnet/trace_json.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"

namespace damocles::devnet::internal {

using filecoin::BitField;
using filecoin::ChainEpoch;

namespace {

constexpr std::uint64_t kListedMembersMax = 64;
// A trace is foreign text: a set larger than this is a mistake.
constexpr std::uint64_t kSetMembersMax = std::uint64_t{1} << 26;
constexpr std::uint64_t kSectorsMax = 1'000'000;  // of the miner at the start

absl::Status Missing(const char* name, const char* kind) {
  return absl::InvalidArgumentError(absl::StrFormat("trace: \"%s\" must be %s", name, kind));
}

absl::StatusOr<const Json*> Member(const Json& object, const char* name) {
  if (object.is_object()) {
    if (const auto found = object.find(name); found != object.end()) return &*found;
  }
  return absl::InvalidArgumentError(absl::StrFormat("trace: \"%s\" is missing", name));
}

absl::StatusOr<BitField> SetMember(const Json& object, const char* name) {
  DAMOCLES_ASSIGN_OR_RETURN(const Json* member, Member(object, name));
  absl::StatusOr<BitField> set = SetFromJson(*member);
  if (!set.ok()) return Annotate(set.status(), name);
  return set;
}

absl::StatusOr<std::uint64_t> KeyNumber(const std::string& key) {
  std::uint64_t number = 0;
  if (!absl::SimpleAtoi(key, &number)) {
    return absl::InvalidArgumentError(absl::StrFormat("trace: key \"%s\" is no number", key));
  }
  return number;
}

Json PartitionToJson(const PartitionRecord& partition) {
  Json json;
  json["sectors"] = SetToJson(partition.sectors);
  json["unproven"] = SetToJson(partition.unproven);
  json["faults"] = SetToJson(partition.faults);
  json["recoveries"] = SetToJson(partition.recoveries);
  json["terminated"] = SetToJson(partition.terminated);
  json["power"] = {partition.Live().Count(), partition.unproven.Count(), partition.faults.Count(),
                   partition.recoveries.Count()};
  Json expiry = Json::object();
  for (const auto& [epoch, sectors] : partition.early_expiry) {
    expiry[std::to_string(epoch.Value())] = SetToJson(sectors);
  }
  json["early_expiry"] = std::move(expiry);
  return json;
}

absl::StatusOr<PartitionRecord> PartitionFromJson(const Json& json) {
  PartitionRecord partition;
  DAMOCLES_ASSIGN_OR_RETURN(partition.sectors, SetMember(json, "sectors"));
  DAMOCLES_ASSIGN_OR_RETURN(partition.unproven, SetMember(json, "unproven"));
  DAMOCLES_ASSIGN_OR_RETURN(partition.faults, SetMember(json, "faults"));
  DAMOCLES_ASSIGN_OR_RETURN(partition.recoveries, SetMember(json, "recoveries"));
  DAMOCLES_ASSIGN_OR_RETURN(partition.terminated, SetMember(json, "terminated"));
  DAMOCLES_ASSIGN_OR_RETURN(const Json* expiry, Member(json, "early_expiry"));
  for (const auto& [key, sectors] : expiry->items()) {
    DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t epoch, KeyNumber(key));
    DAMOCLES_ASSIGN_OR_RETURN(partition.early_expiry[ChainEpoch(static_cast<std::int64_t>(epoch))],
                              SetFromJson(sectors));
  }
  return partition;
}

}  // namespace

absl::StatusOr<std::int64_t> IntMember(const Json& object, const char* name) {
  DAMOCLES_ASSIGN_OR_RETURN(const Json* member, Member(object, name));
  if (!member->is_number_integer()) return Missing(name, "an integer");
  return member->get<std::int64_t>();
}

absl::StatusOr<std::uint64_t> UintMember(const Json& object, const char* name) {
  DAMOCLES_ASSIGN_OR_RETURN(const Json* member, Member(object, name));
  if (!member->is_number_unsigned()) return Missing(name, "an integer of at least 0");
  return member->get<std::uint64_t>();
}

absl::StatusOr<std::string> TextMember(const Json& object, const char* name) {
  DAMOCLES_ASSIGN_OR_RETURN(const Json* member, Member(object, name));
  if (!member->is_string()) return Missing(name, "a text");
  return member->get<std::string>();
}

absl::StatusOr<BitField> SetFromJson(const Json& json) {
  if (json.is_array()) {
    std::vector<std::uint64_t> numbers;
    for (const Json& item : json) {
      if (!item.is_number_unsigned() || item.get<std::uint64_t>() > BitField::kBitMax) {
        return absl::InvalidArgumentError("trace: a set has a member that is no such number");
      }
      numbers.push_back(item.get<std::uint64_t>());
    }
    return BitField::Of(numbers);
  }
  DAMOCLES_ASSIGN_OR_RETURN(const Json* ranges, Member(json, "ranges"));
  BitField set;
  for (const Json& range : *ranges) {
    const bool fits =
        range.is_array() && range.size() == 2 && range[0].is_number_unsigned() &&
        range[1].is_number_unsigned() &&
        range[0].get<std::uint64_t>() <= range[1].get<std::uint64_t>() &&
        range[1].get<std::uint64_t>() - range[0].get<std::uint64_t>() < kSetMembersMax &&
        range[1].get<std::uint64_t>() <= BitField::kBitMax;
    if (!fits) {
      return absl::InvalidArgumentError("trace: \"ranges\" must list pairs [first, last]");
    }
    const auto first = range[0].get<std::uint64_t>();
    set = Union(set, BitField::OfRange(first, range[1].get<std::uint64_t>() - first + 1));
  }
  return set;
}

Json SetToJson(const BitField& set) {
  Json json;
  if (set.Count() > kListedMembersMax) {
    Json ranges = Json::array();
    for (const BitField::Range& range : set.Ranges()) {
      ranges.push_back({range.first, range.end - 1});
    }
    json["ranges"] = std::move(ranges);
    return json;
  }
  json = Json::array();
  for (const std::uint64_t number : set) json.push_back(number);
  return json;
}

Json DeadlineToJson(const DeadlineRecord& deadline) {
  Json json;
  json["posted"] = SetToJson(deadline.posted);
  json["live"] = deadline.LiveSectors();
  json["total"] = deadline.TotalSectors();
  json["faulty_power"] = deadline.FaultySectors();
  json["proofs"] = Json::array();
  for (const StoredProof& proof : deadline.proofs) {
    json["proofs"].push_back(SetToJson(proof.partitions));
  }
  json["proofs_snapshot"] = Json::object();
  for (const auto& [index, proof] : deadline.proofs_snapshot) {
    json["proofs_snapshot"][std::to_string(index)] = SetToJson(proof.partitions);
  }
  json["partitions"] = Json::array();
  for (const PartitionRecord& partition : deadline.partitions) {
    json["partitions"].push_back(PartitionToJson(partition));
  }
  return json;
}

absl::StatusOr<DeadlineRecord> DeadlineFromJson(const Json& json) {
  DeadlineRecord deadline;
  DAMOCLES_ASSIGN_OR_RETURN(deadline.posted, SetMember(json, "posted"));
  DAMOCLES_ASSIGN_OR_RETURN(const Json* proofs, Member(json, "proofs"));
  for (const Json& proof : *proofs) {
    DAMOCLES_ASSIGN_OR_RETURN(BitField partitions, SetFromJson(proof));
    deadline.proofs.push_back({.partitions = std::move(partitions), .proof_type = {}, .proof = {}});
  }
  DAMOCLES_ASSIGN_OR_RETURN(const Json* snapshot, Member(json, "proofs_snapshot"));
  for (const auto& [key, proof] : snapshot->items()) {
    DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t index, KeyNumber(key));
    DAMOCLES_ASSIGN_OR_RETURN(BitField partitions, SetFromJson(proof));
    deadline.proofs_snapshot[index] = {
        .partitions = std::move(partitions), .proof_type = {}, .proof = {}};
  }
  DAMOCLES_ASSIGN_OR_RETURN(const Json* partitions, Member(json, "partitions"));
  for (const Json& item : *partitions) {
    DAMOCLES_ASSIGN_OR_RETURN(PartitionRecord partition, PartitionFromJson(item));
    deadline.partitions.push_back(std::move(partition));
  }
  // Not listed in a trace; equal to the partitions where it matters.
  deadline.partitions_snapshot = deadline.partitions;
  return deadline;
}

SectorRecord TraceSector(std::uint64_t number, ChainEpoch expiration) {
  SectorRecord sector;
  sector.number = number;
  sector.expiration = expiration;
  return sector;
}

absl::StatusOr<MinerState> MinerFromJson(const ActorPolicy& policy, const Json& miner,
                                         const Json& initial) {
  MinerState identity;
  DAMOCLES_ASSIGN_OR_RETURN(identity.id, UintMember(miner, "id"));
  DAMOCLES_ASSIGN_OR_RETURN(identity.owner, UintMember(miner, "owner"));
  DAMOCLES_ASSIGN_OR_RETURN(identity.worker, UintMember(miner, "worker"));
  DAMOCLES_ASSIGN_OR_RETURN(const Json* control, Member(miner, "control"));
  for (const Json& id : *control) {
    if (!id.is_number_unsigned()) return Missing("control", "a list of actor numbers");
    identity.control.push_back(id.get<std::uint64_t>());
  }
  DAMOCLES_ASSIGN_OR_RETURN(const std::int64_t proof_type, IntMember(miner, "post_proof_type"));
  DAMOCLES_ASSIGN_OR_RETURN(identity.window_post_proof_type,
                            filecoin::PoStProofTypeFromNumber(proof_type));
  DAMOCLES_ASSIGN_OR_RETURN(identity.sector_size, UintMember(miner, "sector_size"));
  DAMOCLES_ASSIGN_OR_RETURN(identity.partition_sectors, UintMember(miner, "partition_sectors"));
  if (identity.partition_sectors == 0) return Missing("partition_sectors", "at least 1");
  DAMOCLES_ASSIGN_OR_RETURN(const std::int64_t expiration, IntMember(miner, "sector_expiration"));

  DAMOCLES_ASSIGN_OR_RETURN(const std::int64_t period_start,
                            IntMember(initial, "proving_period_start"));
  DAMOCLES_ASSIGN_OR_RETURN(const std::int64_t epoch, IntMember(initial, "epoch"));
  MinerState state =
      MakeMiner(policy, std::move(identity), ChainEpoch(period_start), ChainEpoch(epoch));
  DAMOCLES_ASSIGN_OR_RETURN(state.current_deadline, UintMember(initial, "current_deadline"));
  DAMOCLES_ASSIGN_OR_RETURN(const Json* cron, Member(initial, "cron_active"));
  state.cron_active = cron->is_boolean() && cron->get<bool>();
  DAMOCLES_ASSIGN_OR_RETURN(state.early_terminations, SetMember(initial, "early_terminations"));
  DAMOCLES_ASSIGN_OR_RETURN(const std::string debt, TextMember(initial, "fee_debt"));
  DAMOCLES_ASSIGN_OR_RETURN(state.fee_debt, filecoin::TokenAmount::Parse(debt));
  state.balance = filecoin::Fil(1'000'000'000);
  DAMOCLES_ASSIGN_OR_RETURN(const std::int64_t elapsed,
                            IntMember(initial, "consensus_fault_elapsed"));
  state.consensus_fault_elapsed = ChainEpoch(elapsed);

  auto table = std::make_shared<SectorTable>();
  std::uint64_t sectors = 0;
  DAMOCLES_ASSIGN_OR_RETURN(const Json* deadlines, Member(initial, "deadlines"));
  for (const auto& [key, json] : deadlines->items()) {
    DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t index, KeyNumber(key));
    if (index >= policy.period.deadlines) return Missing("deadlines", "of the period");
    DAMOCLES_ASSIGN_OR_RETURN(DeadlineRecord deadline, DeadlineFromJson(json));
    sectors += deadline.TotalSectors();
    if (sectors > kSectorsMax) {
      return absl::InvalidArgumentError(
          absl::StrFormat("trace: more than %d sectors at the start", kSectorsMax));
    }
    for (const PartitionRecord& partition : deadline.partitions) {
      for (const std::uint64_t number : partition.sectors) {
        table->emplace(number, TraceSector(number, ChainEpoch(expiration)));
      }
    }
    state.deadlines[index] = std::make_shared<const DeadlineRecord>(std::move(deadline));
  }
  state.sectors = std::move(table);
  return state;
}

Json DifferenceToJson(const MinerState& before, const MinerState& after) {
  Json json;
  json["proving_period_start"] = after.proving_period_start.Value();
  json["current_deadline"] = after.current_deadline;
  if (after.cron_active != before.cron_active) json["cron_active"] = after.cron_active;
  if (after.early_terminations != before.early_terminations) {
    json["early_terminations"] = SetToJson(after.early_terminations);
  }
  if (after.ActiveSectors() != before.ActiveSectors()) {
    json["claimed_sectors"] = after.ActiveSectors();
  }
  if (after.fee_debt != before.fee_debt) json["fee_debt"] = after.fee_debt.ToString();
  json["deadlines"] = Json::object();
  for (std::size_t i = 0; i < after.deadlines.size(); ++i) {
    if (after.deadlines[i] == before.deadlines[i]) continue;
    Json now = DeadlineToJson(*after.deadlines[i]);
    if (now != DeadlineToJson(*before.deadlines[i])) {
      json["deadlines"][std::to_string(i)] = std::move(now);
    }
  }
  return json;
}

}  // namespace damocles::devnet::internal
