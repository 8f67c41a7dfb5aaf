// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The primitives of docs/formats/job.md: little-endian integers, byte strings behind a 32-bit
// length, times as microseconds since 1970.

#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"

#include "damocles/base/bytes.h"

namespace damocles::job {

class Encoder {
 public:
  void U8(std::uint8_t value) { out_.push_back(value); }
  void U32(std::uint32_t value) { AppendLe32(out_, value); }
  void U64(std::uint64_t value) { AppendLe64(out_, value); }
  void I64(std::int64_t value) { AppendLe64(out_, static_cast<std::uint64_t>(value)); }
  void Count(std::size_t count) { U32(static_cast<std::uint32_t>(count)); }
  void Raw(ByteSpan bytes) { Append(out_, bytes); }
  void String(std::string_view text) {
    Count(text.size());
    Append(out_, AsBytes(text));
  }
  void Blob(ByteSpan bytes) {
    Count(bytes.size());
    Append(out_, bytes);
  }
  void Time(absl::Time time) {
    if (time == absl::InfinitePast()) return I64(kNever);
    if (time == absl::InfiniteFuture()) return I64(kForever);
    I64(absl::ToUnixMicros(time));
  }
  Bytes Take() { return std::move(out_); }

  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();
  static constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();

 private:
  Bytes out_;
};

// Reads what Encoder wrote.  After the first error every read gives zero; ask Finish once.
class Decoder {
 public:
  explicit Decoder(ByteSpan bytes) : rest_(bytes), size_(bytes.size()) {}

  std::uint8_t U8() { return Take(1) ? last_[0] : std::uint8_t{0}; }
  std::uint32_t U32() { return Take(4) ? LoadLe32(last_.data()) : 0; }
  std::uint64_t U64() { return Take(8) ? LoadLe64(last_.data()) : 0; }
  std::int64_t I64() { return static_cast<std::int64_t>(U64()); }
  Bytes32 Raw32() {
    Bytes32 out{};
    if (Take(32)) std::copy(last_.begin(), last_.end(), out.begin());
    return out;
  }
  // A count of things of at least `bytes_each` bytes: never more than fit into the rest, so that
  // nobody allocates for what cannot be there.
  std::size_t Count(std::size_t bytes_each, std::size_t max) {
    const std::size_t count = U32();
    if (count > max) return Fail("count above its limit"), 0;
    if (count * bytes_each > rest_.size()) return Fail("count beyond the end"), 0;
    return count;
  }
  std::string String(std::size_t max) {
    const std::size_t size = Count(1, max);
    return Take(size) ? std::string(AsText(last_)) : std::string();
  }
  Bytes Blob(std::size_t max) {
    const std::size_t size = Count(1, max);
    return Take(size) ? Bytes(last_.begin(), last_.end()) : Bytes();
  }
  bool Bool() {
    const std::uint8_t value = U8();
    if (value > 1) Fail("not a truth value");
    return value == 1;
  }
  absl::Time Time() {
    const std::int64_t micros = I64();
    if (micros == Encoder::kNever) return absl::InfinitePast();
    if (micros == Encoder::kForever) return absl::InfiniteFuture();
    return absl::FromUnixMicros(micros);
  }
  void Fail(std::string_view why) {
    if (!status_.ok()) return;
    status_ = absl::DataLossError(absl::StrFormat("byte %d: %s", size_ - rest_.size(), why));
    rest_ = {};
  }
  bool Ok() const { return status_.ok(); }
  // Everything was read and nothing is left.
  absl::Status Finish() {
    if (status_.ok() && !rest_.empty()) Fail("bytes behind the end");
    return status_;
  }

 private:
  bool Take(std::size_t count) {
    if (!status_.ok()) return false;
    if (rest_.size() < count) {
      Fail("ends too early");
      return false;
    }
    last_ = rest_.first(count);
    rest_ = rest_.subspan(count);
    return true;
  }

  ByteSpan rest_;
  std::size_t size_;
  ByteSpan last_;
  absl::Status status_;
};

}  // namespace damocles::job
