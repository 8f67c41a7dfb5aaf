// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/chain/api.h"

#include <memory>
#include <utility>

#include "damocles/base/status.h"
#include "damocles/chain/methods.h"

namespace damocles::chain {
namespace {

template <auto member>
Result<typename CallOf<member>::Answer> AnswerOf(async::Task<absl::Status> sending,
                                                 std::shared_ptr<CallOf<member>> call) {
  DAMOCLES_CO_RETURN_IF_ERROR(co_await kj::mv(sending));
  co_return *std::move(call->answer);
}

template <auto member, typename... P>
Result<typename CallOf<member>::Answer> Ask(Caller& node, P... params) {
  auto call =
      std::make_shared<CallOf<member>>(typename CallOf<member>::Params(std::move(params)...));
  auto sending = node.Send(call);
  return AnswerOf<member>(kj::mv(sending), std::move(call));
}

}  // namespace

const std::vector<MethodInfo>& AllMethods() {
  static const auto* methods = new std::vector<MethodInfo>(
      std::apply([](const auto&... rows) { return std::vector<MethodInfo>{rows...}; }, kMethods));
  return *methods;
}

Result<NodeVersion> ChainReader::Version() {
  return Ask<&ChainReader::Version>(*this);
}

Result<std::string> ChainReader::StateNetworkName() {
  return Ask<&ChainReader::StateNetworkName>(*this);
}

Result<std::uint32_t> ChainReader::StateNetworkVersion(filecoin::TipSetKey key) {
  return Ask<&ChainReader::StateNetworkVersion>(*this, std::move(key));
}

Result<SyncStatus> ChainReader::SyncState() {
  return Ask<&ChainReader::SyncState>(*this);
}

Result<filecoin::TipSet> ChainReader::ChainHead() {
  return Ask<&ChainReader::ChainHead>(*this);
}

Result<filecoin::TipSet> ChainReader::ChainGetTipSetByHeight(filecoin::ChainEpoch epoch,
                                                             filecoin::TipSetKey key) {
  return Ask<&ChainReader::ChainGetTipSetByHeight>(*this, epoch, std::move(key));
}

Result<filecoin::TipSet> ChainReader::ChainGetTipSetAfterHeight(filecoin::ChainEpoch epoch,
                                                                filecoin::TipSetKey key) {
  return Ask<&ChainReader::ChainGetTipSetAfterHeight>(*this, epoch, std::move(key));
}

Result<filecoin::Message> ChainReader::ChainGetMessage(filecoin::Cid message) {
  return Ask<&ChainReader::ChainGetMessage>(*this, std::move(message));
}

Result<filecoin::DeadlineInfo> ChainReader::StateMinerProvingDeadline(filecoin::Address miner,
                                                                      filecoin::TipSetKey key) {
  return Ask<&ChainReader::StateMinerProvingDeadline>(*this, std::move(miner), std::move(key));
}

Result<std::vector<DeadlineState>> ChainReader::StateMinerDeadlines(filecoin::Address miner,
                                                                    filecoin::TipSetKey key) {
  return Ask<&ChainReader::StateMinerDeadlines>(*this, std::move(miner), std::move(key));
}

Result<std::vector<Partition>> ChainReader::StateMinerPartitions(filecoin::Address miner,
                                                                 std::uint64_t deadline_index,
                                                                 filecoin::TipSetKey key) {
  return Ask<&ChainReader::StateMinerPartitions>(*this, std::move(miner), deadline_index,
                                                 std::move(key));
}

Result<std::vector<SectorOnChainInfo>> ChainReader::StateMinerSectors(
    filecoin::Address miner, std::optional<filecoin::BitField> sectors, filecoin::TipSetKey key) {
  return Ask<&ChainReader::StateMinerSectors>(*this, std::move(miner), std::move(sectors),
                                              std::move(key));
}

Result<MinerInfo> ChainReader::StateMinerInfo(filecoin::Address miner, filecoin::TipSetKey key) {
  return Ask<&ChainReader::StateMinerInfo>(*this, std::move(miner), std::move(key));
}

Result<Bytes32> ChainReader::StateGetRandomnessFromBeacon(std::int64_t tag,
                                                          filecoin::ChainEpoch epoch, Bytes entropy,
                                                          filecoin::TipSetKey key) {
  return Ask<&ChainReader::StateGetRandomnessFromBeacon>(*this, tag, epoch, std::move(entropy),
                                                         std::move(key));
}

Result<Bytes32> ChainReader::StateGetRandomnessFromTickets(std::int64_t tag,
                                                           filecoin::ChainEpoch epoch,
                                                           Bytes entropy, filecoin::TipSetKey key) {
  return Ask<&ChainReader::StateGetRandomnessFromTickets>(*this, tag, epoch, std::move(entropy),
                                                          std::move(key));
}

Result<Actor> ChainReader::StateGetActor(filecoin::Address address, filecoin::TipSetKey key) {
  return Ask<&ChainReader::StateGetActor>(*this, std::move(address), std::move(key));
}

Result<filecoin::Address> ChainReader::StateLookupId(filecoin::Address address,
                                                     filecoin::TipSetKey key) {
  return Ask<&ChainReader::StateLookupId>(*this, std::move(address), std::move(key));
}

Result<filecoin::Address> ChainReader::StateAccountKey(filecoin::Address address,
                                                       filecoin::TipSetKey key) {
  return Ask<&ChainReader::StateAccountKey>(*this, std::move(address), std::move(key));
}

Result<filecoin::TokenAmount> ChainReader::WalletBalance(filecoin::Address address) {
  return Ask<&ChainReader::WalletBalance>(*this, std::move(address));
}

Result<std::optional<MsgLookup>> ChainReader::StateSearchMsg(filecoin::TipSetKey from,
                                                             filecoin::Cid message,
                                                             std::int64_t limit,
                                                             bool allow_replaced) {
  return Ask<&ChainReader::StateSearchMsg>(*this, std::move(from), std::move(message), limit,
                                           allow_replaced);
}

Result<InvocResult> ChainReader::StateReplay(filecoin::TipSetKey key, filecoin::Cid message) {
  return Ask<&ChainReader::StateReplay>(*this, std::move(key), std::move(message));
}

Result<std::vector<filecoin::SignedMessage>> MessagePool::MpoolPending(filecoin::TipSetKey key) {
  return Ask<&MessagePool::MpoolPending>(*this, std::move(key));
}

Result<std::uint64_t> MessagePool::MpoolGetNonce(filecoin::Address address) {
  return Ask<&MessagePool::MpoolGetNonce>(*this, std::move(address));
}

Result<std::int64_t> MessagePool::GasEstimateGasLimit(filecoin::Message message,
                                                      filecoin::TipSetKey key) {
  return Ask<&MessagePool::GasEstimateGasLimit>(*this, std::move(message), std::move(key));
}

Result<filecoin::TokenAmount> MessagePool::GasEstimateGasPremium(std::uint64_t blocks,
                                                                 filecoin::Address sender,
                                                                 std::int64_t gas_limit,
                                                                 filecoin::TipSetKey key) {
  return Ask<&MessagePool::GasEstimateGasPremium>(*this, blocks, std::move(sender), gas_limit,
                                                  std::move(key));
}

Result<filecoin::Cid> MessagePool::MpoolPush(filecoin::SignedMessage message) {
  return Ask<&MessagePool::MpoolPush>(*this, std::move(message));
}

Result<filecoin::SignedMessage> MessagePool::MpoolPushMessage(filecoin::Message message,
                                                              std::optional<MessageSendSpec> spec) {
  return Ask<&MessagePool::MpoolPushMessage>(*this, std::move(message), std::move(spec));
}

Result<bool> Wallet::WalletHas(filecoin::Address address) {
  return Ask<&Wallet::WalletHas>(*this, std::move(address));
}

Result<filecoin::Signature> Wallet::WalletSign(filecoin::Address address, Bytes data) {
  return Ask<&Wallet::WalletSign>(*this, std::move(address), std::move(data));
}

Result<std::optional<MiningBaseInfo>> BlockProducer::MinerGetBaseInfo(filecoin::Address miner,
                                                                      filecoin::ChainEpoch round,
                                                                      filecoin::TipSetKey key) {
  return Ask<&BlockProducer::MinerGetBaseInfo>(*this, std::move(miner), round, std::move(key));
}

Result<filecoin::BeaconEntry> BlockProducer::StateGetBeaconEntry(filecoin::ChainEpoch epoch) {
  return Ask<&BlockProducer::StateGetBeaconEntry>(*this, epoch);
}

}  // namespace damocles::chain
