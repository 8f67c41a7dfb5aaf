// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Flags and signals of a running manager; what it is made of is manager::Manager.

#include "apps/manager/daemon.h"

#include <kj/async-io.h>
#include <kj/async-unix.h>
#include <signal.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "apps/common/cli.h"
#include "apps/common/listen_on.h"
#include "apps/common/signals.h"
#include "apps/common/start_watch.h"
#include "apps/manager/listen.h"

#include "damocles/async/failure.h"
#include "damocles/base/file.h"
#include "damocles/base/limits.h"
#include "damocles/base/log.h"
#include "damocles/base/patience.h"
#include "damocles/base/status.h"
#include "damocles/base/version.h"
#include "damocles/config/ext_prover.h"
#include "damocles/config/manager.h"
#include "damocles/manager/manager.h"
#include "damocles/manager/settings.h"
#include "damocles/prover/local_proving.h"
#include "damocles/rpc/server.h"

namespace damocles::manager {
namespace {

constexpr std::string_view kSoftware = "damocles-manager " DAMOCLES_VERSION_STRING;
constexpr std::uint16_t kDefaultPort = 1789;
constexpr absl::Duration kPatienceAtEnd = absl::Seconds(1);

config::LoadOptions LoadOptionsOf(const DaemonOptions& options) {
  config::LoadOptions load;
  load.unknown =
      options.allow_unknown_config ? config::UnknownKeys::kWarn : config::UnknownKeys::kRefuse;
  return load;
}

// Nothing is started from it in this version, but a mistake in it is told all the same.
absl::Status CheckExtProverConfig(const DaemonOptions& options) {
  const std::string file = options.home.ExtProverConfig();
  if (!PathExists(file)) return absl::OkStatus();
  DAMOCLES_ASSIGN_OR_RETURN(const config::ExtProverConfig children,
                            config::LoadExtProverConfig(file, LoadOptionsOf(options)));
  for (const std::string& warning : children.warnings) {
    LogWarning("config", "warning", {{"text", warning}});
  }
  if (!children.window_post.empty() || !children.winning_post.empty()) {
    LogWarning("config", "no_effect",
               {{"file", file}, {"why", "child provers are not part of this version"}});
  }
  return absl::OkStatus();
}

// With a look at the folders of the stores, but a dead mount among them stops nobody.
absl::StatusOr<config::ManagerConfig> LoadAtStart(const DaemonOptions& options) {
  using Loaded = absl::StatusOr<config::ManagerConfig>;
  config::LoadOptions load = LoadOptionsOf(options);
  const std::string file = options.home.Config();
  const std::optional<Loaded> loaded = Within<Loaded>(
      StoreLook{}.patience, [file, load] { return config::LoadManagerConfig(file, load); });
  if (loaded.has_value()) return *loaded;
  LogError("config", "folders_not_answering", {{"file", file}});
  load.check_folders = false;
  return config::LoadManagerConfig(file, load);
}

async::Task<void> ReloadOnSignal(kj::UnixEventPort& port, Manager& manager) {
  while (true) {
    co_await port.onSignal(SIGHUP).ignoreResult().exclusiveJoin(
        port.onSignal(SIGUSR1).ignoreResult());
    co_await manager.Reload();
  }
}

}  // namespace

absl::StatusOr<int> InitDaemon(const Home& home) {
  DAMOCLES_RETURN_IF_ERROR(MakeFolders(home.path));
  DAMOCLES_RETURN_IF_ERROR(MakeFolders(home.conf_dir));
  DAMOCLES_RETURN_IF_ERROR(MakeTokens(home));
  std::vector<std::string> existing;
  const std::pair<std::string, std::string> files[] = {
      {home.Config(), config::DefaultManagerConfig()},
      {home.ExtProverConfig(), config::DefaultExtProverConfig()}};
  for (const auto& [file, content] : files) {
    if (PathExists(file)) {
      existing.push_back(file);
      continue;
    }
    DAMOCLES_RETURN_IF_ERROR(WriteFileAtomically(file, content, 0600));
    cli::PrintLine("wrote " + file);
  }
  cli::PrintLine(absl::StrFormat("tokens are in %s (admin) and %s (worker)",
                                 home.TokenFile("admin"), home.TokenFile("worker")));
  if (!existing.empty()) {
    return absl::AlreadyExistsError(absl::StrFormat(
        "%s exists already and was left as it is; edit it, or move it away and run daemon init "
        "again",
        absl::StrJoin(existing, " and ")));
  }
  return cli::kExitDone;
}

// In one piece: what is started here stops in the opposite order, which is that of the locals.
absl::StatusOr<int> RunDaemon(const DaemonOptions& options) {
  // KJ keeps one signal for itself, and SIGUSR1 is the operators'.
  kj::UnixEventPort::setReservedSignal(SIGUSR2);
  cli::LeaveToTheLoop({SIGHUP, SIGUSR1});
  cli::StopSignals stop_signals;
  RaiseDescriptorLimit();

  if (options.http_listen) {
    LogWarning(
        "manager", "no_effect",
        {{"flag", "--http-listen"},
         {"why", "metrics and dashboard are not part of this version: nothing listens there"}});
  }
  const Home& home = options.home;
  cli::StartWatch watch("manager");
  watch.WaitsFor("the home folder " + home.path);
  DAMOCLES_ASSIGN_OR_RETURN(const Listen listen, ParseListen(options.listen));
  DAMOCLES_ASSIGN_OR_RETURN(const config::ManagerConfig config, LoadAtStart(options));
  DAMOCLES_RETURN_IF_ERROR(MakeFolders(home.path));
  for (const std::string& warning : config.warnings) {
    LogWarning("config", "warning", {{"text", warning}});
  }
  LogInfo("manager", "configuration", {{"effective", config::DescribeForLog(config)}});
  DAMOCLES_RETURN_IF_ERROR(CheckExtProverConfig(options));
  if (!listen.loopback && !HasTokens(home) && !options.insecure_no_auth) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "refusing to listen on %s without tokens: run damocles-manager daemon init to make them, "
        "listen on 127.0.0.1, or pass --insecure-no-auth",
        options.listen));
  }
  const bool on_loopback = options.require_token || config.require_token;
  if (on_loopback && options.insecure_no_auth) {
    return cli::UsageError(
        "--insecure-no-auth: a token is required by --require-token or [Common.RPC] RequireToken: "
        "one of them");
  }
  if (on_loopback && !HasTokens(home)) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "a token is required, and there is none in %s/tokens: run damocles-manager daemon init to "
        "make them",
        home.path));
  }
  DAMOCLES_ASSIGN_OR_RETURN(const rpc::Authorize authorize,
                            LoadTokens(home, options.insecure_no_auth ? TokenNeed::kNever
                                             : on_loopback            ? TokenNeed::kAlways
                                                                      : TokenNeed::kFromElsewhere));
  kj::AsyncIoContext io = kj::setupAsyncIo();
  DAMOCLES_ASSIGN_OR_RETURN(std::unique_ptr<Manager> manager,
                            Manager::Open({.home = home,
                                           .params_dir = prover::ParamsDir(options.params_dir),
                                           .software = std::string(kSoftware),
                                           .authorize = authorize,
                                           .reading = LoadOptionsOf(options),
                                           .poster = options.poster,
                                           .worker_prover = options.worker_prover},
                                          config, *io.provider, [&watch](const std::string& what) {
                                            watch.WaitsFor(what);
                                          }));
  watch.Done();

  auto receiver = cli::ListenOn(io, listen.address, kDefaultPort, options.listen);
  if (!receiver.ok()) return receiver.status();
  // What a name stood for when it was resolved.
  if (listen.loopback && !rpc::IsLoopback(**receiver) && !HasTokens(home) &&
      !options.insecure_no_auth) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "refusing to listen on %s without tokens: the name does not stand for this machine alone; "
        "write 127.0.0.1, or run damocles-manager daemon init to make tokens",
        options.listen));
  }
  const auto port = static_cast<std::uint16_t>((*receiver)->getPort());
  DAMOCLES_ASSIGN_OR_RETURN(
      AddressNotice notice,
      AddressNotice::Post(home.AddressFile(), listen.Reachable(port), port, options.port_file));

  auto serving = manager->Run(*std::move(receiver));
  auto reloading =
      ReloadOnSignal(io.unixEventPort, *manager).ToPromise().then([] { return absl::OkStatus(); });
  auto stopped = stop_signals.First(io).then([] { return absl::OkStatus(); });
  const absl::Status why =
      stopped.exclusiveJoin(kj::mv(serving)).exclusiveJoin(kj::mv(reloading)).wait(io.waitScope);
  if (why.ok()) LogInfo("manager", "stopping", {});
  // Whatever is under way is on disk or can be done again: the records decide at the next start.
  // A thread that hangs in a dead mount would use what goes now, and cannot be waited for.
  if (!manager->NothingHangs(kPatienceAtEnd)) {
    LogWarning("manager", "reads_left_behind",
               {{"now", "ends without waiting for stores that are being read"}});
    if (!why.ok()) LogError("manager", "ended", {{"error", why}});
    notice.Remove();
    std::_Exit(why.ok() ? cli::kExitDone : cli::kExitFailed);
  }
  if (!why.ok()) return why;
  return cli::kExitDone;
}

}  // namespace damocles::manager
