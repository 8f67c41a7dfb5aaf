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
constexpr std::size_t kSaidMax = 4096;  // of one line of its errors
constexpr std::size_t kUselessShown = 200;
// What it wrote last is read after its end; a grandchild that lives on may hold the pipe open.
constexpr kj::Duration kLastWords = 1 * kj::SECONDS;

}  // namespace

bool LineBudget::Allows(kj::TimePoint now) {
  if (now - since_ >= period_) {
    since_ = now;
    used_ = 0;
  }
  if (used_ < lines_) {
    ++used_;
    return true;
  }
  ++dropped_;
  return false;
}

Run::Run(std::unique_ptr<Process> process, kj::Timer& timer, std::string name, Owner& owner)
    : process_(std::move(process)),
      timer_(timer),
      name_(std::move(name)),
      owner_(owner),
      useless_(20, 1 * kj::MINUTES),
      said_(300, 10 * kj::SECONDS),
      output_read_(nullptr),
      writer_(nullptr),
      tasks_(*this) {
  // The end must be waited for in this turn of the loop: it is told once.
  kj::Promise<std::string> ended = process_->WhenEnded();
  output_read_ = ReadOutput().ToPromise().catch_([](kj::Exception&&) {}).fork();
  tasks_.add(ReadError());
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
  // Begun in a turn of its own, so that its failure never reaches the caller of Send.
  writer_ = kj::evalLater([this] {
              return Write().ToPromise();
            }).eagerlyEvaluate([this](kj::Exception&& exception) {
    owner_.Broke("its input is closed: " + async::Plainly(exception));
  });
}

async::Task<void> Run::Write() {
  while (!outbox_.empty()) {
    const std::string line = std::move(outbox_.front());
    outbox_.pop_front();
    co_await process_->Input().write(line.data(), line.size());
  }
  writing_ = false;
}

async::Task<void> Run::ReadOutput() {
  LineSplitter splitter(kResponseBytesMax);
  std::string chunk(kChunk, '\0');
  while (true) {
    const std::size_t got = co_await process_->Output().tryRead(chunk.data(), 1, chunk.size());
    if (got == 0) co_return;
    const auto lines = splitter.Take(std::string_view(chunk).substr(0, got));
    if (!lines.ok()) {
      owner_.Broke("its output: " + std::string(lines.status().message()));
      co_return;
    }
    for (const std::string& line : *lines) owner_.Heard(line);
  }
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
  }
  if (!line.empty()) Say(line);
  const std::uint64_t dropped = said_.TakeDropped();
  if (dropped > 0)
    LogWarning("child", "said_too_much", {{"child", name_}, {"lines_left_out", dropped}});
}

void Run::Say(std::string_view line) {
  if (line.empty() || !said_.Allows(timer_.now())) return;
  const std::uint64_t dropped = said_.TakeDropped();
  if (dropped > 0)
    LogWarning("child", "said_too_much", {{"child", name_}, {"lines_left_out", dropped}});
  LogInfo("child", "says", {{"child", name_}, {"text", line}});
}

void Run::Useless(std::string_view line, std::string_view why) {
  if (!useless_.Allows(timer_.now())) return;
  LogWarning("child", "useless_line",
             {{"child", name_}, {"why", why}, {"line", Printable(line, kUselessShown)}});
}

async::Task<void> Run::Watch(kj::Promise<std::string> ended) {
  std::string how = co_await kj::mv(ended);
  co_await output_read_.addBranch().exclusiveJoin(timer_.afterDelay(kLastWords));
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
