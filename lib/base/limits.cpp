// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/limits.h"

#include <sys/resource.h>

namespace damocles {
namespace {

// What POSIX guarantees, if the system does not tell.
constexpr std::uint64_t kDescriptorsLeast = 20;

}  // namespace

std::uint64_t DescriptorLimit() {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : kDescriptorsLeast;
}

std::uint64_t RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);  // if it is refused, the old one holds
  }
  return DescriptorLimit();
}

}  // namespace damocles
