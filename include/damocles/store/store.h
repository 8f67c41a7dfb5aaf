// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// An ordered map from bytes to bytes that survives a power failure.
//
// Whatever must survive goes to disk as one Batch: after a crash at any instant either the whole
// batch is there or nothing of it.  Each module keeps its rows under a prefix of its own, listed in
// docs/formats/store.md; one batch may touch several.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace leveldb {
class Env;
}

namespace damocles::store {

struct Entry {
  std::string key;
  std::string value;
  friend bool operator==(const Entry&, const Entry&) = default;
};

// Changes that happen together.  A later change of the same key wins.
class Batch {
 public:
  struct Operation {
    std::string key;
    std::optional<std::string> value;  // none: delete
  };

  void Put(std::string_view key, std::string_view value) {
    operations_.push_back({std::string(key), std::string(value)});
  }
  // A key that is not there is no error.
  void Delete(std::string_view key) { operations_.push_back({std::string(key), std::nullopt}); }

  bool Empty() const { return operations_.empty(); }
  const std::vector<Operation>& Operations() const { return operations_; }

 private:
  std::vector<Operation> operations_;
};

// Safe to call from several threads.  Keys order by their bytes, unsigned.
//
// Errors: DATA_LOSS the files are damaged; UNAVAILABLE the disk refused (the message names the
// folder and the reason).  A failed Write may be tried again, and serves again by itself once the
// disk takes it.  Until the same keys are written it is unknown whether the failed batch is there,
// now or after a restart, never whether half of it is: it is not.
class Store {
 public:
  virtual ~Store() = default;

  // The value under `key`; nullopt if there is none.
  virtual absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const = 0;

  // Calls `visit` for each row whose key starts with `prefix`, in order of keys, on the rows as
  // they were when Scan was called.  A status other than OK from `visit` ends the scan and is
  // returned.  The views hold for the call of `visit` only.
  using Visitor = std::function<absl::Status(std::string_view key, std::string_view value)>;
  virtual absl::Status Scan(std::string_view prefix, const Visitor& visit) const = 0;

  // All or nothing, and on the disk when it returns OK.
  virtual absl::Status Write(const Batch& batch) = 0;
};

// The rows under `prefix` as a list.
absl::StatusOr<std::vector<Entry>> List(const Store& store, std::string_view prefix);

// Single-row writes.
absl::Status Put(Store& store, std::string_view key, std::string_view value);
absl::Status Delete(Store& store, std::string_view key);

// Free bytes of the file system that `folder` lies on; none where that cannot be learnt.
using FreeBytes = std::function<std::optional<std::uint64_t>(const std::string& folder)>;
std::optional<std::uint64_t> FreeBytesAt(const std::string& folder);

// Opens or makes a LevelDB in the folder `path` (parents are made too).  `env` is where LevelDB
// finds its files: null means the machine's own; it must outlive the store.  `reserve_bytes` are
// kept in a file beside the rows: opening writes (tables, a manifest), and an opening that fails
// for lack of room gives them up and is tried again, so that a full disk does not keep a program
// from starting.  The file is made where `free_bytes` says that there is room for it several times
// over: at the opening, or with a later write.
//
// FAILED_PRECONDITION: another process has it open ("another manager runs with this home").
// DATA_LOSS: its files are damaged; says what to do.
absl::StatusOr<std::unique_ptr<Store>> OpenLevelDb(const std::string& path,
                                                   leveldb::Env* env = nullptr,
                                                   std::uint64_t reserve_bytes = 0,
                                                   FreeBytes free_bytes = FreeBytesAt);
// Enough for an opening and for days of small rows.
inline constexpr std::uint64_t kReserveBytes = std::uint64_t{8} << 20;

// The same contract in memory, for tests and for what need not survive.
std::unique_ptr<Store> OpenMemoryStore();

// Makes sure that the rows of `what` (say "job") are in format `version`: writes the number when
// there is none, refuses with FAILED_PRECONDITION when the store was written by a newer program.
// Returns the version found, so that the caller can bring older rows up to date.
absl::StatusOr<std::uint32_t> EnsureFormat(Store& store, std::string_view what,
                                           std::uint32_t version);

}  // namespace damocles::store
