// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/async/task.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/support/loop.h"
#include "tests/support/status_matchers.h"

#include "damocles/async/offload.h"

namespace damocles::async {
namespace {

Task<absl::StatusOr<int>> Next(int value) {
  co_await kj::evalLater([] {});
  if (value < 0) co_return absl::InvalidArgumentError("negative");
  co_return value + 1;
}

Task<absl::StatusOr<int>> Twice(int value) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const int once, co_await Next(value));
  DAMOCLES_CO_ASSIGN_OR_RETURN(const int twice, co_await Next(once));
  co_return twice;
}

Task<int> Throws() {
  co_await kj::evalLater([] {});
  KJ_FAIL_REQUIRE("planted");
}

struct SetOnDestruction {
  bool& flag;
  ~SetOnDestruction() { flag = true; }
};

Task<int> Waits(kj::Promise<void> promise, bool& destroyed) {
  const SetOnDestruction guard{destroyed};
  co_await kj::mv(promise);
  co_return 1;
}

class TaskTest : public testing::Test {
 protected:
  testing_support::Loop loop_;
  kj::WaitScope& scope_ = loop_.Scope();
};

TEST_F(TaskTest, ReturnsTheValueAndTheStatus) {
  EXPECT_EQ(Twice(3).ToPromise().wait(scope_).value(), 5);
  EXPECT_THAT(Twice(-1).ToPromise().wait(scope_),
              testing_support::StatusIs(absl::StatusCode::kInvalidArgument, "negative"));
}

TEST_F(TaskTest, ExceptionsTravel) {
  auto promise = Throws().ToPromise();
  bool seen = false;
  try {
    promise.wait(scope_);
  } catch (const kj::Exception& exception) {
    seen = std::string(exception.getDescription().cStr()).find("planted") != std::string::npos;
  }
  EXPECT_TRUE(seen);
}

TEST_F(TaskTest, DroppingThePromiseDestroysTheFrame) {
  bool destroyed = false;
  {
    auto pair = kj::newPromiseAndFulfiller<void>();
    auto promise = Waits(kj::mv(pair.promise), destroyed).ToPromise();
    EXPECT_FALSE(promise.poll(scope_));
    EXPECT_FALSE(destroyed);
  }
  EXPECT_TRUE(destroyed);
}

TEST_F(TaskTest, OffloadedWorkComesBackToTheLoop) {
  ThreadPool pool(2);
  PoolExecutor executor(pool);
  InlineExecutor inline_executor;
  EXPECT_EQ(Offload<int>(executor, [] { return 7; }).wait(scope_), 7);
  EXPECT_EQ(Offload<int>(inline_executor, [] { return 8; }).wait(scope_), 8);
}

TEST_F(TaskTest, ExceptionOfOffloadedWorkRejectsThePromise) {
  ThreadPool pool(2);
  PoolExecutor executor(pool);
  InlineExecutor inline_executor;
  for (Executor* where :
       {static_cast<Executor*>(&executor), static_cast<Executor*>(&inline_executor)}) {
    kj::Promise<int> work = Offload<int>(*where, []() -> int { throw std::bad_alloc(); });
    EXPECT_TRUE(
        work.then([](int) { return false; }, [](kj::Exception&&) { return true; }).wait(scope_));
  }
  EXPECT_EQ(Offload<int>(executor, [] { return 7; }).wait(scope_), 7);
}

}  // namespace
}  // namespace damocles::async
