// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the chain says of a miner, as an operator sees it: values, and the same as JSON under names
// that stay.  No manager is asked; any node will do.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/async/task.h"
#include "damocles/chain/api.h"
#include "damocles/filecoin/block.h"
#include "damocles/filecoin/deadline.h"
#include "damocles/filecoin/sector.h"
#include "damocles/rpc/types.h"

namespace damocles::manager {

// A miner at a head.
struct MinerView {
  filecoin::ActorId miner{};
  filecoin::TipSetKey head;
  absl::Time head_at;
  absl::Duration epoch;        // how long one is
  filecoin::DeadlineInfo now;  // as it is, where null rounds have left the recorded one behind

  // The window of a deadline that is open or comes next.
  filecoin::DeadlineInfo Next(std::uint64_t index) const;
  // "130 (in 3 epochs, 1m30s)"
  std::string Describe(filecoin::ChainEpoch epoch) const;
};

struct SectorCounts {
  std::uint64_t partitions = 0;
  std::uint64_t all = 0;  // terminated ones too
  std::uint64_t live = 0;
  std::uint64_t faulty = 0;
  std::uint64_t recovering = 0;

  friend bool operator==(const SectorCounts&, const SectorCounts&) = default;
};

struct ProvingView {
  MinerView at;
  SectorCounts total;
  SectorCounts current;  // of the deadline that is now

  std::int64_t PeriodBoundary() const;
  double FaultsPercent() const;
};

struct DeadlineRow {
  filecoin::DeadlineInfo deadline;
  absl::Time open_at;
  std::uint64_t partitions = 0;
  std::uint64_t sectors = 0;
  std::uint64_t faults = 0;
  std::uint64_t proven_partitions = 0;
  bool current = false;
};

// One of the sets of a partition.
struct SectorSet {
  std::string_view name;  // "all", "live", "active", "faulty", "recovering"
  std::uint64_t count = 0;
  std::optional<std::vector<std::uint64_t>> numbers = {};
  struct Encoded {
    std::size_t runs = 0;
    std::size_t bytes = 0;
  };
  std::optional<Encoded> encoded = {};
};

struct PartitionView {
  bool proven = false;
  std::vector<SectorSet> sets;
};

struct DeadlineView {
  MinerView at;
  filecoin::DeadlineInfo deadline;
  std::uint64_t proven_partitions = 0;
  bool current = false;
  std::vector<PartitionView> partitions;
};

// A sector that is faulty on the chain.
struct FaultRow {
  std::uint64_t deadline = 0;
  std::size_t partition = 0;
  filecoin::SectorNumber sector = 0;
  bool declared = false;     // recovered
  std::string why = {};      // it is not, or what follows
  std::string message = {};  // that is to declare it; may be empty
  // When the poster begins to look whether it can be declared.
  std::optional<filecoin::ChainEpoch> looked_at_from = {};
};
struct FaultsView {
  MinerView at;
  std::vector<FaultRow> rows;
};

// Errors are the node's.  `reader` outlives the task.
async::Task<absl::StatusOr<MinerView>> ViewMiner(chain::ChainReader& reader,
                                                 filecoin::ActorId miner);
async::Task<absl::StatusOr<ProvingView>> ViewProving(chain::ChainReader& reader,
                                                     filecoin::ActorId miner);
// `all`: terminated sectors and empty partitions count too.
async::Task<absl::StatusOr<std::vector<DeadlineRow>>> ViewDeadlines(chain::ChainReader& reader,
                                                                    filecoin::ActorId miner,
                                                                    bool all);
struct SetDetails {
  bool numbers = false;
  bool encoded = false;
};
// OUT_OF_RANGE for a deadline that a period has not got.
async::Task<absl::StatusOr<DeadlineView>> ViewDeadline(chain::ChainReader& reader,
                                                       filecoin::ActorId miner, std::uint64_t index,
                                                       SetDetails details);
// `recoveries`: what the manager knows of this miner.
async::Task<absl::StatusOr<FaultsView>> ViewFaults(chain::ChainReader& reader,
                                                   filecoin::ActorId miner,
                                                   std::vector<rpc::RecoverySummary> recoveries);

// As those of view.h.
std::string ProvingJson(const ProvingView& view);
std::string DeadlineRowsJson(const std::vector<DeadlineRow>& rows);
std::string DeadlineJson(const DeadlineView& view);
std::string FaultsJson(const FaultsView& view);

}  // namespace damocles::manager
