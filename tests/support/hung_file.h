// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <string>

namespace damocles::testing_support {

// A file that can be looked at but whose opening hangs, as in a dead network mount, until the
// object goes or for /proc/sys/fs/lease-break-time (45 s).  It must not be open elsewhere.
class HungFile {
 public:
  explicit HungFile(const std::string& path) : fd_(open(path.c_str(), O_RDWR | O_CLOEXEC)) {
    EXPECT_GE(fd_, 0) << path;
    signal(SIGIO, SIG_IGN);  // tells the holder that somebody waits
    EXPECT_EQ(fcntl(fd_, F_SETLEASE, F_WRLCK), 0) << path << ": the file system knows no leases";
  }
  HungFile(const HungFile&) = delete;
  HungFile& operator=(const HungFile&) = delete;
  ~HungFile() {
    fcntl(fd_, F_SETLEASE, F_UNLCK);
    close(fd_);
  }

 private:
  const int fd_;
};

}  // namespace damocles::testing_support
