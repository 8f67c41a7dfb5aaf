// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A queue of proof jobs in virtual time: a worker takes a job and falls silent, the next one gets
// it beside the first, for there is time to lose.  Half an hour passes in a millisecond, because
// the library never reads a clock of its own:
//
//   job_queue [MINUTES_TO_THE_CLOSE]      (default 30)

#include <charconv>
#include <iostream>
#include <string>
#include <string_view>

#include "damocles/base/clock.h"
#include "damocles/job/queue.h"
#include "damocles/store/store.h"

namespace job = damocles::job;

namespace {

int Fail(const absl::Status& status) {
  std::cerr << "job_queue: " << status.message() << "\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  int minutes = 30;
  if (argc > 1) {
    const std::string_view text = argv[1];
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), minutes);
    if (argc > 2 || error != std::errc() || end != text.data() + text.size() || minutes < 1) {
      std::cerr << "usage: job_queue [MINUTES_TO_THE_CLOSE]\n";
      return 2;
    }
  }
  damocles::SimClock clock(absl::FromUnixSeconds(1'700'000'000));
  // In memory; store::OpenLevelDb makes one that a restart finds again.
  const auto rows = damocles::store::OpenMemoryStore();
  const auto queue = job::Queue::Open(*rows, clock, job::Policy{});
  if (!queue.ok()) return Fail(queue.status());
  const damocles::Subscription changes = (*queue)->OnChange([&clock](const job::JobRecord& record) {
    std::cout << absl::FormatTime("%H:%M:%S", clock.Now(), absl::UTCTimeZone()) << " "
              << job::DescribeState(record);
    for (const job::Attempt& attempt : record.live) std::cout << " " << attempt.worker;
    std::cout << "\n";
  });

  job::JobSpec spec;
  spec.miner = 1000;
  spec.proof_type = damocles::filecoin::PoStProofType::kWindow32GiBV1_1;
  spec.open = damocles::filecoin::ChainEpoch(1000);
  spec.close = spec.open + damocles::filecoin::EpochDelta(60);
  spec.chain_partitions = {damocles::filecoin::ChainPartition(0)};
  spec.close_time = clock.Now() + absl::Minutes(minutes);
  spec.sectors.push_back({.number = 1, .sealed_store = "store", .cache_store = "store"});
  const auto made = (*queue)->Ensure(spec);
  if (!made.ok()) return Fail(made.status());

  for (const std::string worker : {"dies", "lives"}) {
    absl::StatusOr<std::optional<job::Assignment>> taken = std::optional<job::Assignment>();
    while (clock.Now() < spec.close_time && !taken->has_value()) {
      taken = (*queue)->Allocate({.name = worker, .stores = {"store"}});
      if (!taken.ok()) return Fail(taken.status());
      clock.Advance(job::Queue::kTickPeriod);
      if (const absl::Status ticked = (*queue)->Tick(); !ticked.ok()) return Fail(ticked);
    }
    if (!taken->has_value()) {
      std::cerr << "job_queue: the window closed before anybody could prove it\n";
      return 1;
    }
    if (worker == "dies") continue;  // no heartbeat of it ever comes
    damocles::Bytes proof(192);      // whoever takes a proof in has verified it
    const auto verdict = (*queue)->FinishProven((*taken)->id, (*taken)->attempt, worker, proof);
    if (!verdict.ok()) return Fail(verdict.status());
  }
  return 0;
}
