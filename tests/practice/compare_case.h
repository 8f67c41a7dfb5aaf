// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace damocles::practice {

// Members of the golden case that the computed one lacks or has otherwise.  File names are free,
// salt and secrets are not printed.
inline void CompareCase(const nlohmann::json& computed, const nlohmann::json& golden,
                        const std::string& where, std::vector<std::string>& differences) {
  if (golden.is_object() && computed.is_object()) {
    for (const auto& [member, value] : golden.items()) {
      if (member == "file" || (where.empty() && (member == "salt" || member == "secrets"))) {
        continue;
      }
      if (!computed.contains(member)) {
        differences.push_back(where + "/" + member + " is missing");
      } else {
        CompareCase(computed[member], value, where + "/" + member, differences);
      }
    }
  } else if (golden.is_array() && computed.is_array() && golden.size() == computed.size()) {
    for (std::size_t i = 0; i < golden.size(); ++i) {
      CompareCase(computed[i], golden[i], where + "/" + std::to_string(i), differences);
    }
  } else if (computed != golden) {
    differences.push_back(where + ": " + computed.dump() + ", want " + golden.dump());
  }
}

}  // namespace damocles::practice
