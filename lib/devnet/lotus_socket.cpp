// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/devnet/lotus_socket.h"

#include <kj/exception.h>

#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/log.h"
#include "damocles/chain/lotus_json.h"

namespace damocles::devnet::internal {

using chain::RpcError;

LotusSocket::LotusSocket(kj::Own<kj::WebSocket> socket, LotusMethods& methods, Caller caller,
                         const LotusServerOptions& options)
    : socket_(kj::mv(socket)), methods_(methods), caller_(caller), options_(options) {
  heads_ = methods_.TheChain().OnHeadChange(
      [this](const std::vector<chain::HeadChange>& changes) { Push(changes); });
}

LotusSocket::~LotusSocket() noexcept = default;

void LotusSocket::Drop() {
  dropped_.Set();
}

kj::Promise<void> LotusSocket::Run() {
  return kj::Promise<void>(ReadLoop()).exclusiveJoin(dropped_.WhenSet());
}

async::Task<void> LotusSocket::ReadLoop() {
  while (!dropped_.IsSet()) {
    try {
      kj::WebSocket::Message message = co_await socket_->receive(options_.request_bytes_max);
      if (message.is<kj::String>()) {
        const kj::String& text = message.get<kj::String>();
        Read(std::string_view(text.begin(), text.size()));
      } else if (message.is<kj::WebSocket::Close>()) {
        break;
      }
    } catch (const kj::Exception&) {
      break;  // the client left, or sent more than is read
    }
  }
}

void LotusSocket::Read(std::string_view text) {
  for (const std::uint64_t call : std::exchange(finished_, {})) calls_.erase(call);
  chain::RpcParsedBody body = chain::ParseRpcBody(text);
  if (body.batch) return;  // the node does not answer batches here
  chain::RpcParsedRequest& parsed = body.requests[0];
  if (parsed.framing) return;
  if (parsed.error) {
    if (!parsed.request.id.empty()) {
      Send(chain::WriteRpcError(parsed.request.id, *parsed.error), "");
    }
    return;
  }
  Start(std::move(parsed.request));
}

void LotusSocket::Start(chain::RpcRequest request) {
  if (request.method == "xrpc.cancel") return Cancel(request);
  if (calls_.size() >= options_.calls_max) {
    if (request.id.empty()) return;
    return Send(
        chain::WriteRpcError(request.id, RpcError{-32005, "too many calls are under way here", ""}),
        "");
  }
  const std::uint64_t number = next_call_++;
  std::string id = request.id;
  kj::Promise<void> call =
      request.method == kChainNotify ? Notify(std::move(request)) : Answer(std::move(request));
  calls_.emplace(
      number,
      std::pair(std::move(id),
                call.then([this, number]() { finished_.push_back(number); })
                    .eagerlyEvaluate([](kj::Exception&& error) {
                      LogError("devnet", "call_failed", {{"why", error.getDescription().cStr()}});
                    })));
}

async::Task<void> LotusSocket::Notify(chain::RpcRequest request) {
  std::optional<RpcError> error;
  if (!request.params.empty()) {
    error = RpcError{chain::kRpcInvalidParams,
                     absl::StrFormat("wrong param count (method '%s'): %d != 0", request.method,
                                     request.params.size()),
                     ""};
  } else {
    error = co_await methods_.MeetFault("ChainNotify");
  }
  if (request.id.empty()) co_return;
  if (error) {
    Send(chain::WriteRpcError(request.id, *error), "");
  } else {
    Subscribe(request.id);
  }
}

async::Task<void> LotusSocket::Answer(chain::RpcRequest request) {
  const std::string id = request.id;
  const RpcAnswer answer = co_await methods_.Call(std::move(request), caller_);
  if (id.empty()) co_return;
  Send(answer.error ? chain::WriteRpcError(id, *answer.error)
                    : chain::WriteRpcResult(id, answer.result),
       "");
}

void LotusSocket::Cancel(const chain::RpcRequest& request) {
  if (request.params.size() != 1) return;
  // Ids are compared as they are echoed.
  const chain::RpcParsedBody echoed =
      chain::ParseRpcBody(absl::StrFormat("{\"method\":\"x\",\"id\":%s}", request.params[0]));
  const std::string& id = echoed.requests[0].request.id;
  if (id.empty()) return;
  if (channels_.contains(id)) return EndChannel(id);
  for (auto call = calls_.begin(); call != calls_.end(); ++call) {
    if (call->second.first != id) continue;
    bool done = false;
    for (const std::uint64_t number : finished_) done = done || number == call->first;
    if (done) continue;
    calls_.erase(call);
    return Send(chain::WriteRpcError(id, RpcError{1, "context canceled", ""}), "");
  }
}

void LotusSocket::Subscribe(const std::string& id) {
  auto channel = std::make_shared<Channel>();
  channel->number = next_channel_++;
  channels_[id] = channel;
  Send(chain::WriteRpcResult(id, absl::StrFormat("%d", channel->number)), "");
  std::vector<chain::HeadChange> current(1);
  current[0].kind = chain::HeadChangeKind::kCurrent;
  current[0].tip_set = methods_.TheChain().ChainHead();
  PushTo(id, chain::ToLotusJson(current));
}

void LotusSocket::Push(const std::vector<chain::HeadChange>& changes) {
  if (channels_.empty() || methods_.TheFaults().silent) return;
  const std::string text = chain::ToLotusJson(changes);
  std::vector<std::string> ids;
  for (const auto& [id, channel] : channels_) ids.push_back(id);
  for (const std::string& id : ids) PushTo(id, text);
}

void LotusSocket::PushTo(const std::string& id, std::string_view changes) {
  const std::shared_ptr<Channel> channel = channels_.at(id);
  if (channel->unsent >= options_.channel_values_max) {
    LogWarning("devnet", "slow_subscriber", {{"channel", channel->number}});
    return EndChannel(id);
  }
  ++channel->unsent;
  Send(absl::StrFormat("{\"jsonrpc\":\"2.0\",\"method\":\"xrpc.ch.val\",\"params\":[%d,%s]}",
                       channel->number, changes),
       id);
}

void LotusSocket::EndChannel(const std::string& id) {
  const std::uint64_t number = channels_.at(id)->number;
  channels_.erase(id);
  Send(
      absl::StrFormat("{\"jsonrpc\":\"2.0\",\"method\":\"xrpc.ch.close\",\"params\":[%d]}", number),
      "");
}

void LotusSocket::EndChannels() {
  while (!channels_.empty()) EndChannel(std::string(channels_.begin()->first));
}

void LotusSocket::Send(std::string text, std::string channel) {
  if (dropped_.IsSet()) return;
  unsent_bytes_ += text.size();
  if (unsent_bytes_ > options_.unsent_bytes_max) {
    LogWarning("devnet", "websocket_too_slow", {{"unsent_bytes", unsent_bytes_}});
    return Drop();
  }
  std::shared_ptr<Channel> sent_on;
  if (!channel.empty()) sent_on = channels_.at(channel);
  auto owned = kj::heap<std::string>(std::move(text));
  writing_ = writing_
                 .then([this, message = kj::mv(owned), sent_on = std::move(sent_on)]() mutable {
                   auto sent =
                       socket_->send(kj::ArrayPtr<const char>(message->data(), message->size()));
                   return sent
                       .then([this, size = message->size(), sent_on]() {
                         unsent_bytes_ -= size;
                         if (sent_on != nullptr) --sent_on->unsent;
                       })
                       .attach(kj::mv(message));
                 })
                 .eagerlyEvaluate([this](kj::Exception&& /*left*/) { Drop(); });
}

}  // namespace damocles::devnet::internal
