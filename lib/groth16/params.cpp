// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/groth16/params.h"

#include <atomic>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/base/status.h"
#include "damocles/hash/blake2b.h"
#include "damocles/hash/sha256.h"

namespace damocles::groth16 {
namespace {

using bls12_381::kG1UncompressedBytes;
using bls12_381::kG2UncompressedBytes;
using bls12_381::PointCheck;

constexpr std::uint64_t kCountBytes = 4;
// alpha_g1, beta_g1, beta_g2, gamma_g2, delta_g1, delta_g2, number of ic points.
constexpr std::uint64_t kVkHeadBytes =
    3 * kG1UncompressedBytes + 3 * kG2UncompressedBytes + kCountBytes;
constexpr std::size_t kDecodeGrain = 1024;

// Takes parts off the front of a file, never more than there is.
class Cursor {
 public:
  explicit Cursor(ByteSpan rest) : rest_(rest) {}

  absl::StatusOr<ByteSpan> Take(std::uint64_t bytes, std::string_view what) {
    if (bytes > rest_.size()) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: %d bytes are missing at the end; the file is cut short or a count "
                          "is wrong",
                          std::string(what), bytes - rest_.size()));
    }
    const ByteSpan part = rest_.first(bytes);
    rest_ = rest_.subspan(bytes);
    return part;
  }

  // A count, and that many points.
  absl::StatusOr<ByteSpan> TakePoints(std::uint64_t point_bytes, std::string_view what,
                                      std::uint64_t& count) {
    DAMOCLES_ASSIGN_OR_RETURN(const ByteSpan head, Take(kCountBytes, what));
    count = LoadBe32(head.data());
    return Take(count * point_bytes, what);
  }

  std::uint64_t Left() const { return rest_.size(); }

 private:
  ByteSpan rest_;
};

template <typename Point>
struct Codec;
template <>
struct Codec<G1Affine> {
  static constexpr std::size_t kBytes = kG1UncompressedBytes;
  static absl::StatusOr<G1Affine> Decode(ByteSpan bytes, PointCheck check) {
    return bls12_381::G1FromUncompressed(bytes, check);
  }
};
template <>
struct Codec<G2Affine> {
  static constexpr std::size_t kBytes = kG2UncompressedBytes;
  static absl::StatusOr<G2Affine> Decode(ByteSpan bytes, PointCheck check) {
    return bls12_381::G2FromUncompressed(bytes, check);
  }
};

template <typename Point>
absl::StatusOr<Point> DecodeFinite(ByteSpan bytes, PointCheck check) {
  DAMOCLES_ASSIGN_OR_RETURN(const Point point, Codec<Point>::Decode(bytes, check));
  if (point.IsInfinity()) return absl::InvalidArgumentError("the point is infinity");
  return point;
}

template <typename Point>
absl::Status ReadKeyPoint(Cursor& cursor, std::string_view what, Point& out) {
  DAMOCLES_ASSIGN_OR_RETURN(const ByteSpan bytes, cursor.Take(Codec<Point>::kBytes, what));
  auto point = DecodeFinite<Point>(bytes, PointCheck::kSubgroup);
  if (!point.ok()) return Annotate(point.status(), what);
  out = *point;
  return absl::OkStatus();
}

template <typename Point>
absl::Status DecodeAll(ThreadPool& pool, ByteSpan encoded, std::span<Point> out) {
  constexpr std::size_t kBytes = Codec<Point>::kBytes;
  if (encoded.size() != out.size() * kBytes) {
    return absl::InvalidArgumentError(absl::StrFormat("%d bytes are not %d points of %d bytes",
                                                      encoded.size(), out.size(), kBytes));
  }
  std::atomic<std::size_t> first_bad{out.size()};
  pool.ParallelRanges(out.size(), kDecodeGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      auto point = DecodeFinite<Point>(encoded.subspan(i * kBytes, kBytes), PointCheck::kOnCurve);
      if (point.ok()) {
        out[i] = *point;
        continue;
      }
      std::size_t before = first_bad.load();
      while (i < before && !first_bad.compare_exchange_weak(before, i)) {
      }
      return;
    }
  });
  const std::size_t bad = first_bad.load();
  if (bad == out.size()) return absl::OkStatus();
  return Annotate(
      DecodeFinite<Point>(encoded.subspan(bad * kBytes, kBytes), PointCheck::kOnCurve).status(),
      absl::StrFormat("point %d", bad));
}

template <typename Point>
absl::Status CheckPoints(ThreadPool& pool, ByteSpan encoded, std::string_view what) {
  constexpr std::size_t kPart = std::size_t{1} << 18;  // some 50 MB decoded
  constexpr std::size_t kBytes = Codec<Point>::kBytes;
  const std::size_t count = encoded.size() / kBytes;
  std::vector<Point> scratch;
  for (std::size_t first = 0; first < count; first += kPart) {
    scratch.resize(std::min(kPart, count - first));
    DAMOCLES_RETURN_IF_ERROR(Annotate(
        DecodeAll<Point>(pool, encoded.subspan(first * kBytes, scratch.size() * kBytes), scratch),
        absl::StrFormat("query %s, from point %d", std::string(what), first)));
  }
  return absl::OkStatus();
}

absl::Status DataLoss(const absl::Status& reason, const std::string& path) {
  return absl::DataLossError(
      absl::StrFormat("%s: %s; fetch or make the file again", path, std::string(reason.message())));
}

absl::Status CheckCount(std::string_view what, std::uint64_t found, std::uint64_t wanted) {
  if (found == wanted) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat("query %s has %d points, the circuit needs %d",
                                                    std::string(what), found, wanted));
}

}  // namespace

QueryCounts ExpectedCounts(const circuit::Counts& circuit) {
  return {.ic = circuit.inputs,
          .h = (std::uint64_t{1} << circuit.Log2Domain()) - 1,
          .l = circuit.aux,
          .a = circuit.inputs + circuit.a_aux,
          .b_g1 = 1 + circuit.b_aux,
          .b_g2 = 1 + circuit.b_aux};
}

std::uint64_t VerifyingKeyBytes(const QueryCounts& counts) {
  return kVkHeadBytes + counts.ic * kG1UncompressedBytes;
}

std::uint64_t ParamsBytes(const QueryCounts& counts) {
  return VerifyingKeyBytes(counts) + 5 * kCountBytes +
         (counts.h + counts.l + counts.a + counts.b_g1) * kG1UncompressedBytes +
         counts.b_g2 * kG2UncompressedBytes;
}

absl::StatusOr<VerifyingKey> ReadVerifyingKey(ByteSpan bytes, std::uint64_t ic_expected) {
  Cursor cursor(bytes);
  VerifyingKey key;
  DAMOCLES_RETURN_IF_ERROR(ReadKeyPoint(cursor, "alpha_g1", key.alpha_g1));
  DAMOCLES_RETURN_IF_ERROR(ReadKeyPoint(cursor, "beta_g1", key.beta_g1));
  DAMOCLES_RETURN_IF_ERROR(ReadKeyPoint(cursor, "beta_g2", key.beta_g2));
  DAMOCLES_RETURN_IF_ERROR(ReadKeyPoint(cursor, "gamma_g2", key.gamma_g2));
  DAMOCLES_RETURN_IF_ERROR(ReadKeyPoint(cursor, "delta_g1", key.delta_g1));
  DAMOCLES_RETURN_IF_ERROR(ReadKeyPoint(cursor, "delta_g2", key.delta_g2));
  DAMOCLES_ASSIGN_OR_RETURN(const ByteSpan count, cursor.Take(kCountBytes, "number of ic points"));
  const std::uint64_t ic = LoadBe32(count.data());
  DAMOCLES_RETURN_IF_ERROR(CheckCount("ic", ic, ic_expected));
  if (cursor.Left() != ic * kG1UncompressedBytes) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%d bytes follow the header, %d points are %d bytes", cursor.Left(), ic,
                        ic * kG1UncompressedBytes));
  }
  key.ic.resize(ic);
  for (std::uint64_t i = 0; i < ic; ++i) {
    DAMOCLES_RETURN_IF_ERROR(ReadKeyPoint(cursor, absl::StrFormat("ic[%d]", i), key.ic[i]));
  }
  return key;
}

absl::StatusOr<VerifyingKey> ReadVerifyingKeyFile(const std::string& path,
                                                  std::uint64_t ic_expected) {
  DAMOCLES_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  auto key = ReadVerifyingKey(file.Content(), ic_expected);
  if (!key.ok()) return DataLoss(key.status(), path);
  return key;
}

Bytes WriteVerifyingKey(const VerifyingKey& key) {
  Bytes out;
  Append(out, bls12_381::ToUncompressed(key.alpha_g1));
  Append(out, bls12_381::ToUncompressed(key.beta_g1));
  Append(out, bls12_381::ToUncompressed(key.beta_g2));
  Append(out, bls12_381::ToUncompressed(key.gamma_g2));
  Append(out, bls12_381::ToUncompressed(key.delta_g1));
  Append(out, bls12_381::ToUncompressed(key.delta_g2));
  AppendBe32(out, static_cast<std::uint32_t>(key.ic.size()));
  for (const G1Affine& point : key.ic) Append(out, bls12_381::ToUncompressed(point));
  return out;
}

absl::StatusOr<ParamsLayout> ParseParams(ByteSpan bytes) {
  Cursor cursor(bytes);
  ParamsLayout layout;
  QueryCounts& counts = layout.counts;
  DAMOCLES_RETURN_IF_ERROR(cursor.Take(kVkHeadBytes - kCountBytes, "verifying key").status());
  DAMOCLES_RETURN_IF_ERROR(cursor.TakePoints(kG1UncompressedBytes, "query ic", counts.ic).status());
  layout.vk = bytes.first(bytes.size() - cursor.Left());
  DAMOCLES_ASSIGN_OR_RETURN(layout.h, cursor.TakePoints(kG1UncompressedBytes, "query h", counts.h));
  DAMOCLES_ASSIGN_OR_RETURN(layout.l, cursor.TakePoints(kG1UncompressedBytes, "query l", counts.l));
  DAMOCLES_ASSIGN_OR_RETURN(layout.a, cursor.TakePoints(kG1UncompressedBytes, "query a", counts.a));
  DAMOCLES_ASSIGN_OR_RETURN(layout.b_g1,
                            cursor.TakePoints(kG1UncompressedBytes, "query b_g1", counts.b_g1));
  DAMOCLES_ASSIGN_OR_RETURN(layout.b_g2,
                            cursor.TakePoints(kG2UncompressedBytes, "query b_g2", counts.b_g2));
  if (cursor.Left() != 0) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%d bytes follow the last point; a count is wrong", cursor.Left()));
  }
  return layout;
}

absl::StatusOr<std::shared_ptr<const ParamsFile>> ParamsFile::Open(const std::string& path,
                                                                   const QueryCounts& expected) {
  DAMOCLES_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  auto checked = [&]() -> absl::StatusOr<std::pair<ParamsLayout, VerifyingKey>> {
    DAMOCLES_ASSIGN_OR_RETURN(const ParamsLayout layout, ParseParams(file.Content()));
    const QueryCounts& counts = layout.counts;
    DAMOCLES_RETURN_IF_ERROR(CheckCount("ic", counts.ic, expected.ic));
    if (counts.h < expected.h) {
      DAMOCLES_RETURN_IF_ERROR(CheckCount("h", counts.h, expected.h));
    }
    DAMOCLES_RETURN_IF_ERROR(CheckCount("l", counts.l, expected.l));
    DAMOCLES_RETURN_IF_ERROR(CheckCount("a", counts.a, expected.a));
    DAMOCLES_RETURN_IF_ERROR(CheckCount("b_g1", counts.b_g1, expected.b_g1));
    DAMOCLES_RETURN_IF_ERROR(CheckCount("b_g2", counts.b_g2, expected.b_g2));
    DAMOCLES_ASSIGN_OR_RETURN(VerifyingKey key, ReadVerifyingKey(layout.vk, expected.ic));
    return std::make_pair(layout, std::move(key));
  }();
  if (!checked.ok()) return DataLoss(checked.status(), path);
  return std::shared_ptr<const ParamsFile>(
      new ParamsFile(std::move(file), checked->first, std::move(checked->second)));
}

absl::Status ParamsFile::CheckAllPoints(ThreadPool& pool) const {
  const auto check = [&]() -> absl::Status {
    DAMOCLES_RETURN_IF_ERROR(CheckPoints<G1Affine>(pool, layout_.h, "h"));
    DAMOCLES_RETURN_IF_ERROR(CheckPoints<G1Affine>(pool, layout_.l, "l"));
    DAMOCLES_RETURN_IF_ERROR(CheckPoints<G1Affine>(pool, layout_.a, "a"));
    DAMOCLES_RETURN_IF_ERROR(CheckPoints<G1Affine>(pool, layout_.b_g1, "b_g1"));
    return CheckPoints<G2Affine>(pool, layout_.b_g2, "b_g2");
  };
  const absl::Status status = check();
  return status.ok() ? status : DataLoss(status, Path());
}

absl::Status DecodePoints(ThreadPool& pool, ByteSpan encoded, std::span<G1Affine> out) {
  return DecodeAll<G1Affine>(pool, encoded, out);
}

absl::Status DecodePoints(ThreadPool& pool, ByteSpan encoded, std::span<G2Affine> out) {
  return DecodeAll<G2Affine>(pool, encoded, out);
}

FileDigests DigestsOf(ByteSpan content) {
  const Bytes blake2b = hash::Blake2bOf(content, 64);
  return {.bytes = content.size(),
          .sha256 = ToHex(hash::Sha256Of(content)),
          .blake2b = ToHex(ByteSpan(blake2b).first(16))};
}

}  // namespace damocles::groth16
