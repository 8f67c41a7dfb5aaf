// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "apps/worker/daemon.h"

#include <fcntl.h>
#include <kj/async-io.h>
#include <kj/async-unix.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "apps/common/cli.h"
#include "apps/common/signals.h"

#include "damocles/async/offload.h"
#include "damocles/base/file.h"
#include "damocles/base/limits.h"
#include "damocles/base/log.h"
#include "damocles/base/patience.h"
#include "damocles/base/random.h"
#include "damocles/base/status.h"
#include "damocles/base/version.h"
#include "damocles/config/worker.h"
#include "damocles/prover/local_proving.h"
#include "damocles/rpc/remote_manager.h"
#include "damocles/storage/persist_store.h"
#include "damocles/worker/agent.h"
#include "damocles/worker/surroundings.h"

namespace damocles::worker_app {
namespace {

constexpr std::string_view kSoftware = "damocles-worker " DAMOCLES_VERSION_STRING;
// How long the start waits for stores, for its own folder.
constexpr absl::Duration kStartPatience = absl::Seconds(3);
constexpr absl::Duration kStatePatience = absl::Seconds(30);

std::string HostName() {
  char name[256] = {};
  if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0') return "worker";
  return name;
}

// Two workers in one state folder would deliver and delete each other's results.
absl::StatusOr<File> LockState(const std::string& folder) {
  DAMOCLES_RETURN_IF_ERROR(MakeFolders(folder));
  const std::string path = folder + "/lock";
  File file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.IsOpen()) return absl::UnavailableError(absl::StrFormat("%s: cannot open", path));
  if (flock(file.Descriptor(), LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "another worker runs with the state folder %s: give each its own [worker] state_dir",
        folder));
  }
  return file;
}

// Also by another way: a link, a second mount of the same disk.
bool IsOneFolder(const std::string& a, const std::string& b) {
  return a == b || Within<bool>(kStartPatience, [a, b] {
                     std::error_code error;
                     return std::filesystem::equivalent(a, b, error);
                   }).value_or(false);
}

absl::StatusOr<std::map<std::string, std::string>> AttachedStores(
    const config::WorkerConfig& config) {
  std::map<std::string, std::string> stores;
  for (const config::AttachedStore& store : config.attached) stores[store.name] = store.location;
  const std::optional<storage::StoreScan> scan = Within<storage::StoreScan>(
      kStartPatience,
      [globs = config.scan_persist_stores] { return storage::ScanPersistStores(globs); });
  // One bad file is one store.
  const std::string key = absl::StrFormat("%s: worker.scan_persist_stores", config.scan_place);
  if (!scan) {
    LogError("storage", "scan_not_answering", {{"key", key}, {"now", "without these stores"}});
    return stores;
  }
  for (const std::string& problem : scan->problems) {
    LogError("worker", "store_left_out",
             {{"key", key},
              {"why", problem},
              {"now", "no job of it comes here: mend that, then restart the worker"}});
  }
  for (const std::string& note : scan->notes) {
    LogWarning("worker", "scan_note", {{"key", key}, {"text", note}});
  }
  for (const storage::PersistStore& store : scan->stores) {
    const auto [attached, is_new] = stores.emplace(store.name, store.path);
    if (is_new || IsOneFolder(attached->second, store.path)) continue;
    LogWarning("worker", "store_left_out",
               {{"key", key},
                {"store", store.name},
                {"path", store.path},
                {"why", "[[attached]] has the name for " + attached->second}});
  }
  if (stores.empty()) {
    return absl::FailedPreconditionError(
        "no store is attached: add [[attached]] with name and location to the configuration");
  }
  return stores;
}

// What never changes while this process lives.
worker::Capabilities CapabilitiesOf(const config::WorkerConfig& config) {
  worker::Capabilities capabilities;
  capabilities.name = config.name.empty() ? HostName() : config.name;
  for (const config::WorkerThread& thread : config.threads) {
    capabilities.threads.push_back(thread.takes);
  }
  // A proof takes all processors: a second job would only wait behind the first while another
  // worker could begin it.
  capabilities.slots = 1;
  capabilities.software = std::string(kSoftware);
  capabilities.instance = SystemRandom().Hex(8);
  return capabilities;
}

// What is needed from the state folder, or the disk's name if it does not answer.
template <typename T>
absl::StatusOr<T> FromState(const std::string& folder, std::function<absl::StatusOr<T>()> work) {
  std::optional<absl::StatusOr<T>> done =
      Within<absl::StatusOr<T>>(kStatePatience, std::move(work));
  if (done) return *std::move(done);
  return absl::UnavailableError(absl::StrFormat(
      "[worker] state_dir %s: its file system does not answer; mend the mount, or name a folder on "
      "a disk of this machine",
      folder));
}

// An operator who reloads a manager so may try it here: that must not cost the proof of the moment.
async::Task<void> ExplainOnReload(kj::UnixEventPort& port) {
  while (true) {
    co_await port.onSignal(SIGHUP).ignoreResult().exclusiveJoin(
        port.onSignal(SIGUSR1).ignoreResult());
    LogWarning("config", "not_reloaded",
               {{"why", "a worker reads its configuration only at its start"},
                {"do", "SIGTERM lets it finish and end, then start it anew"}});
  }
}

}  // namespace

// In one piece: what is started here stops in the opposite order, which is that of the locals.
absl::StatusOr<int> RunDaemon(const DaemonOptions& options) {
  // KJ keeps one signal for itself.
  kj::UnixEventPort::setReservedSignal(SIGUSR2);
  cli::LeaveToTheLoop({SIGHUP, SIGUSR1});
  cli::StopSignals stop_signals;
  RaiseDescriptorLimit();

  config::LoadOptions load;
  load.unknown =
      options.allow_unknown_config ? config::UnknownKeys::kWarn : config::UnknownKeys::kRefuse;
  DAMOCLES_ASSIGN_OR_RETURN(const config::WorkerConfig config,
                            config::LoadWorkerConfig(options.config, load));
  for (const std::string& warning : config.warnings) {
    LogWarning("config", "warning", {{"text", warning}});
  }
  LogInfo("worker", "configuration", {{"effective", config::DescribeForLog(config)}});
  if (!config.window_post.empty() || !config.winning_post.empty()) {
    return absl::UnimplementedError(absl::StrFormat(
        "%s: [[processors.window_post]] and [[processors.winning_post]] (children) are not part of "
        "this version; remove them, proofs are made in the worker itself",
        options.config));
  }
  const std::string state_dir = ExpandHome(config.state_dir);
  DAMOCLES_ASSIGN_OR_RETURN(
      const File lock, FromState<File>(state_dir, [state_dir] { return LockState(state_dir); }));
  DAMOCLES_ASSIGN_OR_RETURN(const auto stores, AttachedStores(config));
  DAMOCLES_ASSIGN_OR_RETURN(worker::ResultStore results,
                            FromState<worker::ResultStore>(state_dir, [state_dir] {
                              return worker::ResultStore::Open(state_dir + "/results");
                            }));

  prover::LocalProving proving(prover::ParamsDir(config.params_dir), 0);
  worker::AgentOptions agent_options;
  agent_options.allocate_wait = absl::Hours(24);  // the shortest recover_interval
  const auto surroundings =
      std::make_shared<worker::Surroundings>(CapabilitiesOf(config), stores, proving);
  agent_options.refresh = [surroundings] { return surroundings->Look(); };
  agent_options.capabilities = agent_options.refresh();
  agent_options.stores = stores;
  if (agent_options.capabilities.verifying_keys.empty()) {
    LogWarning("params", "no_parameters",
               {{"folder", proving.Parameters().Folder()},
                {"effect", "no job comes here until they are there"}});
  }
  for (const config::WorkerThread& thread : config.threads) {
    agent_options.allocate_wait = std::min(agent_options.allocate_wait, thread.recover_interval);
  }
  agent_options.staggered = config.window_post_staggered;

  // After what its jobs use: joined first.
  // One thread proves, another looks around meanwhile.
  ThreadPool proving_pool(agent_options.capabilities.slots + 2);
  async::PoolExecutor executor(proving_pool);
  kj::AsyncIoContext io = kj::setupAsyncIo();
  std::vector<std::unique_ptr<worker::Manager>> managers;
  for (const config::ManagerEndpoint& endpoint : config.managers) {
    rpc::ClientOptions client;
    client.address = endpoint.address.ToString();
    client.token = endpoint.token.Reveal();
    client.software = std::string(kSoftware);
    managers.push_back(std::make_unique<rpc::RemoteManager>(
        io.provider->getNetwork(), io.provider->getTimer(), std::move(client)));
  }
  LogInfo("worker", "running",
          {{"name", agent_options.capabilities.name},
           {"threads", agent_options.capabilities.threads.size()},
           {"stores", stores.size()},
           {"managers", managers.size()}});
  std::shared_ptr<prover::WindowProver> prover = proving.Prover();
  if (options.wrap_prover) prover = options.wrap_prover(std::move(prover));
  worker::Agent agent(std::move(agent_options), std::move(prover), results, executor,
                      io.provider->getTimer(), SteadyClock(), std::move(managers));

  kj::Promise<void> draining = stop_signals.First(io)
                                   .then([&agent] {
                                     LogInfo("worker", "stopping",
                                             {{"running", agent.Running().size()},
                                              {"now", "a second signal ends it at once"}});
                                     agent.Drain();
                                   })
                                   .eagerlyEvaluate(nullptr);
  agent.Run().exclusiveJoin(ExplainOnReload(io.unixEventPort).ToPromise()).wait(io.waitScope);
  // A look that hangs uses what goes now, and cannot be waited for.
  if (surroundings->Hangs()) std::_Exit(cli::kExitDone);
  return cli::kExitDone;
}

}  // namespace damocles::worker_app
