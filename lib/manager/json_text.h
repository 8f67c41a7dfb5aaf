// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the views print as JSON, in one form.

#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace damocles::manager {

// Indented by two; bytes that are no UTF-8 are replaced.
inline std::string JsonText(const nlohmann::json& value) {
  return value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

template <typename T, typename F>
nlohmann::json JsonList(const std::vector<T>& items, F item_json) {
  nlohmann::json out = nlohmann::json::array();
  for (const T& item : items) out.push_back(item_json(item));
  return out;
}

}  // namespace damocles::manager
