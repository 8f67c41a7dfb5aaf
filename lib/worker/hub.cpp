// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/worker/hub.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/worker/verify_turns.h"

#include "damocles/async/duration.h"
#include "damocles/base/check.h"
#include "damocles/base/clock_skew.h"
#include "damocles/base/invariant.h"
#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/base/text.h"

namespace damocles::worker {

namespace {

// A heartbeat may be lost or late: so many fit into the time-out.
constexpr int kHeartbeatsInTimeout = 5;
// Also with a long time-out a dead connection should be seen soon.
constexpr absl::Duration kHeartbeatIntervalMax = absl::Seconds(3);
// A heartbeat may have left before the answer to Allocate arrived, and worker and manager talk one
// heartbeat after the other: what the second one does not name never arrived.
constexpr int kMissesMax = 2;
// After its start a manager may not know of a job again yet whose row the disk did not take: a
// proof of it is to be kept for so long.
constexpr absl::Duration kUnknownFor = absl::Minutes(10);
constexpr std::size_t kRemovedMax = 10'000;

// Names of workers that are remembered.
constexpr std::size_t kWorkersMax = 4096;
// Of one worker: old connections may be dying, and nobody sees it of one that is half open.
constexpr std::size_t kSessionsOfOneMax = 8;
// Of one worker, that were ended here and that a connection still holds.  Each is an empty shell.
constexpr std::size_t kShellsOfOneMax = 64;
constexpr std::size_t kShellBytes = 1024;
// What all workers and sessions say of themselves, together: the token of one worker must not be
// enough to use up the manager's memory.
constexpr std::size_t kOffersBytesMax = std::size_t{64} << 20;
// As many as the manager has threads for it.
constexpr std::size_t kVerificationsTogether = 2;

// Given out, and not confirmed yet by a heartbeat or a report.
struct Pending {
  job::JobId job;
  int misses = 0;
};

std::size_t BytesOf(const Capabilities& offer) {
  constexpr std::size_t kAround = 64;  // of what keeps a name
  std::size_t bytes = 1024 + offer.name.size() + offer.software.size() + offer.instance.size();
  for (const std::string& store : offer.stores) bytes += store.size() + kAround;
  for (const auto& [type, digest] : offer.verifying_keys) bytes += digest.size() + kAround;
  for (const job::JobFilter& filter : offer.threads) {
    bytes += (filter.miners.size() + filter.proof_types.size()) * sizeof(std::uint64_t) + kAround;
  }
  return bytes;
}

}  // namespace

struct Hub::State {
  struct Worker {
    WorkerInfo info;
    std::vector<HubSession*> open = {};        // its sessions, the oldest first
    std::size_t shells = 0;                    // sessions that were ended here
    std::size_t bytes = 0;                     // of what it says of itself
    std::map<std::uint64_t, Pending> pending;  // by attempt number; of the present process
    bool leaving = false;
    std::uint64_t given = 0;  // number of its latest assignment, counted over all workers
    SkewWatch clock = {};
  };
  // A session that waits for work.
  struct Waiter {
    std::string worker;
    kj::Own<kj::PromiseFulfiller<void>> news;
  };

  job::Queue& queue;
  std::shared_ptr<prover::WindowVerifier> verifier;
  async::Executor& executor;
  kj::Timer& timer;
  const Clock& clock;
  VerifyTurns turns{timer, kVerificationsTogether};
  std::map<filecoin::PoStProofType, std::string> own_keys;
  std::map<std::string, Worker> workers;
  bool practice_allowed = false;
  std::vector<Waiter> waiters;
  std::uint64_t given = 0;  // assignments so far
  const absl::Time started = clock.Now();
  std::set<job::JobId> removed = {};  // since then
  Subscription available = {};
  Subscription gone = {};

  // What to tell of a job that is not there: OK if it never comes again.
  absl::Status AskedForUnknown(const job::JobId& id) const {
    if (removed.contains(id) || clock.Now() - started > kUnknownFor) return absl::OkStatus();
    return absl::UnavailableError(absl::StrFormat(
        "job %s is not known yet: this manager was started %s ago; keep the proof", id.ToString(),
        absl::FormatDuration(absl::Trunc(clock.Now() - started, absl::Seconds(1)))));
  }
  // The worker may forget the proof when a restart would find it.
  absl::Status OnDisk(const job::JobId& id) const {
    if (queue.IsOnDisk(id)) return absl::OkStatus();
    return absl::UnavailableError(absl::StrFormat(
        "job %s: the manager has the proof in memory, its disk does not take it; keep the proof",
        id.ToString()));
  }
  Violations Invariants() const {
    Violations found;
    for (const auto& [name, worker] : workers) {
      found.Require(worker.open.size() <= kSessionsOfOneMax, "nobody has too many sessions");
      found.Require(worker.info.capabilities.name == name, "a worker lies under its name");
      found.Require(!worker.info.connected || !worker.open.empty(),
                    "who is connected has a session");
      found.Require(worker.given <= given, "no assignment is above the latest");
    }
    for (const Waiter& waiter : waiters) {
      found.Require(workers.contains(waiter.worker), "who waits has registered");
    }
    return found;
  }
  void Check() const {
    if (!InvariantsAreStrict()) return;
    CheckInvariants("hub", "", Invariants(), [this] {
      return absl::StrFormat("%d workers, %d wait", workers.size(), waiters.size());
    });
  }

  kj::Promise<void> News(const std::string& worker) {
    std::erase_if(waiters, [](Waiter& waiter) { return !waiter.news->isWaiting(); });
    auto pair = kj::newPromiseAndFulfiller<void>();
    waiters.push_back({worker, kj::mv(pair.fulfiller)});
    return kj::mv(pair.promise);
  }
  // Of the workers, and of what each session keeps of them.
  std::size_t OffersBytes() const {
    std::size_t bytes = 0;
    for (const auto& [name, worker] : workers) {
      bytes += worker.bytes * (1 + worker.open.size()) + worker.shells * kShellBytes;
    }
    return bytes;
  }
  // Makes room for another session of `name`, which may be new: of the others that are gone those
  // that were not heard for longest are forgotten.  False if all are there.
  bool RoomFor(const std::string& name, std::size_t bytes) {
    while ((workers.size() >= kWorkersMax && !workers.contains(name)) ||
           OffersBytes() + 2 * bytes > kOffersBytesMax) {
      auto oldest = workers.end();
      for (auto at = workers.begin(); at != workers.end(); ++at) {
        const Worker& other = at->second;
        if (at->first == name || !other.open.empty() || other.shells > 0) continue;
        if (!other.pending.empty()) continue;
        if (oldest == workers.end() || at->second.info.last_seen < oldest->second.info.last_seen) {
          oldest = at;
        }
      }
      if (oldest == workers.end()) return false;
      workers.erase(oldest);
    }
    return true;
  }
  // Wakes every session that waits for work; who comes late finds nothing and waits on.  First who
  // got none for the longest time: one worker must not do all the work because it asks first, or
  // nobody knows whether the others can.
  void WakeAll() {
    std::vector<Waiter> woken = std::exchange(waiters, {});
    std::stable_sort(woken.begin(), woken.end(), [this](const Waiter& a, const Waiter& b) {
      return workers[a.worker].given < workers[b.worker].given;
    });
    for (Waiter& waiter : woken) waiter.news->fulfill();
  }

  // Gives back what the worker never got.
  absl::Status Reconcile(Worker& worker, const std::vector<AttemptId>& listed) {
    for (const AttemptId& attempt : listed) worker.pending.erase(attempt.attempt);
    for (auto at = worker.pending.begin(); at != worker.pending.end();) {
      if (!worker.leaving && ++at->second.misses < kMissesMax) {
        ++at;
        continue;
      }
      const std::string& name = worker.info.capabilities.name;
      LogWarning("worker", "assignment_lost",
                 {{"worker", name}, {"job", at->second.job.ToString()}, {"now", "given back"}});
      DAMOCLES_RETURN_IF_ERROR(queue.NeverReceived(at->second.job, at->first, name));
      at = worker.pending.erase(at);
    }
    return absl::OkStatus();
  }

  // kj::Own's destructor may throw, a shared_ptr's deleter may not.
  ~State() noexcept {}  // NOLINT(modernize-use-equals-default)
};

class Hub::HubSession final : public Session {
 public:
  HubSession(std::shared_ptr<State> state, const Capabilities& capabilities, bool local)
      : state_(std::move(state)),
        name_(capabilities.name),
        offer_{.name = capabilities.name,
               .filters = capabilities.threads,
               .stores = capabilities.stores,
               .all_stores = local,
               .instance = capabilities.instance} {
    if (!local) {
      offer_.provable.emplace();
      for (const auto& [type, digest] : capabilities.verifying_keys) {
        offer_.provable->push_back(filecoin::SectorSizeOf(type));
      }
    }
    Self().open.push_back(this);
  }

  ~HubSession() override {
    State::Worker& worker = Self();
    if (ended_) {
      --worker.shells;
      return;
    }
    std::erase(worker.open, this);
    if (!worker.open.empty()) return;
    worker.info.connected = false;
    LogInfo("worker", "worker_disconnected", {{"worker", name_}});
  }

  // It takes no more work.  Its connection may hold it for as long as it likes.
  void End() {
    State::Worker& worker = Self();
    std::erase(worker.open, this);
    ++worker.shells;
    ended_ = true;
    offer_ = {};
  }

  async::Task<absl::StatusOr<std::optional<job::Assignment>>> Allocate(
      absl::Duration wait) override {
    DAMOCLES_CO_RETURN_IF_ERROR(Seen());
    const absl::Time until = state_->clock.Now() + wait;
    while (true) {
      // Taken before the look at the queue, so that nothing falls between look and wait.
      kj::Promise<void> news = state_->News(name_);
      auto assignment = state_->queue.Allocate(offer_);
      if (!assignment.ok()) co_return assignment;
      if (assignment->has_value()) {
        Self().given = ++state_->given;
        Self().pending[(*assignment)->attempt] = {.job = (*assignment)->id};
        co_return assignment;
      }
      const absl::Duration left = until - state_->clock.Now();
      if (left <= absl::ZeroDuration()) co_return std::nullopt;
      co_await news.exclusiveJoin(state_->timer.afterDelay(async::ToKj(left)));
      DAMOCLES_CO_RETURN_IF_ERROR(CheckPresent());
    }
  }

  async::Task<absl::StatusOr<std::vector<bool>>> Heartbeat(std::vector<AttemptId> attempts,
                                                           bool leaving) override {
    DAMOCLES_CO_RETURN_IF_ERROR(Seen());
    State::Worker& worker = Self();
    worker.info.running = attempts;
    std::vector<bool> go_on;
    for (const AttemptId& attempt : attempts) {
      DAMOCLES_CO_ASSIGN_OR_RETURN(const job::HeartbeatReply reply,
                                   state_->queue.Heartbeat(attempt.job, attempt.attempt, name_));
      go_on.push_back(reply == job::HeartbeatReply::kContinue);
    }
    if (leaving && !worker.leaving) state_->queue.WorkerLeft(name_);
    worker.leaving = leaving;
    DAMOCLES_CO_RETURN_IF_ERROR(state_->Reconcile(worker, attempts));
    state_->Check();
    co_return go_on;
  }

  void NoteClock(absl::Duration ahead) override {
    if (!CheckPresent().ok()) return;
    State::Worker& worker = Self();
    worker.info.clock_ahead = ahead;
    if (!worker.clock.IsNews(ahead)) return;
    const auto seconds = absl::StrFormat("%.1f", absl::ToDoubleSeconds(ahead));
    if (!worker.clock.Differ()) {
      LogInfo("worker", "clocks_agree_again", {{"worker", name_}, {"ahead_seconds", seconds}});
      return;
    }
    LogWarning("worker", "clock_skew",
               {{"worker", name_},
                {"ahead_seconds", seconds},
                {"effect", "none on proofs: jobs carry the time that is left"},
                {"do", "set both clocks, by NTP: times in logs and listings do not fit together"}});
  }

  absl::Duration HeartbeatInterval() const override {
    return std::min(state_->queue.GetPolicy().heartbeat_timeout / kHeartbeatsInTimeout,
                    kHeartbeatIntervalMax);
  }

  // A proof is welcome from whoever brings it, also from a process that was replaced.
  async::Task<absl::StatusOr<Receipt>> Finish(AttemptId attempt, Bytes proof) override {
    Reported(attempt);
    const std::shared_ptr<State> state = state_;  // this session may end while we verify
    const std::string name = name_;
    auto record = state->queue.Get(attempt.job);
    if (absl::IsNotFound(record.status())) {
      DAMOCLES_CO_RETURN_IF_ERROR(state->AskedForUnknown(attempt.job));
      co_return Receipt{};
    }
    if (!record.ok()) co_return record.status();
    if (record->state == job::JobState::kSucceeded) {
      DAMOCLES_CO_RETURN_IF_ERROR(state->OnDisk(attempt.job));
      co_return Receipt{};
    }
    const bool expected = std::ranges::any_of(
        record->live, [&](const job::Attempt& live) { return live.worker == name; });
    auto taking = state->turns.Take(name, expected);
    DAMOCLES_CO_ASSIGN_OR_RETURN(VerifyTurns::Turn turn, co_await kj::mv(taking));
    // Others may have brought it meanwhile.
    record = state->queue.Get(attempt.job);
    if (absl::IsNotFound(record.status())) {
      DAMOCLES_CO_RETURN_IF_ERROR(state->AskedForUnknown(attempt.job));
      co_return Receipt{};
    }
    if (!record.ok()) co_return record.status();
    if (record->state == job::JobState::kSucceeded) {
      DAMOCLES_CO_RETURN_IF_ERROR(state->OnDisk(attempt.job));
      co_return Receipt{};
    }
    prover::WindowPostStatement statement{.proof_type = record->spec->proof_type,
                                          .miner = record->spec->miner,
                                          .randomness = record->spec->randomness,
                                          .sectors = {}};
    for (const job::JobSector& sector : record->spec->sectors) {
      statement.sectors.push_back({.number = sector.number, .comm_r = sector.comm_r});
    }
    // No lambda inside co_await: g++ 12 destroys its captures twice.
    auto verifying = async::Offload<absl::StatusOr<bool>>(
        state->executor, [verifier = state->verifier, statement = std::move(statement), proof] {
          return verifier->Verify(statement, proof);
        });
    const auto valid = co_await kj::mv(verifying);
    turn = nullptr;
    state->turns.Note(name, expected, valid.ok() && *valid);
    std::string why;
    if (valid.ok() && *valid) {
      const auto verdict =
          state->queue.FinishProven(attempt.job, attempt.attempt, name, std::move(proof));
      if (verdict.ok()) {
        DAMOCLES_CO_RETURN_IF_ERROR(state->OnDisk(attempt.job));
        co_return Receipt{.accepted = *verdict == job::Verdict::kAccepted};
      }
      if (!IsRefusal(verdict.status())) co_return verdict.status();
      if (absl::IsNotFound(verdict.status())) co_return Receipt{};  // removed while we verified
      why = std::string(verdict.status().message());
    } else if (valid.ok()) {
      why = "the proof does not verify";
    } else if (absl::IsInvalidArgument(valid.status())) {
      why = absl::StrFormat("the proof is malformed: %s", std::string(valid.status().message()));
    } else {
      // Not the proof's fault (no verifying key here, say): the worker keeps it.
      LogError("worker", "cannot_verify",
               {{"job", attempt.job.ToString()}, {"error", valid.status()}});
      co_return valid.status();
    }
    DAMOCLES_CO_RETURN_IF_ERROR(
        Refuse(*state, name, attempt, "wrong_proof_refused", why, job::FailureKind::kWrongProof));
    co_return Receipt{.refusal = why};
  }

  async::Task<absl::Status> ReportFaults(AttemptId attempt,
                                         std::vector<job::SectorFault> faults) override {
    Reported(attempt);
    const absl::Status status =
        state_->queue.FinishFaults(attempt.job, attempt.attempt, name_, std::move(faults)).status();
    if (absl::IsNotFound(status) || !IsRefusal(status)) co_return ForgetUnknown(status);
    DAMOCLES_CO_RETURN_IF_ERROR(Refuse(*state_, name_, attempt, "wrong_report_refused",
                                       std::string(status.message()), job::FailureKind::kAttempt));
    co_return status;
  }

  async::Task<absl::Status> Fail(AttemptId attempt, job::FailureKind kind,
                                 std::string reason) override {
    Reported(attempt);
    if (kind == job::FailureKind::kMapping) {
      LogWarning("worker", "store_not_reachable",
                 {{"worker", name_}, {"job", attempt.job.ToString()}, {"reason", reason}});
    }
    co_return ForgetUnknown(
        state_->queue.Fail(attempt.job, attempt.attempt, name_, reason, kind).status());
  }

 private:
  State::Worker& Self() {
    DAMOCLES_DCHECK(state_->workers.contains(name_));
    return state_->workers[name_];
  }

  // Whether the worker's name still belongs to the process behind this session.
  absl::Status CheckPresent() {
    if (ended_) {
      return absl::UnavailableError(absl::StrFormat(
          "worker \"%s\" has opened %d newer sessions, so this one was ended: connect again", name_,
          kSessionsOfOneMax));
    }
    if (Self().info.capabilities.instance == offer_.instance) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrFormat(
        "another process registered as worker \"%s\", from %s", name_, Self().info.address));
  }
  absl::Status Seen() {
    DAMOCLES_RETURN_IF_ERROR(CheckPresent());
    Self().info.last_seen = state_->clock.Now();
    return absl::OkStatus();
  }
  void Reported(const AttemptId& attempt) {
    // A report of an older process says nothing about the present one.
    if (Seen().ok()) Self().pending.erase(attempt.attempt);
  }

  // A result that cannot be right, however often it is brought: the attempt ends with it.
  static absl::Status Refuse(State& state, const std::string& worker, const AttemptId& attempt,
                             std::string_view event, const std::string& why,
                             job::FailureKind kind) {
    LogError("worker", event,
             {{"worker", worker},
              {"job", attempt.job.ToString()},
              {"attempt", attempt.attempt},
              {"reason", why},
              {"do",
               "run the same release of damocles on manager and worker; check the worker's "
               "memory and parameters (damocles-prover params check)"}});
    return ForgetUnknown(
        state.queue.Fail(attempt.job, attempt.attempt, worker, why, kind).status());
  }

  // Of a job that was removed nobody needs to hear.
  static absl::Status ForgetUnknown(const absl::Status& status) {
    return absl::IsNotFound(status) ? absl::OkStatus() : status;
  }

  const std::shared_ptr<State> state_;
  const std::string name_;
  job::WorkerOffer offer_;
  bool ended_ = false;
};

Hub::Hub(job::Queue& queue, std::shared_ptr<prover::WindowVerifier> verifier,
         async::Executor& executor, kj::Timer& timer, const Clock& clock,
         std::map<filecoin::PoStProofType, std::string> own_keys)
    : state_(new State{.queue = queue,
                       .verifier = std::move(verifier),
                       .executor = executor,
                       .timer = timer,
                       .clock = clock,
                       .own_keys = std::move(own_keys),
                       .workers = {},
                       .practice_allowed = false,
                       .waiters = {}}) {
  State& state = *state_;
  state.available = queue.OnAvailable([&state] { state.WakeAll(); });
  state.gone = queue.OnRemove([&state](const job::JobId& id) {
    if (state.removed.size() >= kRemovedMax) state.removed.erase(state.removed.begin());
    state.removed.insert(id);
  });
}

Hub::~Hub() noexcept = default;

void Hub::AllowPracticeKeys(bool allowed) {
  state_->practice_allowed = allowed;
}

absl::StatusOr<std::shared_ptr<Session>> Hub::Register(Capabilities capabilities,
                                                       std::string address, bool local) {
  if (capabilities.name.empty()) {
    return absl::InvalidArgumentError("a worker needs a name: set [worker] name");
  }
  bool printable = !HasControlCharacter(capabilities.name);
  for (const std::string& store : capabilities.stores) {
    printable = printable && !HasControlCharacter(store);
  }
  if (!printable) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the name of worker \"%s\" or of one of its stores holds a control character: change it",
        Printable(capabilities.name)));
  }
  for (const auto& [type, digest] : capabilities.verifying_keys) {
    const auto own = state_->own_keys.find(type);
    if (own == state_->own_keys.end() || own->second == digest) continue;
    return absl::FailedPreconditionError(absl::StrFormat(
        "worker \"%s\" has other parameters for proof type %d than this manager: SHA-256 of its "
        ".vk is %s, of the manager's %s; give both the same parameter files",
        capabilities.name, static_cast<int>(type), digest, own->second));
  }
  if (!capabilities.practice_types.empty() && !state_->practice_allowed) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "the parameters of worker \"%s\" for proof type %d are not the published ones, or were "
        "made "
        "from known secrets: whoever made them could forge proofs, so they are for a devnet only, "
        "and the chain is not known to be one; run damocles-prover params check on the worker",
        capabilities.name, static_cast<int>(capabilities.practice_types.front())));
  }
  const absl::Time now = state_->clock.Now();
  const auto known = state_->workers.find(capabilities.name);
  const bool is_new = known == state_->workers.end() ||
                      known->second.info.capabilities.instance != capabilities.instance;
  if (is_new && known != state_->workers.end() && !known->second.open.empty()) {
    const WorkerInfo& other = known->second.info;
    const absl::Duration silent = now - other.last_seen;
    if (silent <= state_->queue.GetPolicy().heartbeat_timeout) {
      return absl::FailedPreconditionError(absl::StrFormat(
          "the name \"%s\" is taken: another worker of that name is connected from %s, this one "
          "comes from %s; give each its own [worker] name",
          capabilities.name, other.address, address));
    }
    LogWarning("worker", "worker_replaced",
               {{"worker", capabilities.name},
                {"silent", other.address},
                {"now", address},
                {"if_both_live", "give each its own [worker] name"}});
  }
  if (known != state_->workers.end() && known->second.shells >= kShellsOfOneMax) {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "worker \"%s\" holds %d sessions open here: who registers again and again must end the old "
        "ones",
        capabilities.name, known->second.open.size() + known->second.shells));
  }
  const std::size_t bytes = BytesOf(capabilities);
  if (!state_->RoomFor(capabilities.name, bytes)) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("no room for worker \"%s\": %d are registered, with %d MiB of what they "
                        "say of themselves; at most %d and %d MiB are taken",
                        capabilities.name, state_->workers.size(), state_->OffersBytes() >> 20,
                        kWorkersMax, kOffersBytesMax >> 20));
  }
  if (is_new || known->second.info.capabilities != capabilities) {
    // What other processes had in work is gone; this one may reach what it could not.
    DAMOCLES_RETURN_IF_ERROR(state_->queue.WorkerStarted(capabilities.name, capabilities.instance));
  }
  State::Worker& worker = state_->workers[capabilities.name];
  if (is_new) {
    // Given out before this manager was started: perhaps never received.
    worker.pending.clear();
    worker.leaving = false;
    for (auto& [job, attempt] :
         state_->queue.LiveAttempts(capabilities.name, capabilities.instance)) {
      worker.pending[attempt] = {.job = job};
    }
  }
  // The newest is the one that the worker can use: a network that flaps leaves the others behind.
  while (worker.open.size() >= kSessionsOfOneMax) worker.open.front()->End();
  worker.bytes = bytes;
  worker.info.capabilities = capabilities;
  worker.info.address = std::move(address);
  worker.info.connected = true;
  worker.info.last_seen = now;
  LogInfo("worker", "worker_registered",
          {{"worker", capabilities.name},
           {"address", worker.info.address},
           {"slots", capabilities.slots},
           {"proof_types", capabilities.verifying_keys.size()}});
  return std::make_shared<HubSession>(state_, capabilities, local);
}

std::vector<Hub::WorkerInfo> Hub::Workers() const {
  std::vector<WorkerInfo> workers;
  const absl::Time now = state_->clock.Now();
  for (const auto& [name, worker] : state_->workers) {
    workers.push_back(worker.info);
    // A machine without power does not close its connection.
    const absl::Duration silent = now - worker.info.last_seen;
    if (silent > state_->queue.GetPolicy().heartbeat_timeout) workers.back().connected = false;
  }
  return workers;
}

async::Task<absl::StatusOr<std::shared_ptr<Session>>> LocalManager::Connect(
    Capabilities capabilities) {
  co_return hub_.Register(std::move(capabilities), "in this process", /*local=*/true);
}

}  // namespace damocles::worker
