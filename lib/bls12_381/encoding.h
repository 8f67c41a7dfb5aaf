// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The bytes of points, one text for both groups (see bls12_381/g1.h).

#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"

#include "damocles/base/bytes.h"
#include "damocles/base/status.h"
#include "damocles/bls12_381/curve.h"
#include "damocles/bls12_381/fp_tower.h"
#include "damocles/bls12_381/g1.h"
#include "damocles/bls12_381/g2.h"

namespace damocles::bls12_381::internal {

inline constexpr std::uint8_t kCompressedFlag = 0x80;
inline constexpr std::uint8_t kInfinityFlag = 0x40;
inline constexpr std::uint8_t kLargestFlag = 0x20;
inline constexpr std::uint8_t kAllFlags = 0xe0;

// `Group` says what differs: Coordinate, kCoordinateBytes, kName, B() (the curve's constant),
// Read(const uint8_t*) -> StatusOr<Coordinate> and Write(Coordinate, uint8_t*).
template <typename Group>
struct Encoding {
  using F = typename Group::Coordinate;
  static constexpr std::size_t kCompressed = Group::kCoordinateBytes;
  static constexpr std::size_t kUncompressed = 2 * Group::kCoordinateBytes;

  static absl::Status Refused(const char* reason) {
    return absl::InvalidArgumentError(absl::StrFormat("%s point: %s", Group::kName, reason));
  }

  static F RightSide(const F& x) { return x.Square() * x + Group::B(); }

  static bool IsOnCurve(const Affine<F>& point) {
    return point.IsInfinity() || point.y.Square() == RightSide(point.x);
  }

  // What both forms share: the length and the flags.  Returns whether the point is infinity.
  static absl::StatusOr<bool> ReadFlags(ByteSpan bytes, std::size_t size, bool compressed) {
    if (bytes.size() != size) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s point: %d bytes, want %d", Group::kName, bytes.size(), size));
    }
    const std::uint8_t flags = bytes[0] & kAllFlags;
    if (((flags & kCompressedFlag) != 0) != compressed) {
      return Refused(compressed ? "the compression flag is clear in a compressed encoding"
                                : "the compression flag is set in an uncompressed encoding");
    }
    if ((flags & kInfinityFlag) == 0) {
      if (!compressed && (flags & kLargestFlag) != 0) {
        return Refused("the sign flag is set in an uncompressed encoding");
      }
      return false;
    }
    const bool rest_is_zero =
        std::all_of(bytes.begin() + 1, bytes.end(), [](std::uint8_t b) { return b == 0; });
    if ((bytes[0] & ~(kCompressedFlag | kInfinityFlag)) != 0 || !rest_is_zero) {
      return Refused("infinity with other bits set");
    }
    return true;
  }

  static absl::StatusOr<Affine<F>> Checked(const Affine<F>& point, PointCheck check) {
    // The points with x = 0 have order 3.
    if (point.x.IsZero()) return Refused("x is zero: not in the subgroup of order r");
    if (!IsOnCurve(point)) return Refused("not on the curve");
    if (check == PointCheck::kSubgroup && !IsInSubgroup(point)) {
      return Refused("not in the subgroup of order r");
    }
    return point;
  }

  static absl::StatusOr<Affine<F>> FromUncompressed(ByteSpan bytes, PointCheck check) {
    DAMOCLES_ASSIGN_OR_RETURN(const bool infinity, ReadFlags(bytes, kUncompressed, false));
    if (infinity) return Affine<F>::Infinity();
    Affine<F> point;
    DAMOCLES_ASSIGN_OR_RETURN(point.x, Group::Read(bytes.data()));
    DAMOCLES_ASSIGN_OR_RETURN(point.y, Group::Read(bytes.data() + Group::kCoordinateBytes));
    return Checked(point, check);
  }

  static absl::StatusOr<Affine<F>> FromCompressed(ByteSpan bytes, PointCheck check) {
    DAMOCLES_ASSIGN_OR_RETURN(const bool infinity, ReadFlags(bytes, kCompressed, true));
    if (infinity) return Affine<F>::Infinity();
    std::array<std::uint8_t, kCompressed> plain;
    std::copy(bytes.begin(), bytes.end(), plain.begin());
    plain[0] &= static_cast<std::uint8_t>(~kAllFlags);
    DAMOCLES_ASSIGN_OR_RETURN(const F x, Group::Read(plain.data()));
    if (x.IsZero()) return Refused("x is zero: not in the subgroup of order r");
    const auto root = Sqrt(RightSide(x));
    if (!root) return Refused("no point of the curve has this x");
    const bool wants_largest = (bytes[0] & kLargestFlag) != 0;
    const F y = IsLexicographicallyLargest(*root) == wants_largest ? *root : -*root;
    return Checked(Affine<F>{x, y}, check);
  }

  static std::array<std::uint8_t, kUncompressed> ToUncompressed(const Affine<F>& point) {
    std::array<std::uint8_t, kUncompressed> out{};
    if (point.IsInfinity()) {
      out[0] = kInfinityFlag;
      return out;
    }
    Group::Write(point.x, out.data());
    Group::Write(point.y, out.data() + Group::kCoordinateBytes);
    return out;
  }

  static std::array<std::uint8_t, kCompressed> ToCompressed(const Affine<F>& point) {
    std::array<std::uint8_t, kCompressed> out{};
    if (point.IsInfinity()) {
      out[0] = kCompressedFlag | kInfinityFlag;
      return out;
    }
    Group::Write(point.x, out.data());
    out[0] |= kCompressedFlag;
    if (IsLexicographicallyLargest(point.y)) out[0] |= kLargestFlag;
    return out;
  }
};

// |x| of the curve's parameter x = -0xd201000000010000.
inline constexpr std::uint64_t kAbsX = 0xd201000000010000;

}  // namespace damocles::bls12_381::internal
