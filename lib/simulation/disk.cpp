// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/simulation/disk.h"

#include <utility>
#include <vector>

#include "damocles/base/check.h"

namespace damocles::simulation {

Disk::Disk(std::function<absl::Status(const store::Batch&)> admit, std::function<void()> written)
    : admit_(std::move(admit)), written_(std::move(written)), inner_(store::OpenMemoryStore()) {}

absl::StatusOr<std::optional<std::string>> Disk::Get(std::string_view key) const {
  return inner_->Get(key);
}

absl::Status Disk::Scan(std::string_view prefix, const Visitor& visit) const {
  return inner_->Scan(prefix, visit);
}

absl::Status Disk::Commit(const store::Batch& batch, const store::Fence* fence) {
  if (fence != nullptr) {
    const auto found = inner_->Get(fence->key);
    DAMOCLES_CHECK(found.ok());
    if (const absl::Status holds = store::CheckFence(*fence, *found); !holds.ok()) return holds;
  }
  if (const absl::Status status = admit_(batch); !status.ok()) return status;
  Apply(batch);
  written_();
  return absl::OkStatus();
}

void Disk::Apply(const store::Batch& batch) {
  store::Batch undo;
  for (const store::Batch::Operation& operation : batch.Operations()) {
    const auto before = inner_->Get(operation.key);
    DAMOCLES_CHECK(before.ok());
    if (before->has_value()) {
      undo.Put(operation.key, **before);
    } else {
      undo.Delete(operation.key);
    }
  }
  DAMOCLES_CHECK(inner_->Write(batch).ok());
  undo_.push_back(std::move(undo));
  if (undo_.size() > kRemembered) undo_.pop_front();
}

void Disk::Forget(std::size_t writes) {
  for (; writes > 0 && !undo_.empty(); --writes) {
    DAMOCLES_CHECK(inner_->Write(undo_.back()).ok());
    undo_.pop_back();
  }
}

void Disk::Damage(std::string_view prefix) {
  const absl::StatusOr<std::vector<store::Entry>> rows = store::List(*inner_, prefix);
  DAMOCLES_CHECK(rows.ok());
  store::Batch batch;
  for (const store::Entry& row : *rows) {
    batch.Put(row.key, row.value.substr(0, row.value.size() / 2));
  }
  Apply(batch);
}

}  // namespace damocles::simulation
