// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Bodies of rows as a version, one byte, and a list of fields.  The list is a function template
// that visits each field once, in order, and serves both for writing and for reading, so that no
// field is in one and not in the other:
//
//   template <typename Io, typename T>
//   void SpeedFields(Io& io, T& speed) {
//     io.Text(speed.worker, kNameBytesMax);
//     if (io.Version() >= 2) io.U64(speed.samples);
//   }
//
// Integers are little-endian of fixed width, texts and blobs lie behind a 32-bit length, lists
// behind a 32-bit count; a time is in microseconds since 1970.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"

#include "damocles/base/bytes.h"

namespace damocles::store {

// Infinite past and infinite future.
inline constexpr std::int64_t kNeverMicros = std::numeric_limits<std::int64_t>::min();
inline constexpr std::int64_t kForeverMicros = std::numeric_limits<std::int64_t>::max();

// Limits are the reader's: nobody makes what is above them.
class FieldWriter {
 public:
  explicit FieldWriter(std::uint8_t version) : version_(version) { U8(version); }
  // Fields alone, of what is no row: a digest.
  FieldWriter() : version_(0) {}
  std::uint8_t Version() const { return version_; }

  void U8(std::uint8_t value) { out_.push_back(value); }
  void U32(std::uint32_t value) { AppendLe32(out_, value); }
  void U64(std::uint64_t value) { AppendLe64(out_, value); }
  void I64(std::int64_t value) { U64(static_cast<std::uint64_t>(value)); }
  void Bool(bool value) { U8(value ? 1 : 0); }
  void Raw32(const Bytes32& bytes) { Append(out_, bytes); }
  void Text(std::string_view text, std::size_t /*max*/) {
    Count(text.size());
    Append(out_, AsBytes(text));
  }
  void Blob(const Bytes& bytes, std::size_t /*max*/) {
    Count(bytes.size());
    Append(out_, bytes);
  }
  void Time(absl::Time time) {
    if (time == absl::InfinitePast()) return I64(kNeverMicros);
    if (time == absl::InfiniteFuture()) return I64(kForeverMicros);
    I64(absl::ToUnixMicros(time));
  }
  template <typename Enum>
  void Choice(Enum value, Enum /*last*/) {
    U8(static_cast<std::uint8_t>(value));
  }
  // A type of its own on either side of a number.
  template <typename T, typename To, typename From>
  void Number(const T& value, To to, From /*from*/) {
    I64(static_cast<std::int64_t>(to(value)));
  }
  template <typename T, typename Visit>
  void List(const std::vector<T>& items, std::size_t /*bytes_each*/, std::size_t /*max*/,
            Visit visit) {
    Count(items.size());
    for (const T& item : items) visit(*this, item);
  }
  // A rule of the body; what is written keeps it.
  void Want(bool /*holds*/, std::string_view /*otherwise*/) {}

  Bytes Take() && { return std::move(out_); }

 private:
  void Count(std::size_t count) { U32(static_cast<std::uint32_t>(count)); }

  const std::uint8_t version_;
  Bytes out_;
};

// Judges every byte.  After the first error every field reads as zero; ask Finish once.
class FieldReader {
 public:
  // A newer version than `known` is damage here: what is newer has a frame, which says so.
  FieldReader(std::uint8_t known, ByteSpan body) : rest_(body), size_(body.size()) {
    U8(version_);
    Want(version_ > 0 && version_ <= known, "not a format number that is known");
  }
  std::uint8_t Version() const { return version_; }

  void U8(std::uint8_t& value) { value = Take(1) ? last_[0] : std::uint8_t{0}; }
  void U32(std::uint32_t& value) { value = Take(4) ? LoadLe32(last_.data()) : 0; }
  void U64(std::uint64_t& value) { value = Take(8) ? LoadLe64(last_.data()) : 0; }
  void I64(std::int64_t& value) {
    value = Take(8) ? static_cast<std::int64_t>(LoadLe64(last_.data())) : 0;
  }
  void Bool(bool& value) {
    std::uint8_t byte = 0;
    U8(byte);
    Want(byte <= 1, "not a truth value");
    value = byte == 1;
  }
  void Raw32(Bytes32& bytes) {
    bytes = {};
    if (Take(bytes.size())) std::copy(last_.begin(), last_.end(), bytes.begin());
  }
  void Text(std::string& text, std::size_t max) {
    text = Take(Count(1, max)) ? std::string(AsText(last_)) : std::string();
  }
  void Blob(Bytes& bytes, std::size_t max) {
    bytes = Take(Count(1, max)) ? Bytes(last_.begin(), last_.end()) : Bytes();
  }
  void Time(absl::Time& time) {
    std::int64_t micros = 0;
    I64(micros);
    time = micros == kNeverMicros     ? absl::InfinitePast()
           : micros == kForeverMicros ? absl::InfiniteFuture()
                                      : absl::FromUnixMicros(micros);
  }
  template <typename Enum>
  void Choice(Enum& value, Enum last) {
    std::uint8_t number = 0;
    U8(number);
    Want(number <= static_cast<std::uint8_t>(last), "a number that stands for nothing");
    value = Ok() ? static_cast<Enum>(number) : Enum{};
  }
  template <typename T, typename To, typename From>
  void Number(T& value, [[maybe_unused]] To to, From from) {
    std::int64_t number = 0;
    I64(number);
    value = from(static_cast<decltype(to(value))>(number));
  }
  // Never room for more items of `bytes_each` than fit into the rest.
  template <typename T, typename Visit>
  void List(std::vector<T>& items, std::size_t bytes_each, std::size_t max, Visit visit) {
    items.clear();
    items.resize(Count(bytes_each, max));
    for (T& item : items) visit(*this, item);
  }
  void Want(bool holds, std::string_view otherwise) {
    if (!holds && Ok()) Fail(otherwise);
  }

  bool Ok() const { return status_.ok(); }
  // OK if everything was read and nothing is left, otherwise DATA_LOSS, with the place.
  absl::Status Finish() {
    Want(rest_.empty(), "bytes behind the end");
    return status_;
  }

 private:
  std::size_t Count(std::size_t bytes_each, std::size_t max) {
    std::uint32_t count = 0;
    U32(count);
    Want(count <= max, "count above its limit");
    if (Ok()) Want(count * bytes_each <= rest_.size(), "count beyond the end");
    return Ok() ? count : 0;
  }
  bool Take(std::size_t count) {
    Want(rest_.size() >= count, "ends too early");
    if (!Ok()) return false;
    last_ = rest_.first(count);
    rest_ = rest_.subspan(count);
    return true;
  }
  void Fail(std::string_view why) {
    status_ = absl::DataLossError(absl::StrFormat("byte %d: %s", size_ - rest_.size(), why));
    rest_ = {};
  }

  std::uint8_t version_ = 0;
  ByteSpan rest_;
  const std::size_t size_;
  ByteSpan last_;
  absl::Status status_;
};

}  // namespace damocles::store
