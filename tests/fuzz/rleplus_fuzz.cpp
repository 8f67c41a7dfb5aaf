// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What a node takes has one canonical form with the same meaning, and actors take just that.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "damocles/base/check.h"
#include "damocles/filecoin/bitfield.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace damocles::filecoin;  // NOLINT(google-build-using-namespace): the whole target
  const damocles::ByteSpan bytes(data, size);
  const auto field = BitField::FromRle(bytes, RleReading::kNode);
  const auto strict = BitField::FromRle(bytes, RleReading::kActor);
  if (!field.ok()) {
    DAMOCLES_CHECK(!strict.ok());
    return 0;
  }
  const damocles::Bytes canonical = field->ToRle();
  DAMOCLES_CHECK(strict.ok() == std::ranges::equal(canonical, bytes));
  DAMOCLES_CHECK(*BitField::FromRle(canonical, RleReading::kActor) == *field);
  DAMOCLES_CHECK(*BitField::FromRunLengths(field->ToRunLengths()) == *field);
  DAMOCLES_CHECK(*BitField::FromRanges(field->Ranges()) == *field);

  // Algebra with the part that the first half of the bytes spells, where they do.
  const auto half = BitField::FromRle(bytes.first(size / 2), RleReading::kNode);
  if (!half.ok()) return 0;
  const BitField both = Union(*field, *half);
  const BitField common = Intersection(*field, *half);
  const BitField left = Difference(*field, *half);
  DAMOCLES_CHECK(both.ContainsAll(*field) && both.ContainsAll(*half));
  DAMOCLES_CHECK(Union(left, common) == *field);
  DAMOCLES_CHECK(!left.Intersects(*half) && half->ContainsAll(common));
  DAMOCLES_CHECK(both.Count() == left.Count() + half->Count());
  DAMOCLES_CHECK(Cut(*field, *half).Count() == left.Count());
  return 0;
}
