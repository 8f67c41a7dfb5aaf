// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"

#include "damocles/async/offload.h"

namespace damocles::child {

// One thread that starts processes, one after the other: the kernel kills them when it ends, and a
// program in a file system that hangs holds up nobody else's thread.  A job that hangs is left
// behind with the thread.
class Spawner final : public async::Executor {
 public:
  Spawner();
  ~Spawner() override;
  void Run(absl::AnyInvocable<void() &&> job) override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace damocles::child
