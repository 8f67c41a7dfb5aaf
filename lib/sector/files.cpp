// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/sector/files.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"

#include "damocles/base/io_error.h"
#include "damocles/base/status.h"
#include "damocles/storage/sector_paths.h"

namespace damocles::sector {
namespace {

absl::StatusOr<std::uint64_t> SizeOf(const std::string& path, bool strict) {
  struct stat info;
  if ((strict ? lstat(path.c_str(), &info) : stat(path.c_str(), &info)) != 0) {
    const int error = errno;
    if (error == ENOENT || error == ENOTDIR) {
      return absl::NotFoundError(absl::StrFormat("%s is missing", path));
    }
    return IoError(error, "look at", path);
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrFormat("%s is not a regular file", path));
  }
  return static_cast<std::uint64_t>(info.st_size);
}

}  // namespace

absl::Status CheckReplica(const std::string& path, filecoin::SectorSize size, bool strict) {
  DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t bytes, SizeOf(path, strict));
  if (bytes == filecoin::ToBytes(size)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrFormat("%s is %d bytes, want %d", path, bytes, filecoin::ToBytes(size)));
}

absl::Status CheckCache(const std::string& folder, filecoin::SectorSize size, bool strict) {
  std::uint64_t tree_bytes = 0;
  for (const storage::CacheFile& file : storage::RequiredCacheFiles(size)) {
    const std::string path = absl::StrFormat("%s/%s", folder, file.name);
    DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t bytes, SizeOf(path, strict));
    if (std::find(file.sizes.begin(), file.sizes.end(), bytes) == file.sizes.end()) {
      return absl::FailedPreconditionError(
          absl::StrFormat("%s is %d bytes, which no such file of a %s sector is", path, bytes,
                          filecoin::ToString(size)));
    }
    if (file.sizes.size() == 1) continue;
    // One prover wrote all trees: with the same rows left out.
    if (tree_bytes != 0 && bytes != tree_bytes) {
      return absl::FailedPreconditionError(
          absl::StrFormat("%s is %d bytes, the other tree files are %d", path, bytes, tree_bytes));
    }
    tree_bytes = bytes;
  }
  return absl::OkStatus();
}

}  // namespace damocles::sector
