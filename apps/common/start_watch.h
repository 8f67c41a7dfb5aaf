// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Says what a program's start waits for: a file system that hangs makes no error, and whoever waits
// for the program must not have to guess.

#pragma once

#include <memory>
#include <string>

#include "absl/time/time.h"

namespace damocles::cli {

class StartWatch {
 public:
  // A step that takes longer than `patience` is named in the log, `component` in front, and again
  // after each `again`.
  explicit StartWatch(std::string component, absl::Duration patience = absl::Seconds(5),
                      absl::Duration again = absl::Minutes(1));
  StartWatch(const StartWatch&) = delete;
  StartWatch& operator=(const StartWatch&) = delete;
  ~StartWatch();

  // The next step begins: "the home folder /x".
  void WaitsFor(std::string what);
  // All steps are done.
  void Done();

 private:
  struct State;
  const std::string component_;
  const absl::Duration patience_;
  const std::shared_ptr<State> state_;  // shared with the thread that looks on
};

}  // namespace damocles::cli
