// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "damocles/job/spec.h"

namespace damocles::job {

// The names of the stores its sectors lie in, each once.
inline std::vector<std::string> StoresOf(const JobSpec& spec) {
  std::set<std::string_view> names;
  for (const JobSector& sector : spec.sectors) {
    names.insert(sector.sealed_store);
    names.insert(sector.cache_store);
  }
  return {names.begin(), names.end()};
}

}  // namespace damocles::job
