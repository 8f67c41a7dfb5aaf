// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Many reads at a time of stores that may not answer.
//
// Each store is first asked a few times only; when one of these reads has come back the others
// follow.  So a dead mount costs a few threads, and the stores that live have theirs.

#include "lib/sector/check.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/sector/files.h"

#include "damocles/base/log.h"
#include "damocles/base/status.h"

namespace damocles::sector {
namespace {

using Clock = Readers::Clock;

// Reads of a store before it has answered for the first time.  More than one, because a single
// sector may lie on the one spot of a disk that hangs.
constexpr std::size_t kFirstReads = 3;
// A read that is cut short by the end of the check counts as unanswered when it had this long.
constexpr std::chrono::seconds kFairTime{30};
// While the system gives no thread.
constexpr std::chrono::milliseconds kThreadPause{200};

Clock::duration ToChrono(absl::Duration duration) {
  return std::chrono::duration_cast<Clock::duration>(absl::ToChronoNanoseconds(duration));
}

std::string Seconds(Clock::duration duration) {
  return absl::FormatDuration(
      absl::Trunc(absl::FromChrono(duration) + absl::Microseconds(500), absl::Milliseconds(1)));
}

// Where a read hangs when it hangs: in one of the stores that it touches.
std::string StoresOf(const Location& location) {
  if (location.sealed_store == location.cache_store) return location.sealed_store;
  return location.sealed_store + " or " + location.cache_store;
}

class ManyReads : public std::enable_shared_from_this<ManyReads> {
 public:
  ManyReads(std::shared_ptr<Readers> readers, std::vector<SectorRead> reads,
            filecoin::SectorSize size, const CheckLimits& limits, StrictCheck strict)
      : readers_(std::move(readers)),
        reads_(std::move(reads)),
        size_(size),
        strict_(std::move(strict)),
        parallel_(limits.parallel == 0 ? Readers::kThreadsMax : limits.parallel),
        results_(reads_.size()) {
    const bool has_total = limits.total > absl::ZeroDuration();
    end_ = Clock::now() + ToChrono(has_total ? limits.total : absl::Hours(24 * 365));
    // The other half is for those whose turn a silent one has delayed.
    absl::Duration single = limits.single;
    if (single <= absl::ZeroDuration()) single = absl::InfiniteDuration();
    if (has_total) single = std::min(single, limits.total / 2);
    single_ = ToChrono(std::min(single, absl::Hours(24 * 365)));
    const MutexLock lock(mutex_);
    for (std::size_t i = 0; i < reads_.size(); ++i) {
      results_[i].number = reads_[i].sector.number;
      results_[i].reason = "time ran out before its turn";
      places_[StoresOf(reads_[i].files.location)].waiting.push_back(i);
    }
    open_ = reads_.size();
  }

  std::vector<SectorHealth> Run() {
    const MutexLock lock(mutex_);
    while (open_ > 0) {
      const auto now = Clock::now();
      if (now >= end_) break;
      GiveUpOnTheSlow(now);
      auto wake = StartThreads(now) ? end_ : std::min(end_, now + kThreadPause);
      for (const auto& [i, since] : reading_) wake = std::min(wake, since + single_);
      if (open_ > 0) changed_.WaitUntil(mutex_, wake);
    }
    stopped_ = true;
    const auto now = Clock::now();
    for (const auto& [i, since] : reading_) {
      if (now - since >= std::min<Clock::duration>(single_, kFairTime)) {
        Unanswered(i, now - since, now);
      } else {
        results_[i].reason = "time ran out while it was read";
      }
    }
    return results_;
  }

 private:
  struct Place {
    std::deque<std::size_t> waiting;
    std::size_t reading = 0;   // threads that are in it and not given up
    std::size_t given_up = 0;  // in this check
    bool answered = false;     // in this check
  };

  // The next read, if there is one that may begin.
  std::optional<std::size_t> Next(Clock::time_point now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    // The store with the fewest reads under way: one that is slow does not take all threads.
    std::vector<std::pair<const std::string*, Place*>> turn;
    for (auto& [name, place] : places_) {
      if (!place.waiting.empty()) turn.emplace_back(&name, &place);
    }
    std::stable_sort(turn.begin(), turn.end(), [](const auto& a, const auto& b) {
      return a.second->reading < b.second->reading;
    });
    for (const auto& [name, place] : turn) {
      const std::size_t first_reads = std::min(kFirstReads, parallel_);
      if (!place->answered && place->given_up >= first_reads) {
        Condemn(*name, *place, absl::StrFormat("has not answered within %s", Seconds(single_)));
        continue;
      }
      if (!place->answered && place->reading + place->given_up >= first_reads) continue;
      if (!readers_->MayAsk(*name, now)) {
        if (place->reading > 0) continue;  // its answer decides
        Condemn(*name, *place, absl::StrFormat("owes %d answers", readers_->Owed(*name)));
        continue;
      }
      const std::size_t next = place->waiting.front();
      place->waiting.pop_front();
      ++place->reading;
      reading_[next] = now;
      return next;
    }
    return std::nullopt;
  }

  void Condemn(const std::string& name, Place& place, const std::string& why)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    LogError("sector", "store_not_answering",
             {{"store", name}, {"why", why}, {"sectors", place.waiting.size()}});
    for (const std::size_t i : place.waiting) {
      results_[i].health = Health::kBad;
      results_[i].reason = absl::StrFormat("the file system of store %s %s", name, why);
      --open_;
    }
    place.waiting.clear();
  }

  void Unanswered(std::size_t i, Clock::duration waited, Clock::time_point now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    results_[i].health = Health::kBad;
    results_[i].reason =
        absl::StrFormat("the file system did not answer within %s", Seconds(waited));
    readers_->GaveUp(StoresOf(reads_[i].files.location), now);
  }

  void GiveUpOnTheSlow(Clock::time_point now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (auto at = reading_.begin(); at != reading_.end();) {
      if (at->second + single_ > now) {
        ++at;
        continue;
      }
      Unanswered(at->first, single_, now);
      Place& place = places_[StoresOf(reads_[at->first].files.location)];
      --place.reading;
      ++place.given_up;
      --open_;
      --threads_;  // it hangs: the others' turn must not
      at = reading_.erase(at);
    }
  }

  // False if there is work for a thread that could not be had.
  bool StartThreads(Clock::time_point now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    while (threads_ < parallel_) {
      const std::optional<std::size_t> first = Next(now);
      if (!first) return true;
      ++threads_;
      const auto work = [self = shared_from_this(), begin = *first] { self->Work(begin); };
      if (Readers::Start(readers_, work)) continue;
      --threads_;
      reading_.erase(*first);
      Place& place = places_[StoresOf(reads_[*first].files.location)];
      --place.reading;
      place.waiting.push_front(*first);
      if (!told_of_threads_) {
        LogError("sector", "no_check_thread",
                 {{"running", threads_}, {"most", Readers::kThreadsMax}});
      }
      told_of_threads_ = true;
      return false;
    }
    return true;
  }

  void Work(std::size_t mine) {
    while (true) {
      const SectorRead& read = reads_[mine];
      absl::Status status = CheckPaths(read.files, size_, read.strict_sealed, read.strict_cache);
      if (status.ok() && strict_) status = strict_(read.id, read.sector, read.files, size_);
      const std::string stores = StoresOf(read.files.location);
      readers_->Answered(stores);
      const MutexLock lock(mutex_);
      Place& place = places_[stores];
      place.answered = true;
      changed_.NotifyAll();
      if (reading_.erase(mine) == 0) return;  // given up: another thread has this one's place
      --place.reading;
      if (stopped_) return;
      results_[mine].health = status.ok() ? Health::kGood : Health::kBad;
      results_[mine].reason = std::string(status.message());
      --open_;
      const std::optional<std::size_t> next = Next(Clock::now());
      if (!next) {
        --threads_;
        return;
      }
      mine = *next;
    }
  }

  const std::shared_ptr<Readers> readers_;
  const std::vector<SectorRead> reads_;
  const filecoin::SectorSize size_;
  const StrictCheck strict_;
  const std::size_t parallel_;
  Clock::time_point end_;
  Clock::duration single_{};

  Mutex mutex_;
  CondVar changed_;
  std::vector<SectorHealth> results_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Place> places_ ABSL_GUARDED_BY(mutex_);
  std::map<std::size_t, Clock::time_point> reading_ ABSL_GUARDED_BY(mutex_);  // since when
  std::size_t open_ ABSL_GUARDED_BY(mutex_) = 0;                              // without a result
  std::size_t threads_ ABSL_GUARDED_BY(mutex_) = 0;  // ours, not counting those that hang
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool told_of_threads_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

absl::Status CheckPaths(const SectorFiles& files, filecoin::SectorSize size, bool strict_sealed,
                        bool strict_cache) {
  DAMOCLES_RETURN_IF_ERROR(CheckReplica(files.sealed_path, size, strict_sealed));
  return CheckCache(files.cache_dir, size, strict_cache);
}

std::vector<SectorHealth> ReadAll(std::shared_ptr<Readers> readers, std::vector<SectorRead> reads,
                                  filecoin::SectorSize size, const CheckLimits& limits,
                                  const StrictCheck& strict) {
  return std::make_shared<ManyReads>(std::move(readers), std::move(reads), size, limits, strict)
      ->Run();
}

}  // namespace damocles::sector
