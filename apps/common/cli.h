// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What every damocles program does alike: exit codes, one-line errors, JSON output, sizes, sets of
// numbers, paths.

#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace damocles::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

// Wrong values of flags that only the command can judge: exit 2.  Anything else exits 1.
absl::Status UsageError(std::string_view message);
bool IsUsageError(const absl::Status& status);

// What a chosen command runs once the command line is read; the int is the exit code.
using Action = std::function<absl::StatusOr<int>()>;

// A program: its command line and the action that it chooses.
class Program {
 public:
  Program(const std::string& name, const std::string& description);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  CLI::App& App() { return app_; }
  // Makes `command` run `action` (the last one chosen runs).  `example` ends its --help.
  void SetAction(CLI::App& command, Action action, std::string_view example);
  // The end of the --help of the program, or of a command that only holds others.
  static void SetExample(CLI::App& command, std::string_view example);

  // Reads the command line, runs the chosen command's action, prints an error as one line on
  // stderr: "program: what was wrong; what to do" (one for each line of the status, where a file
  // has several mistakes, and one for each mistake of the command line).  Returns the exit code;
  // --help exits 0, a wrong command line 2, and 1 if standard output could not take what was
  // printed; but where its reader has gone the process ends by SIGPIPE without a word.
  int Run(int argc, char** argv);

 private:
  CLI::App app_;
  Action chosen_;
};

// A path option whose leading ~ is expanded.  An empty path is a mistake: it comes out of a
// variable that is not set.
CLI::Option* AddPath(CLI::App& command, const std::string& flag, std::string& path,
                     const std::string& description);
// A sector size: "2KiB" ... "64GiB", or a number of bytes.
CLI::Option* AddSize(CLI::App& command, const std::string& flag, std::uint64_t& bytes,
                     const std::string& description);

// For ->check() of a std::uint64_t: CLI11 by itself takes -1 and what is too large, wrapped.
CLI::Validator WholeNumber();

// --json: print JSON in place of text.  Without `json` the flag is accepted and says nothing new.
void AddJsonFlag(CLI::App& command, bool* json = nullptr);

// "2KiB" ... "64GiB" or a number of bytes; any multiple is accepted, whether it is a sector size
// is the caller's business.
absl::StatusOr<std::uint64_t> ParseSize(std::string_view text);
std::string FormatSize(std::uint64_t bytes);
// For people: "252.0GiB", "0B".
std::string FormatSpace(std::uint64_t bytes);

// "0-9", "3", "1,4,7-8": ascending, each once; at most `count_max` numbers.
absl::StatusOr<std::vector<std::uint64_t>> ParseNumbers(std::string_view text,
                                                        std::size_t count_max = 100000);

// One JSON value and a newline on stdout.  What cannot be written is noticed by Program::Run.
void PrintJson(const nlohmann::json& value);
// One line of text on stdout.
void PrintLine(std::string_view line);
// One line on stderr, control characters escaped: progress of long work, warnings.
void PrintNote(std::string_view line);

// A whole file, or standard input for "-".
absl::StatusOr<std::string> ReadInput(const std::string& path);
// A JSON file, or standard input for "-".  INVALID_ARGUMENT names the file if it is not JSON or
// nests too deep (kJsonFileDepthMax).
absl::StatusOr<nlohmann::json> ReadJsonFile(const std::string& path);

}  // namespace damocles::cli
