// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/poster/sector_source.h"

namespace damocles::poster {
namespace {

// Runs off the loop.  UNAVAILABLE: the index itself did not answer, which says nothing about the
// sectors.
absl::StatusOr<std::vector<SectorVerdict>> CheckNow(const sector::Tracker& tracker,
                                                    const SectorCheckOptions& options,
                                                    filecoin::ActorId miner,
                                                    filecoin::PoStProofType proof_type,
                                                    const std::vector<PlannedSector>& sectors,
                                                    absl::Duration budget) {
  std::vector<SectorVerdict> verdicts;
  std::vector<sector::ProvableSector> located;
  std::vector<std::size_t> verdict_of;
  for (const PlannedSector& planned : sectors) {
    SectorVerdict verdict;
    verdict.number = planned.number;
    const absl::StatusOr<sector::Location> location =
        tracker.Locate({miner, planned.number}, planned.upgraded);
    if (location.ok()) {
      verdict.sealed_store = location->sealed_store;
      verdict.cache_store = location->cache_store;
      located.push_back({planned.number, planned.upgraded, planned.comm_r});
      verdict_of.push_back(verdicts.size());
    } else if (absl::IsNotFound(location.status())) {
      verdict.reason = std::string(location.status().message());
    } else {
      return location.status();
    }
    verdicts.push_back(std::move(verdict));
  }
  if (!options.check_files || located.empty()) return verdicts;
  sector::CheckLimits limits = options.limits;
  limits.total = limits.total == absl::ZeroDuration() ? budget : std::min(limits.total, budget);
  const std::vector<sector::SectorHealth> health =
      tracker.Check(miner, filecoin::SectorSizeOf(proof_type), located, limits, options.strict);
  for (std::size_t i = 0; i < health.size() && i < verdict_of.size(); ++i) {
    // What could not be judged goes to the prover, which judges it for good.
    if (health[i].health == sector::Health::kBad) verdicts[verdict_of[i]].reason = health[i].reason;
  }
  return verdicts;
}

class TrackerSource final : public SectorSource {
 public:
  TrackerSource(const sector::Tracker& tracker, async::Executor& executor,
                std::function<SectorCheckOptions()> options)
      : tracker_(tracker), executor_(executor), options_(std::move(options)) {}

  async::Task<absl::StatusOr<std::vector<SectorVerdict>>> Check(filecoin::ActorId miner,
                                                                filecoin::PoStProofType proof_type,
                                                                std::vector<PlannedSector> sectors,
                                                                absl::Duration budget) override {
    if (!filecoin::IsRegistered(proof_type)) {
      co_return absl::InvalidArgumentError(
          absl::StrFormat("proof type %d is unknown", filecoin::ToNumber(proof_type)));
    }
    absl::AnyInvocable<absl::StatusOr<std::vector<SectorVerdict>>()&&> work =
        [&tracker = tracker_, options = options_(), miner, proof_type, sectors = std::move(sectors),
         budget]() { return CheckNow(tracker, options, miner, proof_type, sectors, budget); };
    co_return co_await async::Offload<absl::StatusOr<std::vector<SectorVerdict>>>(executor_,
                                                                                  std::move(work));
  }

 private:
  const sector::Tracker& tracker_;
  async::Executor& executor_;
  const std::function<SectorCheckOptions()> options_;
};

}  // namespace

std::unique_ptr<SectorSource> MakeTrackerSource(const sector::Tracker& tracker,
                                                async::Executor& executor,
                                                std::function<SectorCheckOptions()> options) {
  return std::make_unique<TrackerSource>(tracker, executor, std::move(options));
}

}  // namespace damocles::poster
