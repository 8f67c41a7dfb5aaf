// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// chain::Api straight over the engine, for tests in one process and virtual time: no network, no
// JSON, and failures to order.

#pragma once

#include <kj/async.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"

#include "damocles/chain/api.h"
#include "damocles/devnet/chain.h"

namespace damocles::devnet {

class DirectSubscription;

// Borrows the chain, which must outlive it and be advanced on the thread of the event loop.
// Several of them may show one chain, as several nodes do.
class DirectApi final : public chain::Api {
 public:
  explicit DirectApi(Chain& chain);
  ~DirectApi() override;
  DirectApi(const DirectApi&) = delete;
  DirectApi& operator=(const DirectApi&) = delete;

  // ------------------------------------------------------------ failures
  // The next `calls` calls of the method ("*": of any method) answer `status` without being done.
  void FailNext(const std::string& method, std::uint64_t calls, absl::Status status);
  // They are done, and then the answer is lost: the caller gets `status`.
  void LoseAnswers(const std::string& method, std::uint64_t calls, absl::Status status);
  // They do not answer, until Release or for good; then they are done.
  void HangNext(const std::string& method, std::uint64_t calls);
  void Release();
  // Every call and subscription fails with kUnavailable while it is down.
  void SetDown(bool down);
  // Ends all subscriptions with kUnavailable.
  void DropSubscriptions();
  // Subscriptions stay open but hear nothing while silent.
  void SetSilent(bool silent) { silent_ = silent; }
  // How often a method was called, refused calls included.
  std::uint64_t Calls(const std::string& method) const;

  // ------------------------------------------------------------ chain::Api
  Result<chain::NodeVersion> Version() override;
  Result<std::string> StateNetworkName() override;
  Result<std::uint32_t> StateNetworkVersion(filecoin::TipSetKey key) override;
  Result<chain::SyncStatus> SyncState() override;
  Result<filecoin::TipSet> ChainHead() override;
  Result<std::unique_ptr<chain::HeadSubscription>> ChainNotify() override;
  Result<filecoin::TipSet> ChainGetTipSetByHeight(filecoin::ChainEpoch epoch,
                                                  filecoin::TipSetKey key) override;
  Result<filecoin::TipSet> ChainGetTipSetAfterHeight(filecoin::ChainEpoch epoch,
                                                     filecoin::TipSetKey key) override;
  Result<filecoin::Message> ChainGetMessage(filecoin::Cid message) override;
  Result<filecoin::DeadlineInfo> StateMinerProvingDeadline(filecoin::Address miner,
                                                           filecoin::TipSetKey key) override;
  Result<std::vector<chain::DeadlineState>> StateMinerDeadlines(filecoin::Address miner,
                                                                filecoin::TipSetKey key) override;
  Result<std::vector<chain::Partition>> StateMinerPartitions(filecoin::Address miner,
                                                             std::uint64_t deadline_index,
                                                             filecoin::TipSetKey key) override;
  Result<std::vector<chain::SectorOnChainInfo>> StateMinerSectors(
      filecoin::Address miner, std::optional<filecoin::BitField> sectors,
      filecoin::TipSetKey key) override;
  Result<chain::MinerInfo> StateMinerInfo(filecoin::Address miner,
                                          filecoin::TipSetKey key) override;
  Result<Bytes32> StateGetRandomnessFromBeacon(std::int64_t tag, filecoin::ChainEpoch epoch,
                                               Bytes entropy, filecoin::TipSetKey key) override;
  Result<Bytes32> StateGetRandomnessFromTickets(std::int64_t tag, filecoin::ChainEpoch epoch,
                                                Bytes entropy, filecoin::TipSetKey key) override;
  Result<filecoin::BeaconEntry> StateGetBeaconEntry(filecoin::ChainEpoch epoch) override;
  Result<chain::Actor> StateGetActor(filecoin::Address address, filecoin::TipSetKey key) override;
  Result<filecoin::Address> StateLookupId(filecoin::Address address,
                                          filecoin::TipSetKey key) override;
  Result<filecoin::Address> StateAccountKey(filecoin::Address address,
                                            filecoin::TipSetKey key) override;
  Result<filecoin::TokenAmount> WalletBalance(filecoin::Address address) override;
  Result<bool> WalletHas(filecoin::Address address) override;
  Result<filecoin::Signature> WalletSign(filecoin::Address address, Bytes data) override;
  Result<filecoin::TokenAmount> GasEstimateGasPremium(std::uint64_t blocks,
                                                      filecoin::Address sender,
                                                      std::int64_t gas_limit,
                                                      filecoin::TipSetKey key) override;
  Result<std::int64_t> GasEstimateGasLimit(filecoin::Message message,
                                           filecoin::TipSetKey key) override;
  Result<filecoin::SignedMessage> MpoolPushMessage(
      filecoin::Message message, std::optional<chain::MessageSendSpec> spec) override;
  Result<filecoin::Cid> MpoolPush(filecoin::SignedMessage message) override;
  Result<std::uint64_t> MpoolGetNonce(filecoin::Address address) override;
  Result<std::vector<filecoin::SignedMessage>> MpoolPending(filecoin::TipSetKey key) override;
  Result<std::optional<chain::MsgLookup>> StateSearchMsg(filecoin::TipSetKey from,
                                                         filecoin::Cid message, std::int64_t limit,
                                                         bool allow_replaced) override;
  Result<chain::InvocResult> StateReplay(filecoin::TipSetKey key, filecoin::Cid message) override;
  Result<std::optional<chain::MiningBaseInfo>> MinerGetBaseInfo(filecoin::Address miner,
                                                                filecoin::ChainEpoch round,
                                                                filecoin::TipSetKey key) override;

 private:
  enum class FailureKind { kRefuse, kLoseAnswer, kHang };
  struct Failure {
    FailureKind kind = FailureKind::kRefuse;
    std::uint64_t calls = 0;
    absl::Status status;
  };
  // What is ordered for this call; takes one off the order.
  Failure NextFailure(const std::string& method);
  template <typename T>
  Result<T> Answer(const char* method, std::function<absl::StatusOr<T>()> call);
  void OnHeadChange(const std::vector<chain::HeadChange>& changes);
  kj::Promise<void> NextHead();
  kj::Promise<void> Hang();

  Chain& chain_;
  std::uint64_t observer_;
  bool down_ = false;
  bool silent_ = false;
  std::map<std::string, std::vector<Failure>> failures_;
  std::map<std::string, std::uint64_t> calls_;
  std::vector<std::weak_ptr<DirectSubscription>> subscriptions_;
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> waiting_for_head_;
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> hung_;
};

}  // namespace damocles::devnet
