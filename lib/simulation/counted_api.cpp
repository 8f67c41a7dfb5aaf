// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/simulation/counted_api.h"

#include <new>
#include <optional>
#include <tuple>
#include <vector>

#include "damocles/chain/methods.h"

namespace damocles::simulation {

namespace {

using chain::CallAs;
using chain::CallOf;
using chain::ChainReader;
using chain::MessagePool;
using chain::Wallet;
using filecoin::Address;

template <auto... members>
std::optional<Address> FirstParamOf(chain::Call& call) {
  std::optional<Address> about;
  const auto look = [&](const auto* asked) {
    if (asked != nullptr) about = std::get<0>(asked->params);
  };
  (look(CallAs<members>(call)), ...);
  return about;
}

// Whom it is about, of the methods that can be broken for one address.
std::optional<Address> About(chain::Call& call) {
  if (const auto* push = CallAs<&MessagePool::MpoolPushMessage>(call)) {
    return std::get<0>(push->params).from;
  }
  return FirstParamOf<&Wallet::WalletHas, &Wallet::WalletSign, &ChainReader::WalletBalance,
                      &ChainReader::StateAccountKey, &ChainReader::StateGetActor,
                      &MessagePool::MpoolGetNonce>(call);
}

// `change` sees how a call of that method ended.
template <auto member, typename Change>
void Alter(chain::Call& call, absl::Status& status, const Change& change) {
  auto* asked = CallAs<member>(call);
  if (asked == nullptr) return;
  using Answer = absl::StatusOr<typename CallOf<member>::Answer>;
  Answer answer = status.ok() ? Answer(*std::move(asked->answer)) : Answer(status);
  change(*asked, answer);
  status = answer.status();
  if (status.ok()) asked->answer.emplace(*std::move(answer));
}

}  // namespace

class CountedApi::Counter final : public chain::FullNode {
 public:
  Counter(chain::FullNode& inner, CountedApi& plan) : inner_(inner), plan_(plan) {}

  chain::Result<std::unique_ptr<chain::HeadSubscription>> ChainNotify() override {
    return Go<absl::StatusOr<std::unique_ptr<chain::HeadSubscription>>>(
        "ChainNotify", [this] { return inner_.ChainNotify(); }, std::nullopt);
  }
  async::Task<absl::Status> Send(std::shared_ptr<chain::Call> call) override {
    if (const auto* search = CallAs<&ChainReader::StateSearchMsg>(*call);
        search != nullptr && plan_.on_search) {
      plan_.on_search(std::get<2>(search->params));
    }
    return Go<absl::Status>(
        std::string(call->Method().ShortName()), [this, call] { return Do(call); }, About(*call));
  }

 private:
  template <typename T>
  async::Task<T> Go(std::string name, std::function<async::Task<T>()> call,
                    std::optional<Address> about) {
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
    async::Task<T> under_way = call();
    plan_.late_ = false;
    T answer = co_await kj::mv(under_way);
    if (fault == CallFault::kLate) co_await kj::Promise<void>(kj::NEVER_DONE);
    if (fault == CallFault::kLoseAnswer) co_return absl::UnavailableError("planned: answer lost");
    if (fault == CallFault::kDie) {
      if (plan_.die_) plan_.die_();
      co_await kj::Promise<void>(kj::NEVER_DONE);
    }
    co_return std::move(answer);
  }

  // What the inner node does, and what it says of it.
  async::Task<absl::Status> Do(std::shared_ptr<chain::Call> call) {
    auto doing = Inner(call);
    absl::Status status = co_await kj::mv(doing);
    Alter<&MessagePool::MpoolPending>(*call, status, [this](const auto&, auto& pending) {
      if (pending.ok() && plan_.alter_pending) plan_.alter_pending(*pending);
    });
    Alter<&ChainReader::StateSearchMsg>(*call, status, [this](const auto&, auto& found) {
      if (plan_.alter_search) plan_.alter_search(found);
    });
    Alter<&MessagePool::MpoolPushMessage>(*call, status, [this](const auto&, auto& pushed) {
      if (plan_.alter_pushed) plan_.alter_pushed(pushed);
    });
    Alter<&Wallet::WalletHas>(*call, status, [this](const auto& asked, auto& has) {
      if (plan_.alter_has) plan_.alter_has(std::get<0>(asked.params), has);
    });
    co_return status;
  }
  async::Task<absl::Status> Inner(std::shared_ptr<chain::Call> call) {
    if (auto* head = CallAs<&ChainReader::ChainHead>(*call)) return Head(call, *head);
    if (const auto* push = CallAs<&MessagePool::MpoolPush>(*call)) {
      if (plan_.on_push_signed) plan_.on_push_signed(std::get<0>(push->params));
    }
    if (const auto* push = CallAs<&MessagePool::MpoolPushMessage>(*call)) {
      const auto& [message, spec] = push->params;
      if (plan_.on_push_) plan_.on_push_(message, spec.value_or(chain::MessageSendSpec{}));
      if (plan_.late_) return PushLate(message, spec);
    }
    return inner_.Send(std::move(call));
  }

  // `head` lies in `call`.
  async::Task<absl::Status> Head(std::shared_ptr<chain::Call> call,
                                 CallOf<&ChainReader::ChainHead>& head) {
    if (plan_.stuck_at_) {
      head.answer = *plan_.stuck_at_;
      co_return absl::OkStatus();
    }
    auto asking = inner_.Send(call);
    const absl::Status status = co_await kj::mv(asking);
    if (!status.ok() || plan_.lag_ == filecoin::EpochDelta(0)) co_return status;
    auto looking_back =
        inner_.ChainGetTipSetByHeight(head.answer->Height() - plan_.lag_, head.answer->Key());
    absl::StatusOr<filecoin::TipSet> earlier = co_await kj::mv(looking_back);
    if (!earlier.ok()) co_return earlier.status();
    head.answer = *std::move(earlier);
    co_return absl::OkStatus();
  }

  // As Lotus may: the uuid and the dry run are looked at, then it takes long to sign
  // and push.
  async::Task<absl::Status> PushLate(filecoin::Message message,
                                     std::optional<chain::MessageSendSpec> spec) {
    const absl::StatusOr<std::int64_t> limit =
        co_await inner_.GasEstimateGasLimit(message, filecoin::TipSetKey());
    if (!limit.ok()) co_return limit.status();
    message.gas_limit = *limit * 5 / 4;  // with the margin of a node
    if (spec) spec->msg_uuid = {};
    pushes_.push_back(FinishLate(std::move(message), std::move(spec))
                          .ToPromise()
                          .eagerlyEvaluate([](kj::Exception&&) {}));
    co_return absl::DeadlineExceededError("planned: late");
  }
  async::Task<void> FinishLate(filecoin::Message message,
                               std::optional<chain::MessageSendSpec> spec) {
    co_await plan_.wait_();
    (void)co_await inner_.MpoolPushMessage(std::move(message), std::move(spec));
  }

  chain::FullNode& inner_;
  CountedApi& plan_;
  std::vector<kj::Promise<void>> pushes_;
};

CountedApi::CountedApi(chain::FullNode& inner)
    : counter_(std::make_unique<Counter>(inner, *this)) {}
CountedApi::~CountedApi() = default;
chain::FullNode& CountedApi::Node() {
  return *counter_;
}

}  // namespace damocles::simulation
