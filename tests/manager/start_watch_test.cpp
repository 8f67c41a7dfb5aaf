// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "apps/common/start_watch.h"

#include <string>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "damocles/base/log.h"
#include "damocles/base/mutex.h"

namespace damocles::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class StartWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SetLogSink([this](Severity, std::string_view line) {
      const MutexLock lock(mutex_);
      log_ += std::string(line) + "\n";
    });
  }
  void TearDown() override { SetLogSink({}); }
  std::string Log() {
    const MutexLock lock(mutex_);
    return log_;
  }
  // True once the log has the text.
  bool Says(const std::string& text) {
    for (int i = 0; i < 1000; ++i) {
      if (Log().find(text) != std::string::npos) return true;
      absl::SleepFor(absl::Milliseconds(10));
    }
    return false;
  }

 private:
  Mutex mutex_;
  std::string log_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(StartWatchTest, NamesTheStepThatHangsAndThatItGoesOn) {
  StartWatch watch("manager", absl::Milliseconds(20), absl::Hours(1));
  watch.WaitsFor("the home folder /dead");
  EXPECT_TRUE(Says("start_waits"));
  EXPECT_THAT(Log(), HasSubstr("the home folder /dead"));
  watch.WaitsFor("the database");
  EXPECT_TRUE(Says("start_goes_on"));
  EXPECT_TRUE(Says("for=\"the database\""));
  watch.Done();
}

TEST_F(StartWatchTest, AQuickStartSaysNothing) {
  {
    StartWatch watch("manager", absl::Minutes(5), absl::Hours(1));
    watch.WaitsFor("the home folder");
    watch.WaitsFor("the database");
    watch.Done();
    absl::SleepFor(absl::Milliseconds(50));
  }
  EXPECT_THAT(Log(), IsEmpty());
}

TEST_F(StartWatchTest, SaysNothingOnceTheStartIsDone) {
  {
    StartWatch watch("manager", absl::Milliseconds(50), absl::Milliseconds(50));
    watch.WaitsFor("the home folder");
    watch.Done();
    absl::SleepFor(absl::Milliseconds(200));
  }
  EXPECT_THAT(Log(), Not(HasSubstr("start_waits")));
}

}  // namespace
}  // namespace damocles::cli
