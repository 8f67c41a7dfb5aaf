// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/chain/lotus_nodes.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

#include "damocles/async/offload.h"
#include "damocles/base/log.h"
#include "damocles/base/text.h"

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

async::Task<absl::Status> LotusNodes::Call(std::string method, std::string params, CallKind kind,
                                           AnswerReader read) {
  const kj::TimePoint until =
      timer_.now() + (kind == CallKind::kWait ? options_.wait_timeout : options_.call_timeout);
  const std::size_t first = current_;
  absl::Status last = absl::UnavailableError("no node was asked");
  for (std::size_t tried = 0; tried < links_.size(); ++tried) {
    const std::size_t index = (first + tried) % links_.size();
    const kj::Duration left = until - timer_.now();
    if (left <= 0 * kj::SECONDS) break;
    // A read leaves time for the nodes that come after this one.
    const kj::Duration share =
        kind == CallKind::kRead ? left / static_cast<std::int64_t>(links_.size() - tried) : left;
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
  const bool alone = links_.size() < 2;
  const auto said = lost_.find(failed);
  if (said == lost_.end() || timer_.now() - said->second >= kSayAgain) {
    lost_.insert_or_assign(failed, timer_.now());
    LogWarning("chain", alone ? "node_lost" : "node_left",
               {{"node", links_[failed]->Where().Name()}, {"why", WithoutTokens(why)}});
  }
  if (!alone) current_ = (failed + 1) % links_.size();
}

void LotusNodes::NodeServes(std::size_t index) {
  if (lost_.erase(index) == 0) return;
  LogInfo("chain", "node_back", {{"node", links_[index]->Where().Name()}});
}

void LotusNodes::Use(std::size_t index) {
  if (index == current_) return;
  LogWarning("chain", "node_changed",
             {{"from", links_[current_]->Where().Name()}, {"to", links_[index]->Where().Name()}});
  current_ = index;
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
