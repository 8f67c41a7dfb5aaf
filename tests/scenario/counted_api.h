// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A node whose n-th call goes wrong in a way of one's choice.

#pragma once

#include <kj/async.h>

#include <functional>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "damocles/chain/api.h"

namespace damocles::scenario {

enum class CallFault {
  kNone,
  kRefuse,      // not done, answered with UNAVAILABLE
  kLoseAnswer,  // done, answered with UNAVAILABLE
  kHang,        // not done, never answered
  kDie,         // done, then the manager dies before it hears of it
  kThrow,       // not done, ends with an exception
  kLate,        // never answered; of a push: done much later, without another look at the uuid
};

// Forwards to another Api.  Counts the calls of all methods together.
class CountedApi final : public chain::Api {
 public:
  explicit CountedApi(chain::Api& inner) : inner_(inner) {}

  // Call number `number` (from 1) goes wrong.  With a method: the number-th call of that one.
  void Plan(std::uint64_t number, CallFault fault, std::string method = "") {
    at_ = number;
    fault_ = fault;
    method_ = std::move(method);
  }
  // Of each call, with this chance in 1000, chosen by `random`.
  void FailAtRandom(std::function<CallFault()> choose) { choose_ = std::move(choose); }
  void OnDie(std::function<void()> die) { die_ = std::move(die); }
  // What kLate waits for, and where such pushes go on when nobody waits for them any more.
  void SetLateness(std::function<kj::Promise<void>()> wait) { wait_ = std::move(wait); }
  // All calls of the method are refused.
  void Break(std::string method) { broken_ = std::move(method); }
  // Every call hangs: the manager is dead and must not act any more.
  void SetDead(bool dead) { dead_ = dead; }
  std::uint64_t Calls() const { return calls_; }
  std::uint64_t Calls(const std::string& method) const {
    const auto found = by_method_.find(method);
    return found == by_method_.end() ? 0 : found->second;
  }
  const std::string& LastMethod() const { return last_method_; }
  // Called before each MpoolPushMessage is done.
  void OnPush(std::function<void(const filecoin::Message&, const chain::MessageSendSpec&)> watch) {
    on_push_ = std::move(watch);
  }

#define DAMOCLES_FORWARD1(type, name, A)                          \
  Result<type> name(A a) override {                               \
    return Go<type>(#name, [this, a] { return inner_.name(a); }); \
  }
#define DAMOCLES_FORWARD2(type, name, A, B)                             \
  Result<type> name(A a, B b) override {                                \
    return Go<type>(#name, [this, a, b] { return inner_.name(a, b); }); \
  }
#define DAMOCLES_FORWARD3(type, name, A, B, C)                                \
  Result<type> name(A a, B b, C c) override {                                 \
    return Go<type>(#name, [this, a, b, c] { return inner_.name(a, b, c); }); \
  }
#define DAMOCLES_FORWARD4(type, name, A, B, C, D)                                   \
  Result<type> name(A a, B b, C c, D d) override {                                  \
    return Go<type>(#name, [this, a, b, c, d] { return inner_.name(a, b, c, d); }); \
  }

  using Address = filecoin::Address;
  using Key = filecoin::TipSetKey;
  using Epoch = filecoin::ChainEpoch;
  using Amount = filecoin::TokenAmount;
  using Message = filecoin::Message;
  using MaybeSpec = std::optional<chain::MessageSendSpec>;
  using MaybeBits = std::optional<filecoin::BitField>;
  using Number = filecoin::SectorNumber;

  Result<std::unique_ptr<chain::HeadSubscription>> ChainNotify() override {
    return Go<std::unique_ptr<chain::HeadSubscription>>("ChainNotify",
                                                        [this] { return inner_.ChainNotify(); });
  }
  Result<chain::NodeVersion> Version() override {
    return Go<chain::NodeVersion>("Version", [this] { return inner_.Version(); });
  }
  Result<filecoin::TipSet> ChainHead() override {
    return Go<filecoin::TipSet>("ChainHead", [this] { return inner_.ChainHead(); });
  }
  Result<std::string> StateNetworkName() override {
    return inner_.StateNetworkName();
  }
  Result<chain::NetworkParams> StateGetNetworkParams() override {
    return inner_.StateGetNetworkParams();
  }
  Result<chain::SyncStatus> SyncState() override {
    return inner_.SyncState();
  }
  Result<std::vector<Address>> WalletList() override {
    return inner_.WalletList();
  }
  Result<chain::MpoolConfig> MpoolGetConfig() override {
    return inner_.MpoolGetConfig();
  }
  DAMOCLES_FORWARD1(std::uint32_t, StateNetworkVersion, Key)
  DAMOCLES_FORWARD1(filecoin::TipSet, ChainGetTipSet, Key)
  DAMOCLES_FORWARD2(filecoin::TipSet, ChainGetTipSetByHeight, Epoch, Key)
  DAMOCLES_FORWARD2(filecoin::TipSet, ChainGetTipSetAfterHeight, Epoch, Key)
  DAMOCLES_FORWARD2(std::vector<chain::HeadChange>, ChainGetPath, Key, Key)
  DAMOCLES_FORWARD1(Amount, ChainTipSetWeight, Key)
  DAMOCLES_FORWARD1(Message, ChainGetMessage, filecoin::Cid)
  DAMOCLES_FORWARD1(chain::BlockMessages, ChainGetBlockMessages, filecoin::Cid)
  DAMOCLES_FORWARD2(filecoin::DeadlineInfo, StateMinerProvingDeadline, Address, Key)
  DAMOCLES_FORWARD2(std::vector<chain::DeadlineState>, StateMinerDeadlines, Address, Key)
  DAMOCLES_FORWARD3(std::vector<chain::Partition>, StateMinerPartitions, Address, std::uint64_t,
                    Key)
  DAMOCLES_FORWARD3(std::vector<chain::SectorOnChainInfo>, StateMinerSectors, Address, MaybeBits,
                    Key)
  DAMOCLES_FORWARD2(std::vector<chain::SectorOnChainInfo>, StateMinerActiveSectors, Address, Key)
  DAMOCLES_FORWARD3(std::optional<chain::SectorOnChainInfo>, StateSectorGetInfo, Address, Number,
                    Key)
  DAMOCLES_FORWARD3(chain::SectorLocation, StateSectorPartition, Address, Number, Key)
  DAMOCLES_FORWARD2(filecoin::BitField, StateMinerFaults, Address, Key)
  DAMOCLES_FORWARD2(filecoin::BitField, StateMinerRecoveries, Address, Key)
  DAMOCLES_FORWARD2(chain::MinerInfo, StateMinerInfo, Address, Key)
  DAMOCLES_FORWARD2(chain::MinerPower, StateMinerPower, Address, Key)
  DAMOCLES_FORWARD2(Amount, StateMinerAvailableBalance, Address, Key)
  DAMOCLES_FORWARD2(chain::MinerSectorCounts, StateMinerSectorCount, Address, Key)
  DAMOCLES_FORWARD1(std::vector<Address>, StateListMiners, Key)
  DAMOCLES_FORWARD4(Bytes32, StateGetRandomnessFromBeacon, std::int64_t, Epoch, Bytes, Key)
  DAMOCLES_FORWARD4(Bytes32, StateGetRandomnessFromTickets, std::int64_t, Epoch, Bytes, Key)
  DAMOCLES_FORWARD2(Bytes32, StateGetRandomnessDigestFromBeacon, Epoch, Key)
  DAMOCLES_FORWARD2(Bytes32, StateGetRandomnessDigestFromTickets, Epoch, Key)
  DAMOCLES_FORWARD1(filecoin::BeaconEntry, StateGetBeaconEntry, Epoch)
  DAMOCLES_FORWARD2(chain::Actor, StateGetActor, Address, Key)
  DAMOCLES_FORWARD2(Address, StateLookupId, Address, Key)
  DAMOCLES_FORWARD2(Address, StateAccountKey, Address, Key)
  DAMOCLES_FORWARD1(Amount, WalletBalance, Address)
  DAMOCLES_FORWARD1(bool, WalletHas, Address)
  DAMOCLES_FORWARD2(filecoin::Signature, WalletSign, Address, Bytes)
  DAMOCLES_FORWARD3(Message, GasEstimateMessageGas, Message, MaybeSpec, Key)
  DAMOCLES_FORWARD3(Amount, GasEstimateFeeCap, Message, std::int64_t, Key)
  DAMOCLES_FORWARD4(Amount, GasEstimateGasPremium, std::uint64_t, Address, std::int64_t, Key)
  DAMOCLES_FORWARD2(std::int64_t, GasEstimateGasLimit, Message, Key)
  Result<filecoin::SignedMessage> MpoolPushMessage(Message message, MaybeSpec spec) override {
    return Go<filecoin::SignedMessage>("MpoolPushMessage", [this, message, spec] {
      if (on_push_) on_push_(message, spec.value_or(chain::MessageSendSpec{}));
      if (late_) return PushLate(message, spec);
      return inner_.MpoolPushMessage(message, spec);
    });
  }
  DAMOCLES_FORWARD1(filecoin::Cid, MpoolPush, filecoin::SignedMessage)
  DAMOCLES_FORWARD1(std::uint64_t, MpoolGetNonce, Address)
  DAMOCLES_FORWARD1(std::vector<filecoin::SignedMessage>, MpoolPending, Key)
  DAMOCLES_FORWARD4(std::optional<chain::MsgLookup>, StateSearchMsg, Key, filecoin::Cid,
                    std::int64_t, bool)
  DAMOCLES_FORWARD4(chain::MsgLookup, StateWaitMsg, filecoin::Cid, std::uint64_t, std::int64_t,
                    bool)
  DAMOCLES_FORWARD2(chain::InvocResult, StateCall, Message, Key)
  DAMOCLES_FORWARD2(chain::InvocResult, StateReplay, Key, filecoin::Cid)
  DAMOCLES_FORWARD3(std::optional<chain::MiningBaseInfo>, MinerGetBaseInfo, Address, Epoch, Key)

#undef DAMOCLES_FORWARD1
#undef DAMOCLES_FORWARD2
#undef DAMOCLES_FORWARD3
#undef DAMOCLES_FORWARD4

 private:
  template <typename T>
  Result<T> Go(std::string name, std::function<Result<T>()> call) {
    if (dead_) co_await kj::Promise<void>(kj::NEVER_DONE);
    last_method_ = name;
    ++calls_;
    const std::uint64_t of_method = ++by_method_[name];
    CallFault fault = CallFault::kNone;
    if (method_.empty() ? calls_ == at_ : (name == method_ && of_method == at_)) fault = fault_;
    if (fault == CallFault::kNone && choose_) fault = choose_();
    if (name == broken_) fault = CallFault::kRefuse;
    if (fault == CallFault::kRefuse) co_return absl::UnavailableError("planned: refused");
    if (fault == CallFault::kThrow) throw std::bad_alloc();
    if (fault == CallFault::kHang) co_await kj::Promise<void>(kj::NEVER_DONE);
    // By the next turn of the loop: nothing may rely on an answer in the call.
    co_await kj::evalLater([]() {});
    late_ = fault == CallFault::kLate;
    Result<T> under_way = call();
    late_ = false;
    absl::StatusOr<T> answer = co_await kj::mv(under_way);
    if (fault == CallFault::kLate) co_await kj::Promise<void>(kj::NEVER_DONE);
    if (fault == CallFault::kLoseAnswer) co_return absl::UnavailableError("planned: answer lost");
    if (fault == CallFault::kDie) {
      if (die_) die_();
      co_await kj::Promise<void>(kj::NEVER_DONE);
    }
    co_return std::move(answer);
  }

  // As Lotus may (chain.md 0.9): the uuid and the dry run are looked at, then it takes long to sign
  // and push.
  Result<filecoin::SignedMessage> PushLate(Message message, MaybeSpec spec) {
    absl::StatusOr<Message> filled = co_await inner_.GasEstimateMessageGas(message, spec, Key());
    if (!filled.ok()) co_return filled.status();
    if (spec) spec->msg_uuid = {};
    pushes_.push_back(FinishLate(*std::move(filled), std::move(spec))
                          .ToPromise()
                          .eagerlyEvaluate([](kj::Exception&&) {}));
    co_return absl::DeadlineExceededError("planned: late");
  }
  async::Task<void> FinishLate(Message message, MaybeSpec spec) {
    co_await wait_();
    (void)co_await inner_.MpoolPushMessage(std::move(message), std::move(spec));
  }

  chain::Api& inner_;
  std::uint64_t calls_ = 0;
  std::map<std::string, std::uint64_t> by_method_;
  std::string last_method_;
  std::uint64_t at_ = 0;
  CallFault fault_ = CallFault::kNone;
  std::string method_;
  std::string broken_;
  bool dead_ = false;
  std::function<CallFault()> choose_;
  std::function<void()> die_;
  bool late_ = false;
  std::function<kj::Promise<void>()> wait_;
  std::vector<kj::Promise<void>> pushes_;
  std::function<void(const filecoin::Message&, const chain::MessageSendSpec&)> on_push_;
};

}  // namespace damocles::scenario
