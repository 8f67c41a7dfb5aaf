// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Builds the manager's objects in order and runs them; docs/architecture.md tells the threads.

#include "damocles/manager/manager.h"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "lib/manager/backend.h"
#include "lib/manager/checking.h"
#include "lib/manager/threads.h"

#include "damocles/async/duration.h"
#include "damocles/async/failure.h"
#include "damocles/async/offload.h"
#include "damocles/base/clock.h"
#include "damocles/base/log.h"
#include "damocles/base/random.h"
#include "damocles/base/status.h"
#include "damocles/job/queue.h"
#include "damocles/manager/chain_client.h"
#include "damocles/manager/gather.h"
#include "damocles/manager/network.h"
#include "damocles/manager/self_check.h"
#include "damocles/manager/settings.h"
#include "damocles/poster/runner.h"
#include "damocles/prover/local_proving.h"
#include "damocles/sector/index.h"
#include "damocles/sector/tracker.h"
#include "damocles/storage/persist_store.h"
#include "damocles/storage/store_look.h"
#include "damocles/store/store.h"
#include "damocles/worker/agent.h"
#include "damocles/worker/hub.h"

namespace damocles::manager {
namespace {

async::Task<void> TickForEver(job::Queue& queue, kj::Timer& timer) {
  while (true) {
    co_await timer.afterDelay(async::ToKj(job::Queue::kTickPeriod));
    if (const absl::Status status = queue.Tick(); !status.ok()) {
      LogError("job", "tick_failed", {{"error", status}});
    }
  }
}

// The network decides which parameters may be used: any on a devnet, elsewhere the published ones.
// With those nothing waits for that.
async::Task<void> JudgeNetwork(NetworkJudge judge, prover::LocalProving::Keys keys,
                               worker::Hub& hub, poster::Runner& runner,
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

// What is on disk.
struct Opened {
  storage::StoreRegistry stores;
  std::unique_ptr<store::Store> database;
  std::unique_ptr<sector::Index> index;
  std::unique_ptr<job::Queue> queue;
  worker::ResultStore results;
};

absl::StatusOr<Opened> OpenDisk(const Home& home, const config::ManagerConfig& config,
                                const Manager::Waits& waits) {
  waits("the folders of the stores");
  DAMOCLES_ASSIGN_OR_RETURN(storage::StoreRegistry stores, OpenStores(config));
  waits("the database " + home.Database());
  DAMOCLES_ASSIGN_OR_RETURN(std::unique_ptr<store::Store> database,
                            store::OpenLevelDb(home.Database(), store::kReserveBytes));
  DAMOCLES_ASSIGN_OR_RETURN(std::unique_ptr<sector::Index> index, sector::Index::Open(*database));
  DAMOCLES_ASSIGN_OR_RETURN(std::unique_ptr<job::Queue> queue,
                            job::Queue::Open(*database, SteadyClock(), config.jobs));
  DAMOCLES_ASSIGN_OR_RETURN(worker::ResultStore results, worker::ResultStore::Open(home.Results()));
  return Opened{.stores = std::move(stores),
                .database = std::move(database),
                .index = std::move(index),
                .queue = std::move(queue),
                .results = std::move(results)};
}

class ManagerImpl final : public Manager {
 public:
  ManagerImpl(ManagerOptions options, config::ManagerConfig config, Opened opened,
              kj::AsyncIoProvider& io)
      : options_(std::move(options)),
        started_(std::move(config)),
        in_force_(started_),
        io_(io),
        timer_(io.getTimer()),
        disk_(std::move(opened)),
        tracker_(*disk_.index, disk_.stores,
                 [this](const sector::IndexRow& row) { return disk_.index->Put({row}); }),
        proving_(options_.params_dir, 0),
        check_(CheckOptionsOf(started_, check_pool_)) {}

  ~ManagerImpl() noexcept override {}  // KJ's may throw

  // What may fail of the rest.
  absl::Status Build(const Waits& waits);

  kj::Promise<absl::Status> Run(kj::Own<kj::ConnectionReceiver> receiver) override;
  async::Task<void> Reload() override;
  bool NothingHangs(absl::Duration patience) const override {
    return threads_.NothingHangs(patience);
  }

 private:
  absl::Status BuildPoster();
  absl::Status BuildSelfCheck();
  void BuildBackend();
  void BuildLocalWorker();
  // A manager without one of its parts is worse than one that is started anew.
  void Go(kj::Promise<void> part, const char* what);

  const ManagerOptions options_;
  const config::ManagerConfig started_;
  config::ManagerConfig in_force_;  // reloads included
  kj::AsyncIoProvider& io_;
  kj::Timer& timer_;
  Opened disk_;
  const sector::Tracker tracker_;
  prover::LocalProving proving_;
  prover::LocalProving::Keys keys_;
  // After what their jobs use: what is joined is joined first.
  Threads threads_;
  // A read that hangs outlives everything here: it has a pool of its own, that it shares.
  const std::shared_ptr<ThreadPool> check_pool_ = std::make_shared<ThreadPool>(1);
  poster::SectorCheckOptions check_;
  // A dead mount is asked by one of those who look at it.
  const storage::StoreLook look_at_store_ = storage::OneLookAtATime();
  std::optional<worker::Hub> hub_;
  std::unique_ptr<ChainClient> chain_;  // this and the next three: only with a poster
  std::unique_ptr<poster::ProofJobs> proof_jobs_;
  std::unique_ptr<poster::SectorSource> sector_source_;
  std::unique_ptr<poster::Runner> runner_;
  std::optional<Gatherer> gatherer_;
  std::optional<SelfCheck> self_check_;
  std::optional<ManagerBackend> backend_;
  std::optional<rpc::Server> server_;
  std::unique_ptr<worker::Agent> local_;
  kj::Own<kj::PromiseFulfiller<absl::Status>> end_;
  std::vector<kj::Promise<void>> parts_;
};

absl::Status ManagerImpl::Build(const Waits& waits) {
  waits("the verifying keys in " + proving_.Parameters().Folder());
  keys_ = proving_.VerifyingKeys();
  if (keys_.digests.empty()) {
    LogWarning("params", "no_verifying_keys",
               {{"folder", proving_.Parameters().Folder()},
                {"effect", "no proof can be verified, so none will be sent"}});
  }
  hub_.emplace(*disk_.queue, proving_.Verifier(), threads_.verification, timer_, SteadyClock(),
               keys_.digests);
  if (options_.poster) DAMOCLES_RETURN_IF_ERROR(BuildPoster());
  DAMOCLES_RETURN_IF_ERROR(BuildSelfCheck());
  BuildBackend();
  server_.emplace(*disk_.queue, &*hub_, *backend_, options_.authorize, timer_,
                  rpc::ServerLimits{.takes_workers = options_.worker_prover});
  if (!options_.worker_prover) BuildLocalWorker();
  return absl::OkStatus();
}

absl::Status ManagerImpl::BuildPoster() {
  DAMOCLES_ASSIGN_OR_RETURN(chain_, ChainClient::Make(started_, io_));
  proof_jobs_ = poster::MakeQueueJobs(*disk_.queue);
  sector_source_ = poster::MakeTrackerSource(tracker_, threads_.sector_checks, [this] {
    poster::SectorCheckOptions now = check_;
    // The worker of local mode sees what the manager sees.
    if (options_.worker_prover) now.worker_stores = StoresOfWorkers(*hub_);
    return now;
  });
  DAMOCLES_ASSIGN_OR_RETURN(
      runner_, poster::Runner::Open({.reader = chain_->Node(),
                                     .pool = chain_->Node(),
                                     .wallet = chain_->Node(),
                                     .jobs = *proof_jobs_,
                                     .sectors = *sector_source_,
                                     .store = *disk_.database,
                                     .clock = SteadyClock(),
                                     .timer = timer_,
                                     .executor = threads_.records},
                                    RunnerOptionsOf(started_), MinerPoliciesOf(started_)));
  return absl::OkStatus();
}

absl::Status ManagerImpl::BuildSelfCheck() {
  DAMOCLES_ASSIGN_OR_RETURN(GatherParts checked,
                            MakeGatherParts({.timer = timer_,
                                             .executor = threads_.files,
                                             .home = options_.home,
                                             .config = in_force_,
                                             .index = *disk_.index,
                                             .stores = disk_.stores,
                                             .look_at_store = look_at_store_,
                                             .hub = *hub_,
                                             .params_dir = proving_.Parameters().Folder(),
                                             .chain = chain_.get(),
                                             .proves_itself = !options_.worker_prover}));
  gatherer_.emplace(std::move(checked));
  self_check_.emplace(*gatherer_, timer_);
  return absl::OkStatus();
}

void ManagerImpl::BuildBackend() {
  backend_.emplace(
      *disk_.index, disk_.stores,
      [this](poster::RecordFilter filter)
          -> async::Task<absl::StatusOr<std::vector<poster::DeadlineRecord>>> {
        if (runner_ != nullptr) return runner_->ListRecords(filter);
        return poster::ListRecordsOn(threads_.files, *disk_.database, filter);
      },
      [this](std::optional<filecoin::ActorId> miner) {
        return poster::ListRecoveriesOn(threads_.files, *disk_.database, miner);
      },
      [this] { return self_check_->LookAtAll(); }, threads_.files, timer_, look_at_store_);
}

// In local mode the manager has one worker of its own, fed from the same queue.
void ManagerImpl::BuildLocalWorker() {
  worker::AgentOptions agent;
  agent.capabilities.name = "local";
  agent.capabilities.software = options_.software;
  agent.capabilities.instance = SystemRandom().Hex(8);
  agent.capabilities.stores = disk_.stores.Names();
  for (const storage::PersistStore& store : disk_.stores.Stores()) {
    agent.stores[store.name] = store.path;
  }
  std::vector<std::unique_ptr<worker::Manager>> managers;
  managers.push_back(std::make_unique<worker::LocalManager>(*hub_));
  local_ =
      std::make_unique<worker::Agent>(std::move(agent), proving_.Prover(), disk_.results,
                                      threads_.proving, timer_, SteadyClock(), std::move(managers));
}

void ManagerImpl::Go(kj::Promise<void> part, const char* what) {
  parts_.push_back(part.eagerlyEvaluate([this, what](kj::Exception&& exception) {
    const std::string error = async::Plainly(exception);
    LogError("manager", "part_failed", {{"part", what}, {"error", error}});
    end_->fulfill(absl::InternalError(
        absl::StrFormat("its part \"%s\" failed: %s; start it again and tell us", what, error)));
  }));
}

kj::Promise<absl::Status> ManagerImpl::Run(kj::Own<kj::ConnectionReceiver> receiver) {
  auto end = kj::newPromiseAndFulfiller<absl::Status>();
  end_ = kj::mv(end.fulfiller);
  const unsigned port = receiver->getPort();
  disk_.queue->NoteReceiving();
  Go(TickForEver(*disk_.queue, timer_).ToPromise(), "ticks");
  Go(server_->Serve(kj::mv(receiver)), "rpc");
  if (local_ != nullptr) Go(local_->Run(), "local prover");
  // What it says is for people: if it fails, nothing else does.
  parts_.push_back(self_check_->Run().ToPromise().eagerlyEvaluate([](kj::Exception&& exception) {
    LogError("check", "ended", {{"error", async::Plainly(exception)}});
  }));
  if (runner_ != nullptr) {
    Go(JudgeNetwork(NetworkJudge(chain_->Io(), chain_->Endpoints(), keys_.digests), keys_, *hub_,
                    *runner_, *end_)
           .ToPromise(),
       "poster");
  } else {
    hub_->AllowPracticeKeys(true);  // nothing is sent from here
  }
  LogInfo("manager", "running",
          {{"port", port},
           {"poster", options_.poster ? "on" : "off"},
           {"prover", options_.worker_prover ? "workers" : "local"},
           {"miners", started_.miners.size()}});
  return end.promise.attach(kj::defer([this] { parts_.clear(); }));
}

async::Task<void> ManagerImpl::Reload() {
  const std::string file = options_.home.Config();
  config::LoadOptions reading = options_.reading;
  reading.check_folders = false;  // stores do not change, and a dead mount must not hold this up
  using Loaded = absl::StatusOr<config::ManagerConfig>;
  auto loading = async::Offload<Loaded>(
      threads_.files, [file, reading] { return config::LoadManagerConfig(file, reading); });
  const Loaded loaded = co_await kj::mv(loading);
  if (!loaded.ok()) {
    LogError("config", "not_reloaded", {{"error", loaded.status()}, {"now", "the old one holds"}});
    co_return;
  }
  for (const std::string& warning : loaded->warnings) {
    LogWarning("config", "warning", {{"text", warning}});
  }
  disk_.queue->SetPolicy(loaded->jobs);
  check_ = CheckOptionsOf(*loaded, check_pool_);
  if (runner_ != nullptr) runner_->SetMiners(MinerPoliciesOf(*loaded));
  in_force_.miners = loaded->miners;
  const std::vector<std::string> not_applied = NeedRestart(started_, *loaded);
  for (const std::string& key : not_applied) {
    LogWarning("config", "needs_restart", {{"key", key}});
  }
  LogInfo("config", "reloaded",
          {{"file", file},
           {"not_applied", not_applied.empty() ? "none" : absl::StrJoin(not_applied, ",")}});
}

}  // namespace

absl::StatusOr<std::unique_ptr<Manager>> Manager::Open(ManagerOptions options,
                                                       config::ManagerConfig config,
                                                       kj::AsyncIoProvider& io,
                                                       const Waits& waits) {
  DAMOCLES_ASSIGN_OR_RETURN(Opened opened, OpenDisk(options.home, config, waits));
  auto manager =
      std::make_unique<ManagerImpl>(std::move(options), std::move(config), std::move(opened), io);
  DAMOCLES_RETURN_IF_ERROR(manager->Build(waits));
  return manager;
}

}  // namespace damocles::manager
