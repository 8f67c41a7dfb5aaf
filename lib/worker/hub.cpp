// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/worker/hub.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "lib/worker/hub_session.h"
#include "lib/worker/roster.h"

#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/base/text.h"

namespace damocles::worker {
namespace {

// Whether what the worker says of itself fits this manager.
absl::Status CheckOffer(const HubState& state, const Capabilities& capabilities) {
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
    const auto own = state.own_keys.find(type);
    if (own == state.own_keys.end() || own->second == digest) continue;
    return absl::FailedPreconditionError(absl::StrFormat(
        "worker \"%s\" has other parameters for proof type %d than this manager: SHA-256 of its "
        ".vk is %s, of the manager's %s; give both the same parameter files",
        capabilities.name, static_cast<int>(type), digest, own->second));
  }
  if (!capabilities.practice_types.empty() && !state.practice_allowed) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "the parameters of worker \"%s\" for proof type %d are not the published ones, or were "
        "made "
        "from known secrets: whoever made them could forge proofs, so they are for a devnet only, "
        "and the chain is not known to be one; run damocles-prover params check on the worker",
        capabilities.name, static_cast<int>(capabilities.practice_types.front())));
  }
  return absl::OkStatus();
}

// Whether the name of `known`, null if it is new, may go to another process.
absl::Status CheckName(const HubState& state, const Roster::Worker* known,
                       const Capabilities& capabilities, const std::string& address) {
  if (known == nullptr || known->open.empty()) return absl::OkStatus();
  const Hub::WorkerInfo& other = known->info;
  const absl::Duration silent = state.clock.Now() - other.last_seen;
  if (silent <= state.queue.GetPolicy().heartbeat_timeout) {
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
  return absl::OkStatus();
}

}  // namespace

Hub::Hub(job::Queue& queue, std::shared_ptr<prover::WindowVerifier> verifier,
         async::Executor& executor, kj::Timer& timer, const Clock& clock,
         std::map<filecoin::PoStProofType, std::string> own_keys)
    : state_(std::make_shared<HubState>(queue, std::move(verifier), executor, timer, clock,
                                        std::move(own_keys))) {}

Hub::~Hub() noexcept = default;

void Hub::AllowPracticeKeys(bool allowed) {
  state_->practice_allowed = allowed;
}

absl::StatusOr<std::shared_ptr<Session>> Hub::Register(Capabilities capabilities,
                                                       std::string address, bool local) {
  DAMOCLES_RETURN_IF_ERROR(CheckOffer(*state_, capabilities));
  Roster& roster = state_->roster;
  const Roster::Worker* known = roster.Find(capabilities.name);
  const bool is_new =
      known == nullptr || known->info.capabilities.instance != capabilities.instance;
  if (is_new) DAMOCLES_RETURN_IF_ERROR(CheckName(*state_, known, capabilities, address));
  if (known != nullptr && known->shells >= kShellsOfOneMax) {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "worker \"%s\" holds %d sessions open here: who registers again and again must end the old "
        "ones",
        capabilities.name, known->open.size() + known->shells));
  }
  DAMOCLES_RETURN_IF_ERROR(roster.MakeRoomFor(capabilities));
  if (is_new || known->info.capabilities != capabilities) {
    // What other processes had in work is gone; this one may reach what it could not.
    DAMOCLES_RETURN_IF_ERROR(state_->queue.WorkerStarted(capabilities.name, capabilities.instance));
  }
  Roster::Worker& worker = roster.Enter(capabilities);
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
  worker.info.address = std::move(address);
  worker.info.connected = true;
  worker.info.last_seen = state_->clock.Now();
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
  for (const auto& [name, worker] : state_->roster.All()) {
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
