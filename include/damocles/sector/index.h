// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Which store holds a sector: a durable map (miner, number, variant) -> store names.
// Rows are described in docs/formats/store.md.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/filecoin/sector.h"
#include "damocles/storage/persist_store.h"
#include "damocles/storage/sector_paths.h"
#include "damocles/store/rows.h"
#include "damocles/store/store.h"

namespace damocles::sector {

// Stores by name.
struct Location {
  std::string sealed_store;
  std::string cache_store;
  friend bool operator==(const Location&, const Location&) = default;
};

struct IndexRow {
  filecoin::SectorId sector;
  storage::Variant variant = storage::Variant::kSealed;
  Location location;
};

// What is known of one sector.  An upgraded sector usually has both.
struct SectorEntry {
  std::optional<Location> sealed;
  std::optional<Location> upgraded;
};

// Answers where a sector's files lie.  The index of this home, or another manager's (proxy).
class Locator {
 public:
  virtual ~Locator() = default;
  // nullopt: not known.  Safe to call from several threads; may block.
  virtual absl::StatusOr<std::optional<Location>> Find(filecoin::SectorId sector,
                                                       storage::Variant variant) const = 0;
  // The same for many; answers in the order of `sectors`.
  virtual absl::StatusOr<std::vector<std::optional<Location>>> FindMany(
      const std::vector<filecoin::SectorId>& sectors, storage::Variant variant) const;
};

// Safe to call from several threads.
class Index final : public Locator {
 public:
  // `store` outlives the index.
  static absl::StatusOr<std::unique_ptr<Index>> Open(store::Store& store);

  absl::StatusOr<std::optional<Location>> Find(filecoin::SectorId sector,
                                               storage::Variant variant) const override;
  absl::StatusOr<SectorEntry> FindAll(filecoin::SectorId sector) const;

  // Atomic over all rows.  Replaces what was known.
  absl::Status Put(const std::vector<IndexRow>& rows);
  absl::Status Remove(filecoin::SectorId sector, storage::Variant variant);

  // Every row of a miner, by number; every row there is if `miner` is none.
  absl::StatusOr<std::vector<IndexRow>> List(std::optional<filecoin::ActorId> miner) const;

  // How many rows name each store for the replica.  Reads the whole index: off the event loop.
  absl::StatusOr<std::map<std::string, std::uint64_t>> CountByStore() const;
  // How many sectors have a replica or a cache in each store, each sector counted once a store.
  absl::StatusOr<std::map<std::string, std::uint64_t>> CountSectorsIn() const;

 private:
  Index(store::Store& store, std::unique_ptr<store::Rows> rows)
      : store_(store), rows_(std::move(rows)) {}
  absl::Status ScanRows(std::optional<filecoin::ActorId> miner,
                        const std::function<void(IndexRow)>& visit) const;
  store::Store& store_;
  const std::unique_ptr<store::Rows> rows_;
};

struct AttachOptions {
  // Null finds no second store: a replica without a cache in the same store is then left out.
  // Otherwise the missing half is looked for in the other stores.
  const storage::StoreRegistry* other_stores = nullptr;
  // Replaces rows that point to another store.  Otherwise this is done only where `other_stores`
  // shows that the files are there no more; the rest is kept and counted as conflicts.
  bool replace = false;
  // Ends the scan (CANCELLED); rows so far stay.
  std::stop_token stop = {};
};

struct AttachProgress {
  std::uint64_t folder_entries = 0;  // in sealed/ and update/
  std::uint64_t done = 0;
  std::uint64_t added = 0;
  std::uint64_t already_known = 0;
  std::uint64_t moved = 0;      // row replaced
  std::uint64_t conflicts = 0;  // known in another store, kept
  std::uint64_t incomplete = 0;
};

struct AttachProblem {
  std::string path;
  std::string reason;
};

struct AttachReport {
  AttachProgress totals;
  std::vector<AttachProblem> problems;  // at most kAttachProblemsMax, the rest are only counted
};
inline constexpr std::size_t kAttachProblemsMax = 1000;

// Looks through `store` for pairs of replica and cache and writes their rows.  A pair counts when
// the replica's length is a sector size and every cache file of that size is there with a right
// length.  May be repeated: a second run adds nothing.  Blocks (reads folders, not files); reports
// progress after every few hundred entries and at the end.
absl::StatusOr<AttachReport> AttachStore(
    Index& index, const storage::PersistStore& store, const AttachOptions& options,
    const std::function<void(const AttachProgress&)>& on_progress);

}  // namespace damocles::sector
