// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace damocles::testing_support {

// Root reads everything: in its place nobody does, for as long as the object lives, on all threads.
// What is below `folder` becomes nobody's.
class WithoutRights {
 public:
  explicit WithoutRights(const std::string& folder) : was_root_(geteuid() == 0) {
    if (!was_root_) return;
    EXPECT_EQ(chown(folder.c_str(), kNobody, kNobody), 0);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      EXPECT_EQ(lchown(entry.path().c_str(), kNobody, kNobody), 0);
    }
    EXPECT_EQ(seteuid(kNobody), 0);
  }
  WithoutRights(const WithoutRights&) = delete;
  WithoutRights& operator=(const WithoutRights&) = delete;
  ~WithoutRights() {
    if (was_root_) {
      EXPECT_EQ(seteuid(0), 0);
    }
  }

 private:
  static constexpr uid_t kNobody = 65534;
  const bool was_root_;
};

}  // namespace damocles::testing_support
