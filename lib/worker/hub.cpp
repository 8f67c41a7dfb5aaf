// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/worker/hub.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/log.h"
#include "damocles/base/status.h"

namespace damocles::worker {

struct Hub::State {
  job::Queue& queue;
  std::shared_ptr<prover::WindowVerifier> verifier;
  async::Executor& executor;
  kj::Timer& timer;
  const Clock& clock;
  std::map<filecoin::PoStProofType, std::string> own_keys;
  std::map<std::string, WorkerInfo> workers;
  std::map<std::string, int> sessions;  // open ones, by worker name
  bool practice_allowed = false;
  kj::ForkedPromise<void> available = nullptr;
  kj::Own<kj::PromiseFulfiller<void>> available_fulfiller;

  void Rearm() {
    auto pair = kj::newPromiseAndFulfiller<void>();
    available = pair.promise.fork();
    available_fulfiller = kj::mv(pair.fulfiller);
  }
  // Wakes every session that waits for work; who comes late finds nothing and waits on.
  void WakeAll() {
    auto fulfiller = kj::mv(available_fulfiller);
    Rearm();
    fulfiller->fulfill();
  }
  // kj::Own's destructor may throw, a shared_ptr's deleter may not.
  ~State() noexcept {}  // NOLINT(modernize-use-equals-default)
};

class Hub::HubSession final : public Session {
 public:
  HubSession(std::shared_ptr<State> state, Capabilities capabilities, bool all_stores)
      : state_(std::move(state)),
        name_(capabilities.name),
        offer_{.name = capabilities.name,
               .miners = std::move(capabilities.miners),
               .proof_types = std::move(capabilities.proof_types),
               .stores = std::move(capabilities.stores),
               .all_stores = all_stores} {
    ++state_->sessions[name_];
  }

  ~HubSession() override {
    WorkerInfo& info = state_->workers[name_];
    if (--state_->sessions[name_] > 0) return;
    info.connected = false;
    LogInfo("worker", "worker_disconnected", {{"worker", name_}});
  }

  async::Task<absl::StatusOr<std::optional<job::Assignment>>> Allocate(
      absl::Duration wait) override {
    Seen();
    const absl::Time until = state_->clock.Now() + wait;
    while (true) {
      // Taken before the look at the queue, so that nothing falls between look and wait.
      kj::Promise<void> news = state_->available.addBranch();
      auto assignment = state_->queue.Allocate(offer_);
      if (!assignment.ok() || assignment->has_value()) co_return assignment;
      const absl::Duration left = until - state_->clock.Now();
      if (left <= absl::ZeroDuration()) co_return std::nullopt;
      co_await news.exclusiveJoin(
          state_->timer.afterDelay(absl::ToInt64Microseconds(left) * kj::MICROSECONDS));
    }
  }

  async::Task<absl::StatusOr<std::vector<bool>>> Heartbeat(
      std::vector<AttemptId> attempts) override {
    Seen();
    state_->workers[name_].running = attempts;
    std::vector<bool> go_on;
    for (const AttemptId& attempt : attempts) {
      DAMOCLES_CO_ASSIGN_OR_RETURN(const job::HeartbeatReply reply,
                                   state_->queue.Heartbeat(attempt.job, attempt.attempt, name_));
      go_on.push_back(reply == job::HeartbeatReply::kContinue);
    }
    co_return go_on;
  }

  async::Task<absl::StatusOr<bool>> Finish(AttemptId attempt, Bytes proof) override {
    Seen();
    const std::shared_ptr<State> state = state_;  // this session may end while we verify
    const std::string name = name_;
    auto record = state->queue.Get(attempt.job);
    if (absl::IsNotFound(record.status())) co_return false;
    if (!record.ok()) co_return record.status();
    if (record->state == job::JobState::kSucceeded) co_return false;
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
    std::string why;
    if (valid.ok() && *valid) {
      DAMOCLES_CO_ASSIGN_OR_RETURN(
          const job::Verdict verdict,
          state->queue.FinishProven(attempt.job, attempt.attempt, name, std::move(proof)));
      co_return verdict == job::Verdict::kAccepted;
    }
    if (valid.ok()) {
      why = "the proof does not verify";
    } else if (absl::IsInvalidArgument(valid.status())) {
      why = absl::StrFormat("the proof is malformed: %s", std::string(valid.status().message()));
    } else {
      // Not the proof's fault (no verifying key here, say): the worker keeps it.
      LogError("worker", "cannot_verify",
               {{"job", attempt.job.ToString()}, {"error", valid.status()}});
      co_return valid.status();
    }
    LogError("worker", "wrong_proof_refused",
             {{"worker", name}, {"job", attempt.job.ToString()}, {"reason", why}});
    DAMOCLES_CO_RETURN_IF_ERROR(
        state->queue.Fail(attempt.job, attempt.attempt, name, why, job::FailureKind::kWrongProof)
            .status());
    co_return false;
  }

  async::Task<absl::Status> ReportFaults(AttemptId attempt,
                                         std::vector<job::SectorFault> faults) override {
    Seen();
    co_return ForgetUnknown(
        state_->queue.FinishFaults(attempt.job, attempt.attempt, name_, std::move(faults))
            .status());
  }

  async::Task<absl::Status> Fail(AttemptId attempt, job::FailureKind kind,
                                 std::string reason) override {
    Seen();
    co_return ForgetUnknown(
        state_->queue.Fail(attempt.job, attempt.attempt, name_, reason, kind).status());
  }

 private:
  void Seen() { state_->workers[name_].last_seen = state_->clock.Now(); }

  // Of a job that was removed nobody needs to hear.
  static absl::Status ForgetUnknown(const absl::Status& status) {
    return absl::IsNotFound(status) ? absl::OkStatus() : status;
  }

  const std::shared_ptr<State> state_;
  const std::string name_;
  const job::WorkerOffer offer_;
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
                       .sessions = {},
                       .practice_allowed = false,
                       .available = nullptr,
                       .available_fulfiller = {}}) {
  state_->Rearm();
  queue.OnAvailable([state = std::weak_ptr<State>(state_)] {
    if (const auto alive = state.lock()) alive->WakeAll();
  });
}

Hub::~Hub() noexcept = default;

void Hub::AllowPracticeKeys(bool allowed) {
  state_->practice_allowed = allowed;
}

absl::StatusOr<std::shared_ptr<Session>> Hub::Register(Capabilities capabilities,
                                                       std::string address, bool all_stores) {
  if (capabilities.name.empty()) {
    return absl::InvalidArgumentError("a worker needs a name: set [worker] name");
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
  WorkerInfo& info = state_->workers[capabilities.name];
  if (info.capabilities.instance != capabilities.instance) {
    // A new process has nothing in work; a new connection of the old one goes on where it was.
    DAMOCLES_RETURN_IF_ERROR(state_->queue.WorkerStarted(capabilities.name));
  }
  info.capabilities = capabilities;
  info.address = std::move(address);
  info.connected = true;
  info.last_seen = state_->clock.Now();
  LogInfo(
      "worker", "worker_registered",
      {{"worker", capabilities.name}, {"address", info.address}, {"slots", capabilities.slots}});
  return std::make_shared<HubSession>(state_, std::move(capabilities), all_stores);
}

std::vector<Hub::WorkerInfo> Hub::Workers() const {
  std::vector<WorkerInfo> workers;
  for (const auto& [name, info] : state_->workers) workers.push_back(info);
  return workers;
}

async::Task<absl::StatusOr<std::shared_ptr<Session>>> LocalManager::Connect(
    Capabilities capabilities) {
  co_return hub_.Register(std::move(capabilities), "in this process", /*all_stores=*/true);
}

}  // namespace damocles::worker
