// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <ostream>
#include <string>
#include <utility>

namespace damocles::config {

// A token: whoever prints it by accident prints "***".
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}

  bool Empty() const { return value_.empty(); }
  // For the wire only.
  const std::string& Reveal() const { return value_; }
  friend bool operator==(const Secret&, const Secret&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Secret& secret) {
    return out << (secret.Empty() ? "" : "***");
  }

 private:
  std::string value_;
};

}  // namespace damocles::config
