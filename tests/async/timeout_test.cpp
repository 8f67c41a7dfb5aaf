// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/async/timeout.h"

#include <string>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "tests/support/loop.h"
#include "tests/support/status_matchers.h"

#include "damocles/async/duration.h"

namespace damocles::async {
namespace {

using testing_support::StatusIs;
using Answer = absl::StatusOr<int>;

class TimeoutTest : public testing::Test {
 protected:
  ~TimeoutTest() noexcept override {}  // NOLINT(modernize-use-equals-default): KJ's may throw
  void Pass(kj::Duration time) {
    timer_.advanceTo(timer_.now() + time);
    kj::evalLast([] {}).wait(loop_.Scope());
  }

  testing_support::Loop loop_;
  kj::TimerImpl timer_{kj::origin<kj::TimePoint>()};
};

TEST_F(TimeoutTest, GivesWhatComesInTime) {
  auto pair = kj::newPromiseAndFulfiller<Answer>();
  auto promise =
      Within(timer_, 10 * kj::SECONDS, kj::mv(pair.promise), absl::DeadlineExceededError("late"));
  Pass(9 * kj::SECONDS);
  EXPECT_FALSE(promise.poll(loop_.Scope()));
  pair.fulfiller->fulfill(Answer(7));
  EXPECT_EQ(promise.wait(loop_.Scope()).value(), 7);
}

TEST_F(TimeoutTest, DropsWhatIsLateAndGivesAStatus) {
  auto pair = kj::newPromiseAndFulfiller<Answer>();
  auto promise =
      Within(timer_, 10 * kj::SECONDS, kj::mv(pair.promise), absl::DeadlineExceededError("late"));
  Pass(10 * kj::SECONDS);
  EXPECT_THAT(promise.wait(loop_.Scope()), StatusIs(absl::StatusCode::kDeadlineExceeded, "late"));
  EXPECT_FALSE(pair.fulfiller->isWaiting());
}

TEST_F(TimeoutTest, AsksAFunctionOnlyWhenItIsLate) {
  int asked = 0;
  const auto late = [&asked] {
    ++asked;
    return std::string("late");
  };
  auto in_time =
      Within(timer_, 1 * kj::SECONDS, kj::Promise<std::string>(std::string("here")), late);
  EXPECT_EQ(in_time.wait(loop_.Scope()), "here");
  auto never = Within(timer_, 1 * kj::SECONDS, kj::Promise<std::string>(kj::NEVER_DONE), late);
  Pass(1 * kj::SECONDS);
  EXPECT_EQ(never.wait(loop_.Scope()), "late");
  EXPECT_EQ(asked, 1);
}

TEST_F(TimeoutTest, AFunctionMayThrow) {
  auto promise =
      Within(timer_, 1 * kj::SECONDS, kj::Promise<void>(kj::NEVER_DONE),
             []() -> kj::Promise<void> { return KJ_EXCEPTION(DISCONNECTED, "planted"); });
  Pass(1 * kj::SECONDS);
  bool thrown = false;
  promise.catch_([&](kj::Exception&& /*planted*/) { thrown = true; }).wait(loop_.Scope());
  EXPECT_TRUE(thrown);
}

struct SetOnEnd {
  bool& ended;
  ~SetOnEnd() { ended = true; }
};

Task<Answer> NeverEnds(bool& ended) {
  const SetOnEnd guard{ended};
  co_await kj::Promise<void>(kj::NEVER_DONE);
  co_return 1;
}

TEST_F(TimeoutTest, EndsATask) {
  bool ended = false;
  auto promise =
      Within(timer_, 1 * kj::SECONDS, NeverEnds(ended), absl::DeadlineExceededError("late"));
  Pass(1 * kj::SECONDS);
  EXPECT_THAT(promise.wait(loop_.Scope()), StatusIs(absl::StatusCode::kDeadlineExceeded, "late"));
  EXPECT_TRUE(ended);
}

TEST(DurationTest, NeverTooShortAndNeverMoreThanATimerBears) {
  EXPECT_EQ(ToKj(absl::Milliseconds(1500)), 1500 * kj::MILLISECONDS);
  EXPECT_EQ(ToKj(absl::Nanoseconds(1) / 4), 1 * kj::NANOSECONDS);
  EXPECT_EQ(ToKj(absl::ZeroDuration()), 0 * kj::NANOSECONDS);
  EXPECT_EQ(ToKj(-absl::InfiniteDuration()), 0 * kj::NANOSECONDS);
  EXPECT_EQ(ToKj(absl::InfiniteDuration()), 24 * 365 * 100 * kj::HOURS);
}

}  // namespace
}  // namespace damocles::async
