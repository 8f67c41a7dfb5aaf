// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// From a sector of the chain to its files, and whether they look fit to prove.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/base/bytes.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/sector.h"
#include "damocles/sector/index.h"
#include "damocles/storage/many_reads.h"
#include "damocles/storage/persist_store.h"
#include "damocles/storage/sector_paths.h"

namespace damocles::sector {

// What the chain says of a sector, as far as its files are concerned.
struct ProvableSector {
  filecoin::SectorNumber number{};
  bool upgraded = false;  // the chain knows a sector key: files in update/ and update-cache/
  Bytes32 comm_r{};
};

struct SectorFiles {
  Location location;
  std::string sealed_path;  // update/... if upgraded
  std::string cache_dir;
};

struct CheckLimits {
  std::size_t parallel = 128;  // 0: as many as there are threads
  // A sector whose files do not answer in this time cannot be read; zero: no limit.  Never more
  // than half of `total`, so that what hangs is found out in time.
  absl::Duration single = absl::Minutes(10);
  // Sectors that are not looked at by then come back as unchecked; zero: no limit.
  absl::Duration total = absl::Minutes(20);
};

enum class Health {
  kGood,
  kWrong,       // what its files hold, or what is in their place, is proven not to be the sector
  kUnreadable,  // here and now: files not seen, no rights, a device or a mount that fails
  kUnknown,     // could not be told: the locator failed, or time ran out before its turn
};

struct SectorHealth {
  filecoin::SectorNumber number{};
  Health health = Health::kUnknown;
  std::string reason;  // empty if good
  // A file of it is not there, and this machine sees others of the store: who has the same store
  // sees no more.
  bool missing = false;
  std::optional<Location> location;  // where it was looked for, if that is known
};

// One real read of a sector (a vanilla proof of one challenge), for the strict check.  Blocks; safe
// to call from several threads.
using StrictCheck = std::function<absl::Status(filecoin::SectorId, const ProvableSector&,
                                               const SectorFiles&, filecoin::SectorSize)>;

// Safe to call from several threads.
class Tracker {
 public:
  // A sector was found in another store than the index says; called from any thread.
  using Learn = std::function<absl::Status(const IndexRow&)>;
  // Both outlive the tracker.
  Tracker(const Locator& locator, const storage::StoreRegistry& stores, Learn learn = nullptr);

  // Store names only, for a job: the paths are the worker's.  NOT_FOUND: not in the index.
  absl::StatusOr<Location> Locate(filecoin::SectorId sector, bool upgraded) const;

  // Names and this machine's paths.  NOT_FOUND: not in the index, or its store is not configured.
  absl::StatusOr<SectorFiles> Resolve(filecoin::SectorId sector, bool upgraded) const;

  // Looks at the files of one sector: presence and lengths.  OK, or the first reason against it.
  absl::Status CheckFiles(const SectorFiles& files, filecoin::SectorSize size) const;

  // Checks many; blocks, at most about `limits.total`.  The reads run on threads of their own; one
  // that hangs in a dead mount makes its sector unreadable after `limits.single` and is left
  // behind. A store of which the first reads hang is not answering: its other sectors are
  // unreadable without being read, in this check, and in later ones while it owes many answers.
  // What the index does not know, or knows where its files are not, is looked for in the other
  // stores, and learnt. `strict` may be empty; it may be running, on a thread left behind, after
  // tracker and caller have gone.
  std::vector<SectorHealth> Check(filecoin::ActorId miner, filecoin::SectorSize size,
                                  const std::vector<ProvableSector>& sectors,
                                  const CheckLimits& limits, const StrictCheck& strict) const;

 private:
  absl::StatusOr<SectorFiles> FilesOf(filecoin::SectorId sector, Location location,
                                      bool upgraded) const;
  // Looks for sectors that are not good in all stores that answer, and checks what it finds.
  void LookElsewhere(filecoin::ActorId miner, filecoin::SectorSize size,
                     const std::vector<ProvableSector>& sectors, const CheckLimits& limits,
                     const StrictCheck& strict, std::vector<SectorHealth>& health) const;
  // A sector of which the index said something else is in `place`.
  void Learnt(filecoin::SectorId sector, bool upgraded, const std::optional<Location>& instead_of,
              const Location& place) const;
  bool IsStrict(std::string_view store_name) const;

  const Locator& locator_;
  const storage::StoreRegistry& stores_;
  const Learn learn_;
  const std::shared_ptr<storage::Readers> readers_;
};

}  // namespace damocles::sector
