// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/devnet/lotus_server.h"

#include <errno.h>
#include <kj/compat/http.h>
#include <kj/exception.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "lib/devnet/lotus_methods.h"
#include "lib/devnet/lotus_socket.h"

#include "damocles/async/duration.h"
#include "damocles/async/timeout.h"
#include "damocles/base/log.h"

namespace damocles::devnet {
namespace {

using chain::RpcError;
using internal::Caller;
using internal::LotusSocket;
using internal::RpcAnswer;

// A client that vanished without a word is noticed after about this many seconds.
constexpr int kKeepAliveIdleSecs = 30;
constexpr int kKeepAliveIntervalSecs = 10;
constexpr int kKeepAliveProbes = 3;

void KeepAlive(kj::AsyncIoStream& stream) {
  const auto set = [&](int level, int option, int value) {
    stream.setsockopt(level, option, &value, sizeof(value));
  };
  try {
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleSecs);
    set(IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveIntervalSecs);
    set(IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
  } catch (const kj::Exception&) {
    // No TCP: a pipe of a test.
  }
}

std::string_view View(kj::StringPtr text) {
  return {text.begin(), text.size()};
}

// The client wants the connection closed after this request.
bool WantsClose(const kj::HttpHeaders& headers) {
  KJ_IF_MAYBE (value, headers.get(kj::HttpHeaderId::CONNECTION)) {
    const std::vector<std::string> words =
        absl::StrSplit(absl::AsciiStrToLower(std::string(View(*value))), absl::ByAnyChar(", \t"));
    return std::find(words.begin(), words.end(), "close") != words.end();
  }
  return false;
}

// The other end has closed or reset the connection, and all that it sent was read.
bool HasLeft(int fd) {
  char byte = 0;
  const ssize_t count = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return count == 0 || (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

// Equal in time that does not depend on where they differ.
bool SameSecret(std::string_view a, std::string_view b) {
  unsigned char difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
  }
  return difference == 0;
}

}  // namespace

// KJ's interfaces have no virtual destructors.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class LotusServer::Impl final : public internal::Connections,
                                public kj::HttpService,
                                public kj::HttpServerErrorHandler,
                                public kj::HttpServerCallbacks,
                                public kj::TaskSet::ErrorHandler {
 public:
  Impl(Chain& chain, kj::Timer& timer, const Clock& clock, const LotusServerOptions& options)
      : chain_(chain),
        timer_(timer),
        clock_(clock),
        options_(options),
        header_table_(MakeTable()),
        methods_(chain, timer, *this),
        http_(timer, *header_table_, *this, Settings()),
        connections_(*this) {
    nlohmann::json keys = nlohmann::json::object();
    for (const auto& [type, digest] : options_.verifying_keys) keys[std::to_string(type)] = digest;
    methods_.SetParameters(
        nlohmann::json{{"Network", chain_.StateNetworkName()}, {"VerifyingKeys", keys}}.dump());
  }
  ~Impl() noexcept override {}  // NOLINT(modernize-use-equals-default): KJ's may throw

  async::Task<void> Listen(kj::Own<kj::ConnectionReceiver> port) {
    while (true) {
      kj::Own<kj::AsyncIoStream> stream = co_await port->accept();
      if (connection_count_ >= options_.connections_max) {
        LogWarning("devnet", "too_many_connections", {{"count", connection_count_}});
        continue;
      }
      KeepAlive(*stream);
      ++connection_count_;
      connections_.add(
          ServeConnection(kj::mv(stream)).attach(kj::defer([this]() { --connection_count_; })));
    }
  }

  async::Task<absl::Status> RunClock() {
    const kj::Duration delay =
        static_cast<std::int64_t>(chain_.Config().block_delay_secs) * kj::SECONDS;
    kj::TimePoint next = timer_.now() + delay;
    while (true) {
      co_await timer_.atTime(next);
      next = std::max(next + delay, timer_.now());
      if (methods_.TheFaults().paused) continue;
      const std::int64_t now = absl::ToUnixSeconds(clock_.Now());
      // Epochs that were made ahead of their time are not followed by earlier ones.
      std::optional<std::uint64_t> timestamp;
      if (now > static_cast<std::int64_t>(chain_.ChainHead().MinTimestamp())) {
        timestamp = static_cast<std::uint64_t>(now);
      }
      const absl::Status status = methods_.Tick(timestamp);
      if (absl::IsInvalidArgument(status)) {  // what was ordered, not the chain
        LogWarning("devnet", "no_block", {{"why", status}});
      } else if (!status.ok()) {
        co_return Annotate(status, "making a block");
      }
    }
  }

  // ------------------------------------------------------------ Connections
  void DropWebSockets() override {
    for (LotusSocket* socket : sockets_) socket->Drop();
  }
  void EndChannels() override {
    for (LotusSocket* socket : sockets_) socket->EndChannels();
  }

  // ------------------------------------------------------------ kj::HttpServerCallbacks
  bool shouldClose() override { return close_after_answer_; }

  // ------------------------------------------------------------ kj::HttpService
  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url,
                            const kj::HttpHeaders& headers, kj::AsyncInputStream& body,
                            Response& response) override {
    if (!WantsClose(headers)) return Serve(method, url, headers, body, response);
    auto closing = kj::heap<ClosingResponse>(response, close_after_answer_);
    auto served = Serve(method, url, headers, body, *closing);
    // KJ says "close" and then waits for the client to do it; an error makes it flush and close.
    return served.attach(kj::mv(closing)).then([]() -> kj::Promise<void> {
      return KJ_EXCEPTION(DISCONNECTED, "closed as the client wanted");
    });
  }

  // ------------------------------------------------------------ kj::HttpServerErrorHandler
  kj::Promise<void> handleApplicationError(
      kj::Exception error, kj::Maybe<kj::HttpService::Response&> response) override {
    // Our own description would show addresses and source files to the client.
    if (error.getType() != kj::Exception::Type::DISCONNECTED) {
      LogWarning("devnet", "request_failed", {{"why", error.getDescription().cStr()}});
    }
    KJ_IF_MAYBE (to, response) {
      return SendText(*to, 500, "text/plain", "the request could not be served\n");
    }
    return kj::READY_NOW;
  }
  kj::Promise<void> handleClientProtocolError(kj::HttpHeaders::ProtocolError error,
                                              kj::HttpService::Response& response) override {
    return SendText(response, error.statusCode, "text/plain", "this is no HTTP request\n");
  }
  kj::Promise<void> handleNoResponse(kj::HttpService::Response& response) override {
    return SendText(response, 500, "text/plain", "the request could not be served\n");
  }

  // ------------------------------------------------------------ kj::TaskSet::ErrorHandler
  void taskFailed(kj::Exception&& error) override {
    LogDebug("devnet", "connection_failed", {{"why", error.getDescription().cStr()}});
  }

 private:
  // The answer to a client that wants the connection closed.  KJ asks while it begins an answer.
  class ClosingResponse final : public Response {
   public:
    ClosingResponse(Response& to, bool& close) : to_(to), close_(close) {}
    kj::Own<kj::AsyncOutputStream> send(kj::uint status, kj::StringPtr text,
                                        const kj::HttpHeaders& headers,
                                        kj::Maybe<std::uint64_t> size) override {
      close_ = true;
      KJ_DEFER(close_ = false);
      return to_.send(status, text, headers, size);
    }
    kj::Own<kj::WebSocket> acceptWebSocket(const kj::HttpHeaders& headers) override {
      return to_.acceptWebSocket(headers);
    }

   private:
    Response& to_;
    bool& close_;
  };

  // Until the client leaves, whatever it asked for.
  kj::Promise<void> ServeConnection(kj::Own<kj::AsyncIoStream> stream) {
    auto left = kj::Promise<void>(Left(*stream));
    return http_.listenHttpCleanDrain(*stream)
        .ignoreResult()
        .exclusiveJoin(kj::mv(left))
        .attach(kj::mv(stream));
  }

  // KJ looks at a connection only between requests; an answer that never comes would keep it.
  async::Task<void> Left(kj::AsyncIoStream& stream) {
    int fd = -1;
    KJ_IF_MAYBE (number, stream.getFd()) {
      fd = *number;
    }
    if (fd < 0) {  // a pipe of a test
      co_await kj::Promise<void>(kj::NEVER_DONE);
    }
    do {
      co_await timer_.afterDelay(async::ToKj(options_.left_interval));
    } while (!HasLeft(fd));
  }

  kj::Promise<void> Serve(kj::HttpMethod method, kj::StringPtr url, const kj::HttpHeaders& headers,
                          kj::AsyncInputStream& body, Response& response) {
    std::string_view path = View(url);
    const std::size_t query_at = std::min(path.find('?'), path.size());
    const std::string_view query = path.substr(query_at);
    path = path.substr(0, query_at);
    if (path == "/health/livez" || path == "/health/readyz") {
      return SendText(response, 200, "text/plain", "ok\n");
    }
    if (path != "/rpc/v0" && path != "/rpc/v1") {
      return SendText(response, 404, "text/plain", "404 page not found\n");
    }
    if (const auto status = methods_.TheFaults().TakeHttpStatus(); status) {
      return SendText(response, static_cast<unsigned>(*status), "text/plain", "fault\n");
    }
    const std::optional<unsigned> permissions = PermissionsOf(headers, query);
    if (!permissions) return SendText(response, 401, "", "");
    const Caller caller{*permissions, path == "/rpc/v0"};
    if (headers.isWebSocket()) return ServeWebSocket(response.acceptWebSocket(NoHeaders()), caller);
    if (method != kj::HttpMethod::POST) {
      return SendJson(
          response, 400,
          chain::WriteRpcError("null", RpcError{chain::kRpcInvalidRequest, "Invalid request", ""}));
    }
    return Post(body, response, caller);
  }

  kj::Own<kj::HttpHeaderTable> MakeTable() {
    kj::HttpHeaderTable::Builder builder;
    authorization_ = builder.add("Authorization");
    return builder.build();
  }
  kj::HttpServerSettings Settings() {
    kj::HttpServerSettings settings;
    settings.headerTimeout = async::ToKj(options_.request_timeout);
    settings.errorHandler = *this;
    settings.callbacks = *this;
    return settings;
  }
  kj::HttpHeaders NoHeaders() const { return kj::HttpHeaders(*header_table_); }

  // What this client may do; nothing at all if its token is wrong.
  std::optional<unsigned> PermissionsOf(const kj::HttpHeaders& headers,
                                        std::string_view query) const {
    if (options_.token.empty()) return internal::kAllPermissions;
    std::string given;
    KJ_IF_MAYBE (header, headers.get(authorization_)) {
      std::string_view value = View(*header);
      constexpr std::string_view kBearer = "Bearer ";
      if (!value.empty() && !value.starts_with(kBearer)) return std::nullopt;
      if (!value.empty()) given = std::string(value.substr(kBearer.size()));
    }
    constexpr std::string_view kQuery = "token=";
    for (std::size_t at = 0; given.empty() && at < query.size();) {
      const std::size_t end = std::min(query.find('&', at + 1), query.size());
      const std::string_view item = query.substr(at + 1, end - at - 1);
      if (item.starts_with(kQuery)) given = std::string(item.substr(kQuery.size()));
      at = end;
    }
    if (given.empty()) return kReadPermission;
    if (SameSecret(given, options_.token)) return internal::kAllPermissions;
    for (const auto& [token, permissions] : options_.scoped_tokens) {
      if (SameSecret(given, token)) return permissions;
    }
    return std::nullopt;
  }

  async::Task<void> ServeWebSocket(kj::Own<kj::WebSocket> accepted, Caller caller) {
    LotusSocket socket(kj::mv(accepted), methods_, caller, options_);
    sockets_.insert(&socket);
    const auto forget = kj::defer([this, &socket]() { sockets_.erase(&socket); });
    co_await socket.Run();
  }

  async::Task<void> Post(kj::AsyncInputStream& body, Response& response, Caller caller) {
    std::optional<std::string> text = co_await ReadBody(body);
    if (!text) {
      co_await SendText(response, 413, "text/plain", "the request is too large or too slow\n");
      co_return;
    }
    chain::RpcParsedBody parsed = chain::ParseRpcBody(*text);
    if (!parsed.batch) {
      chain::RpcParsedRequest& request = parsed.requests[0];
      if (request.error) {
        co_await SendJson(response, static_cast<unsigned>(parsed.http_status),
                          chain::WriteRpcError(request.request.id, *request.error));
        co_return;
      }
      const std::string id = request.request.id;
      const RpcAnswer answer = co_await methods_.Call(std::move(request.request), caller);
      if (id.empty()) {
        co_await SendText(response, 200, "application/json", "");
        co_return;
      }
      const int status = answer.error ? chain::HttpStatusOf(*answer.error) : 200;
      co_await SendJson(response, static_cast<unsigned>(status), Write(id, answer));
      co_return;
    }
    std::string out;
    for (chain::RpcParsedRequest& request : parsed.requests) {
      const std::string id = request.request.id;
      RpcAnswer answer;
      if (request.error) {
        answer.error = std::move(request.error);
      } else {
        answer = co_await methods_.Call(std::move(request.request), caller);
      }
      if (id.empty()) continue;
      out += out.empty() ? "[" : "\n,";
      out += Write(id, answer);
    }
    if (!out.empty()) out += "\n]";
    co_await SendText(response, 200, "application/json", std::move(out));
  }

  // Nothing if it is too large or does not come in time.
  kj::Promise<std::optional<std::string>> ReadBody(kj::AsyncInputStream& body) {
    using Text = std::optional<std::string>;
    kj::Promise<Text> reading =
        body.readAllText(options_.request_bytes_max).then([](kj::String&& text) -> Text {
          return std::string(text.begin(), text.size());
        });
    return async::Within(timer_, async::ToKj(options_.request_timeout), kj::mv(reading), Text())
        .catch_([](kj::Exception&& /*error*/) -> Text { return std::nullopt; });
  }

  static std::string Write(const std::string& id, const RpcAnswer& answer) {
    return answer.error ? chain::WriteRpcError(id, *answer.error)
                        : chain::WriteRpcResult(id, answer.result);
  }

  kj::Promise<void> SendJson(Response& response, unsigned status, std::string text) {
    return SendText(response, status, "application/json", std::move(text) + "\n");
  }
  kj::Promise<void> SendText(Response& response, unsigned status, kj::StringPtr type,
                             std::string text) {
    kj::HttpHeaders headers(*header_table_);
    if (type.size() > 0) headers.set(kj::HttpHeaderId::CONTENT_TYPE, kj::str(type));
    auto stream = response.send(status, status == 200 ? "OK" : "Error", headers, text.size());
    if (text.empty()) return kj::READY_NOW;
    auto owned = kj::heap<std::string>(std::move(text));
    auto written = stream->write(owned->data(), owned->size());
    return written.attach(kj::mv(stream), kj::mv(owned));
  }

  Chain& chain_;
  kj::Timer& timer_;
  const Clock& clock_;
  LotusServerOptions options_;
  kj::HttpHeaderId authorization_;
  kj::Own<kj::HttpHeaderTable> header_table_;
  internal::LotusMethods methods_;
  std::set<LotusSocket*> sockets_;
  std::size_t connection_count_ = 0;
  bool close_after_answer_ = false;  // true only while such an answer begins
  kj::HttpServer http_;
  kj::TaskSet connections_;  // last member: gone before what they use
};
#pragma GCC diagnostic pop

LotusServer::LotusServer(Chain& chain, kj::Timer& timer, const Clock& clock,
                         const LotusServerOptions& options)
    : impl_(std::make_unique<Impl>(chain, timer, clock, options)) {}

LotusServer::~LotusServer() noexcept = default;

kj::Promise<void> LotusServer::Listen(kj::Own<kj::ConnectionReceiver> port) {
  return impl_->Listen(kj::mv(port));
}

kj::Promise<absl::Status> LotusServer::RunClock() {
  return impl_->RunClock();
}

}  // namespace damocles::devnet
