// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace damocles {

using Bytes = std::vector<std::uint8_t>;
using ByteSpan = std::span<const std::uint8_t>;
using Bytes32 = std::array<std::uint8_t, 32>;

inline ByteSpan AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view AsText(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline void Append(Bytes& out, ByteSpan bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// Fixed-width integers at `at`, which has room for them.
void StoreLe32(std::uint32_t value, std::uint8_t* at);
void StoreLe64(std::uint64_t value, std::uint8_t* at);
void StoreBe32(std::uint32_t value, std::uint8_t* at);
void StoreBe64(std::uint64_t value, std::uint8_t* at);
std::uint32_t LoadLe32(const std::uint8_t* at);
std::uint64_t LoadLe64(const std::uint8_t* at);
std::uint32_t LoadBe32(const std::uint8_t* at);
std::uint64_t LoadBe64(const std::uint8_t* at);

void AppendLe32(Bytes& out, std::uint32_t value);
void AppendLe64(Bytes& out, std::uint64_t value);
void AppendBe32(Bytes& out, std::uint32_t value);
void AppendBe64(Bytes& out, std::uint64_t value);

}  // namespace damocles
