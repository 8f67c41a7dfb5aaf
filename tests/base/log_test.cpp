// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/log.h"

#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "damocles/base/text.h"

namespace damocles {
namespace {

class LogTest : public ::testing::Test {
 protected:
  LogTest() {
    SetLogSink([this](Severity severity, std::string_view line) {
      severities_.push_back(severity);
      lines_.emplace_back(line);
    });
  }
  ~LogTest() override {
    SetLogSink({});
    SetLogThreshold(Severity::kInfo);
  }
  std::vector<Severity> severities_;
  std::vector<std::string> lines_;
};

TEST_F(LogTest, FieldsGatheredAtRunTime) {
  std::vector<LogField> fields = {{"miner", "f01000"}};
  fields.emplace_back("partitions", "0,1");
  LogFields(Severity::kInfo, "poster", "batch_formed", fields);
  EXPECT_THAT(lines_, ::testing::ElementsAre("I poster batch_formed miner=f01000 partitions=0,1"));
}

TEST_F(LogTest, OneLineAnEvent) {
  LogWarning("poster", "proof_late", {{"deadline", 12}, {"slack_s", "14"}});
  LogInfo("store", "opened");
  LogError("chain", "failed", {{"status", absl::NotFoundError("no actor")}});
  EXPECT_THAT(lines_,
              ::testing::ElementsAre("W poster proof_late deadline=12 slack_s=14", "I store opened",
                                     "E chain failed status=\"NOT_FOUND: no actor\""));
  EXPECT_THAT(severities_,
              ::testing::ElementsAre(Severity::kWarning, Severity::kInfo, Severity::kError));
}

TEST_F(LogTest, ValuesThatWouldBreakTheLineAreQuoted) {
  LogInfo("m", "e",
          {{"a", "x y"}, {"b", "say \"no\""}, {"c", ""}, {"d", "k=v"}, {"e", "two\nlines"}});
  EXPECT_THAT(lines_,
              ::testing::ElementsAre(R"(I m e a="x y" b="say \"no\"" c="" d="k=v" e="two lines")"));
}

TEST_F(LogTest, WhatComesFromElsewhereCannotSpeakToTheTerminal) {
  LogInfo("m", "e",
          {{"esc", "a\x1b[2J"},
           {"del", "b\x7f"},
           {"c1",
            "c\xc2\x9b"
            "1m"},
           {"raw",
            "d\x9b"
            "1m"},
           {"cut", "e\xe2\x80"},
           {"bidi", "f\xe2\x80\xae"},
           {"back", "g\\x1b \x1b"},
           {"fine", "Zo\xc3\xab"}});
  EXPECT_THAT(lines_, ::testing::ElementsAre(
                          R"(I m e esc="a\x1b[2J" del="b\x7f" c1="c\x9b1m" raw="d\x9b1m" )"
                          R"(cut="e\xe2\x80" bidi="f\u202e" back="g\\x1b \x1b" fine=Zo)"
                          "\xc3\xab"));
  // Every byte, alone and behind what may begin a character.
  for (int c = 0; c < 256; ++c) {
    for (const char* before : {"", "\xc2", "\xe2\x80", "\xf0\x9f"}) {
      lines_.clear();
      LogInfo("m", "e", {{"v", std::string(before) + static_cast<char>(c)}});
      ASSERT_EQ(lines_.size(), 1U);
      EXPECT_FALSE(HasControlCharacter(lines_[0])) << before << c;
    }
  }
}

TEST_F(LogTest, AVeryLongValueIsCut) {
  LogInfo("m", "e", {{"v", std::string(std::size_t{8} << 20, 'x')}, {"w", 1}});
  ASSERT_EQ(lines_.size(), 1U);
  EXPECT_LT(lines_[0].size(), 20000U);
  EXPECT_THAT(lines_[0], ::testing::EndsWith("... (8372224 bytes more)\" w=1"));
}

TEST_F(LogTest, NothingBelowTheThreshold) {
  LogDebug("m", "hidden");
  SetLogThreshold(Severity::kDebug);
  LogDebug("m", "shown");
  SetLogThreshold(Severity::kError);
  LogWarning("m", "hidden");
  EXPECT_THAT(lines_, ::testing::ElementsAre("D m shown"));
}

TEST_F(LogTest, LinesOfSeveralThreadsStayWhole) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 100; ++i) LogInfo("thread", "event", {{"t", t}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(lines_.size(), 400U);
  for (const std::string& line : lines_) {
    EXPECT_THAT(line, ::testing::MatchesRegex("I thread event t=[0-3]"));
  }
}

}  // namespace
}  // namespace damocles
