// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/devnet/method_table.h"

#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/chain/lotus_json.h"

namespace damocles::devnet::internal {
namespace {

using chain::BlockProducer;
using chain::ChainReader;
using chain::MessagePool;
using chain::Permission;
using chain::RpcError;
using filecoin::Address;
using filecoin::ChainEpoch;
using filecoin::Cid;
using filecoin::Message;
using filecoin::TipSetKey;
using Spec = std::optional<chain::MessageSendSpec>;

// How the node calls the type of a parameter in its errors.
template <typename T>
constexpr const char* kGoName = "*int64";
template <>
constexpr const char* kGoName<std::uint64_t> = "*uint64";
template <>
constexpr const char* kGoName<bool> = "*bool";
template <>
constexpr const char* kGoName<Bytes> = "*[]uint8";
template <>
constexpr const char* kGoName<Address> = "*address.Address";
template <>
constexpr const char* kGoName<Cid> = "*cid.Cid";
template <>
constexpr const char* kGoName<TipSetKey> = "*types.TipSetKey";
template <>
constexpr const char* kGoName<ChainEpoch> = "*abi.ChainEpoch";
template <>
constexpr const char* kGoName<Message> = "**types.Message";
template <>
constexpr const char* kGoName<filecoin::SignedMessage> = "**types.SignedMessage";
template <>
constexpr const char* kGoName<Spec> = "**api.MessageSendSpec";
template <>
constexpr const char* kGoName<std::optional<filecoin::BitField>> = "**bitfield.BitField";

// A message without addresses has no CID and no bytes: nothing can be done with it.
bool Usable(const Message& message) {
  return !message.to.IsUndefined() && !message.from.IsUndefined();
}
bool Usable(const filecoin::SignedMessage& message) {
  return Usable(message.message);
}
template <typename T>
bool Usable(const T& /*value*/) {
  return true;
}

template <typename T>
void ReadParam(const std::string& method, const std::string& param, T& out,
               std::optional<RpcError>& error) {
  if (error) return;
  auto value = chain::FromLotusJson<T>(param);
  if (value.ok()) {
    out = *std::move(value);
    if (!Usable(out)) error = RpcError{1, "message without sender or receiver", ""};
    return;
  }
  error = RpcError{chain::kRpcParseError,
                   absl::StrFormat("unmarshaling params for '%s' (param: %s): %s", method,
                                   kGoName<T>, std::string(value.status().message())),
                   ""};
}

template <typename T>
RpcAnswer ToAnswer(const T& value) {
  return {chain::ToLotusJson(value), std::nullopt};
}
template <typename T>
RpcAnswer ToAnswer(const absl::StatusOr<T>& value) {
  if (!value.ok()) return {"", chain::RpcErrorFromStatus(value.status())};
  return ToAnswer(*value);
}

template <typename Wanted, typename Function, std::size_t... Index>
RpcAnswer Invoke(Function& function, const std::string& method,
                 const std::vector<std::string>& params, std::index_sequence<Index...> /*all*/) {
  Wanted values;
  std::optional<RpcError> error;
  (ReadParam(method, params[Index], std::get<Index>(values), error), ...);
  if (error) return {"", std::move(error)};
  return ToAnswer(std::apply(function, values));
}

template <typename T>
absl::Status Keep(std::type_identity_t<absl::StatusOr<T>> value, std::optional<T>& out) {
  DAMOCLES_RETURN_IF_ERROR(value.status());
  out.emplace(*std::move(value));
  return absl::OkStatus();
}

}  // namespace

MethodTable::MethodTable(Chain& chain) : chain_(chain) {
  AddChain();
  AddMiners();
  AddRandomness();
  AddWallet();
  AddMessages();
  AddV0();
  AddWaiting();
}

const MethodTable::Method* MethodTable::Find(const std::string& name, bool v0) const {
  if (const auto found = v0_.find(name); v0 && found != v0_.end()) return &found->second;
  const auto found = methods_.find(name);
  return found == methods_.end() ? nullptr : &found->second;
}

absl::Status MethodTable::Answer(chain::Call& call) const {
  const auto found = calls_.find(&call.Method());
  if (found == calls_.end()) {
    return absl::UnimplementedError(absl::StrFormat("method '%s' not found", call.Method().name));
  }
  return found->second(call);
}

template <typename Wanted, typename Function>
MethodTable::Method MethodTable::AsJson(Permission permission, Function function) {
  constexpr std::size_t kParams = std::tuple_size_v<Wanted>;
  return {permission, kParams, [function](const std::string& name, const Params& params) mutable {
            return Invoke<Wanted>(function, name, params, std::make_index_sequence<kParams>{});
          }};
}

template <auto member, typename Function>
void MethodTable::ServeCalls(Function function) {
  calls_[&chain::kMethod<member>] = [function](chain::Call& call) mutable {
    auto& asked = static_cast<chain::CallOf<member>&>(call);
    return Keep(std::apply(function, asked.params), asked.answer);
  };
}

template <auto member, typename Function>
void MethodTable::Serve(Function function) {
  const chain::MethodInfo& info = chain::kMethod<member>;
  methods_[std::string(info.ShortName())] =
      AsJson<typename chain::CallOf<member>::Params>(info.permission, function);
  ServeCalls<member>(function);
}

template <typename... Wanted, typename Function>
void MethodTable::Add(const char* name, Function function, Permission permission) {
  methods_[name] = AsJson<std::tuple<Wanted...>>(permission, function);
}

// Where the node makes its list before it knows what is in it: [] when empty.
void MethodTable::AnswersMadeList(const char* name) {
  Method& method = methods_.at(name);
  method.answer = [answer = std::move(method.answer)](const std::string& full,
                                                      const Params& params) {
    RpcAnswer out = answer(full, params);
    if (!out.error && out.result == "null") out.result = "[]";
    return out;
  };
}

// They hand their parameters to the chain's method of the same name.
#define DAMOCLES_SERVE(role, name) \
  Serve<&role::name>([this](const auto&... params) { return chain_.name(params...); })
#define DAMOCLES_ADD(name, ...) \
  Add<__VA_ARGS__>(#name, [this](const auto&... params) { return chain_.name(params...); })

void MethodTable::AddChain() {
  DAMOCLES_SERVE(ChainReader, Version);
  DAMOCLES_SERVE(ChainReader, StateNetworkName);
  Serve<&ChainReader::StateNetworkVersion>(
      [this](const TipSetKey& key) -> absl::StatusOr<std::uint32_t> {
        DAMOCLES_RETURN_IF_ERROR(chain_.ChainGetTipSet(key).status());
        return chain_.Config().network_version;
      });
  Add<>("StateGetNetworkParams", [this]() { return chain_.StateGetNetworkParams(); });
  Serve<&ChainReader::SyncState>([this]() {
    // One sync that is complete: the chain is its own source.
    chain::SyncStatus status;
    chain::ActiveSync& sync = status.active_syncs.emplace_back();
    sync.target = chain_.ChainHead();
    sync.base = sync.target;
    sync.height = sync.target->Height();
    sync.stage = 4;
    sync.start = absl::FromUnixSeconds(static_cast<std::int64_t>(sync.target->MinTimestamp()));
    sync.end = sync.start;
    return status;
  });
  DAMOCLES_SERVE(ChainReader, ChainHead);
  Add<>("ChainGetGenesis",
        [this]() { return chain_.ChainGetTipSetByHeight(ChainEpoch(0), TipSetKey()); });
  DAMOCLES_ADD(ChainGetTipSet, TipSetKey);
  DAMOCLES_SERVE(ChainReader, ChainGetTipSetByHeight);
  DAMOCLES_SERVE(ChainReader, ChainGetTipSetAfterHeight);
  DAMOCLES_ADD(ChainGetPath, TipSetKey, TipSetKey);
  DAMOCLES_ADD(ChainTipSetWeight, TipSetKey);
  DAMOCLES_ADD(ChainGetBlock, Cid);
  DAMOCLES_SERVE(ChainReader, ChainGetMessage);
  DAMOCLES_ADD(ChainGetBlockMessages, Cid);
}

void MethodTable::AddMiners() {
  DAMOCLES_SERVE(ChainReader, StateMinerProvingDeadline);
  DAMOCLES_SERVE(ChainReader, StateMinerDeadlines);
  DAMOCLES_SERVE(ChainReader, StateMinerPartitions);
  DAMOCLES_SERVE(ChainReader, StateMinerSectors);
  AnswersMadeList("StateMinerSectors");
  DAMOCLES_ADD(StateMinerActiveSectors, Address, TipSetKey);
  AnswersMadeList("StateMinerActiveSectors");
  DAMOCLES_ADD(StateSectorGetInfo, Address, std::uint64_t, TipSetKey);
  DAMOCLES_ADD(StateSectorPartition, Address, std::uint64_t, TipSetKey);
  DAMOCLES_ADD(StateMinerFaults, Address, TipSetKey);
  DAMOCLES_ADD(StateMinerRecoveries, Address, TipSetKey);
  DAMOCLES_SERVE(ChainReader, StateMinerInfo);
  DAMOCLES_ADD(StateMinerPower, Address, TipSetKey);
  DAMOCLES_ADD(StateMinerAvailableBalance, Address, TipSetKey);
  DAMOCLES_ADD(StateMinerSectorCount, Address, TipSetKey);
  DAMOCLES_ADD(StateListMiners, TipSetKey);
  DAMOCLES_SERVE(BlockProducer, MinerGetBaseInfo);
}

void MethodTable::AddRandomness() {
  DAMOCLES_SERVE(ChainReader, StateGetRandomnessFromBeacon);
  DAMOCLES_SERVE(ChainReader, StateGetRandomnessFromTickets);
  DAMOCLES_ADD(StateGetRandomnessDigestFromBeacon, ChainEpoch, TipSetKey);
  DAMOCLES_ADD(StateGetRandomnessDigestFromTickets, ChainEpoch, TipSetKey);
}

void MethodTable::AddWallet() {
  DAMOCLES_SERVE(ChainReader, StateGetActor);
  DAMOCLES_SERVE(ChainReader, StateLookupId);
  DAMOCLES_SERVE(ChainReader, StateAccountKey);
  DAMOCLES_SERVE(ChainReader, WalletBalance);
  DAMOCLES_SERVE(chain::Wallet, WalletHas);
  Add<>(
      "WalletList", [this]() { return chain_.WalletList(); }, Permission::kWrite);
  Add<>(
      "WalletDefaultAddress",
      [this]() -> absl::StatusOr<Address> {
        const std::vector<Address> all = chain_.WalletList();
        if (all.empty()) return absl::NotFoundError("failed to get default key");
        return all.front();
      },
      Permission::kWrite);
  DAMOCLES_SERVE(chain::Wallet, WalletSign);
  Add<Address, Message>(
      "WalletSignMessage",
      [this](const Address& address,
             const Message& message) -> absl::StatusOr<filecoin::SignedMessage> {
        if (message.to.IsUndefined() || message.from.IsUndefined()) {
          return absl::InvalidArgumentError("message without sender or receiver");
        }
        filecoin::SignedMessage out;
        out.message = message;
        DAMOCLES_ASSIGN_OR_RETURN(out.signature,
                                  chain_.WalletSign(address, filecoin::SigningBytes(message)));
        return out;
      },
      Permission::kSign);
}

void MethodTable::AddMessages() {
  DAMOCLES_ADD(GasEstimateMessageGas, Message, Spec, TipSetKey);
  Add<Message, std::int64_t, TipSetKey>(
      "GasEstimateFeeCap",
      [this](const Message& message, std::int64_t /*blocks*/, const TipSetKey& /*key*/) {
        return chain_.GasEstimateFeeCap(message);
      });
  Serve<&MessagePool::GasEstimateGasPremium>(
      [this](std::uint64_t /*blocks*/, const Address& /*sender*/, std::int64_t /*limit*/,
             const TipSetKey& /*key*/) { return chain_.GasEstimateGasPremium(); });
  DAMOCLES_SERVE(MessagePool, GasEstimateGasLimit);
  DAMOCLES_SERVE(MessagePool, MpoolPushMessage);
  DAMOCLES_SERVE(MessagePool, MpoolPush);
  DAMOCLES_SERVE(MessagePool, MpoolGetNonce);
  Serve<&MessagePool::MpoolPending>(
      [this](const TipSetKey& /*key*/) { return chain_.MpoolPending(); });
  AnswersMadeList("MpoolPending");
  Add<>("MpoolGetConfig", [this]() { return chain_.MpoolGetConfig(); });
  DAMOCLES_SERVE(ChainReader, StateSearchMsg);
  DAMOCLES_ADD(StateCall, Message, TipSetKey);
  DAMOCLES_SERVE(ChainReader, StateReplay);
}

void MethodTable::AddV0() {
  v0_["ChainGetRandomnessFromBeacon"] =
      AsJson<std::tuple<TipSetKey, std::int64_t, ChainEpoch, Bytes>>(
          Permission::kRead,
          [this](const TipSetKey& key, std::int64_t tag, ChainEpoch epoch, const Bytes& entropy) {
            return chain_.StateGetRandomnessFromBeacon(tag, epoch, entropy, key);
          });
  v0_["ChainGetRandomnessFromTickets"] =
      AsJson<std::tuple<TipSetKey, std::int64_t, ChainEpoch, Bytes>>(
          Permission::kRead,
          [this](const TipSetKey& key, std::int64_t tag, ChainEpoch epoch, const Bytes& entropy) {
            return chain_.StateGetRandomnessFromTickets(tag, epoch, entropy, key);
          });
  v0_["StateSearchMsg"] = AsJson<std::tuple<Cid>>(Permission::kRead, [this](const Cid& message) {
    return chain_.StateSearchMsg(TipSetKey(), message, -1, true);
  });
}

// LotusMethods answers these.
void MethodTable::AddWaiting() {
  methods_["StateWaitMsg"] = {Permission::kRead, 4, nullptr};
  v0_["StateWaitMsg"] = {Permission::kRead, 2, nullptr};
  methods_["StateGetBeaconEntry"] = {Permission::kRead, 1, nullptr};
  ServeCalls<&BlockProducer::StateGetBeaconEntry>(
      [this](ChainEpoch epoch) { return chain_.StateGetBeaconEntry(epoch); });
  methods_["DevnetAdvance"] = {Permission::kAdmin, 1, nullptr};
  methods_["DevnetInject"] = {Permission::kAdmin, 1, nullptr};
  methods_["DevnetReport"] = {Permission::kRead, 0, nullptr};
  methods_["DevnetParameters"] = {Permission::kRead, 0, nullptr};
}

#undef DAMOCLES_SERVE
#undef DAMOCLES_ADD

}  // namespace damocles::devnet::internal
