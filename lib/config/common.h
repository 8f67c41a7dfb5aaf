// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "damocles/config/toml.h"

namespace damocles::config {

inline constexpr Range<std::uint64_t> kAnyU64{0, std::uint64_t{1} << 63};
inline constexpr Range<std::uint32_t> kAnyU32{0, ~std::uint32_t{0}};
// What a time-out may be; zero means none where the key's documentation says so.
inline constexpr Range<absl::Duration> kAnyDuration{absl::ZeroDuration(), absl::Hours(24 * 365)};

// Warns at `key` unless `path` is a folder: its disk may be mounted later.
void LookForFolder(TableReader& table, std::string_view key, const std::string& path);

// Notes a problem at `key` if `name` holds control characters: it reaches terminals.
void WantPrintable(TableReader& table, std::string_view key, std::string_view name);

// `text` as a TOML string.
std::string Quote(std::string_view text);

}  // namespace damocles::config
