// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/child/run.h"

#include <signal.h>

#include <array>
#include <utility>

#include "damocles/async/failure.h"
#include "damocles/base/log.h"
#include "damocles/base/text.h"

namespace damocles::child {
namespace {

constexpr std::size_t kChunk = std::size_t{64} << 10;
// A stream that is never empty would keep the event loop from everything else: KJ looks at clocks
// and sockets only when nothing is left to do.
constexpr kj::Duration kBreath = 1 * kj::MILLISECONDS;
constexpr std::size_t kSaidMax = 4096;  // of one line of its errors
constexpr std::size_t kUselessShown = 200;
constexpr std::uint64_t kUselessMax = 1000;  // a minute
// What it wrote last is read after its end; a grandchild that lives on may hold the pipes open.
constexpr kj::Duration kLastWords = 1 * kj::SECONDS;

}  // namespace

bool LineBudget::Allows(std::size_t bytes, kj::TimePoint now) {
  if (now - since_ >= period_) {
    since_ = now;
    used_lines_ = 0;
    used_bytes_ = 0;
    dropped_here_ = 0;
  }
  if (used_lines_ < lines_ && used_bytes_ + bytes <= bytes_) {
    ++used_lines_;
    used_bytes_ += bytes;
    return true;
  }
  ++dropped_;
  ++dropped_here_;
  return false;
}

Run::Run(std::unique_ptr<Process> process, kj::Timer& timer, std::string name, Owner& owner)
    : process_(std::move(process)),
      timer_(timer),
      name_(std::move(name)),
      owner_(owner),
      useless_(20, std::size_t{64} << 10, 1 * kj::MINUTES),
      said_(300, std::size_t{64} << 10, 10 * kj::SECONDS),
      streams_read_(nullptr),
      writer_(nullptr),
      tasks_(*this) {
  // The end must be waited for in this turn of the loop: it is told once.
  kj::Promise<std::string> ended = process_->WhenEnded();
  auto output = ReadOutput().ToPromise().catch_([this](kj::Exception&& exception) {
    tasks_.add(GiveUpSoon("its output cannot be read: " + async::Plainly(exception)));
  });
  auto error = ReadError().ToPromise().catch_(
      [this](kj::Exception&& exception) { taskFailed(kj::mv(exception)); });
  streams_read_ = kj::joinPromises(kj::arr(kj::mv(output), kj::mv(error))).fork();
  tasks_.add(Watch(kj::mv(ended)));
}

void Run::taskFailed(kj::Exception&& exception) {
  LogWarning("child", "stream_failed", {{"child", name_}, {"why", async::Plainly(exception)}});
}

void Run::Send(std::string line) {
  if (input_closed_) return;
  outbox_.push_back(std::move(line));
  if (writing_) return;
  writing_ = true;
  writer_ = Write().ToPromise().eagerlyEvaluate(nullptr);
}

async::Task<void> Run::Write() {
  kj::Maybe<kj::Exception> failure;
  kj::Promise<void> written = WriteAll().ToPromise().catch_(
      [&failure](kj::Exception&& exception) { failure = kj::mv(exception); });
  co_await kj::mv(written);
  KJ_IF_MAYBE (exception, failure) {
    // Mostly because it has just ended: then why it did says more.
    tasks_.add(GiveUpSoon("it does not take its input: " + async::Plainly(*exception)));
  }
  writing_ = false;
}

async::Task<void> Run::WriteAll() {
  while (!outbox_.empty()) {
    const std::string line = std::move(outbox_.front());
    outbox_.pop_front();
    co_await process_->Input().write(line.data(), line.size());
  }
}

async::Task<void> Run::GiveUpSoon(std::string how) {
  co_await timer_.afterDelay(kLastWords);
  owner_.Broke(std::move(how));
}

async::Task<void> Run::ReadOutput() {
  LineSplitter splitter(kResponseBytesMax);
  std::string chunk(kChunk, '\0');
  while (true) {
    const std::size_t got = co_await process_->Output().tryRead(chunk.data(), 1, chunk.size());
    if (got == 0) break;
    const auto lines = splitter.Take(std::string_view(chunk).substr(0, got));
    if (!lines.ok()) {
      owner_.Broke("its output: " + std::string(lines.status().message()));
      co_return;
    }
    for (const std::string& line : *lines) owner_.Heard(line);
    co_await timer_.afterDelay(kBreath);
  }
  tasks_.add(GiveUpSoon("it has closed its output"));
}

async::Task<void> Run::ReadError() {
  std::string chunk(kChunk, '\0');
  std::string line;
  while (true) {
    const std::size_t got = co_await process_->Error().tryRead(chunk.data(), 1, chunk.size());
    for (const char c : std::string_view(chunk).substr(0, got)) {
      if (c != '\n' && line.size() < kSaidMax) line.push_back(c);
      if (c == '\n' || line.size() >= kSaidMax) Say(std::exchange(line, {}));
    }
    if (got == 0) break;
    co_await timer_.afterDelay(kBreath);
  }
  if (!line.empty()) Say(line);
  const std::uint64_t dropped = said_.TakeDropped();
  if (dropped > 0)
    LogWarning("child", "said_too_much", {{"child", name_}, {"lines_left_out", dropped}});
}

void Run::Say(std::string_view line) {
  if (line.empty() || !said_.Allows(line.size(), timer_.now())) return;
  const std::uint64_t dropped = said_.TakeDropped();
  if (dropped > 0)
    LogWarning("child", "said_too_much", {{"child", name_}, {"lines_left_out", dropped}});
  LogInfo("child", "says", {{"child", name_}, {"text", line}});
}

void Run::Useless(std::string_view line, std::string_view why) {
  if (useless_.Allows(line.size(), timer_.now())) {
    LogWarning("child", "useless_line",
               {{"child", name_},
                {"why", why},
                {"line", Printable(line, kUselessShown)},
                {"left_out_before", useless_.TakeDropped()}});
  }
  if (useless_.Asked() > kUselessMax) owner_.Broke("nearly all that it says is of no use");
}

async::Task<void> Run::Watch(kj::Promise<std::string> ended) {
  std::string how = co_await kj::mv(ended);
  co_await streams_read_.addBranch().exclusiveJoin(timer_.afterDelay(kLastWords));
  owner_.Ended(std::move(how));
}

void Run::TellToEnd() {
  input_closed_ = true;
  outbox_.clear();
  writer_ = nullptr;
  process_->CloseInput();
  process_->Signal(SIGTERM);
}

void Run::Kill() {
  process_->Signal(SIGKILL);
}

}  // namespace damocles::child
