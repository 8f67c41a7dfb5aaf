// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Real processes, strange ones for the most part (strange_child.sh).

#include "damocles/child/children.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/log_lines.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/async/duration.h"
#include "damocles/base/hex.h"

namespace damocles::child {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using testing_support::LogLines;
using testing_support::StatusIs;
using testing_support::TempDir;
using Answer = Children::Answer;

const std::string kScript = DAMOCLES_SOURCE_DIR "/tests/child/strange_child.sh";

ChildOptions Child(std::string mode, std::string argument = "") {
  ChildOptions options;
  options.name = mode;
  options.program = kScript;
  options.args = {std::move(mode), std::move(argument)};
  options.rules.back_off_first = absl::Milliseconds(20);
  options.rules.grace = absl::Milliseconds(200);
  return options;
}

ChildOptions Named(std::string name, ChildOptions options) {
  options.name = std::move(name);
  return options;
}

prover::WindowPostTask SomeTask() {
  prover::WindowPostTask task{};
  task.proof_type = filecoin::PoStProofType::kWindow2KiBV1_1;
  task.miner = 1000;
  task.sectors = {{.number = 1, .sealed_path = "/x", .cache_dir = "/y"}};
  return task;
}

bool Lives(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(stat, text);
  const std::size_t name_end = text.rfind(')');
  return name_end != std::string::npos && text[name_end + 2] != 'Z';
}

class ChildrenTest : public ::testing::Test {
 protected:
  ~ChildrenTest() noexcept override {}

  void Start(std::vector<ChildOptions> options) {
    children_ = Children::Start(*io_.lowLevelProvider, io_.unixEventPort, Stage::kWindowPost,
                                std::move(options));
  }
  kj::Promise<Answer> Ask(absl::Duration close = absl::Seconds(60),
                          absl::Duration run = absl::InfiniteDuration()) {
    return children_->Prove(SomeTask(), {.close = close, .run = run})
        .ToPromise()
        .eagerlyEvaluate(nullptr);
  }
  Answer Wait(kj::Promise<Answer> answer) { return answer.wait(io_.waitScope); }
  std::string ProofOf(kj::Promise<Answer> promise) {
    const Answer answer = Wait(kj::mv(promise));
    if (!answer.outcome.ok()) return answer.outcome.status().ToString();
    return std::string(AsText(answer.outcome->proof));
  }
  ChildInfo Info(const std::string& name) {
    for (ChildInfo& info : children_->List()) {
      if (info.name == name) return info;
    }
    return {};
  }
  void Sleep(absl::Duration time) {
    io_.provider->getTimer().afterDelay(async::ToKj(time)).wait(io_.waitScope);
  }
  bool AllReady() {
    return Until([&] {
      const std::vector<ChildInfo> list = children_->List();
      return std::all_of(list.begin(), list.end(),
                         [](const ChildInfo& info) { return info.phase == Phase::kReady; });
    });
  }
  bool Until(const std::function<bool()>& holds) {
    for (int i = 0; i < 2000 && !holds(); ++i) Sleep(absl::Milliseconds(10));
    return holds();
  }
  pid_t PidIn(const std::string& path) {
    pid_t pid = 0;
    Until([&] { return (std::ifstream(path) >> pid) && pid > 0; });
    return pid;
  }

  TempDir dir_;
  kj::AsyncIoContext io_ = kj::setupAsyncIo();
  std::unique_ptr<Children> children_;
};

TEST_F(ChildrenTest, AnswersComeBackAndReadinessIsLogged) {
  const LogLines lines;
  Start({Child("good", "cHJvb2Y=")});
  EXPECT_EQ(ProofOf(Ask()), "proof");
  EXPECT_EQ(ProofOf(Ask()), "proof");
  const ChildInfo info = Info("good");
  EXPECT_EQ(info.phase, Phase::kReady);
  EXPECT_EQ(info.done, 2);
  EXPECT_EQ(info.starts, 1);
  EXPECT_EQ(lines.Count(absl::StrFormat("child ready child=good pid=%d ppid=%d proc=window_post",
                                        info.pid, getpid())),
            1);
  EXPECT_EQ(lines.Count("request loop start"), 1);
  EXPECT_EQ(lines.Count("response loop start"), 1);
}

TEST_F(ChildrenTest, EightEqualChildrenShareTheWork) {
  std::vector<ChildOptions> options;
  for (int i = 0; i < 8; ++i) {
    options.push_back(Named(absl::StrFormat("card %d", i), Child("good", "cHJvb2Y=")));
  }
  Start(std::move(options));
  ASSERT_TRUE(AllReady());
  for (int i = 0; i < 80; ++i) EXPECT_EQ(ProofOf(Ask()), "proof");
  for (const ChildInfo& info : children_->List()) EXPECT_EQ(info.done, 10) << info.name;
}

TEST_F(ChildrenTest, OneThatEndsLosesNothingAndIsStartedAgain) {
  Start({Child("dies"), Child("good", "cHJvb2Y=")});
  ASSERT_TRUE(Until([&] { return Info("dies").phase == Phase::kReady; }));
  std::vector<kj::Promise<Answer>> answers;
  for (int i = 0; i < 6; ++i) answers.push_back(Ask());
  for (auto& answer : answers) EXPECT_EQ(ProofOf(kj::mv(answer)), "proof");
  EXPECT_TRUE(Until([&] { return Info("dies").starts >= 2; }));
  EXPECT_EQ(Info("dies").last_end, "exit code 7");
  EXPECT_THAT(Info("dies").lost, Ge(1));
}

TEST_F(ChildrenTest, TaskThatEndsEachChildIsGivenBack) {
  Start({Child("dies")});
  const Answer answer = Wait(Ask());
  EXPECT_THAT(answer.outcome, StatusIs(absl::StatusCode::kUnavailable, "exit code 7"));
  EXPECT_TRUE(Until([&] { return Info("dies").phase == Phase::kReady; }));
  EXPECT_EQ(Info("dies").lost, 3);
}

TEST_F(ChildrenTest, NoneThatCannotBeStartedKeepsTheOthersFromWork) {
  ChildOptions missing = Named("missing", Child("good"));
  missing.program = dir_ / "no such program";
  ChildOptions never = Child("never_ready");
  never.rules.ready_timeout = absl::Milliseconds(300);
  Start({missing, never, Child("dies_unready"), Child("good", "cHJvb2Y=")});
  EXPECT_EQ(ProofOf(Ask()), "proof");
  EXPECT_THAT(Info("missing").last_end, HasSubstr("No such file"));
  EXPECT_TRUE(Until([&] { return Info("never_ready").starts >= 2; }));
  EXPECT_THAT(Info("never_ready").last_end, HasSubstr("not ready within 300ms"));
  EXPECT_TRUE(Until([&] { return Info("dies_unready").starts >= 3; }));
  EXPECT_EQ(Info("dies_unready").last_end, "exit code 9");
}

TEST_F(ChildrenTest, SilentOneIsFoundOutByTheLimit) {
  Start({Child("silent")});
  const Answer answer = Wait(Ask(absl::Seconds(1)));
  EXPECT_THAT(answer.outcome, StatusIs(absl::StatusCode::kDeadlineExceeded, ""));
  EXPECT_EQ(answer.child, "silent");
  EXPECT_EQ(Info("silent").busy, 1);  // it may still be at it
}

TEST_F(ChildrenTest, WhatNobodyTakesInTimeIsSaid) {
  ChildOptions never = Child("never_ready");
  Start({never});
  EXPECT_THAT(Wait(Ask(absl::Milliseconds(200))).outcome,
              StatusIs(absl::StatusCode::kDeadlineExceeded, "no child was free"));
}

TEST_F(ChildrenTest, LinesThatAreNoAnswersAreLoggedAndPassedBy) {
  const LogLines lines;
  Start({Child("garbage"), Child("twice"), Child("other_id")});
  std::vector<std::string> proofs;
  for (int i = 0; i < 9; ++i) proofs.push_back(ProofOf(Ask()));
  EXPECT_THAT(proofs, Each(::testing::AnyOf("garbage", "first", "right")));
  EXPECT_TRUE(Until([&] { return lines.Count("useless_line child=twice") >= 1; }));
  EXPECT_THAT(lines.Count("useless_line child=garbage"), Ge(4));
  EXPECT_THAT(lines.Count("useless_line child=other_id"), Ge(1));
  for (const ChildInfo& info : children_->List()) EXPECT_EQ(info.starts, 1) << info.name;
}

TEST_F(ChildrenTest, EndlessLineEndsItsChildOnly) {
  Start({Child("endless_line"), Child("good", "cHJvb2Y=")});
  ASSERT_TRUE(Until([&] { return Info("endless_line").phase == Phase::kReady; }));
  std::vector<kj::Promise<Answer>> answers;
  for (int i = 0; i < 4; ++i) answers.push_back(Ask());
  for (auto& answer : answers) EXPECT_EQ(ProofOf(kj::mv(answer)), "proof");
  EXPECT_TRUE(Until([&] { return Info("endless_line").starts >= 2; }));
  EXPECT_THAT(Info("endless_line").last_end, HasSubstr("a line of more than"));
}

TEST_F(ChildrenTest, HalfAnAnswerIsNone) {
  Start({Child("half_line"), Child("good", "cHJvb2Y=")});
  ASSERT_TRUE(Until([&] { return Info("half_line").phase == Phase::kReady; }));
  std::vector<kj::Promise<Answer>> answers;
  for (int i = 0; i < 3; ++i) answers.push_back(Ask());
  for (auto& answer : answers) EXPECT_EQ(ProofOf(kj::mv(answer)), "proof");
}

TEST_F(ChildrenTest, AnswerBeforeTheEndCounts) {
  Start({Child("once")});
  EXPECT_EQ(ProofOf(Ask()), "once");
  EXPECT_EQ(ProofOf(Ask()), "once");  // of the next one
}

TEST_F(ChildrenTest, FaultOfASectorThatWasNotAskedForIsNoAnswer) {
  Start({Child("foreign_fault")});
  EXPECT_THAT(Wait(Ask()).outcome, StatusIs(absl::StatusCode::kInternal, "4711"));
}

TEST_F(ChildrenTest, WhatItStartedDiesWithIt) {
  ChildOptions forks = Child("forks", dir_ / "pid");
  forks.rules.restart = false;
  Start({forks});
  const pid_t grandchild = PidIn(dir_ / "pid");
  ASSERT_GT(grandchild, 0);
  const kj::Promise<Answer> answer = Ask(absl::Seconds(30));
  EXPECT_TRUE(Until([&] { return !Lives(grandchild); }));
}

TEST_F(ChildrenTest, OneThatIgnoresSigtermIsKilled) {
  Start({Child("ignores_term", dir_ / "pid")});
  const pid_t pid = PidIn(dir_ / "pid");
  ASSERT_TRUE(Until([&] { return Info("ignores_term").phase == Phase::kReady; }));
  children_->Stop(absl::Seconds(60)).ToPromise().wait(io_.waitScope);
  EXPECT_FALSE(Lives(pid));
}

TEST_F(ChildrenTest, StopAnswersWhatIsUnderWay) {
  Start({Child("silent")});
  ASSERT_TRUE(Until([&] { return Info("silent").phase == Phase::kReady; }));
  kj::Promise<Answer> answer = Ask();
  kj::Promise<Answer> waiting = Ask();
  children_->Stop(absl::Seconds(60)).ToPromise().wait(io_.waitScope);
  EXPECT_THAT(Wait(kj::mv(answer)).outcome, StatusIs(absl::StatusCode::kUnavailable, ""));
  EXPECT_THAT(Wait(kj::mv(waiting)).outcome, StatusIs(absl::StatusCode::kUnavailable, ""));
  EXPECT_THAT(Wait(Ask()).outcome, StatusIs(absl::StatusCode::kUnavailable, ""));
}

TEST_F(ChildrenTest, FloodOfErrorsIsReadAndCutShort) {
  const LogLines lines;
  Start({Child("floods")});
  EXPECT_EQ(ProofOf(Ask()), "flood");
  EXPECT_LT(lines.Count("child says"), 1000);
  EXPECT_GT(lines.Count("child says"), 10);
  EXPECT_TRUE(Until([&] { return Info("floods").done == 1; }));
}

TEST_F(ChildrenTest, EnvironmentIsInheritedOrNotAndOverridden) {
  setenv("A", "inherited", 1);
  setenv("B", "inherited", 1);
  ChildOptions with = Named("with", Child("says_environment"));
  with.environment = {{"B", "own"}};
  Start({with});
  EXPECT_EQ(ProofOf(Ask()), "inherited|own");
  ChildOptions without = Named("without", Child("says_environment"));
  without.inherit_environment = false;
  without.environment = {{"B", "own"}, {"PATH", "/usr/bin:/bin"}};
  Start({without});
  EXPECT_EQ(ProofOf(Ask()), "none|own");
}

TEST_F(ChildrenTest, WrongProofReplacesTheProcess) {
  Start({Child("good", "cHJvb2Y=")});
  const Answer answer = Wait(Ask());
  const std::int64_t pid = Info("good").pid;
  children_->AnsweredWrongly(answer);
  EXPECT_TRUE(Until([&] { return Info("good").starts == 2 && Info("good").pid != 0; }));
  EXPECT_NE(Info("good").pid, pid);
  EXPECT_EQ(ProofOf(Ask()), "proof");
  children_->AnsweredWrongly(answer);  // of the one that is gone
  EXPECT_EQ(ProofOf(Ask()), "proof");
  EXPECT_EQ(Info("good").starts, 2);
}

TEST_F(ChildrenTest, ReconfigureAddsChangesAndDrains) {
  Start({Named("stays", Child("good", "c3RheXM=")), Named("goes", Child("slow", "1")),
         Named("changes", Child("good", "b2xk"))});
  ASSERT_TRUE(AllReady());
  const std::int64_t stays = Info("stays").pid;
  // One for each: "goes" has a task when it is told to go.
  std::vector<kj::Promise<Answer>> answers;
  for (int i = 0; i < 3; ++i) answers.push_back(Ask());
  ChildOptions weighty = Named("stays", Child("good", "c3RheXM="));
  weighty.weight = 7;
  children_->Reconfigure(
      {weighty, Named("changes", Child("good", "bmV3")), Named("new", Child("good", "YWRkZWQ="))});
  std::vector<std::string> proofs;
  for (auto& answer : answers) proofs.push_back(ProofOf(kj::mv(answer)));
  EXPECT_THAT(proofs, ::testing::UnorderedElementsAre("stays", "slow", "old"));
  EXPECT_TRUE(Until([&] { return children_->List().size() == 3 && Info("goes").name.empty(); }));
  EXPECT_EQ(Info("stays").pid, stays);
  EXPECT_EQ(Info("stays").weight, 7);
  ASSERT_TRUE(Until([&] {
    return Info("changes").phase == Phase::kReady && Info("new").phase == Phase::kReady;
  }));
  std::vector<std::string> later;
  for (int i = 0; i < 18; ++i) later.push_back(ProofOf(Ask()));
  EXPECT_THAT(later, ::testing::Contains("new"));
  EXPECT_THAT(later, ::testing::Contains("added"));
  EXPECT_EQ(std::count(later.begin(), later.end(), "stays"), 14);
}

TEST_F(ChildrenTest, FailedTaskGoesToAnotherChild) {
  Start({Child("fails"), Child("good", "cHJvb2Y=")});
  ASSERT_TRUE(AllReady());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ProofOf(Ask()), "proof");
  EXPECT_THAT(Info("fails").failed, Ge(1));
}

TEST_F(ChildrenTest, LastErrorIsTheAnswerWhereNobodyElseIs) {
  Start({Child("fails")});
  EXPECT_THAT(Wait(Ask()).outcome, StatusIs(absl::StatusCode::kInternal, "CUDA out of memory"));
  EXPECT_EQ(Info("fails").failed, 1);
}

TEST_F(ChildrenTest, AnswerThatCannotBeReadGoesToAnotherChild) {
  Start({Child("nonsense_answer"), Child("good", "cHJvb2Y=")});
  ASSERT_TRUE(AllReady());
  for (int i = 0; i < 4; ++i) EXPECT_EQ(ProofOf(Ask()), "proof");
}

TEST_F(ChildrenTest, HungChildLosesItsTaskToAnother) {
  Start({Child("silent"), Child("good", "cHJvb2Y=")});
  ASSERT_TRUE(Until([&] { return Info("silent").phase == Phase::kReady; }));
  std::vector<kj::Promise<Answer>> answers;
  for (int i = 0; i < 2; ++i) answers.push_back(Ask(absl::Seconds(60), absl::Seconds(1)));
  for (auto& answer : answers) EXPECT_EQ(ProofOf(kj::mv(answer)), "proof");
  EXPECT_TRUE(Until([&] { return Info("silent").starts >= 2; }));
  EXPECT_THAT(Info("silent").last_end, HasSubstr("had not answered after 1s"));
}

TEST_F(ChildrenTest, NoneThatRunsIsSaidAtOnceAndAnOperatorCanReviveIt) {
  ChildOptions once = Child("dies_unready");
  once.rules.restart = false;
  Start({once});
  EXPECT_THAT(Wait(Ask()).outcome, StatusIs(absl::StatusCode::kUnavailable, "no child runs"));
  EXPECT_THAT(Wait(Ask()).outcome, StatusIs(absl::StatusCode::kUnavailable, "no child runs"));
  children_->Reconfigure({once});
  EXPECT_TRUE(Until([&] { return Info("dies_unready").starts >= 2; }));
}

TEST_F(ChildrenTest, EndlessFloodsLeaveTheLoopAlone) {
  for (const char* mode : {"floods_for_ever", "useless_for_ever"}) {
    Start({Child(mode), Child("good", "cHJvb2Y=")});
    ASSERT_TRUE(Until([&] { return Info(mode).starts >= 1; }));
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < 10; ++i) Sleep(absl::Milliseconds(50));
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10)) << mode;
    EXPECT_EQ(ProofOf(Ask()), "proof");
  }
  EXPECT_TRUE(Until([&] { return Info("useless_for_ever").starts >= 2; }));
  EXPECT_THAT(Info("useless_for_ever").last_end, HasSubstr("of no use"));
}

TEST_F(ChildrenTest, OneThatClosesItsOutputIsReplaced) {
  Start({Child("closes_output")});
  EXPECT_TRUE(Until([&] { return Info("closes_output").starts >= 2; }));
  EXPECT_THAT(Info("closes_output").last_end, HasSubstr("closed its output"));
}

// A request is larger than a pipe: it is written in parts, as the child takes it.
TEST_F(ChildrenTest, ChildThatDoesNotReadHoldsUpNobody) {
  Start({Child("does_not_read"), Child("good", "cHJvb2Y=")});
  ASSERT_TRUE(Until([&] { return Info("does_not_read").phase == Phase::kReady; }));
  prover::WindowPostTask large = SomeTask();
  for (filecoin::SectorNumber number = 2; number < 3000; ++number) {
    large.sectors.push_back({.number = number, .sealed_path = "/x", .cache_dir = "/y"});
  }
  std::vector<kj::Promise<Answer>> answers;
  for (int i = 0; i < 2; ++i) {
    answers.push_back(children_->Prove(large, {.close = absl::Seconds(60), .run = absl::Seconds(5)})
                          .ToPromise()
                          .eagerlyEvaluate(nullptr));
  }
  for (auto& answer : answers) EXPECT_EQ(ProofOf(kj::mv(answer)), "proof");
}

// A parent in a process of its own: what happens when it is killed.
class ChildrenOfTheKilledTest : public ChildrenTest {
 protected:
  ~ChildrenOfTheKilledTest() noexcept override {}

  void BecomeParent(const std::string& mode) {
    parent_ = fork();
    if (parent_ != 0) return;
    // This thread has the loop of the test.
    std::thread([&] {
      kj::AsyncIoContext io = kj::setupAsyncIo();
      const auto children = Children::Start(*io.lowLevelProvider, io.unixEventPort,
                                            Stage::kWindowPost, {Child(mode, dir_ / "pid")});
      kj::Promise<void>(kj::NEVER_DONE).wait(io.waitScope);
    }).join();
    _exit(127);
  }
  void ExpectGone() {
    const pid_t pid = PidIn(dir_ / "pid");
    ASSERT_GT(pid, 0);
    ASSERT_TRUE(Lives(pid));
    kill(parent_, SIGKILL);
    EXPECT_TRUE(Until([&] { return !Lives(pid); }));
    EXPECT_EQ(waitpid(parent_, nullptr, 0), parent_);
  }

  pid_t parent_ = -1;
};

TEST_F(ChildrenOfTheKilledTest, NoneIsLeft) {
  BecomeParent("ignores_term");
  ExpectGone();
}

TEST_F(ChildrenOfTheKilledTest, NorWhatAWrapperStarted) {
  BecomeParent("wraps");
  ExpectGone();
}

}  // namespace
}  // namespace damocles::child
