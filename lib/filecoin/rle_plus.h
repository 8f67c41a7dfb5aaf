// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// RLE+ version 0: bits of each byte from the least significant up; two bits of version, the value
// of the first run, then run lengths in blocks of three forms (go-bitfield).

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"

namespace damocles::filecoin {

// Lengths of alternating runs.  Only the first may be zero (it is of absent numbers).
using RunLengths = std::vector<std::uint64_t>;

// The shortest form; a last run of absent numbers is left out.
Bytes EncodeRle(std::span<const std::uint64_t> lengths);

// Reads any form that a node reads.  The lengths start with absent numbers, end with present ones,
// and their sum fits 64 bits.
absl::StatusOr<RunLengths> DecodeRle(ByteSpan rle);

// What a node checks before anything else: the version.
absl::Status CheckRleVersion(ByteSpan rle);

}  // namespace damocles::filecoin
