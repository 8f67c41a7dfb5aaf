// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "damocles/base/check.h"

namespace damocles {

// A folder among the temporary files that goes with the object, for simulations and tests.
class ScratchFolder {
 public:
  ScratchFolder() {
    path_ = (std::filesystem::temp_directory_path() / "damocles-scratch-").string() + "XXXXXX";
    DAMOCLES_CHECK(mkdtemp(path_.data()) != nullptr);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;  // who made files unreadable still ends
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& Path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace damocles
