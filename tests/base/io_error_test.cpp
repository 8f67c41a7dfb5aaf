// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/io_error.h"

#include <cerrno>
#include <set>
#include <string>
#include <system_error>

#include "gtest/gtest.h"

namespace damocles {
namespace {

// Whatever the system says: only these say that there is no file, or that it is none, and no error
// of the system says that its contents are wrong.
TEST(IoErrorTest, EveryErrnoHasItsKind) {
  const std::set<int> absent = {ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG};
  std::size_t passing = 0;
  for (int error = 1; error < 256; ++error) {
    SCOPED_TRACE(std::to_string(error) + " " + std::generic_category().message(error));
    const absl::Status status = IoError(error, "read", "/mnt/a/sealed/s-t01000-7");
    ASSERT_FALSE(status.ok());
    EXPECT_TRUE(status.message().find("/mnt/a/sealed/s-t01000-7: cannot read: ") == 0) << status;
    const ReadTrouble want = absent.contains(error) ? ReadTrouble::kAbsent
                             : error == EISDIR      ? ReadTrouble::kWrong
                                                    : ReadTrouble::kPassing;
    EXPECT_EQ(TroubleOf(status), want) << status;
    if (want == ReadTrouble::kPassing) ++passing;
  }
  EXPECT_GT(passing, 200u);
}

TEST(IoErrorTest, TroubleOfThisMachineIsToldFromThatOfTheDevice) {
  for (const int error : {EMFILE, ENFILE, ENOMEM, ENOSPC, EDQUOT}) {
    EXPECT_EQ(CodeOfErrno(error), absl::StatusCode::kResourceExhausted) << error;
  }
  for (const int error : {EIO, ESTALE, ETIMEDOUT, ENOTCONN, ENODEV, ENXIO, EHOSTDOWN, EREMOTEIO}) {
    EXPECT_EQ(CodeOfErrno(error), absl::StatusCode::kUnavailable) << error;
  }
  for (const int error : {EACCES, EPERM, EKEYEXPIRED}) {
    EXPECT_EQ(CodeOfErrno(error), absl::StatusCode::kPermissionDenied) << error;
  }
}

TEST(IoErrorTest, EveryStatusHasItsKind) {
  const std::set<absl::StatusCode> wrong = {
      absl::StatusCode::kDataLoss, absl::StatusCode::kOutOfRange,
      absl::StatusCode::kInvalidArgument, absl::StatusCode::kFailedPrecondition};
  EXPECT_EQ(TroubleOf(absl::OkStatus()), ReadTrouble::kNone);
  for (int code = 1; code <= 16; ++code) {
    const auto status_code = static_cast<absl::StatusCode>(code);
    const ReadTrouble want = status_code == absl::StatusCode::kNotFound ? ReadTrouble::kAbsent
                             : wrong.contains(status_code)              ? ReadTrouble::kWrong
                                                                        : ReadTrouble::kPassing;
    EXPECT_EQ(TroubleOf(absl::Status(status_code, "x")), want) << code;
  }
}

}  // namespace
}  // namespace damocles
