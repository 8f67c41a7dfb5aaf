// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/filecoin/cbor.h"

namespace damocles::filecoin {

// Who decides which RLE+ bytes are accepted.
enum class RleReading {
  kNode,   // as the node's Go code: tolerant of blocks longer than needed; for answers of a node
  kActor,  // as the actors: the canonical form only; for parameters that we judge
};

// A set of numbers in [0, 2^64 - 1), kept as runs, so that a run of 2^63 numbers costs what one
// number does.  A value.
class BitField {
 public:
  static constexpr std::uint64_t kBitMax = std::numeric_limits<std::uint64_t>::max() - 1;
  static constexpr std::size_t kRleBytesMax = 32768;

  // Numbers first, ..., end - 1; never empty.
  struct Range {
    std::uint64_t first = 0;
    std::uint64_t end = 0;
    std::uint64_t Count() const { return end - first; }
    friend bool operator==(const Range&, const Range&) = default;
  };

  // Forward iterator over the numbers, ascending.
  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = std::uint64_t;
    using difference_type = std::ptrdiff_t;
    using pointer = const std::uint64_t*;
    using reference = std::uint64_t;
    Iterator() = default;
    std::uint64_t operator*() const { return bit_; }
    Iterator& operator++();
    Iterator operator++(int) {
      Iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) {
      return a.range_ == b.range_ && a.bit_ == b.bit_;
    }

   private:
    friend class BitField;
    Iterator(const Range* range, const Range* end)
        : range_(range), end_(end), bit_(range == end ? 0 : range->first) {}
    const Range* range_ = nullptr;
    const Range* end_ = nullptr;
    std::uint64_t bit_ = 0;
  };

  BitField() = default;
  // The numbers given, each at most kBitMax, in any order and as often as you like.
  BitField(std::initializer_list<std::uint64_t> bits);  // NOLINT(google-explicit-constructor)
  static BitField Of(std::span<const std::uint64_t> bits);
  // first, ..., first + count - 1; first + count must fit 64 bits.
  static BitField OfRange(std::uint64_t first, std::uint64_t count);
  // Runs in order, neither touching nor overlapping.
  static absl::StatusOr<BitField> FromRanges(std::vector<Range> ranges);

  // RLE+ bytes; at most kRleBytesMax of them.
  static absl::StatusOr<BitField> FromRle(ByteSpan rle, RleReading reading);
  // Canonical; an empty set has no bytes.
  Bytes ToRle() const;

  // The JSON form: lengths of runs in turn, starting with absent numbers.  {0, 1, 5} is 0,2,3,1 and
  // the empty set is 0.  Reading takes an empty list and absent numbers at the end; a run of no
  // length is legal in first place only.
  static absl::StatusOr<BitField> FromRunLengths(std::span<const std::uint64_t> lengths);
  std::vector<std::uint64_t> ToRunLengths() const;
  // "[0,2,3,1]".
  std::string ToJson() const;

  bool Empty() const { return ranges_.empty(); }
  std::uint64_t Count() const;
  bool Contains(std::uint64_t bit) const;
  bool ContainsAll(const BitField& other) const;
  bool Intersects(const BitField& other) const;
  // Least and greatest number.
  std::optional<std::uint64_t> First() const;
  std::optional<std::uint64_t> Last() const;
  const std::vector<Range>& Ranges() const { return ranges_; }
  Iterator begin() const;  // NOLINT(readability-identifier-naming): range-based for
  Iterator end() const;    // NOLINT(readability-identifier-naming)
  // All numbers, ascending; RESOURCE_EXHAUSTED if there are more than `count_max`.
  absl::StatusOr<std::vector<std::uint64_t>> ToVector(std::uint64_t count_max) const;

  void Set(std::uint64_t bit);
  void Unset(std::uint64_t bit);

  // A byte string of RLE+.  Reading is as strict as an actor if the reader accepts over-long
  // integers (that is how actors read), else as lenient as a node.
  void WriteCbor(cbor::Writer& writer) const;
  static absl::StatusOr<BitField> ReadCbor(cbor::Reader& reader);

  friend bool operator==(const BitField&, const BitField&) = default;
  // As its JSON form.
  friend std::ostream& operator<<(std::ostream& out, const BitField& field) {
    return out << field.ToJson();
  }

 private:
  std::vector<Range> ranges_;  // in order, apart from each other, none empty
};

BitField Union(const BitField& a, const BitField& b);
BitField Union(std::span<const BitField> fields);
BitField Intersection(const BitField& a, const BitField& b);
// Numbers of `a` that are not in `b`.
BitField Difference(const BitField& a, const BitField& b);
// Takes the numbers of `holes` out of `a` and moves the rest down to close the gaps: number n
// becomes n less the count of holes below it.
BitField Cut(const BitField& a, const BitField& holes);
// The `count` numbers of `a` that follow its `skip` least; OUT_OF_RANGE if `a` has fewer.
absl::StatusOr<BitField> Slice(const BitField& a, std::uint64_t skip, std::uint64_t count);

// RLE+ bytes as they came, judged only as far as a node does when it decodes parameters: size and
// version.  What else is wrong shows when Decode is called, and re-encoding gives the same bytes.
class LazyBitField {
 public:
  LazyBitField() = default;
  explicit LazyBitField(const BitField& field) : rle_(field.ToRle()) {}
  static absl::StatusOr<LazyBitField> FromRle(Bytes rle);
  const Bytes& Rle() const { return rle_; }
  absl::StatusOr<BitField> Decode() const { return BitField::FromRle(rle_, RleReading::kNode); }

  void WriteCbor(cbor::Writer& writer) const;
  static absl::StatusOr<LazyBitField> ReadCbor(cbor::Reader& reader);
  friend bool operator==(const LazyBitField&, const LazyBitField&) = default;

 private:
  explicit LazyBitField(Bytes rle) : rle_(std::move(rle)) {}
  Bytes rle_;
};

}  // namespace damocles::filecoin
