// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace damocles::testing_support {

inline const absl::Status& GetStatus(const absl::Status& status) {
  return status;
}
template <typename T>
const absl::Status& GetStatus(const absl::StatusOr<T>& status) {
  return status.status();
}

MATCHER(IsOk, "is OK") {
  const absl::Status& status = GetStatus(arg);
  if (!status.ok()) *result_listener << "which is " << status.ToString();
  return status.ok();
}

// The code is `code` and the message contains `text`.
MATCHER_P2(StatusIs, code, text, "") {
  const absl::Status& status = GetStatus(arg);
  *result_listener << "which is " << status.ToString();
  return status.code() == code &&
         std::string(status.message()).find(std::string(text)) != std::string::npos;
}

}  // namespace damocles::testing_support

#define EXPECT_OK(expr) EXPECT_THAT(expr, ::damocles::testing_support::IsOk())
#define ASSERT_OK(expr) ASSERT_THAT(expr, ::damocles::testing_support::IsOk())
#define ASSERT_OK_AND_ASSIGN(lhs, expr) \
  ASSERT_OK_AND_ASSIGN_IMPL_(DAMOCLES_TEST_CONCAT_(status_or_, __LINE__), lhs, expr)
#define DAMOCLES_TEST_CONCAT_(a, b) DAMOCLES_TEST_CONCAT_IMPL_(a, b)
#define DAMOCLES_TEST_CONCAT_IMPL_(a, b) a##b
#define ASSERT_OK_AND_ASSIGN_IMPL_(tmp, lhs, expr) \
  auto tmp = (expr);                               \
  ASSERT_OK(tmp.status());                         \
  lhs = std::move(tmp).value()
