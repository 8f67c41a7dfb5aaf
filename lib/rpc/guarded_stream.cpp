// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/rpc/guarded_stream.h"

#include <capnp/message.h>
#include <capnp/rpc.capnp.h>
#include <kj/debug.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"

#include "damocles/async/duration.h"
#include "damocles/async/timeout.h"
#include "damocles/base/bytes.h"
#include "damocles/base/log.h"

namespace damocles::rpc {
namespace {

// As Cap'n Proto's own reader has it.
constexpr std::uint32_t kSegmentsMax = 512;
// Following pointers of one message: several times over the whole of it.
constexpr std::uint64_t kTraversals = 4;

kj::Exception Disconnected(const kj::Exception& cause) {
  return kj::Exception(kj::Exception::Type::DISCONNECTED, __FILE__, __LINE__,
                       kj::heapString(cause.getDescription()));
}

class OwnedMessage final : public capnp::MessageReader {
 public:
  OwnedMessage(kj::Array<capnp::word> words, std::vector<kj::ArrayPtr<const capnp::word>> segments,
               capnp::ReaderOptions limits)
      : MessageReader(limits), words_(kj::mv(words)), segments_(std::move(segments)) {}
  kj::ArrayPtr<const capnp::word> getSegment(capnp::uint id) override {
    return id < segments_.size() ? segments_[id] : nullptr;
  }

 private:
  const kj::Array<capnp::word> words_;
  const std::vector<kj::ArrayPtr<const capnp::word>> segments_;
};

capnp::rpc::Message::Which KindOf(capnp::MessageReader& message) {
  return message.getRoot<capnp::rpc::Message>().which();
}

// Of a message that is being sent.
bool IsReturn(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) {
  capnp::SegmentArrayMessageReader message(segments);
  return KindOf(message) == capnp::rpc::Message::RETURN;
}

}  // namespace

StreamLimits LimitsOfTheKnown() {
  // The faults of 25,000 sectors with their reasons take some 10 MB.
  return {.message_bytes_max = std::size_t{64} << 20,
          .messages_max = 0,
          .calls_max = 32,
          .messages_per_second = 200,
          .burst = 1000,
          .write_within = absl::Minutes(1)};
}

StreamLimits LimitsOfStrangers() {
  // One asks for the gate and opens it, and says that it is done with the answers.
  return {.message_bytes_max = std::size_t{8} << 10,
          .messages_max = 8,
          .calls_max = 4,
          .messages_per_second = 0,
          .burst = 0,
          .write_within = absl::Seconds(10)};
}

GuardedStream::GuardedStream(kj::AsyncIoStream& stream, kj::Timer& timer, StreamLimits limits)
    : stream_(stream),
      timer_(timer),
      inner_(stream),
      limits_(limits),
      allowed_(limits.burst),
      counted_at_(timer.now()) {}

void GuardedStream::SetLimits(StreamLimits limits) {
  limits_ = limits;
  allowed_ = limits.burst;
  counted_at_ = timer_.now();
  fewer_.Fire();
}

void GuardedStream::Refuse(std::string why) {
  refusal_ = std::move(why);
  kj::throwFatalException(kj::Exception(kj::Exception::Type::FAILED, __FILE__, __LINE__,
                                        kj::heapString(refusal_.c_str())));
}

void GuardedStream::Answered() {
  if (calls_ > 0) --calls_;
  if (calls_ < limits_.calls_max) fewer_.Fire();
}

kj::Promise<std::size_t> GuardedStream::ReadFully(void* buffer, std::size_t bytes) {
  return stream_.tryRead(buffer, bytes, bytes)
      .catch_([](kj::Exception&& exception) -> kj::Promise<std::size_t> {
        return Disconnected(exception);
      });
}

async::Task<void> GuardedStream::WhenAllowed() {
  while (calls_ >= limits_.calls_max) {
    co_await fewer_.Next();
  }
  while (limits_.messages_per_second > 0) {
    const kj::TimePoint now = timer_.now();
    const double seconds = static_cast<double>((now - counted_at_) / kj::MICROSECONDS) / 1e6;
    allowed_ = std::min(limits_.burst, allowed_ + seconds * limits_.messages_per_second);
    counted_at_ = now;
    if (allowed_ >= 1) {
      allowed_ -= 1;
      break;
    }
    const auto wait = static_cast<std::int64_t>(1e6 / limits_.messages_per_second) + 1;
    co_await timer_.afterDelay(wait * kj::MICROSECONDS);
  }
}

async::Task<GuardedStream::Message> GuardedStream::Read() {
  co_await WhenAllowed();
  std::uint8_t head[8];
  auto reading = ReadFully(head, sizeof(head));
  const std::size_t got = co_await kj::mv(reading);
  if (got == 0) co_return Message(nullptr);
  const auto cut = [] {
    kj::throwFatalException(kj::Exception(kj::Exception::Type::DISCONNECTED, __FILE__, __LINE__,
                                          kj::str("the connection ends within a message")));
  };
  if (got < sizeof(head)) cut();
  // The number of segments less one, then the length of each in words, then nothing up to a word.
  const std::uint32_t more = LoadLe32(head);
  if (more >= kSegmentsMax) {
    Refuse(absl::StrFormat("a message of %d segments, at most %d are taken", more, kSegmentsMax));
  }
  if (limits_.messages_max != 0 && ++messages_ > limits_.messages_max) {
    Refuse(absl::StrFormat("more than %d messages before the gate was open", limits_.messages_max));
  }
  std::vector<std::uint8_t> table(std::size_t{4} * ((more + 1) & ~std::uint32_t{1}));
  if (!table.empty()) {
    auto reading_table = ReadFully(table.data(), table.size());
    if (co_await kj::mv(reading_table) < table.size()) cut();
  }
  std::vector<std::uint64_t> lengths{LoadLe32(head + 4)};
  for (std::size_t i = 0; i < more; ++i) lengths.push_back(LoadLe32(table.data() + 4 * i));
  std::uint64_t words = 0;
  for (const std::uint64_t length : lengths) words += length;
  if (words > limits_.message_bytes_max / sizeof(capnp::word)) {
    Refuse(absl::StrFormat("a message of %d bytes, at most %d are taken",
                           words * sizeof(capnp::word), limits_.message_bytes_max));
  }
  auto content = kj::heapArray<capnp::word>(words);
  if (words > 0) {
    auto reading_content = ReadFully(content.begin(), words * sizeof(capnp::word));
    if (co_await kj::mv(reading_content) < words * sizeof(capnp::word)) cut();
  }
  std::vector<kj::ArrayPtr<const capnp::word>> segments;
  std::uint64_t at = 0;
  for (const std::uint64_t length : lengths) {
    segments.push_back(content.slice(at, at + length));
    at += length;
  }
  capnp::ReaderOptions options;
  options.traversalLimitInWords = kTraversals * limits_.message_bytes_max / sizeof(capnp::word);
  auto message = kj::heap<OwnedMessage>(kj::mv(content), std::move(segments), options);
  const auto kind = KindOf(*message);
  if (kind == capnp::rpc::Message::CALL || kind == capnp::rpc::Message::BOOTSTRAP) ++calls_;
  co_return Message(capnp::MessageReaderAndFds{kj::mv(message), nullptr});
}

kj::Promise<GuardedStream::Message> GuardedStream::tryReadMessage(
    kj::ArrayPtr<kj::AutoCloseFd> /*fds*/, capnp::ReaderOptions /*options*/,
    kj::ArrayPtr<capnp::word> /*scratch*/) {
  return Read().ToPromise();
}

kj::Promise<void> GuardedStream::writeMessage(
    kj::ArrayPtr<const int> fds, kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) {
  const bool answers = IsReturn(segments);
  auto written = inner_.writeMessage(fds, segments)
                     .then(
                         [this, answers]() -> kj::Promise<void> {
                           if (answers) Answered();
                           return kj::READY_NOW;
                         },
                         [](kj::Exception&& exception) -> kj::Promise<void> {
                           return Disconnected(exception);
                         });
  if (limits_.write_within == absl::InfiniteDuration()) return written;
  return async::Within(timer_, async::ToKj(limits_.write_within), kj::mv(written),
                       []() -> kj::Promise<void> {
                         return kj::Exception(kj::Exception::Type::DISCONNECTED, __FILE__, __LINE__,
                                              kj::str("the peer does not read what it is sent"));
                       });
}

kj::Promise<void> GuardedStream::writeMessages(
    kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) {
  if (messages.size() == 0) return kj::READY_NOW;
  auto first = writeMessage(nullptr, messages.front());
  return first.then(
      [this, rest = messages.slice(1, messages.size())] { return writeMessages(rest); });
}

void KeepAlive(kj::AsyncIoStream& stream, absl::Duration silence) {
  constexpr absl::Duration kSilenceMax = absl::Seconds(30);
  const int limit = static_cast<int>(
      absl::ToInt64Seconds(std::clamp(silence, absl::Seconds(1), kSilenceMax) * 0.8));
  const int interval = std::max(1, limit / 5);
  const int probes = std::clamp((limit - 1) / interval, 1, 3);
  const int idle = std::max(1, limit - probes * interval);
  const int on = 1;
  const auto milliseconds = static_cast<unsigned>(1000 * (idle + probes * interval));
  try {
    stream.setsockopt(SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    stream.setsockopt(IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    stream.setsockopt(IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    stream.setsockopt(IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
    // The same where something is on its way and not acknowledged: then there are no probes.
    stream.setsockopt(IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof(milliseconds));
  } catch (const kj::Exception& exception) {
    LogDebug("rpc", "no_keepalive", {{"why", exception.getDescription().cStr()}});
  }
}

}  // namespace damocles::rpc
