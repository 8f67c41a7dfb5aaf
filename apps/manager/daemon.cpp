// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Builds the manager's objects in order and runs them; docs/architecture.md tells the threads.

#include "apps/manager/daemon.h"

#include <kj/async-io.h>
#include <kj/async-unix.h>
#include <signal.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "apps/common/cli.h"
#include "apps/common/listen_on.h"
#include "apps/common/proving.h"
#include "apps/common/signals.h"
#include "apps/common/start_watch.h"
#include "apps/manager/backend.h"
#include "apps/manager/chain_client.h"
#include "apps/manager/checking.h"
#include "apps/manager/listen.h"
#include "apps/manager/settings.h"
#include "apps/manager/threads.h"

#include "damocles/async/failure.h"
#include "damocles/async/offload.h"
#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/base/limits.h"
#include "damocles/base/log.h"
#include "damocles/base/patience.h"
#include "damocles/base/random.h"
#include "damocles/base/status.h"
#include "damocles/base/version.h"
#include "damocles/config/ext_prover.h"
#include "damocles/config/manager.h"
#include "damocles/job/queue.h"
#include "damocles/manager/gather.h"
#include "damocles/manager/network.h"
#include "damocles/manager/self_check.h"
#include "damocles/poster/runner.h"
#include "damocles/rpc/server.h"
#include "damocles/sector/index.h"
#include "damocles/sector/tracker.h"
#include "damocles/storage/persist_store.h"
#include "damocles/storage/store_look.h"
#include "damocles/store/store.h"
#include "damocles/worker/agent.h"
#include "damocles/worker/hub.h"

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

async::Task<void> TickForEver(job::Queue& queue, kj::Timer& timer) {
  while (true) {
    co_await timer.afterDelay(absl::ToInt64Milliseconds(job::Queue::kTickPeriod) *
                              kj::MILLISECONDS);
    if (const absl::Status status = queue.Tick(); !status.ok()) {
      LogError("job", "tick_failed", {{"error", status}});
    }
  }
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

// What changes at run time.
struct Reloadable {
  job::Queue& queue;
  poster::Runner* runner;  // null: none
  poster::SectorCheckOptions& check;
  std::shared_ptr<ThreadPool> check_pool;
  config::ManagerConfig& in_force;
};

// Reads the configuration again when told to; what can change at run time changes.
async::Task<void> ReloadOnSignal(kj::UnixEventPort& port, async::Executor& executor,
                                 const DaemonOptions& options, config::ManagerConfig started,
                                 Reloadable parts) {
  while (true) {
    co_await port.onSignal(SIGHUP).ignoreResult().exclusiveJoin(
        port.onSignal(SIGUSR1).ignoreResult());
    config::LoadOptions load = LoadOptionsOf(options);
    load.check_folders = false;  // stores do not change, and a dead mount must not hold this up
    using Loaded = absl::StatusOr<config::ManagerConfig>;
    auto loading = async::Offload<Loaded>(executor, [file = options.home.Config(), load] {
      return config::LoadManagerConfig(file, load);
    });
    const Loaded loaded = co_await kj::mv(loading);
    if (!loaded.ok()) {
      LogError("config", "not_reloaded",
               {{"error", loaded.status()}, {"now", "the old one holds"}});
      continue;
    }
    for (const std::string& warning : loaded->warnings) {
      LogWarning("config", "warning", {{"text", warning}});
    }
    parts.queue.SetPolicy(JobPolicyOf(*loaded));
    parts.check = CheckOptionsOf(*loaded, parts.check_pool);
    if (parts.runner != nullptr) parts.runner->SetMiners(MinerPoliciesOf(*loaded));
    parts.in_force.miners = loaded->miners;
    const std::vector<std::string> not_applied = NeedRestart(started, *loaded);
    for (const std::string& key : not_applied) {
      LogWarning("config", "needs_restart", {{"key", key}});
    }
    LogInfo("config", "reloaded",
            {{"file", options.home.Config()},
             {"not_applied", not_applied.empty() ? "none" : absl::StrJoin(not_applied, ",")}});
  }
}

// The network decides which parameters may be used: any on a devnet, elsewhere the published ones.
// With those nothing waits for that.
async::Task<void> JudgeNetwork(NetworkJudge judge, cli::Proving::Keys keys, worker::Hub& hub,
                               poster::Runner& runner,
                               kj::PromiseFulfiller<absl::Status>& refused) {
  const bool practice = !keys.practice.empty();
  if (practice) {
    LogWarning("poster", "waits_for_chain",
               {{"why", keys.practice.begin()->second},
                {"effect",
                 "these parameters are for a devnet only: nothing is proven before a node has said "
                 "that it is one"}});
  } else {
    runner.Start();
  }
  const absl::StatusOr<bool> devnet = co_await judge.Judge();
  if (!devnet.ok()) {
    refused.fulfill(absl::Status(devnet.status()));
    co_return;
  }
  if (!*devnet && practice) {
    const auto& [type, why] = *keys.practice.begin();
    refused.fulfill(absl::FailedPreconditionError(absl::StrFormat(
        "the parameters for %s are for a devnet only, and the configured chain is none: %s",
        filecoin::ToString(type), why)));
    co_return;
  }
  LogInfo("chain", "network_judged", {{"devnet", *devnet ? "yes" : "no"}});
  hub.AllowPracticeKeys(*devnet);
  if (practice) runner.Start();
  if (!*devnet) co_return;
  const absl::Status rest = co_await judge.AskTheRest();
  if (rest.ok()) co_return;
  hub.AllowPracticeKeys(false);
  LogError("chain", "nodes_disagree", {{"error", rest}});
  if (practice) refused.fulfill(absl::Status(rest));
}

// Of those that are connected.
std::vector<std::set<std::string>> StoresOfWorkers(const worker::Hub& hub) {
  std::vector<std::set<std::string>> stores;
  for (const worker::Hub::WorkerInfo& info : hub.Workers()) {
    if (!info.connected) continue;
    stores.emplace_back(info.capabilities.stores.begin(), info.capabilities.stores.end());
  }
  return stores;
}

std::string RandomName() {
  std::uint8_t bytes[8];
  SystemRandom().Fill(bytes);
  return ToHex(bytes);
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
  watch.WaitsFor("the folders of the stores");
  DAMOCLES_ASSIGN_OR_RETURN(const storage::StoreRegistry stores, OpenStores(config));
  watch.WaitsFor("the database " + home.Database());
  DAMOCLES_ASSIGN_OR_RETURN(const std::unique_ptr<store::Store> database,
                            store::OpenLevelDb(home.Database(), nullptr, store::kReserveBytes));
  DAMOCLES_ASSIGN_OR_RETURN(const std::unique_ptr<sector::Index> index,
                            sector::Index::Open(*database));
  const sector::Tracker tracker(
      *index, stores, [&index](const sector::IndexRow& row) { return index->Put({row}); });
  DAMOCLES_ASSIGN_OR_RETURN(const std::unique_ptr<job::Queue> queue,
                            job::Queue::Open(*database, SteadyClock(), JobPolicyOf(config)));
  DAMOCLES_ASSIGN_OR_RETURN(worker::ResultStore results, worker::ResultStore::Open(home.Results()));

  cli::Proving proving(cli::ParamsDir(options.params_dir), 0);
  watch.WaitsFor("the verifying keys in " + proving.Parameters().Folder());
  const cli::Proving::Keys keys = proving.VerifyingKeys();
  watch.Done();
  if (keys.digests.empty()) {
    LogWarning("params", "no_verifying_keys",
               {{"folder", proving.Parameters().Folder()},
                {"effect", "no proof can be verified, so none will be sent"}});
  }
  // After what their jobs use: what is joined is joined first.
  Threads threads;

  kj::AsyncIoContext io = kj::setupAsyncIo();
  kj::Timer& timer = io.provider->getTimer();
  worker::Hub hub(*queue, proving.Verifier(), threads.verification, timer, SteadyClock(),
                  keys.digests);

  // A read that hangs outlives everything here: it has a pool of its own, that it shares.
  const auto check_pool = std::make_shared<ThreadPool>(1);
  poster::SectorCheckOptions check = CheckOptionsOf(config, check_pool);
  std::unique_ptr<ChainClient> chain;
  std::unique_ptr<poster::ProofJobs> proof_jobs;
  std::unique_ptr<poster::SectorSource> sector_source;
  std::unique_ptr<poster::Runner> runner;
  if (options.poster) {
    DAMOCLES_ASSIGN_OR_RETURN(chain, ChainClient::Make(config, *io.provider));
    proof_jobs = poster::MakeQueueJobs(*queue);
    sector_source = poster::MakeTrackerSource(tracker, threads.sector_checks,
                                              [&check, &hub, workers = options.worker_prover] {
                                                poster::SectorCheckOptions now = check;
                                                // The worker of local mode sees what the manager
                                                // sees.
                                                if (workers)
                                                  now.worker_stores = StoresOfWorkers(hub);
                                                return now;
                                              });
    DAMOCLES_ASSIGN_OR_RETURN(
        runner, poster::Runner::Open({.api = chain->Api(),
                                      .jobs = *proof_jobs,
                                      .sectors = *sector_source,
                                      .store = *database,
                                      .clock = SteadyClock(),
                                      .timer = timer,
                                      .executor = threads.records},
                                     RunnerOptionsOf(config), MinerPoliciesOf(config)));
  }

  // A dead mount is asked by one of those who look at it.
  const storage::StoreLook look_at_store = storage::OneLookAtATime();
  config::ManagerConfig in_force = config;
  DAMOCLES_ASSIGN_OR_RETURN(GatherParts checked,
                            MakeGatherParts({.timer = timer,
                                             .executor = threads.files,
                                             .home = home,
                                             .config = in_force,
                                             .index = *index,
                                             .stores = stores,
                                             .look_at_store = look_at_store,
                                             .hub = hub,
                                             .params_dir = proving.Parameters().Folder(),
                                             .chain = chain.get(),
                                             .proves_itself = !options.worker_prover}));
  Gatherer gatherer(std::move(checked));
  SelfCheck self_check(gatherer, timer);

  ManagerBackend backend(
      *index, stores,
      [&](poster::RecordFilter filter)
          -> async::Task<absl::StatusOr<std::vector<poster::DeadlineRecord>>> {
        if (runner != nullptr) return runner->ListRecords(filter);
        return poster::ListRecordsOn(threads.files, *database, filter);
      },
      [&](std::optional<filecoin::ActorId> miner) {
        return poster::ListRecoveriesOn(threads.files, *database, miner);
      },
      [&self_check] { return self_check.LookAtAll(); }, threads.files, timer, look_at_store);
  rpc::Server server(*queue, &hub, backend, authorize, timer,
                     {.takes_workers = options.worker_prover});

  // In local mode the manager has one worker of its own, fed from the same queue.
  std::unique_ptr<worker::Agent> local;
  if (!options.worker_prover) {
    worker::AgentOptions agent;
    agent.capabilities.name = "local";
    agent.capabilities.software = std::string(kSoftware);
    agent.capabilities.instance = RandomName();
    agent.capabilities.stores = stores.Names();
    for (const storage::PersistStore& store : stores.Stores()) {
      agent.stores[store.name] = store.path;
    }
    std::vector<std::unique_ptr<worker::Manager>> managers;
    managers.push_back(std::make_unique<worker::LocalManager>(hub));
    local =
        std::make_unique<worker::Agent>(std::move(agent), proving.Prover(), results,
                                        threads.proving, timer, SteadyClock(), std::move(managers));
  }

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

  // A manager without one of its parts is worse than one that is started anew.
  auto end = kj::newPromiseAndFulfiller<absl::Status>();
  const auto failed = [&end](const char* what) {
    return [what, &end](kj::Exception&& exception) {
      const std::string error = async::Plainly(exception);
      LogError("manager", "part_failed", {{"part", what}, {"error", error}});
      end.fulfiller->fulfill(absl::InternalError(
          absl::StrFormat("its part \"%s\" failed: %s; start it again and tell us", what, error)));
    };
  };
  queue->NoteReceiving();
  kj::Promise<void> ticking =
      TickForEver(*queue, timer).ToPromise().eagerlyEvaluate(failed("ticks"));
  kj::Promise<void> serving = server.Serve(*std::move(receiver)).eagerlyEvaluate(failed("rpc"));
  kj::Promise<void> working = kj::Promise<void>(kj::NEVER_DONE);
  if (local != nullptr) working = local->Run().eagerlyEvaluate(failed("local prover"));
  kj::Promise<void> reloading = ReloadOnSignal(io.unixEventPort, threads.files, options, config,
                                               {.queue = *queue,
                                                .runner = runner.get(),
                                                .check = check,
                                                .check_pool = check_pool,
                                                .in_force = in_force})
                                    .ToPromise()
                                    .eagerlyEvaluate(failed("reload"));
  // What it says is for people: if it fails, nothing else does.
  kj::Promise<void> checking =
      self_check.Run().ToPromise().eagerlyEvaluate([](kj::Exception&& exception) {
        LogError("check", "ended", {{"error", async::Plainly(exception)}});
      });
  kj::Promise<void> judging = kj::READY_NOW;
  if (runner != nullptr) {
    judging = JudgeNetwork(NetworkJudge(chain->Io(), chain->Endpoints(), keys.digests), keys, hub,
                           *runner, *end.fulfiller)
                  .ToPromise()
                  .eagerlyEvaluate(failed("poster"));
  } else {
    hub.AllowPracticeKeys(true);  // nothing is sent from here
  }
  LogInfo("manager", "running",
          {{"port", port},
           {"poster", options.poster ? "on" : "off"},
           {"prover", options.worker_prover ? "workers" : "local"},
           {"miners", config.miners.size()}});

  auto stopped = stop_signals.First(io).then([] { return absl::OkStatus(); });
  const absl::Status why = stopped.exclusiveJoin(kj::mv(end.promise)).wait(io.waitScope);
  if (why.ok()) LogInfo("manager", "stopping", {});
  // Whatever is under way is on disk or can be done again: the records decide at the next start.
  // A thread that hangs in a dead mount would use what goes now, and cannot be waited for.
  if (!threads.NothingHangs(kPatienceAtEnd)) {
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
