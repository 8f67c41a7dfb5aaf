// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "damocles/base/check.h"

namespace damocles::simulation {

// A folder that goes with the object.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "damocles-simulation-XXXXXX").string();
    DAMOCLES_CHECK(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace damocles::simulation
