// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/store/leveldb_store.h"

#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/iterator.h>
#include <leveldb/options.h>
#include <leveldb/write_batch.h>

#include <algorithm>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "damocles/base/file.h"
#include "damocles/base/log.h"
#include "damocles/base/mutex.h"
#include "damocles/base/status.h"

namespace damocles::store {
namespace {

leveldb::Slice ToSlice(std::string_view text) {
  return {text.data(), text.size()};
}
std::string_view ToView(const leveldb::Slice& slice) {
  return {slice.data(), slice.size()};
}

bool IsLockHeld(const leveldb::Status& status) {
  // LevelDB has no code of its own for it: "IO error: <path>/LOCK: Resource temporarily
  // unavailable" from another process, "already held by process" from this one.
  const std::string text = status.ToString();
  return status.IsIOError() && text.find("LOCK") != std::string::npos &&
         (text.find("unavailable") != std::string::npos ||
          text.find("already held") != std::string::npos);
}

absl::Status FromLevelDb(const leveldb::Status& status, std::string_view path,
                         std::string_view doing) {
  if (status.ok()) return absl::OkStatus();
  if (IsLockHeld(status)) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "store %s: another manager runs with this home: stop it or choose another --home", path));
  }
  const std::string text =
      absl::StrFormat("store %s: cannot %s: %s", path, doing, status.ToString());
  if (status.IsCorruption()) {
    return absl::DataLossError(
        text +
        ": its files are damaged; move the folder away and start again: jobs "
        "are made anew from the chain, `util storage attach` fills the index");
  }
  if (status.IsInvalidArgument()) return absl::InvalidArgumentError(text);
  return absl::UnavailableError(internal::IsFull(status) ? text + ": make room on that disk"
                                                         : text);
}

// How often it is looked after the reserve: with a write, so that no thread is needed for it.
constexpr std::uint64_t kReservePeriodMicros = 60'000'000;
// After a disk refused it for which there seemed to be room (a quota).
constexpr std::uint64_t kReserveRefusedMicros = 3'600'000'000;

// After a failed write the database is closed and opened again before the next one: only that
// brings LevelDB back (CarefulEnv, and it keeps errors of its background work for good), and it is
// what makes a full disk harmless once there is room.  Until the disk has shown that it takes what
// opening needs, the old one stays open, so that reading goes on.
class LevelDbStore final : public Store {
 public:
  LevelDbStore(std::string path, leveldb::Env* env, std::uint64_t reserve_bytes,
               internal::FreeBytes free_bytes)
      : path_(std::move(path)),
        env_(env, std::move(free_bytes)),
        reserve_bytes_(reserve_bytes),
        filter_(leveldb::NewBloomFilterPolicy(10)) {}

  absl::Status Open() {
    {
      const MutexLock lock(mutex_);
      internal::RemoveProbe(env_, path_);
      DAMOCLES_RETURN_IF_ERROR(OpenLocked());
    }
    KeepReserve();
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    DAMOCLES_ASSIGN_OR_RETURN(const Handle db, ForReading());
    return Read(*db, key);
  }

  absl::Status Scan(std::string_view prefix, const Visitor& visit) const override {
    DAMOCLES_ASSIGN_OR_RETURN(const Handle db, ForReading());
    // An iterator sees the rows as they were when it was made.
    const std::unique_ptr<leveldb::Iterator> at(db->NewIterator(Verified()));
    for (at->Seek(ToSlice(prefix)); at->Valid(); at->Next()) {
      if (!ToView(at->key()).starts_with(prefix)) break;
      DAMOCLES_RETURN_IF_ERROR(visit(ToView(at->key()), ToView(at->value())));
    }
    return FromLevelDb(at->status(), path_, "scan");
  }

  absl::Status Commit(const Batch& batch, const Fence* fence) override {
    if (fence == nullptr && batch.Empty()) return absl::OkStatus();
    {
      // Writes without a fence go together, so that LevelDB syncs several at once.
      std::shared_lock<std::shared_mutex> together(fencing_, std::defer_lock);
      std::unique_lock<std::shared_mutex> alone(fencing_, std::defer_lock);
      if (fence == nullptr) {
        together.lock();
      } else {
        alone.lock();
      }
      DAMOCLES_RETURN_IF_ERROR(CommitLocked(batch, fence));
    }
    KeepReserve();
    return absl::OkStatus();
  }

 private:
  // Whoever holds one keeps the database from being closed.
  using Handle = std::shared_ptr<leveldb::DB>;

  static leveldb::ReadOptions Verified() {
    leveldb::ReadOptions options;
    options.verify_checksums = true;
    return options;
  }

  absl::StatusOr<std::optional<std::string>> Read(leveldb::DB& db, std::string_view key) const {
    std::string value;
    const leveldb::Status status = db.Get(Verified(), ToSlice(key), &value);
    if (status.IsNotFound()) return std::optional<std::string>();
    DAMOCLES_RETURN_IF_ERROR(FromLevelDb(status, path_, "read"));
    return std::optional<std::string>(std::move(value));
  }

  // Holding fencing_, alone if there is a fence.
  absl::Status CommitLocked(const Batch& batch, const Fence* fence) {
    DAMOCLES_ASSIGN_OR_RETURN(const Handle db, ForWriting());
    if (fence != nullptr) {
      // In the database that is written: one that was opened anew after a failed write may have
      // the batch of that write, the one before it did not show it.
      DAMOCLES_ASSIGN_OR_RETURN(const auto found, Read(*db, fence->key));
      DAMOCLES_RETURN_IF_ERROR(CheckFence(*fence, found));
      if (batch.Empty()) return absl::OkStatus();
    }
    leveldb::WriteBatch changes;
    for (const Batch::Operation& operation : batch.Operations()) {
      if (operation.value.has_value()) {
        changes.Put(operation.key, *operation.value);
      } else {
        changes.Delete(operation.key);
      }
    }
    leveldb::WriteOptions options;
    options.sync = true;
    const leveldb::Status status = db->Write(options, &changes);
    if (!status.ok()) {
      const MutexLock lock(mutex_);
      if (db == db_) write_failed_ = true;
    }
    return FromLevelDb(status, path_, "write");
  }

  absl::StatusOr<Handle> ForReading() const {
    const MutexLock lock(mutex_);
    if (db_ == nullptr) DAMOCLES_RETURN_IF_ERROR(OpenLocked());
    return db_;
  }

  absl::StatusOr<Handle> ForWriting() {
    const MutexLock lock(mutex_);
    if (db_ != nullptr && !write_failed_) return db_;
    if (db_ != nullptr) {
      // Never waited for: it may be the caller itself, who writes from inside a scan.
      if (db_.use_count() > 1) {
        return absl::UnavailableError(absl::StrFormat(
            "store %s: an earlier write failed; it is opened anew when nobody reads it", path_));
      }
      DAMOCLES_RETURN_IF_ERROR(
          FromLevelDb(internal::ProbeRoom(env_, path_), path_, "write after a failed write"));
      db_.reset();
    }
    DAMOCLES_RETURN_IF_ERROR(OpenLocked());
    LogWarning("store", "opened_anew", {{"path", path_}, {"why", "a write had failed"}});
    return db_;
  }

  // Makes the reserve where it is missing and there is room again.  Not under the lock: it may take
  // a second.
  void KeepReserve() {
    if (reserve_bytes_ == 0) return;
    {
      const MutexLock lock(mutex_);
      if (keeping_reserve_ || env_.NowMicros() < reserve_due_) return;
      keeping_reserve_ = true;
    }
    const bool refused = !internal::MakeReserve(env_, path_, reserve_bytes_).ok();
    const MutexLock lock(mutex_);
    keeping_reserve_ = false;
    reserve_due_ = env_.NowMicros() + (refused ? kReserveRefusedMicros : kReservePeriodMicros);
  }

  // LevelDB takes a folder without CURRENT for a new one, and removes the tables it finds there.
  // A first opening that was cut short leaves no table, and a log with nothing in it.
  absl::Status CheckNotHeadless() const {
    std::vector<std::string> names;
    if (!env_.GetChildren(path_, &names).ok()) return absl::OkStatus();  // is not there yet
    if (std::ranges::find(names, "CURRENT") != names.end()) return absl::OkStatus();
    for (const std::string& name : names) {
      std::uint64_t bytes = 0;
      const bool is_table = name.ends_with(".ldb") || name.ends_with(".sst");
      if (!is_table &&
          !(name.ends_with(".log") &&
            env_.GetFileSize(absl::StrCat(path_, "/", name), &bytes).ok() && bytes > 0)) {
        continue;
      }
      return absl::DataLossError(absl::StrFormat(
          "store %s: there are data (%s) but no CURRENT file; opening it would remove them.  Put "
          "the folder back from a copy, or move it away to begin anew",
          path_, name));
    }
    return absl::OkStatus();
  }

  absl::Status OpenLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    DAMOCLES_RETURN_IF_ERROR(CheckNotHeadless());
    leveldb::Status status = OpenFilesLocked();
    if (internal::IsFull(status) && internal::RemoveReserve(env_, path_)) {
      const std::string why = status.ToString();
      status = OpenFilesLocked();
      if (status.ok()) {
        LogError("store", "reserve_used",
                 {{"path", path_},
                  {"why", why},
                  {"now", "opened in the room that was kept for this"},
                  {"do", "make room on that disk: there is no reserve for another start"}});
      }
    }
    return FromLevelDb(status, path_, "open");
  }

  leveldb::Status OpenFilesLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    leveldb::Options options;
    options.create_if_missing = true;
    options.paranoid_checks = true;
    options.filter_policy = filter_.get();
    options.env = &env_;
    leveldb::DB* db = nullptr;
    leveldb::Status status = leveldb::DB::Open(options, path_, &db);
    if (!status.ok()) return status;
    db_.reset(db);
    write_failed_ = false;
    return status;
  }

  const std::string path_;
  mutable internal::CarefulEnv env_;
  const std::uint64_t reserve_bytes_;
  const std::unique_ptr<const leveldb::FilterPolicy> filter_;
  // Taken before mutex_, by writers only: a scan may write.
  std::shared_mutex fencing_;
  mutable Mutex mutex_;
  mutable bool write_failed_ ABSL_GUARDED_BY(mutex_) = false;
  bool keeping_reserve_ ABSL_GUARDED_BY(mutex_) = false;
  std::uint64_t reserve_due_ ABSL_GUARDED_BY(mutex_) = 0;  // as the environment's clock counts
  // Destroyed before what it uses.  Null only after an opening that failed: the next use tries it.
  mutable Handle db_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> internal::OpenLevelDbOn(leveldb::Env& env,
                                                               const std::string& path,
                                                               std::uint64_t reserve_bytes,
                                                               FreeBytes free_bytes) {
  auto store = std::make_unique<LevelDbStore>(path, &env, reserve_bytes, std::move(free_bytes));
  DAMOCLES_RETURN_IF_ERROR(store->Open());
  return std::unique_ptr<Store>(std::move(store));
}

absl::StatusOr<std::unique_ptr<Store>> OpenLevelDb(const std::string& path,
                                                   std::uint64_t reserve_bytes) {
  const std::string folder = ExpandHome(path);
  DAMOCLES_RETURN_IF_ERROR(MakeFolders(folder));
  return internal::OpenLevelDbOn(*leveldb::Env::Default(), folder, reserve_bytes);
}

}  // namespace damocles::store
