// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A process that runs: its lines in, its lines out, its errors into our log.

#pragma once

#include <kj/async-io.h>
#include <kj/async.h>
#include <kj/timer.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "lib/child/process.h"

#include "damocles/async/task.h"
#include "damocles/child/protocol.h"

namespace damocles::child {

// What a child causes in our log is bounded, whatever it does.
class LineBudget {
 public:
  LineBudget(std::uint32_t lines, std::size_t bytes, kj::Duration period)
      : lines_(lines), bytes_(bytes), period_(period) {}
  bool Allows(std::size_t bytes, kj::TimePoint now);
  // Since it was last asked.
  std::uint64_t TakeDropped() { return std::exchange(dropped_, 0); }
  // In this period.
  std::uint64_t Asked() const { return used_lines_ + dropped_here_; }

 private:
  const std::uint32_t lines_;
  const std::size_t bytes_;
  const kj::Duration period_;
  kj::TimePoint since_ = kj::origin<kj::TimePoint>();
  std::uint32_t used_lines_ = 0;
  std::size_t used_bytes_ = 0;
  std::uint64_t dropped_here_ = 0;
  std::uint64_t dropped_ = 0;
};

class Run final : private kj::TaskSet::ErrorHandler {
 public:
  // Called from the event loop, never from within a call to Run.
  class Owner {
   public:
    virtual void Heard(std::string_view line) = 0;
    // It cannot be talked with any more.
    virtual void Broke(std::string how) = 0;
    // The last call.  The run may not be destroyed in it: later, from the event loop.
    virtual void Ended(std::string how) = 0;

   protected:
    ~Owner() = default;
  };

  Run(std::unique_ptr<Process> process, kj::Timer& timer, std::string name, Owner& owner);

  pid_t Pid() const { return process_->Pid(); }
  void Send(std::string line);
  void TellToEnd();
  void Kill();
  // A line of the child's that is of no use, into the log.
  void Useless(std::string_view line, std::string_view why);

 private:
  void taskFailed(kj::Exception&& exception) override;
  async::Task<void> Write();
  async::Task<void> WriteAll();
  // It should end now; if it does not, it is broken.
  async::Task<void> GiveUpSoon(std::string how);
  async::Task<void> ReadOutput();
  async::Task<void> ReadError();
  async::Task<void> Watch(kj::Promise<std::string> ended);
  void Say(std::string_view line);

  const std::unique_ptr<Process> process_;
  kj::Timer& timer_;
  const std::string name_;
  Owner& owner_;
  std::deque<std::string> outbox_;
  bool writing_ = false;
  bool input_closed_ = false;
  LineBudget useless_;
  LineBudget said_;
  kj::ForkedPromise<void> streams_read_;
  kj::Promise<void> writer_;
  kj::TaskSet tasks_;
};

}  // namespace damocles::child
