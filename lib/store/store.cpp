// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/store/store.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"

#include "damocles/base/status.h"

namespace damocles::store {

absl::StatusOr<std::vector<Entry>> List(const Store& store, std::string_view prefix) {
  std::vector<Entry> rows;
  DAMOCLES_RETURN_IF_ERROR(
      store.Scan(prefix, [&rows](std::string_view key, std::string_view value) {
        rows.push_back({std::string(key), std::string(value)});
        return absl::OkStatus();
      }));
  return rows;
}

absl::Status Put(Store& store, std::string_view key, std::string_view value) {
  Batch batch;
  batch.Put(key, value);
  return store.Write(batch);
}

absl::Status Delete(Store& store, std::string_view key) {
  Batch batch;
  batch.Delete(key);
  return store.Write(batch);
}

absl::StatusOr<std::uint32_t> EnsureFormat(Store& store, std::string_view what,
                                           std::uint32_t version) {
  const std::string key = absl::StrFormat("format/%s", what);
  DAMOCLES_ASSIGN_OR_RETURN(const auto found, store.Get(key));
  if (!found.has_value()) {
    DAMOCLES_RETURN_IF_ERROR(Put(store, key, absl::StrFormat("%d", version)));
    return version;
  }
  std::uint32_t number = 0;
  if (!absl::SimpleAtoi(*found, &number)) {
    return absl::DataLossError(absl::StrFormat("row %s of the store is not a number", key));
  }
  if (number > version) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "the %s rows of the store have format %d, this program knows formats up to %d: "
        "run the newer program that wrote them",
        what, number, version));
  }
  return number;
}

}  // namespace damocles::store
