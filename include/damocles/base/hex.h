// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"

namespace damocles {

// Lower-case hexadecimal without 0x, in byte order.
std::string ToHex(ByteSpan bytes);

// Accepts both cases; INVALID_ARGUMENT for an odd length or a foreign character.
absl::StatusOr<Bytes> FromHex(std::string_view text);

// The same for exactly 32 bytes.
absl::StatusOr<Bytes32> FromHex32(std::string_view text);

// Standard base64 with padding, as JSON-RPC carries bytes.
std::string ToBase64(ByteSpan bytes);
absl::StatusOr<Bytes> FromBase64(std::string_view text);

}  // namespace damocles
