// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <optional>

#include "absl/time/time.h"

namespace damocles {

// Below this, two clocks agree: an answer on its way makes as much.
inline constexpr absl::Duration kClocksAgree = absl::Seconds(5);

// What to say of the difference of two clocks that is measured again and again: once, and when it
// changes.
class SkewWatch {
 public:
  // Whether to say it: the clocks began to differ, differ otherwise than was said, or agree again.
  bool IsNews(absl::Duration skew) {
    const bool differ = absl::AbsDuration(skew) > kClocksAgree;
    const bool news = differ ? !said_.has_value() || absl::AbsDuration(skew - *said_) > kClocksAgree
                             : said_.has_value();
    if (news && differ) said_ = skew;
    if (!differ) said_.reset();
    return news;
  }
  bool Differ() const { return said_.has_value(); }

 private:
  std::optional<absl::Duration> said_;
};

}  // namespace damocles
