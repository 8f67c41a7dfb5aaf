// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/io_error.h"

#include <cerrno>
#include <system_error>

#include "absl/strings/str_format.h"

namespace damocles {

absl::StatusCode CodeOfErrno(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:         // a link that leads to itself leads to no file
    case ENAMETOOLONG:  // no file can have that name
      return absl::StatusCode::kNotFound;
    case EISDIR:
      return absl::StatusCode::kInvalidArgument;
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOKEY:
    case EKEYEXPIRED:  // network file systems with tickets
    case EKEYREVOKED:
    case EKEYREJECTED:
      return absl::StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case ENOLCK:
    case EAGAIN:
      return absl::StatusCode::kResourceExhausted;
    default:
      // Not DATA_LOSS for EUCLEAN and EBADMSG either: a file system that calls itself damaged may
      // be mended without the loss of this file.
      return absl::StatusCode::kUnavailable;
  }
}

absl::Status IoError(int error, std::string_view what, std::string_view path) {
  return absl::Status(CodeOfErrno(error), absl::StrFormat("%s: cannot %s: %s", path, what,
                                                          std::generic_category().message(error)));
}

ReadTrouble TroubleOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ReadTrouble::kNone;
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
      return ReadTrouble::kWrong;
    case absl::StatusCode::kNotFound:
      return ReadTrouble::kAbsent;
    default:
      // Also INTERNAL and what nobody has thought of: an error of ours is no fault of a sector.
      return ReadTrouble::kPassing;
  }
}

}  // namespace damocles
