// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/chain/ws_session.h"

#include <kj/exception.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/async/failure.h"
#include "damocles/base/log.h"

namespace damocles::chain::internal {

kj::Promise<absl::StatusOr<std::string>> Channel::Next() {
  if (!waiting_.empty()) {
    std::string value = std::move(waiting_.front());
    waiting_.pop_front();
    return absl::StatusOr<std::string>(std::move(value));
  }
  if (ended_) return absl::StatusOr<std::string>(*ended_);
  auto pair = kj::newPromiseAndFulfiller<void>();
  sleeper_ = kj::mv(pair.fulfiller);
  return pair.promise.then([this]() { return Next(); });
}

void Channel::Push(std::string value) {
  if (ended_) return;
  if (waiting_.size() >= kWaitingMax) {
    waiting_.clear();
    End(absl::UnavailableError("head changes came faster than they were taken"));
    return;
  }
  waiting_.push_back(std::move(value));
  Wake();
}

void Channel::End(absl::Status why) {
  if (!ended_) ended_ = std::move(why);
  Wake();
}

void Channel::Wake() {
  if (sleeper_) {
    (*sleeper_)->fulfill();
    sleeper_.reset();
  }
}

WsSession::WsSession(kj::Own<kj::WebSocket> socket, kj::Timer& timer, std::size_t frame_bytes_max)
    : socket_(kj::mv(socket)),
      timer_(timer),
      frame_bytes_max_(frame_bytes_max),
      last_heard_(timer.now()) {
  reading_.emplace(ReadLoop());
}

void WsSession::Die(absl::Status why) {
  if (dead_) return;
  dead_ = why;
  for (auto& [id, call] : calls_) call.fulfiller->fulfill(absl::StatusOr<RpcFrame>(why));
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
  auto pair = kj::newPromiseAndFulfiller<absl::StatusOr<RpcFrame>>();
  calls_[id] = Call{kj::mv(pair.fulfiller), kj::mv(pair.promise), subscription};
  Write(WriteRpcRequest(id, method, params));
  return id;
}

kj::Promise<absl::StatusOr<RpcFrame>> WsSession::Answer(std::uint64_t id) {
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
      kj::WebSocket::Message message = co_await socket_->receive(frame_bytes_max_);
      last_heard_ = timer_.now();
      if (message.is<kj::String>()) {
        const kj::String& text = message.get<kj::String>();
        Read(std::string_view(text.begin(), text.size()));
      } else if (message.is<kj::WebSocket::Close>()) {
        why = absl::UnavailableError("the node closed the WebSocket");
      }
    } catch (const kj::Exception& error) {
      why = async::FailureStatus(error, "reading from the node");
    }
  }
  Die(why);
}

void WsSession::Read(std::string_view text) {
  absl::StatusOr<RpcFrame> frame = ParseRpcFrame(text);
  if (!frame.ok()) {
    LogWarning("chain", "unreadable_frame", {{"bytes", text.size()}, {"why", frame.status()}});
    return;
  }
  switch (frame->kind) {
    case RpcFrame::Kind::kAnswer:
      ReadAnswer(*std::move(frame));
      return;
    case RpcFrame::Kind::kChannelValue:
      if (auto found = channels_.find(*frame->channel); found != channels_.end()) {
        found->second.values->Push(std::move(frame->result));
      }
      return;
    case RpcFrame::Kind::kChannelClose:
      if (auto found = channels_.find(*frame->channel); found != channels_.end()) {
        found->second.values->End(absl::UnavailableError("the node ended the subscription"));
        channels_.erase(found);
      }
      return;
    case RpcFrame::Kind::kOther:
      return;
  }
}

void WsSession::ReadAnswer(RpcFrame frame) {
  const auto found = frame.id ? calls_.find(*frame.id) : calls_.end();
  if (found == calls_.end()) return;  // nobody waits any more
  Call& call = found->second;
  if (call.subscription && !frame.error) {
    // Values may lie directly behind this frame: the channel must exist before they are read.
    absl::StatusOr<std::uint64_t> number = ParseRpcChannel(frame.result);
    if (number.ok()) channels_[*number] = Subscription{found->first, std::make_shared<Channel>()};
  }
  call.fulfiller->fulfill(absl::StatusOr<RpcFrame>(std::move(frame)));
}

}  // namespace damocles::chain::internal
