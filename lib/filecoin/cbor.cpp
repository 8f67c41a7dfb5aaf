// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/filecoin/cbor.h"

#include <limits>

#include "absl/strings/str_format.h"

namespace damocles::filecoin::cbor {
namespace {

constexpr std::uint8_t kMajorUint = 0;
constexpr std::uint8_t kMajorNegative = 1;
constexpr std::uint8_t kMajorBytes = 2;
constexpr std::uint8_t kMajorText = 3;
constexpr std::uint8_t kMajorArray = 4;
constexpr std::uint8_t kMajorMap = 5;
constexpr std::uint8_t kMajorTag = 6;
constexpr std::uint8_t kMajorSimple = 7;
constexpr std::uint8_t kFalse = 0xf4;
constexpr std::uint8_t kTrue = 0xf5;
constexpr std::uint8_t kNull = 0xf6;

// The least argument that needs the form `info` (24 to 27).
std::uint64_t LeastOf(std::uint8_t info) {
  switch (info) {
    case 24:
      return 24;
    case 25:
      return std::uint64_t{1} << 8;
    case 26:
      return std::uint64_t{1} << 16;
    default:
      return std::uint64_t{1} << 32;
  }
}

}  // namespace

void Writer::Head(std::uint8_t major, std::uint64_t argument) {
  const auto first = [&](std::uint8_t info) {
    bytes_.push_back(static_cast<std::uint8_t>(major << 5 | info));
  };
  unsigned length = 0;
  if (argument < 24) {
    first(static_cast<std::uint8_t>(argument));
  } else if (argument <= 0xff) {
    first(24);
    length = 1;
  } else if (argument <= 0xffff) {
    first(25);
    length = 2;
  } else if (argument <= 0xffffffff) {
    first(26);
    length = 4;
  } else {
    first(27);
    length = 8;
  }
  for (unsigned i = length; i > 0; --i) {
    bytes_.push_back(static_cast<std::uint8_t>(argument >> (8 * (i - 1))));
  }
}

void Writer::Int(std::int64_t value) {
  if (value >= 0) {
    Head(kMajorUint, static_cast<std::uint64_t>(value));
  } else {
    Head(kMajorNegative, ~static_cast<std::uint64_t>(value));  // -1 - value
  }
}

void Writer::ByteString(ByteSpan bytes) {
  Head(kMajorBytes, bytes.size());
  Append(bytes_, bytes);
}

void Writer::Text(std::string_view text) {
  Head(kMajorText, text.size());
  Append(bytes_, AsBytes(text));
}

absl::Status Reader::Error(std::string_view what) const {
  return absl::InvalidArgumentError(
      absl::StrFormat("CBOR at byte %d of %d: %s", position_, bytes_.size(), std::string(what)));
}

absl::StatusOr<Reader::Head> Reader::ReadHead() {
  if (AtEnd()) return Error("unexpected end");
  const std::uint8_t first = bytes_[position_];
  Head head{static_cast<std::uint8_t>(first >> 5), static_cast<std::uint8_t>(first & 31), 0};
  if (head.info < 24) {
    head.argument = head.info;
    ++position_;
    return head;
  }
  if (head.info > 27) {
    return Error(absl::StrFormat("head %02x: lengths must be definite", first));
  }
  const std::size_t length = std::size_t{1} << (head.info - 24);
  if (bytes_.size() - position_ - 1 < length) return Error("unexpected end");
  for (std::size_t i = 0; i < length; ++i) {
    head.argument = head.argument << 8 | bytes_[position_ + 1 + i];
  }
  const bool is_shortest = head.argument >= LeastOf(head.info);
  if (head.major == kMajorSimple) {
    // Simple values below 32 have one form only; 25 to 27 are floats.
    if (head.info == 24 && head.argument < 32) return Error("simple value in two bytes");
  } else if (!is_shortest && !options_.overlong_integers) {
    return Error("integer or length is written longer than needed");
  }
  position_ += 1 + length;
  return head;
}

absl::StatusOr<std::uint64_t> Reader::ReadHeadOf(std::uint8_t major, std::string_view what) {
  const std::size_t start = position_;
  DAMOCLES_ASSIGN_OR_RETURN(const Head head, ReadHead());
  if (head.major != major) {
    position_ = start;
    return Error(absl::StrFormat("expected %s, got major type %d", std::string(what), head.major));
  }
  return head.argument;
}

absl::StatusOr<std::uint64_t> Reader::ReadUint() {
  return ReadHeadOf(kMajorUint, "an unsigned integer");
}

absl::StatusOr<std::int64_t> Reader::ReadInt() {
  const std::size_t start = position_;
  DAMOCLES_ASSIGN_OR_RETURN(const Head head, ReadHead());
  position_ = head.major <= kMajorNegative ? position_ : start;
  if (head.major > kMajorNegative) {
    return Error(absl::StrFormat("expected an integer, got major type %d", head.major));
  }
  if (head.argument > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return Error("integer does not fit 64 bits with sign");
  }
  const auto magnitude = static_cast<std::int64_t>(head.argument);
  return head.major == kMajorUint ? magnitude : -1 - magnitude;
}

absl::StatusOr<ByteSpan> Reader::ReadString(std::uint8_t major, std::uint64_t bytes_max,
                                            std::string_view what) {
  DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t length, ReadHeadOf(major, what));
  if (length > bytes_max) {
    return Error(absl::StrFormat("%s of %d bytes, at most %d are taken", std::string(what), length,
                                 bytes_max));
  }
  if (length > bytes_.size() - position_) return Error("unexpected end");
  const ByteSpan content = bytes_.subspan(position_, static_cast<std::size_t>(length));
  position_ += content.size();
  return content;
}

absl::StatusOr<Bytes> Reader::ReadByteString() {
  return ReadByteString(options_.string_bytes_max);
}

absl::StatusOr<Bytes> Reader::ReadByteString(std::uint64_t bytes_max) {
  DAMOCLES_ASSIGN_OR_RETURN(const ByteSpan content,
                            ReadString(kMajorBytes, bytes_max, "a byte string"));
  return Bytes(content.begin(), content.end());
}

absl::StatusOr<std::string> Reader::ReadText() {
  DAMOCLES_ASSIGN_OR_RETURN(const ByteSpan content,
                            ReadString(kMajorText, options_.string_bytes_max, "a text"));
  return std::string(AsText(content));
}

absl::StatusOr<std::uint64_t> Reader::ReadArray() {
  DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t count, ReadHeadOf(kMajorArray, "an array"));
  if (count > options_.array_items_max) {
    return Error(absl::StrFormat("array of %d items, at most %d are taken", count,
                                 options_.array_items_max));
  }
  return count;
}

absl::StatusOr<std::uint64_t> Reader::ReadTag() {
  return ReadHeadOf(kMajorTag, "a tag");
}

absl::StatusOr<bool> Reader::ReadBool() {
  if (AtEnd()) return Error("unexpected end");
  const std::uint8_t byte = bytes_[position_];
  if (byte != kFalse && byte != kTrue) return Error("expected a boolean");
  ++position_;
  return byte == kTrue;
}

bool Reader::TryNull() {
  if (AtEnd() || bytes_[position_] != kNull) return false;
  ++position_;
  return true;
}

absl::Status Reader::ExpectArray(std::uint64_t count, std::string_view what) {
  DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t got, ReadHeadOf(kMajorArray, "an array"));
  if (got == count) return absl::OkStatus();
  return Error(absl::StrFormat("%s has %d fields, got %d", std::string(what), count, got));
}

absl::StatusOr<ByteSpan> Reader::Skip() {
  const std::size_t start = position_;
  DAMOCLES_RETURN_IF_ERROR(SkipItem(options_.depth_max));
  return bytes_.subspan(start, position_ - start);
}

absl::Status Reader::SkipItem(unsigned depth) {
  if (depth == 0) return Error("items are nested too deeply");
  DAMOCLES_ASSIGN_OR_RETURN(const Head head, ReadHead());
  switch (head.major) {
    case kMajorBytes:
    case kMajorText:
      if (head.argument > bytes_.size() - position_) return Error("unexpected end");
      position_ += static_cast<std::size_t>(head.argument);
      return absl::OkStatus();
    case kMajorTag:
      return SkipItem(depth - 1);
    case kMajorArray:
    case kMajorMap:
      break;
    default:
      return absl::OkStatus();
  }
  if (head.argument > options_.array_items_max) return Error("too many items in one array or map");
  const std::uint64_t items = head.major == kMajorMap ? 2 * head.argument : head.argument;
  for (std::uint64_t i = 0; i < items; ++i) {
    DAMOCLES_RETURN_IF_ERROR(SkipItem(depth - 1));
  }
  return absl::OkStatus();
}

absl::Status Reader::ExpectEnd() const {
  return AtEnd() ? absl::OkStatus() : Error("bytes after the end");
}

}  // namespace damocles::filecoin::cbor
