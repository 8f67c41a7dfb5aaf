// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/chain/answer.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/chain/json_shapes.h"

#include "damocles/filecoin/bitfield.h"

namespace damocles::chain {
namespace {

// ---------------------------------------------------------------- what must be there

// Members by name, blanks between; "a.b" is one of a member.  With a question mark behind it the
// member may be null.
template <typename T>
constexpr std::string_view kNeeded;
constexpr std::string_view kMessageMembers =
    "To From Nonce Value GasLimit GasFeeCap GasPremium Method";
template <>
constexpr std::string_view kNeeded<filecoin::Message> = kMessageMembers;
template <>
constexpr std::string_view kNeeded<filecoin::SignedMessage> =
    "Message.To Message.From Message.Nonce Message.Value Message.GasLimit Message.GasFeeCap "
    "Message.GasPremium Message.Method Signature.Type Signature.Data";
template <>
constexpr std::string_view kNeeded<filecoin::Signature> = "Type Data";
template <>
constexpr std::string_view kNeeded<filecoin::BeaconEntry> = "Round Data";
template <>
constexpr std::string_view kNeeded<filecoin::TipSet> = "Cids Blocks Height";
template <>
constexpr std::string_view kNeeded<HeadChange> = "Type Val";
template <>
constexpr std::string_view kNeeded<NodeVersion> = "Version BlockDelay";
template <>
constexpr std::string_view kNeeded<Actor> = "Code Nonce Balance";
template <>
constexpr std::string_view kNeeded<filecoin::DeadlineInfo> =
    "CurrentEpoch PeriodStart Index Open Close Challenge FaultCutoff WPoStPeriodDeadlines "
    "WPoStProvingPeriod WPoStChallengeWindow WPoStChallengeLookback FaultDeclarationCutoff";
template <>
constexpr std::string_view kNeeded<DeadlineState> = "PostSubmissions";
template <>
constexpr std::string_view kNeeded<Partition> =
    "AllSectors FaultySectors RecoveringSectors LiveSectors ActiveSectors";
template <>
constexpr std::string_view kNeeded<SectorOnChainInfo> =
    "SectorNumber SealProof SealedCID Activation Expiration SectorKeyCID?";
template <>
constexpr std::string_view kNeeded<MinerInfo> =
    "Owner Worker ControlAddresses? WindowPoStProofType SectorSize WindowPoStPartitionSectors";
template <>
constexpr std::string_view kNeeded<MsgLookup> = "Message Receipt.ExitCode TipSet Height";
template <>
constexpr std::string_view kNeeded<InvocResult> = "MsgRct.ExitCode";
template <>
constexpr std::string_view kNeeded<MiningBaseInfo> = "MinerPower NetworkPower WorkerKey SectorSize";
// Of each block of a tipset.
constexpr std::string_view kBlockMembers =
    "Miner Parents? ParentWeight Height ParentStateRoot ParentMessageReceipts Messages Timestamp "
    "ParentBaseFee";

absl::Status CheckMembers(const internal::Json& json, std::string_view needed) {
  while (!needed.empty()) {
    const std::size_t end = std::min(needed.find(' '), needed.size());
    const std::string_view path = needed.substr(0, end);
    needed.remove_prefix(std::min(end + 1, needed.size()));
    const bool may_be_null = path.ends_with('?');
    std::string_view rest = may_be_null ? path.substr(0, path.size() - 1) : path;
    const std::string_view name = rest;
    const internal::Json* at = &json;
    while (!rest.empty() && at != nullptr) {
      if (!at->is_object()) return internal::WrongKind(*at, "an object");
      const std::size_t dot = std::min(rest.find('.'), rest.size());
      at = internal::FindMember(*at, rest.substr(0, dot));
      rest.remove_prefix(std::min(dot + 1, rest.size()));
    }
    if (at == nullptr || (at->is_null() && !may_be_null)) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: is %s", name, at == nullptr ? "missing" : "null"));
    }
  }
  return absl::OkStatus();
}

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <typename T>
struct IsList : std::false_type {};
template <typename T>
struct IsList<std::vector<T>> : std::true_type {};
template <>
struct IsList<Bytes> : std::false_type {};

absl::Status CheckTipSetMembers(const internal::Json& json) {
  DAMOCLES_RETURN_IF_ERROR(CheckMembers(json, kNeeded<filecoin::TipSet>));
  const internal::Json* blocks = internal::FindMember(json, "Blocks");
  if (!blocks->is_array()) return internal::WrongKind(*blocks, "a list of blocks");
  for (const internal::Json& block : *blocks) {
    DAMOCLES_RETURN_IF_ERROR(Annotate(CheckMembers(block, kBlockMembers), "Blocks"));
  }
  return absl::OkStatus();
}

template <typename T>
absl::Status CheckPresent(const internal::Json& json) {
  if constexpr (IsOptional<T>::value) {
    if (json.is_null()) return absl::OkStatus();
    return CheckPresent<typename T::value_type>(json);
  } else if constexpr (IsList<T>::value) {
    if (json.is_null()) return absl::OkStatus();  // Go's empty list
    if (!json.is_array()) return internal::WrongKind(json, "a list");
    std::size_t index = 0;
    for (const internal::Json& item : json) {
      if (absl::Status status = CheckPresent<typename T::value_type>(item); !status.ok()) {
        return internal::AtIndex(std::move(status), index);
      }
      ++index;
    }
    return absl::OkStatus();
  } else if constexpr (std::is_same_v<T, filecoin::TipSet>) {
    return CheckTipSetMembers(json);
  } else if constexpr (std::is_same_v<T, HeadChange>) {
    DAMOCLES_RETURN_IF_ERROR(CheckMembers(json, kNeeded<HeadChange>));
    return Annotate(CheckTipSetMembers(*internal::FindMember(json, "Val")), "Val");
  } else {
    if (json.is_null()) return absl::InvalidArgumentError("null is no answer");
    return CheckMembers(json, kNeeded<T>);
  }
}

// ---------------------------------------------------------------- what can be

// A million years, so that sums of a few stay sums.
constexpr std::int64_t kEpochMax = std::int64_t{1} << 40;
constexpr std::uint64_t kTimestampMax = std::uint64_t{1} << 40;  // Unix seconds
// 256 bits: more than there is, and products with prices fit into a message.
constexpr std::size_t kAmountBytesMax = 32;
constexpr std::size_t kPartitionsMax = 10'000;  // of a deadline; the network allows 3,000

absl::Status Bad(std::string_view what, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrFormat("%s: %s", what, why));
}

absl::Status CheckEpoch(filecoin::ChainEpoch epoch, std::string_view what) {
  const bool fits = epoch.Value() >= -kEpochMax && epoch.Value() <= kEpochMax;
  return fits ? absl::OkStatus() : Bad(what, absl::StrFormat("%d is no epoch", epoch.Value()));
}

absl::Status CheckAmount(const filecoin::BigInt& amount, std::string_view what) {
  return amount.MagnitudeBe().size() <= kAmountBytesMax ? absl::OkStatus()
                                                        : Bad(what, "is beyond all amounts");
}

absl::Status CheckPrice(const filecoin::BigInt& amount, std::string_view what) {
  if (amount.Sign() < 0) return Bad(what, "is negative");
  return CheckAmount(amount, what);
}

template <typename T>
absl::Status CheckDefined(const T& value, std::string_view what) {
  return value.IsUndefined() ? Bad(what, "is empty") : absl::OkStatus();
}

// Values that are what they say.
absl::Status Judge(bool) {
  return absl::OkStatus();
}
absl::Status Judge(std::int64_t) {
  return absl::OkStatus();
}
absl::Status Judge(std::uint64_t) {
  return absl::OkStatus();
}
absl::Status Judge(std::uint32_t) {
  return absl::OkStatus();
}
absl::Status Judge(const std::string&) {
  return absl::OkStatus();
}
absl::Status Judge(const Bytes32&) {
  return absl::OkStatus();
}
absl::Status Judge(const filecoin::BeaconEntry&) {
  return absl::OkStatus();
}
absl::Status Judge(const NodeVersion&) {
  return absl::OkStatus();  // of which only the length of an epoch counts, and it is clamped
}

absl::Status Judge(const filecoin::BigInt& amount) {
  return CheckAmount(amount, "the amount");
}
absl::Status Judge(const filecoin::Address& address) {
  return CheckDefined(address, "the address");
}
absl::Status Judge(const filecoin::Cid& cid) {
  return CheckDefined(cid, "the CID");
}

absl::Status Judge(const filecoin::TipSet& tip_set) {
  if (tip_set.Height().Value() < 0) return Bad("Height", "is negative");
  DAMOCLES_RETURN_IF_ERROR(CheckEpoch(tip_set.Height(), "Height"));
  for (const filecoin::BlockHeader& block : tip_set.Blocks()) {
    if (block.timestamp > kTimestampMax) return Bad("Timestamp", "is no time");
    DAMOCLES_RETURN_IF_ERROR(CheckPrice(block.parent_base_fee, "ParentBaseFee"));
  }
  return absl::OkStatus();
}
absl::Status Judge(const HeadChange& change) {
  return Judge(change.tip_set);
}

absl::Status Judge(const filecoin::Message& message) {
  DAMOCLES_RETURN_IF_ERROR(CheckDefined(message.to, "To"));
  DAMOCLES_RETURN_IF_ERROR(CheckDefined(message.from, "From"));
  DAMOCLES_RETURN_IF_ERROR(CheckPrice(message.value, "Value"));
  DAMOCLES_RETURN_IF_ERROR(CheckPrice(message.gas_fee_cap, "GasFeeCap"));
  DAMOCLES_RETURN_IF_ERROR(CheckPrice(message.gas_premium, "GasPremium"));
  if (message.gas_limit < 0) return Bad("GasLimit", "is negative");
  return absl::OkStatus();
}
absl::Status Judge(const filecoin::Signature& signature) {
  const auto type = static_cast<unsigned>(signature.type);
  if (type < 1 || type > 3) return Bad("Type", "is no type of signature");
  if (signature.data.empty() || signature.data.size() >= filecoin::Signature::kBytesMax) {
    return Bad("Data", "is no signature");
  }
  return absl::OkStatus();
}
absl::Status Judge(const filecoin::SignedMessage& message) {
  DAMOCLES_RETURN_IF_ERROR(Annotate(Judge(message.message), "Message"));
  return Annotate(Judge(message.signature), "Signature");
}
absl::Status Judge(const DeadlineState& state);
absl::Status Judge(const Partition& partition);
absl::Status Judge(const SectorOnChainInfo& sector);
absl::Status JudgeAll(const auto& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (absl::Status status = Judge(values[i]); !status.ok()) {
      return internal::AtIndex(std::move(status), i);
    }
  }
  return absl::OkStatus();
}
absl::Status Judge(const MsgLookup& lookup) {
  DAMOCLES_RETURN_IF_ERROR(CheckDefined(lookup.message, "Message"));
  if (lookup.tip_set.Cids().empty()) return Bad("TipSet", "is empty");
  return CheckEpoch(lookup.height, "Height");
}
absl::Status Judge(const InvocResult&) {
  return absl::OkStatus();  // only exit code, gas and texts are looked at
}

absl::Status Judge(const SyncStatus& status) {
  for (const ActiveSync& sync : status.active_syncs) {
    for (const auto* tip_set : {&sync.base, &sync.target}) {
      if (tip_set->has_value()) DAMOCLES_RETURN_IF_ERROR(Judge(**tip_set));
    }
    DAMOCLES_RETURN_IF_ERROR(CheckEpoch(sync.height, "Height"));
  }
  return absl::OkStatus();
}
absl::Status Judge(const Actor& actor) {
  DAMOCLES_RETURN_IF_ERROR(CheckDefined(actor.code, "Code"));
  return CheckPrice(actor.balance, "Balance");
}

absl::Status Judge(const filecoin::DeadlineInfo& info) {
  // Everybody divides by these lengths.
  DAMOCLES_RETURN_IF_ERROR(filecoin::Validate(info.shape));
  // One behind the last: the period has not begun.
  if (info.index > info.shape.deadlines) {
    return Bad("Index", absl::StrFormat("%d of %d deadlines", info.index, info.shape.deadlines));
  }
  for (const auto& [epoch, what] :
       {std::pair(info.current_epoch, "CurrentEpoch"), std::pair(info.period_start, "PeriodStart"),
        std::pair(info.open, "Open"), std::pair(info.close, "Close"),
        std::pair(info.challenge, "Challenge"), std::pair(info.fault_cutoff, "FaultCutoff")}) {
    DAMOCLES_RETURN_IF_ERROR(CheckEpoch(epoch, what));
  }
  if (info.open > info.close || info.challenge > info.open) {
    return Bad("Open",
               absl::StrFormat("%d is not between challenge (%d) and close (%d)", info.open.Value(),
                               info.challenge.Value(), info.close.Value()));
  }
  return absl::OkStatus();
}
absl::Status Judge(const DeadlineState& /*state*/) {
  return absl::OkStatus();
}
absl::Status Judge(const Partition& partition) {
  const auto within = [](const filecoin::BitField& part, const filecoin::BitField& whole) {
    return Difference(part, whole).Empty();
  };
  if (!within(partition.live_sectors, partition.all_sectors)) {
    return Bad("LiveSectors", "some are not in AllSectors");
  }
  if (!within(partition.faulty_sectors, partition.live_sectors)) {
    return Bad("FaultySectors", "some are not in LiveSectors");
  }
  if (!within(partition.recovering_sectors, partition.faulty_sectors)) {
    return Bad("RecoveringSectors", "some are not in FaultySectors");
  }
  return absl::OkStatus();
}
absl::Status Judge(const std::vector<Partition>& partitions) {
  if (partitions.size() > kPartitionsMax) {
    return Bad("the list", absl::StrFormat("%d partitions are too many", partitions.size()));
  }
  return JudgeAll(partitions);
}
absl::Status Judge(const SectorOnChainInfo& sector) {
  if (!filecoin::IsRegistered(sector.seal_proof)) return Bad("SealProof", "is no proof type");
  DAMOCLES_RETURN_IF_ERROR(CheckDefined(sector.sealed_cid, "SealedCID"));
  DAMOCLES_RETURN_IF_ERROR(Annotate(sector.sealed_cid.ToCommR().status(), "SealedCID"));
  DAMOCLES_RETURN_IF_ERROR(CheckEpoch(sector.activation, "Activation"));
  return CheckEpoch(sector.expiration, "Expiration");
}
absl::Status Judge(const MinerInfo& info) {
  DAMOCLES_RETURN_IF_ERROR(CheckDefined(info.owner, "Owner"));
  DAMOCLES_RETURN_IF_ERROR(CheckDefined(info.worker, "Worker"));
  DAMOCLES_RETURN_IF_ERROR(Annotate(JudgeAll(info.control_addresses), "ControlAddresses"));
  if (!filecoin::IsRegistered(info.window_post_proof_type) ||
      !filecoin::IsWindow(info.window_post_proof_type)) {
    return Bad(
        "WindowPoStProofType",
        absl::StrFormat("%d is no window proof", filecoin::ToNumber(info.window_post_proof_type)));
  }
  if (info.window_post_partition_sectors == 0) return Bad("WindowPoStPartitionSectors", "is 0");
  return absl::OkStatus();
}
absl::Status Judge(const MiningBaseInfo& info) {
  DAMOCLES_RETURN_IF_ERROR(CheckPrice(info.miner_power, "MinerPower"));
  DAMOCLES_RETURN_IF_ERROR(CheckPrice(info.network_power, "NetworkPower"));
  return CheckDefined(info.worker_key, "WorkerKey");
}

template <typename T>
requires(IsList<T>::value) absl::Status Judge(const T& values) {
  return JudgeAll(values);
}
template <typename T>
absl::Status Judge(const std::optional<T>& value) {
  return value ? Judge(*value) : absl::OkStatus();
}

// ---------------------------------------------------------------- the text beside the value

// A tipset is known by its CIDs, and they follow from the blocks: if they do not, a member is
// wrong that nothing else shows.
absl::Status CheckKey(const internal::Json& json, const filecoin::TipSet& tip_set) {
  filecoin::TipSetKey key;
  DAMOCLES_RETURN_IF_ERROR(
      Annotate(internal::Codec<filecoin::TipSetKey>::Read(*internal::FindMember(json, "Cids"), key),
               "Cids"));
  if (key != tip_set.Key()) {
    return Bad("Cids", absl::StrFormat("%s are not those of its blocks, which are %s",
                                       key.ToString(), tip_set.Key().ToString()));
  }
  return absl::OkStatus();
}

template <typename T>
absl::Status CheckKeys(const internal::Json& json, const T& value) {
  if constexpr (std::is_same_v<T, filecoin::TipSet>) {
    return CheckKey(json, value);
  } else if constexpr (std::is_same_v<T, std::vector<HeadChange>>) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      const internal::Json* tip_set = internal::FindMember(json[i], "Val");
      if (absl::Status status = CheckKey(*tip_set, value[i].tip_set); !status.ok()) {
        return internal::AtIndex(std::move(status), i);
      }
    }
  }
  return absl::OkStatus();
}

template <typename T>
absl::StatusOr<T> Judged(std::string_view text) {
  DAMOCLES_ASSIGN_OR_RETURN(const internal::Json json, internal::ParseJson(text));
  DAMOCLES_RETURN_IF_ERROR(CheckPresent<T>(json));
  T value{};
  DAMOCLES_RETURN_IF_ERROR(internal::Codec<T>::Read(json, value));
  DAMOCLES_RETURN_IF_ERROR(Judge(value));
  DAMOCLES_RETURN_IF_ERROR(CheckKeys(json, value));
  return value;
}

}  // namespace

#define DAMOCLES_ANSWER(...)                                                   \
  template <>                                                                  \
  absl::StatusOr<__VA_ARGS__> ReadAnswer<__VA_ARGS__>(std::string_view text) { \
    return Judged<__VA_ARGS__>(text);                                          \
  }

DAMOCLES_ANSWER(bool)
DAMOCLES_ANSWER(std::int64_t)
DAMOCLES_ANSWER(std::uint64_t)
DAMOCLES_ANSWER(std::uint32_t)
DAMOCLES_ANSWER(std::string)
DAMOCLES_ANSWER(Bytes32)
DAMOCLES_ANSWER(filecoin::Address)
DAMOCLES_ANSWER(filecoin::Cid)
DAMOCLES_ANSWER(filecoin::BigInt)
DAMOCLES_ANSWER(filecoin::BeaconEntry)
DAMOCLES_ANSWER(filecoin::TipSet)
DAMOCLES_ANSWER(std::vector<HeadChange>)
DAMOCLES_ANSWER(filecoin::Message)
DAMOCLES_ANSWER(filecoin::Signature)
DAMOCLES_ANSWER(filecoin::SignedMessage)
DAMOCLES_ANSWER(std::vector<filecoin::SignedMessage>)
DAMOCLES_ANSWER(std::optional<MsgLookup>)
DAMOCLES_ANSWER(InvocResult)
DAMOCLES_ANSWER(NodeVersion)
DAMOCLES_ANSWER(SyncStatus)
DAMOCLES_ANSWER(Actor)
DAMOCLES_ANSWER(filecoin::DeadlineInfo)
DAMOCLES_ANSWER(std::vector<DeadlineState>)
DAMOCLES_ANSWER(std::vector<Partition>)
DAMOCLES_ANSWER(std::vector<SectorOnChainInfo>)
DAMOCLES_ANSWER(MinerInfo)
DAMOCLES_ANSWER(std::optional<MiningBaseInfo>)

}  // namespace damocles::chain
