// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/worker/verify_turns.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"

namespace damocles::worker {
namespace {

constexpr std::size_t kWaitingOfOneMax = 8;
constexpr std::size_t kWaitingMax = 256;
// Proofs that are wrong and that nobody had asked this worker for.
constexpr int kStrikesMax = 3;
constexpr kj::Duration kPenalty = 10 * kj::MINUTES;
// Workers that are remembered; there are never so many.
constexpr std::size_t kRememberedMax = 4096;

}  // namespace

struct VerifyTurns::State : std::enable_shared_from_this<VerifyTurns::State> {
  struct Waiter {
    std::string worker;
    bool expected = false;
    kj::Own<kj::PromiseFulfiller<Turn>> turn;
  };
  struct Worker {
    std::uint64_t last_turn = 0;
    bool running = false;
    int strikes = 0;
    kj::TimePoint struck_until = kj::origin<kj::TimePoint>();
  };

  State(kj::Timer& its_timer, std::size_t at_once) : timer(its_timer), together(at_once) {
    DAMOCLES_DCHECK(together > 0);
  }
  ~State() noexcept {}  // NOLINT(modernize-use-equals-default): KJ's destructors may throw

  // The waiter of this kind whose worker has waited longest for a turn; none may have one.
  std::deque<Waiter>::iterator Next(bool expected) {
    auto best = waiting.end();
    for (auto at = waiting.begin(); at != waiting.end(); ++at) {
      if (at->expected != expected || workers[at->worker].running) continue;
      if (best == waiting.end() ||
          workers[at->worker].last_turn < workers[best->worker].last_turn) {
        best = at;
      }
    }
    return best;
  }

  void GiveOut() {
    std::erase_if(waiting, [](Waiter& waiter) { return !waiter.turn->isWaiting(); });
    while (running < together) {
      auto next = Next(true);
      if (next == waiting.end() && !unexpected_runs) next = Next(false);
      if (next == waiting.end()) return;
      Waiter waiter = std::move(*next);
      waiting.erase(next);
      waiter.turn->fulfill(Begin(waiter.worker, waiter.expected));
    }
  }

  Turn Begin(const std::string& name, bool expected) {
    ++running;
    if (!expected) unexpected_runs = true;
    workers[name].running = true;
    workers[name].last_turn = ++turns;
    return {nullptr, [self = shared_from_this(), name, expected](std::nullptr_t) {
              --self->running;
              if (!expected) self->unexpected_runs = false;
              self->workers[name].running = false;
              self->GiveOut();
            }};
  }

  kj::Timer& timer;
  const std::size_t together;
  std::deque<Waiter> waiting;
  std::map<std::string, Worker> workers;
  std::size_t running = 0;
  bool unexpected_runs = false;
  std::uint64_t turns = 0;
};

VerifyTurns::VerifyTurns(kj::Timer& timer, std::size_t together)
    : state_(std::make_shared<State>(timer, together)) {}

async::Task<absl::StatusOr<VerifyTurns::Turn>> VerifyTurns::Take(std::string worker,
                                                                 bool expected) {
  const std::shared_ptr<State> state = state_;
  if (state->workers.size() >= kRememberedMax) {
    std::erase_if(state->workers, [&](const auto& one) {
      return !one.second.running && one.second.struck_until <= state->timer.now();
    });
  }
  const State::Worker& known = state->workers[worker];
  if (!expected && state->timer.now() < known.struck_until) {
    co_return absl::ResourceExhaustedError(absl::StrFormat(
        "worker \"%s\" has delivered %d wrong proofs that it was not asked for: no other one is "
        "looked at for %d minutes; check its memory, and who has its token",
        worker, kStrikesMax, kPenalty / kj::MINUTES));
  }
  const auto waiting = static_cast<std::size_t>(std::ranges::count_if(
      state->waiting, [&](const auto& waiter) { return waiter.worker == worker; }));
  if (waiting >= kWaitingOfOneMax || (!expected && state->waiting.size() >= kWaitingMax)) {
    co_return absl::ResourceExhaustedError(absl::StrFormat(
        "%d proofs of worker \"%s\" wait to be verified: deliver this one later", waiting, worker));
  }
  auto pair = kj::newPromiseAndFulfiller<Turn>();
  state->waiting.push_back({worker, expected, kj::mv(pair.fulfiller)});
  state->GiveOut();
  co_return co_await kj::mv(pair.promise);
}

void VerifyTurns::Note(const std::string& worker, bool expected, bool right) {
  State::Worker& known = state_->workers[worker];
  if (right) {
    known.strikes = 0;
  } else if (!expected && ++known.strikes >= kStrikesMax) {
    known.strikes = 0;
    known.struck_until = state_->timer.now() + kPenalty;
  }
}

}  // namespace damocles::worker
