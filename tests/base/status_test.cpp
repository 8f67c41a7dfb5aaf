// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/status.h"

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/check.h"
#include "damocles/base/clock.h"

namespace damocles {
namespace {

using testing_support::StatusIs;

absl::StatusOr<int> Half(int number) {
  if (number % 2 != 0) return absl::InvalidArgumentError("odd");
  return number / 2;
}

absl::StatusOr<int> Quarter(int number) {
  DAMOCLES_ASSIGN_OR_RETURN(const int half, Half(number));
  DAMOCLES_ASSIGN_OR_RETURN(const int quarter, Half(half));
  return quarter;
}

absl::Status IsDivisibleBy4(int number) {
  DAMOCLES_RETURN_IF_ERROR(Quarter(number).status());
  return absl::OkStatus();
}

TEST(StatusTest, MacrosReturnAtTheFirstError) {
  EXPECT_EQ(Quarter(12).value(), 3);
  EXPECT_THAT(Quarter(6), StatusIs(absl::StatusCode::kInvalidArgument, "odd"));
  EXPECT_OK(IsDivisibleBy4(8));
  EXPECT_FALSE(IsDivisibleBy4(9).ok());
}

TEST(StatusTest, AnnotateKeepsTheCode) {
  EXPECT_OK(Annotate(absl::OkStatus(), "nothing"));
  EXPECT_EQ(Annotate(absl::NotFoundError("no file"), "sector 5"),
            absl::NotFoundError("sector 5: no file"));
}

TEST(CheckTest, AbortsWithTheCondition) {
  DAMOCLES_CHECK(1 + 1 == 2);
  EXPECT_DEATH(DAMOCLES_CHECK(1 + 1 == 3), "check failed: 1 \\+ 1 == 3");
}

TEST(ClockTest, SimulatedTimeMovesWhenTold) {
  SimClock clock(absl::UnixEpoch());
  EXPECT_EQ(clock.Now(), absl::UnixEpoch());
  clock.Advance(absl::Seconds(30));
  EXPECT_EQ(clock.Now(), absl::UnixEpoch() + absl::Seconds(30));
  clock.Set(absl::UnixEpoch());
  EXPECT_EQ(clock.Now(), absl::UnixEpoch());
  EXPECT_GT(SystemClock().Now(), absl::FromUnixSeconds(1'700'000'000));
}

}  // namespace
}  // namespace damocles
