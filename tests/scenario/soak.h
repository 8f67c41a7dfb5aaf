// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A whole cluster drawn from a seed, with troubles of every kind but never so many that a window
// could not be made, and what must hold all the time.

#pragma once

#include <cstdint>
#include <string>

namespace damocles::simulation {

struct SoakResult {
  std::string cluster;   // what was drawn, one line
  std::string troubles;  // what happened to it, one line
  std::string problems;  // a line each; empty if all is well
};

// The same seed gives the same life, as long as what is drawn is not changed.
SoakResult RunSoak(std::uint64_t seed);

}  // namespace damocles::simulation
