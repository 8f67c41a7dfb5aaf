// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A simulated Filecoin chain with one block an epoch.  Synchronous and deterministic: there is no
// clock in it, nothing but the seed, the genesis and the calls of its mutating methods decide.
// docs/devnet.md lists what is modelled rather than faithful.
//
// Durable: a chain with a home folder keeps a journal of those calls, synced before each of them
// returns, and is rebuilt from it.  After MpoolPushMessage has returned, message and uuid are on
// the disk; after Advance, the block is.
//
// Queries carry the names of the node's methods (chain/api.h) and answer at a tipset key: the state
// after that tipset's PARENTS were executed; an empty key is the head.
//
// One thread at a time.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/base/observers.h"
#include "damocles/chain/types.h"
#include "damocles/devnet/actor.h"
#include "damocles/devnet/genesis.h"

namespace damocles::devnet {

// Answers whether `proof` shows the statement.  A status refuses the proof too: INVALID_ARGUMENT,
// these bytes are no proof; another one, it cannot be judged, and the text (of a missing verifying
// key, say: it names the file) goes into the error of the message.
using VerifyPost = std::function<absl::StatusOr<bool>(const PostStatement&, ByteSpan proof)>;

struct ChainOptions {
  VerifyPost verify;  // required
  VerifyMode mode = VerifyMode::kAlways;
};

// At most so many epochs without a block before one that has one.
inline constexpr std::uint64_t kNullRoundsMax = 100'000;

struct AdvanceOptions {
  std::uint64_t null_rounds = 0;  // epochs without a block before the new one
  // Unix seconds of the new block; by default one delay an epoch after its parent.
  std::optional<std::uint64_t> timestamp;
};

// What a deadline's end found, for the report.
struct DeadlineOutcome {
  filecoin::ActorId miner = 0;
  filecoin::ChainEpoch epoch{};  // of the cron
  CronResult end;
};

// A SubmitWindowedPoSt as it was executed.
struct ExecutedPost {
  filecoin::Cid message;
  filecoin::ActorId miner = 0;
  filecoin::ChainEpoch epoch{};  // of inclusion
  std::int64_t exit_code = 0;
  std::string error;
  Bytes params;                      // of the message
  std::optional<AcceptedPost> post;  // if the exit code is 0
  Bytes32 randomness{};              // of its challenge, masked as the prover has it
};

class ChainCore;

class Chain {
 public:
  // Makes the home folder and the chain in it; ALREADY_EXISTS if there is one.
  static absl::Status Init(const std::string& home, const ChainConfig& config,
                           const Genesis& genesis);
  // FAILED_PRECONDITION: another process runs it; NOT_FOUND: Init was never called there;
  // DATA_LOSS: the journal is damaged (not merely cut short at its end by a crash).
  static absl::StatusOr<std::unique_ptr<Chain>> Open(const std::string& home, ChainOptions options);
  // To look at, also while another process runs it: mutating methods refuse.
  static absl::StatusOr<std::unique_ptr<Chain>> OpenReadOnly(const std::string& home);
  // Without a home: gone with the object.
  static absl::StatusOr<std::unique_ptr<Chain>> InMemory(const ChainConfig& config,
                                                         const Genesis& genesis,
                                                         ChainOptions options);
  ~Chain();
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  const ChainConfig& Config() const;
  // Of the next block.
  const filecoin::TokenAmount& BaseFee() const;

  // ------------------------------------------------------------ events
  // One block more, with the messages of the pool that fit; executes them.
  absl::Status Advance(const AdvanceOptions& options = {});
  // Replaces the last `depth` tipsets by as many on another branch; their messages return to the
  // pool.  FAILED_PRECONDITION if that reaches into the blocks of the genesis.
  absl::Status Reorg(std::uint64_t depth);
  absl::Status CheckReorg(std::uint64_t depth) const;
  // Takes a message out of the pool, as if it had been lost in the network; NOT_FOUND.
  absl::Status DropMessage(const filecoin::Cid& message);
  absl::Status CheckPending(const filecoin::Cid& message) const;
  // The next `count` messages that are pushed are lost like that at once.
  absl::Status DropNextMessages(std::uint64_t count);
  // Of the next block: from 0 to all the money there is.  From there it goes its own way.
  absl::Status SetBaseFee(const filecoin::TokenAmount& base_fee);
  static absl::Status CheckBaseFee(const filecoin::TokenAmount& base_fee);
  // Another script of foreign traffic, from the next block on.
  absl::Status SetTraffic(Traffic traffic);
  // Money of a miner beyond pledge, and its debt; and the last epoch of a consensus fault.
  absl::Status SetMinerFunds(filecoin::ActorId miner, const filecoin::TokenAmount& balance,
                             const filecoin::TokenAmount& fee_debt);
  absl::Status SetConsensusFault(filecoin::ActorId miner, filecoin::ChainEpoch elapsed);
  // New sectors of a running chain, after the head was executed.  CheckAddSectors says what
  // AddSectors would.
  absl::Status AddSectors(filecoin::ActorId miner, const std::vector<GenesisSector>& sectors);
  absl::Status CheckAddSectors(filecoin::ActorId miner,
                               const std::vector<GenesisSector>& sectors) const;

  absl::StatusOr<filecoin::SignedMessage> MpoolPushMessage(
      filecoin::Message message, const std::optional<chain::MessageSendSpec>& spec);
  absl::StatusOr<filecoin::Cid> MpoolPush(const filecoin::SignedMessage& message);

  // Called after each change of the head, with the changes in order, from the mutating method.
  // The observer must not change the chain.
  Subscription OnHeadChange(std::function<void(const std::vector<chain::HeadChange>&)> observer);

  // ------------------------------------------------------------ chain
  const filecoin::TipSet& ChainHead() const;
  absl::StatusOr<filecoin::TipSet> ChainGetTipSet(const filecoin::TipSetKey& key) const;
  absl::StatusOr<filecoin::TipSet> ChainGetTipSetByHeight(filecoin::ChainEpoch epoch,
                                                          const filecoin::TipSetKey& key) const;
  absl::StatusOr<filecoin::TipSet> ChainGetTipSetAfterHeight(filecoin::ChainEpoch epoch,
                                                             const filecoin::TipSetKey& key) const;
  absl::StatusOr<std::vector<chain::HeadChange>> ChainGetPath(const filecoin::TipSetKey& from,
                                                              const filecoin::TipSetKey& to) const;
  absl::StatusOr<filecoin::TokenAmount> ChainTipSetWeight(const filecoin::TipSetKey& key) const;
  absl::StatusOr<filecoin::BlockHeader> ChainGetBlock(const filecoin::Cid& block) const;
  absl::StatusOr<filecoin::Message> ChainGetMessage(const filecoin::Cid& message) const;
  absl::StatusOr<chain::BlockMessages> ChainGetBlockMessages(const filecoin::Cid& block) const;

  // ------------------------------------------------------------ node and network
  chain::NodeVersion Version() const;
  std::string StateNetworkName() const;
  chain::NetworkParams StateGetNetworkParams() const;

  // ------------------------------------------------------------ miners
  absl::StatusOr<filecoin::DeadlineInfo> StateMinerProvingDeadline(
      const filecoin::Address& miner, const filecoin::TipSetKey& key) const;
  absl::StatusOr<std::vector<chain::DeadlineState>> StateMinerDeadlines(
      const filecoin::Address& miner, const filecoin::TipSetKey& key) const;
  absl::StatusOr<std::vector<chain::Partition>> StateMinerPartitions(
      const filecoin::Address& miner, std::uint64_t deadline, const filecoin::TipSetKey& key) const;
  absl::StatusOr<std::vector<chain::SectorOnChainInfo>> StateMinerSectors(
      const filecoin::Address& miner, const std::optional<filecoin::BitField>& sectors,
      const filecoin::TipSetKey& key) const;
  absl::StatusOr<std::vector<chain::SectorOnChainInfo>> StateMinerActiveSectors(
      const filecoin::Address& miner, const filecoin::TipSetKey& key) const;
  absl::StatusOr<std::optional<chain::SectorOnChainInfo>> StateSectorGetInfo(
      const filecoin::Address& miner, filecoin::SectorNumber sector,
      const filecoin::TipSetKey& key) const;
  absl::StatusOr<chain::SectorLocation> StateSectorPartition(const filecoin::Address& miner,
                                                             filecoin::SectorNumber sector,
                                                             const filecoin::TipSetKey& key) const;
  absl::StatusOr<filecoin::BitField> StateMinerFaults(const filecoin::Address& miner,
                                                      const filecoin::TipSetKey& key) const;
  absl::StatusOr<filecoin::BitField> StateMinerRecoveries(const filecoin::Address& miner,
                                                          const filecoin::TipSetKey& key) const;
  absl::StatusOr<chain::MinerInfo> StateMinerInfo(const filecoin::Address& miner,
                                                  const filecoin::TipSetKey& key) const;
  absl::StatusOr<chain::MinerPower> StateMinerPower(const filecoin::Address& miner,
                                                    const filecoin::TipSetKey& key) const;
  absl::StatusOr<filecoin::TokenAmount> StateMinerAvailableBalance(
      const filecoin::Address& miner, const filecoin::TipSetKey& key) const;
  absl::StatusOr<chain::MinerSectorCounts> StateMinerSectorCount(
      const filecoin::Address& miner, const filecoin::TipSetKey& key) const;
  absl::StatusOr<std::vector<filecoin::Address>> StateListMiners(
      const filecoin::TipSetKey& key) const;

  // ------------------------------------------------------------ randomness
  absl::StatusOr<Bytes32> StateGetRandomnessFromBeacon(std::int64_t tag, filecoin::ChainEpoch epoch,
                                                       ByteSpan entropy,
                                                       const filecoin::TipSetKey& key) const;
  absl::StatusOr<Bytes32> StateGetRandomnessFromTickets(std::int64_t tag,
                                                        filecoin::ChainEpoch epoch,
                                                        ByteSpan entropy,
                                                        const filecoin::TipSetKey& key) const;
  absl::StatusOr<Bytes32> StateGetRandomnessDigestFromBeacon(filecoin::ChainEpoch epoch,
                                                             const filecoin::TipSetKey& key) const;
  absl::StatusOr<Bytes32> StateGetRandomnessDigestFromTickets(filecoin::ChainEpoch epoch,
                                                              const filecoin::TipSetKey& key) const;
  // Of a past or future epoch: entries are a function of the seed.  (A node has those of the future
  // later: the servers wait until the head has come to `epoch`.)
  absl::StatusOr<filecoin::BeaconEntry> StateGetBeaconEntry(filecoin::ChainEpoch epoch) const;

  // ------------------------------------------------------------ accounts and wallet
  absl::StatusOr<chain::Actor> StateGetActor(const filecoin::Address& address,
                                             const filecoin::TipSetKey& key) const;
  absl::StatusOr<filecoin::Address> StateLookupId(const filecoin::Address& address,
                                                  const filecoin::TipSetKey& key) const;
  absl::StatusOr<filecoin::Address> StateAccountKey(const filecoin::Address& address,
                                                    const filecoin::TipSetKey& key) const;
  absl::StatusOr<filecoin::TokenAmount> WalletBalance(const filecoin::Address& address) const;
  bool WalletHas(const filecoin::Address& address) const;
  std::vector<filecoin::Address> WalletList() const;
  absl::StatusOr<filecoin::Signature> WalletSign(const filecoin::Address& address,
                                                 ByteSpan data) const;

  // ------------------------------------------------------------ gas
  absl::StatusOr<filecoin::Message> GasEstimateMessageGas(
      filecoin::Message message, const std::optional<chain::MessageSendSpec>& spec,
      const filecoin::TipSetKey& key);
  filecoin::TokenAmount GasEstimateFeeCap(const filecoin::Message& message) const;
  filecoin::TokenAmount GasEstimateGasPremium() const;
  absl::StatusOr<std::int64_t> GasEstimateGasLimit(const filecoin::Message& message,
                                                   const filecoin::TipSetKey& key);

  // ------------------------------------------------------------ messages
  absl::StatusOr<std::uint64_t> MpoolGetNonce(const filecoin::Address& address) const;
  std::vector<filecoin::SignedMessage> MpoolPending() const;
  chain::MpoolConfig MpoolGetConfig() const;
  absl::StatusOr<std::optional<chain::MsgLookup>> StateSearchMsg(const filecoin::TipSetKey& from,
                                                                 const filecoin::Cid& message,
                                                                 std::int64_t limit,
                                                                 bool allow_replaced) const;
  absl::StatusOr<chain::InvocResult> StateCall(const filecoin::Message& message,
                                               const filecoin::TipSetKey& key);
  absl::StatusOr<chain::InvocResult> StateReplay(const filecoin::TipSetKey& key,
                                                 const filecoin::Cid& message) const;

  // ------------------------------------------------------------ block production
  absl::StatusOr<std::optional<chain::MiningBaseInfo>> MinerGetBaseInfo(
      const filecoin::Address& miner, filecoin::ChainEpoch round,
      const filecoin::TipSetKey& key) const;

  // ------------------------------------------------------------ for reports and tests
  // Of the canonical chain, oldest first: what its blocks executed.
  std::vector<ExecutedPost> ExecutedPosts() const;
  std::vector<DeadlineOutcome> DeadlineOutcomes() const;
  // The other address of a miner, by which messages reach it too.
  static filecoin::Address RobustAddressOf(filecoin::ActorId miner);
  // The miner's state after the head itself was executed.
  absl::StatusOr<MinerState> MinerAfterHead(filecoin::ActorId miner) const;

 private:
  explicit Chain(std::unique_ptr<ChainCore> core);
  std::unique_ptr<ChainCore> core_;
};

}  // namespace damocles::devnet
