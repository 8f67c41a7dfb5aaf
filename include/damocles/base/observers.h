// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Whoever wants to hear of something, and how long.
//
//   observers: Observers<JobRecord> changed_;
//   who hears: subscription_ = queue.OnChange([this](const JobRecord& job) { ... });
//   who tells: changed_.Tell(record);
//
// Here and not in `async`, because nothing waits: an observer is called from Tell.  One thread.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace damocles {

// As long as it is held the observer is told.  Either may go first: it, or what it observes.
class [[nodiscard]] Subscription {
 public:
  Subscription() = default;
  explicit Subscription(std::shared_ptr<void> held) : held_(std::move(held)) {}
  Subscription(Subscription&&) = default;
  Subscription& operator=(Subscription&&) = default;
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

 private:
  std::shared_ptr<void> held_;
};

template <typename... Args>
class Observers {
 public:
  using Observer = std::function<void(const Args&...)>;

  Observers() = default;
  Observers(const Observers&) = delete;
  Observers& operator=(const Observers&) = delete;

  Subscription Add(Observer observer) {
    const std::uint64_t number = state_->next++;
    state_->observers.emplace(number, std::make_shared<const Observer>(std::move(observer)));
    return Subscription(
        std::shared_ptr<void>(nullptr, [state = std::weak_ptr<State>(state_), number](void*) {
          if (const auto alive = state.lock()) alive->observers.erase(number);
        }));
  }

  // In the order of adding.  An observer may add others, which are told from the next time on, and
  // end any subscription, its own too: who is ended is not told any more.
  void Tell(const Args&... args) const {
    const std::shared_ptr<State> state = state_;
    std::vector<std::uint64_t> numbers;
    numbers.reserve(state->observers.size());
    for (const auto& [number, observer] : state->observers) numbers.push_back(number);
    for (const std::uint64_t number : numbers) {
      const auto found = state->observers.find(number);
      if (found == state->observers.end()) continue;
      const std::shared_ptr<const Observer> observer = found->second;  // while it runs
      (*observer)(args...);
    }
  }

 private:
  struct State {
    std::uint64_t next = 0;
    std::map<std::uint64_t, std::shared_ptr<const Observer>> observers;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace damocles
