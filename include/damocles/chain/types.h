// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What a Filecoin node answers, as values.  Names follow the node's JSON, so that an
// operator finds them again; the JSON itself is in chain/lotus_json.h.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "damocles/base/bytes.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/bitfield.h"
#include "damocles/filecoin/block.h"
#include "damocles/filecoin/cid.h"
#include "damocles/filecoin/deadline.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/message.h"
#include "damocles/filecoin/miner_params.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/sector.h"
#include "damocles/filecoin/token_amount.h"

namespace damocles::chain {

// ---------------------------------------------------------------- the node and its network

struct NodeVersion {
  std::string version;            // free text, such as "1.36.0+mainnet"
  std::uint32_t api_version = 0;  // 0x020300 is 2.3.0
  std::uint64_t block_delay_secs = 0;
  std::string agent;
};

struct NetworkParams {
  std::string network_name;
  std::uint64_t block_delay_secs = 0;
  filecoin::TokenAmount consensus_miner_min_power;
  filecoin::EpochDelta pre_commit_challenge_delay{};
  // In the node's order: name of the upgrade, its epoch.
  std::vector<std::pair<std::string, std::int64_t>> fork_upgrade_params;
  std::uint64_t eip155_chain_id = 0;
  std::uint64_t genesis_timestamp = 0;  // Unix seconds
};

struct ActiveSync {
  std::uint64_t worker_id = 0;
  std::optional<filecoin::TipSet> base;
  std::optional<filecoin::TipSet> target;
  std::int64_t stage = 0;
  filecoin::ChainEpoch height{};
  absl::Time start;
  absl::Time end;
  std::string message;
};

struct SyncStatus {
  std::vector<ActiveSync> active_syncs;
  std::uint64_t vm_applied = 0;
};

// ---------------------------------------------------------------- the chain

enum class HeadChangeKind {
  kCurrent,  // the head when the subscription began, or began again: may be on another branch
  kApply,
  kRevert,
};

struct HeadChange {
  HeadChangeKind kind = HeadChangeKind::kCurrent;
  filecoin::TipSet tip_set;
};

struct BlockMessages {
  std::vector<filecoin::Message> bls_messages;
  std::vector<filecoin::SignedMessage> secpk_messages;
  std::vector<filecoin::Cid> cids;  // the former, then the latter
};

struct Actor {
  filecoin::Cid code;
  filecoin::Cid head;
  std::uint64_t nonce = 0;
  filecoin::TokenAmount balance;
  std::optional<filecoin::Address> delegated_address;
};

// ---------------------------------------------------------------- miners

struct BeneficiaryTerm {
  filecoin::TokenAmount quota;
  filecoin::TokenAmount used_quota;
  filecoin::ChainEpoch expiration{};
};

struct PendingBeneficiaryChange {
  filecoin::Address new_beneficiary;
  filecoin::TokenAmount new_quota;
  filecoin::ChainEpoch new_expiration{};
  bool approved_by_beneficiary = false;
  bool approved_by_nominee = false;
};

struct MinerInfo {
  filecoin::Address owner;
  filecoin::Address worker;
  filecoin::Address new_worker;  // undefined: no change is pending
  std::vector<filecoin::Address> control_addresses;
  filecoin::ChainEpoch worker_change_epoch{};
  std::optional<std::string> peer_id;
  std::vector<Bytes> multiaddrs;
  // The registered number; an old node may still say the V1 one.
  filecoin::PoStProofType window_post_proof_type{};
  std::uint64_t sector_size = 0;  // bytes
  std::uint64_t window_post_partition_sectors = 0;
  filecoin::ChainEpoch consensus_fault_elapsed{};  // -1: none
  std::optional<filecoin::Address> pending_owner_address;
  filecoin::Address beneficiary;
  std::optional<BeneficiaryTerm> beneficiary_term;
  std::optional<PendingBeneficiaryChange> pending_beneficiary_term;
};

// One of a miner's deadlines, by index in the answer's list.
struct DeadlineState {
  filecoin::BitField post_submissions;  // partitions already posted in the window
  std::uint64_t disputable_proof_count = 0;
  filecoin::TokenAmount daily_fee;
};

// Sets of sector numbers of one partition on the chain.
struct Partition {
  filecoin::BitField all_sectors;
  filecoin::BitField faulty_sectors;  // among the live ones; includes the recovering ones
  filecoin::BitField recovering_sectors;
  filecoin::BitField live_sectors;
  filecoin::BitField active_sectors;
};

struct SectorOnChainInfo {
  filecoin::SectorNumber sector_number{};
  filecoin::SealProofType seal_proof{};
  filecoin::Cid sealed_cid;  // CommR
  filecoin::ChainEpoch activation{};
  filecoin::ChainEpoch expiration{};
  filecoin::TokenAmount deal_weight;
  filecoin::TokenAmount verified_deal_weight;
  filecoin::TokenAmount initial_pledge;
  std::optional<filecoin::TokenAmount> expected_day_reward;
  std::optional<filecoin::TokenAmount> expected_storage_pledge;
  filecoin::ChainEpoch power_base_epoch{};
  std::optional<filecoin::TokenAmount> replaced_day_reward;
  std::optional<filecoin::Cid> sector_key_cid;  // CommR before the upgrade, if there was one
  std::uint64_t flags = 0;
  filecoin::TokenAmount daily_fee;
};

struct SectorLocation {
  std::uint64_t deadline = 0;
  std::uint64_t partition = 0;
};

struct PowerClaim {
  filecoin::TokenAmount raw_byte_power;
  filecoin::TokenAmount quality_adj_power;
};

struct MinerPower {
  PowerClaim miner_power;
  PowerClaim total_power;
  bool has_min_power = false;
};

struct MinerSectorCounts {
  std::uint64_t live = 0;
  std::uint64_t active = 0;
  std::uint64_t faulty = 0;
};

// ---------------------------------------------------------------- messages

struct MessageReceipt {
  std::int64_t exit_code = 0;  // 0 is success; 16 and above are the actor's refusals
  Bytes return_value;
  std::int64_t gas_used = 0;
  std::optional<filecoin::Cid> events_root;
};

struct MsgLookup {
  filecoin::Cid message;  // differs from what was asked for when the message was replaced
  MessageReceipt receipt;
  filecoin::TipSetKey tip_set;  // the one that shows the receipt: child of the one that included it
  filecoin::ChainEpoch height{};  // of that tipset
};

using Uuid = std::array<std::uint8_t, 16>;

// Wishes that go with MpoolPushMessage.
struct MessageSendSpec {
  filecoin::TokenAmount max_fee;  // zero: the node's default, not "no limit"
  Uuid msg_uuid{};                // zero: none; else a repeated push gives the same message
  bool maximize_fee_cap = false;
};

struct MsgGasCost {
  std::optional<filecoin::Cid> message;
  filecoin::TokenAmount gas_used;
  filecoin::TokenAmount base_fee_burn;
  filecoin::TokenAmount over_estimation_burn;
  filecoin::TokenAmount miner_penalty;
  filecoin::TokenAmount miner_tip;
  filecoin::TokenAmount refund;
  filecoin::TokenAmount total_cost;
};

struct MessageTrace {
  filecoin::Address from;
  filecoin::Address to;
  filecoin::TokenAmount value;
  std::uint64_t method = 0;
  Bytes params;
  std::uint64_t params_codec = 0;
  std::uint64_t gas_limit = 0;
  bool read_only = false;
};

struct ReturnTrace {
  std::int64_t exit_code = 0;
  Bytes return_value;
  std::uint64_t return_codec = 0;
};

// The outermost call only: charges and calls inside it are not read.
struct ExecutionTrace {
  MessageTrace msg;
  ReturnTrace msg_rct;
};

// What StateCall and StateReplay found.
struct InvocResult {
  filecoin::Cid msg_cid;
  filecoin::Message msg;
  MessageReceipt msg_rct;
  MsgGasCost gas_cost;
  ExecutionTrace execution_trace;
  std::string error;  // the machine's text when the exit code is not 0
  absl::Duration duration;
};

struct MpoolConfig {
  std::vector<filecoin::Address> priority_addrs;
  std::int64_t size_limit_high = 0;
  std::int64_t size_limit_low = 0;
  double replace_by_fee_ratio = 0;
  absl::Duration prune_cooldown;
  double gas_limit_overestimation = 0;
};

// ---------------------------------------------------------------- block production

struct ExtendedSectorInfo {
  filecoin::SealProofType seal_proof{};
  filecoin::SectorNumber sector_number{};
  std::optional<filecoin::Cid> sector_key;
  filecoin::Cid sealed_cid;
};

struct MiningBaseInfo {
  filecoin::TokenAmount miner_power;
  filecoin::TokenAmount network_power;
  std::vector<ExtendedSectorInfo> sectors;
  filecoin::Address worker_key;
  std::uint64_t sector_size = 0;
  filecoin::BeaconEntry prev_beacon_entry;
  std::vector<filecoin::BeaconEntry> beacon_entries;
  bool eligible_for_mining = false;
};

struct BlockTemplate {
  filecoin::Address miner;
  filecoin::TipSetKey parents;
  std::optional<filecoin::Ticket> ticket;
  std::optional<filecoin::ElectionProof> eproof;
  std::vector<filecoin::BeaconEntry> beacon_values;
  std::vector<filecoin::SignedMessage> messages;
  filecoin::ChainEpoch epoch{};
  std::uint64_t timestamp = 0;
  std::vector<filecoin::PoStProof> winning_post_proof;
};

}  // namespace damocles::chain
