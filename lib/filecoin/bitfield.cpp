// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/filecoin/bitfield.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "lib/filecoin/rle_plus.h"

#include "damocles/base/check.h"
#include "damocles/base/status.h"

namespace damocles::filecoin {
namespace {

using Range = BitField::Range;

// Appends a range that starts at or after the end of the last one; joins it if they touch.
void Join(std::vector<Range>& ranges, Range range) {
  if (range.first >= range.end) return;
  if (!ranges.empty() && ranges.back().end >= range.first) {
    ranges.back().end = std::max(ranges.back().end, range.end);
  } else {
    ranges.push_back(range);
  }
}

BitField Checked(std::vector<Range> ranges) {
  absl::StatusOr<BitField> field = BitField::FromRanges(std::move(ranges));
  DAMOCLES_CHECK(field.ok());
  return *std::move(field);
}

// The first range that ends after `bit`: the one that holds it, if any does.
std::vector<Range>::const_iterator Find(const std::vector<Range>& ranges, std::uint64_t bit) {
  return std::upper_bound(ranges.begin(), ranges.end(), bit,
                          [](std::uint64_t b, const Range& range) { return b < range.end; });
}

absl::Status CheckSize(std::size_t rle_bytes) {
  if (rle_bytes <= BitField::kRleBytesMax) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat("bitfield of %d bytes, at most %d are taken",
                                                    rle_bytes, BitField::kRleBytesMax));
}

}  // namespace

BitField::Iterator& BitField::Iterator::operator++() {
  ++bit_;
  if (bit_ == range_->end) {
    ++range_;
    bit_ = range_ == end_ ? 0 : range_->first;
  }
  return *this;
}

BitField::Iterator BitField::begin() const {
  return {ranges_.data(), ranges_.data() + ranges_.size()};
}

BitField::Iterator BitField::end() const {
  return {ranges_.data() + ranges_.size(), ranges_.data() + ranges_.size()};
}

BitField::BitField(std::initializer_list<std::uint64_t> bits)
    : BitField(Of(std::span(bits.begin(), bits.size()))) {}

BitField BitField::Of(std::span<const std::uint64_t> bits) {
  std::vector<std::uint64_t> sorted(bits.begin(), bits.end());
  std::sort(sorted.begin(), sorted.end());
  BitField field;
  for (const std::uint64_t bit : sorted) {
    DAMOCLES_CHECK(bit <= kBitMax);
    Join(field.ranges_, {bit, bit + 1});
  }
  return field;
}

BitField BitField::OfRange(std::uint64_t first, std::uint64_t count) {
  DAMOCLES_CHECK(count <= std::numeric_limits<std::uint64_t>::max() - first);
  BitField field;
  Join(field.ranges_, {first, first + count});
  return field;
}

absl::StatusOr<BitField> BitField::FromRanges(std::vector<Range> ranges) {
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].first >= ranges[i].end || (i > 0 && ranges[i - 1].end >= ranges[i].first)) {
      return absl::InvalidArgumentError("bitfield: runs are empty, overlap or touch");
    }
  }
  BitField field;
  field.ranges_ = std::move(ranges);
  return field;
}

absl::StatusOr<BitField> BitField::FromRle(ByteSpan rle, RleReading reading) {
  DAMOCLES_RETURN_IF_ERROR(CheckSize(rle.size()));
  DAMOCLES_ASSIGN_OR_RETURN(const RunLengths lengths, DecodeRle(rle));
  DAMOCLES_ASSIGN_OR_RETURN(BitField field, FromRunLengths(lengths));
  if (reading == RleReading::kActor && !std::ranges::equal(field.ToRle(), rle)) {
    return absl::InvalidArgumentError("bitfield not minimally encoded");
  }
  return field;
}

Bytes BitField::ToRle() const {
  if (ranges_.empty()) return {};
  return EncodeRle(ToRunLengths());
}

absl::StatusOr<BitField> BitField::FromRunLengths(std::span<const std::uint64_t> lengths) {
  std::vector<Range> ranges;
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i] == 0 && i > 0) {
      return absl::InvalidArgumentError("bitfield: run of no length that is not the first");
    }
    if (lengths[i] > std::numeric_limits<std::uint64_t>::max() - at) {
      return absl::InvalidArgumentError("bitfield: runs reach beyond 64 bits");
    }
    if (i % 2 == 1) ranges.push_back({at, at + lengths[i]});
    at += lengths[i];
  }
  BitField field;
  field.ranges_ = std::move(ranges);
  return field;
}

std::vector<std::uint64_t> BitField::ToRunLengths() const {
  if (ranges_.empty()) return {0};
  std::vector<std::uint64_t> lengths;
  lengths.reserve(2 * ranges_.size());
  std::uint64_t at = 0;
  for (const Range& range : ranges_) {
    lengths.push_back(range.first - at);
    lengths.push_back(range.Count());
    at = range.end;
  }
  return lengths;
}

std::string BitField::ToJson() const {
  std::string text = "[";
  for (const std::uint64_t length : ToRunLengths()) {
    if (text.size() > 1) text += ',';
    text += std::to_string(length);
  }
  return text + "]";
}

std::uint64_t BitField::Count() const {
  std::uint64_t count = 0;
  for (const Range& range : ranges_) count += range.Count();
  return count;
}

bool BitField::Contains(std::uint64_t bit) const {
  const auto range = Find(ranges_, bit);
  return range != ranges_.end() && range->first <= bit;
}

bool BitField::ContainsAll(const BitField& other) const {
  return std::all_of(other.ranges_.begin(), other.ranges_.end(), [this](const Range& part) {
    const auto range = Find(ranges_, part.first);
    return range != ranges_.end() && range->first <= part.first && part.end <= range->end;
  });
}

bool BitField::Intersects(const BitField& other) const {
  return std::any_of(other.ranges_.begin(), other.ranges_.end(), [this](const Range& part) {
    const auto range = Find(ranges_, part.first);
    return range != ranges_.end() && range->first < part.end;
  });
}

std::optional<std::uint64_t> BitField::First() const {
  if (ranges_.empty()) return std::nullopt;
  return ranges_.front().first;
}

std::optional<std::uint64_t> BitField::Last() const {
  if (ranges_.empty()) return std::nullopt;
  return ranges_.back().end - 1;
}

absl::StatusOr<std::vector<std::uint64_t>> BitField::ToVector(std::uint64_t count_max) const {
  const std::uint64_t count = Count();
  if (count > count_max) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("bitfield has %d numbers, at most %d are taken", count, count_max));
  }
  return std::vector<std::uint64_t>(begin(), end());
}

void BitField::Set(std::uint64_t bit) {
  DAMOCLES_CHECK(bit <= kBitMax);
  if (ranges_.empty() || ranges_.back().end <= bit) {
    Join(ranges_, {bit, bit + 1});  // the usual order: ascending
  } else if (!Contains(bit)) {
    *this = Union(*this, OfRange(bit, 1));
  }
}

void BitField::Unset(std::uint64_t bit) {
  if (Contains(bit)) *this = Difference(*this, OfRange(bit, 1));
}

void BitField::WriteCbor(cbor::Writer& writer) const {
  writer.ByteString(ToRle());
}

absl::StatusOr<BitField> BitField::ReadCbor(cbor::Reader& reader) {
  DAMOCLES_ASSIGN_OR_RETURN(const Bytes rle, reader.ReadByteString(kRleBytesMax));
  return FromRle(rle, reader.Options().overlong_integers ? RleReading::kActor : RleReading::kNode);
}

BitField Union(const BitField& a, const BitField& b) {
  std::vector<Range> all;
  all.reserve(a.Ranges().size() + b.Ranges().size());
  std::merge(a.Ranges().begin(), a.Ranges().end(), b.Ranges().begin(), b.Ranges().end(),
             std::back_inserter(all),
             [](const Range& x, const Range& y) { return x.first < y.first; });
  std::vector<Range> joined;
  for (const Range& range : all) Join(joined, range);
  return Checked(std::move(joined));
}

BitField Union(std::span<const BitField> fields) {
  std::vector<Range> all;
  for (const BitField& field : fields) {
    all.insert(all.end(), field.Ranges().begin(), field.Ranges().end());
  }
  std::sort(all.begin(), all.end(),
            [](const Range& x, const Range& y) { return x.first < y.first; });
  std::vector<Range> joined;
  for (const Range& range : all) Join(joined, range);
  return Checked(std::move(joined));
}

BitField Intersection(const BitField& a, const BitField& b) {
  std::vector<Range> common;
  auto x = a.Ranges().begin();
  auto y = b.Ranges().begin();
  while (x != a.Ranges().end() && y != b.Ranges().end()) {
    Join(common, {std::max(x->first, y->first), std::min(x->end, y->end)});
    // The one that ends first meets nothing more.
    if (x->end < y->end) {
      ++x;
    } else {
      ++y;
    }
  }
  return Checked(std::move(common));
}

BitField Difference(const BitField& a, const BitField& b) {
  std::vector<Range> left;
  auto hole = b.Ranges().begin();
  for (const Range& range : a.Ranges()) {
    std::uint64_t at = range.first;
    while (hole != b.Ranges().end() && hole->end <= at) ++hole;
    // Invariant: numbers of `range` below `at` are settled.
    for (auto h = hole; h != b.Ranges().end() && h->first < range.end; ++h) {
      Join(left, {at, h->first});
      at = std::max(at, h->end);
    }
    Join(left, {at, range.end});
  }
  return Checked(std::move(left));
}

BitField Cut(const BitField& a, const BitField& holes) {
  std::vector<Range> moved;
  auto hole = holes.Ranges().begin();
  std::uint64_t below = 0;  // numbers in holes before `hole`
  const BitField rest = Difference(a, holes);
  for (const Range& range : rest.Ranges()) {
    for (; hole != holes.Ranges().end() && hole->end <= range.first; ++hole) {
      below += hole->Count();
    }
    Join(moved, {range.first - below, range.end - below});
  }
  return Checked(std::move(moved));
}

absl::StatusOr<BitField> Slice(const BitField& a, std::uint64_t skip, std::uint64_t count) {
  std::vector<Range> taken;
  std::uint64_t to_skip = skip;
  std::uint64_t left = count;
  for (Range range : a.Ranges()) {
    const std::uint64_t skipped = std::min(to_skip, range.Count());
    to_skip -= skipped;
    range.first += skipped;
    const std::uint64_t take = std::min(left, range.Count());
    left -= take;
    Join(taken, {range.first, range.first + take});
  }
  if (to_skip > 0 || left > 0) {
    return absl::OutOfRangeError(absl::StrFormat(
        "bitfield has %d numbers: cannot take %d behind the first %d", a.Count(), count, skip));
  }
  return Checked(std::move(taken));
}

absl::StatusOr<LazyBitField> LazyBitField::FromRle(Bytes rle) {
  DAMOCLES_RETURN_IF_ERROR(CheckSize(rle.size()));
  DAMOCLES_RETURN_IF_ERROR(CheckRleVersion(rle));
  return LazyBitField(std::move(rle));
}

void LazyBitField::WriteCbor(cbor::Writer& writer) const {
  writer.ByteString(rle_);
}

absl::StatusOr<LazyBitField> LazyBitField::ReadCbor(cbor::Reader& reader) {
  DAMOCLES_ASSIGN_OR_RETURN(Bytes rle, reader.ReadByteString(BitField::kRleBytesMax));
  return FromRle(std::move(rle));
}

}  // namespace damocles::filecoin
