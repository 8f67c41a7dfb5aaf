// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <gmpxx.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/filecoin/cbor.h"

namespace damocles::filecoin {

// A whole number of any size and sign, as the chain has it for amounts, power and weights.
class BigInt {
 public:
  static constexpr std::size_t kBytesMax = 128;

  BigInt() = default;
  // Every integer type, also in arithmetic: `fee_cap * gas_limit`.
  template <typename Integer, typename = std::enable_if_t<std::is_integral_v<Integer>>>
  BigInt(Integer value) {  // NOLINT(google-explicit-constructor): a number is a number
    if constexpr (std::is_signed_v<Integer>) {
      Assign(static_cast<std::int64_t>(value));
    } else {
      Assign(static_cast<std::uint64_t>(value));
    }
  }
  // Decimal digits with an optional minus, as JSON carries them: "0", "-5".  Nothing else, and
  // nothing larger than the chain can write: whatever was read can be written.
  static absl::StatusOr<BigInt> Parse(std::string_view text);
  // The magnitude, big endian.
  static BigInt FromBytesBe(ByteSpan magnitude, bool negative = false);

  std::string ToString() const;
  Bytes MagnitudeBe() const;
  bool IsZero() const { return Sign() == 0; }
  // WriteCbor can write it.
  bool FitsCbor() const;
  // -1, 0 or 1.
  int Sign() const { return sgn(value_); }
  std::optional<std::int64_t> ToInt64() const;
  std::optional<std::uint64_t> ToUint64() const;
  // The nearest double: for metrics and ratios only.
  double ToDouble() const { return value_.get_d(); }

  BigInt& operator+=(const BigInt& b);
  BigInt& operator-=(const BigInt& b);
  BigInt& operator*=(const BigInt& b);
  // Rounds towards zero; the divisor is not zero.
  BigInt& operator/=(const BigInt& b);
  BigInt& operator%=(const BigInt& b);
  friend BigInt operator+(BigInt a, const BigInt& b) { return a += b; }
  friend BigInt operator-(BigInt a, const BigInt& b) { return a -= b; }
  friend BigInt operator*(BigInt a, const BigInt& b) { return a *= b; }
  friend BigInt operator/(BigInt a, const BigInt& b) { return a /= b; }
  friend BigInt operator%(BigInt a, const BigInt& b) { return a %= b; }
  friend BigInt operator-(const BigInt& a);
  friend bool operator==(const BigInt& a, const BigInt& b) { return cmp(a.value_, b.value_) == 0; }
  friend std::strong_ordering operator<=>(const BigInt& a, const BigInt& b) {
    return cmp(a.value_, b.value_) <=> 0;
  }
  friend std::ostream& operator<<(std::ostream& out, const BigInt& a) {
    return out << a.ToString();
  }

  // A byte string: empty for zero, else a sign byte (0 plus, 1 minus) and the magnitude; at most
  // kBytesMax bytes with the sign, which the writer checks.
  void WriteCbor(cbor::Writer& writer) const;
  static absl::StatusOr<BigInt> ReadCbor(cbor::Reader& reader);

 private:
  void Assign(std::int64_t value);
  void Assign(std::uint64_t value);
  mpz_class value_;
};

// attoFIL: 10^-18 FIL.
using TokenAmount = BigInt;
using StoragePower = BigInt;

// `count` whole FIL.
TokenAmount Fil(std::int64_t count);

// FIL in decimal as operators write it: "5 FIL", "0.07", "12 attofil", "0.5 nanoFIL" (nothing in
// front of FIL, or atto, femto, pico, nano, micro, milli; letters of either case).
// INVALID_ARGUMENT for more than 18 places.
absl::StatusOr<TokenAmount> ParseFil(std::string_view text);
// "5 FIL", "0.07 FIL": exact.
std::string FormatFil(const TokenAmount& amount);

}  // namespace damocles::filecoin
