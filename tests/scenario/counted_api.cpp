// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "tests/scenario/counted_api.h"

#include <new>
#include <optional>
#include <vector>

namespace damocles::scenario {

class CountedApi::Counter final : public chain::Api {
 public:
  Counter(chain::Api& inner, CountedApi& plan) : inner_(inner), plan_(plan) {}

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
    return Go<filecoin::TipSet>("ChainHead", [this] { return Head(); });
  }
  Result<std::string> StateNetworkName() override {
    return inner_.StateNetworkName();
  }
  Result<chain::SyncStatus> SyncState() override {
    return inner_.SyncState();
  }
  DAMOCLES_FORWARD1(std::uint32_t, StateNetworkVersion, Key)
  DAMOCLES_FORWARD2(filecoin::TipSet, ChainGetTipSetByHeight, Epoch, Key)
  DAMOCLES_FORWARD2(filecoin::TipSet, ChainGetTipSetAfterHeight, Epoch, Key)
  DAMOCLES_FORWARD1(Message, ChainGetMessage, filecoin::Cid)
  DAMOCLES_FORWARD2(filecoin::DeadlineInfo, StateMinerProvingDeadline, Address, Key)
  DAMOCLES_FORWARD2(std::vector<chain::DeadlineState>, StateMinerDeadlines, Address, Key)
  DAMOCLES_FORWARD3(std::vector<chain::Partition>, StateMinerPartitions, Address, std::uint64_t,
                    Key)
  DAMOCLES_FORWARD3(std::vector<chain::SectorOnChainInfo>, StateMinerSectors, Address, MaybeBits,
                    Key)
  DAMOCLES_FORWARD2(chain::MinerInfo, StateMinerInfo, Address, Key)
  DAMOCLES_FORWARD4(Bytes32, StateGetRandomnessFromBeacon, std::int64_t, Epoch, Bytes, Key)
  DAMOCLES_FORWARD4(Bytes32, StateGetRandomnessFromTickets, std::int64_t, Epoch, Bytes, Key)
  DAMOCLES_FORWARD1(filecoin::BeaconEntry, StateGetBeaconEntry, Epoch)
  Result<chain::Actor> StateGetActor(Address a, Key b) override {
    return Go<chain::Actor>(
        "StateGetActor", [this, a, b] { return inner_.StateGetActor(a, b); }, a);
  }
  DAMOCLES_FORWARD2(Address, StateLookupId, Address, Key)
  Result<Address> StateAccountKey(Address a, Key b) override {
    return Go<Address>(
        "StateAccountKey", [this, a, b] { return inner_.StateAccountKey(a, b); }, a);
  }
  Result<Amount> WalletBalance(Address a) override {
    return Go<Amount>(
        "WalletBalance", [this, a] { return inner_.WalletBalance(a); }, a);
  }
  Result<bool> WalletHas(Address a) override {
    return Go<bool>(
        "WalletHas", [this, a] { return inner_.WalletHas(a); }, a,
        [this, a](absl::StatusOr<bool>& has) {
          if (plan_.alter_has) plan_.alter_has(a, has);
        });
  }
  Result<filecoin::Signature> WalletSign(Address a, Bytes b) override {
    return Go<filecoin::Signature>(
        "WalletSign", [this, a, b] { return inner_.WalletSign(a, b); }, a);
  }
  DAMOCLES_FORWARD4(Amount, GasEstimateGasPremium, std::uint64_t, Address, std::int64_t, Key)
  DAMOCLES_FORWARD2(std::int64_t, GasEstimateGasLimit, Message, Key)
  Result<filecoin::SignedMessage> MpoolPushMessage(Message message, MaybeSpec spec) override {
    return Go<filecoin::SignedMessage>(
        "MpoolPushMessage",
        [this, message, spec] {
          if (plan_.on_push_) plan_.on_push_(message, spec.value_or(chain::MessageSendSpec{}));
          if (plan_.late_) return PushLate(message, spec);
          return inner_.MpoolPushMessage(message, spec);
        },
        message.from, plan_.alter_pushed);
  }
  Result<filecoin::Cid> MpoolPush(filecoin::SignedMessage message) override {
    return Go<filecoin::Cid>("MpoolPush", [this, message] {
      if (plan_.on_push_signed) plan_.on_push_signed(message);
      return inner_.MpoolPush(message);
    });
  }
  Result<std::uint64_t> MpoolGetNonce(Address a) override {
    return Go<std::uint64_t>(
        "MpoolGetNonce", [this, a] { return inner_.MpoolGetNonce(a); }, a);
  }
  Result<std::vector<filecoin::SignedMessage>> MpoolPending(Key a) override {
    return Go<std::vector<filecoin::SignedMessage>>(
        "MpoolPending", [this, a] { return inner_.MpoolPending(a); }, std::nullopt,
        [this](absl::StatusOr<std::vector<filecoin::SignedMessage>>& pending) {
          if (pending.ok() && plan_.alter_pending) plan_.alter_pending(*pending);
        });
  }
  Result<std::optional<chain::MsgLookup>> StateSearchMsg(Key a, filecoin::Cid b, std::int64_t c,
                                                         bool d) override {
    if (plan_.on_search) plan_.on_search(c);
    return Go<std::optional<chain::MsgLookup>>(
        "StateSearchMsg", [this, a, b, c, d] { return inner_.StateSearchMsg(a, b, c, d); },
        std::nullopt, plan_.alter_search);
  }
  DAMOCLES_FORWARD2(chain::InvocResult, StateReplay, Key, filecoin::Cid)
  DAMOCLES_FORWARD3(std::optional<chain::MiningBaseInfo>, MinerGetBaseInfo, Address, Epoch, Key)

#undef DAMOCLES_FORWARD1
#undef DAMOCLES_FORWARD2
#undef DAMOCLES_FORWARD3
#undef DAMOCLES_FORWARD4

 private:
  template <typename T>
  Result<T> Go(std::string name, std::function<Result<T>()> call,
               std::optional<Address> about = std::nullopt,
               std::function<void(absl::StatusOr<T>&)> alter = nullptr) {
    if (plan_.dead_ || plan_.hanging_) co_await kj::Promise<void>(kj::NEVER_DONE);
    plan_.last_method_ = name;
    ++plan_.calls_;
    const std::uint64_t of_method = ++plan_.by_method_[name];
    CallFault fault = CallFault::kNone;
    if (plan_.method_.empty() ? plan_.calls_ == plan_.at_
                              : (name == plan_.method_ && of_method == plan_.at_))
      fault = plan_.fault_;
    if (fault == CallFault::kNone && plan_.choose_) fault = plan_.choose_();
    if (const auto found = plan_.broken_.find(name); found != plan_.broken_.end()) {
      co_return found->second;
    }
    if (about) {
      const auto found = plan_.broken_for_.find({name, *about});
      if (found != plan_.broken_for_.end()) co_return found->second;
    }
    if (fault == CallFault::kRefuse) co_return absl::UnavailableError("planned: refused");
    if (fault == CallFault::kThrow) throw std::bad_alloc();
    if (fault == CallFault::kHang) co_await kj::Promise<void>(kj::NEVER_DONE);
    // By the next turn of the loop: nothing may rely on an answer in the call.
    co_await kj::evalLater([]() {});
    plan_.late_ = fault == CallFault::kLate;
    Result<T> under_way = call();
    plan_.late_ = false;
    absl::StatusOr<T> answer = co_await kj::mv(under_way);
    if (alter) alter(answer);
    if (fault == CallFault::kLate) co_await kj::Promise<void>(kj::NEVER_DONE);
    if (fault == CallFault::kLoseAnswer) co_return absl::UnavailableError("planned: answer lost");
    if (fault == CallFault::kDie) {
      if (plan_.die_) plan_.die_();
      co_await kj::Promise<void>(kj::NEVER_DONE);
    }
    co_return std::move(answer);
  }

  Result<filecoin::TipSet> Head() {
    if (plan_.stuck_at_) co_return *plan_.stuck_at_;
    absl::StatusOr<filecoin::TipSet> head = co_await inner_.ChainHead();
    if (!head.ok() || plan_.lag_ == filecoin::EpochDelta(0)) co_return head;
    co_return co_await inner_.ChainGetTipSetByHeight(head->Height() - plan_.lag_, head->Key());
  }

  // As Lotus may: the uuid and the dry run are looked at, then it takes long to sign
  // and push.
  Result<filecoin::SignedMessage> PushLate(Message message, MaybeSpec spec) {
    const absl::StatusOr<std::int64_t> limit = co_await inner_.GasEstimateGasLimit(message, Key());
    if (!limit.ok()) co_return limit.status();
    message.gas_limit = *limit * 5 / 4;  // with the margin of a node
    if (spec) spec->msg_uuid = {};
    pushes_.push_back(FinishLate(std::move(message), std::move(spec))
                          .ToPromise()
                          .eagerlyEvaluate([](kj::Exception&&) {}));
    co_return absl::DeadlineExceededError("planned: late");
  }
  async::Task<void> FinishLate(Message message, MaybeSpec spec) {
    co_await plan_.wait_();
    (void)co_await inner_.MpoolPushMessage(std::move(message), std::move(spec));
  }

  chain::Api& inner_;
  CountedApi& plan_;
  std::vector<kj::Promise<void>> pushes_;
};

CountedApi::CountedApi(chain::Api& inner) : counter_(std::make_unique<Counter>(inner, *this)) {}
CountedApi::~CountedApi() = default;
chain::Api& CountedApi::Api() {
  return *counter_;
}

}  // namespace damocles::scenario
