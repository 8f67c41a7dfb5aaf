// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async-io.h>
#include <kj/timer.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/async/task.h"
#include "damocles/base/clock.h"
#include "damocles/rpc/types.h"

namespace damocles::rpc {

struct ClientOptions {
  std::string address;  // "host:port"
  std::string token;    // may be empty: what the manager grants on loopback
  absl::Duration connect_timeout = absl::Seconds(5);
  absl::Duration call_timeout = absl::Seconds(30);
  // A manager whose machine is gone is noticed within this time, also between two calls.
  absl::Duration silence_max = absl::Seconds(15);
  std::string software;  // for the manager's lists
  // The wall clock of this machine, compared with the manager's.
  const Clock* wall = &SystemClock();
};

// A manager, as a person or a script uses it.  Every call ends within the call timeout: UNAVAILABLE
// if the connection is lost or nobody answers, PERMISSION_DENIED if the role does not allow it.
class ManagerClient {
 public:
  static async::Task<absl::StatusOr<std::unique_ptr<ManagerClient>>> Connect(kj::Network& network,
                                                                             kj::Timer& timer,
                                                                             ClientOptions options);
  ~ManagerClient() noexcept;

  Role GetRole() const;

  async::Task<absl::StatusOr<std::vector<JobInfo>>> Jobs(bool all);
  async::Task<absl::StatusOr<std::vector<worker::Hub::WorkerInfo>>> Workers();
  async::Task<absl::StatusOr<std::vector<StoreInfo>>> Stores();
  async::Task<absl::StatusOr<FoundSector>> FindSector(filecoin::SectorId sector);
  async::Task<absl::StatusOr<std::vector<DeadlineSummary>>> Deadlines(DeadlineQuery query);
  async::Task<absl::StatusOr<std::vector<RecoverySummary>>> Recoveries(
      std::optional<filecoin::ActorId> miner);
  // Takes as long as the manager looks: not the call timeout but kCheckWithin is its limit.
  // UNIMPLEMENTED: the manager is too old for it.
  async::Task<absl::StatusOr<CheckReport>> Check();
  static constexpr absl::Duration kCheckWithin = absl::Minutes(3);

  // One status a job, in order.
  async::Task<absl::StatusOr<std::vector<absl::Status>>> ResetJobs(std::vector<std::string> ids);
  async::Task<absl::StatusOr<std::vector<absl::Status>>> RemoveJobs(std::vector<std::string> ids);
  async::Task<absl::StatusOr<std::uint64_t>> RemoveAllJobs();
  // Not bounded by the call timeout but by `progress` going on: it fails when nothing was heard for
  // that long.
  async::Task<absl::StatusOr<AttachSummary>> Attach(
      std::string path, bool replace,
      std::function<void(std::uint64_t done, std::uint64_t total)> progress);

 private:
  struct State;
  explicit ManagerClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace damocles::rpc
