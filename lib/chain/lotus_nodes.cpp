// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/chain/lotus_nodes.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

#include "damocles/async/duration.h"
#include "damocles/async/failure.h"
#include "damocles/async/offload.h"
#include "damocles/async/timeout.h"
#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/base/text.h"
#include "damocles/chain/answer.h"

namespace damocles::chain::internal {
namespace {

// For a node that is asked whether it has the key that others lack.
constexpr kj::Duration kOthersKeys = 5 * kj::SECONDS;
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
// So many looks later a node is asked again of which network it is.
constexpr int kLearnLooks = 40;

HeadSight SightIn(const filecoin::TipSet& head) {
  return {.epoch = head.Height(), .weight = head.ParentWeight()};
}

// It has done nothing.
bool LacksKey(const absl::StatusOr<std::string>& answer) {
  if (answer.ok()) return *answer == "false";
  return absl::IsPermissionDenied(answer.status()) || absl::IsUnimplemented(answer.status()) ||
         absl::IsNotFound(answer.status());
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
                              ClientSettings(entropy_))) {
  for (Endpoint& endpoint : endpoints) {
    links_.push_back(std::make_unique<NodeLink>(
        std::move(endpoint), options_,
        LinkIo{.timer = timer_, .http = *http_, .executor = executor_, .room = room_},
        header_table_));
  }
}

async::Task<absl::Status> LotusNodes::Call(MethodInfo method, std::string params,
                                           AnswerReader read) {
  const CallKind kind = method.kind;
  const std::string name(method.name);
  const kj::TimePoint until =
      timer_.now() +
      async::ToKj(kind == CallKind::kWait ? options_.wait_timeout : options_.call_timeout);
  // What a node can only do with a key in its wallet or with more than the right to read: a gateway
  // in front does not speak for the node behind it.
  const bool by_key = method.permission != Permission::kRead;
  const std::vector<std::size_t> order = Order(by_key);
  absl::Status last = absl::UnavailableError("no node was asked");
  std::optional<absl::Status> incapable;  // what the first said that cannot do it itself
  for (std::size_t tried = 0; tried < order.size(); ++tried) {
    const std::size_t index = order[tried];
    const kj::Duration left = until - timer_.now();
    if (left <= 0 * kj::SECONDS) break;
    // A read leaves time for the nodes that come after this one.
    kj::Duration share =
        kind == CallKind::kRead ? left / static_cast<std::int64_t>(order.size() - tried) : left;
    // What is known already does not wait for one that is perhaps gone.
    if (incapable && kind == CallKind::kRead) share = std::min(share, kOthersKeys);
    LinkAnswer answer = co_await links_[index]->Call(name, params, share);
    if (foreign_.contains(index)) {  // found while it was asked: what it says is of no use here
      last = absl::UnavailableError(
          absl::StrFormat("node %s is of another network", links_[index]->Where().Name()));
      continue;
    }
    if (answer.fate == LinkAnswer::Fate::kAnswered) {
      const bool no_key = by_key && LacksKey(answer.result);
      auto reading = ReadFrom(index, name, read, std::move(answer));
      absl::Status status = co_await kj::mv(reading);
      // What is no answer, or none that can be.  The next node may know better; but what was
      // pushed may be done.
      if (absl::IsDataLoss(status) || absl::IsResourceExhausted(status)) {
        last = WithoutTokens(std::move(status));
        // With one node the caller hears of it.
        if (links_.size() > 1) TellUnreadable(index, name, last);
        if (kind == CallKind::kPush) co_return last;
        continue;
      }
      if (no_key) {
        // That one has no key says more than that another may not tell.
        if (!incapable || status.ok()) incapable = WithoutTokens(std::move(status));
        continue;
      }
      // One that is only asked for its keys is not the one to follow, nor one that was in use when
      // this call began and was left meanwhile: only the one in use that failed here is left.
      const auto asked = order.begin() + static_cast<std::ptrdiff_t>(tried);
      if (!incapable && std::find(order.begin(), asked, current_) != asked) Use(index);
      co_return WithoutTokens(std::move(status));
    }
    last = WithoutTokens(answer.result.status());
    if (answer.fate == LinkAnswer::Fate::kLost && kind == CallKind::kPush) co_return last;
  }
  if (incapable) co_return *incapable;
  co_return last;
}

async::Task<absl::Status> LotusNodes::ReadFrom(std::size_t index, std::string method,
                                               AnswerReader read, LinkAnswer answer) {
  if (!answer.result.ok()) co_return answer.result.status();
  auto reading = Read(std::move(read), std::move(answer));
  const absl::Status status = co_await kj::mv(reading);
  if (status.ok()) co_return status;
  co_return absl::DataLossError(absl::StrFormat(
      "%s: the answer of node %s is unreadable: %s", absl::StripPrefix(method, "Filecoin."),
      links_[index]->Where().Name(), Printable(std::string(status.message()), kReasonBytesMax)));
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
  const auto next = std::find_if(order.begin(), order.end(),
                                 [failed](std::size_t index) { return index != failed; });
  const bool alone = next == order.end();  // those that lag are of no use
  const auto said = lost_.find(failed);
  if (said == lost_.end() || timer_.now() - said->second >= kSayAgain) {
    lost_.insert_or_assign(failed, timer_.now());
    LogWarning("chain", alone ? "node_lost" : "node_left",
               {{"node", links_[failed]->Where().Name()}, {"why", WithoutTokens(why)}});
  }
  if (!alone) SetCurrent(*next);
}

void LotusNodes::NodeServes(std::size_t index) {
  if (lost_.erase(index) == 0) return;
  LogInfo("chain", "node_back", {{"node", links_[index]->Where().Name()}});
}

void LotusNodes::Use(std::size_t index) {
  if (choice_ && choice_->Lags(index)) return;
  LogWarning("chain", "node_changed",
             {{"from", links_[current_]->Where().Name()}, {"to", links_[index]->Where().Name()}});
  SetCurrent(index);
}

void LotusNodes::SetCurrent(std::size_t index) {
  if (index == current_) return;
  current_ = index;
  seen_.reset();
  another_used_.Fire();
}

std::vector<std::size_t> LotusNodes::Order(bool also_behind) const {
  std::vector<std::size_t> order;
  std::vector<std::size_t> behind;
  for (std::size_t next = 0; next < links_.size(); ++next) {
    const std::size_t index = (current_ + next) % links_.size();
    if (foreign_.contains(index)) continue;
    const bool lags = index != current_ && choice_ && choice_->Lags(index);
    (lags ? behind : order).push_back(index);
  }
  if (also_behind || order.empty()) order.insert(order.end(), behind.begin(), behind.end());
  return order;
}

// ---------------------------------------------------------------- heads

void LotusNodes::WatchHeads(kj::Duration epoch) {
  if (watching_) return;
  const auto or_default = [](absl::Duration stated, kj::Duration usual) {
    return stated == absl::ZeroDuration() ? usual : async::ToKj(stated);
  };
  look_interval_ =
      or_default(options_.poll_interval, std::clamp<kj::Duration>(epoch / 2, kLookMin, kLookMax));
  choice_.emplace(
      links_.size(),
      NodeChoice::Times{.patience = or_default(options_.lag_patience, kLagEpochs * epoch),
                        .still = or_default(options_.head_still, kStillEpochs * epoch),
                        .gap = 2 * (look_interval_ + async::ToKj(options_.connect_timeout))});
  watching_.emplace(Watch(look_interval_));
}

void LotusNodes::Saw(const filecoin::TipSet& head) {
  seen_ = SightIn(head);
}

kj::Promise<void> LotusNodes::Left(std::size_t node) {
  if (node != current_) return kj::READY_NOW;
  return another_used_.Next();
}

async::Task<void> LotusNodes::Watch(kj::Duration interval) {
  while (true) {
    co_await timer_.afterDelay(interval);
    // Nobody awaits this task: what it throws must not end it unsaid.
    std::string failed;
    try {
      auto look = Look();
      co_await kj::mv(look);
    } catch (const kj::Exception& error) {
      failed = async::Plainly(error);
    }
    if (failed.empty()) continue;
    try {
      LogWarning("chain", "heads_not_compared",
                 {{"why", Printable(failed, kReasonBytesMax)}, {"then", "at the next look again"}});
    } catch (const std::exception& /*the log itself*/) {
      continue;
    }
  }
}

async::Task<void> LotusNodes::Look() {
  std::vector<std::optional<HeadSight>> heads(links_.size());
  if (links_.size() == 1) {
    // Nothing to choose: what its subscription says is enough, and that it is lost is said
    // elsewhere.
    if (!lost_.contains(current_)) heads[current_] = seen_;
  } else {
    std::vector<kj::Promise<std::optional<HeadSight>>> looks;
    for (std::size_t i = 0; i < links_.size(); ++i) looks.push_back(SightInTime(i));
    for (std::size_t i = 0; i < links_.size(); ++i) heads[i] = co_await kj::mv(looks[i]);
    Compare();
    for (const std::size_t index : foreign_) heads[index].reset();
    LeaveForeign();
  }
  const std::size_t before = current_;
  const NodeChoice::Turn turn = choice_->Look(before, heads, timer_.now());
  SetCurrent(turn.use);
  for (const HeadNews& news : turn.news) Tell(news, before, turn.use);
}

// A node that is slow does not make the look at the others old.
kj::Promise<std::optional<HeadSight>> LotusNodes::SightInTime(std::size_t index) {
  return async::Within(timer_, async::ToKj(options_.connect_timeout), SightOf(index),
                       std::optional<HeadSight>());
}

async::Task<LinkAnswer> LotusNodes::Glance(std::size_t index, std::string method) {
  // The look drops the call in time.  A call that meets its own limit ends the WebSocket of a node
  // that was silent meanwhile, with all that is under way there: so this limit is far behind that
  // of the look, also for a loop that was not run for a while and finds all limits passed at once.
  return links_[index]->Call(std::move(method), "[]", async::ToKj(options_.wait_timeout));
}

async::Task<std::optional<HeadSight>> LotusNodes::SightOf(std::size_t index) {
  auto learning = Learn(index);
  co_await kj::mv(learning);
  if (!identities_.contains(index)) co_return std::nullopt;
  auto asking = Glance(index, "Filecoin.ChainHead");
  const LinkAnswer answer = co_await kj::mv(asking);
  if (answer.fate != LinkAnswer::Fate::kAnswered || !answer.result.ok()) co_return std::nullopt;
  const auto head = ReadAnswer<filecoin::TipSet>(*answer.result);
  if (!head.ok() || head->Empty()) co_return std::nullopt;
  co_return SightIn(*head);
}

bool LotusNodes::Identity::SameAs(const Identity& other) const {
  return network == other.network &&
         (genesis == other.genesis || genesis == filecoin::TipSetKey() ||
          other.genesis == filecoin::TipSetKey());
}

async::Task<void> LotusNodes::Learn(std::size_t index) {
  const auto known = identities_.find(index);
  if (known != identities_.end() &&
      timer_.now() - known->second.asked < kLearnLooks * look_interval_) {
    co_return;
  }
  auto asking = Glance(index, "Filecoin.StateNetworkName");
  const LinkAnswer answer = co_await kj::mv(asking);
  if (answer.fate != LinkAnswer::Fate::kAnswered || !answer.result.ok()) co_return;
  auto name = ReadAnswer<std::string>(*answer.result);
  if (!name.ok()) co_return;
  Identity& identity = identities_[index];
  if (identity.network != *name) identity = Identity{*std::move(name), {}, timer_.now()};
  identity.asked = timer_.now();
  // One that does not tell it, or not as a tipset, is known by the name alone.
  auto asking_more = Glance(index, "Filecoin.ChainGetGenesis");
  const LinkAnswer first = co_await kj::mv(asking_more);
  if (first.fate != LinkAnswer::Fate::kAnswered || !first.result.ok()) co_return;
  const auto genesis = ReadAnswer<filecoin::TipSet>(*first.result);
  if (genesis.ok()) identities_[index].genesis = genesis->Key();
}

void LotusNodes::Compare() {
  if (identities_.empty()) return;
  // Where nodes differ the first in the list says which network is meant, by what it said first:
  // one that turns up with another network later is wrong itself.
  const auto& [first, told] = *identities_.begin();
  const auto is_foreign = [this](const auto& entry) { return !entry.second.SameAs(*network_); };
  if (!network_ || first < network_by_ ||
      std::all_of(identities_.begin(), identities_.end(), is_foreign)) {
    network_ = told;
    network_by_ = first;
  }
  const auto source = identities_.find(network_by_);
  if (source != identities_.end() && source->second.SameAs(*network_) &&
      network_->genesis == filecoin::TipSetKey()) {
    network_->genesis = source->second.genesis;
  }
  for (const auto& entry : identities_) {
    const std::size_t index = entry.first;
    if (!is_foreign(entry)) {
      if (foreign_.erase(index) > 0) {
        LogInfo("chain", "node_back",
                {{"node", links_[index]->Where().Name()}, {"why", "it is of this network"}});
      }
    } else if (foreign_.insert(index).second) {
      const bool same_name = entry.second.network == network_->network;
      LogWarning("chain", "node_of_another_network",
                 {{"node", links_[index]->Where().Name()},
                  {"network", Printable(entry.second.network, kReasonBytesMax)},
                  {"want", Printable(network_->network, kReasonBytesMax)},
                  {"why", same_name ? "its first block is another one" : "it says another name"},
                  {"effect", "it is not asked"},
                  {"then", "name nodes of one network only under [Common.API]"}});
    }
  }
}

void LotusNodes::LeaveForeign() {
  if (!foreign_.contains(current_)) return;
  const std::size_t next = Order().front();  // Compare leaves at least one
  LogWarning("chain", "node_left",
             {{"node", links_[current_]->Where().Name()},
              {"why", "it is of another network"},
              {"to", links_[next]->Where().Name()}});
  SetCurrent(next);
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
    case HeadNews::Kind::kReturns:
      LogInfo("chain", "node_changed",
              {{"from", links_[before]->Where().Name()}, {"to", node}, {"why", news.why}});
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
