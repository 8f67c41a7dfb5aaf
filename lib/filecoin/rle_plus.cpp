// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/filecoin/rle_plus.h"

#include <limits>

namespace damocles::filecoin {
namespace {

constexpr std::uint64_t kShortLengthMax = 15;
constexpr unsigned kVarintBytesMax = 10;

class BitWriter {
 public:
  void Put(std::uint64_t bits, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      if (used_ == 0) bytes_.push_back(0);
      bytes_.back() = static_cast<std::uint8_t>(bytes_.back() | ((bits >> i & 1) << used_));
      used_ = (used_ + 1) % 8;
    }
  }
  Bytes Take() && { return std::move(bytes_); }

 private:
  Bytes bytes_;
  unsigned used_ = 0;  // bits of the last byte; 0 means all
};

// Bits past the end are zeros.
class BitReader {
 public:
  explicit BitReader(ByteSpan bytes) : bytes_(bytes) {}
  std::uint64_t Get(unsigned count) {
    std::uint64_t bits = 0;
    for (unsigned i = 0; i < count; ++i, ++position_) {
      if (AtEnd()) continue;
      const std::uint64_t bit = bytes_[position_ / 8] >> (position_ % 8) & 1;
      bits |= bit << i;
    }
    return bits;
  }
  bool AtEnd() const { return position_ >= bytes_.size() * 8; }

 private:
  ByteSpan bytes_;
  std::size_t position_ = 0;
};

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError("bitfield: " + std::string(what));
}

absl::StatusOr<std::uint64_t> ReadVarint(BitReader& reader) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < kVarintBytesMax; ++i) {
    const std::uint64_t byte = reader.Get(8);
    if (i == kVarintBytesMax - 1 && byte > 1) break;
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      if (byte == 0 && i > 0) return Malformed("run length is written longer than needed");
      return value;
    }
  }
  return Malformed("run length does not fit 64 bits");
}

// The next run length; 0 where the runs end.
absl::StatusOr<std::uint64_t> ReadLength(BitReader& reader) {
  if (reader.Get(1) == 1) return 1;
  if (reader.Get(1) == 1) return reader.Get(4);
  return ReadVarint(reader);
}

}  // namespace

Bytes EncodeRle(std::span<const std::uint64_t> lengths) {
  if (lengths.size() % 2 == 1) lengths = lengths.first(lengths.size() - 1);  // absent at the end
  if (lengths.empty()) return {};
  BitWriter writer;
  writer.Put(0, 2);
  const bool starts_present = lengths[0] == 0;
  writer.Put(starts_present ? 1 : 0, 1);
  for (std::uint64_t length : lengths.subspan(starts_present ? 1 : 0)) {
    if (length == 1) {
      writer.Put(1, 1);
    } else if (length <= kShortLengthMax) {
      writer.Put(0b10, 2);
      writer.Put(length, 4);
    } else {
      writer.Put(0, 2);
      for (; length >= 0x80; length >>= 7) writer.Put((length & 0x7f) | 0x80, 8);
      writer.Put(length, 8);
    }
  }
  Bytes bytes = std::move(writer).Take();
  while (!bytes.empty() && bytes.back() == 0) bytes.pop_back();
  return bytes;
}

absl::Status CheckRleVersion(ByteSpan rle) {
  if (!rle.empty() && (rle[0] & 3) != 0) return Malformed("unknown RLE+ version");
  return absl::OkStatus();
}

absl::StatusOr<RunLengths> DecodeRle(ByteSpan rle) {
  RunLengths lengths;
  if (rle.empty()) return lengths;
  if (absl::Status status = CheckRleVersion(rle); !status.ok()) return status;
  if (rle.back() == 0) return Malformed("zero byte at the end");
  BitReader reader(rle);
  reader.Get(2);
  if (reader.Get(1) == 1) lengths.push_back(0);
  std::uint64_t sum = 0;
  while (!reader.AtEnd()) {
    absl::StatusOr<std::uint64_t> length = ReadLength(reader);
    if (!length.ok()) return std::move(length).status();
    if (*length == 0) break;
    if (*length > std::numeric_limits<std::uint64_t>::max() - sum) {
      return Malformed("runs reach beyond 64 bits");
    }
    sum += *length;
    lengths.push_back(*length);
  }
  if (lengths.size() % 2 == 1) lengths.pop_back();
  return lengths;
}

}  // namespace damocles::filecoin
