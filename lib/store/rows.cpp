// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/store/rows.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"

#include "damocles/base/log.h"
#include "damocles/base/status.h"

namespace damocles::store {
namespace {

std::string FormatKey(std::string_view module) {
  return absl::StrFormat("format/%s", module);
}

}  // namespace

absl::Status NewerFormat(std::string_view what, std::uint64_t found, std::uint64_t known) {
  return absl::FailedPreconditionError(absl::StrFormat(
      "%s has format %d, this program knows formats up to %d: run the newer program that wrote it",
      what, found, known));
}

absl::StatusOr<std::unique_ptr<Rows>> Rows::Open(Store& store, std::string_view module,
                                                 std::uint32_t format) {
  const std::string key = FormatKey(module);
  DAMOCLES_ASSIGN_OR_RETURN(const auto found, store.Get(key));
  std::uint32_t number = 0;
  if (found.has_value() && !absl::SimpleAtoi(*found, &number)) {
    return absl::DataLossError(absl::StrFormat("row %s of the store is not a number", key));
  }
  if (number > format) {
    return NewerFormat(absl::StrFormat("store: what is in it of module %s", module), number,
                       format);
  }
  return std::unique_ptr<Rows>(new Rows(store, module, format, number == format));
}

absl::Status Rows::Write(const Batch& batch) {
  {
    // Before anything else, whoever comes first: what is written now may take the place of what was
    // to be kept.
    const MutexLock lock(mutex_);
    if (!refused_aside_.Empty()) {
      DAMOCLES_RETURN_IF_ERROR(WriteWithNumber(refused_aside_));
      refused_aside_ = {};
    }
  }
  return WriteWithNumber(batch);
}

absl::Status Rows::WriteWithNumber(const Batch& batch) {
  if (said_ || batch.Empty()) return store_.Write(batch);
  Batch with_number = batch;
  with_number.Put(FormatKey(module_), absl::StrFormat("%d", format_));
  const absl::Status written = store_.Write(with_number);
  if (written.ok()) said_ = true;
  return written;
}

void Rows::SetAside(Batch& batch, const Entry& row, std::string_view to, const absl::Status& why,
                    std::string_view then) const {
  LogError(module_, "row_damaged",
           {{"row", row.key},
            {"reason", why},
            {"now", absl::StrFormat("set aside as %s", to)},
            {"then", then}});
  batch.Put(to, row.value);
  batch.Delete(row.key);
}

void Rows::WriteAside(const Batch& batch) {
  if (batch.Empty()) return;
  const absl::Status status = Write(batch);
  if (status.ok()) return;
  LogError(module_, "damaged_rows_not_set_aside",
           {{"error", status}, {"then", "with the next row that the disk takes"}});
  const MutexLock lock(mutex_);
  refused_aside_ = batch;
}

}  // namespace damocles::store
