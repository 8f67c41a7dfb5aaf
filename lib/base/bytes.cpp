// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/bytes.h"

namespace damocles {

void StoreLe32(std::uint32_t value, std::uint8_t* at) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

std::uint32_t LoadLe32(const std::uint8_t* at) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value |= std::uint32_t{at[i]} << (8 * i);
  return value;
}

void AppendLe32(Bytes& out, std::uint32_t value) {
  out.resize(out.size() + 4);
  StoreLe32(value, out.data() + out.size() - 4);
}

void StoreBe32(std::uint32_t value, std::uint8_t* at) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
}

std::uint32_t LoadBe32(const std::uint8_t* at) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value |= std::uint32_t{at[i]} << (24 - 8 * i);
  return value;
}

void AppendBe32(Bytes& out, std::uint32_t value) {
  out.resize(out.size() + 4);
  StoreBe32(value, out.data() + out.size() - 4);
}

void StoreLe64(std::uint64_t value, std::uint8_t* at) {
  for (int i = 0; i < 8; ++i) at[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

std::uint64_t LoadLe64(const std::uint8_t* at) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value |= std::uint64_t{at[i]} << (8 * i);
  return value;
}

void AppendLe64(Bytes& out, std::uint64_t value) {
  out.resize(out.size() + 8);
  StoreLe64(value, out.data() + out.size() - 8);
}

void StoreBe64(std::uint64_t value, std::uint8_t* at) {
  for (int i = 0; i < 8; ++i) at[i] = static_cast<std::uint8_t>(value >> (56 - 8 * i));
}

std::uint64_t LoadBe64(const std::uint8_t* at) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value |= std::uint64_t{at[i]} << (56 - 8 * i);
  return value;
}

void AppendBe64(Bytes& out, std::uint64_t value) {
  out.resize(out.size() + 8);
  StoreBe64(value, out.data() + out.size() - 8);
}

}  // namespace damocles
