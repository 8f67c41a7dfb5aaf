// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The file system as LevelDB may use it when a disk can be full.

#pragma once

#include <leveldb/env.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace damocles::store::internal {

// Free bytes of the file system that `folder` lies on; none where that cannot be learnt.
using FreeBytes = std::function<std::optional<std::uint64_t>(const std::string& folder)>;
std::optional<std::uint64_t> FreeBytesAt(const std::string& folder);

// A file of which one write failed takes nothing more.  LevelDB goes on writing its log behind a
// record of which only a part fitted on the disk, and refuses such a log when it opens it again; a
// part of a record at the very end it forgives.
class CarefulEnv final : public leveldb::EnvWrapper {
 public:
  // `target` outlives it.
  CarefulEnv(leveldb::Env* target, FreeBytes free_bytes)
      : EnvWrapper(target), free_bytes_(std::move(free_bytes)) {}

  leveldb::Status NewWritableFile(const std::string& name, leveldb::WritableFile** result) override;
  leveldb::Status NewAppendableFile(const std::string& name,
                                    leveldb::WritableFile** result) override;

  // Where it cannot be learnt: none.
  std::uint64_t FreeBytesIn(const std::string& folder) const {
    return free_bytes_(folder).value_or(0);
  }

 private:
  const FreeBytes free_bytes_;
};

// The disk, or what this user may take of it, is full.
bool IsFull(const leveldb::Status& status);

// Whether the disk takes what opening the database in `folder` writes: the rows of its logs once
// more as tables, and some small files.  Found out by writing as much.
leveldb::Status ProbeRoom(leveldb::Env& env, const std::string& folder);
// Removes what a probe left that was cut off.
void RemoveProbe(leveldb::Env& env, const std::string& folder);

// A file of `bytes` in `folder` that can be given up for room, unless it is there already.  A disk
// that has no room for it several times over goes without: what is filled to the brim for a moment
// fails whoever writes in that moment.  An error: the disk had the room, and refused.
leveldb::Status MakeReserve(CarefulEnv& env, const std::string& folder, std::uint64_t bytes);
// False if there was none.
bool RemoveReserve(leveldb::Env& env, const std::string& folder);

}  // namespace damocles::store::internal
