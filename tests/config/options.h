// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <absl/status/status.h>

#include "damocles/config/manager.h"

namespace damocles::config {

inline constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
// Every key must be known; folders need not be there.
inline constexpr LoadOptions kNoFolders{.unknown = UnknownKeys::kRefuse, .check_folders = false};

}  // namespace damocles::config
