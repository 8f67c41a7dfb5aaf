// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Looks, at the start and every hour, at everything that a window will need, and says what is
// missing: once, and again when that changes.

#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/async/task.h"
#include "damocles/manager/gather.h"
#include "damocles/manager/judge.h"
#include "damocles/rpc/types.h"

namespace damocles::manager {

struct CheckIntervals {
  absl::Duration usual = absl::Hours(1);
  // While something is wrong, so that it is soon said that it is mended.
  absl::Duration with_findings = absl::Minutes(5);
  // After the first look, which is too early for the workers.
  absl::Duration first = absl::Seconds(15);
};

// One event loop.  Nothing waits for it, and it ends nothing.
class SelfCheck {
 public:
  // `gatherer` and `timer` outlive it.
  SelfCheck(Gatherer& gatherer, kj::Timer& timer, CheckLimits limits = {},
            CheckIntervals intervals = {});
  ~SelfCheck() noexcept;

  // For ever, whatever fails.
  async::Task<void> Run();

  // A look now, or the one that is under way.  INTERNAL if the check itself failed.
  async::Task<absl::StatusOr<rpc::CheckReport>> Look();
  // The same, but not before the workers have had time to connect.
  async::Task<absl::StatusOr<rpc::CheckReport>> LookAtAll();

 private:
  using Outcome = absl::StatusOr<rpc::CheckReport>;
  async::Task<Outcome> LookOnce();
  void Tell(const Facts& facts, const rpc::CheckReport& report);

  Gatherer& gatherer_;
  kj::Timer& timer_;
  const CheckLimits limits_;
  const CheckIntervals intervals_;
  std::vector<rpc::Finding> standing_;  // as they were told
  bool told_ = false;
  std::uint32_t network_told_ = kNewestKnownNetwork;
  std::shared_ptr<bool> looked_;  // the look below is over
  kj::ForkedPromise<Outcome> looking_ = nullptr;
};

}  // namespace damocles::manager
