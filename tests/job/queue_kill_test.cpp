// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A manager process that is killed with SIGKILL at random instants.  The child tells through a pipe
// what the queue has answered; whatever was told must be there afterwards.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "tests/job/job_support.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/random.h"
#include "damocles/job/queue.h"
#include "damocles/store/store.h"

namespace damocles::job {
namespace {

using testing_support::TempDir;

// What the child has been promised, one fixed-size message each.
struct Told {
  enum What : std::uint8_t { kCreated, kAllocated, kProven, kRemoving } what;
  std::uint8_t proof;
  char id[JobId::kLength];
  std::uint64_t attempt;
};

void Tell(int pipe, Told::What what, const JobId& id, std::uint64_t attempt = 0,
          std::uint8_t proof = 0) {
  Told told{};
  told.what = what;
  told.proof = proof;
  std::memcpy(told.id, id.ToString().data(), JobId::kLength);
  told.attempt = attempt;
  // One write of less than PIPE_BUF: whole or not at all.
  if (write(pipe, &told, sizeof(told)) != static_cast<ssize_t>(sizeof(told))) _exit(3);
}

// Works on the queue until killed.
[[noreturn]] void LiveAndDie(const std::string& path, std::uint64_t seed, int pipe) {
  SeededRandom random(seed);
  SimClock clock(kStart);
  auto store = store::OpenLevelDb(path);
  if (!store.ok()) _exit(1);
  auto queue = Queue::Open(**store, clock, Policy{});
  if (!queue.ok()) _exit(2);
  std::map<JobId, Assignment> held;
  for (std::uint64_t i = 0;; ++i) {
    clock.Advance(absl::Milliseconds(100));
    const auto record = (*queue)->Ensure(MakeSpec(seed * 1000 + i, absl::Hours(9)));
    if (!record.ok()) _exit(4);
    Tell(pipe, Told::kCreated, record->id);
    const auto assignment = (*queue)->Allocate(MakeOffer("w"));
    if (!assignment.ok()) _exit(5);
    if (assignment->has_value()) {
      Tell(pipe, Told::kAllocated, (*assignment)->id, (*assignment)->attempt);
      held[(*assignment)->id] = **assignment;
    }
    if (!held.empty() && random.Below(2) == 0) {
      const Assignment mine = held.begin()->second;
      held.erase(held.begin());
      const auto proof = static_cast<std::uint8_t>(1 + random.Below(255));
      if (!(*queue)->FinishProven(mine.id, mine.attempt, "w", MakeProof(proof)).ok()) _exit(6);
      Tell(pipe, Told::kProven, mine.id, mine.attempt, proof);
    }
    if (random.Below(8) == 0) {
      Tell(pipe, Told::kRemoving, record->id);
      held.erase(record->id);
      if (!(*queue)->Remove(record->id).ok()) _exit(7);
    }
    if (!(*queue)->Tick().ok()) _exit(8);
  }
}

TEST(QueueKillTest, NothingThatWasPromisedIsLost) {
  TempDir dir;
  SeededRandom random(7);
  std::set<JobId> created;
  std::map<JobId, std::uint8_t> proofs;
  std::uint64_t highest_attempt = 0;
  for (std::uint64_t round = 1; round <= 25; ++round) {
    SCOPED_TRACE(round);
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(pipe_ends[0]);
      LiveAndDie(dir / "db", round, pipe_ends[1]);
    }
    close(pipe_ends[1]);
    // After so many answers, and then at any instant: counted, so that a busy machine kills no less
    // far into the work.
    const std::uint64_t kill_after = random.Below(60);
    std::uint64_t answers = 0;
    if (kill_after == 0) kill(child, SIGKILL);
    Told told;
    while (read(pipe_ends[0], &told, sizeof(told)) == static_cast<ssize_t>(sizeof(told))) {
      if (++answers == kill_after) {
        std::this_thread::sleep_for(std::chrono::microseconds(random.Below(3000)));
        kill(child, SIGKILL);
      }
      ASSERT_OK_AND_ASSIGN(const JobId id, JobId::Parse(std::string_view(told.id, JobId::kLength)));
      switch (told.what) {
        case Told::kCreated:
          created.insert(id);
          break;
        case Told::kAllocated:
          EXPECT_GT(told.attempt, highest_attempt) << "attempt number given twice";
          highest_attempt = told.attempt;
          break;
        case Told::kProven:
          proofs[id] = told.proof;
          break;
        case Told::kRemoving:
          created.erase(id);
          proofs.erase(id);
          break;
      }
    }
    close(pipe_ends[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself with " << WEXITSTATUS(status);

    SimClock clock(kStart);
    ASSERT_OK_AND_ASSIGN(auto store, store::OpenLevelDb(dir / "db"));
    ASSERT_OK_AND_ASSIGN(auto queue, Queue::Open(*store, clock, Policy{}));
    for (const JobId& id : created) EXPECT_OK(queue->Get(id));
    for (const auto& [id, proof] : proofs) {
      ASSERT_OK_AND_ASSIGN(const JobRecord record, queue->Get(id));
      EXPECT_EQ(record.state, JobState::kSucceeded);
      EXPECT_EQ(record.proof, MakeProof(proof));
    }
    ASSERT_OK_AND_ASSIGN(auto damaged, store::List(*store, "job/damaged/"));
    EXPECT_TRUE(damaged.empty());
  }
  EXPECT_GT(created.size(), 100u) << "the children did not come to work";
  EXPECT_GT(proofs.size(), 20u);
}

}  // namespace
}  // namespace damocles::job
