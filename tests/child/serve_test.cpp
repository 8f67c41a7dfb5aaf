// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/child/serve.h"

#include <unistd.h>

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace damocles::child {
namespace {

using testing_support::IsOk;
using testing_support::StatusIs;

prover::WindowPostTask OneSectorOf(filecoin::ActorId miner) {
  prover::WindowPostTask task{};
  task.proof_type = filecoin::PoStProofType::kWindow2KiBV1_1;
  task.miner = miner;
  task.sectors = {{.number = 1, .sealed_path = "/x", .cache_dir = "/y"}};
  return task;
}

// A child that serves on a thread, and its parent's ends of the pipes.
class Served {
 public:
  explicit Served(ProveFn prove, bool extensions = false) : prove_(std::move(prove)) {
    int in[2];
    int out[2];
    EXPECT_EQ(pipe(in), 0);
    EXPECT_EQ(pipe(out), 0);
    to_child_ = in[1];
    from_child_ = fdopen(out[0], "r");
    thread_ = std::thread([this, input = in[0], output = out[1], extensions] {
      status_ = Serve(Stage::kWindowPost, prove_, input, output, extensions);
      close(input);
      close(output);
    });
  }
  ~Served() {
    if (thread_.joinable()) {
      EXPECT_THAT(Finish(), IsOk());
    }
    fclose(from_child_);
  }
  void Send(const std::string& bytes) {
    EXPECT_EQ(write(to_child_, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  std::string Line() {
    std::string line;
    for (int c; (c = fgetc(from_child_)) != EOF;) {
      line.push_back(static_cast<char>(c));
      if (c == '\n') break;
    }
    return line;
  }
  absl::Status Finish() {
    close(to_child_);
    thread_.join();
    return status_;
  }

 private:
  const ProveFn prove_;
  int to_child_ = -1;
  FILE* from_child_ = nullptr;
  absl::Status status_;
  std::thread thread_;
};

TEST(ServeTest, AnswersInAnyOrderAndEndsWithItsInput) {
  std::atomic<bool> go = false;
  Served child([&](const prover::WindowPostTask& task, const std::stop_token&) -> Outcome {
    while (task.miner == 1 && !go) std::this_thread::yield();
    return prover::WindowPostOutcome{.proof = {static_cast<std::uint8_t>(task.miner)},
                                     .faults = {}};
  });
  EXPECT_EQ(child.Line(), "window_post processor ready\n");
  child.Send(EncodeRequest(1, OneSectorOf(1), false) + EncodeRequest(2, OneSectorOf(2), false));
  const auto first = DecodeResponse(child.Line());
  go = true;
  const auto second = DecodeResponse(child.Line());
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->id, 2);
  EXPECT_EQ(second->id, 1);
  EXPECT_THAT(child.Finish(), IsOk());
}

TEST(ServeTest, ProofsUnderWayStopWhenTheParentGoes) {
  std::atomic<bool> begun = false;
  Served child([&](const prover::WindowPostTask&, const std::stop_token& stop) -> Outcome {
    begun = true;
    while (!stop.stop_requested()) std::this_thread::yield();
    return absl::CancelledError("stopped");
  });
  child.Line();
  child.Send(EncodeRequest(1, OneSectorOf(1), false));
  while (!begun) std::this_thread::yield();
  EXPECT_THAT(child.Finish(), IsOk());
}

TEST(ServeTest, WhatIsNotUnderstoodIsAnsweredIfItHasAnId) {
  Served child([](const prover::WindowPostTask&, const std::stop_token&) -> Outcome {
    return absl::NotFoundError("no");
  });
  child.Line();
  child.Send("nonsense\n{\"id\":12,\"task\":{\"miner_id\":true}}\n");
  const auto refused = DecodeResponse(child.Line());
  ASSERT_TRUE(refused.ok());
  EXPECT_EQ(refused->id, 12);
  EXPECT_THAT(refused->outcome, StatusIs(absl::StatusCode::kInternal, "miner_id"));
}

TEST(ServeTest, ProofThatThrowsIsAnswered) {
  Served child([](const prover::WindowPostTask&, const std::stop_token&) -> Outcome {
    throw std::bad_alloc();
  });
  child.Line();
  child.Send(EncodeRequest(4, OneSectorOf(1), false));
  const auto failed = DecodeResponse(child.Line());
  ASSERT_TRUE(failed.ok());
  EXPECT_EQ(failed->id, 4);
  EXPECT_FALSE(failed->outcome.ok());
}

TEST(ServeTest, ExtensionsAreSaidAndARequestCanBeTakenBack) {
  std::atomic<bool> begun = false;
  Served child(
      [&](const prover::WindowPostTask&, const std::stop_token& stop) -> Outcome {
        begun = true;
        while (!stop.stop_requested()) std::this_thread::yield();
        return absl::CancelledError("stopped");
      },
      /*extensions=*/true);
  EXPECT_EQ(child.Line(), kExtensionsLine);
  EXPECT_EQ(child.Line(), "window_post processor ready\n");
  child.Send(EncodeRequest(1, OneSectorOf(1), true));
  while (!begun) std::this_thread::yield();
  child.Send(EncodeCancel(1));
  const auto cancelled = DecodeResponse(child.Line());
  ASSERT_TRUE(cancelled.ok());
  EXPECT_THAT(cancelled->outcome, StatusIs(absl::StatusCode::kCancelled, ""));
}

TEST(ServeTest, LineThatIsTooLongEndsIt) {
  Served child([](const prover::WindowPostTask&, const std::stop_token&) -> Outcome {
    return absl::NotFoundError("no");
  });
  child.Line();
  const std::string part(std::size_t{1} << 20, 'x');
  for (std::size_t sent = 0; sent < kRequestBytesMax; sent += part.size()) child.Send(part);
  child.Send("x");
  EXPECT_THAT(child.Finish(), StatusIs(absl::StatusCode::kResourceExhausted, ""));
}

}  // namespace
}  // namespace damocles::child
