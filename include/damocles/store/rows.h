// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The rows of one module in a store: the number of their format, and what becomes of a row that
// cannot be used.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/base/mutex.h"
#include "damocles/store/store.h"

namespace damocles::store {

// The answer to what a newer program wrote: FAILED_PRECONDITION, which refuses the start.  Such a
// row is sound, and whoever sets it aside or writes over it loses what it says.
absl::Status NewerFormat(std::string_view what, std::uint64_t found, std::uint64_t known);

// `format/<module>` holds the newest format of any row of the module, in decimal.  A program that
// knows only older ones refuses the store by it, so it has to be there before the first row of that
// format is: it goes with it, in one batch.  An opening writes nothing; a full disk does not keep a
// program from starting.
//
// Safe to call from several threads.
class Rows {
 public:
  // `store` outlives it.  FAILED_PRECONDITION: a newer program wrote them.
  static absl::StatusOr<std::unique_ptr<Rows>> Open(Store& store, std::string_view module,
                                                    std::uint32_t format);

  // Store::Write of rows in the format of this program.
  absl::Status Write(const Batch& batch);

  // Into `batch`: takes a row that was read and is damaged out of the way of the next start, to the
  // key `to`, for whoever looks into it.  An error in the log says why, and `then`: what is done
  // without it.
  void SetAside(Batch& batch, const Entry& row, std::string_view to, const absl::Status& why,
                std::string_view then) const;
  // Writes such a batch.  If the disk refuses, the next Write writes it before its own rows; at the
  // latest the next start meets the same rows.  Once, at the start.
  void WriteAside(const Batch& batch);

 private:
  Rows(Store& store, std::string_view module, std::uint32_t format, bool said)
      : store_(store), module_(module), format_(format), said_(said) {}

  absl::Status WriteWithNumber(const Batch& batch);

  Store& store_;
  const std::string module_;
  const std::uint32_t format_;
  std::atomic<bool> said_;  // the number is on the disk
  Mutex mutex_;
  Batch refused_aside_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace damocles::store
