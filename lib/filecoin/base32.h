// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"

namespace damocles::filecoin {

// Base32 in lower case (a-z, 2-7) without padding.
std::string ToBase32(ByteSpan bytes);

// INVALID_ARGUMENT "illegal base32 data ..." for a foreign character and "invalid encoding" for
// text that no bytes encode to (a length or last character that cannot be, a line end).
absl::StatusOr<Bytes> FromBase32(std::string_view text);

}  // namespace damocles::filecoin
