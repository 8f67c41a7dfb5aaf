// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A Filecoin node in its roles: the methods of the node's JSON-RPC under their own names (Lotus's
// v1 `FullNode`).  Whoever asks takes the roles that it uses; a FullNode has all of them.
// LotusClient speaks to one over the network, devnet::DirectApi to the simulated chain in the same
// process. How each method travels is in chain/methods.h.
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
// Thread rule: one event-loop thread.  The node must outlive its tasks and subscriptions.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/async/task.h"
#include "damocles/chain/types.h"

namespace damocles::chain {

template <typename T>
using Result = async::Task<absl::StatusOr<T>>;

class Call;  // chain/methods.h

// Where calls go.
class Caller {
 public:
  virtual ~Caller() = default;
  // OK once the call holds its answer.
  virtual async::Task<absl::Status> Send(std::shared_ptr<Call> call) = 0;
};

// Follows the head.  Call Next() again and again, one call at a time; dropping the object ends it.
class HeadSubscription {
 public:
  virtual ~HeadSubscription() = default;

  // Waits for the next changes, in order: reverts from the old head down, then applies up to the
  // new one.  The first answer is one kCurrent.  A kCurrent later means that something may have
  // been missed (reconnection, another node): take it as a new head on any branch.
  // An error ends the subscription: call ChainReader::ChainNotify again.
  virtual async::Task<absl::StatusOr<std::vector<HeadChange>>> Next() = 0;
};

// Chain and state.  The right to read is enough.
class ChainReader : public Caller {
 public:
  // ------------------------------------------------------------ node and network
  Result<NodeVersion> Version();
  Result<std::string> StateNetworkName();
  Result<std::uint32_t> StateNetworkVersion(filecoin::TipSetKey key);
  Result<SyncStatus> SyncState();

  // ------------------------------------------------------------ chain
  Result<filecoin::TipSet> ChainHead();
  virtual Result<std::unique_ptr<HeadSubscription>> ChainNotify() = 0;
  // For a null round: the tipset before it.
  Result<filecoin::TipSet> ChainGetTipSetByHeight(filecoin::ChainEpoch epoch,
                                                  filecoin::TipSetKey key);
  // For a null round: the tipset after it.
  Result<filecoin::TipSet> ChainGetTipSetAfterHeight(filecoin::ChainEpoch epoch,
                                                     filecoin::TipSetKey key);
  Result<filecoin::Message> ChainGetMessage(filecoin::Cid message);

  // ------------------------------------------------------------ miners
  // The deadline recorded in the state; may be stale right after null rounds.
  Result<filecoin::DeadlineInfo> StateMinerProvingDeadline(filecoin::Address miner,
                                                           filecoin::TipSetKey key);
  Result<std::vector<DeadlineState>> StateMinerDeadlines(filecoin::Address miner,
                                                         filecoin::TipSetKey key);
  // Empty for a deadline without partitions.
  Result<std::vector<Partition>> StateMinerPartitions(filecoin::Address miner,
                                                      std::uint64_t deadline_index,
                                                      filecoin::TipSetKey key);
  // Without `sectors`: all of them.
  Result<std::vector<SectorOnChainInfo>> StateMinerSectors(
      filecoin::Address miner, std::optional<filecoin::BitField> sectors, filecoin::TipSetKey key);
  Result<MinerInfo> StateMinerInfo(filecoin::Address miner, filecoin::TipSetKey key);

  // ------------------------------------------------------------ randomness
  // Fails for an epoch above the head ("cannot draw randomness from the future").
  Result<Bytes32> StateGetRandomnessFromBeacon(std::int64_t tag, filecoin::ChainEpoch epoch,
                                               Bytes entropy, filecoin::TipSetKey key);
  Result<Bytes32> StateGetRandomnessFromTickets(std::int64_t tag, filecoin::ChainEpoch epoch,
                                                Bytes entropy, filecoin::TipSetKey key);

  // ------------------------------------------------------------ accounts
  Result<Actor> StateGetActor(filecoin::Address address, filecoin::TipSetKey key);
  Result<filecoin::Address> StateLookupId(filecoin::Address address, filecoin::TipSetKey key);
  Result<filecoin::Address> StateAccountKey(filecoin::Address address, filecoin::TipSetKey key);
  // At the head, of any account: in the wallet or not.
  Result<filecoin::TokenAmount> WalletBalance(filecoin::Address address);

  // ------------------------------------------------------------ executed messages
  // Looks back at most `limit` epochs from `from` (-1: no limit); empty when it is not there.
  Result<std::optional<MsgLookup>> StateSearchMsg(filecoin::TipSetKey from, filecoin::Cid message,
                                                  std::int64_t limit, bool allow_replaced);
  Result<InvocResult> StateReplay(filecoin::TipSetKey key, filecoin::Cid message);
};

// Messages on their way to the chain.
class MessagePool : public Caller {
 public:
  Result<std::vector<filecoin::SignedMessage>> MpoolPending(filecoin::TipSetKey key);
  // With what is in the pool.
  Result<std::uint64_t> MpoolGetNonce(filecoin::Address address);
  // Executes the message: kFailedPrecondition when that fails.
  Result<std::int64_t> GasEstimateGasLimit(filecoin::Message message, filecoin::TipSetKey key);
  Result<filecoin::TokenAmount> GasEstimateGasPremium(std::uint64_t blocks,
                                                      filecoin::Address sender,
                                                      std::int64_t gas_limit,
                                                      filecoin::TipSetKey key);
  Result<filecoin::Cid> MpoolPush(filecoin::SignedMessage message);
  // The node estimates, assigns the nonce, signs with its wallet and pushes; message.nonce must be
  // 0.  Never two calls at once for one uuid; after kDeadlineExceeded or kUnavailable look for the
  // message.
  Result<filecoin::SignedMessage> MpoolPushMessage(filecoin::Message message,
                                                   std::optional<MessageSendSpec> spec);
};

// The node's keys.
class Wallet : public Caller {
 public:
  Result<bool> WalletHas(filecoin::Address address);
  Result<filecoin::Signature> WalletSign(filecoin::Address address, Bytes data);
};

// What it takes to be elected.
class BlockProducer : public Caller {
 public:
  Result<std::optional<MiningBaseInfo>> MinerGetBaseInfo(filecoin::Address miner,
                                                         filecoin::ChainEpoch round,
                                                         filecoin::TipSetKey key);
  // Waits for the head to come to `epoch`: drop the task to stop waiting.
  Result<filecoin::BeaconEntry> StateGetBeaconEntry(filecoin::ChainEpoch epoch);
};

class FullNode : public ChainReader, public MessagePool, public Wallet, public BlockProducer {
 public:
  async::Task<absl::Status> Send(std::shared_ptr<Call> call) override = 0;
};

}  // namespace damocles::chain
