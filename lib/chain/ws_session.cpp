// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/chain/ws_session.h"

#include <kj/exception.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/async/failure.h"
#include "damocles/base/text.h"

namespace damocles::chain::internal {

kj::Promise<absl::StatusOr<std::string>> Channel::Next() {
  if (!waiting_.empty()) {
    std::string value = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_bytes_ -= value.size();
    return absl::StatusOr<std::string>(std::move(value));
  }
  if (ended_) return absl::StatusOr<std::string>(*ended_);
  return news_.Next().then([this]() { return Next(); });
}

void Channel::Push(std::string value) {
  if (ended_) return;
  if (waiting_.size() >= kWaitingMax ||
      (!waiting_.empty() && waiting_bytes_ + value.size() > kWaitingBytesMax)) {
    waiting_.clear();
    waiting_bytes_ = 0;
    End(absl::UnavailableError("head changes came faster than they were taken"));
    return;
  }
  waiting_bytes_ += value.size();
  waiting_.push_back(std::move(value));
  news_.Fire();
}

void Channel::End(absl::Status why) {
  if (!ended_) ended_ = std::move(why);
  news_.Fire();
}

WsSession::WsSession(kj::Own<kj::WebSocket> socket, kj::Timer& timer, WsLimits limits)
    : socket_(kj::mv(socket)), timer_(timer), limits_(limits), last_heard_(timer.now()) {
  reading_.emplace(ReadLoop());
}

void WsSession::Die(absl::Status why) {
  if (dead_) return;
  dead_ = why;
  for (auto& [id, call] : calls_) call.fulfiller->fulfill(absl::StatusOr<WsAnswer>(why));
  for (auto& [number, subscription] : channels_) subscription.values->End(why);
  channels_.clear();
  socket_->abort();
}

absl::StatusOr<std::uint64_t> WsSession::Send(std::string method, std::string params,
                                              bool subscription) {
  if (dead_) return *dead_;
  if (calls_.size() >= kCallsMax) {
    return absl::UnavailableError(
        absl::StrFormat("%d calls are waiting for an answer of the node", kCallsMax));
  }
  const std::uint64_t id = next_id_++;
  auto pair = kj::newPromiseAndFulfiller<absl::StatusOr<WsAnswer>>();
  calls_[id] = Call{kj::mv(pair.fulfiller), kj::mv(pair.promise), subscription};
  Write(WriteRpcRequest(id, method, params));
  return id;
}

kj::Promise<absl::StatusOr<WsAnswer>> WsSession::Answer(std::uint64_t id) {
  return kj::mv(calls_.at(id).answer);
}

void WsSession::Forget(std::uint64_t id) {
  const bool was_call = calls_.erase(id) > 0;
  const auto channel = std::find_if(channels_.begin(), channels_.end(),
                                    [&](const auto& entry) { return entry.second.id == id; });
  const bool was_channel = channel != channels_.end();
  if (was_channel) channels_.erase(channel);
  if (!dead_ && (was_call || was_channel)) Write(WriteRpcCancel(id));
}

std::shared_ptr<Channel> WsSession::ChannelOf(std::uint64_t id) {
  for (const auto& [number, subscription] : channels_) {
    if (subscription.id == id) return subscription.values;
  }
  return nullptr;
}

void WsSession::Write(std::string text) {
  // A socket takes one message at a time; a promise of KJ does nothing until someone wants it.
  auto owned = kj::heap<std::string>(std::move(text));
  writing_ = writing_
                 .then([this, message = kj::mv(owned)]() mutable -> kj::Promise<void> {
                   if (dead_) return kj::READY_NOW;
                   auto sent =
                       socket_->send(kj::ArrayPtr<const char>(message->data(), message->size()));
                   return sent.attach(kj::mv(message));
                 })
                 .eagerlyEvaluate([this](kj::Exception&& error) {
                   Die(async::FailureStatus(error, "writing to the node"));
                 });
}

async::Task<void> WsSession::ReadLoop() {
  absl::Status why = absl::OkStatus();
  while (why.ok() && !dead_) {
    try {
      // The node waits as long as its earlier answers have not been read.
      co_await limits_.room->WhenThereIsRoom();
      kj::WebSocket::Message message = co_await socket_->receive(limits_.frame_bytes_max);
      last_heard_ = timer_.now();
      if (message.is<kj::String>()) {
        AnswerRoom::Place place = limits_.room->Take(message.get<kj::String>().size());
        auto parsing = Parse(kj::mv(message.get<kj::String>()));
        absl::StatusOr<RpcFrame> frame = co_await kj::mv(parsing);
        if (frame.ok()) {
          Take(*std::move(frame), std::move(place));
        } else {
          // Nobody knows whose answer it was: they are asked again elsewhere.
          why = absl::UnavailableError(
              absl::StrFormat("the node sent what is no JSON-RPC: %s",
                              Printable(std::string(frame.status().message()), 500)));
        }
      } else if (message.is<kj::WebSocket::Close>()) {
        why = absl::UnavailableError("the node closed the WebSocket");
      }
    } catch (const kj::Exception& error) {
      why = async::FailureStatus(error, "reading from the node");
    }
  }
  Die(why);
}

kj::Promise<absl::StatusOr<RpcFrame>> WsSession::Parse(kj::String text) {
  constexpr std::size_t kParseOnLoopMax = std::size_t{256} << 10;
  if (limits_.executor == nullptr || text.size() <= kParseOnLoopMax) {
    return ParseRpcFrame(std::string_view(text.begin(), text.size()));
  }
  return async::Offload<absl::StatusOr<RpcFrame>>(*limits_.executor, [text = kj::mv(text)] {
    return ParseRpcFrame(std::string_view(text.begin(), text.size()));
  });
}

void WsSession::Take(RpcFrame frame, AnswerRoom::Place place) {
  if (dead_) return;
  switch (frame.kind) {
    case RpcFrame::Kind::kAnswer:
      TakeAnswer(std::move(frame), std::move(place));
      return;
    case RpcFrame::Kind::kChannelValue:
      if (auto found = channels_.find(*frame.channel); found != channels_.end()) {
        if (frame.result.size() > AnswerBytesMax("ChainNotify")) {
          found->second.values->End(absl::ResourceExhaustedError("a head change is too large"));
        } else {
          found->second.values->Push(std::move(frame.result));
        }
      }
      return;
    case RpcFrame::Kind::kChannelClose:
      if (auto found = channels_.find(*frame.channel); found != channels_.end()) {
        found->second.values->End(absl::UnavailableError("the node ended the subscription"));
        channels_.erase(found);
      }
      return;
    case RpcFrame::Kind::kOther:
      return;
  }
}

void WsSession::TakeAnswer(RpcFrame frame, AnswerRoom::Place place) {
  const auto found = frame.id ? calls_.find(*frame.id) : calls_.end();
  if (found == calls_.end()) return;  // nobody waits any more
  Call& call = found->second;
  if (call.subscription && !frame.error) {
    // Values may lie directly behind this frame: the channel must exist before they are read.
    absl::StatusOr<std::uint64_t> number = ParseRpcChannel(frame.result);
    if (number.ok()) channels_[*number] = Subscription{found->first, std::make_shared<Channel>()};
  }
  call.fulfiller->fulfill(absl::StatusOr<WsAnswer>(WsAnswer{std::move(frame), std::move(place)}));
}

}  // namespace damocles::chain::internal
