// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The manager's disk in virtual time: outlives it, and can refuse, be spoilt, and forget.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/store/store.h"

namespace damocles::simulation {

class Disk final : public store::Store {
 public:
  // `admit` is asked before each write, `written` is called after it.
  Disk(std::function<absl::Status(const store::Batch&)> admit, std::function<void()> written);

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override;
  absl::Status Scan(std::string_view prefix, const Visitor& visit) const override;
  absl::Status Commit(const store::Batch& batch, const store::Fence* fence) override;

  // The only way in which it forgets: takes the last writes back, as after the fail-over of a
  // database; more than there were, or than kRemembered: as many as it can.
  void Forget(std::size_t writes);
  // Spoils all rows under the prefix.
  void Damage(std::string_view prefix);

 private:
  static constexpr std::size_t kRemembered = 2000;
  void Apply(const store::Batch& batch);

  std::function<absl::Status(const store::Batch&)> admit_;
  std::function<void()> written_;
  std::unique_ptr<store::Store> inner_;
  std::deque<store::Batch> undo_;  // of each write, the latest last
};

}  // namespace damocles::simulation
