// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/store/store.h"

namespace damocles::job {

// A store whose writes can be made to fail.
class FailingStore final : public store::Store {
 public:
  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    return inner_->Get(key);
  }
  absl::Status Scan(std::string_view prefix, const Visitor& visit) const override {
    return inner_->Scan(prefix, visit);
  }
  absl::Status Commit(const store::Batch& batch, const store::Fence* fence) override {
    ++writes;
    if (broken) return absl::UnavailableError("disk full");
    return inner_->Commit(batch, fence);
  }

  bool broken = false;
  int writes = 0;

 private:
  std::unique_ptr<store::Store> inner_ = store::OpenMemoryStore();
};

}  // namespace damocles::job
