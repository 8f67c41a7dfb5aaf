// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Task<T>: what an asynchronous function of this library is and returns.
//
//   Task<absl::StatusOr<int>> Sum(Source& source) {
//     DAMOCLES_CO_ASSIGN_OR_RETURN(const int a, co_await source.Next());
//     co_await timer.afterDelay(1 * kj::SECONDS);          // any kj::Promise can be awaited
//     co_return a + 1;
//   }
//
// A task starts at once, runs on the thread of its event loop, and is cancelled (its frame
// destroyed) when the Task, or the promise it was turned into, is dropped.  Reference parameters
// must outlive it.  What a caller may handle arrives as a status; an exception is a bug or a
// cancelled dependency.
//
// The loop is the host program's: kj::setupAsyncIo().  KJ takes SIGUSR1 for its own use in it; a
// program that wants that signal for itself gives KJ another one before, with
// kj::UnixEventPort::setReservedSignal (examples/read_deadlines).
//
// kj::Promise itself cannot be the return type: g++ 12 does not survive it.

#pragma once

#include <kj/async.h>
#include <kj/debug.h>

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/base/status.h"

namespace damocles::async {

template <typename T>
class Task;

namespace internal {

// The exception in flight, as KJ carries it.
kj::Exception CurrentException();

class TaskPromiseBase {
 public:
  std::suspend_never initial_suspend() noexcept { return {}; }  // NOLINT: names of the language
  std::suspend_always final_suspend() noexcept { return {}; }   // NOLINT

  // Two slots take turns: the promise node that is firing must outlive the resumption it causes.
  kj::Promise<void>& NextSlot() {
    current_ ^= 1;
    return slots_[current_];
  }

 private:
  kj::Promise<void> slots_[2] = {nullptr, nullptr};
  unsigned current_ = 0;
};

template <typename T>
class Awaiter {
 public:
  Awaiter(TaskPromiseBase& owner, kj::Promise<T>&& promise)
      : owner_(owner), promise_(new kj::Promise<T>(kj::mv(promise))) {}
  Awaiter(const Awaiter&) = delete;
  Awaiter& operator=(const Awaiter&) = delete;
  // KJ's destructors may throw; the compiler needs one that does not.
  ~Awaiter() noexcept { delete promise_; }

  bool await_ready() noexcept { return false; }         // NOLINT
  void await_suspend(std::coroutine_handle<> handle) {  // NOLINT
    auto on_error = [this, handle](kj::Exception&& exception) {
      error_.emplace(kj::mv(exception));
      handle.resume();
    };
    if constexpr (std::is_void_v<T>) {
      owner_.NextSlot() = promise_
                              ->then(
                                  [this, handle]() {
                                    value_.emplace();
                                    handle.resume();
                                  },
                                  kj::mv(on_error))
                              .eagerlyEvaluate(nullptr);
    } else {
      owner_.NextSlot() = promise_
                              ->then(
                                  [this, handle](T&& value) {
                                    value_.emplace(kj::mv(value));
                                    handle.resume();
                                  },
                                  kj::mv(on_error))
                              .eagerlyEvaluate(nullptr);
    }
  }
  T await_resume() {  // NOLINT
    if (error_) kj::throwFatalException(kj::mv(*error_));
    if constexpr (!std::is_void_v<T>) return kj::mv(*value_);
  }

 private:
  TaskPromiseBase& owner_;
  kj::Promise<T>* promise_;
  std::optional<kj::_::FixVoid<T>> value_;
  std::optional<kj::Exception> error_;
};

template <typename T>
class TaskPromise;

template <typename T>
class TaskPromiseCommon : public TaskPromiseBase {
 public:
  TaskPromiseCommon() {
    auto pair = kj::newPromiseAndFulfiller<T>();
    fulfiller_ = kj::mv(pair.fulfiller);
    result_ = kj::mv(pair.promise);
  }

  Task<T> get_return_object();                                            // NOLINT
  void unhandled_exception() { fulfiller_->reject(CurrentException()); }  // NOLINT

  template <typename U>
  Awaiter<U> await_transform(kj::Promise<U>&& promise) {  // NOLINT
    return Awaiter<U>(*this, kj::mv(promise));
  }
  template <typename U>
  Awaiter<U> await_transform(Task<U>&& task) {  // NOLINT
    return Awaiter<U>(*this, kj::mv(task).ToPromise());
  }

 protected:
  friend class Task<T>;
  kj::Own<kj::PromiseFulfiller<T>> fulfiller_;
  kj::Promise<T> result_ = nullptr;
};

template <typename T>
class TaskPromise : public TaskPromiseCommon<T> {
 public:
  template <typename V>
  void return_value(V&& value) {  // NOLINT
    this->fulfiller_->fulfill(T(kj::fwd<V>(value)));
  }
};

template <>
class TaskPromise<void> : public TaskPromiseCommon<void> {
 public:
  void return_void() { fulfiller_->fulfill(); }  // NOLINT
};

}  // namespace internal

template <typename T>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::TaskPromise<T>;  // NOLINT: the language's name

  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() noexcept {
    if (handle_) handle_.destroy();
  }

  // The same work as a promise; dropping the promise cancels it.
  kj::Promise<T> ToPromise() && {
    auto promise = kj::mv(handle_.promise().result_);
    Frame frame(std::exchange(handle_, nullptr));
    return promise.attach(kj::mv(frame));
  }
  operator kj::Promise<T>() && { return kj::mv(*this).ToPromise(); }  // NOLINT: same thing

 private:
  class Frame {
   public:
    explicit Frame(std::coroutine_handle<> handle) : handle_(handle) {}
    Frame(Frame&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    ~Frame() noexcept {
      if (handle_) handle_.destroy();
    }

   private:
    std::coroutine_handle<> handle_;
  };

  std::coroutine_handle<promise_type> handle_;
};

template <typename T>
Task<T> internal::TaskPromiseCommon<T>::get_return_object() {
  return Task<T>(
      std::coroutine_handle<TaskPromise<T>>::from_promise(static_cast<TaskPromise<T>&>(*this)));
}

}  // namespace damocles::async

// As DAMOCLES_RETURN_IF_ERROR and DAMOCLES_ASSIGN_OR_RETURN, in a coroutine.
#define DAMOCLES_CO_RETURN_IF_ERROR(expr)                                 \
  do {                                                                    \
    if (::absl::Status damocles_status = (expr); !damocles_status.ok()) { \
      co_return damocles_status;                                          \
    }                                                                     \
  } while (false)
#define DAMOCLES_CO_ASSIGN_OR_RETURN(lhs, expr) \
  DAMOCLES_CO_ASSIGN_OR_RETURN_IMPL_(DAMOCLES_CONCAT_(damocles_status_or_, __LINE__), lhs, expr)
// NOLINTBEGIN(bugprone-macro-parentheses): `tmp` is a name, `lhs` may be a declaration.
#define DAMOCLES_CO_ASSIGN_OR_RETURN_IMPL_(tmp, lhs, expr) \
  auto tmp = (expr);                                       \
  if (!tmp.ok()) co_return std::move(tmp).status();        \
  lhs = std::move(tmp).value()
// NOLINTEND(bugprone-macro-parentheses)
