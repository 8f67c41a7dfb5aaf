// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The file system as LevelDB may use it when a disk can be full.

#pragma once

#include <leveldb/env.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace damocles::store::internal {

// A file of which one write failed takes nothing more.  LevelDB goes on writing its log behind a
// record of which only a part fitted on the disk, and refuses such a log when it opens it again; a
// part of a record at the very end it forgives.
class CarefulEnv final : public leveldb::EnvWrapper {
 public:
  // `target` outlives it.
  explicit CarefulEnv(leveldb::Env* target) : EnvWrapper(target) {}

  leveldb::Status NewWritableFile(const std::string& name, leveldb::WritableFile** result) override;
  leveldb::Status NewAppendableFile(const std::string& name,
                                    leveldb::WritableFile** result) override;
};

// Whether the disk takes what opening the database in `folder` writes: the rows of its logs once
// more as tables, and some small files.  Found out by writing as much.
leveldb::Status ProbeRoom(leveldb::Env& env, const std::string& folder);
// Removes what a probe left that was cut off.
void RemoveProbe(leveldb::Env& env, const std::string& folder);

// A file of `bytes` in `folder` that can be given up for room.  A disk that has no room for it, or
// shall not (0), goes without.
void MakeReserve(leveldb::Env& env, const std::string& folder, std::uint64_t bytes);
// False if there was none.
bool RemoveReserve(leveldb::Env& env, const std::string& folder);

}  // namespace damocles::store::internal
