// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/timer.h>

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace damocles::rpc {

// Lines in the log that strangers cause: a few a minute for each of them, and some for all
// together.  Whoever reads the log must still find what else is in it, and room on the disk.
class LogBudget {
 public:
  static constexpr std::size_t kOfOneMax = 5;
  static constexpr std::size_t kOfAllMax = 60;
  static constexpr kj::Duration kPeriod = 1 * kj::MINUTES;

  // Whether a line about `whom` may be written now; and if so, how many of its lines were not
  // since the last.
  std::optional<std::size_t> Ask(const std::string& whom, kj::TimePoint now) {
    if (now - all_.since >= kPeriod || !begun_) {
      begun_ = true;
      all_ = {.since = now};
      // Nobody keeps what was left out by who does not come again.
      std::erase_if(ones_,
                    [now](const auto& one) { return now - one.second.since >= 2 * kPeriod; });
    }
    if (ones_.size() >= kKnownMax && !ones_.contains(whom)) {
      ++all_.left_out;
      return std::nullopt;
    }
    const auto [at, is_new] = ones_.try_emplace(whom, Count{.since = now});
    Count& one = at->second;
    if (now - one.since >= kPeriod) one = {.since = now, .lines = 0, .left_out = one.left_out};
    if (one.lines >= kOfOneMax || all_.lines >= kOfAllMax) {
      ++one.left_out;
      return std::nullopt;
    }
    ++one.lines;
    ++all_.lines;
    return std::exchange(one.left_out, 0);
  }

 private:
  static constexpr std::size_t kKnownMax = 1024;
  struct Count {
    kj::TimePoint since = kj::origin<kj::TimePoint>();
    std::size_t lines = 0;
    std::size_t left_out = 0;
  };
  bool begun_ = false;
  Count all_;
  std::map<std::string, Count> ones_;
};

}  // namespace damocles::rpc
