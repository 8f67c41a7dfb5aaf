// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async.h>
#include <kj/compat/http.h>
#include <kj/timer.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/chain/answer_room.h"
#include "lib/chain/ws_session.h"

#include "damocles/async/task.h"
#include "damocles/chain/endpoint.h"
#include "damocles/chain/lotus_client.h"

namespace damocles::chain::internal {

// How a call to one node ended.
struct LinkAnswer {
  enum class Fate {
    kAnswered,  // the node spoke: `result` is its answer or its error
    kNotSent,   // the node did not get the call, or refused to look at it
    kLost,      // it may have been carried out
  };
  Fate fate = Fate::kNotSent;
  absl::StatusOr<std::string> result;  // raw JSON
  AnswerRoom::Place place = nullptr;   // kept until `result` has been read
};

// What links share.  All outlives them.
struct LinkIo {
  kj::Timer& timer;
  kj::HttpClient& http;
  async::Executor* executor;  // may be null
  AnswerRoom& room;
};

// One node: a WebSocket, opened when wanted and again after a pause when it was lost, and plain
// HTTP for calls while there is none.
class NodeLink {
 public:
  NodeLink(Endpoint endpoint, const LotusOptions& options, LinkIo io,
           const kj::HttpHeaderTable& header_table);
  NodeLink(const NodeLink&) = delete;
  NodeLink& operator=(const NodeLink&) = delete;
  ~NodeLink() noexcept {}  // NOLINT(modernize-use-equals-default): KJ's destructors may throw

  const Endpoint& Where() const { return endpoint_; }

  // `params` is a raw JSON array.
  async::Task<LinkAnswer> Call(std::string method, std::string params, kj::Duration limit);

  // A subscription over the WebSocket; dropping it tells the node.
  class Subscription {
   public:
    Subscription(std::shared_ptr<WsSession> session, std::uint64_t id,
                 std::shared_ptr<Channel> values)
        : session_(std::move(session)), id_(id), values_(std::move(values)) {}
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;
    ~Subscription() { session_->Forget(id_); }

    kj::Promise<absl::StatusOr<std::string>> Next() { return values_->Next(); }
    // Makes the next Next() fail.
    void End(absl::Status why) { values_->End(std::move(why)); }

   private:
    std::shared_ptr<WsSession> session_;
    std::uint64_t id_;
    std::shared_ptr<Channel> values_;
  };
  async::Task<absl::StatusOr<std::shared_ptr<Subscription>>> Subscribe(std::string method);

 private:
  using Opened = absl::StatusOr<std::shared_ptr<WsSession>>;

  // The open session, or the reason why there is none now.
  async::Task<Opened> Session();
  async::Task<Opened> Open();
  kj::Promise<Opened> OpenSocket();
  kj::Promise<absl::StatusOr<WsAnswer>> AnswerOf(WsSession& session, std::uint64_t id,
                                                 const std::string& method, kj::Duration limit);
  kj::Promise<LinkAnswer> CallOverHttp(std::string method, std::string params, kj::Duration limit);
  async::Task<LinkAnswer> Post(std::string method, std::string body);
  LinkAnswer Judge(const std::string& method, RpcFrame frame, AnswerRoom::Place place) const;
  LinkAnswer ReadResponse(const std::string& method, unsigned status, std::string_view body) const;
  absl::Status HttpFailure(unsigned status) const;
  kj::HttpHeaders Headers() const;

  Endpoint endpoint_;
  LotusOptions options_;
  const LinkIo io_;
  kj::Timer& timer_;
  kj::HttpClient& http_;
  const kj::HttpHeaderTable& header_table_;

  std::shared_ptr<WsSession> session_;
  bool opening_ = false;
  kj::TimePoint next_open_;  // no attempt before
  kj::Duration pause_;       // between attempts
  absl::Status last_open_error_;
};

}  // namespace damocles::chain::internal
