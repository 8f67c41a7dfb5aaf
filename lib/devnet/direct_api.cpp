// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/devnet/direct_api.h"

#include <deque>
#include <utility>

#include "absl/strings/str_format.h"

namespace damocles::devnet {

using chain::HeadChange;
using chain::HeadChangeKind;
using filecoin::Address;
using filecoin::ChainEpoch;
using filecoin::Cid;
using filecoin::TipSetKey;
using filecoin::TokenAmount;

template <typename T>
using Result = chain::Api::Result<T>;

namespace {

absl::Status Down() {
  return absl::UnavailableError("connection to the node lost");
}

}  // namespace

// What ChainNotify returns; the API keeps it informed as long as somebody holds it.
class DirectSubscription {
 public:
  // More than a node buffers for a slow reader: it is dropped likewise.
  static constexpr std::size_t kBufferedMax = 16;

  explicit DirectSubscription(const filecoin::TipSet& head) {
    queue_.push_back({{HeadChangeKind::kCurrent, head}});
  }
  void Push(const std::vector<HeadChange>& changes) {
    if (!error_.ok()) return;
    if (queue_.size() >= kBufferedMax) {
      End(absl::UnavailableError("the node closed the channel: reader too slow"));
      return;
    }
    queue_.push_back(changes);
    Wake();
  }
  void End(absl::Status error) {
    if (error_.ok()) error_ = std::move(error);
    Wake();
  }
  // Resolves once there is something to take.
  kj::Promise<void> Ready() {
    if (!queue_.empty() || !error_.ok()) return kj::READY_NOW;
    auto pair = kj::newPromiseAndFulfiller<void>();
    reader_ = kj::mv(pair.fulfiller);
    return kj::mv(pair.promise);
  }
  absl::StatusOr<std::vector<HeadChange>> Take() {
    if (queue_.empty()) return error_;
    std::vector<HeadChange> changes = std::move(queue_.front());
    queue_.pop_front();
    return changes;
  }

 private:
  void Wake() {
    if (reader_.get() != nullptr) reader_->fulfill();
    reader_ = nullptr;
  }
  std::deque<std::vector<HeadChange>> queue_;
  absl::Status error_;
  kj::Own<kj::PromiseFulfiller<void>> reader_;
};

namespace {

class Subscription final : public chain::HeadSubscription {
 public:
  explicit Subscription(std::shared_ptr<DirectSubscription> state) : state_(std::move(state)) {}
  async::Task<absl::StatusOr<std::vector<HeadChange>>> Next() override { return Wait(state_); }

 private:
  static async::Task<absl::StatusOr<std::vector<HeadChange>>> Wait(
      std::shared_ptr<DirectSubscription> state) {
    co_await state->Ready();
    co_return state->Take();
  }
  std::shared_ptr<DirectSubscription> state_;
};

}  // namespace

DirectApi::DirectApi(Chain& chain)
    : chain_(chain),
      observer_(chain.AddHeadObserver(
          [this](const std::vector<HeadChange>& changes) { OnHeadChange(changes); })) {}

DirectApi::~DirectApi() {
  chain_.RemoveHeadObserver(observer_);
}

// ---------------------------------------------------------------- failures

void DirectApi::FailNext(const std::string& method, std::uint64_t calls, absl::Status status) {
  failures_[method].push_back({FailureKind::kRefuse, calls, std::move(status)});
}

void DirectApi::LoseAnswers(const std::string& method, std::uint64_t calls, absl::Status status) {
  failures_[method].push_back({FailureKind::kLoseAnswer, calls, std::move(status)});
}

void DirectApi::HangNext(const std::string& method, std::uint64_t calls) {
  failures_[method].push_back({FailureKind::kHang, calls, absl::OkStatus()});
}

void DirectApi::Release() {
  for (auto& fulfiller : std::exchange(hung_, {})) fulfiller->fulfill();
}

void DirectApi::SetDown(bool down) {
  down_ = down;
  if (down) DropSubscriptions();
}

void DirectApi::DropSubscriptions() {
  for (const auto& weak : std::exchange(subscriptions_, {})) {
    if (const auto subscription = weak.lock()) subscription->End(Down());
  }
}

std::uint64_t DirectApi::Calls(const std::string& method) const {
  const auto found = calls_.find(method);
  return found == calls_.end() ? 0 : found->second;
}

DirectApi::Failure DirectApi::NextFailure(const std::string& method) {
  ++calls_[method];
  if (down_) return {FailureKind::kRefuse, 1, Down()};
  for (const std::string& name : {method, std::string("*")}) {
    std::vector<Failure>& ordered = failures_[name];
    while (!ordered.empty() && ordered.front().calls == 0) ordered.erase(ordered.begin());
    if (ordered.empty()) continue;
    --ordered.front().calls;
    return ordered.front();
  }
  return {FailureKind::kRefuse, 0, absl::OkStatus()};
}

kj::Promise<void> DirectApi::Hang() {
  auto pair = kj::newPromiseAndFulfiller<void>();
  hung_.push_back(kj::mv(pair.fulfiller));
  return kj::mv(pair.promise);
}

template <typename T>
Result<T> DirectApi::Answer(const char* method, std::function<absl::StatusOr<T>()> call) {
  const Failure failure = NextFailure(method);
  if (failure.kind == FailureKind::kHang) {
    co_await Hang();
  } else if (failure.kind == FailureKind::kRefuse && !failure.status.ok()) {
    co_return failure.status;
  }
  absl::StatusOr<T> answer = call();
  if (failure.kind == FailureKind::kLoseAnswer) co_return failure.status;
  co_return answer;
}

void DirectApi::OnHeadChange(const std::vector<HeadChange>& changes) {
  for (auto& fulfiller : std::exchange(waiting_for_head_, {})) fulfiller->fulfill();
  if (silent_) return;
  std::erase_if(subscriptions_, [](const auto& weak) { return weak.expired(); });
  for (const auto& weak : subscriptions_) {
    if (const auto subscription = weak.lock()) subscription->Push(changes);
  }
}

kj::Promise<void> DirectApi::NextHead() {
  auto pair = kj::newPromiseAndFulfiller<void>();
  waiting_for_head_.push_back(kj::mv(pair.fulfiller));
  return kj::mv(pair.promise);
}

// ---------------------------------------------------------------- methods

Result<std::unique_ptr<chain::HeadSubscription>> DirectApi::ChainNotify() {
  return Answer<std::unique_ptr<chain::HeadSubscription>>(
      "ChainNotify", [this]() -> absl::StatusOr<std::unique_ptr<chain::HeadSubscription>> {
        auto state = std::make_shared<DirectSubscription>(chain_.ChainHead());
        subscriptions_.push_back(state);
        return std::make_unique<Subscription>(std::move(state));
      });
}

Result<chain::NodeVersion> DirectApi::Version() {
  return Answer<chain::NodeVersion>("Version", [this] { return chain_.Version(); });
}

Result<std::string> DirectApi::StateNetworkName() {
  return Answer<std::string>("StateNetworkName", [this] { return chain_.StateNetworkName(); });
}

Result<std::uint32_t> DirectApi::StateNetworkVersion(TipSetKey key) {
  return Answer<std::uint32_t>("StateNetworkVersion",
                               [this, key]() -> absl::StatusOr<std::uint32_t> {
                                 DAMOCLES_RETURN_IF_ERROR(chain_.ChainGetTipSet(key).status());
                                 return chain_.Config().network_version;
                               });
}

Result<chain::SyncStatus> DirectApi::SyncState() {
  return Answer<chain::SyncStatus>("SyncState", [this] {
    chain::ActiveSync sync;
    constexpr std::int64_t kComplete = 3;
    sync.base = chain_.ChainHead();
    sync.target = chain_.ChainHead();
    sync.stage = kComplete;
    sync.height = chain_.ChainHead().Height();
    return chain::SyncStatus{.active_syncs = {std::move(sync)}, .vm_applied = 0};
  });
}

Result<filecoin::TipSet> DirectApi::ChainHead() {
  return Answer<filecoin::TipSet>("ChainHead", [this] { return chain_.ChainHead(); });
}

Result<filecoin::Address> DirectApi::StateLookupId(Address address, TipSetKey key) {
  return Answer<Address>("StateLookupID",
                         [this, address, key] { return chain_.StateLookupId(address, key); });
}

Result<bool> DirectApi::WalletHas(Address address) {
  return Answer<bool>("WalletHas", [this, address] { return chain_.WalletHas(address); });
}

Result<TokenAmount> DirectApi::GasEstimateGasPremium(std::uint64_t, Address, std::int64_t,
                                                     TipSetKey) {
  return Answer<TokenAmount>("GasEstimateGasPremium",
                             [this] { return chain_.GasEstimateGasPremium(); });
}

Result<std::vector<filecoin::SignedMessage>> DirectApi::MpoolPending(TipSetKey) {
  return Answer<std::vector<filecoin::SignedMessage>>("MpoolPending",
                                                      [this] { return chain_.MpoolPending(); });
}

// The rest hands its parameters on as they are.

Result<filecoin::TipSet> DirectApi::ChainGetTipSetByHeight(ChainEpoch epoch, TipSetKey key) {
  return Answer<filecoin::TipSet>("ChainGetTipSetByHeight",
                                  [=, this] { return chain_.ChainGetTipSetByHeight(epoch, key); });
}

Result<filecoin::TipSet> DirectApi::ChainGetTipSetAfterHeight(ChainEpoch epoch, TipSetKey key) {
  return Answer<filecoin::TipSet>("ChainGetTipSetAfterHeight", [=, this] {
    return chain_.ChainGetTipSetAfterHeight(epoch, key);
  });
}

Result<filecoin::Message> DirectApi::ChainGetMessage(Cid message) {
  return Answer<filecoin::Message>("ChainGetMessage",
                                   [=, this] { return chain_.ChainGetMessage(message); });
}

Result<filecoin::DeadlineInfo> DirectApi::StateMinerProvingDeadline(Address miner, TipSetKey key) {
  return Answer<filecoin::DeadlineInfo>("StateMinerProvingDeadline", [=, this] {
    return chain_.StateMinerProvingDeadline(miner, key);
  });
}

Result<std::vector<chain::DeadlineState>> DirectApi::StateMinerDeadlines(Address miner,
                                                                         TipSetKey key) {
  return Answer<std::vector<chain::DeadlineState>>(
      "StateMinerDeadlines", [=, this] { return chain_.StateMinerDeadlines(miner, key); });
}

Result<std::vector<chain::Partition>> DirectApi::StateMinerPartitions(Address miner,
                                                                      std::uint64_t deadline_index,
                                                                      TipSetKey key) {
  return Answer<std::vector<chain::Partition>>("StateMinerPartitions", [=, this] {
    return chain_.StateMinerPartitions(miner, deadline_index, key);
  });
}

Result<std::vector<chain::SectorOnChainInfo>> DirectApi::StateMinerSectors(
    Address miner, std::optional<filecoin::BitField> sectors, TipSetKey key) {
  return Answer<std::vector<chain::SectorOnChainInfo>>(
      "StateMinerSectors", [=, this] { return chain_.StateMinerSectors(miner, sectors, key); });
}

Result<chain::MinerInfo> DirectApi::StateMinerInfo(Address miner, TipSetKey key) {
  return Answer<chain::MinerInfo>("StateMinerInfo",
                                  [=, this] { return chain_.StateMinerInfo(miner, key); });
}

Result<Bytes32> DirectApi::StateGetRandomnessFromBeacon(std::int64_t tag, ChainEpoch epoch,
                                                        Bytes entropy, TipSetKey key) {
  return Answer<Bytes32>("StateGetRandomnessFromBeacon", [=, this] {
    return chain_.StateGetRandomnessFromBeacon(tag, epoch, entropy, key);
  });
}

Result<Bytes32> DirectApi::StateGetRandomnessFromTickets(std::int64_t tag, ChainEpoch epoch,
                                                         Bytes entropy, TipSetKey key) {
  return Answer<Bytes32>("StateGetRandomnessFromTickets", [=, this] {
    return chain_.StateGetRandomnessFromTickets(tag, epoch, entropy, key);
  });
}

Result<filecoin::BeaconEntry> DirectApi::StateGetBeaconEntry(ChainEpoch epoch) {
  while (chain_.ChainHead().Height() < epoch) {
    co_await NextHead();
  }
  auto answer = Answer<filecoin::BeaconEntry>(
      "StateGetBeaconEntry", [this, epoch]() { return chain_.StateGetBeaconEntry(epoch); });
  co_return co_await kj::mv(answer);
}

Result<chain::Actor> DirectApi::StateGetActor(Address address, TipSetKey key) {
  return Answer<chain::Actor>("StateGetActor",
                              [=, this] { return chain_.StateGetActor(address, key); });
}

Result<Address> DirectApi::StateAccountKey(Address address, TipSetKey key) {
  return Answer<Address>("StateAccountKey",
                         [=, this] { return chain_.StateAccountKey(address, key); });
}

Result<TokenAmount> DirectApi::WalletBalance(Address address) {
  return Answer<TokenAmount>("WalletBalance", [=, this] { return chain_.WalletBalance(address); });
}

Result<filecoin::Signature> DirectApi::WalletSign(Address address, Bytes data) {
  return Answer<filecoin::Signature>("WalletSign",
                                     [=, this] { return chain_.WalletSign(address, data); });
}

Result<std::int64_t> DirectApi::GasEstimateGasLimit(filecoin::Message message, TipSetKey key) {
  return Answer<std::int64_t>("GasEstimateGasLimit",
                              [=, this] { return chain_.GasEstimateGasLimit(message, key); });
}

Result<filecoin::SignedMessage> DirectApi::MpoolPushMessage(
    filecoin::Message message, std::optional<chain::MessageSendSpec> spec) {
  return Answer<filecoin::SignedMessage>(
      "MpoolPushMessage", [=, this] { return chain_.MpoolPushMessage(message, spec); });
}

Result<Cid> DirectApi::MpoolPush(filecoin::SignedMessage message) {
  return Answer<Cid>("MpoolPush", [=, this] { return chain_.MpoolPush(message); });
}

Result<std::uint64_t> DirectApi::MpoolGetNonce(Address address) {
  return Answer<std::uint64_t>("MpoolGetNonce",
                               [=, this] { return chain_.MpoolGetNonce(address); });
}

Result<std::optional<chain::MsgLookup>> DirectApi::StateSearchMsg(TipSetKey from, Cid message,
                                                                  std::int64_t limit,
                                                                  bool allow_replaced) {
  return Answer<std::optional<chain::MsgLookup>>("StateSearchMsg", [=, this] {
    return chain_.StateSearchMsg(from, message, limit, allow_replaced);
  });
}

Result<chain::InvocResult> DirectApi::StateReplay(TipSetKey key, Cid message) {
  return Answer<chain::InvocResult>("StateReplay",
                                    [=, this] { return chain_.StateReplay(key, message); });
}

Result<std::optional<chain::MiningBaseInfo>> DirectApi::MinerGetBaseInfo(Address miner,
                                                                         ChainEpoch round,
                                                                         TipSetKey key) {
  return Answer<std::optional<chain::MiningBaseInfo>>(
      "MinerGetBaseInfo", [=, this] { return chain_.MinerGetBaseInfo(miner, round, key); });
}

}  // namespace damocles::devnet
