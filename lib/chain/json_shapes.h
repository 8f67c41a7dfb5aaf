// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The members of every struct of the API, in the node's order.

#pragma once

#include "lib/chain/json_values.h"

// One line a member: DAMOCLES_SHAPE(Type, v("Name", s.name); ...)
#define DAMOCLES_SHAPE(type, ...)     \
  template <>                         \
  struct Shape<type> {                \
    using IsShape = void;             \
    template <typename V, typename S> \
    static void Visit(V& v, S& s) {   \
      __VA_ARGS__                     \
    }                                 \
  }

namespace damocles::chain::internal {

// ---------------------------------------------------------------- blocks and messages

DAMOCLES_SHAPE(filecoin::Signature, v("Type", s.type); v("Data", s.data););
DAMOCLES_SHAPE(filecoin::Ticket, v("VRFProof", s.vrf_proof););
DAMOCLES_SHAPE(filecoin::ElectionProof, v("WinCount", s.win_count); v("VRFProof", s.vrf_proof););
DAMOCLES_SHAPE(filecoin::BeaconEntry, v("Round", s.round); v("Data", s.data););
DAMOCLES_SHAPE(filecoin::PoStProof, v("PoStProof", s.type); v("ProofBytes", s.bytes););

template <>
struct Shape<filecoin::BlockHeader> {
  using IsShape = void;
  template <typename V, typename S>
  static void Visit(V& v, S& s) {
    v("Miner", s.miner);
    v("Ticket", s.ticket);
    v("ElectionProof", s.election_proof);
    v("BeaconEntries", s.beacon_entries);
    v("WinPoStProof", s.win_post_proof);
    v("Parents", s.parents);
    v("ParentWeight", s.parent_weight);
    v("Height", s.height);
    v("ParentStateRoot", s.parent_state_root);
    v("ParentMessageReceipts", s.parent_message_receipts);
    v("Messages", s.messages);
    v("BLSAggregate", s.bls_aggregate);
    v("Timestamp", s.timestamp);
    v("BlockSig", s.block_sig);
    v("ForkSignaling", s.fork_signaling);
    v("ParentBaseFee", s.parent_base_fee);
  }
};
DAMOCLES_SHAPE(filecoin::BlockMsg, v("Header", s.header); v("BlsMessages", s.bls_messages);
               v("SecpkMessages", s.secpk_messages););

// Messages carry their CID on output, so they have codecs of their own; tipsets are checked.
template <>
struct Codec<filecoin::Message> {
  static Json Write(const filecoin::Message& value);
  static absl::Status Read(const Json& json, filecoin::Message& out);
};
template <>
struct Codec<filecoin::SignedMessage> {
  static Json Write(const filecoin::SignedMessage& value);
  static absl::Status Read(const Json& json, filecoin::SignedMessage& out);
};
template <>
struct Codec<filecoin::TipSet> {
  static Json Write(const filecoin::TipSet& value);
  static absl::Status Read(const Json& json, filecoin::TipSet& out);
};
template <>
struct Codec<HeadChangeKind> {
  static Json Write(const HeadChangeKind& value);
  static absl::Status Read(const Json& json, HeadChangeKind& out);
};
DAMOCLES_SHAPE(HeadChange, v.Required("Type", s.kind); v.Required("Val", s.tip_set););
DAMOCLES_SHAPE(BlockMessages, v.MadeList("BlsMessages", s.bls_messages);
               v.MadeList("SecpkMessages", s.secpk_messages); v.MadeList("Cids", s.cids););

DAMOCLES_SHAPE(MessageReceipt, v("ExitCode", s.exit_code); v("Return", s.return_value);
               v("GasUsed", s.gas_used); v("EventsRoot", s.events_root););
DAMOCLES_SHAPE(MsgLookup, v("Message", s.message); v("Receipt", s.receipt);
               v.Constant("ReturnDec", nullptr); v("TipSet", s.tip_set); v("Height", s.height););
DAMOCLES_SHAPE(MessageSendSpec, v("MaxFee", s.max_fee); v("MsgUuid", s.msg_uuid);
               v("MaximizeFeeCap", s.maximize_fee_cap););
DAMOCLES_SHAPE(MsgGasCost, v("Message", s.message); v("GasUsed", s.gas_used);
               v("BaseFeeBurn", s.base_fee_burn); v("OverEstimationBurn", s.over_estimation_burn);
               v("MinerPenalty", s.miner_penalty); v("MinerTip", s.miner_tip);
               v("Refund", s.refund); v("TotalCost", s.total_cost););
DAMOCLES_SHAPE(MessageTrace, v("From", s.from); v("To", s.to); v("Value", s.value);
               v("Method", s.method); v("Params", s.params); v("ParamsCodec", s.params_codec);
               v("GasLimit", s.gas_limit); v("ReadOnly", s.read_only););
DAMOCLES_SHAPE(ReturnTrace, v("ExitCode", s.exit_code); v("Return", s.return_value);
               v("ReturnCodec", s.return_codec););
DAMOCLES_SHAPE(ExecutionTrace, v("Msg", s.msg); v("MsgRct", s.msg_rct);
               v.Constant("GasCharges", nullptr); v.Constant("Subcalls", nullptr););
DAMOCLES_SHAPE(InvocResult, v("MsgCid", s.msg_cid); v("Msg", s.msg); v("MsgRct", s.msg_rct);
               v("GasCost", s.gas_cost); v("ExecutionTrace", s.execution_trace);
               v("Error", s.error); v("Duration", s.duration););
DAMOCLES_SHAPE(MpoolConfig, v("PriorityAddrs", s.priority_addrs);
               v("SizeLimitHigh", s.size_limit_high); v("SizeLimitLow", s.size_limit_low);
               v("ReplaceByFeeRatio", s.replace_by_fee_ratio); v("PruneCooldown", s.prune_cooldown);
               v("GasLimitOverestimation", s.gas_limit_overestimation););

// ---------------------------------------------------------------- node and network

DAMOCLES_SHAPE(NodeVersion, v("Version", s.version); v("APIVersion", s.api_version);
               v("BlockDelay", s.block_delay_secs); v("Agent", s.agent););
using ForkHeights = std::vector<std::pair<std::string, std::int64_t>>;
template <>
struct Codec<ForkHeights> {
  static Json Write(const ForkHeights& value);
  static absl::Status Read(const Json& json, ForkHeights& out);
};
DAMOCLES_SHAPE(NetworkParams, v("NetworkName", s.network_name);
               v("BlockDelaySecs", s.block_delay_secs);
               v("ConsensusMinerMinPower", s.consensus_miner_min_power);
               v("PreCommitChallengeDelay", s.pre_commit_challenge_delay);
               v("ForkUpgradeParams", s.fork_upgrade_params); v("Eip155ChainID", s.eip155_chain_id);
               v("GenesisTimestamp", s.genesis_timestamp););
DAMOCLES_SHAPE(ActiveSync, v("WorkerID", s.worker_id); v("Base", s.base); v("Target", s.target);
               v("Stage", s.stage); v("Height", s.height); v("Start", s.start); v("End", s.end);
               v("Message", s.message););
DAMOCLES_SHAPE(SyncStatus, v("ActiveSyncs", s.active_syncs); v("VMApplied", s.vm_applied););
DAMOCLES_SHAPE(Actor, v("Code", s.code); v("Head", s.head); v("Nonce", s.nonce);
               v("Balance", s.balance); v("DelegatedAddress", s.delegated_address););

// ---------------------------------------------------------------- miners

DAMOCLES_SHAPE(BeneficiaryTerm, v("Quota", s.quota); v("UsedQuota", s.used_quota);
               v("Expiration", s.expiration););
DAMOCLES_SHAPE(PendingBeneficiaryChange, v("NewBeneficiary", s.new_beneficiary);
               v("NewQuota", s.new_quota); v("NewExpiration", s.new_expiration);
               v("ApprovedByBeneficiary", s.approved_by_beneficiary);
               v("ApprovedByNominee", s.approved_by_nominee););
DAMOCLES_SHAPE(MinerInfo, v("Owner", s.owner); v("Worker", s.worker); v("NewWorker", s.new_worker);
               v("ControlAddresses", s.control_addresses);
               v("WorkerChangeEpoch", s.worker_change_epoch); v("PeerId", s.peer_id);
               v("Multiaddrs", s.multiaddrs); v("WindowPoStProofType", s.window_post_proof_type);
               v("SectorSize", s.sector_size);
               v("WindowPoStPartitionSectors", s.window_post_partition_sectors);
               v("ConsensusFaultElapsed", s.consensus_fault_elapsed);
               v("PendingOwnerAddress", s.pending_owner_address); v("Beneficiary", s.beneficiary);
               v("BeneficiaryTerm", s.beneficiary_term);
               v("PendingBeneficiaryTerm", s.pending_beneficiary_term););
DAMOCLES_SHAPE(filecoin::DeadlineInfo, v("CurrentEpoch", s.current_epoch);
               v("PeriodStart", s.period_start); v("Index", s.index); v("Open", s.open);
               v("Close", s.close); v("Challenge", s.challenge); v("FaultCutoff", s.fault_cutoff);
               v("WPoStPeriodDeadlines", s.shape.deadlines);
               v("WPoStProvingPeriod", s.shape.proving_period);
               v("WPoStChallengeWindow", s.shape.challenge_window);
               v("WPoStChallengeLookback", s.shape.challenge_lookback);
               v("FaultDeclarationCutoff", s.shape.fault_declaration_cutoff););
DAMOCLES_SHAPE(DeadlineState, v("PostSubmissions", s.post_submissions);
               v("DisputableProofCount", s.disputable_proof_count); v("DailyFee", s.daily_fee););
DAMOCLES_SHAPE(Partition, v("AllSectors", s.all_sectors); v("FaultySectors", s.faulty_sectors);
               v("RecoveringSectors", s.recovering_sectors); v("LiveSectors", s.live_sectors);
               v("ActiveSectors", s.active_sectors););
DAMOCLES_SHAPE(SectorOnChainInfo, v("SectorNumber", s.sector_number); v("SealProof", s.seal_proof);
               v("SealedCID", s.sealed_cid); v("Activation", s.activation);
               v("Expiration", s.expiration); v("DealWeight", s.deal_weight);
               v("VerifiedDealWeight", s.verified_deal_weight);
               v("InitialPledge", s.initial_pledge); v("ExpectedDayReward", s.expected_day_reward);
               v("ExpectedStoragePledge", s.expected_storage_pledge);
               v("PowerBaseEpoch", s.power_base_epoch);
               v("ReplacedDayReward", s.replaced_day_reward); v("SectorKeyCID", s.sector_key_cid);
               v("Flags", s.flags); v("DailyFee", s.daily_fee););
DAMOCLES_SHAPE(SectorLocation, v("Deadline", s.deadline); v("Partition", s.partition););
DAMOCLES_SHAPE(PowerClaim, v("RawBytePower", s.raw_byte_power);
               v("QualityAdjPower", s.quality_adj_power););
DAMOCLES_SHAPE(MinerPower, v("MinerPower", s.miner_power); v("TotalPower", s.total_power);
               v("HasMinPower", s.has_min_power););
DAMOCLES_SHAPE(MinerSectorCounts, v("Live", s.live); v("Active", s.active); v("Faulty", s.faulty););

// ---------------------------------------------------------------- block production

DAMOCLES_SHAPE(ExtendedSectorInfo, v("SealProof", s.seal_proof); v("SectorNumber", s.sector_number);
               v("SectorKey", s.sector_key); v("SealedCID", s.sealed_cid););
DAMOCLES_SHAPE(MiningBaseInfo, v("MinerPower", s.miner_power); v("NetworkPower", s.network_power);
               v("Sectors", s.sectors); v("WorkerKey", s.worker_key);
               v("SectorSize", s.sector_size); v("PrevBeaconEntry", s.prev_beacon_entry);
               v("BeaconEntries", s.beacon_entries);
               v("EligibleForMining", s.eligible_for_mining););
DAMOCLES_SHAPE(BlockTemplate, v("Miner", s.miner); v("Parents", s.parents); v("Ticket", s.ticket);
               v("Eproof", s.eproof); v("BeaconValues", s.beacon_values); v("Messages", s.messages);
               v("Epoch", s.epoch); v("Timestamp", s.timestamp);
               v("WinningPoStProof", s.winning_post_proof););

}  // namespace damocles::chain::internal

#undef DAMOCLES_SHAPE
