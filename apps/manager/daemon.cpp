// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Builds the manager's objects in order and runs them; docs/architecture.md tells the threads.

#include "apps/manager/daemon.h"

#include <kj/async-io.h>
#include <kj/async-unix.h>
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "apps/common/cli.h"
#include "apps/common/proving.h"
#include "apps/common/signals.h"
#include "apps/manager/backend.h"
#include "apps/manager/chain_client.h"

#include "damocles/async/offload.h"
#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/base/log.h"
#include "damocles/base/random.h"
#include "damocles/base/status.h"
#include "damocles/config/endpoint.h"
#include "damocles/config/ext_prover.h"
#include "damocles/config/manager.h"
#include "damocles/job/queue.h"
#include "damocles/poster/runner.h"
#include "damocles/rpc/server.h"
#include "damocles/sector/index.h"
#include "damocles/sector/tracker.h"
#include "damocles/storage/persist_store.h"
#include "damocles/store/store.h"
#include "damocles/worker/agent.h"
#include "damocles/worker/hub.h"

namespace damocles::manager {
namespace {

constexpr std::string_view kSoftware = "damocles-manager 0.1.0";
constexpr std::size_t kBlockingThreads = 4;  // synced writes, scans, verification
constexpr std::uint16_t kDefaultPort = 1789;

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

job::Policy JobPolicyOf(const config::ManagerConfig& config) {
  job::Policy policy;
  const config::WorkerProverConfig& from = config.proving.worker_prover;
  policy.job_max_try = from.job_max_try;
  policy.heartbeat_timeout = from.heartbeat_timeout;
  policy.heartbeat_late = from.heartbeat_timeout / 2;
  policy.job_lifetime = from.job_lifetime;
  return policy;
}

filecoin::EpochDelta Epochs(std::uint64_t count) {
  return filecoin::EpochDelta(static_cast<std::int64_t>(count));
}

std::vector<poster::MinerPolicy> MinerPoliciesOf(const config::ManagerConfig& config) {
  std::vector<poster::MinerPolicy> policies;
  for (const config::MinerConfig& miner : config.miners) {
    const config::MinerPostConfig& from = miner.post;
    poster::MinerPolicy policy;
    policy.miner = miner.actor;
    policy.enabled = from.enabled;
    policy.senders = from.senders;
    policy.poster.challenge_confidence = Epochs(from.challenge_confidence);
    policy.poster.submit_confidence = Epochs(from.submit_confidence);
    policy.poster.confirmation_depth = Epochs(from.confidence);
    policy.poster.max_partitions_per_message = from.max_partitions_per_post_message;
    policy.poster.auto_reset_before_close = config.proving.worker_prover.auto_reset_before_close;
    policy.post_fees.gas_fee_cap = from.gas_fee_cap;
    policy.recovery_fees.gas_fee_cap = from.gas_fee_cap;
    policy.recovery.max_sectors = from.max_recover_sector_limit;
    policy.recovery.max_partitions_per_message = from.max_partitions_per_recovery_message;
    policies.push_back(std::move(policy));
  }
  return policies;
}

absl::StatusOr<storage::StoreRegistry> OpenStores(const config::ManagerConfig& config) {
  std::vector<storage::PersistStore> stores;
  for (const config::PersistStoreConfig& from : config.persist_stores) {
    stores.push_back({.name = from.name,
                      .path = from.path,
                      .read_only = from.read_only,
                      .strict = from.strict,
                      .weight = from.weight,
                      .allow_miners = from.allow_miners,
                      .deny_miners = from.deny_miners,
                      .meta = from.meta});
  }
  DAMOCLES_ASSIGN_OR_RETURN(std::vector<storage::PersistStore> scanned,
                            storage::ScanPersistStores(config.scan_persist_stores));
  for (storage::PersistStore& store : scanned) stores.push_back(std::move(store));
  return storage::StoreRegistry::Open(std::move(stores));
}

// One challenge of the sector, read for real; not for miners with StrictCheck = false.
sector::StrictCheck MakeStrictCheck(ThreadPool& pool, const config::ManagerConfig& config) {
  std::set<filecoin::ActorId> lenient;
  for (const config::MinerConfig& miner : config.miners) {
    if (!miner.post.strict_check) lenient.insert(miner.actor);
  }
  return [&pool, lenient](filecoin::SectorId id, const sector::ProvableSector& sector,
                          const sector::SectorFiles& files,
                          filecoin::SectorSize size) -> absl::Status {
    if (lenient.contains(id.miner)) return absl::OkStatus();
    const auto type = filecoin::WindowProofOf(size);
    if (!type) return absl::OkStatus();  // a size that no chain proves
    Bytes32 randomness;
    SystemRandom().Fill(randomness);
    randomness[31] &= 0x3f;
    DAMOCLES_ASSIGN_OR_RETURN(prover::PostClaim claim, prover::ClaimOf(*type, randomness));
    claim.circuit.challenges = 1;
    const prover::SectorToProve read{.number = id.number,
                                     .comm_r = sector.comm_r,
                                     .sealed_path = files.sealed_path,
                                     .cache_dir = files.cache_dir};
    const std::atomic<bool> never{false};
    DAMOCLES_ASSIGN_OR_RETURN(
        const prover::VanillaOutcome outcome,
        prover::ProveVanilla(claim, std::span<const prover::SectorToProve>(&read, 1), pool, never));
    if (outcome.faults.empty()) return absl::OkStatus();
    return absl::DataLossError(outcome.faults.front().reason);
  };
}

struct Listen {
  std::string address;  // for KJ
  bool loopback = false;
};

absl::StatusOr<Listen> ParseListen(const std::string& text) {
  DAMOCLES_ASSIGN_OR_RETURN(const config::HostPort parsed, config::ParseHostPort(text, "*"));
  Listen listen{.address = parsed.ToString()};
  listen.loopback =
      parsed.host == "localhost" || parsed.host == "::1" || parsed.host.starts_with("127.");
  return listen;
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

// Reads the configuration again when told to; what can change at run time changes.
async::Task<void> ReloadOnSignal(kj::UnixEventPort& port, const DaemonOptions& options,
                                 config::ManagerConfig current, job::Queue& queue,
                                 poster::Runner* runner) {
  while (true) {
    co_await port.onSignal(SIGHUP).ignoreResult().exclusiveJoin(
        port.onSignal(SIGUSR1).ignoreResult());
    auto loaded = config::LoadManagerConfig(options.home.Config(), LoadOptionsOf(options));
    if (!loaded.ok()) {
      LogError("config", "not_reloaded",
               {{"error", loaded.status()}, {"now", "the old one holds"}});
      continue;
    }
    for (const std::string& warning : loaded->warnings) {
      LogWarning("config", "warning", {{"text", warning}});
    }
    queue.SetPolicy(JobPolicyOf(*loaded));
    if (runner != nullptr) runner->SetMiners(MinerPoliciesOf(*loaded));
    const auto same_stores = [&] {
      if (loaded->persist_stores.size() != current.persist_stores.size()) return false;
      for (std::size_t i = 0; i < current.persist_stores.size(); ++i) {
        if (loaded->persist_stores[i].name != current.persist_stores[i].name ||
            loaded->persist_stores[i].path != current.persist_stores[i].path) {
          return false;
        }
      }
      return true;
    };
    const auto same_chain = [&] {
      if (loaded->chain.size() != current.chain.size()) return false;
      for (std::size_t i = 0; i < current.chain.size(); ++i) {
        if (loaded->chain[i].url != current.chain[i].url ||
            !(loaded->chain[i].token == current.chain[i].token)) {
          return false;
        }
      }
      return true;
    };
    if (!same_stores()) {
      LogWarning("config", "needs_restart", {{"key", "Common.PersistStores"}});
    }
    if (!same_chain()) LogWarning("config", "needs_restart", {{"key", "Common.API"}});
    LogInfo("config", "reloaded", {{"file", options.home.Config()}});
    current = *std::move(loaded);
  }
}

// The network decides which parameters may be used: those made from known secrets on a devnet only.
async::Task<void> JudgeNetwork(kj::Timer& timer, kj::Network& network,
                               std::vector<config::ChainEndpoint> nodes, cli::Proving::Keys keys,
                               worker::Hub& hub, poster::Runner& runner,
                               kj::PromiseFulfiller<absl::Status>& refused) {
  const absl::StatusOr<bool> devnet = co_await AskDevnet(timer, network, nodes, keys.digests);
  if (!devnet.ok()) {
    refused.fulfill(absl::Status(devnet.status()));
    co_return;
  }
  if (!*devnet && !keys.practice.empty()) {
    refused.fulfill(absl::FailedPreconditionError(absl::StrFormat(
        "the parameters for %s were made from known secrets: anybody could forge such proofs, so "
        "they are for a devnet only, and the configured chain is none",
        filecoin::ToString(keys.practice.front()))));
    co_return;
  }
  hub.AllowPracticeKeys(*devnet);
  runner.Start();
}

// Where we listen, for other programs; gone with the object.
class AddressNotice {
 public:
  static absl::StatusOr<AddressNotice> Post(const Home& home, std::uint16_t port,
                                            const std::string& port_file) {
    DAMOCLES_RETURN_IF_ERROR(
        WriteFileAtomically(home.AddressFile(), absl::StrFormat("127.0.0.1:%d\n", port)));
    if (!port_file.empty()) {
      DAMOCLES_RETURN_IF_ERROR(WriteFileAtomically(port_file, absl::StrFormat("%d\n", port)));
    }
    return AddressNotice(home.AddressFile());
  }
  AddressNotice(AddressNotice&& other) noexcept : file_(std::exchange(other.file_, "")) {}
  AddressNotice(const AddressNotice&) = delete;
  AddressNotice& operator=(const AddressNotice&) = delete;
  ~AddressNotice() {
    if (!file_.empty()) unlink(file_.c_str());
  }

 private:
  explicit AddressNotice(std::string file) : file_(std::move(file)) {}
  std::string file_;
};

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
    DAMOCLES_RETURN_IF_ERROR(WriteFileAtomically(file, content));
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
  cli::LeaveToTheLoop({SIGTERM, SIGINT, SIGHUP, SIGUSR1});

  const Home& home = options.home;
  DAMOCLES_RETURN_IF_ERROR(MakeFolders(home.path));
  DAMOCLES_ASSIGN_OR_RETURN(const config::ManagerConfig config,
                            config::LoadManagerConfig(home.Config(), LoadOptionsOf(options)));
  for (const std::string& warning : config.warnings) {
    LogWarning("config", "warning", {{"text", warning}});
  }
  LogInfo("manager", "configuration", {{"effective", config::DescribeForLog(config)}});
  DAMOCLES_RETURN_IF_ERROR(CheckExtProverConfig(options));
  DAMOCLES_ASSIGN_OR_RETURN(const Listen listen, ParseListen(options.listen));
  if (!listen.loopback && !HasTokens(home) && !options.insecure_no_auth) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "refusing to listen on %s without tokens: run damocles-manager daemon init to make them, "
        "listen on 127.0.0.1, or pass --insecure-no-auth",
        options.listen));
  }
  DAMOCLES_ASSIGN_OR_RETURN(const rpc::Authorize authorize,
                            LoadTokens(home, options.insecure_no_auth));
  DAMOCLES_ASSIGN_OR_RETURN(const storage::StoreRegistry stores, OpenStores(config));
  DAMOCLES_ASSIGN_OR_RETURN(const std::unique_ptr<store::Store> database,
                            store::OpenLevelDb(home.Database()));
  DAMOCLES_ASSIGN_OR_RETURN(const std::unique_ptr<sector::Index> index,
                            sector::Index::Open(*database));
  const sector::Tracker tracker(*index, stores);
  DAMOCLES_ASSIGN_OR_RETURN(const std::unique_ptr<job::Queue> queue,
                            job::Queue::Open(*database, SystemClock(), JobPolicyOf(config)));
  DAMOCLES_ASSIGN_OR_RETURN(worker::ResultStore results, worker::ResultStore::Open(home.Results()));

  cli::Proving proving(cli::ParamsDir(options.params_dir), 0);
  const cli::Proving::Keys keys = proving.VerifyingKeys();
  if (keys.digests.empty()) {
    LogWarning("params", "no_verifying_keys",
               {{"folder", proving.Parameters().Folder()},
                {"effect", "no proof can be verified, so none will be sent"}});
  }
  // Pools after what their jobs use: they are joined first.
  ThreadPool blocking_pool(kBlockingThreads + 1);
  async::PoolExecutor blocking(blocking_pool);
  ThreadPool proving_pool(1);
  async::PoolExecutor proving_executor(proving_pool);

  kj::AsyncIoContext io = kj::setupAsyncIo();
  kj::Timer& timer = io.provider->getTimer();
  worker::Hub hub(*queue, proving.Verifier(), blocking, timer, SystemClock(), keys.digests);

  std::unique_ptr<ChainClient> chain;
  std::unique_ptr<poster::ProofJobs> proof_jobs;
  std::unique_ptr<poster::SectorSource> sector_source;
  std::unique_ptr<poster::Runner> runner;
  if (options.poster) {
    DAMOCLES_ASSIGN_OR_RETURN(chain, ChainClient::Make(config, *io.provider));
    proof_jobs = poster::MakeQueueJobs(*queue);
    poster::SectorCheckOptions check;
    check.limits.parallel = config.proving.parallel_check_limit;
    check.limits.single = config.proving.single_check_timeout;
    check.limits.total = config.proving.partition_check_timeout;
    check.strict = MakeStrictCheck(proving.Pool(), config);
    sector_source = poster::MakeTrackerSource(tracker, blocking, std::move(check));
    DAMOCLES_ASSIGN_OR_RETURN(
        runner, poster::Runner::Open({.api = chain->Api(),
                                      .jobs = *proof_jobs,
                                      .sectors = *sector_source,
                                      .store = *database,
                                      .clock = SystemClock(),
                                      .timer = timer,
                                      .executor = blocking},
                                     poster::RunnerOptions{}, MinerPoliciesOf(config)));
  }

  ManagerBackend backend(
      *index, stores,
      [&]() -> absl::StatusOr<std::vector<poster::DeadlineRecord>> {
        if (runner != nullptr) return runner->ListRecords({});
        return poster::ListRecords(*database, {});
      },
      blocking, timer);
  rpc::Server server(*queue, options.worker_prover ? &hub : nullptr, backend, authorize, timer);

  // In local mode the manager has one worker of its own, fed from the same queue.
  std::unique_ptr<worker::Agent> local;
  if (!options.worker_prover) {
    worker::AgentOptions agent;
    agent.capabilities.name = "local";
    agent.capabilities.software = std::string(kSoftware);
    agent.capabilities.instance = RandomName();
    agent.capabilities.stores = stores.Names();
    for (const storage::PersistStore& store : stores.Stores())
      agent.stores[store.name] = store.path;
    std::vector<std::unique_ptr<worker::Manager>> managers;
    managers.push_back(std::make_unique<worker::LocalManager>(hub));
    local = std::make_unique<worker::Agent>(std::move(agent), proving.Prover(), results,
                                            proving_executor, timer, SystemClock(),
                                            std::move(managers));
  }

  auto receiver = [&]() -> absl::StatusOr<kj::Own<kj::ConnectionReceiver>> {
    try {
      auto address =
          io.provider->getNetwork().parseAddress(listen.address, kDefaultPort).wait(io.waitScope);
      return address->listen();
    } catch (const kj::Exception& exception) {
      return absl::UnavailableError(absl::StrFormat("cannot listen on %s: %s", options.listen,
                                                    exception.getDescription().cStr()));
    }
  }();
  if (!receiver.ok()) return receiver.status();
  const auto port = static_cast<std::uint16_t>((*receiver)->getPort());
  DAMOCLES_ASSIGN_OR_RETURN(const AddressNotice notice,
                            AddressNotice::Post(home, port, options.port_file));

  const auto failed = [](const char* what) {
    return [what](kj::Exception&& exception) {
      LogError("manager", "part_failed",
               {{"part", what}, {"error", std::string(exception.getDescription().cStr())}});
    };
  };
  queue->NoteReceiving();
  kj::Promise<void> ticking =
      TickForEver(*queue, timer).ToPromise().eagerlyEvaluate(failed("ticks"));
  kj::Promise<void> serving = server.Serve(*std::move(receiver)).eagerlyEvaluate(failed("rpc"));
  kj::Promise<void> working = kj::Promise<void>(kj::NEVER_DONE);
  if (local != nullptr) working = local->Run().eagerlyEvaluate(failed("local prover"));
  kj::Promise<void> reloading =
      ReloadOnSignal(io.unixEventPort, options, config, *queue, runner.get())
          .ToPromise()
          .eagerlyEvaluate(failed("reload"));
  auto refusal = kj::newPromiseAndFulfiller<absl::Status>();
  kj::Promise<void> judging = kj::READY_NOW;
  if (runner != nullptr) {
    judging = JudgeNetwork(timer, io.provider->getNetwork(), config.chain, keys, hub, *runner,
                           *refusal.fulfiller)
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

  auto stopped = cli::StopSignal(io.unixEventPort).then([] { return absl::OkStatus(); });
  const absl::Status why = stopped.exclusiveJoin(kj::mv(refusal.promise)).wait(io.waitScope);
  if (!why.ok()) return why;
  LogInfo("manager", "stopping", {});
  // Whatever is under way is on disk or can be done again: the records decide at the next start.
  return cli::kExitDone;
}

}  // namespace damocles::manager
