// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// One process with a group of its own, its standard streams in our hands.

#pragma once

#include <kj/async-io.h>
#include <kj/async-unix.h>
#include <kj/io.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace damocles::child {

struct Command {
  std::string program;                   // with a slash a file, without one looked for in PATH
  std::vector<std::string> args;         // without the program's own name
  std::vector<std::string> environment;  // all of it: "NAME=value"
};

// A process that nobody watches yet.  Its group is killed with it.
class Spawned {
 public:
  // Blocks until the program runs: for ever if its file lies in a file system that hangs.  The
  // kernel kills the child when the calling thread ends, however it ends.  The error says what
  // could not be run and why.
  static absl::StatusOr<std::unique_ptr<Spawned>> Start(const Command& command);
  ~Spawned();
  Spawned(const Spawned&) = delete;
  Spawned& operator=(const Spawned&) = delete;

 private:
  friend class Process;
  Spawned() = default;
  absl::Status StartProgram(const Command& command);
  absl::Status StartGuardian();
  // Kills the group and reaps.
  void End();

  pid_t pid_ = -1;
  // A process in the same group that ends the group when we are gone: whatever the child started
  // would live on with its card in its hands.
  pid_t guardian_ = -1;
  kj::AutoCloseFd pidfd_;
  kj::AutoCloseFd guard_;  // its end tells the guardian
  kj::AutoCloseFd input_;
  kj::AutoCloseFd output_;
  kj::AutoCloseFd error_;
};

// On an event loop.
class Process {
 public:
  Process(kj::LowLevelAsyncIoProvider& provider, kj::UnixEventPort& port,
          std::unique_ptr<Spawned> spawned);
  // Kills whatever is left of the group.
  ~Process() noexcept = default;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t Pid() const { return pid_; }
  kj::AsyncOutputStream& Input() { return *input_; }
  void CloseInput() { input_ = nullptr; }
  kj::AsyncInputStream& Output() { return *output_; }
  kj::AsyncInputStream& Error() { return *error_; }

  // To the whole group.  Nothing once it has ended.
  void Signal(int signal);

  // How it ended: "exit code 3", "signal 11 (Segmentation fault)".  The rest of its group is killed
  // before its number can be another's.  To be called once, in the turn in which this was made.
  kj::Promise<std::string> WhenEnded();

 private:
  const pid_t pid_;
  const std::unique_ptr<Spawned> spawned_;
  bool ended_ = false;
  kj::UnixEventPort::FdObserver end_;
  kj::Own<kj::AsyncOutputStream> input_;
  kj::Own<kj::AsyncInputStream> output_;
  kj::Own<kj::AsyncInputStream> error_;
};

}  // namespace damocles::child
