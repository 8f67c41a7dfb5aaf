// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/simulation/crew.h"

#include <map>
#include <stop_token>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/simulation/late_executor.h"
#include "lib/simulation/wire.h"

#include "damocles/async/duration.h"
#include "damocles/base/check.h"
#include "damocles/base/scratch_folder.h"
#include "damocles/worker/agent.h"
#include "damocles/worker/hub.h"

namespace damocles::simulation {
namespace {

const std::string& CrewKey() {
  static const std::string key(64, 'a');
  return key;
}
std::map<filecoin::PoStProofType, std::string> CrewKeys() {
  return {{filecoin::PoStProofType::kWindow2KiBV1_1, CrewKey()},
          {filecoin::PoStProofType::kWindow32GiBV1_1, CrewKey()}};
}

}  // namespace

// The world's prover behind the interface of the real one.
class Crew::CrewProver final : public prover::WindowProver {
 public:
  explicit CrewProver(Prover& prover) : prover_(prover) {}
  absl::StatusOr<prover::WindowPostOutcome> Prove(const prover::WindowPostTask& task,
                                                  const std::stop_token& stop) override {
    if (stop.stop_requested()) return absl::CancelledError("nobody needs it");
    prover::WindowPostOutcome out;
    if (blind) {
      for (const prover::SectorToProve& sector : task.sectors) {
        out.faults.push_back(
            {sector.number, sector.sealed_path + ": no such file", prover::FaultKind::kMissing});
      }
      return out;
    }
    job::JobSpec spec;
    spec.proof_type = task.proof_type;
    spec.miner = task.miner;
    spec.randomness = task.randomness;
    for (const prover::SectorToProve& sector : task.sectors) {
      job::JobSector to;
      to.number = sector.number;
      to.comm_r = sector.comm_r;
      spec.sectors.push_back(std::move(to));
    }
    absl::StatusOr<Proved> proved = prover_.Prove(spec);
    if (!proved.ok()) return proved.status();
    out.proof = std::move(proved->proof);
    for (const job::SectorFault& fault : proved->faults) {
      out.faults.push_back({fault.number, fault.reason});
    }
    return out;
  }

  bool blind = false;

 private:
  Prover& prover_;
};

class Crew::CrewVerifier final : public prover::WindowVerifier {
 public:
  explicit CrewVerifier(Prover& prover) : prover_(prover) {}
  absl::StatusOr<bool> Verify(const prover::WindowPostStatement& statement,
                              ByteSpan proof) override {
    devnet::PostStatement claim;
    claim.proof_type = statement.proof_type;
    claim.miner = statement.miner;
    claim.randomness = filecoin::MaskForProver(statement.randomness);
    for (const post::SectorCommitment& sector : statement.sectors) {
      claim.sectors.push_back({sector.number, sector.comm_r});
    }
    return prover_.Verify(claim, proof);
  }
  absl::StatusOr<std::string> VkDigest(filecoin::PoStProofType /*type*/) override {
    return CrewKey();
  }

 private:
  Prover& prover_;
};

struct Crew::Member {
  Member(Prover& model, std::size_t number, const Clock& right)
      : name(absl::StrFormat("worker-%d", number)),
        clock(right),
        prover(std::make_shared<CrewProver>(model)),
        results(worker::ResultStore::Open(folder / "results").value()) {}

  const std::string name;
  SkewedClock clock;
  std::shared_ptr<Wire> wire = std::make_shared<Wire>();
  std::shared_ptr<CrewProver> prover;
  ScratchFolder folder;
  worker::ResultStore results;
  std::unique_ptr<LateExecutor> executor;
  std::unique_ptr<worker::Agent> agent;
  bool runs = false;
  kj::Promise<void> running = nullptr;
};

struct Crew::Manager {
  Manager(job::Queue& queue, Prover& prover, kj::Timer& timer, const Clock& clock)
      : verifying(timer, 100 * kj::MILLISECONDS),
        hub(queue, std::make_shared<CrewVerifier>(prover), verifying, timer, clock, CrewKeys()) {}
  LateExecutor verifying;
  worker::Hub hub;
};

// A worker's way to whatever manager lives.
class Crew::Door final : public worker::Manager {
 public:
  Door(Crew& crew, Member& member) : crew_(crew), member_(member) {}
  const std::string& Name() const override { return name_; }
  async::Task<absl::StatusOr<std::shared_ptr<worker::Session>>> Connect(
      worker::Capabilities capabilities) override {
    if (!member_.wire->up || crew_.manager_ == nullptr || !crew_.alive_()) {
      co_return WiredSession::Down();
    }
    auto session =
        crew_.manager_->hub.Register(std::move(capabilities), member_.name, crew_.options_.local);
    if (!session.ok()) co_return session.status();
    co_return std::shared_ptr<worker::Session>(
        std::make_shared<WiredSession>(*session, member_.wire));
  }

 private:
  Crew& crew_;
  Member& member_;
  const std::string name_ = "manager";
};

Crew::Crew(CrewOptions options, Prover& prover, kj::Timer& timer, const Clock& clock,
           const Clock& manager_clock, std::function<bool()> alive)
    : options_(options),
      prover_(prover),
      timer_(timer),
      clock_(clock),
      manager_clock_(manager_clock),
      alive_(std::move(alive)) {
  const std::size_t count = options_.local ? 1 : options_.workers;
  for (std::size_t i = 0; i < count; ++i) {
    members_.push_back(std::make_unique<Member>(prover_, i, clock_));
    members_.back()->wire->alive = alive_;
    if (!options_.local) StartWorker(i);
  }
}

Crew::~Crew() noexcept {
  for (std::size_t i = 0; i < members_.size(); ++i) KillWorker(i);
}

void Crew::ManagerStarted(job::Queue& queue) {
  manager_ = std::make_unique<Manager>(queue, prover_, timer_, manager_clock_);
  if (options_.local) StartWorker(0);
}

void Crew::ManagerDies() {
  if (options_.local) KillWorker(0);
  for (const auto& member : members_) member->wire->Cut();
  manager_ = nullptr;
}

void Crew::KillWorker(std::size_t worker) {
  Member& member = *members_[worker];
  member.running = nullptr;
  member.agent = nullptr;
  member.wire->Cut();
  member.executor = nullptr;
  member.runs = false;
}

void Crew::Drain(std::size_t worker) {
  if (members_[worker]->agent != nullptr) members_[worker]->agent->Drain();
}

bool Crew::Runs(std::size_t worker) const {
  return members_[worker]->runs;
}

void Crew::Cut(std::size_t worker) {
  members_[worker]->wire->Cut();
}

void Crew::SetWire(std::size_t worker, bool up) {
  members_[worker]->wire->up = up;
  if (!up) Cut(worker);
}

void Crew::SetSkew(std::size_t worker, absl::Duration ahead) {
  members_[worker]->clock.ahead = ahead;
}

void Crew::StartWorker(std::size_t worker) {
  KillWorker(worker);
  Member& member = *members_[worker];
  worker::AgentOptions options;
  options.capabilities.name = options_.local ? "local" : member.name;
  options.capabilities.stores = {"store"};
  options.capabilities.verifying_keys = CrewKeys();
  options.capabilities.instance = absl::StrFormat("%s-%d", member.name, ++instances_);
  options.stores = {{"store", member.folder / "store"}};
  member.executor = std::make_unique<LateExecutor>(timer_, async::ToKj(options_.proof_takes));
  std::vector<std::unique_ptr<worker::Manager>> managers;
  managers.push_back(std::make_unique<Door>(*this, member));
  member.agent =
      std::make_unique<worker::Agent>(std::move(options), member.prover, member.results,
                                      *member.executor, timer_, member.clock, std::move(managers));
  member.runs = true;
  member.running = member.agent->Run()
                       .then([&member] { member.runs = false; })
                       .eagerlyEvaluate([](kj::Exception&& exception) {
                         kj::throwFatalException(kj::mv(exception));
                       });
}

void Crew::SetBlind(const std::set<std::size_t>& workers) {
  for (std::size_t i = 0; i < members_.size(); ++i) {
    members_[i]->prover->blind = workers.contains(i);
  }
}

}  // namespace damocles::simulation
