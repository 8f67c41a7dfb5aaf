// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async.h>
#include <kj/compat/http.h>
#include <kj/timer.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/chain/answer_room.h"

#include "damocles/async/event.h"
#include "damocles/async/offload.h"
#include "damocles/async/task.h"
#include "damocles/chain/json_rpc.h"

namespace damocles::chain::internal {

// The values of one subscription, in order.  Holds what was not yet taken, up to a limit: the
// node's own buffer is small, so the socket is always read at once.
class Channel {
 public:
  static constexpr std::size_t kWaitingMax = 64;
  // All values that wait together; one alone may have as much.
  static constexpr std::size_t kWaitingBytesMax = std::size_t{32} << 20;

  // Waits for the next raw value; an error ends the channel.  One call at a time.
  kj::Promise<absl::StatusOr<std::string>> Next();

  void Push(std::string value);
  void End(absl::Status why);

 private:
  std::deque<std::string> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::optional<absl::Status> ended_;
  async::Event news_;
};

// An answer, with the room that its text takes.
struct WsAnswer {
  RpcFrame frame;
  AnswerRoom::Place place;
};

struct WsLimits {
  std::size_t frame_bytes_max = 0;      // of one message of the node
  async::Executor* executor = nullptr;  // for large messages; null: on the loop
  AnswerRoom* room = nullptr;           // outlives the session
};

// One open WebSocket to a node: calls and subscriptions until the first failure, then nothing more.
class WsSession {
 public:
  // Calls under way at once; beyond it the node is stuck, and more calls only cost memory.
  static constexpr std::size_t kCallsMax = 4096;

  WsSession(kj::Own<kj::WebSocket> socket, kj::Timer& timer, WsLimits limits);
  WsSession(const WsSession&) = delete;
  WsSession& operator=(const WsSession&) = delete;
  ~WsSession() noexcept {}  // NOLINT(modernize-use-equals-default): KJ's destructors may throw

  bool Dead() const { return dead_.has_value(); }
  // When the node was last heard.
  kj::TimePoint LastHeard() const { return last_heard_; }
  // Fails everything under way with `why` and lets go of the socket.
  void Die(absl::Status why);

  // The id of a call, to wait for with Answer and to drop with Forget.  kUnavailable if dead.
  absl::StatusOr<std::uint64_t> Send(std::string method, std::string params, bool subscription);
  // Settles with the answer, or the reason why the session ended.
  kj::Promise<absl::StatusOr<WsAnswer>> Answer(std::uint64_t id);
  // The call or subscription is of no more interest: the node is told so.
  void Forget(std::uint64_t id);
  // Of a subscription that was answered; null if there is none.
  std::shared_ptr<Channel> ChannelOf(std::uint64_t id);

 private:
  struct Call {
    kj::Own<kj::PromiseFulfiller<absl::StatusOr<WsAnswer>>> fulfiller;
    kj::Promise<absl::StatusOr<WsAnswer>> answer = nullptr;
    bool subscription = false;
  };
  struct Subscription {
    std::uint64_t id;
    std::shared_ptr<Channel> values;
  };

  void Write(std::string text);
  kj::Promise<absl::StatusOr<RpcFrame>> Parse(kj::String text);
  void Take(RpcFrame frame, AnswerRoom::Place place);
  void TakeAnswer(RpcFrame frame, AnswerRoom::Place place);
  async::Task<void> ReadLoop();

  kj::Own<kj::WebSocket> socket_;
  kj::Timer& timer_;
  const WsLimits limits_;
  kj::TimePoint last_heard_;
  std::optional<absl::Status> dead_;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, Call> calls_;
  std::map<std::uint64_t, Subscription> channels_;  // by channel number
  kj::Promise<void> writing_ = kj::READY_NOW;
  std::optional<async::Task<void>> reading_;  // last member: gone before what it refers to
};

}  // namespace damocles::chain::internal
