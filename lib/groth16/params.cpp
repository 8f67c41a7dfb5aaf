// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/groth16/params.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/base/mutex.h"
#include "damocles/base/status.h"

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

absl::Status CheckLeft(std::uint64_t wanted, std::uint64_t left, std::string_view what) {
  if (wanted <= left) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "%s: %d bytes are missing at the end; the file is cut short or a count is wrong",
      std::string(what), wanted - left));
}

// Takes parts off the front of a file, never more than there is.
class Cursor {
 public:
  Cursor(std::uint64_t file_bytes, const ReadBytes& read) : left_(file_bytes), read_(read) {}

  absl::StatusOr<FilePart> Take(std::uint64_t bytes, std::string_view what) {
    DAMOCLES_RETURN_IF_ERROR(CheckLeft(bytes, left_, what));
    const FilePart part{offset_, bytes};
    offset_ += bytes;
    left_ -= bytes;
    return part;
  }

  // A count, and that many points.
  absl::StatusOr<FilePart> TakePoints(std::uint64_t point_bytes, std::string_view what,
                                      std::uint64_t& count) {
    DAMOCLES_ASSIGN_OR_RETURN(const FilePart head, Take(kCountBytes, what));
    std::array<std::uint8_t, kCountBytes> bytes;
    DAMOCLES_RETURN_IF_ERROR(read_(head.offset, bytes));
    count = LoadBe32(bytes.data());
    return Take(count * point_bytes, what);
  }

  std::uint64_t Left() const { return left_; }

 private:
  std::uint64_t offset_ = 0;
  std::uint64_t left_;
  const ReadBytes& read_;
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

// Takes the next point off `rest`.
template <typename Point>
absl::Status ReadKeyPoint(ByteSpan& rest, std::string_view what, Point& out) {
  DAMOCLES_RETURN_IF_ERROR(CheckLeft(Codec<Point>::kBytes, rest.size(), what));
  auto point = DecodeFinite<Point>(rest.first(Codec<Point>::kBytes), PointCheck::kSubgroup);
  if (!point.ok()) return Annotate(point.status(), what);
  rest = rest.subspan(Codec<Point>::kBytes);
  out = *point;
  return absl::OkStatus();
}

// The error of the first point in the file, whichever thread comes first.
class FirstError {
 public:
  void Note(std::size_t at, absl::Status status) {
    const MutexLock lock(mutex_);
    if (!status_.ok() && at_ <= at) return;
    at_ = at;
    status_ = std::move(status);
  }
  absl::Status Take() {
    const MutexLock lock(mutex_);
    return std::move(status_);
  }

 private:
  Mutex mutex_;
  std::size_t at_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

template <typename Point>
absl::Status DecodeAll(ThreadPool& pool, const EncodedPoints& encoded, std::uint64_t first,
                       std::span<Point> out, PointCheck check) {
  constexpr std::size_t kBytes = Codec<Point>::kBytes;
  if (first > encoded.count || out.size() > encoded.count - first) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "points %d to %d were asked for, there are %d", first, first + out.size(), encoded.count));
  }
  FirstError error;
  pool.ParallelRanges(out.size(), kDecodeGrain, [&](std::size_t begin, std::size_t end) {
    Bytes bytes((end - begin) * kBytes);
    if (absl::Status read = encoded.read((first + begin) * kBytes, bytes); !read.ok()) {
      error.Note(begin, std::move(read));
      return;
    }
    for (std::size_t i = begin; i < end; ++i) {
      auto point =
          DecodeFinite<Point>(ByteSpan(bytes).subspan((i - begin) * kBytes, kBytes), check);
      if (!point.ok()) {
        error.Note(i, Annotate(point.status(), absl::StrFormat("point %d", first + i)));
        return;
      }
      out[i] = *point;
    }
  });
  return error.Take();
}

template <typename Point>
absl::Status CheckPoints(ThreadPool& pool, const EncodedPoints& encoded, std::string_view what) {
  constexpr std::uint64_t kPart = std::uint64_t{1} << 18;  // some 50 MB decoded
  std::vector<Point> scratch;
  for (std::uint64_t first = 0; first < encoded.count; first += kPart) {
    scratch.resize(std::min(kPart, encoded.count - first));
    DAMOCLES_RETURN_IF_ERROR(
        Annotate(DecodeAll<Point>(pool, encoded, first, std::span(scratch), PointCheck::kSubgroup),
                 absl::StrFormat("query %s", std::string(what))));
  }
  return absl::OkStatus();
}

// What a file's content is wrong with; errors of the file system stay what they are.
absl::Status DataLoss(const absl::Status& reason, const std::string& path) {
  if (!absl::IsInvalidArgument(reason)) return reason;
  return absl::DataLossError(
      absl::StrFormat("%s: %s; copy or make the file again", path, std::string(reason.message())));
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
  ByteSpan rest = bytes;
  VerifyingKey key;
  DAMOCLES_RETURN_IF_ERROR(ReadKeyPoint(rest, "alpha_g1", key.alpha_g1));
  DAMOCLES_RETURN_IF_ERROR(ReadKeyPoint(rest, "beta_g1", key.beta_g1));
  DAMOCLES_RETURN_IF_ERROR(ReadKeyPoint(rest, "beta_g2", key.beta_g2));
  DAMOCLES_RETURN_IF_ERROR(ReadKeyPoint(rest, "gamma_g2", key.gamma_g2));
  DAMOCLES_RETURN_IF_ERROR(ReadKeyPoint(rest, "delta_g1", key.delta_g1));
  DAMOCLES_RETURN_IF_ERROR(ReadKeyPoint(rest, "delta_g2", key.delta_g2));
  DAMOCLES_RETURN_IF_ERROR(CheckLeft(kCountBytes, rest.size(), "number of ic points"));
  const std::uint64_t ic = LoadBe32(rest.data());
  rest = rest.subspan(kCountBytes);
  DAMOCLES_RETURN_IF_ERROR(CheckCount("ic", ic, ic_expected));
  if (rest.size() != ic * kG1UncompressedBytes) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%d bytes follow the header, %d points are %d bytes", rest.size(), ic,
                        ic * kG1UncompressedBytes));
  }
  key.ic.resize(ic);
  for (std::uint64_t i = 0; i < ic; ++i) {
    DAMOCLES_RETURN_IF_ERROR(ReadKeyPoint(rest, absl::StrFormat("ic[%d]", i), key.ic[i]));
  }
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

ReadBytes ReadFrom(ByteSpan bytes) {
  return [bytes](std::uint64_t offset, std::span<std::uint8_t> out) {
    if (offset > bytes.size() || out.size() > bytes.size() - offset) {
      return absl::OutOfRangeError(absl::StrFormat(
          "%d bytes from byte %d were wanted, there are %d", out.size(), offset, bytes.size()));
    }
    std::ranges::copy(bytes.subspan(offset, out.size()), out.begin());
    return absl::OkStatus();
  };
}

absl::StatusOr<ParamsLayout> ParseParams(std::uint64_t file_bytes, const ReadBytes& read) {
  Cursor cursor(file_bytes, read);
  ParamsLayout layout;
  QueryCounts& counts = layout.counts;
  DAMOCLES_RETURN_IF_ERROR(cursor.Take(kVkHeadBytes - kCountBytes, "verifying key").status());
  DAMOCLES_RETURN_IF_ERROR(cursor.TakePoints(kG1UncompressedBytes, "query ic", counts.ic).status());
  layout.vk = {0, file_bytes - cursor.Left()};
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

absl::StatusOr<ParamsLayout> ParseParams(ByteSpan bytes) {
  return ParseParams(bytes.size(), ReadFrom(bytes));
}

absl::StatusOr<std::shared_ptr<const ParamsFile>> ParamsFile::Open(const std::string& path,
                                                                   const QueryCounts& expected) {
  // Looked at before it is opened: opening a pipe would wait for a writer.
  const absl::StatusOr<std::uint64_t> bytes = FileSize(path);
  if (absl::IsInvalidArgument(bytes.status())) {
    return absl::DataLossError(std::string(bytes.status().message()));
  }
  DAMOCLES_RETURN_IF_ERROR(bytes.status());
  DAMOCLES_ASSIGN_OR_RETURN(File opened, OpenForReading(path));
  std::shared_ptr<ParamsFile> file(new ParamsFile(path, std::move(opened), *bytes));
  if (const absl::Status status = file->ReadLayout(expected); !status.ok()) {
    return DataLoss(status, path);
  }
  return file;
}

absl::Status ParamsFile::ReadLayout(const QueryCounts& expected) {
  DAMOCLES_ASSIGN_OR_RETURN(layout_, ParseParams(bytes_, From(0)));
  const QueryCounts& counts = layout_.counts;
  DAMOCLES_RETURN_IF_ERROR(CheckCount("ic", counts.ic, expected.ic));
  if (counts.h < expected.h) {
    DAMOCLES_RETURN_IF_ERROR(CheckCount("h", counts.h, expected.h));
  }
  DAMOCLES_RETURN_IF_ERROR(CheckCount("l", counts.l, expected.l));
  DAMOCLES_RETURN_IF_ERROR(CheckCount("a", counts.a, expected.a));
  DAMOCLES_RETURN_IF_ERROR(CheckCount("b_g1", counts.b_g1, expected.b_g1));
  DAMOCLES_RETURN_IF_ERROR(CheckCount("b_g2", counts.b_g2, expected.b_g2));
  vk_.resize(layout_.vk.bytes);
  DAMOCLES_RETURN_IF_ERROR(Read(layout_.vk.offset, vk_));
  DAMOCLES_ASSIGN_OR_RETURN(key_, ReadVerifyingKey(vk_, expected.ic));
  return absl::OkStatus();
}

absl::Status ParamsFile::Read(std::uint64_t offset, std::span<std::uint8_t> out) const {
  absl::Status status = ReadAt(file_, offset, out, path_);
  if (absl::IsOutOfRange(status)) {
    return absl::DataLossError(
        absl::StrFormat("%s: has become shorter than the %d bytes it had when it was opened; copy "
                        "or make the file again",
                        path_, bytes_));
  }
  return status;
}

ReadBytes ParamsFile::From(std::uint64_t begin) const {
  return [this, begin](std::uint64_t offset, std::span<std::uint8_t> out) {
    return Read(begin + offset, out);
  };
}

EncodedPoints ParamsFile::G1Points(const FilePart& query) const {
  return {.count = query.bytes / kG1UncompressedBytes, .read = From(query.offset)};
}

EncodedPoints ParamsFile::G2Points(const FilePart& query) const {
  return {.count = query.bytes / kG2UncompressedBytes, .read = From(query.offset)};
}

absl::Status ParamsFile::CheckAllPoints(ThreadPool& pool) const {
  const auto check = [&]() -> absl::Status {
    DAMOCLES_RETURN_IF_ERROR(CheckPoints<G1Affine>(pool, G1Points(layout_.h), "h"));
    DAMOCLES_RETURN_IF_ERROR(CheckPoints<G1Affine>(pool, G1Points(layout_.l), "l"));
    DAMOCLES_RETURN_IF_ERROR(CheckPoints<G1Affine>(pool, G1Points(layout_.a), "a"));
    DAMOCLES_RETURN_IF_ERROR(CheckPoints<G1Affine>(pool, G1Points(layout_.b_g1), "b_g1"));
    return CheckPoints<G2Affine>(pool, G2Points(layout_.b_g2), "b_g2");
  };
  const absl::Status status = check();
  return status.ok() ? status : DataLoss(status, Path());
}

absl::Status DecodePoints(ThreadPool& pool, const EncodedPoints& encoded, std::uint64_t first,
                          std::span<G1Affine> out) {
  return DecodeAll<G1Affine>(pool, encoded, first, out, PointCheck::kOnCurve);
}

absl::Status DecodePoints(ThreadPool& pool, const EncodedPoints& encoded, std::uint64_t first,
                          std::span<G2Affine> out) {
  return DecodeAll<G2Affine>(pool, encoded, first, out, PointCheck::kOnCurve);
}

FileDigester& FileDigester::Update(ByteSpan bytes) {
  bytes_ += bytes.size();
  sha256_.Update(bytes);
  blake2b_.Update(bytes);
  return *this;
}

FileDigests FileDigester::Finish() {
  const Bytes blake2b = blake2b_.Finish();
  return {.bytes = bytes_,
          .sha256 = ToHex(sha256_.Finish()),
          .blake2b = ToHex(ByteSpan(blake2b).first(16))};
}

FileDigests DigestsOf(ByteSpan content) {
  return FileDigester().Update(content).Finish();
}

absl::StatusOr<FileDigests> DigestsOfFile(const std::string& path) {
  constexpr std::uint64_t kAtOnce = std::uint64_t{1} << 20;
  DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(path));
  DAMOCLES_ASSIGN_OR_RETURN(const File file, OpenForReading(path));
  FileDigester digester;
  Bytes piece;
  for (std::uint64_t offset = 0; offset < size; offset += piece.size()) {
    piece.resize(std::min(kAtOnce, size - offset));
    DAMOCLES_RETURN_IF_ERROR(ReadAt(file, offset, piece, path));
    digester.Update(piece);
  }
  return digester.Finish();
}

}  // namespace damocles::groth16
