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
#include "damocles/base/status.h"

namespace damocles::child {
namespace {

struct Pipe {
  kj::AutoCloseFd read;
  kj::AutoCloseFd write;
};

// Never inherited by another child, and above the standard streams, which a parent may have closed:
// what is put in their places must not lie there already.
bool Open(Pipe& pipe) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  kj::AutoCloseFd* const to[] = {&pipe.read, &pipe.write};
  bool ok = true;
  for (int i = 0; i < 2; ++i) {
    kj::AutoCloseFd end(ends[i]);
    if (ends[i] <= STDERR_FILENO) {
      end = kj::AutoCloseFd(fcntl(ends[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    }
    ok = ok && end.get() >= 0;
    *to[i] = kj::mv(end);
  }
  return ok;
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

struct Plan {
  const char* program;
  char* const* args;
  char* const* environment;
  pid_t group;   // 0: a new one
  pid_t parent;  // 0: may outlive it
  int streams[3];
  int trouble;  // where an errno is written to that came before the program
};

// Between fork and exec: system calls only, for another thread may have held any lock.
[[noreturn]] void Become(const Plan& plan) {
  setpgid(0, plan.group);
  if (plan.parent != 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != plan.parent) _exit(127);  // it went before that line
  }
  for (int signal_number = 1; signal_number < NSIG; ++signal_number) {
    signal(signal_number, SIG_DFL);  // also what our own parent made us ignore
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  bool ready = true;
  for (int i = 0; i < 3 && ready; ++i) ready = dup2(plan.streams[i], i) >= 0;
  if (ready) {
    // Whatever a library of ours forgot to mark: a child that held our lock or our port would keep
    // it after us.
    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    execvpe(plan.program, plan.args, plan.environment);
  }
  const int why = errno;
  [[maybe_unused]] const ssize_t written = write(plan.trouble, &why, sizeof why);
  _exit(127);
}

// 0 and the process, or why not.
int Launch(Plan plan, pid_t& process) {
  Pipe trouble;
  if (!Open(trouble)) return errno;
  plan.trouble = trouble.write.get();
  const pid_t pid = fork();
  if (pid < 0) return errno;
  if (pid == 0) Become(plan);
  trouble.write = nullptr;
  int why = 0;
  ssize_t told;
  do {
    told = read(trouble.read.get(), &why, sizeof why);  // ends with exec
  } while (told < 0 && errno == EINTR);
  if (told != sizeof why) {
    process = pid;
    return 0;
  }
  waitpid(pid, nullptr, 0);
  return why;
}

std::string HowItEnded(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return absl::StrFormat("exit code %d", info.si_status);
  const char* name = sigdescr_np(info.si_status);
  return absl::StrFormat("signal %d (%s)", info.si_status, name == nullptr ? "unknown" : name);
}

// Of a process that was killed: it may need a moment.
void ReapSoon(pid_t pid) {
  for (int i = 0; i < 50; ++i) {
    if (waitpid(pid, nullptr, WNOHANG) != 0) return;
    usleep(1000);
  }
}

}  // namespace

absl::Status Spawned::StartProgram(const Command& command) {
  Pipe input;
  Pipe output;
  Pipe error;
  const auto failed = [&](int why) { return IoError(why, "start", command.program); };
  if (!Open(input) || !Open(output) || !Open(error)) return failed(errno);
  std::vector<std::string> args = {command.program};
  args.insert(args.end(), command.args.begin(), command.args.end());
  const std::vector<char*> argv = Pointers(args);
  const std::vector<char*> environment = Pointers(command.environment);
  const int why = Launch({.program = command.program.c_str(),
                          .args = argv.data(),
                          .environment = environment.data(),
                          .group = 0,
                          .parent = getpid(),
                          .streams = {input.read.get(), output.write.get(), error.write.get()},
                          .trouble = -1},
                         pid_);
  if (why != 0) return failed(why);
  pidfd_ = kj::AutoCloseFd(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  if (pidfd_.get() < 0) return failed(errno);
  input_ = kj::mv(input.write);
  output_ = kj::mv(output.read);
  error_ = kj::mv(error.read);
  return absl::OkStatus();
}

absl::Status Spawned::StartGuardian() {
  Pipe guard;
  const kj::AutoCloseFd nowhere(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!Open(guard) || nowhere.get() < 0) return IoError(errno, "start", "a guardian");
  const std::vector<std::string> args = {"sh", "-c", "read -r _; kill -KILL 0"};
  const std::vector<char*> argv = Pointers(args);
  char* const environment[] = {nullptr};
  const int why = Launch({.program = "/bin/sh",
                          .args = argv.data(),
                          .environment = environment,
                          .group = pid_,
                          .parent = 0,
                          .streams = {guard.read.get(), nowhere.get(), nowhere.get()},
                          .trouble = -1},
                         guardian_);
  if (why != 0) return IoError(why, "start", "/bin/sh");
  guard_ = kj::mv(guard.write);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Spawned>> Spawned::Start(const Command& command) {
  std::unique_ptr<Spawned> spawned(new Spawned());
  DAMOCLES_RETURN_IF_ERROR(spawned->StartProgram(command));
  DAMOCLES_RETURN_IF_ERROR(spawned->StartGuardian());
  return spawned;
}

Spawned::~Spawned() {
  End();
}

void Spawned::End() {
  if (pid_ < 0) return;
  kill(-pid_, SIGKILL);
  // One that hangs in a dead device stays until we end.
  ReapSoon(pid_);
  if (guardian_ >= 0) ReapSoon(guardian_);
  pid_ = -1;
}

Process::Process(kj::LowLevelAsyncIoProvider& provider, kj::UnixEventPort& port,
                 std::unique_ptr<Spawned> spawned)
    : pid_(spawned->pid_),
      spawned_(std::move(spawned)),
      end_(port, spawned_->pidfd_.get(), kj::UnixEventPort::FdObserver::OBSERVE_READ) {
  constexpr auto kFlags =
      kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP | kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC;
  input_ = provider.wrapOutputFd(spawned_->input_.release(), kFlags);
  output_ = provider.wrapInputFd(spawned_->output_.release(), kFlags);
  error_ = provider.wrapInputFd(spawned_->error_.release(), kFlags);
}

void Process::Signal(int signal) {
  if (!ended_) kill(-pid_, signal);
}

kj::Promise<std::string> Process::WhenEnded() {
  return end_.whenBecomesReadable().then([this]() -> kj::Promise<std::string> {
    siginfo_t info{};
    int got;
    do {
      // Left as it is: as long as nobody has reaped it, its number belongs to nobody else.
      got = waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT);
    } while (got != 0 && errno == EINTR);
    if (got == 0 && info.si_pid == 0) return WhenEnded();  // woken for nothing
    const std::string how =
        got == 0 ? HowItEnded(info)
                 : absl::StrFormat("an end that was not seen (%s)", std::strerror(errno));
    spawned_->End();
    ended_ = true;
    return how;
  });
}

}  // namespace damocles::child
