// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A Filecoin node, as a poster sees it: the methods of the node's JSON-RPC under their own names
// (Lotus's v1 `FullNode`).  LotusClient speaks to one over the network, devnet::DirectApi to the
// simulated chain in the same process.
//
// Everywhere: an empty TipSetKey means the node's head.  State at a key is the state after the
// PARENTS of that tipset were executed, so a receipt appears one tipset after the message.
//
// Errors, by what the caller does:
//   kUnavailable         the node cannot be reached, closed the connection or said "busy": retry
//   kDeadlineExceeded    no answer in time; a push may or may not have happened: look it up first
//   kNotFound            actor, tipset or message unknown at that key
//   kPermissionDenied    the token lacks the right
//   kUnauthenticated     the token was refused
//   kUnimplemented       the node has no such method
//   kInvalidArgument     the node could not read a parameter
//   kFailedPrecondition  a dry run of a message failed; the text holds exit code and reason
//   kDataLoss            the answer could not be read
//   kUnknown             any other error of the node, with its text
//
// Thread rule: one event-loop thread.  The Api must outlive its tasks and subscriptions.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/async/task.h"
#include "damocles/chain/types.h"

namespace damocles::chain {

// Follows the head.  Call Next() again and again, one call at a time; dropping the object ends it.
class HeadSubscription {
 public:
  virtual ~HeadSubscription() = default;

  // Waits for the next changes, in order: reverts from the old head down, then applies up to the
  // new one.  The first answer is one kCurrent.  A kCurrent later means that something may have
  // been missed (reconnection, another node): take it as a new head on any branch.
  // An error ends the subscription: call Api::ChainNotify again.
  virtual async::Task<absl::StatusOr<std::vector<HeadChange>>> Next() = 0;
};

class Api {
 public:
  template <typename T>
  using Result = async::Task<absl::StatusOr<T>>;

  virtual ~Api() = default;

  // ------------------------------------------------------------ node and network
  virtual Result<NodeVersion> Version() = 0;
  virtual Result<std::string> StateNetworkName() = 0;
  virtual Result<std::uint32_t> StateNetworkVersion(filecoin::TipSetKey key) = 0;
  virtual Result<SyncStatus> SyncState() = 0;

  // ------------------------------------------------------------ chain
  virtual Result<filecoin::TipSet> ChainHead() = 0;
  virtual Result<std::unique_ptr<HeadSubscription>> ChainNotify() = 0;
  // For a null round: the tipset before it.
  virtual Result<filecoin::TipSet> ChainGetTipSetByHeight(filecoin::ChainEpoch epoch,
                                                          filecoin::TipSetKey key) = 0;
  // For a null round: the tipset after it.
  virtual Result<filecoin::TipSet> ChainGetTipSetAfterHeight(filecoin::ChainEpoch epoch,
                                                             filecoin::TipSetKey key) = 0;
  virtual Result<filecoin::Message> ChainGetMessage(filecoin::Cid message) = 0;

  // ------------------------------------------------------------ miners
  // The deadline recorded in the state; may be stale right after null rounds.
  virtual Result<filecoin::DeadlineInfo> StateMinerProvingDeadline(filecoin::Address miner,
                                                                   filecoin::TipSetKey key) = 0;
  virtual Result<std::vector<DeadlineState>> StateMinerDeadlines(filecoin::Address miner,
                                                                 filecoin::TipSetKey key) = 0;
  // Empty for a deadline without partitions.
  virtual Result<std::vector<Partition>> StateMinerPartitions(filecoin::Address miner,
                                                              std::uint64_t deadline_index,
                                                              filecoin::TipSetKey key) = 0;
  // Without `sectors`: all of them.
  virtual Result<std::vector<SectorOnChainInfo>> StateMinerSectors(
      filecoin::Address miner, std::optional<filecoin::BitField> sectors,
      filecoin::TipSetKey key) = 0;
  virtual Result<MinerInfo> StateMinerInfo(filecoin::Address miner, filecoin::TipSetKey key) = 0;

  // ------------------------------------------------------------ randomness
  // Fails for an epoch above the head ("cannot draw randomness from the future").
  virtual Result<Bytes32> StateGetRandomnessFromBeacon(std::int64_t tag, filecoin::ChainEpoch epoch,
                                                       Bytes entropy, filecoin::TipSetKey key) = 0;
  virtual Result<Bytes32> StateGetRandomnessFromTickets(std::int64_t tag,
                                                        filecoin::ChainEpoch epoch, Bytes entropy,
                                                        filecoin::TipSetKey key) = 0;
  // Waits for the head to come to `epoch`: drop the task to stop waiting.
  virtual Result<filecoin::BeaconEntry> StateGetBeaconEntry(filecoin::ChainEpoch epoch) = 0;

  // ------------------------------------------------------------ accounts and wallet
  virtual Result<Actor> StateGetActor(filecoin::Address address, filecoin::TipSetKey key) = 0;
  virtual Result<filecoin::Address> StateLookupId(filecoin::Address address,
                                                  filecoin::TipSetKey key) = 0;
  virtual Result<filecoin::Address> StateAccountKey(filecoin::Address address,
                                                    filecoin::TipSetKey key) = 0;
  virtual Result<filecoin::TokenAmount> WalletBalance(filecoin::Address address) = 0;
  virtual Result<bool> WalletHas(filecoin::Address address) = 0;
  virtual Result<filecoin::Signature> WalletSign(filecoin::Address address, Bytes data) = 0;

  // ------------------------------------------------------------ gas
  virtual Result<filecoin::TokenAmount> GasEstimateGasPremium(std::uint64_t blocks,
                                                              filecoin::Address sender,
                                                              std::int64_t gas_limit,
                                                              filecoin::TipSetKey key) = 0;
  // Executes the message: kFailedPrecondition when that fails.
  virtual Result<std::int64_t> GasEstimateGasLimit(filecoin::Message message,
                                                   filecoin::TipSetKey key) = 0;

  // ------------------------------------------------------------ messages
  // The node estimates, assigns the nonce, signs and pushes; message.nonce must be 0.  Never two
  // calls at once for one uuid; after kDeadlineExceeded or kUnavailable look for the message.
  virtual Result<filecoin::SignedMessage> MpoolPushMessage(filecoin::Message message,
                                                           std::optional<MessageSendSpec> spec) = 0;
  virtual Result<filecoin::Cid> MpoolPush(filecoin::SignedMessage message) = 0;
  virtual Result<std::uint64_t> MpoolGetNonce(filecoin::Address address) = 0;
  virtual Result<std::vector<filecoin::SignedMessage>> MpoolPending(filecoin::TipSetKey key) = 0;
  // Looks back at most `limit` epochs from `from` (-1: no limit); empty when it is not there.
  virtual Result<std::optional<MsgLookup>> StateSearchMsg(filecoin::TipSetKey from,
                                                          filecoin::Cid message, std::int64_t limit,
                                                          bool allow_replaced) = 0;
  virtual Result<InvocResult> StateReplay(filecoin::TipSetKey key, filecoin::Cid message) = 0;

  // ------------------------------------------------------------ block production
  virtual Result<std::optional<MiningBaseInfo>> MinerGetBaseInfo(filecoin::Address miner,
                                                                 filecoin::ChainEpoch round,
                                                                 filecoin::TipSetKey key) = 0;
};

}  // namespace damocles::chain
