// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/chain/lotus_client.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/chain/lotus_heads.h"
#include "lib/chain/lotus_nodes.h"

#include "damocles/base/status.h"
#include "damocles/chain/answer.h"
#include "damocles/chain/lotus_json.h"

namespace damocles::chain {
namespace {

using internal::CallKind;

// "[a,b]" of the values in the node's JSON.
template <typename... Params>
std::string ParamsOf(const Params&... params) {
  std::string out = "[";
  ((out += ToLotusJson(params), out += ','), ...);
  if (out.size() > 1) out.pop_back();
  return out + "]";
}

class LotusClient final : public Api {
 public:
  LotusClient(std::vector<Endpoint> endpoints, LotusIo io, const LotusOptions& options)
      : nodes_(std::move(endpoints), io, options) {}

  Result<std::unique_ptr<HeadSubscription>> ChainNotify() override {
    auto head = co_await ChainHead();
    if (!head.ok()) co_return Annotate(head.status(), "ChainNotify");
    const auto version = co_await Version();
    // Longer than a day is no length of an epoch.
    const std::uint64_t delay =
        version.ok() ? std::clamp<std::uint64_t>(version->block_delay_secs, 1, 86400) : 30;
    co_return std::make_unique<internal::LotusHeads>(
        nodes_, *std::move(head), static_cast<std::int64_t>(delay) * kj::SECONDS);
  }

  Result<NodeVersion> Version() override { return Invoke<NodeVersion>("Version", CallKind::kRead); }
  Result<std::string> StateNetworkName() override {
    return Invoke<std::string>("StateNetworkName", CallKind::kRead);
  }
  Result<std::uint32_t> StateNetworkVersion(filecoin::TipSetKey key) override {
    return Invoke<std::uint32_t>("StateNetworkVersion", CallKind::kRead, key);
  }
  Result<SyncStatus> SyncState() override {
    return Invoke<SyncStatus>("SyncState", CallKind::kRead);
  }
  Result<filecoin::TipSet> ChainHead() override {
    return Invoke<filecoin::TipSet>("ChainHead", CallKind::kRead);
  }
  Result<filecoin::TipSet> ChainGetTipSetByHeight(filecoin::ChainEpoch epoch,
                                                  filecoin::TipSetKey key) override {
    return Invoke<filecoin::TipSet>("ChainGetTipSetByHeight", CallKind::kRead, epoch, key);
  }
  Result<filecoin::TipSet> ChainGetTipSetAfterHeight(filecoin::ChainEpoch epoch,
                                                     filecoin::TipSetKey key) override {
    return Invoke<filecoin::TipSet>("ChainGetTipSetAfterHeight", CallKind::kRead, epoch, key);
  }
  Result<filecoin::Message> ChainGetMessage(filecoin::Cid message) override {
    return Invoke<filecoin::Message>("ChainGetMessage", CallKind::kRead, message);
  }
  Result<filecoin::DeadlineInfo> StateMinerProvingDeadline(filecoin::Address miner,
                                                           filecoin::TipSetKey key) override {
    return Invoke<filecoin::DeadlineInfo>("StateMinerProvingDeadline", CallKind::kRead, miner, key);
  }
  Result<std::vector<DeadlineState>> StateMinerDeadlines(filecoin::Address miner,
                                                         filecoin::TipSetKey key) override {
    return Invoke<std::vector<DeadlineState>>("StateMinerDeadlines", CallKind::kRead, miner, key);
  }
  Result<std::vector<Partition>> StateMinerPartitions(filecoin::Address miner,
                                                      std::uint64_t deadline_index,
                                                      filecoin::TipSetKey key) override {
    return Invoke<std::vector<Partition>>("StateMinerPartitions", CallKind::kRead, miner,
                                          deadline_index, key);
  }
  Result<std::vector<SectorOnChainInfo>> StateMinerSectors(
      filecoin::Address miner, std::optional<filecoin::BitField> sectors,
      filecoin::TipSetKey key) override {
    return Invoke<std::vector<SectorOnChainInfo>>("StateMinerSectors", CallKind::kRead, miner,
                                                  sectors, key);
  }
  Result<MinerInfo> StateMinerInfo(filecoin::Address miner, filecoin::TipSetKey key) override {
    return Invoke<MinerInfo>("StateMinerInfo", CallKind::kRead, miner, key);
  }
  Result<Bytes32> StateGetRandomnessFromBeacon(std::int64_t tag, filecoin::ChainEpoch epoch,
                                               Bytes entropy, filecoin::TipSetKey key) override {
    return Invoke<Bytes32>("StateGetRandomnessFromBeacon", CallKind::kRead, tag, epoch, entropy,
                           key);
  }
  Result<Bytes32> StateGetRandomnessFromTickets(std::int64_t tag, filecoin::ChainEpoch epoch,
                                                Bytes entropy, filecoin::TipSetKey key) override {
    return Invoke<Bytes32>("StateGetRandomnessFromTickets", CallKind::kRead, tag, epoch, entropy,
                           key);
  }
  Result<filecoin::BeaconEntry> StateGetBeaconEntry(filecoin::ChainEpoch epoch) override {
    return Invoke<filecoin::BeaconEntry>("StateGetBeaconEntry", CallKind::kWait, epoch);
  }
  Result<Actor> StateGetActor(filecoin::Address address, filecoin::TipSetKey key) override {
    return Invoke<Actor>("StateGetActor", CallKind::kRead, address, key);
  }
  Result<filecoin::Address> StateLookupId(filecoin::Address address,
                                          filecoin::TipSetKey key) override {
    return Invoke<filecoin::Address>("StateLookupID", CallKind::kRead, address, key);
  }
  Result<filecoin::Address> StateAccountKey(filecoin::Address address,
                                            filecoin::TipSetKey key) override {
    return Invoke<filecoin::Address>("StateAccountKey", CallKind::kRead, address, key);
  }
  Result<filecoin::TokenAmount> WalletBalance(filecoin::Address address) override {
    return Invoke<filecoin::TokenAmount>("WalletBalance", CallKind::kRead, address);
  }
  Result<bool> WalletHas(filecoin::Address address) override {
    return Invoke<bool>("WalletHas", CallKind::kRead, address);
  }
  Result<filecoin::Signature> WalletSign(filecoin::Address address, Bytes data) override {
    return Invoke<filecoin::Signature>("WalletSign", CallKind::kRead, address, data);
  }
  Result<filecoin::TokenAmount> GasEstimateGasPremium(std::uint64_t blocks,
                                                      filecoin::Address sender,
                                                      std::int64_t gas_limit,
                                                      filecoin::TipSetKey key) override {
    return Invoke<filecoin::TokenAmount>("GasEstimateGasPremium", CallKind::kRead, blocks, sender,
                                         gas_limit, key);
  }
  Result<std::int64_t> GasEstimateGasLimit(filecoin::Message message,
                                           filecoin::TipSetKey key) override {
    return Invoke<std::int64_t>("GasEstimateGasLimit", CallKind::kRead, message, key);
  }
  Result<filecoin::SignedMessage> MpoolPushMessage(filecoin::Message message,
                                                   std::optional<MessageSendSpec> spec) override {
    return Invoke<filecoin::SignedMessage>("MpoolPushMessage", CallKind::kPush, message, spec);
  }
  Result<filecoin::Cid> MpoolPush(filecoin::SignedMessage message) override {
    return Invoke<filecoin::Cid>("MpoolPush", CallKind::kPush, message);
  }
  Result<std::uint64_t> MpoolGetNonce(filecoin::Address address) override {
    return Invoke<std::uint64_t>("MpoolGetNonce", CallKind::kRead, address);
  }
  Result<std::vector<filecoin::SignedMessage>> MpoolPending(filecoin::TipSetKey key) override {
    return Invoke<std::vector<filecoin::SignedMessage>>("MpoolPending", CallKind::kRead, key);
  }
  Result<std::optional<MsgLookup>> StateSearchMsg(filecoin::TipSetKey from, filecoin::Cid message,
                                                  std::int64_t limit,
                                                  bool allow_replaced) override {
    return Invoke<std::optional<MsgLookup>>("StateSearchMsg", CallKind::kRead, from, message, limit,
                                            allow_replaced);
  }
  Result<InvocResult> StateReplay(filecoin::TipSetKey key, filecoin::Cid message) override {
    return Invoke<InvocResult>("StateReplay", CallKind::kRead, key, message);
  }
  Result<std::optional<MiningBaseInfo>> MinerGetBaseInfo(filecoin::Address miner,
                                                         filecoin::ChainEpoch round,
                                                         filecoin::TipSetKey key) override {
    return Invoke<std::optional<MiningBaseInfo>>("MinerGetBaseInfo", CallKind::kRead, miner, round,
                                                 key);
  }

 private:
  template <typename T, typename... Params>
  Result<T> Invoke(const char* method, CallKind kind, const Params&... params) {
    return Run<T>(method, ParamsOf(params...), kind);
  }

  template <typename T>
  Result<T> Run(std::string method, std::string params, CallKind kind) {
    // Written where the answer is read, which may be on another thread, before the call ends.
    const auto value = std::make_shared<std::optional<T>>();
    internal::AnswerReader read = [value](std::string_view raw) -> absl::Status {
      DAMOCLES_ASSIGN_OR_RETURN(*value, ReadAnswer<T>(raw));
      return absl::OkStatus();
    };
    auto calling = nodes_.Call("Filecoin." + method, std::move(params), kind, std::move(read));
    DAMOCLES_CO_RETURN_IF_ERROR(co_await kj::mv(calling));
    co_return **std::move(value);
  }

  internal::LotusNodes nodes_;
};

// Before anything is sent there.
absl::Status CheckEndpoint(const Endpoint& endpoint, const LotusIo& io) {
  if (!endpoint.token.empty() && !MayBeToken(endpoint.token)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the token of chain endpoint %s %s", endpoint.Name(), kNoToken));
  }
  if (endpoint.tls && io.tls_network == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrFormat("chain endpoint %s wants TLS, which is not set up", endpoint.Name()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Api>> MakeLotusClient(std::vector<Endpoint> endpoints, LotusIo io,
                                                     const LotusOptions& options) {
  if (endpoints.empty()) return absl::InvalidArgumentError("no chain endpoint is configured");
  for (const Endpoint& endpoint : endpoints) {
    DAMOCLES_RETURN_IF_ERROR(CheckEndpoint(endpoint, io));
  }
  return std::make_unique<LotusClient>(std::move(endpoints), io, options);
}

async::Task<absl::StatusOr<std::string>> CallNode(Endpoint endpoint, LotusIo io, std::string method,
                                                  LotusOptions options) {
  DAMOCLES_CO_RETURN_IF_ERROR(CheckEndpoint(endpoint, io));
  options.use_websocket = false;
  std::vector<Endpoint> endpoints;
  endpoints.push_back(std::move(endpoint));
  internal::LotusNodes nodes(std::move(endpoints), io, options);
  const auto raw = std::make_shared<std::string>();
  internal::AnswerReader read = [raw](std::string_view answer) {
    *raw = std::string(answer);
    return absl::OkStatus();
  };
  auto calling = nodes.Call(std::move(method), "[]", CallKind::kRead, std::move(read));
  DAMOCLES_CO_RETURN_IF_ERROR(co_await kj::mv(calling));
  co_return std::move(*raw);
}

}  // namespace damocles::chain
