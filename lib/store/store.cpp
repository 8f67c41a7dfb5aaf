// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/store/store.h"

#include "absl/strings/escaping.h"
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

absl::Status CheckFence(const Fence& fence, const std::optional<std::string>& found) {
  if (found == fence.value) return absl::OkStatus();
  const auto shown = [](const std::optional<std::string>& value) {
    return value ? absl::StrFormat("\"%s\"", absl::CHexEscape(*value)) : std::string("absent");
  };
  return absl::AbortedError(absl::StrFormat(
      "store: row %s is %s, this writer goes by %s: somebody else has taken the rows over, and "
      "nothing was written",
      fence.key, shown(found), shown(fence.value)));
}

}  // namespace damocles::store
