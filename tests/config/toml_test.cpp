// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/config/toml.h"

#include <sstream>
#include <string>

#include "gtest/gtest.h"
#include "lib/config/node.h"
#include "tests/config/options.h"
#include "tests/support/status_matchers.h"

namespace damocles::config {
namespace {

using testing_support::StatusIs;

TEST(TomlTest, SyntaxErrorsHaveTheirPlace) {
  EXPECT_THAT(Document::Parse("a = 1\nb = = 2\n", "x.toml"), StatusIs(kInvalid, "x.toml:2:5: "));
  EXPECT_THAT(Document::Parse("a = 1\na = 2\n", "x.toml"), StatusIs(kInvalid, "x.toml:2:5: "));
  EXPECT_THAT(Document::Parse("[t]\n[t]\n", "x.toml"), StatusIs(kInvalid, "x.toml:2:"));
  EXPECT_THAT(Document::Parse("a = \"\xff\"\n", "x.toml"), StatusIs(kInvalid, "x.toml:1:"));
  for (const char* text :
       {"[=", "[[=", "[\n]", "[a.=]", "=", "a.=1", "[a", "[[a]", "a = [", "a = {"}) {
    EXPECT_THAT(Document::Parse(text, "x.toml"), StatusIs(kInvalid, "x.toml:")) << text;
  }
}

TEST(TomlTest, AbsentKeysLeaveTheDefaults) {
  ASSERT_OK_AND_ASSIGN(Document document, Document::Parse("", "x"));
  TableReader table = document.Root().Table("Common").Table("Proving");
  bool flag = true;
  std::uint64_t number = 7;
  std::string text = "kept";
  absl::Duration duration = absl::Seconds(3);
  std::vector<std::string> list = {"a"};
  table.Read("Flag", flag);
  table.Read("Number", number, {0, 10});
  table.Read("Text", text);
  table.Read("Duration", duration, {absl::ZeroDuration(), absl::Hours(1)});
  table.Read("List", list);
  EXPECT_TRUE(flag);
  EXPECT_EQ(number, 7u);
  EXPECT_EQ(text, "kept");
  EXPECT_EQ(duration, absl::Seconds(3));
  EXPECT_EQ(list.size(), 1u);
  EXPECT_FALSE(table.Exists());
  EXPECT_OK(document.Finish(UnknownKeys::kRefuse));
}

TEST(TomlTest, WrongTypesAndRangesAreAllToldInOrder) {
  ASSERT_OK_AND_ASSIGN(Document document, Document::Parse(R"(number = 11
text = 5
[table]
flag = "yes"
list = ["a", 1]
amount = "5 dollars"
ratio = 1.5
time = "soon"
size = ["33GiB"]
negative = -1
sub = 3
)",
                                                          "f.toml"));
  TableReader root = document.Root();
  TableReader table = root.Table("table");
  bool flag = false;
  std::uint64_t number = 1;
  std::uint64_t negative = 1;
  std::string text;
  std::vector<std::string> list;
  filecoin::TokenAmount amount;
  double ratio = 0;
  absl::Duration time;
  std::vector<filecoin::SectorSize> sizes;
  table.Read("flag", flag);
  table.Read("list", list);
  table.Read("amount", amount);
  table.Read("ratio", ratio, {0, 1});
  table.Read("time", time, {absl::ZeroDuration(), absl::Hours(1)});
  table.Read("size", sizes);
  table.Read("negative", negative, {0, std::uint64_t{1} << 63});
  table.Table("sub");
  root.Read("number", number, {1, 10});
  root.Read("text", text);
  EXPECT_EQ(number, 1u);
  const absl::Status status = document.Finish(UnknownKeys::kRefuse);
  const char* lines[] = {"f.toml:1:1: number: is 11, want 1 to 10\n",
                         "f.toml:2:1: text: is an integer, want a string\n",
                         "f.toml:4:1: table.flag: is a string, want true or false\n",
                         "f.toml:5:14: table.list: is an integer, want a list of strings\n",
                         "f.toml:6:1: table.amount: ",
                         "f.toml:7:1: table.ratio: is 1.5, want 0 to 1\n",
                         "f.toml:8:1: table.time: \"soon\" is not a duration",
                         "f.toml:9:1: table.size: \"33GiB\" is no size of sectors that",
                         "f.toml:10:1: table.negative: is -1, want at least 0\n",
                         "f.toml:11:1: table.sub: is an integer, want a table [table.sub]"};
  std::size_t at = 0;
  const std::string message(status.message());
  for (const char* line : lines) {
    const std::size_t found = message.find(line, at);
    ASSERT_NE(found, std::string::npos) << line << "\nin\n" << message;
    at = found;
  }
}

TEST(TomlTest, WhatIsNotTomlIsToldWithoutItsValue) {
  for (const char* text : {"Token = 1e99999\n", "Token = 99999999999999999999999\n",
                           "Token = 9a9a9\n", "Token = \"9a9a9\n"}) {
    const auto document = Document::Parse(text, "f");
    EXPECT_THAT(document, StatusIs(kInvalid, "f:1:")) << text;
    EXPECT_EQ(document.status().ToString().find("99"), std::string::npos) << document.status();
    EXPECT_EQ(document.status().ToString().find("9a"), std::string::npos) << document.status();
  }
}

TEST(TomlTest, UnknownKeysGetASuggestion) {
  const std::string text = R"([Common.Proving]
JobMaxTry = 3
parallelchecklimit = 5
[Common.Proofing]
x = 1
[Other]
y = 1
)";
  const auto read = [&](Document& document) {
    std::uint64_t number = 0;
    TableReader proving = document.Root().Table("Common").Table("Proving");
    proving.Read("ParallelCheckLimit", number, {0, 10});
    proving.Table("WorkerProver").Read("JobMaxTry", number, {0, 10});
  };
  ASSERT_OK_AND_ASSIGN(Document strict, Document::Parse(text, "f"));
  read(strict);
  const absl::Status status = strict.Finish(UnknownKeys::kRefuse);
  for (const char* line :
       {"f:2:1: Common.Proving.JobMaxTry: unknown key (did you mean "
        "\"Common.Proving.WorkerProver.JobMaxTry\"?)",
        "f:3:1: Common.Proving.parallelchecklimit: unknown key (did you mean "
        "\"ParallelCheckLimit\"?)",
        "Common.Proofing: unknown key (did you mean \"Proving\"?)", "Other: unknown key"}) {
    EXPECT_THAT(status, StatusIs(kInvalid, line));
  }
  ASSERT_OK_AND_ASSIGN(Document lenient, Document::Parse(text, "f"));
  read(lenient);
  EXPECT_OK(lenient.Finish(UnknownKeys::kWarn));
  EXPECT_EQ(lenient.Warnings().size(), 4u);
}

TEST(TomlTest, IgnoredKeysWarnOnceWithAllBelowThem) {
  ASSERT_OK_AND_ASSIGN(Document document, Document::Parse("[a.b]\nx = 1\n[[a.b.c]]\ny = 2\n", "f"));
  document.Root().Table("a").Ignore("b");
  EXPECT_OK(document.Finish(UnknownKeys::kRefuse));
  ASSERT_EQ(document.Warnings().size(), 1u);
  EXPECT_NE(document.Warnings()[0].find("a.b: ignored: not part of this version"),
            std::string::npos);
}

TEST(DurationTest, GoAndHumanSpellings) {
  const auto go = [](std::string_view text) { return ParseGoDuration(text); };
  const auto human = [](std::string_view text) { return ParseHumanDuration(text); };
  EXPECT_EQ(*go("25h0m0s"), absl::Hours(25));
  EXPECT_EQ(*go("1m30s"), absl::Seconds(90));
  EXPECT_EQ(*go("1.5h"), absl::Minutes(90));
  EXPECT_EQ(*go("0"), absl::ZeroDuration());
  EXPECT_EQ(*go("0s"), absl::ZeroDuration());
  EXPECT_EQ(*go("250ms"), absl::Milliseconds(250));
  EXPECT_EQ(*go("3µs"), absl::Microseconds(3));
  EXPECT_EQ(*human("1h 30m"), absl::Minutes(90));
  EXPECT_EQ(*human("1min"), absl::Minutes(1));
  EXPECT_EQ(*human(" 2 days 3s "), absl::Hours(48) + absl::Seconds(3));
  EXPECT_EQ(*human("15s"), absl::Seconds(15));
  for (const char* bad : {"", " ", "s", "5", "1.2.3s", "-5s", "5 s", "1h1", "1y", "999999999999h",
                          "1e3s", "NaNs", "0x1s", "1111111111111111111111s", "."}) {
    EXPECT_FALSE(ParseGoDuration(bad).ok()) << bad;
  }
  for (const char* bad : {"", " ", "5", "1.5h", "min", "1 fortnight", "1 h2", "-1s"}) {
    EXPECT_FALSE(ParseHumanDuration(bad).ok()) << bad;
  }
}

TEST(DurationTest, IsPrintedAsGoDoes) {
  EXPECT_EQ(FormatGoDuration(absl::Hours(25)), "25h0m0s");
  EXPECT_EQ(FormatGoDuration(absl::Minutes(1)), "1m0s");
  EXPECT_EQ(FormatGoDuration(absl::Seconds(15)), "15s");
  EXPECT_EQ(FormatGoDuration(absl::Milliseconds(7500)), "7.5s");
  EXPECT_EQ(FormatGoDuration(absl::Minutes(1) + absl::Milliseconds(20)), "1m0.02s");
  EXPECT_EQ(FormatGoDuration(absl::Milliseconds(250)), "250ms");
  EXPECT_EQ(FormatGoDuration(absl::ZeroDuration()), "0");
  for (const absl::Duration duration :
       {absl::Seconds(1), absl::Hours(9) + absl::Seconds(1), absl::Minutes(61)}) {
    EXPECT_EQ(*ParseGoDuration(FormatGoDuration(duration)), duration);
  }
}

TEST(EditDistanceTest, CountsChangesNotCapitals) {
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("JobMaxTry", "jobmaxtry"), 0u);
  EXPECT_EQ(EditDistance("naem", "name"), 2u);
  EXPECT_EQ(EditDistance("Name", "Names"), 1u);
}

TEST(SecretTest, IsNotPrinted) {
  std::ostringstream out;
  out << Secret("hush") << Secret();
  EXPECT_EQ(out.str(), "***");
}

}  // namespace
}  // namespace damocles::config
