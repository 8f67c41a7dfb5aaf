// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <map>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

#include "damocles/store/store.h"

namespace damocles::store {

using Model = std::map<std::string, std::string>;

// Every row of the store; a failure of the test if it cannot be read.
inline Model Content(const Store& store) {
  Model rows;
  const auto listed = List(store, "");
  EXPECT_OK(listed);
  if (!listed.ok()) return rows;
  for (const Entry& row : *listed) rows[row.key] = row.value;
  return rows;
}

}  // namespace damocles::store
