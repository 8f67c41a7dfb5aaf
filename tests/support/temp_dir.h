// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "damocles/base/check.h"

namespace damocles::testing_support {

// A folder that goes with the object.
class TempDir {
 public:
  TempDir() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "damocles-test-XXXXXX").string();
    DAMOCLES_CHECK(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;  // a test that made files unreadable still ends
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& Path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace damocles::testing_support
