// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/storage/many_reads.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/log.h"

namespace damocles::storage {
namespace {

using Clock = Readers::Clock;

// Reads of a place before it has answered for the first time.  More than one, because a single
// sector may lie on the one spot of a disk that hangs.
constexpr std::size_t kFirstReads = 3;
// A read that is cut short by the end of all counts as silent when it had this long.
constexpr std::chrono::seconds kFairTime{30};
// While the system gives no thread.
constexpr std::chrono::milliseconds kThreadPause{200};
constexpr absl::Duration kForEver = absl::Hours(24 * 365);

Clock::duration ToChrono(absl::Duration duration) {
  return std::chrono::duration_cast<Clock::duration>(absl::ToChronoNanoseconds(duration));
}

std::string InSeconds(Clock::duration duration) {
  return absl::FormatDuration(
      absl::Trunc(absl::FromChrono(duration) + absl::Microseconds(500), absl::Milliseconds(1)));
}

class ManyReads : public std::enable_shared_from_this<ManyReads> {
 public:
  ManyReads(std::shared_ptr<Readers> readers, std::vector<Read> reads, const ReadLimits& limits)
      : readers_(std::move(readers)),
        reads_(std::move(reads)),
        parallel_(limits.parallel == 0 ? Readers::kThreadsMax : limits.parallel),
        results_(reads_.size()) {
    const auto or_for_ever = [](absl::Duration limit) {
      return ToChrono(limit > absl::ZeroDuration() ? std::min(limit, kForEver) : kForEver);
    };
    end_ = Clock::now() + or_for_ever(limits.total);
    single_ = or_for_ever(limits.single);
    const MutexLock lock(mutex_);
    for (std::size_t i = 0; i < reads_.size(); ++i) {
      results_[i].reason = "time ran out before its turn";
      places_[reads_[i].place].waiting.push_back(i);
    }
    open_ = reads_.size();
  }

  std::vector<ReadResult> Run(const std::stop_token& stop) {
    const std::stop_callback wake_up(stop, [this] {
      const MutexLock lock(mutex_);
      changed_.NotifyAll();
    });
    const MutexLock lock(mutex_);
    while (open_ > 0) {
      const auto now = Clock::now();
      if (now >= end_ || stop.stop_requested()) break;
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
        Condemn(*name, *place, absl::StrFormat("has not answered within %s", InSeconds(single_)));
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
             {{"place", name}, {"why", why}, {"sectors", place.waiting.size()}});
    for (const std::size_t i : place.waiting) {
      results_[i].end = ReadEnd::kSilent;
      results_[i].reason = absl::StrFormat("the file system of %s %s", name, why);
      --open_;
    }
    place.waiting.clear();
  }

  void Unanswered(std::size_t i, Clock::duration waited, Clock::time_point now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    results_[i].end = ReadEnd::kSilent;
    results_[i].reason = absl::StrFormat("the file system of %s did not answer within %s",
                                         reads_[i].place, InSeconds(waited));
    readers_->GaveUp(reads_[i].place, now);
  }

  void GiveUpOnTheSlow(Clock::time_point now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (auto at = reading_.begin(); at != reading_.end();) {
      if (at->second + single_ > now) {
        ++at;
        continue;
      }
      Unanswered(at->first, single_, now);
      Place& place = places_[reads_[at->first].place];
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
      Place& place = places_[reads_[*first].place];
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
      const Read& read = reads_[mine];
      absl::Status status = read.read();
      readers_->Answered(read.place);
      const MutexLock lock(mutex_);
      Place& place = places_[read.place];
      place.answered = true;
      changed_.NotifyAll();
      if (reading_.erase(mine) == 0) return;  // given up: another thread has this one's place
      --place.reading;
      if (stopped_) return;
      results_[mine] = {ReadEnd::kReturned, std::move(status), ""};
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
  const std::vector<Read> reads_;
  const std::size_t parallel_;
  Clock::time_point end_;
  Clock::duration single_{};

  Mutex mutex_;
  CondVar changed_;
  std::vector<ReadResult> results_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Place> places_ ABSL_GUARDED_BY(mutex_);
  std::map<std::size_t, Clock::time_point> reading_ ABSL_GUARDED_BY(mutex_);  // since when
  std::size_t open_ ABSL_GUARDED_BY(mutex_) = 0;                              // without a result
  std::size_t threads_ ABSL_GUARDED_BY(mutex_) = 0;  // ours, not counting those that hang
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool told_of_threads_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

bool Readers::SpawnDetached(std::function<void()> work) {
  try {
    std::thread(std::move(work)).detach();
    return true;
  } catch (const std::system_error&) {  // the limit of processes, or no memory for a stack
    return false;
  }
}

bool Readers::Start(const std::shared_ptr<Readers>& self, std::function<void()> work) {
  {
    const MutexLock lock(self->mutex_);
    if (self->threads_ >= kThreadsMax) return false;
    ++self->threads_;
  }
  const bool started = self->spawn_([self, work = std::move(work)] {
    work();
    const MutexLock lock(self->mutex_);
    --self->threads_;
  });
  if (!started) {
    const MutexLock lock(self->mutex_);
    --self->threads_;
  }
  return started;
}

bool Readers::MayAsk(const std::string& place, Clock::time_point now) {
  const MutexLock lock(mutex_);
  const auto found = silent_.find(place);
  if (found == silent_.end() || found->second.owed < kOwedMax) return true;
  if (now - found->second.asked_at < kAskAgain) return false;
  found->second.asked_at = now;
  return true;
}

void Readers::GaveUp(const std::string& place, Clock::time_point now) {
  const MutexLock lock(mutex_);
  Silence& silence = silent_[place];
  if (++silence.owed <= kOwedMax) silence.asked_at = now;
}

void Readers::Answered(const std::string& place) {
  const MutexLock lock(mutex_);
  silent_.erase(place);
}

std::size_t Readers::Owed(const std::string& place) const {
  const MutexLock lock(mutex_);
  const auto found = silent_.find(place);
  return found == silent_.end() ? 0 : found->second.owed;
}

std::vector<ReadResult> ReadMany(std::shared_ptr<Readers> readers, std::vector<Read> reads,
                                 const ReadLimits& limits, const std::stop_token& stop) {
  return std::make_shared<ManyReads>(std::move(readers), std::move(reads), limits)->Run(stop);
}

}  // namespace damocles::storage
