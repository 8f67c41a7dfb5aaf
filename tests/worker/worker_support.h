// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

#include "damocles/async/offload.h"
#include "damocles/base/bytes.h"
#include "damocles/hash/sha256.h"
#include "damocles/prover/window_prover.h"
#include "damocles/worker/session.h"

namespace damocles::worker {

// A "proof": a hash over what it claims, as long as a real one would be.
inline Bytes HashProof(filecoin::PoStProofType type, filecoin::ActorId miner,
                       const Bytes32& randomness,
                       const std::vector<post::SectorCommitment>& sectors) {
  Bytes claim;
  AppendLe64(claim, miner);
  Append(claim, randomness);
  for (const post::SectorCommitment& sector : sectors) {
    AppendLe64(claim, sector.number);
    Append(claim, sector.comm_r);
  }
  const Bytes32 digest = hash::Sha256Of(claim);
  Bytes proof;
  const std::uint64_t want = filecoin::WindowProofPartitions(type, sectors.size()).ProofBytes();
  while (proof.size() < want) Append(proof, digest);
  return proof;
}

// Set what it should do before the work starts.
class FakeProver final : public prover::WindowProver {
 public:
  absl::StatusOr<prover::WindowPostOutcome> Prove(const prover::WindowPostTask& task,
                                                  const std::stop_token& stop) override {
    ++calls;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      last_task_ = task;
    }
    if (stop.stop_requested() && !ignores_cancel) {
      ++cancels;
      return absl::CancelledError("nobody needs it");
    }
    if (!error.ok()) return error;
    if (!faults.empty()) return prover::WindowPostOutcome{.proof = {}, .faults = faults};
    std::vector<post::SectorCommitment> sectors;
    for (const auto& sector : task.sectors) sectors.push_back({sector.number, sector.comm_r});
    Bytes proof = HashProof(task.proof_type, task.miner, task.randomness, sectors);
    if (wrong) proof[0] ^= 1;
    if (too_long) proof.resize(2 * proof.size());
    return prover::WindowPostOutcome{.proof = std::move(proof), .faults = {}};
  }

  prover::WindowPostTask LastTask() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return last_task_;
  }

  std::atomic<int> calls = 0;
  std::atomic<int> cancels = 0;
  absl::Status error;
  std::vector<prover::UnprovableSector> faults;
  bool wrong = false;
  bool too_long = false;
  bool ignores_cancel = false;  // it had just finished

 private:
  mutable std::mutex mutex_;
  prover::WindowPostTask last_task_{};
};

class FakeVerifier final : public prover::WindowVerifier {
 public:
  absl::StatusOr<bool> Verify(const prover::WindowPostStatement& statement,
                              ByteSpan proof) override {
    if (!error.ok()) return error;
    const Bytes wanted =
        HashProof(statement.proof_type, statement.miner, statement.randomness, statement.sectors);
    const bool right = believes_all || wanted == Bytes(proof.begin(), proof.end());
    ++(right ? accepted : refused);
    return right;
  }
  absl::StatusOr<std::string> VkDigest(filecoin::PoStProofType /*proof_type*/) override {
    return std::string(64, 'a');
  }

  std::atomic<int> accepted = 0;
  std::atomic<int> refused = 0;
  absl::Status error;
  bool believes_all = false;
};

// Inline, but only when told to: so a test can look at the world while a proof is in work.
class HeldExecutor final : public async::Executor {
 public:
  void Run(absl::AnyInvocable<void() &&> job) override {
    if (hold) {
      held_.push_back(std::move(job));
    } else {
      std::move(job)();
    }
  }
  std::size_t Held() const { return held_.size(); }
  void Release() {
    hold = false;
    while (!held_.empty()) {
      auto job = std::move(held_.front());
      held_.pop_front();
      std::move(job)();
    }
  }

  bool hold = false;

 private:
  std::deque<absl::AnyInvocable<void() &&>> held_;
};

// Hands everything on to another manager while `*up`; else every call is UNAVAILABLE.
class BreakableManager final : public Manager {
 public:
  BreakableManager(std::unique_ptr<Manager> manager, std::shared_ptr<bool> up)
      : manager_(std::move(manager)), up_(std::move(up)) {}
  const std::string& Name() const override { return manager_->Name(); }
  async::Task<absl::StatusOr<std::shared_ptr<Session>>> Connect(
      Capabilities capabilities) override {
    if (!*up_) co_return Down();
    auto session = co_await manager_->Connect(std::move(capabilities));
    if (!session.ok()) co_return session.status();
    co_return std::shared_ptr<Session>(std::make_shared<BreakableSession>(*session, up_));
  }

 private:
  static absl::Status Down() { return absl::UnavailableError("the manager is away"); }

  class BreakableSession final : public Session {
   public:
    BreakableSession(std::shared_ptr<Session> session, std::shared_ptr<bool> up)
        : session_(std::move(session)), up_(std::move(up)) {}
    async::Task<absl::StatusOr<std::optional<job::Assignment>>> Allocate(
        absl::Duration wait) override {
      if (!*up_) co_return Down();
      co_return co_await session_->Allocate(wait);
    }
    async::Task<absl::StatusOr<std::vector<bool>>> Heartbeat(std::vector<AttemptId> attempts,
                                                             bool leaving) override {
      if (!*up_) co_return Down();
      co_return co_await session_->Heartbeat(std::move(attempts), leaving);
    }
    void NoteClock(absl::Duration ahead) override { session_->NoteClock(ahead); }
    absl::Duration HeartbeatInterval() const override { return session_->HeartbeatInterval(); }
    async::Task<absl::StatusOr<Receipt>> Finish(AttemptId attempt, Bytes proof) override {
      if (!*up_) co_return Down();
      co_return co_await session_->Finish(std::move(attempt), std::move(proof));
    }
    async::Task<absl::Status> ReportFaults(AttemptId attempt,
                                           std::vector<job::SectorFault> faults) override {
      if (!*up_) co_return Down();
      co_return co_await session_->ReportFaults(std::move(attempt), std::move(faults));
    }
    async::Task<absl::Status> Fail(AttemptId attempt, job::FailureKind kind,
                                   std::string reason) override {
      if (!*up_) co_return Down();
      co_return co_await session_->Fail(std::move(attempt), kind, std::move(reason));
    }

   private:
    const std::shared_ptr<Session> session_;
    const std::shared_ptr<bool> up_;
  };

  const std::unique_ptr<Manager> manager_;
  const std::shared_ptr<bool> up_;
};

}  // namespace damocles::worker
