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

class Process {
 public:
  // On the event loop's thread, which must live as long as the process that runs: the kernel kills
  // the child when that thread ends, however it ends.  The error says what could not be run and
  // why.
  static absl::StatusOr<std::unique_ptr<Process>> Start(kj::LowLevelAsyncIoProvider& provider,
                                                        kj::UnixEventPort& port,
                                                        const Command& command);
  // Kills whatever is left of the group.
  ~Process() noexcept;
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
  // before its number can be another's.  To be called once.
  kj::Promise<std::string> WhenEnded();

 private:
  Process(kj::LowLevelAsyncIoProvider& provider, kj::UnixEventPort& port, pid_t pid, int pidfd,
          int input, int output, int error);

  const pid_t pid_;
  bool ended_ = false;
  kj::AutoCloseFd pidfd_;
  kj::UnixEventPort::FdObserver end_;
  kj::Own<kj::AsyncOutputStream> input_;
  kj::Own<kj::AsyncInputStream> output_;
  kj::Own<kj::AsyncInputStream> error_;
};

}  // namespace damocles::child
