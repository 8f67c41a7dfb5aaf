// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/chain/lotus_nodes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

#include "damocles/async/duration.h"
#include "damocles/async/offload.h"
#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/base/text.h"
#include "damocles/chain/answer.h"

namespace damocles::chain::internal {
namespace {

// Between two lines in the log that a node is lost.
constexpr kj::Duration kSayAgain = 10 * kj::MINUTES;
// Larger answers are read on another thread: of this size they take about a millisecond.
constexpr std::size_t kReadOnLoopMax = std::size_t{64} << 10;
// Of what is said of an answer, which may repeat parts of it.
constexpr std::size_t kReasonBytesMax = 1000;
// Between two lines in the log about unreadable answers of one method.
constexpr kj::Duration kTellAgain = 10 * kj::MINUTES;
// A look at all heads: twice an epoch of the network, but neither busy nor late.
constexpr kj::Duration kLookMin = 1 * kj::SECONDS;
constexpr kj::Duration kLookMax = 15 * kj::SECONDS;
// In epochs; one without a block is nothing unusual, several in a row are.
constexpr int kLagEpochs = 3;
constexpr int kStillEpochs = 5;

HeadSight SightIn(const filecoin::TipSet& head) {
  return {.epoch = head.Height(), .weight = head.ParentWeight()};
}

kj::HttpClientSettings ClientSettings(kj::EntropySource& entropy) {
  kj::HttpClientSettings settings;
  settings.entropySource = entropy;
  return settings;
}

kj::Maybe<kj::Network&> TlsOf(const LotusIo& io) {
  if (io.tls_network == nullptr) return nullptr;
  return *io.tls_network;
}

}  // namespace

LotusNodes::LotusNodes(std::vector<Endpoint> endpoints, LotusIo io, const LotusOptions& options)
    : options_(options),
      timer_(io.timer),
      executor_(io.executor),
      entropy_(io.random),
      http_(kj::newHttpClient(io.timer, header_table_, io.network, TlsOf(io),
                              ClientSettings(entropy_))),
      changing_(std::make_unique<Changing>(kj::newPromiseAndFulfiller<void>())) {
  for (Endpoint& endpoint : endpoints) {
    links_.push_back(std::make_unique<NodeLink>(
        std::move(endpoint), options_,
        LinkIo{.timer = timer_, .http = *http_, .executor = executor_, .room = room_},
        header_table_));
  }
}

async::Task<absl::Status> LotusNodes::Call(std::string method, std::string params, CallKind kind,
                                           AnswerReader read) {
  const kj::TimePoint until =
      timer_.now() +
      async::ToKj(kind == CallKind::kWait ? options_.wait_timeout : options_.call_timeout);
  const std::vector<std::size_t> order = Order();
  absl::Status last = absl::UnavailableError("no node was asked");
  for (std::size_t tried = 0; tried < order.size(); ++tried) {
    const std::size_t index = order[tried];
    const kj::Duration left = until - timer_.now();
    if (left <= 0 * kj::SECONDS) break;
    // A read leaves time for the nodes that come after this one.
    const kj::Duration share =
        kind == CallKind::kRead ? left / static_cast<std::int64_t>(order.size() - tried) : left;
    LinkAnswer answer = co_await links_[index]->Call(method, params, share);
    if (answer.fate == LinkAnswer::Fate::kAnswered) {
      absl::Status status = answer.result.status();
      if (status.ok()) {
        auto reading = Read(read, std::move(answer));
        status = co_await kj::mv(reading);
        if (!status.ok()) {
          status = absl::DataLossError(
              absl::StrFormat("%s: the answer of node %s is unreadable: %s",
                              absl::StripPrefix(method, "Filecoin."), links_[index]->Where().Name(),
                              Printable(std::string(status.message()), kReasonBytesMax)));
        }
      }
      // What is no answer, or none that can be.  The next node may know better; but what was
      // pushed may be done.
      if (absl::IsDataLoss(status) || absl::IsResourceExhausted(status)) {
        last = WithoutTokens(std::move(status));
        // With one node the caller hears of it.
        if (links_.size() > 1) TellUnreadable(index, method, last);
        if (kind == CallKind::kPush) co_return last;
        continue;
      }
      Use(index);
      co_return WithoutTokens(std::move(status));
    }
    last = WithoutTokens(answer.result.status());
    if (answer.fate == LinkAnswer::Fate::kLost && kind == CallKind::kPush) co_return last;
  }
  co_return last;
}

// What the work uses it owns: nobody may wait for it any more.
kj::Promise<absl::Status> LotusNodes::Read(AnswerReader read, LinkAnswer answer) {
  if (executor_ == nullptr || answer.result->size() <= kReadOnLoopMax) {
    return read(*answer.result);
  }
  auto raw = std::make_unique<std::string>(*std::move(answer.result));
  auto reading = async::Offload<absl::Status>(
      *executor_, [read = std::move(read), raw = std::move(raw)] { return read(*raw); });
  return reading.attach(std::move(answer.place));
}

void LotusNodes::TellUnreadable(std::size_t index, const std::string& method,
                                const absl::Status& why) {
  const kj::TimePoint now = timer_.now();
  const auto [told, is_new] = told_.emplace(std::pair(index, method), now);
  if (!is_new && now - told->second < kTellAgain) return;
  told->second = now;
  LogWarning("chain", "answer_refused",
             {{"node", links_[index]->Where().Name()}, {"method", method}, {"why", why}});
}

void LotusNodes::LeaveNode(std::size_t failed, const absl::Status& why) {
  if (current_ != failed) return;
  const std::vector<std::size_t> order = Order();
  const bool alone = order.size() < 2;  // for now: those that lag are of no use
  const auto said = lost_.find(failed);
  if (said == lost_.end() || timer_.now() - said->second >= kSayAgain) {
    lost_.insert_or_assign(failed, timer_.now());
    LogWarning("chain", alone ? "node_lost" : "node_left",
               {{"node", links_[failed]->Where().Name()}, {"why", WithoutTokens(why)}});
  }
  if (!alone) SetCurrent(order[1]);
}

void LotusNodes::NodeServes(std::size_t index) {
  if (lost_.erase(index) == 0) return;
  LogInfo("chain", "node_back", {{"node", links_[index]->Where().Name()}});
}

void LotusNodes::Use(std::size_t index) {
  if (index == current_ || (choice_ && choice_->Lags(index))) return;
  LogWarning("chain", "node_changed",
             {{"from", links_[current_]->Where().Name()}, {"to", links_[index]->Where().Name()}});
  SetCurrent(index);
}

void LotusNodes::SetCurrent(std::size_t index) {
  if (index == current_) return;
  current_ = index;
  seen_.reset();
  changing_->fulfiller->fulfill();
  changing_ = std::make_unique<Changing>(kj::newPromiseAndFulfiller<void>());
}

std::vector<std::size_t> LotusNodes::Order() const {
  std::vector<std::size_t> order{current_};
  for (std::size_t next = 1; next < links_.size(); ++next) {
    const std::size_t index = (current_ + next) % links_.size();
    if (!choice_ || !choice_->Lags(index)) order.push_back(index);
  }
  return order;
}

// ---------------------------------------------------------------- heads

void LotusNodes::WatchHeads(kj::Duration epoch) {
  if (watching_) return;
  const auto or_default = [](absl::Duration stated, kj::Duration usual) {
    return stated == absl::ZeroDuration() ? usual : async::ToKj(stated);
  };
  choice_.emplace(links_.size(), or_default(options_.lag_patience, kLagEpochs * epoch),
                  or_default(options_.head_still, kStillEpochs * epoch));
  watching_.emplace(Watch(
      or_default(options_.poll_interval, std::clamp<kj::Duration>(epoch / 2, kLookMin, kLookMax))));
}

void LotusNodes::Saw(const filecoin::TipSet& head) {
  seen_ = SightIn(head);
}

kj::Promise<void> LotusNodes::Left(std::size_t node) {
  if (node != current_) return kj::READY_NOW;
  return changing_->promise.addBranch();
}

async::Task<void> LotusNodes::Watch(kj::Duration interval) {
  while (true) {
    co_await timer_.afterDelay(interval);
    std::vector<std::optional<HeadSight>> heads(links_.size());
    if (links_.size() == 1) {
      // Nothing to choose: what its subscription says is enough, and that it is lost is said
      // elsewhere.
      if (!lost_.contains(current_)) heads[current_] = seen_;
    } else {
      std::vector<async::Task<std::optional<HeadSight>>> looks;
      for (std::size_t i = 0; i < links_.size(); ++i) looks.push_back(SightOf(i));
      for (std::size_t i = 0; i < links_.size(); ++i) {
        auto look = std::move(looks[i]);
        heads[i] = co_await kj::mv(look);
      }
    }
    const std::size_t before = current_;
    const NodeChoice::Turn turn = choice_->Look(before, heads, timer_.now());
    SetCurrent(turn.use);
    for (const HeadNews& news : turn.news) Tell(news, before, turn.use);
  }
}

async::Task<std::optional<HeadSight>> LotusNodes::SightOf(std::size_t index) {
  // The name of the one in use comes first: the others wait for it till the next look.
  const bool comparable = co_await IsOfThisNetwork(index);
  if (!comparable) co_return std::nullopt;
  const LinkAnswer answer = co_await links_[index]->Call("Filecoin.ChainHead", "[]",
                                                         async::ToKj(options_.connect_timeout));
  if (answer.fate != LinkAnswer::Fate::kAnswered || !answer.result.ok()) co_return std::nullopt;
  const auto head = ReadAnswer<filecoin::TipSet>(*answer.result);
  if (!head.ok() || head->Empty()) co_return std::nullopt;
  co_return SightIn(*head);
}

async::Task<bool> LotusNodes::IsOfThisNetwork(std::size_t index) {
  if (!networks_.contains(index)) {
    const LinkAnswer answer = co_await links_[index]->Call("Filecoin.StateNetworkName", "[]",
                                                           async::ToKj(options_.connect_timeout));
    if (answer.fate != LinkAnswer::Fate::kAnswered || !answer.result.ok()) co_return false;
    auto name = ReadAnswer<std::string>(*answer.result);
    if (!name.ok()) co_return false;
    if (index == current_ && network_.empty()) network_ = *name;
    if (network_.empty()) co_return false;
    if (*name != network_) {
      LogWarning("chain", "node_of_another_network",
                 {{"node", links_[index]->Where().Name()},
                  {"network", Printable(*name, kReasonBytesMax)},
                  {"want", Printable(network_, kReasonBytesMax)},
                  {"then", "name nodes of one network only under [Common.API]"}});
    }
    networks_.emplace(index, *std::move(name));
  }
  co_return networks_.at(index) == network_;
}

void LotusNodes::Tell(const HeadNews& news, std::size_t before, std::size_t now) {
  const std::string node = links_[news.node]->Where().Name();
  switch (news.kind) {
    case HeadNews::Kind::kLags:
      if (news.node == before && before != now) {
        LogWarning("chain", "node_left",
                   {{"node", node}, {"why", news.why}, {"to", links_[now]->Where().Name()}});
      } else {
        LogWarning("chain", "node_lags",
                   {{"node", node},
                    {"why", news.why},
                    {"effect", "it is not asked while another one answers"}});
      }
      break;
    case HeadNews::Kind::kKeepsUp:
      LogInfo("chain", "node_back", {{"node", node}, {"why", "its head keeps up again"}});
      break;
    case HeadNews::Kind::kStandsStill:
      LogWarning(
          "chain", "head_stands_still",
          {{"node", node},
           {"why", news.why},
           {"then", "is it in sync, has it peers? It stays in use: no other node is ahead"}});
      break;
    case HeadNews::Kind::kMoves:
      LogInfo("chain", "head_moves", {{"node", node}});
      break;
  }
}

absl::Status LotusNodes::WithoutTokens(absl::Status status) const {
  if (status.ok()) return status;
  std::string text(status.message());
  for (const auto& link : links_) {
    const std::string& token = link->Where().token;
    if (!token.empty()) text = absl::StrReplaceAll(text, {{token, "(token)"}});
  }
  return absl::Status(status.code(), text);
}

}  // namespace damocles::chain::internal
