// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <cstddef>
#include <cstdlib>

#include "damocles/base/thread_pool.h"

namespace damocles {

// Threads of the parallel parts: DAMOCLES_BENCH_THREADS, else as many as there are processors.
inline std::size_t BenchThreads() {
  const char* text = std::getenv("DAMOCLES_BENCH_THREADS");  // NOLINT(concurrency-mt-unsafe)
  const long threads = text != nullptr ? std::strtol(text, nullptr, 10) : 0;
  return threads > 0 ? static_cast<std::size_t>(threads) : ProcessorCount();
}

}  // namespace damocles
