// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// damocles-bench: the benchmarks of bench/ with what one needs to read their figures.

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/bench_threads.h"
#include "benchmark/benchmark.h"
#include "damocles_commit.h"

#include "damocles/base/version.h"

namespace damocles {
namespace {

constexpr std::string_view kUsage =
    R"(Usage: damocles-bench [--only PATTERN] [--json] [--list] [--full] [--version]

Times fields, multi-exponentiations, FFTs, Poseidon, trees, vanilla proofs and whole proofs.
Every benchmark checks its own answer; exit 1 where one is wrong.

  --only PATTERN  those whose name matches the regular expression
  --json          as JSON
  --list          names only
  --full          the long ones too (512 MiB and more); without it they are left out

Other flags that begin with --benchmark_ go to Google Benchmark. Parameters and sectors are made in
the folder DAMOCLES_BENCH_FOLDER, or in a temporary one that goes at the end. DAMOCLES_BENCH_THREADS
sets the threads (default: one a processor).

Example:
  damocles-bench --only 'MultiExp.*/16' --json
)";

std::string CpuModel() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

// Prints, and counts the benchmarks that ended with an error.
template <typename Base>
class CountingReporter final : public Base {
 public:
  template <typename... Arguments>
  explicit CountingReporter(std::size_t& errors, Arguments... arguments)
      : Base(arguments...), errors_(errors) {}
  void ReportRuns(const std::vector<benchmark::BenchmarkReporter::Run>& runs) override {
    for (const auto& run : runs) errors_ += run.error_occurred ? 1 : 0;
    Base::ReportRuns(runs);
  }

 private:
  std::size_t& errors_;
};

// In one piece: the commands and their flags, a list.
int Main(int argc, char** argv) {
  std::vector<std::string> arguments = {argv[0]};
  std::string command = "damocles-bench";
  std::string only;
  bool full = false;
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    command += " " + std::string(argument);
    if (argument == "--help" || argument == "-h") {
      std::fputs(std::string(kUsage).c_str(), stdout);
      return 0;
    }
    if (argument == "--version") {
      std::puts("damocles-bench " DAMOCLES_VERSION_STRING ", commit " DAMOCLES_COMMIT);
      return 0;
    }
    if (argument == "--json" || argument == "--benchmark_format=json") {
      json = true;
    } else if (argument == "--list") {
      arguments.emplace_back("--benchmark_list_tests=true");
    } else if (argument == "--full") {
      full = true;
    } else if (argument.starts_with("--only=")) {
      only = argument.substr(7);
    } else if (argument == "--only" && i + 1 < argc) {
      only = argv[++i];
      command += " " + only;
    } else if (argument.starts_with("--benchmark_")) {
      arguments.emplace_back(argument);
    } else {
      std::fprintf(stderr, "damocles-bench: unknown argument '%s'; see damocles-bench --help\n",
                   std::string(argument).c_str());
      return 2;
    }
  }
  if (!only.empty()) {
    arguments.push_back("--benchmark_filter=" + only);
  } else if (!full) {
    arguments.emplace_back("--benchmark_filter=-512MiB|/20(/|$)|/18(/|$)");
  }
  benchmark::AddCustomContext("cpu", CpuModel());
  benchmark::AddCustomContext("threads", std::to_string(BenchThreads()));
  benchmark::AddCustomContext("commit", DAMOCLES_COMMIT);
  benchmark::AddCustomContext("command", command);
  std::vector<char*> pointers;
  pointers.reserve(arguments.size());
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  int count = static_cast<int>(pointers.size());
  benchmark::Initialize(&count, pointers.data());
  std::size_t errors = 0;
  std::unique_ptr<benchmark::BenchmarkReporter> reporter;
  if (json) {
    reporter = std::make_unique<CountingReporter<benchmark::JSONReporter>>(errors);
  } else {
    using Console = benchmark::ConsoleReporter;
    reporter = std::make_unique<CountingReporter<Console>>(
        errors, isatty(STDOUT_FILENO) != 0 ? Console::OO_ColorTabular : Console::OO_Tabular);
  }
  const std::size_t run = benchmark::RunSpecifiedBenchmarks(reporter.get());
  benchmark::Shutdown();
  if (run == 0) {
    std::fputs("damocles-bench: no benchmark has such a name; see --list\n", stderr);
    return 1;
  }
  if (errors != 0) {
    std::fprintf(stderr, "damocles-bench: failed: %zu; each error stands beside its benchmark\n",
                 errors);
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace damocles

int main(int argc, char** argv) {
  return damocles::Main(argc, argv);
}
