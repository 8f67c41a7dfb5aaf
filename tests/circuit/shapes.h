// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "damocles/circuit/post_circuit.h"

namespace damocles::circuit {

// The levels of a sector size's tree, leaf level first.
inline std::vector<unsigned> Levels(const std::string& size) {
  static const std::vector<std::pair<std::string, std::pair<unsigned, std::vector<unsigned>>>>
      kShapes = {{"2KiB", {2, {}}},      {"4KiB", {2, {2}}}, {"16KiB", {2, {8}}},
                 {"32KiB", {2, {8, 2}}}, {"8MiB", {6, {}}},  {"16MiB", {6, {2}}},
                 {"512MiB", {8, {}}},    {"1GiB", {8, {2}}}, {"32GiB", {9, {8}}},
                 {"64GiB", {9, {8, 2}}}};
  for (const auto& [name, shape] : kShapes) {
    if (name != size) continue;
    std::vector<unsigned> levels(shape.first, 8);
    levels.insert(levels.end(), shape.second.begin(), shape.second.end());
    return levels;
  }
  return {};
}

inline const std::vector<std::string>& AllSizes() {
  static const std::vector<std::string> kSizes = {"2KiB",  "4KiB",   "16KiB", "32KiB", "8MiB",
                                                  "16MiB", "512MiB", "1GiB",  "32GiB", "64GiB"};
  return kSizes;
}

}  // namespace damocles::circuit
