// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <compare>
#include <cstdint>
#include <ostream>
#include <string>
#include <utility>

namespace damocles::filecoin {

namespace internal {

// Epochs come from foreign answers, so sums wrap around instead of being undefined.
constexpr std::int64_t WrappingAdd(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
constexpr std::int64_t WrappingSubtract(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
constexpr std::int64_t WrappingMultiply(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}

}  // namespace internal

// A number of epochs: the difference of two ChainEpochs.  One epoch is 30 s on mainnet.
class EpochDelta {
 public:
  constexpr EpochDelta() = default;
  constexpr explicit EpochDelta(std::int64_t count) : count_(count) {}
  constexpr std::int64_t Count() const { return count_; }

  friend constexpr auto operator<=>(EpochDelta, EpochDelta) = default;
  friend constexpr EpochDelta operator+(EpochDelta a, EpochDelta b) {
    return EpochDelta(internal::WrappingAdd(a.count_, b.count_));
  }
  friend constexpr EpochDelta operator-(EpochDelta a, EpochDelta b) {
    return EpochDelta(internal::WrappingSubtract(a.count_, b.count_));
  }
  friend constexpr EpochDelta operator-(EpochDelta d) {
    return EpochDelta(internal::WrappingSubtract(0, d.count_));
  }
  friend constexpr EpochDelta operator*(EpochDelta d, std::int64_t n) {
    return EpochDelta(internal::WrappingMultiply(d.count_, n));
  }
  friend constexpr EpochDelta operator*(std::int64_t n, EpochDelta d) { return d * n; }
  // How many whole times `b`, which is not zero, goes into `a`; rounds towards zero.
  friend constexpr std::int64_t operator/(EpochDelta a, EpochDelta b) {
    return a.count_ / b.count_;
  }
  friend constexpr EpochDelta operator%(EpochDelta a, EpochDelta b) {
    return EpochDelta(a.count_ % b.count_);
  }
  constexpr EpochDelta& operator+=(EpochDelta d) { return *this = *this + d; }
  constexpr EpochDelta& operator-=(EpochDelta d) { return *this = *this - d; }
  friend std::ostream& operator<<(std::ostream& out, EpochDelta d) { return out << d.count_; }

 private:
  std::int64_t count_ = 0;
};

// A point on the chain's time axis; genesis is epoch 0, -1 stands for "never" in some answers.
class ChainEpoch {
 public:
  constexpr ChainEpoch() = default;
  constexpr explicit ChainEpoch(std::int64_t value) : value_(value) {}
  constexpr std::int64_t Value() const { return value_; }

  friend constexpr auto operator<=>(ChainEpoch, ChainEpoch) = default;
  friend constexpr ChainEpoch operator+(ChainEpoch e, EpochDelta d) {
    return ChainEpoch(internal::WrappingAdd(e.value_, d.Count()));
  }
  friend constexpr ChainEpoch operator-(ChainEpoch e, EpochDelta d) {
    return ChainEpoch(internal::WrappingSubtract(e.value_, d.Count()));
  }
  friend constexpr EpochDelta operator-(ChainEpoch a, ChainEpoch b) {
    return EpochDelta(internal::WrappingSubtract(a.value_, b.value_));
  }
  constexpr ChainEpoch& operator+=(EpochDelta d) { return *this = *this + d; }
  constexpr ChainEpoch& operator-=(EpochDelta d) { return *this = *this - d; }
  constexpr ChainEpoch& operator++() { return *this += EpochDelta(1); }
  constexpr ChainEpoch& operator--() { return *this -= EpochDelta(1); }
  friend std::ostream& operator<<(std::ostream& out, ChainEpoch e) { return out << e.value_; }

  template <typename H>
  friend H AbslHashValue(H h, ChainEpoch e) {
    return H::combine(std::move(h), e.value_);
  }

 private:
  std::int64_t value_ = 0;
};

inline std::string ToString(ChainEpoch epoch) {
  return std::to_string(epoch.Value());
}
inline std::string ToString(EpochDelta delta) {
  return std::to_string(delta.Count());
}

}  // namespace damocles::filecoin
