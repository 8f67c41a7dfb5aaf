// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// poster_soak SEED...: one life of a cluster drawn from each seed; exit 1 if something did not
// hold. tests/soak.sh runs many.  DAMOCLES_SCENARIO_LOG=1 shows the log.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/scenario/soak.h"

#include "damocles/base/log.h"

int main(int argc, char** argv) {
  std::vector<std::uint64_t> seeds;
  for (int i = 1; i < argc; ++i) {
    char* end = nullptr;
    seeds.push_back(std::strtoull(argv[i], &end, 10));
    if (*argv[i] == '\0' || *end != '\0') seeds.clear();
    if (seeds.empty()) break;
  }
  if (seeds.empty()) {
    std::fprintf(stderr, "Usage: poster_soak SEED...\n");
    return 2;
  }
  if (std::getenv("DAMOCLES_SCENARIO_LOG") == nullptr) {
    damocles::SetLogSink([](damocles::Severity, std::string_view) {});
  }
  int failed = 0;
  for (const std::uint64_t seed : seeds) {
    const damocles::simulation::SoakResult result = damocles::simulation::RunSoak(seed);
    std::printf("seed %llu: %s\n  troubles: %s\n%s", static_cast<unsigned long long>(seed),
                result.cluster.c_str(), result.troubles.c_str(), result.problems.c_str());
    if (result.problems.empty()) continue;
    ++failed;
    std::printf("to repeat: %s %llu\n", argv[0], static_cast<unsigned long long>(seed));
  }
  return failed == 0 ? 0 : 1;
}
