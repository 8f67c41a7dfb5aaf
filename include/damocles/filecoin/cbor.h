// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// CBOR as the Filecoin network uses it: definite lengths, shortest integers, no floats.
//
// A type T of this library that has a CBOR form has the members
//   void WriteCbor(cbor::Writer& writer) const;
//   static absl::StatusOr<T> ReadCbor(cbor::Reader& reader);
// and Encode and Decode do the rest.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/base/status.h"

namespace damocles::filecoin::cbor {

inline constexpr std::uint64_t kTagCid = 42;

// Appends items to a buffer.  Keeping the counts of arrays true is up to the caller.
class Writer {
 public:
  void Uint(std::uint64_t value) { Head(0, value); }
  void Int(std::int64_t value);
  void ByteString(ByteSpan bytes);
  void Text(std::string_view text);
  void Array(std::uint64_t count) { Head(4, count); }
  void Map(std::uint64_t pairs) { Head(5, pairs); }
  void Tag(std::uint64_t tag) { Head(6, tag); }
  void Bool(bool value) { bytes_.push_back(value ? 0xf5 : 0xf4); }
  void Null() { bytes_.push_back(0xf6); }
  // An item that is CBOR already.
  void Raw(ByteSpan item) { Append(bytes_, item); }

  const Bytes& Written() const { return bytes_; }
  Bytes Take() && { return std::move(bytes_); }

 private:
  void Head(std::uint8_t major, std::uint64_t argument);
  Bytes bytes_;
};

struct ReaderOptions {
  // Accept integers and lengths written longer than needed, as the actors do (nodes do not).
  bool overlong_integers = false;
  std::uint64_t string_bytes_max = std::uint64_t{2} << 20;
  std::uint64_t array_items_max = 8192;
  // For Skip.
  unsigned depth_max = 64;
};

// Reads items one after the other.  Borrows the bytes.  Every error is INVALID_ARGUMENT and names
// the position; a reader is of no more use after an error.
class Reader {
 public:
  explicit Reader(ByteSpan bytes, ReaderOptions options = {}) : bytes_(bytes), options_(options) {}

  absl::StatusOr<std::uint64_t> ReadUint();
  // Both signs; refuses what does not fit 64 bits.
  absl::StatusOr<std::int64_t> ReadInt();
  absl::StatusOr<Bytes> ReadByteString();
  absl::StatusOr<Bytes> ReadByteString(std::uint64_t bytes_max);
  absl::StatusOr<std::string> ReadText();
  // Number of items that follow.
  absl::StatusOr<std::uint64_t> ReadArray();
  absl::StatusOr<std::uint64_t> ReadTag();
  absl::StatusOr<bool> ReadBool();
  // Takes a null if there is one and says so; else takes nothing.
  bool TryNull();
  // An array of exactly `count` items; `what` names the struct in the error.
  absl::Status ExpectArray(std::uint64_t count, std::string_view what);
  // Takes one whole item, whatever it is (floats too), and returns its bytes.
  absl::StatusOr<ByteSpan> Skip();

  bool AtEnd() const { return position_ == bytes_.size(); }
  std::size_t Position() const { return position_; }
  ByteSpan Rest() const { return bytes_.subspan(position_); }
  // An error if bytes are left.
  absl::Status ExpectEnd() const;
  const ReaderOptions& Options() const { return options_; }

 private:
  struct Head {
    std::uint8_t major;
    std::uint8_t info;
    std::uint64_t argument;
  };
  absl::StatusOr<Head> ReadHead();
  absl::StatusOr<std::uint64_t> ReadHeadOf(std::uint8_t major, std::string_view what);
  absl::StatusOr<ByteSpan> ReadString(std::uint8_t major, std::uint64_t bytes_max,
                                      std::string_view what);
  absl::Status SkipItem(unsigned depth);
  absl::Status Error(std::string_view what) const;

  ByteSpan bytes_;
  ReaderOptions options_;
  std::size_t position_ = 0;
};

template <typename T>
Bytes Encode(const T& value) {
  Writer writer;
  value.WriteCbor(writer);
  return std::move(writer).Take();
}

// The whole of `bytes` as one T; bytes left over are an error.
template <typename T>
absl::StatusOr<T> Decode(ByteSpan bytes, ReaderOptions options = {}) {
  Reader reader(bytes, options);
  DAMOCLES_ASSIGN_OR_RETURN(T value, T::ReadCbor(reader));
  DAMOCLES_RETURN_IF_ERROR(reader.ExpectEnd());
  return value;
}

// An array of T.
template <typename T>
void WriteArray(Writer& writer, const std::vector<T>& items) {
  writer.Array(items.size());
  for (const T& item : items) item.WriteCbor(writer);
}
template <typename T>
absl::StatusOr<std::vector<T>> ReadArray(Reader& reader) {
  DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t count, reader.ReadArray());
  std::vector<T> items;
  for (std::uint64_t i = 0; i < count; ++i) {
    DAMOCLES_ASSIGN_OR_RETURN(T item, T::ReadCbor(reader));
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace damocles::filecoin::cbor
