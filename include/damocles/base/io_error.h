// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What an error of the operating system says about a file: the one place that judges it.

#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace damocles {

// NOT_FOUND: no file has that path (ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG).
// INVALID_ARGUMENT: a folder in the place of a file.
// PERMISSION_DENIED: this process may not.
// RESOURCE_EXHAUSTED: this machine, or the disk, is short of something.
// UNAVAILABLE: anything else; devices and networks fail with it.
absl::StatusCode CodeOfErrno(int error);

// "PATH: cannot WHAT: No such file or directory", with that code.
absl::Status IoError(int error, std::string_view what, std::string_view path);

// How a read of data that must be there ended.
enum class ReadTrouble {
  kNone,
  // What was read is not what it must be, or is no file: reading it again gives the same.
  kWrong,
  // No such file is seen.  It may be gone, moved, or its disk not mounted.
  kAbsent,
  // It could not be read here and now: rights, descriptors, a device, a network.
  kPassing,
};
ReadTrouble TroubleOf(const absl::Status& status);

}  // namespace damocles
