// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Many reads at a time of places that may not answer.
//
// Each place is first asked a few times only; when one of these reads has come back the others
// follow.  So a dead mount costs a few threads, and the places that live have theirs.

#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "damocles/base/mutex.h"

namespace damocles::storage {

// What all reads of a process, or of a part of it, share: how many threads read, and which places
// have fallen silent.  A thread that reads from a dead network mount cannot be stopped, only left
// behind.  So there is a most for all together, and a place that owes answers is hardly asked any
// more.
//
// Safe to call from several threads; owned by all of them.
class Readers {
 public:
  // Enough for two checks at the usual ParallelCheckLimit; a thread costs little while it waits.
  static constexpr std::size_t kThreadsMax = 256;
  // A place that owes so many answers, and gave none since, is not answering.
  static constexpr std::size_t kOwedMax = 8;
  // It is asked once more after this time: a mount may have come back under the same name.
  static constexpr std::chrono::minutes kAskAgain{5};

  using Clock = std::chrono::steady_clock;
  // Starts a thread that runs `work` and is never joined.  False if the system has none to give.
  using Spawn = std::function<bool(std::function<void()> work)>;
  static bool SpawnDetached(std::function<void()> work);

  explicit Readers(Spawn spawn = SpawnDetached) : spawn_(std::move(spawn)) {}

  // Runs `work` on a thread of its own, which counts until `work` returns.  False if there are
  // kThreadsMax, or the system gives none.  `self` keeps the count alive as long as the thread.
  static bool Start(const std::shared_ptr<Readers>& self, std::function<void()> work);

  // Whether a place may be asked.  Where it owes kOwedMax answers true only once in kAskAgain.
  bool MayAsk(const std::string& place, Clock::time_point now);
  // A read has had its time and was left behind.
  void GaveUp(const std::string& place, Clock::time_point now);
  // Any answer, also a late one: the place is alive.
  void Answered(const std::string& place);
  std::size_t Owed(const std::string& place) const;

 private:
  struct Silence {
    std::size_t owed = 0;
    Clock::time_point asked_at;
  };
  const Spawn spawn_;
  mutable Mutex mutex_;
  std::size_t threads_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, Silence> silent_ ABSL_GUARDED_BY(mutex_);
};

struct Read {
  std::string place;  // where it hangs when it hangs
  // May never return, and may be running when all others have gone: owns what it uses.
  std::function<absl::Status()> read;
};

struct ReadLimits {
  std::size_t parallel = 0;  // 0: as many as there are threads
  // A read that takes longer is given up; zero: no limit.
  absl::Duration single = absl::ZeroDuration();
  // Reads whose turn has not come by then have none; zero: no limit.
  absl::Duration total = absl::ZeroDuration();
};

enum class ReadEnd {
  kReturned,
  kSilent,  // given up: it had its time, or its place does not answer
  kNoTurn,  // there was no time, or no thread, for it
};

struct ReadResult {
  ReadEnd end = ReadEnd::kNoTurn;
  absl::Status status;  // if it returned
  std::string reason;   // otherwise
};

// One result a read, in the same order.  Blocks, at most about `limits.total`.  A place of which
// the first reads are silent is not answering: its others are not begun.  Told to stop, it returns
// at once: what has not been read has no turn.
std::vector<ReadResult> ReadMany(std::shared_ptr<Readers> readers, std::vector<Read> reads,
                                 const ReadLimits& limits, const std::stop_token& stop = {});

}  // namespace damocles::storage
