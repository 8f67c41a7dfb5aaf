// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/child/dispatcher.h"

#include <algorithm>

#include "damocles/base/check.h"

namespace damocles::child {

void Dispatcher::SetChild(ChildId id, std::uint32_t weight, std::uint32_t slots) {
  DAMOCLES_CHECK(weight > 0 && slots > 0);
  Child& child = children_[id];
  if (child.weight != weight) SettleDebts();
  child.weight = weight;
  child.slots = slots;
  child.leaving = false;
}

void Dispatcher::RemoveChild(ChildId id) {
  const auto at = children_.find(id);
  if (at == children_.end()) return;
  at->second.leaving = true;
  if (at->second.tasks.empty()) children_.erase(at);
}

void Dispatcher::Up(ChildId id) {
  const auto at = children_.find(id);
  if (at == children_.end()) return;
  at->second.up = true;
  SettleDebts();
}

// What one was owed among others is nobody's debt among these.
void Dispatcher::SettleDebts() {
  for (auto& [id, child] : children_) child.credit = 0;
}

std::vector<TaskId> Dispatcher::Down(ChildId id) {
  const auto at = children_.find(id);
  if (at == children_.end()) return {};
  Child& child = at->second;
  child.up = false;
  SettleDebts();
  const std::vector<TaskId> lost(child.tasks.begin(), child.tasks.end());
  child.tasks.clear();
  for (const TaskId id_of_task : lost) {
    Task& task = tasks_.at(id_of_task);
    task.child.reset();
    task.failed.insert(id);
    queue_.insert(PlaceOf(id_of_task, task));
  }
  if (child.leaving) children_.erase(at);
  return lost;
}

void Dispatcher::Submit(TaskId id, absl::Time close) {
  const auto [at, is_new] = tasks_.emplace(id, Task{close, submitted_, std::nullopt, {}});
  DAMOCLES_CHECK(is_new);
  ++submitted_;
  queue_.insert(PlaceOf(id, at->second));
}

void Dispatcher::End(TaskId id) {
  const auto at = tasks_.find(id);
  if (at == tasks_.end()) return;
  if (at->second.child) {
    const auto holder = children_.find(*at->second.child);
    holder->second.tasks.erase(id);
    if (holder->second.leaving && holder->second.tasks.empty()) children_.erase(holder);
  } else {
    queue_.erase(PlaceOf(id, at->second));
  }
  tasks_.erase(at);
}

void Dispatcher::Failed(TaskId id) {
  const auto at = tasks_.find(id);
  if (at == tasks_.end() || !at->second.child) return;
  Task& task = at->second;
  const auto holder = children_.find(*task.child);
  holder->second.tasks.erase(id);
  task.failed.insert(holder->first);
  task.child.reset();
  queue_.insert(PlaceOf(id, task));
  if (holder->second.leaving && holder->second.tasks.empty()) children_.erase(holder);
}

bool Dispatcher::HasAnother(TaskId id) const {
  const auto at = tasks_.find(id);
  if (at == tasks_.end()) return false;
  return std::any_of(children_.begin(), children_.end(), [&](const auto& entry) {
    return entry.second.up && !entry.second.leaving && !at->second.failed.contains(entry.first);
  });
}

// Smooth weighted turns: each free child is credited its weight, the richest goes and pays what all
// were credited.  The sum of credits stays what it was, so that none can save up without end.
Dispatcher::Child* Dispatcher::NextFree(const Task& task, ChildId& id) {
  const bool choosy = std::any_of(children_.begin(), children_.end(), [&](const auto& entry) {
    return entry.second.up && !entry.second.leaving && !task.failed.contains(entry.first);
  });
  Child* next = nullptr;
  std::int64_t total = 0;
  for (auto& [of, child] : children_) {
    if (!child.IsFree() || (choosy && task.failed.contains(of))) continue;
    child.credit += child.weight;
    total += child.weight;
    if (next == nullptr || child.credit > next->credit) {
      next = &child;
      id = of;
    }
  }
  if (next != nullptr) next->credit -= total;
  return next;
}

std::vector<Dispatcher::Assignment> Dispatcher::Assign() {
  std::vector<Assignment> begun;
  for (auto at = queue_.begin(); at != queue_.end();) {
    ChildId id = 0;
    Task& task = tasks_.at(at->second);
    Child* child = NextFree(task, id);
    if (child == nullptr) {
      // Another one may be free for those behind; where none failed any, there is none.
      if (task.failed.empty()) break;
      ++at;
      continue;
    }
    task.child = id;
    child->tasks.insert(at->second);
    begun.push_back({at->second, id});
    at = queue_.erase(at);
  }
  return begun;
}

std::size_t Dispatcher::Busy(ChildId id) const {
  const auto at = children_.find(id);
  return at == children_.end() ? 0 : at->second.tasks.size();
}

std::optional<ChildId> Dispatcher::Holder(TaskId id) const {
  const auto at = tasks_.find(id);
  return at == tasks_.end() ? std::nullopt : at->second.child;
}

Violations Dispatcher::Broken() const {
  Violations broken;
  std::size_t held = 0;
  for (const auto& [id, child] : children_) {
    broken.Require(child.up || child.tasks.empty(), "only a child that is up has tasks");
    for (const TaskId task : child.tasks) {
      const auto at = tasks_.find(task);
      broken.Require(at != tasks_.end() && at->second.child == id,
                     "what a child has is a task that says so");
    }
    held += child.tasks.size();
  }
  broken.Require(held + queue_.size() == tasks_.size(), "a task waits or one child has it");
  return broken;
}

}  // namespace damocles::child
