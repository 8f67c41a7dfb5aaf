// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/child/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"

#include "damocles/base/io_error.h"

namespace damocles::child {
namespace {

// Closed with the process that holds it, never inherited by another child.
struct Pipe {
  int read = -1;
  int write = -1;
  ~Pipe() {
    if (read >= 0) close(read);
    if (write >= 0) close(write);
  }
};

bool Open(Pipe& pipe) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  pipe.read = ends[0];
  pipe.write = ends[1];
  return true;
}

int Taken(int& fd) {
  return std::exchange(fd, -1);
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Between fork and exec: system calls only, for another thread may have held any lock.  What goes
// wrong is written to `trouble` as an errno.
[[noreturn]] void BecomeChild(const char* program, char* const* args, char* const* environment,
                              pid_t parent, int input, int output, int error, int trouble) {
  // Our own group, so that what it starts dies with it.
  setpgid(0, 0);
  // Dies with us, even if we are killed; unless we were before this line.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  if (dup2(input, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 &&
      dup2(error, STDERR_FILENO) >= 0) {
    // Whatever a library of ours forgot to mark: a child that held our lock or our port would keep
    // it after us.
    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    execvpe(program, args, environment);
  }
  const int why = errno;
  [[maybe_unused]] const ssize_t written = write(trouble, &why, sizeof why);
  _exit(127);
}

std::string HowItEnded(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return absl::StrFormat("exit code %d", info.si_status);
  const char* name = sigdescr_np(info.si_status);
  return absl::StrFormat("signal %d (%s)", info.si_status, name == nullptr ? "unknown" : name);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Process>> Process::Start(kj::LowLevelAsyncIoProvider& provider,
                                                        kj::UnixEventPort& port,
                                                        const Command& command) {
  Pipe input;
  Pipe output;
  Pipe error;
  Pipe trouble;
  const auto failed = [&](int why) { return IoError(why, "start", command.program); };
  if (!Open(input) || !Open(output) || !Open(error) || !Open(trouble)) return failed(errno);
  std::vector<std::string> args = {command.program};
  args.insert(args.end(), command.args.begin(), command.args.end());
  const std::vector<char*> argv = Pointers(args);
  const std::vector<char*> environment = Pointers(command.environment);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return failed(errno);
  if (pid == 0) {
    BecomeChild(command.program.c_str(), argv.data(), environment.data(), parent, input.read,
                output.write, error.write, trouble.write);
  }
  close(Taken(trouble.write));
  int why = 0;
  ssize_t told;
  do {
    told = read(trouble.read, &why, sizeof why);  // ends with exec
  } while (told < 0 && errno == EINTR);
  const int pidfd = told == sizeof why ? -1 : static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (pidfd < 0) {
    if (told != sizeof why) why = errno;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return failed(why);
  }
  fcntl(input.write, F_SETFL, O_NONBLOCK);
  fcntl(output.read, F_SETFL, O_NONBLOCK);
  fcntl(error.read, F_SETFL, O_NONBLOCK);
  return std::unique_ptr<Process>(new Process(provider, port, pid, pidfd, Taken(input.write),
                                              Taken(output.read), Taken(error.read)));
}

Process::Process(kj::LowLevelAsyncIoProvider& provider, kj::UnixEventPort& port, pid_t pid,
                 int pidfd, int input, int output, int error)
    : pid_(pid), pidfd_(pidfd), end_(port, pidfd, kj::UnixEventPort::FdObserver::OBSERVE_READ) {
  constexpr auto kFlags = kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP |
                          kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC |
                          kj::LowLevelAsyncIoProvider::ALREADY_NONBLOCK;
  input_ = provider.wrapOutputFd(input, kFlags);
  output_ = provider.wrapInputFd(output, kFlags);
  error_ = provider.wrapInputFd(error, kFlags);
}

Process::~Process() noexcept {
  if (ended_) return;
  kill(-pid_, SIGKILL);
  // One that hangs in a dead device is left to whoever reaps after us.
  waitpid(pid_, nullptr, WNOHANG);
}

void Process::Signal(int signal) {
  if (!ended_) kill(-pid_, signal);
}

kj::Promise<std::string> Process::WhenEnded() {
  return end_.whenBecomesReadable().then([this]() -> kj::Promise<std::string> {
    siginfo_t info{};
    const auto see = [&](int flags) {
      int got;
      do {
        got = waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | flags);
      } while (got != 0 && errno == EINTR);
      return got == 0;
    };
    if (see(WNOHANG | WNOWAIT) && info.si_pid == 0) return WhenEnded();  // woken for nothing
    // As long as it is not reaped its number belongs to nobody else.
    kill(-pid_, SIGKILL);
    const bool seen = see(0);
    ended_ = true;
    return seen ? HowItEnded(info)
                : absl::StrFormat("an end that was not seen (%s)", std::strerror(errno));
  });
}

}  // namespace damocles::child
