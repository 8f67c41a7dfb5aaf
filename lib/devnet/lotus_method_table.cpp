// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What each method takes, needs and answers.

#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/devnet/lotus_methods.h"

#include "damocles/chain/lotus_json.h"

namespace damocles::devnet::internal {
namespace {

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

template <typename... Wanted, typename Function, std::size_t... Index>
RpcAnswer Invoke(Function& function, const std::string& method,
                 const std::vector<std::string>& params, std::index_sequence<Index...> /*all*/) {
  std::tuple<Wanted...> values;
  std::optional<RpcError> error;
  (ReadParam(method, params[Index], std::get<Index>(values), error), ...);
  if (error) return {"", std::move(error)};
  return ToAnswer(std::apply(function, values));
}

}  // namespace

template <typename... Wanted, typename Function>
void LotusMethods::Add(std::map<std::string, Method, std::less<>>& table, const char* name,
                       Permission permission, Function function) {
  Method method;
  method.permission = permission;
  method.params = sizeof...(Wanted);
  method.answer = [function](const std::string& full, const Params& params) mutable {
    return Invoke<Wanted...>(function, full, params, std::index_sequence_for<Wanted...>{});
  };
  table[name] = std::move(method);
}

// Where the node makes its list before it knows what is in it: [] when empty.
void LotusMethods::AnswersMadeList(const char* name) {
  Method& method = methods_.at(name);
  method.answer = [answer = std::move(method.answer)](const std::string& full,
                                                      const Params& params) {
    RpcAnswer out = answer(full, params);
    if (!out.error && out.result == "null") out.result = "[]";
    return out;
  };
}

// A method that hands its parameters to the chain's of the same name.
#define DAMOCLES_METHOD(permission, name, ...)              \
  Add<__VA_ARGS__>(methods_, #name, Permission::permission, \
                   [this](const auto&... params) { return chain_.name(params...); })

void LotusMethods::AddChain() {
  Add<>(methods_, "Version", Permission::kRead, [this]() { return chain_.Version(); });
  Add<>(methods_, "StateNetworkName", Permission::kRead,
        [this]() { return chain_.StateNetworkName(); });
  Add<TipSetKey>(methods_, "StateNetworkVersion", Permission::kRead,
                 [this](const TipSetKey& key) -> absl::StatusOr<std::uint32_t> {
                   DAMOCLES_RETURN_IF_ERROR(chain_.ChainGetTipSet(key).status());
                   return chain_.Config().network_version;
                 });
  Add<>(methods_, "StateGetNetworkParams", Permission::kRead,
        [this]() { return chain_.StateGetNetworkParams(); });
  Add<>(methods_, "SyncState", Permission::kRead, [this]() {
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
  Add<>(methods_, "ChainHead", Permission::kRead,
        [this]() -> filecoin::TipSet { return chain_.ChainHead(); });
  Add<>(methods_, "ChainGetGenesis", Permission::kRead,
        [this]() { return chain_.ChainGetTipSetByHeight(ChainEpoch(0), TipSetKey()); });
  DAMOCLES_METHOD(kRead, ChainGetTipSet, TipSetKey);
  DAMOCLES_METHOD(kRead, ChainGetTipSetByHeight, ChainEpoch, TipSetKey);
  DAMOCLES_METHOD(kRead, ChainGetTipSetAfterHeight, ChainEpoch, TipSetKey);
  DAMOCLES_METHOD(kRead, ChainGetPath, TipSetKey, TipSetKey);
  DAMOCLES_METHOD(kRead, ChainTipSetWeight, TipSetKey);
  DAMOCLES_METHOD(kRead, ChainGetBlock, Cid);
  DAMOCLES_METHOD(kRead, ChainGetMessage, Cid);
  DAMOCLES_METHOD(kRead, ChainGetBlockMessages, Cid);
}

void LotusMethods::AddMiners() {
  DAMOCLES_METHOD(kRead, StateMinerProvingDeadline, Address, TipSetKey);
  DAMOCLES_METHOD(kRead, StateMinerDeadlines, Address, TipSetKey);
  DAMOCLES_METHOD(kRead, StateMinerPartitions, Address, std::uint64_t, TipSetKey);
  DAMOCLES_METHOD(kRead, StateMinerSectors, Address, std::optional<filecoin::BitField>, TipSetKey);
  AnswersMadeList("StateMinerSectors");
  DAMOCLES_METHOD(kRead, StateMinerActiveSectors, Address, TipSetKey);
  AnswersMadeList("StateMinerActiveSectors");
  DAMOCLES_METHOD(kRead, StateSectorGetInfo, Address, std::uint64_t, TipSetKey);
  DAMOCLES_METHOD(kRead, StateSectorPartition, Address, std::uint64_t, TipSetKey);
  DAMOCLES_METHOD(kRead, StateMinerFaults, Address, TipSetKey);
  DAMOCLES_METHOD(kRead, StateMinerRecoveries, Address, TipSetKey);
  DAMOCLES_METHOD(kRead, StateMinerInfo, Address, TipSetKey);
  DAMOCLES_METHOD(kRead, StateMinerPower, Address, TipSetKey);
  DAMOCLES_METHOD(kRead, StateMinerAvailableBalance, Address, TipSetKey);
  DAMOCLES_METHOD(kRead, StateMinerSectorCount, Address, TipSetKey);
  DAMOCLES_METHOD(kRead, StateListMiners, TipSetKey);
  DAMOCLES_METHOD(kRead, MinerGetBaseInfo, Address, ChainEpoch, TipSetKey);
}

void LotusMethods::AddRandomness() {
  DAMOCLES_METHOD(kRead, StateGetRandomnessFromBeacon, std::int64_t, ChainEpoch, Bytes, TipSetKey);
  DAMOCLES_METHOD(kRead, StateGetRandomnessFromTickets, std::int64_t, ChainEpoch, Bytes, TipSetKey);
  DAMOCLES_METHOD(kRead, StateGetRandomnessDigestFromBeacon, ChainEpoch, TipSetKey);
  DAMOCLES_METHOD(kRead, StateGetRandomnessDigestFromTickets, ChainEpoch, TipSetKey);
}

void LotusMethods::AddWallet() {
  DAMOCLES_METHOD(kRead, StateGetActor, Address, TipSetKey);
  Add<Address, TipSetKey>(methods_, "StateLookupID", Permission::kRead,
                          [this](const Address& address, const TipSetKey& key) {
                            return chain_.StateLookupId(address, key);
                          });
  DAMOCLES_METHOD(kRead, StateAccountKey, Address, TipSetKey);
  DAMOCLES_METHOD(kRead, WalletBalance, Address);
  DAMOCLES_METHOD(kWrite, WalletHas, Address);
  Add<>(methods_, "WalletList", Permission::kWrite, [this]() { return chain_.WalletList(); });
  Add<>(methods_, "WalletDefaultAddress", Permission::kWrite, [this]() -> absl::StatusOr<Address> {
    const std::vector<Address> all = chain_.WalletList();
    if (all.empty()) return absl::NotFoundError("failed to get default key");
    return all.front();
  });
  DAMOCLES_METHOD(kSign, WalletSign, Address, Bytes);
  Add<Address, Message>(methods_, "WalletSignMessage", Permission::kSign,
                        [this](const Address& address,
                               const Message& message) -> absl::StatusOr<filecoin::SignedMessage> {
                          if (message.to.IsUndefined() || message.from.IsUndefined()) {
                            return absl::InvalidArgumentError("message without sender or receiver");
                          }
                          filecoin::SignedMessage out;
                          out.message = message;
                          DAMOCLES_ASSIGN_OR_RETURN(
                              out.signature,
                              chain_.WalletSign(address, filecoin::SigningBytes(message)));
                          return out;
                        });
}

void LotusMethods::AddMessages() {
  DAMOCLES_METHOD(kRead, GasEstimateMessageGas, Message, Spec, TipSetKey);
  Add<Message, std::int64_t, TipSetKey>(
      methods_, "GasEstimateFeeCap", Permission::kRead,
      [this](const Message& message, std::int64_t /*blocks*/, const TipSetKey& /*key*/) {
        return chain_.GasEstimateFeeCap(message);
      });
  Add<std::uint64_t, Address, std::int64_t, TipSetKey>(
      methods_, "GasEstimateGasPremium", Permission::kRead,
      [this](std::uint64_t /*blocks*/, const Address& /*sender*/, std::int64_t /*limit*/,
             const TipSetKey& /*key*/) { return chain_.GasEstimateGasPremium(); });
  DAMOCLES_METHOD(kRead, GasEstimateGasLimit, Message, TipSetKey);
  DAMOCLES_METHOD(kSign, MpoolPushMessage, Message, Spec);
  DAMOCLES_METHOD(kWrite, MpoolPush, filecoin::SignedMessage);
  DAMOCLES_METHOD(kRead, MpoolGetNonce, Address);
  Add<TipSetKey>(methods_, "MpoolPending", Permission::kRead,
                 [this](const TipSetKey& /*key*/) { return chain_.MpoolPending(); });
  AnswersMadeList("MpoolPending");
  Add<>(methods_, "MpoolGetConfig", Permission::kRead,
        [this]() { return chain_.MpoolGetConfig(); });
  Add<TipSetKey, Cid, std::int64_t, bool>(
      methods_, "StateSearchMsg", Permission::kRead,
      [this](const TipSetKey& from, const Cid& message, std::int64_t limit, bool replaced) {
        return chain_.StateSearchMsg(from, message, limit, replaced);
      });
  DAMOCLES_METHOD(kRead, StateCall, Message, TipSetKey);
  DAMOCLES_METHOD(kRead, StateReplay, TipSetKey, Cid);
}

void LotusMethods::AddV0() {
  Add<TipSetKey, std::int64_t, ChainEpoch, Bytes>(
      v0_, "ChainGetRandomnessFromBeacon", Permission::kRead,
      [this](const TipSetKey& key, std::int64_t tag, ChainEpoch epoch, const Bytes& entropy) {
        return chain_.StateGetRandomnessFromBeacon(tag, epoch, entropy, key);
      });
  Add<TipSetKey, std::int64_t, ChainEpoch, Bytes>(
      v0_, "ChainGetRandomnessFromTickets", Permission::kRead,
      [this](const TipSetKey& key, std::int64_t tag, ChainEpoch epoch, const Bytes& entropy) {
        return chain_.StateGetRandomnessFromTickets(tag, epoch, entropy, key);
      });
  Add<Cid>(v0_, "StateSearchMsg", Permission::kRead, [this](const Cid& message) {
    return chain_.StateSearchMsg(TipSetKey(), message, -1, true);
  });
}

#undef DAMOCLES_METHOD

}  // namespace damocles::devnet::internal
