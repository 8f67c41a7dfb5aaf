// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <map>

#include "damocles/base/mutex.h"
#include "damocles/base/status.h"
#include "damocles/store/store.h"

namespace damocles::store {
namespace {

class MemoryStore final : public Store {
 public:
  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    MutexLock lock(mutex_);
    const auto at = rows_.find(key);
    if (at == rows_.end()) return std::optional<std::string>();
    return std::optional<std::string>(at->second);
  }

  absl::Status Scan(std::string_view prefix, const Visitor& visit) const override {
    for (const Entry& row : Snapshot(prefix)) {
      DAMOCLES_RETURN_IF_ERROR(visit(row.key, row.value));
    }
    return absl::OkStatus();
  }

  absl::Status Commit(const Batch& batch, const Fence* fence) override {
    MutexLock lock(mutex_);
    if (fence != nullptr) {
      const auto at = rows_.find(fence->key);
      const auto found =
          at == rows_.end() ? std::optional<std::string>() : std::optional(at->second);
      DAMOCLES_RETURN_IF_ERROR(CheckFence(*fence, found));
    }
    for (const Batch::Operation& operation : batch.Operations()) {
      if (operation.value.has_value()) {
        rows_.insert_or_assign(operation.key, *operation.value);
      } else {
        rows_.erase(operation.key);
      }
    }
    return absl::OkStatus();
  }

 private:
  std::vector<Entry> Snapshot(std::string_view prefix) const {
    MutexLock lock(mutex_);
    std::vector<Entry> rows;
    for (auto at = rows_.lower_bound(prefix); at != rows_.end(); ++at) {
      if (!std::string_view(at->first).starts_with(prefix)) break;
      rows.push_back({at->first, at->second});
    }
    return rows;
  }

  mutable Mutex mutex_;
  std::map<std::string, std::string, std::less<>> rows_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Store> OpenMemoryStore() {
  return std::make_unique<MemoryStore>();
}

}  // namespace damocles::store
