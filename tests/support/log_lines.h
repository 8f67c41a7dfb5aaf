// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "damocles/base/log.h"

namespace damocles::testing_support {

// What is logged while it lives.  One at a time, and no other sink beside it.
class LogLines {
 public:
  LogLines() {
    SetLogSink([this](Severity, std::string_view line) { lines_.emplace_back(line); });
  }
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;
  ~LogLines() { SetLogSink({}); }

  // How many lines hold `text`.
  std::size_t Count(std::string_view text) const {
    return static_cast<std::size_t>(std::count_if(
        lines_.begin(), lines_.end(),
        [text](const std::string& line) { return line.find(text) != std::string::npos; }));
  }

 private:
  std::vector<std::string> lines_;
};

}  // namespace damocles::testing_support
