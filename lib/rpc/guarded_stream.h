// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Messages of one connection, within limits: what a peer can make this end keep in memory, or do.

#pragma once

#include <capnp/serialize-async.h>
#include <kj/async-io.h>
#include <kj/timer.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/time/time.h"

#include "damocles/async/event.h"
#include "damocles/async/task.h"

namespace damocles::rpc {

struct StreamLimits {
  std::size_t message_bytes_max = 0;  // of the peer's
  std::size_t messages_max = 0;       // of the peer's, all together; 0: any number
  // Calls of the peer that are not answered yet, or whose answer it has not read: beyond it nothing
  // more of it is read.  So its answers do not pile up either.
  std::size_t calls_max = 0;
  // Calls and other messages of the peer: on average, after a burst that it may have at any time.
  double messages_per_second = 0;  // 0: any number
  double burst = 0;
  absl::Duration write_within = absl::InfiniteDuration();  // one message of ours
};

// The larger end of a connection, for a peer that has shown who it is.
StreamLimits LimitsOfTheKnown();
// For one that has not: a token and a few words fit in.
StreamLimits LimitsOfStrangers();

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"  // Cap'n Proto deletes through kj::Own only
// Any failure of the socket is DISCONNECTED, whatever the system calls it; a limit that is exceeded
// is FAILED.
class GuardedStream final : public capnp::MessageStream {
 public:
  // `stream` and `timer` outlive it.
  GuardedStream(kj::AsyncIoStream& stream, kj::Timer& timer, StreamLimits limits);
  ~GuardedStream() noexcept {}  // NOLINT(modernize-use-equals-default): KJ's destructors may throw

  // Hold from the next message on, also for one that is being waited for.
  void SetLimits(StreamLimits limits);
  std::size_t UnansweredCalls() const { return calls_; }
  // Which limit the peer exceeded; empty: none.
  const std::string& Refusal() const { return refusal_; }

  kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> tryReadMessage(
      kj::ArrayPtr<kj::AutoCloseFd> fds, capnp::ReaderOptions options,
      kj::ArrayPtr<capnp::word> scratch) override;
  kj::Promise<void> writeMessage(
      kj::ArrayPtr<const int> fds,
      kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) override;
  kj::Promise<void> writeMessages(
      kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) override;
  kj::Maybe<int> getSendBufferSize() override { return inner_.getSendBufferSize(); }
  kj::Promise<void> end() override { return inner_.end(); }

 private:
  using Message = kj::Maybe<capnp::MessageReaderAndFds>;

  async::Task<Message> Read();
  async::Task<void> WhenAllowed();
  // The bytes read: fewer than asked for only at the end.
  kj::Promise<std::size_t> ReadFully(void* buffer, std::size_t bytes);
  void Answered();
  [[noreturn]] void Refuse(std::string why);

  kj::AsyncIoStream& stream_;
  kj::Timer& timer_;
  capnp::AsyncIoMessageStream inner_;
  StreamLimits limits_;
  std::string refusal_;
  std::uint64_t messages_ = 0;
  std::size_t calls_ = 0;
  double allowed_ = 0;  // messages that may come at once, as of `counted_at_`
  kj::TimePoint counted_at_;
  async::Event fewer_;  // calls are under way
};
#pragma GCC diagnostic pop

// So that a peer whose machine has lost its power, or its network, is noticed well within
// `silence`. On a socket; else nothing.
void KeepAlive(kj::AsyncIoStream& stream, absl::Duration silence);

}  // namespace damocles::rpc
