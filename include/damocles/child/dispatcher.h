// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Which child gets which task: pure, so that hours of it run in a test in no time.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "damocles/base/invariant.h"

namespace damocles::child {

using ChildId = std::uint32_t;
using TaskId = std::uint64_t;

// Tasks wait in one queue, the one whose window closes first in front, and go to whichever child
// has a free slot.  Of several free ones the turn goes by weight, smoothly: over any stretch of
// time in which the same children are free, each gets its share to within one task, and none twice
// in a row while another's share is owed.
class Dispatcher {
 public:
  // Adds a child, which is not up yet, or changes one.  Neither may be 0.  With fewer slots than it
  // has tasks it finishes those.
  void SetChild(ChildId child, std::uint32_t weight, std::uint32_t slots);
  // It gets nothing more, and is forgotten with its last task.
  void RemoveChild(ChildId child);
  void Up(ChildId child);
  // It is gone, with what it had: those tasks are back in the queue in their old places, and are
  // named here.  None if it was not up.
  std::vector<TaskId> Down(ChildId child);

  // `close`: by when it must be done.
  void Submit(TaskId task, absl::Time close);
  // The child that has it failed it: it waits again, in its old place, for another one.
  void Failed(TaskId task);
  // Whether a child is up that has not failed it.
  bool HasAnother(TaskId task) const;
  // Done, failed or no longer wanted: wherever it is, it is no more.
  void End(TaskId task);

  struct Assignment {
    TaskId task = 0;
    ChildId child = 0;
    friend bool operator==(const Assignment&, const Assignment&) = default;
  };
  // What is to begin now; it counts as begun.
  std::vector<Assignment> Assign();

  // For listings.
  std::size_t Waiting() const { return queue_.size(); }
  std::size_t Busy(ChildId child) const;
  // The child that has it.
  std::optional<ChildId> Holder(TaskId task) const;

  // What must always hold.
  Violations Broken() const;

 private:
  struct Child {
    std::uint32_t weight = 1;
    std::uint32_t slots = 1;
    bool up = false;
    bool leaving = false;
    // Of the turn: what it is owed, in units of the others' weights.
    std::int64_t credit = 0;
    std::set<TaskId> tasks;
    bool IsFree() const { return up && !leaving && tasks.size() < slots; }
  };
  struct Task {
    absl::Time close;
    std::uint64_t order = 0;  // of submission
    std::optional<ChildId> child;
    std::set<ChildId> failed;
  };
  using Place = std::pair<std::pair<absl::Time, std::uint64_t>, TaskId>;
  static Place PlaceOf(TaskId id, const Task& task) { return {{task.close, task.order}, id}; }

  Child* NextFree(const Task& task, ChildId& id);
  void SettleDebts();

  std::map<ChildId, Child> children_;
  std::map<TaskId, Task> tasks_;
  std::set<Place> queue_;
  std::uint64_t submitted_ = 0;
};

}  // namespace damocles::child
