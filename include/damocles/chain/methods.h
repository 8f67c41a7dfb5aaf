// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The one table of the methods that are asked of a node.  From it come the client's call
// (lotus_client.cpp), what the devnet serves (lib/devnet/method_table.cpp), and the doubles of
// tests, which see every call as a Call.  Parameters and answer are those of the role's member in
// chain/api.h.  A new method: its member there, its row here, its line in lib/chain/api.cpp, and
// what the devnet does.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"

#include "damocles/base/status.h"
#include "damocles/chain/answer.h"
#include "damocles/chain/api.h"
#include "damocles/chain/lotus_json.h"
#include "damocles/chain/method.h"

namespace damocles::chain {

// A row: the member of a role, and what is not in its type.
template <auto member>
struct Row : MethodInfo {};

// Most answers fit into the usual limit; what has another one is a list.
inline constexpr std::size_t kMiB = std::size_t{1} << 20;
inline constexpr std::tuple kMethods{
    Row<&ChainReader::Version>{{.name = "Filecoin.Version"}},
    Row<&ChainReader::StateNetworkName>{{.name = "Filecoin.StateNetworkName"}},
    Row<&ChainReader::StateNetworkVersion>{{.name = "Filecoin.StateNetworkVersion"}},
    Row<&ChainReader::SyncState>{{.name = "Filecoin.SyncState", .answer_bytes_max = 4 * kMiB}},
    Row<&ChainReader::ChainHead>{{.name = "Filecoin.ChainHead"}},
    // One value: up to 900 tipsets, after a long reorganisation.
    Row<&ChainReader::ChainNotify>{{.name = "Filecoin.ChainNotify", .answer_bytes_max = 16 * kMiB}},
    Row<&ChainReader::ChainGetTipSetByHeight>{{.name = "Filecoin.ChainGetTipSetByHeight"}},
    Row<&ChainReader::ChainGetTipSetAfterHeight>{{.name = "Filecoin.ChainGetTipSetAfterHeight"}},
    Row<&ChainReader::ChainGetMessage>{{.name = "Filecoin.ChainGetMessage"}},
    Row<&ChainReader::StateMinerProvingDeadline>{{.name = "Filecoin.StateMinerProvingDeadline"}},
    Row<&ChainReader::StateMinerDeadlines>{
        {.name = "Filecoin.StateMinerDeadlines", .answer_bytes_max = 4 * kMiB}},
    // Up to 3,000 sets of five sets of sectors.
    Row<&ChainReader::StateMinerPartitions>{
        {.name = "Filecoin.StateMinerPartitions", .answer_bytes_max = 16 * kMiB}},
    // 25,000 sectors, the most of a message, take about 16 MiB.
    Row<&ChainReader::StateMinerSectors>{
        {.name = "Filecoin.StateMinerSectors", .answer_bytes_max = 64 * kMiB}},
    Row<&ChainReader::StateMinerInfo>{{.name = "Filecoin.StateMinerInfo"}},
    Row<&ChainReader::StateGetRandomnessFromBeacon>{
        {.name = "Filecoin.StateGetRandomnessFromBeacon"}},
    Row<&ChainReader::StateGetRandomnessFromTickets>{
        {.name = "Filecoin.StateGetRandomnessFromTickets"}},
    Row<&ChainReader::StateGetActor>{{.name = "Filecoin.StateGetActor"}},
    Row<&ChainReader::StateLookupId>{{.name = "Filecoin.StateLookupID"}},
    Row<&ChainReader::StateAccountKey>{{.name = "Filecoin.StateAccountKey"}},
    Row<&ChainReader::WalletBalance>{{.name = "Filecoin.WalletBalance"}},
    Row<&ChainReader::StateSearchMsg>{{.name = "Filecoin.StateSearchMsg"}},
    // With all calls inside.
    Row<&ChainReader::StateReplay>{{.name = "Filecoin.StateReplay", .answer_bytes_max = 32 * kMiB}},

    Row<&MessagePool::MpoolPending>{
        {.name = "Filecoin.MpoolPending", .answer_bytes_max = 64 * kMiB}},
    Row<&MessagePool::MpoolGetNonce>{{.name = "Filecoin.MpoolGetNonce"}},
    Row<&MessagePool::GasEstimateGasLimit>{{.name = "Filecoin.GasEstimateGasLimit"}},
    Row<&MessagePool::GasEstimateGasPremium>{{.name = "Filecoin.GasEstimateGasPremium"}},
    Row<&MessagePool::MpoolPush>{
        {.name = "Filecoin.MpoolPush", .kind = CallKind::kPush, .permission = Permission::kWrite}},
    Row<&MessagePool::MpoolPushMessage>{{.name = "Filecoin.MpoolPushMessage",
                                         .kind = CallKind::kPush,
                                         .permission = Permission::kSign}},

    Row<&Wallet::WalletHas>{{.name = "Filecoin.WalletHas", .permission = Permission::kWrite}},
    Row<&Wallet::WalletSign>{{.name = "Filecoin.WalletSign", .permission = Permission::kSign}},

    Row<&BlockProducer::MinerGetBaseInfo>{{.name = "Filecoin.MinerGetBaseInfo"}},
    Row<&BlockProducer::StateGetBeaconEntry>{
        {.name = "Filecoin.StateGetBeaconEntry", .kind = CallKind::kWait}},
};

// The row of a member.
template <auto member>
inline constexpr const MethodInfo& kMethod = std::get<Row<member>>(kMethods);

const std::vector<MethodInfo>& AllMethods();

namespace internal {

template <typename Member>
struct MemberTypes;
template <typename Role, typename T, typename... P>
struct MemberTypes<Result<T> (Role::*)(P...)> {
  using Answer = T;
  using Params = std::tuple<P...>;
};

}  // namespace internal

// A call of any method, on its way to whoever answers.
class Call {
 public:
  virtual ~Call() = default;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  const MethodInfo& Method() const { return method_; }
  // A JSON array.
  virtual std::string ParamsJson() const = 0;
  // Takes the text of an answer.  May run on another thread, once for each node that is asked, one
  // after the other.
  virtual absl::Status ReadAnswerJson(std::string_view text) = 0;

 protected:
  explicit Call(const MethodInfo& method) : method_(method) {}

 private:
  const MethodInfo& method_;
};

template <auto member>
class CallOf final : public Call {
 public:
  using Answer = typename internal::MemberTypes<decltype(member)>::Answer;
  using Params = typename internal::MemberTypes<decltype(member)>::Params;

  explicit CallOf(Params values) : Call(kMethod<member>), params(std::move(values)) {}

  std::string ParamsJson() const override {
    std::string out = "[";
    std::apply([&](const auto&... each) { ((out += ToLotusJson(each), out += ','), ...); }, params);
    if (out.size() > 1) out.pop_back();
    return out + "]";
  }
  absl::Status ReadAnswerJson(std::string_view text) override {
    DAMOCLES_ASSIGN_OR_RETURN(Answer read, ReadAnswer<Answer>(text));
    answer.emplace(std::move(read));
    return absl::OkStatus();
  }

  const Params params;
  std::optional<Answer> answer;  // there when the call has ended well
};

// Null when it is a call of another method.
template <auto member>
CallOf<member>* CallAs(Call& call) {
  return &call.Method() == &kMethod<member> ? static_cast<CallOf<member>*>(&call) : nullptr;
}

}  // namespace damocles::chain
