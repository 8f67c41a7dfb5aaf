// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <leveldb/db.h>
#include <leveldb/env.h>
#include <leveldb/filter_policy.h>
#include <leveldb/iterator.h>
#include <leveldb/options.h>
#include <leveldb/write_batch.h>

#include "absl/strings/str_format.h"

#include "damocles/base/file.h"
#include "damocles/base/status.h"
#include "damocles/store/store.h"

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
  return absl::UnavailableError(text);
}

class LevelDbStore final : public Store {
 public:
  LevelDbStore(std::string path, std::unique_ptr<const leveldb::FilterPolicy> filter,
               std::unique_ptr<leveldb::DB> db)
      : path_(std::move(path)), filter_(std::move(filter)), db_(std::move(db)) {}

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    std::string value;
    const leveldb::Status status = db_->Get(Verified(), ToSlice(key), &value);
    if (status.IsNotFound()) return std::optional<std::string>();
    DAMOCLES_RETURN_IF_ERROR(FromLevelDb(status, path_, "read"));
    return std::optional<std::string>(std::move(value));
  }

  absl::Status Scan(std::string_view prefix, const Visitor& visit) const override {
    // An iterator sees the rows as they were when it was made.
    const std::unique_ptr<leveldb::Iterator> at(db_->NewIterator(Verified()));
    for (at->Seek(ToSlice(prefix)); at->Valid(); at->Next()) {
      if (!ToView(at->key()).starts_with(prefix)) break;
      DAMOCLES_RETURN_IF_ERROR(visit(ToView(at->key()), ToView(at->value())));
    }
    return FromLevelDb(at->status(), path_, "scan");
  }

  absl::Status Write(const Batch& batch) override {
    if (batch.Empty()) return absl::OkStatus();
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
    return FromLevelDb(db_->Write(options, &changes), path_, "write");
  }

 private:
  static leveldb::ReadOptions Verified() {
    leveldb::ReadOptions options;
    options.verify_checksums = true;
    return options;
  }

  const std::string path_;
  const std::unique_ptr<const leveldb::FilterPolicy> filter_;  // outlives db_
  const std::unique_ptr<leveldb::DB> db_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenLevelDb(const std::string& path, leveldb::Env* env) {
  const std::string folder = ExpandHome(path);
  if (env == nullptr) DAMOCLES_RETURN_IF_ERROR(MakeFolders(folder));
  std::unique_ptr<const leveldb::FilterPolicy> filter(leveldb::NewBloomFilterPolicy(10));
  leveldb::Options options;
  options.create_if_missing = true;
  options.paranoid_checks = true;
  options.filter_policy = filter.get();
  if (env != nullptr) options.env = env;
  leveldb::DB* db = nullptr;
  DAMOCLES_RETURN_IF_ERROR(FromLevelDb(leveldb::DB::Open(options, folder, &db), folder, "open"));
  std::unique_ptr<leveldb::DB> owned(db);
  return std::unique_ptr<Store>(
      std::make_unique<LevelDbStore>(folder, std::move(filter), std::move(owned)));
}

}  // namespace damocles::store
