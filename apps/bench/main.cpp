// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// damocles-bench: the benchmarks of bench/ with what one needs to read their figures.

#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "benchmark/benchmark.h"

#include "damocles/base/thread_pool.h"

namespace damocles {
namespace {

constexpr std::string_view kUsage =
    R"(Usage: damocles-bench [--only PATTERN] [--json] [--list] [--full]

Times fields, multi-exponentiations, FFTs, Poseidon, trees, vanilla proofs and whole proofs.
Every benchmark checks its own answer and fails where it is wrong.

  --only PATTERN  those whose name matches the regular expression
  --json          as JSON
  --list          names only
  --full          the long ones too (512 MiB and more); without it they are left out

Other flags that begin with --benchmark_ go to Google Benchmark. Parameters and sectors are made in
the folder DAMOCLES_BENCH_FOLDER, or in a temporary one.

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

int Main(int argc, char** argv) {
  std::vector<std::string> arguments = {argv[0]};
  std::string command = "damocles-bench";
  std::string only;
  bool full = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    command += " " + std::string(argument);
    if (argument == "--help" || argument == "-h") {
      std::fputs(std::string(kUsage).c_str(), stdout);
      return 0;
    }
    if (argument == "--json") {
      arguments.emplace_back("--benchmark_format=json");
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
    arguments.emplace_back("--benchmark_filter=-512MiB|/20$|/18$");
  }
  benchmark::AddCustomContext("cpu", CpuModel());
  benchmark::AddCustomContext("threads", std::to_string(ProcessorCount()));
  benchmark::AddCustomContext("commit", DAMOCLES_COMMIT);
  benchmark::AddCustomContext("command", command);
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  int count = static_cast<int>(pointers.size());
  benchmark::Initialize(&count, pointers.data());
  const std::size_t run = benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  if (run == 0) {
    std::fputs("damocles-bench: no benchmark has such a name; see --list\n", stderr);
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace damocles

int main(int argc, char** argv) {
  return damocles::Main(argc, argv);
}
