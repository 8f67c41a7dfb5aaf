// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"
#include "damocles/poster/sector_source.h"

namespace damocles::poster {
namespace {

std::size_t ReadersOf(const sector::Location& location, const SectorCheckOptions& options) {
  return static_cast<std::size_t>(std::count_if(
      options.worker_stores.begin(), options.worker_stores.end(),
      [&location](const std::set<std::string>& stores) {
        return stores.contains(location.sealed_store) && stores.contains(location.cache_store);
      }));
}

// Trusts the index.
absl::StatusOr<std::vector<SectorVerdict>> LocateNow(const sector::Tracker& tracker,
                                                     filecoin::ActorId miner,
                                                     const std::vector<PlannedSector>& sectors) {
  std::vector<SectorVerdict> verdicts;
  for (const PlannedSector& planned : sectors) {
    SectorVerdict verdict;
    verdict.number = planned.number;
    const absl::StatusOr<sector::Location> location =
        tracker.Locate({miner, planned.number}, planned.upgraded);
    if (location.ok()) {
      verdict.sealed_store = location->sealed_store;
      verdict.cache_store = location->cache_store;
    } else if (absl::IsNotFound(location.status())) {
      verdict.reason = std::string(location.status().message());
    } else {
      return location.status();
    }
    verdicts.push_back(std::move(verdict));
  }
  return verdicts;
}

// Runs off the loop.  UNAVAILABLE: the index itself did not answer, which says nothing about the
// sectors.
absl::StatusOr<std::vector<SectorVerdict>> CheckNow(const sector::Tracker& tracker,
                                                    const SectorCheckOptions& options,
                                                    filecoin::ActorId miner,
                                                    filecoin::PoStProofType proof_type,
                                                    const std::vector<PlannedSector>& sectors,
                                                    absl::Duration budget) {
  if (!options.check_files) return LocateNow(tracker, miner, sectors);
  std::vector<sector::ProvableSector> wanted;
  wanted.reserve(sectors.size());
  for (const PlannedSector& planned : sectors) {
    wanted.push_back({planned.number, planned.upgraded, planned.comm_r});
  }
  sector::CheckLimits limits = options.limits;
  limits.total = limits.total == absl::ZeroDuration() ? budget : std::min(limits.total, budget);
  const std::vector<sector::SectorHealth> health =
      tracker.Check(miner, filecoin::SectorSizeOf(proof_type), wanted, limits, options.strict);
  DAMOCLES_DCHECK(health.size() == wanted.size());
  std::vector<SectorVerdict> verdicts;
  for (const sector::SectorHealth& one : health) {
    SectorVerdict verdict;
    verdict.number = one.number;
    if (one.location) {
      verdict.sealed_store = one.location->sealed_store;
      verdict.cache_store = one.location->cache_store;
      verdict.readers = one.missing ? 0 : ReadersOf(*one.location, options);
    }
    switch (one.health) {
      case sector::Health::kGood:
        break;
      case sector::Health::kWrong:
        verdict.wrong = true;
        verdict.reason = one.reason;
        break;
      case sector::Health::kUnreadable:
        verdict.reason = one.reason;
        break;
      case sector::Health::kUnknown:
        if (!one.location) return absl::UnavailableError(one.reason);
        // What could not be judged goes to the prover, which judges it for good.
        break;
    }
    verdicts.push_back(std::move(verdict));
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
