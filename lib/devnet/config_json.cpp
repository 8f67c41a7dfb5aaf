// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/devnet/config_json.h"

#include "absl/strings/str_format.h"

#include "damocles/base/hex.h"
#include "damocles/base/status.h"

namespace damocles::devnet::internal {

using filecoin::EpochDelta;
using filecoin::TokenAmount;
using nlohmann::json;

namespace {

// Reads members one after the other and remembers the first that does not fit.
class Members {
 public:
  explicit Members(const json& object) : object_(object) {}

  std::uint64_t Uint(const char* name) {
    const json* member = Find(name);
    if (member == nullptr || !member->is_number_unsigned()) return Fail<std::uint64_t>(name);
    return member->get<std::uint64_t>();
  }
  std::int64_t Int(const char* name) {
    const json* member = Find(name);
    if (member == nullptr || !member->is_number_integer()) return Fail<std::int64_t>(name);
    return member->get<std::int64_t>();
  }
  EpochDelta Epochs(const char* name) { return EpochDelta(Int(name)); }
  std::string Text(const char* name) {
    const json* member = Find(name);
    if (member == nullptr || !member->is_string()) return Fail<std::string>(name);
    return member->get<std::string>();
  }
  TokenAmount Amount(const char* name) {
    absl::StatusOr<TokenAmount> amount = TokenAmount::Parse(Text(name));
    return amount.ok() ? *amount : Fail<TokenAmount>(name);
  }
  std::optional<std::uint64_t> OptionalUint(const char* name) {
    if (Find(name) == nullptr) return std::nullopt;
    return Uint(name);
  }
  const json& List(const char* name) {
    static const json empty = json::array();
    const json* member = Find(name);
    if (member != nullptr && member->is_array()) return *member;
    Fail<int>(name);
    return empty;
  }
  const json* Find(const char* name) const {
    if (!object_.is_object()) return nullptr;
    const auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  absl::Status Result() const { return status_; }

 private:
  template <typename T>
  T Fail(const char* name) {
    status_.Update(absl::DataLossError(absl::StrFormat("member \"%s\" is missing or wrong", name)));
    return T{};
  }

  const json& object_;
  absl::Status status_;
};

}  // namespace

json ToJson(const ChainConfig& config) {
  const filecoin::PeriodShape& period = config.policy.period;
  const ActorPolicy& policy = config.policy;
  return {{"network_name", config.network_name},
          {"network_version", config.network_version},
          {"seed", config.seed},
          {"genesis_timestamp", config.genesis_timestamp},
          {"block_delay_secs", config.block_delay_secs},
          {"finality", config.finality.Count()},
          {"confirmation_depth", config.confirmation_depth},
          {"genesis_blocks", config.genesis_blocks.Count()},
          {"first_open", config.first_open.Count()},
          {"null_rounds_percent", config.null_rounds_percent},
          {"inclusion_delay", config.inclusion_delay},
          {"base_fee", config.base_fee.ToString()},
          {"base_fee_follows", config.base_fee_follows ? 1U : 0U},
          {"traffic", std::string(Name(config.traffic))},
          {"proving_period", period.proving_period.Count()},
          {"challenge_window", period.challenge_window.Count()},
          {"deadlines", period.deadlines},
          {"challenge_lookback", period.challenge_lookback.Count()},
          {"fault_declaration_cutoff", period.fault_declaration_cutoff.Count()},
          {"fault_max_age", policy.fault_max_age.Count()},
          {"dispute_window", policy.dispute_window.Count()},
          {"partitions_per_deadline_max", policy.partitions_per_deadline_max},
          {"addressed_partitions_max", policy.addressed_partitions_max},
          {"addressed_sectors_max", policy.addressed_sectors_max},
          {"posted_partitions_max", policy.posted_partitions_max},
          {"proof_bytes", policy.proof_bytes},
          {"fee_continued_fault", policy.fees.continued_fault.ToString()},
          {"fee_daily", policy.fees.daily.ToString()},
          {"fee_termination", policy.fees.termination.ToString()},
          {"fee_invalid_post", policy.fees.invalid_post.ToString()},
          {"fee_dispute_penalty", policy.fees.dispute_penalty.ToString()}};
}

absl::StatusOr<ChainConfig> ConfigFromJson(const json& object) {
  Members members(object);
  ChainConfig config;
  config.network_name = members.Text("network_name");
  config.network_version = static_cast<std::uint32_t>(members.Uint("network_version"));
  config.seed = members.Uint("seed");
  config.genesis_timestamp = members.Uint("genesis_timestamp");
  config.block_delay_secs = members.Uint("block_delay_secs");
  config.finality = members.Epochs("finality");
  config.confirmation_depth = members.Uint("confirmation_depth");
  config.genesis_blocks = members.Epochs("genesis_blocks");
  config.first_open = members.Epochs("first_open");
  config.null_rounds_percent = members.Uint("null_rounds_percent");
  config.inclusion_delay = members.Uint("inclusion_delay");
  config.base_fee = members.Amount("base_fee");
  config.base_fee_follows = members.OptionalUint("base_fee_follows").value_or(0) != 0;
  if (members.Find("traffic") != nullptr) {
    DAMOCLES_ASSIGN_OR_RETURN(config.traffic, TrafficByName(members.Text("traffic")));
  }
  ActorPolicy& policy = config.policy;
  policy.period.proving_period = members.Epochs("proving_period");
  policy.period.challenge_window = members.Epochs("challenge_window");
  policy.period.deadlines = members.Uint("deadlines");
  policy.period.challenge_lookback = members.Epochs("challenge_lookback");
  policy.period.fault_declaration_cutoff = members.Epochs("fault_declaration_cutoff");
  policy.fault_max_age = members.Epochs("fault_max_age");
  policy.dispute_window = members.Epochs("dispute_window");
  policy.partitions_per_deadline_max = members.Uint("partitions_per_deadline_max");
  policy.addressed_partitions_max = members.Uint("addressed_partitions_max");
  policy.addressed_sectors_max = members.Uint("addressed_sectors_max");
  policy.posted_partitions_max = members.Uint("posted_partitions_max");
  policy.proof_bytes = members.Uint("proof_bytes");
  policy.fees.continued_fault = members.Amount("fee_continued_fault");
  policy.fees.daily = members.Amount("fee_daily");
  policy.fees.termination = members.Amount("fee_termination");
  policy.fees.invalid_post = members.Amount("fee_invalid_post");
  policy.fees.dispute_penalty = members.Amount("fee_dispute_penalty");
  DAMOCLES_RETURN_IF_ERROR(members.Result());
  DAMOCLES_RETURN_IF_ERROR(Validate(config));
  return config;
}

json ToJson(const std::vector<GenesisSector>& sectors) {
  json list = json::array();
  for (const GenesisSector& sector : sectors) {
    json item = {{"number", sector.number}, {"comm_r", ToHex(sector.comm_r)}};
    if (sector.deadline.has_value()) item["deadline"] = *sector.deadline;
    if (sector.partition.has_value()) item["partition"] = *sector.partition;
    list.push_back(std::move(item));
  }
  return list;
}

absl::StatusOr<std::vector<GenesisSector>> SectorsFromJson(const json& list) {
  std::vector<GenesisSector> sectors;
  for (const json& item : list) {
    Members members(item);
    GenesisSector sector;
    sector.number = members.Uint("number");
    const std::string comm_r = members.Text("comm_r");
    sector.deadline = members.OptionalUint("deadline");
    sector.partition = members.OptionalUint("partition");
    DAMOCLES_RETURN_IF_ERROR(members.Result());
    DAMOCLES_ASSIGN_OR_RETURN(sector.comm_r, FromHex32(comm_r));
    sectors.push_back(sector);
  }
  return sectors;
}

json ToJson(const Genesis& genesis) {
  json list = json::array();
  for (const GenesisMiner& miner : genesis.miners) {
    json item = {{"id", miner.id},
                 {"proof_type", ToNumber(miner.window_post_proof_type)},
                 {"control_addresses", miner.control_addresses},
                 {"sectors", ToJson(miner.sectors)}};
    if (miner.addresses_of.has_value()) item["addresses_of"] = *miner.addresses_of;
    if (miner.partition_sectors.has_value()) item["partition_sectors"] = *miner.partition_sectors;
    if (miner.period_shift.has_value()) item["period_shift"] = miner.period_shift->Count();
    list.push_back(std::move(item));
  }
  return {{"miners", std::move(list)}};
}

absl::StatusOr<Genesis> GenesisFromJson(const json& object) {
  Genesis genesis;
  Members top(object);
  for (const json& item : top.List("miners")) {
    Members members(item);
    GenesisMiner miner;
    miner.id = members.Uint("id");
    const std::int64_t proof_type = members.Int("proof_type");
    miner.control_addresses = members.Uint("control_addresses");
    miner.addresses_of = members.OptionalUint("addresses_of");
    miner.partition_sectors = members.OptionalUint("partition_sectors");
    if (members.Find("period_shift") != nullptr) {
      miner.period_shift = members.Epochs("period_shift");
    }
    const json& sectors = members.List("sectors");
    DAMOCLES_RETURN_IF_ERROR(members.Result());
    DAMOCLES_ASSIGN_OR_RETURN(miner.window_post_proof_type,
                              filecoin::PoStProofTypeFromNumber(proof_type));
    DAMOCLES_ASSIGN_OR_RETURN(miner.sectors, SectorsFromJson(sectors));
    genesis.miners.push_back(std::move(miner));
  }
  DAMOCLES_RETURN_IF_ERROR(top.Result());
  return genesis;
}

}  // namespace damocles::devnet::internal
