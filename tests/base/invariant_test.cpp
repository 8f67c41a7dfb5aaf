// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/invariant.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "damocles/base/check.h"
#include "damocles/base/log.h"

namespace damocles {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Violations Broken(std::string_view rule) {
  Violations found;
  found.Require(false, rule);
  return found;
}

class InvariantTest : public testing::Test {
 protected:
  InvariantTest() : was_strict_(InvariantsAreStrict()) {
    SetInvariantsStrict(false);
    SetLogSink([this](Severity severity, std::string_view line) {
      EXPECT_EQ(severity, Severity::kError);
      lines_.emplace_back(line);
    });
  }
  ~InvariantTest() override {
    SetLogSink({});
    SetInvariantsStrict(was_strict_);
  }
  bool Check(std::string_view subject, const Violations& found,
             IfViolated then = IfViolated::kGoOn) {
    return CheckInvariants(
        "lamp", subject, found,
        [this] {
          ++described_;
          return std::string("on=1 off=1");
        },
        then);
  }
  const bool was_strict_;
  std::vector<std::string> lines_;
  int described_ = 0;
};

TEST_F(InvariantTest, OnlyBrokenRulesAreListed) {
  Violations part;
  part.Require(true, "holds");
  EXPECT_TRUE(part.Empty());
  part.Require(false, "does not");
  Violations whole;
  whole.Require(false, "first");
  whole.Add("bulb 2", part);
  EXPECT_THAT(whole.Rules(), ElementsAre("first", "bulb 2: does not"));
}

TEST_F(InvariantTest, NothingIsSaidWhereAllHolds) {
  const std::uint64_t before = InvariantViolations();
  EXPECT_TRUE(Check("holds", {}, IfViolated::kEndProcess));
  EXPECT_THAT(lines_, IsEmpty());
  EXPECT_EQ(described_, 0);
  EXPECT_EQ(InvariantViolations(), before);
}

TEST_F(InvariantTest, InUseItIsLoggedOnceWithTheStateAndGoesOn) {
  const std::uint64_t before = InvariantViolations();
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(Check("once-1", Broken("on or off, not both")));
  ASSERT_EQ(lines_.size(), 1U);
  EXPECT_THAT(lines_[0], HasSubstr("invariant_violated machine=lamp subject=once-1"));
  EXPECT_THAT(lines_[0], HasSubstr("rule=\"on or off, not both\" state=\"on=1 off=1\""));
  EXPECT_EQ(described_, 1) << "a state is not written out for nobody";
  // Another subject and another rule are other complaints.
  EXPECT_FALSE(Check("once-2", Broken("on or off, not both")));
  Violations more = Broken("on or off, not both");
  more.Require(false, "has a bulb");
  EXPECT_FALSE(Check("once-1", more));
  ASSERT_EQ(lines_.size(), 3U);
  EXPECT_THAT(lines_[2], HasSubstr("rule=\"has a bulb\""));
  EXPECT_EQ(InvariantViolations(), before + 5);
}

TEST_F(InvariantTest, WhatIsRememberedIsBounded) {
  for (int i = 0; i < 3000; ++i) Check(absl::StrCat("many-", i), Broken("on or off, not both"));
  EXPECT_EQ(lines_.size(), 3000U);
  Check("many-0", Broken("on or off, not both"));
  EXPECT_EQ(lines_.size(), 3001U) << "forgotten long ago, so said again";
}

TEST_F(InvariantTest, AHugeStateIsCut) {
  CheckInvariants("lamp", "huge", Broken("small"), [] { return std::string(1'000'000, 'x'); });
  ASSERT_EQ(lines_.size(), 1U);
  EXPECT_LT(lines_[0].size(), 5000U);
}

using InvariantDeathTest = InvariantTest;

TEST_F(InvariantDeathTest, StrictOnesEndTheProcessWithTheState) {
  EXPECT_DEATH(
      {
        SetInvariantsStrict(true);
        Check("strict", Broken("on or off, not both"));
      },
      "invariant of lamp strict violated: on or off, not both\nstate: on=1 off=1");
}

TEST_F(InvariantDeathTest, WhatWouldLoseMoneyEndsTheProcessAlsoInUse) {
  EXPECT_DEATH(Check("money", Broken("on or off, not both"), IfViolated::kEndProcess),
               "invariant of lamp money violated");
}

#ifndef NDEBUG
TEST_F(InvariantDeathTest, PreconditionsAreHeldInDebugBuilds) {
  EXPECT_TRUE(was_strict_);
  EXPECT_DEATH(DAMOCLES_DCHECK(1 + 1 == 3), "check failed: 1 . 1 == 3");
}
#endif

}  // namespace
}  // namespace damocles
