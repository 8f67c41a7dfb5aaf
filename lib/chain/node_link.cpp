// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/chain/node_link.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/async/duration.h"
#include "damocles/async/failure.h"
#include "damocles/async/timeout.h"
#include "damocles/base/log.h"
#include "damocles/chain/json_rpc.h"

namespace damocles::chain::internal {
namespace {

using Fate = LinkAnswer::Fate;

// Drops a call that nobody waits for any more, also when the waiting coroutine was cancelled.
class CallGuard {
 public:
  CallGuard(std::shared_ptr<WsSession> session, std::uint64_t id)
      : session_(std::move(session)), id_(id) {}
  CallGuard(const CallGuard&) = delete;
  CallGuard& operator=(const CallGuard&) = delete;
  ~CallGuard() {
    if (active_) session_->Forget(id_);
  }
  void Answered() { active_ = false; }

 private:
  std::shared_ptr<WsSession> session_;
  std::uint64_t id_;
  bool active_ = true;
};

absl::Status Late(const std::string& method, const std::string& node, kj::Duration limit) {
  return absl::DeadlineExceededError(
      absl::StrFormat("%s: no answer of %s within %d ms", method, node, limit / kj::MILLISECONDS));
}

absl::Status TooLarge(std::string_view method, const std::string& node, std::size_t limit) {
  return absl::ResourceExhaustedError(absl::StrFormat(
      "%s: the answer of %s is larger than the limit of %d bytes", method, node, limit));
}

bool Exceeds(kj::Maybe<std::uint64_t> length, std::size_t limit) {
  KJ_IF_MAYBE (bytes, length) {
    return *bytes > limit;
  }
  return false;
}

absl::Status FromHttpStatus(unsigned status, bool has_token) {
  if (status == 401 || status == 403) {
    const std::string refused =
        absl::StrFormat("the node %s (HTTP status %d): use one that it gave out",
                        has_token ? "refused the token" : "wants a token", status);
    return status == 401 ? absl::UnauthenticatedError(refused)
                         : absl::PermissionDeniedError(refused);
  }
  const std::string text = absl::StrFormat("the node answered with HTTP status %d", status);
  if (status == 404) return absl::UnavailableError(text + ": is the path right?");
  return absl::UnavailableError(text);
}

}  // namespace

NodeLink::NodeLink(Endpoint endpoint, const LotusOptions& options, LinkIo io,
                   const kj::HttpHeaderTable& header_table)
    : endpoint_(std::move(endpoint)),
      options_(options),
      io_(io),
      timer_(io.timer),
      http_(io.http),
      header_table_(header_table),
      next_open_(io.timer.now()),
      pause_(async::ToKj(options.reconnect_min)) {}

kj::HttpHeaders NodeLink::Headers() const {
  kj::HttpHeaders headers(header_table_);
  // KJ would throw what it cannot send, and with it the token.  MakeLotusClient has refused it.
  if (MayBeToken(endpoint_.token)) {
    headers.add("Authorization", kj::str("Bearer ", endpoint_.token.c_str()));
  }
  return headers;
}

async::Task<NodeLink::Opened> NodeLink::Session() {
  if (session_ != nullptr && !session_->Dead()) co_return session_;
  if (!options_.use_websocket) co_return absl::UnavailableError("WebSocket is switched off");
  if (opening_ || timer_.now() < next_open_) {
    co_return last_open_error_.ok() ? absl::UnavailableError("the WebSocket is being opened")
                                    : last_open_error_;
  }
  struct Opening {
    bool& flag;
    ~Opening() { flag = false; }
  } opening{opening_};
  opening_ = true;
  next_open_ = timer_.now() + pause_;
  auto session = co_await Open();
  if (!session.ok()) {
    last_open_error_ = session.status();
    pause_ = std::min(pause_ * 3 / 2, async::ToKj(options_.reconnect_max));
    next_open_ = timer_.now() + pause_;
    co_return session.status();
  }
  last_open_error_ = absl::OkStatus();
  pause_ = async::ToKj(options_.reconnect_min);
  session_ = *session;
  co_return session_;
}

// Promises are made by plain functions: g++ 12 destroys twice what a lambda inside a co_await
// expression holds.
kj::Promise<NodeLink::Opened> NodeLink::OpenSocket() {
  const std::string url = endpoint_.Url();
  const kj::HttpHeaders headers = Headers();
  kj::Promise<Opened> opened =
      http_.openWebSocket(url.c_str(), headers)
          .then([this](kj::HttpClient::WebSocketResponse&& response) -> Opened {
            if (!response.webSocketOrBody.is<kj::Own<kj::WebSocket>>()) {
              return Annotate(HttpFailure(response.statusCode), endpoint_.Name());
            }
            return std::make_shared<WsSession>(
                kj::mv(response.webSocketOrBody.get<kj::Own<kj::WebSocket>>()), timer_,
                WsLimits{.frame_bytes_max = options_.answer_bytes_max,
                         .executor = io_.executor,
                         .room = &io_.room});
          });
  return async::Within(timer_, async::ToKj(options_.connect_timeout), kj::mv(opened),
                       absl::UnavailableError(absl::StrFormat(
                           "%s does not answer the WebSocket handshake", endpoint_.Name())));
}

async::Task<NodeLink::Opened> NodeLink::Open() {
  try {
    kj::Promise<Opened> limited = OpenSocket();
    co_return co_await kj::mv(limited);
  } catch (const kj::Exception& error) {
    co_return async::FailureStatus(error, "connecting to " + endpoint_.Name());
  }
}

kj::Promise<absl::StatusOr<WsAnswer>> NodeLink::AnswerOf(WsSession& session, std::uint64_t id,
                                                         const std::string& method,
                                                         kj::Duration limit) {
  return async::Within(timer_, limit, session.Answer(id), Late(method, endpoint_.Name(), limit));
}

async::Task<LinkAnswer> NodeLink::Call(std::string method, std::string params, kj::Duration limit) {
  auto session = co_await Session();
  if (!session.ok()) {
    if (session.status().code() == absl::StatusCode::kUnauthenticated) {
      co_return LinkAnswer{Fate::kNotSent, session.status()};
    }
    kj::Promise<LinkAnswer> over_http = CallOverHttp(std::move(method), std::move(params), limit);
    co_return co_await kj::mv(over_http);
  }
  auto id = (*session)->Send(method, std::move(params), false);
  if (!id.ok()) co_return LinkAnswer{Fate::kNotSent, id.status()};

  CallGuard guard(*session, *id);
  const kj::TimePoint sent_at = timer_.now();
  kj::Promise<absl::StatusOr<WsAnswer>> answering = AnswerOf(**session, *id, method, limit);
  absl::StatusOr<WsAnswer> answer = co_await kj::mv(answering);
  if (!answer.ok()) {
    // A half-open connection looks like this: nothing at all came since the call went out.
    if (absl::IsDeadlineExceeded(answer.status()) && (*session)->LastHeard() < sent_at) {
      (*session)->Die(absl::UnavailableError("the node fell silent"));
    }
    co_return LinkAnswer{Fate::kLost, answer.status()};
  }
  guard.Answered();
  co_return Judge(method, std::move(answer->frame), std::move(answer->place));
}

LinkAnswer NodeLink::Judge(const std::string& method, RpcFrame frame,
                           AnswerRoom::Place place) const {
  if (frame.error) return {Fate::kAnswered, StatusFromRpcError(method, *frame.error)};
  if (const std::size_t limit = AnswerBytesMax(method); frame.result.size() > limit) {
    return {Fate::kAnswered, TooLarge(method, endpoint_.Name(), limit)};
  }
  return {Fate::kAnswered, std::move(frame.result), std::move(place)};
}

kj::Promise<LinkAnswer> NodeLink::CallOverHttp(std::string method, std::string params,
                                               kj::Duration limit) {
  std::string body = WriteRpcRequest(1, method, params);
  LinkAnswer late{Fate::kLost, Late(method, endpoint_.Name(), limit)};
  return async::Within(timer_, limit, Post(std::move(method), std::move(body)), std::move(late));
}

async::Task<LinkAnswer> NodeLink::Post(std::string method, std::string body) {
  const std::string url = endpoint_.Url();
  bool sent = false;
  try {
    kj::HttpHeaders headers = Headers();
    headers.set(kj::HttpHeaderId::CONTENT_TYPE, "application/json");
    auto request = http_.request(kj::HttpMethod::POST, url.c_str(), headers, body.size());
    co_await request.body->write(body.data(), body.size());
    sent = true;
    request.body = nullptr;
    auto response = co_await kj::mv(request.response);
    const std::size_t limit = std::min(options_.answer_bytes_max, AnswerBytesMax(method));
    if (const auto length = response.body->tryGetLength(); Exceeds(length, limit)) {
      co_return LinkAnswer{Fate::kAnswered, TooLarge(method, endpoint_.Name(), limit)};
    }
    co_await io_.room.WhenThereIsRoom();
    auto reading = response.body->readAllText(limit);
    const kj::String text = co_await kj::mv(reading);
    LinkAnswer answer =
        ReadResponse(method, response.statusCode, std::string_view(text.begin(), text.size()));
    answer.place = io_.room.Take(text.size());
    co_return answer;
  } catch (const kj::Exception& error) {
    absl::Status status = async::FailureStatus(error, endpoint_.Name());
    co_return LinkAnswer{sent ? Fate::kLost : Fate::kNotSent, Annotate(std::move(status), method)};
  }
}

absl::Status NodeLink::HttpFailure(unsigned status) const {
  return FromHttpStatus(status, !endpoint_.token.empty());
}

LinkAnswer NodeLink::ReadResponse(const std::string& method, unsigned status,
                                  std::string_view body) const {
  if (status == 401) return {Fate::kNotSent, Annotate(HttpFailure(status), endpoint_.Name())};
  absl::StatusOr<RpcFrame> frame = ParseRpcFrame(body);
  if (frame.ok() && frame->kind == RpcFrame::Kind::kAnswer) {
    if (frame->error) return {Fate::kAnswered, StatusFromRpcError(method, *frame->error)};
    if (status == 200) return {Fate::kAnswered, std::move(frame->result), nullptr};
  }
  if (status == 200) {
    return {Fate::kAnswered,
            absl::DataLossError(absl::StrFormat(
                "%s: the answer of %s is no JSON-RPC (%d bytes): does a chain node listen there, "
                "and is the path right?",
                method, endpoint_.Name(), body.size()))};
  }
  // A proxy between us and the node may answer so after the node has acted.
  return {status >= 500 ? Fate::kLost : Fate::kNotSent, Annotate(HttpFailure(status), method)};
}

async::Task<absl::StatusOr<std::shared_ptr<NodeLink::Subscription>>> NodeLink::Subscribe(
    std::string method) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(std::shared_ptr<WsSession> session, co_await Session());
  DAMOCLES_CO_ASSIGN_OR_RETURN(const std::uint64_t id, session->Send(method, "[]", true));
  CallGuard guard(session, id);
  kj::Promise<absl::StatusOr<WsAnswer>> answering =
      AnswerOf(*session, id, method, async::ToKj(options_.call_timeout));
  DAMOCLES_CO_ASSIGN_OR_RETURN(const WsAnswer answer, co_await kj::mv(answering));
  if (answer.frame.error) {
    guard.Answered();
    co_return StatusFromRpcError(method, *answer.frame.error);
  }
  std::shared_ptr<Channel> values = session->ChannelOf(id);
  if (values == nullptr) {
    // Ended before it could be looked at, or the number of the channel was unreadable.
    co_return absl::UnavailableError(absl::StrFormat("%s: the node gave no channel", method));
  }
  guard.Answered();
  co_return std::make_shared<Subscription>(session, id, std::move(values));
}

}  // namespace damocles::chain::internal
