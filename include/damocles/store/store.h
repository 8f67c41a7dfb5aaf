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

// A row that must be as its writer knows it for a write to be made.  Whoever takes a store over
// changes that row first; what the earlier holder still has under way is refused from then on.
struct Fence {
  std::string key;
  std::optional<std::string> value;  // none: there is no such row
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
  absl::Status Write(const Batch& batch) { return Commit(batch, nullptr); }

  // The same if `fence` holds, which is judged in one with the write: no other write comes between.
  // The batch may change the fence's row.  ABORTED: it does not hold, and nothing was written.
  absl::Status Write(const Batch& batch, const Fence& fence) { return Commit(batch, &fence); }

  // What a store does for both; without a fence it is null.
  virtual absl::Status Commit(const Batch& batch, const Fence* fence) = 0;
};

// OK if `fence` holds where its row is `found`; otherwise what Write answers.
absl::Status CheckFence(const Fence& fence, const std::optional<std::string>& found);

// The rows under `prefix` as a list.
absl::StatusOr<std::vector<Entry>> List(const Store& store, std::string_view prefix);

// Single-row writes.
absl::Status Put(Store& store, std::string_view key, std::string_view value);
absl::Status Delete(Store& store, std::string_view key);

// Opens or makes a LevelDB in the folder `path` (parents are made too).  `reserve_bytes` are kept
// in a file beside the rows: opening writes (tables, a manifest), and an opening that fails for
// lack of room gives them up and is tried again, so that a full disk does not keep a program from
// starting. The file is made where there is room for it several times over: at the opening, or with
// a later write.
//
// FAILED_PRECONDITION: another process has it open ("another manager runs with this home").
// DATA_LOSS: its files are damaged; says what to do.
absl::StatusOr<std::unique_ptr<Store>> OpenLevelDb(const std::string& path,
                                                   std::uint64_t reserve_bytes = 0);
// Enough for an opening and for days of small rows.
inline constexpr std::uint64_t kReserveBytes = std::uint64_t{8} << 20;

// The same contract in memory, for tests and for what need not survive.
std::unique_ptr<Store> OpenMemoryStore();

}  // namespace damocles::store
