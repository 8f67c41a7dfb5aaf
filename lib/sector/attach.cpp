// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_format.h"
#include "lib/sector/files.h"

#include "damocles/base/file.h"
#include "damocles/base/status.h"
#include "damocles/sector/index.h"

namespace damocles::sector {
namespace {

namespace fs = std::filesystem;
using storage::PersistStore;
using storage::Variant;

// Rows of one synced batch, and entries between two reports of progress.
constexpr std::size_t kRowsPerBatch = 256;

struct Found {
  filecoin::SectorId sector;
  Variant variant;
};

class Attacher {
 public:
  Attacher(Index& index, const PersistStore& store, const AttachOptions& options,
           const std::function<void(const AttachProgress&)>& on_progress)
      : index_(index), store_(store), options_(options), on_progress_(on_progress) {}

  absl::StatusOr<AttachReport> Run() {
    std::vector<Found> found;
    for (const Variant variant : {Variant::kSealed, Variant::kUpgraded}) {
      DAMOCLES_RETURN_IF_ERROR(ListFolder(variant, found));
    }
    Totals().folder_entries = found.size();
    for (const Found& one : found) {
      if (options_.stop.stop_requested()) {
        DAMOCLES_RETURN_IF_ERROR(Flush());
        return absl::CancelledError(absl::StrFormat("attach of %s stopped after %d of %d sectors",
                                                    store_.path, Totals().done, found.size()));
      }
      DAMOCLES_RETURN_IF_ERROR(Take(one));
      if (++Totals().done % kRowsPerBatch == 0) DAMOCLES_RETURN_IF_ERROR(Flush());
    }
    DAMOCLES_RETURN_IF_ERROR(Flush());
    return std::move(report_);
  }

 private:
  AttachProgress& Totals() { return report_.totals; }

  absl::Status ListFolder(Variant variant, std::vector<Found>& found) {
    const std::string folder =
        absl::StrFormat("%s/%s", store_.path, storage::ReplicaFolder(variant));
    std::error_code error;
    if (!fs::exists(folder, error)) return absl::OkStatus();
    const std::size_t first = found.size();
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
      const std::string name = at->path().filename().string();
      const auto sector = storage::ParseSectorFileName(name);
      if (sector.has_value()) {
        found.push_back({*sector, variant});
      } else {
        Problem(at->path().string(), "not a sector: its name is not of the form s-t01000-7");
      }
    }
    if (error) {
      return absl::UnavailableError(absl::StrFormat("cannot list %s: %s", folder, error.message()));
    }
    std::sort(found.begin() + static_cast<std::ptrdiff_t>(first), found.end(),
              [](const Found& a, const Found& b) { return a.sector < b.sector; });
    return absl::OkStatus();
  }

  absl::Status Take(const Found& one) {
    const std::string replica = storage::ReplicaPath(store_.path, one.sector, one.variant);
    const auto bytes = FileSize(replica);
    if (!bytes.ok()) return Incomplete(replica, bytes.status());
    const auto size = filecoin::SectorSizeFromBytes(*bytes);
    if (!size.ok()) {
      return Incomplete(replica, absl::InvalidArgumentError(
                                     absl::StrFormat("%d bytes is the size of no sector", *bytes)));
    }
    if (const absl::Status fit = CheckReplica(replica, *size, store_.strict); !fit.ok()) {
      return Incomplete(replica, fit);
    }
    std::string cache_store = store_.name;
    absl::Status cache =
        CheckCache(storage::CachePath(store_.path, one.sector, one.variant), *size, store_.strict);
    if (!cache.ok() && options_.other_stores != nullptr) {
      for (const PersistStore& other : options_.other_stores->Stores()) {
        if (other.name == store_.name) continue;
        const std::string folder = storage::CachePath(other.path, one.sector, one.variant);
        if (!CheckCache(folder, *size, other.strict).ok()) continue;
        cache = absl::OkStatus();
        cache_store = other.name;
        break;
      }
    }
    if (!cache.ok()) return Incomplete(replica, cache);
    return Enter(one, replica, {.sealed_store = store_.name, .cache_store = cache_store});
  }

  absl::Status Enter(const Found& one, const std::string& replica, Location location) {
    DAMOCLES_ASSIGN_OR_RETURN(const auto known, index_.Find(one.sector, one.variant));
    if (known == location) {
      ++Totals().already_known;
      return absl::OkStatus();
    }
    if (known.has_value() && !options_.replace && !HasMoved(one, *known)) {
      ++Totals().conflicts;
      Problem(replica,
              absl::StrFormat("the index has it in store \"%s\" (cache \"%s\"), where it still "
                              "is or may be: left so (--replace takes this one)",
                              known->sealed_store, known->cache_store));
      return absl::OkStatus();
    }
    ++(known.has_value() ? Totals().moved : Totals().added);
    rows_.push_back(
        {.sector = one.sector, .variant = one.variant, .location = std::move(location)});
    return absl::OkStatus();
  }

  // Whether the place that the index knows is of no use any more: its files were moved here.
  bool HasMoved(const Found& one, const Location& known) const {
    if (options_.other_stores == nullptr) return false;
    const PersistStore* sealed = options_.other_stores->Find(known.sealed_store);
    const PersistStore* cache = options_.other_stores->Find(known.cache_store);
    // A store that is not configured is no place for a proof, whatever lies there.
    if (sealed == nullptr || cache == nullptr) return true;
    const auto gone = [](const std::string& path) {
      std::error_code error;
      // Not if it cannot be looked at: that store may be back in a minute.
      return fs::status(path, error).type() == fs::file_type::not_found;
    };
    // An empty mount point looks as if all had been moved: the store's own folder must be there.
    const auto missing = [&](const PersistStore& store, std::string_view folder,
                             const std::string& path) {
      return !gone(absl::StrFormat("%s/%s", store.path, folder)) && gone(path);
    };
    return missing(*sealed, storage::ReplicaFolder(one.variant),
                   storage::ReplicaPath(sealed->path, one.sector, one.variant)) ||
           missing(*cache, storage::CacheFolder(one.variant),
                   storage::CachePath(cache->path, one.sector, one.variant));
  }

  absl::Status Incomplete(const std::string& path, const absl::Status& why) {
    ++Totals().incomplete;
    Problem(path, std::string(why.message()));
    return absl::OkStatus();
  }
  void Problem(const std::string& path, std::string reason) {
    if (report_.problems.size() < kAttachProblemsMax) {
      report_.problems.push_back({path, std::move(reason)});
    }
  }
  absl::Status Flush() {
    if (!rows_.empty()) DAMOCLES_RETURN_IF_ERROR(index_.Put(rows_));
    rows_.clear();
    if (on_progress_) on_progress_(report_.totals);
    return absl::OkStatus();
  }

  Index& index_;
  const PersistStore& store_;
  const AttachOptions& options_;
  const std::function<void(const AttachProgress&)>& on_progress_;
  AttachReport report_;
  std::vector<IndexRow> rows_;
};

}  // namespace

absl::StatusOr<AttachReport> AttachStore(
    Index& index, const storage::PersistStore& store, const AttachOptions& options,
    const std::function<void(const AttachProgress&)>& on_progress) {
  std::error_code error;
  if (!fs::is_directory(store.path, error)) {
    return absl::NotFoundError(
        absl::StrFormat("store \"%s\": %s is not a folder", store.name, store.path));
  }
  return Attacher(index, store, options, on_progress).Run();
}

}  // namespace damocles::sector
