// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// poster_soak SEED: one life of a cluster drawn from the seed; exit 1 if something did not hold.
// tests/soak.sh runs many.  DAMOCLES_SCENARIO_LOG=1 shows the log.

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/scenario/soak.h"

#include "damocles/base/log.h"

int main(int argc, char** argv) {
  char* end = nullptr;
  const std::uint64_t seed = argc == 2 ? std::strtoull(argv[1], &end, 10) : 0;
  if (argc != 2 || *argv[1] == '\0' || *end != '\0') {
    std::fprintf(stderr, "Usage: poster_soak SEED\n");
    return 2;
  }
  if (std::getenv("DAMOCLES_SCENARIO_LOG") == nullptr) {
    damocles::SetLogSink([](damocles::Severity, std::string_view) {});
  }
  const damocles::scenario::SoakResult result = damocles::scenario::RunSoak(seed);
  std::printf("seed %llu: %s\n  troubles: %s\n%s", static_cast<unsigned long long>(seed),
              result.cluster.c_str(), result.troubles.c_str(), result.problems.c_str());
  return result.problems.empty() ? 0 : 1;
}
