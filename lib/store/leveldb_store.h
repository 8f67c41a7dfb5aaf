// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The seam below store::OpenLevelDb: tests bring file systems that fill up and lose their power.

#pragma once

#include <leveldb/env.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "lib/store/careful_env.h"

#include "damocles/store/store.h"

namespace damocles::store::internal {

// `env` is where LevelDB finds its files, and outlives the store; the parents of `path` are there.
absl::StatusOr<std::unique_ptr<Store>> OpenLevelDbOn(leveldb::Env& env, const std::string& path,
                                                     std::uint64_t reserve_bytes = 0,
                                                     FreeBytes free_bytes = FreeBytesAt);

}  // namespace damocles::store::internal
