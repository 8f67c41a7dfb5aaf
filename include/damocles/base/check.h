// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// For bugs in our own logic only: input is judged with statuses.

#pragma once

#include <cstdio>
#include <cstdlib>

namespace damocles::internal {

[[noreturn]] inline void CheckFailed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace damocles::internal

// Aborts if `condition` is false, in every build.
#define DAMOCLES_CHECK(condition)                                        \
  do {                                                                   \
    if (!(condition)) [[unlikely]] {                                     \
      ::damocles::internal::CheckFailed(__FILE__, __LINE__, #condition); \
    }                                                                    \
  } while (false)

// The same, for inner loops: absent where NDEBUG is defined.
#ifdef NDEBUG
#define DAMOCLES_DCHECK(condition) \
  do {                             \
    (void)sizeof((condition));     \
  } while (false)
#else
#define DAMOCLES_DCHECK(condition) DAMOCLES_CHECK(condition)
#endif
