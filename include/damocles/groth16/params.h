// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Parameter files: the proving key (.params) and the verifying key (.vk) of one circuit
// (docs/formats/params.md).  Points are uncompressed and big-endian, counts four bytes big-endian,
// nothing before, between or after.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/base/file.h"
#include "damocles/base/thread_pool.h"
#include "damocles/bls12_381/g1.h"
#include "damocles/bls12_381/g2.h"
#include "damocles/circuit/post_circuit.h"
#include "damocles/hash/blake2b.h"
#include "damocles/hash/sha256.h"

namespace damocles::groth16 {

using bls12_381::G1Affine;
using bls12_381::G2Affine;

// Numbers of points in a .params file.
struct QueryCounts {
  std::uint64_t ic = 0;
  std::uint64_t h = 0;
  std::uint64_t l = 0;
  std::uint64_t a = 0;
  std::uint64_t b_g1 = 0;
  std::uint64_t b_g2 = 0;

  friend bool operator==(const QueryCounts&, const QueryCounts&) = default;
};
QueryCounts ExpectedCounts(const circuit::Counts& circuit);
std::uint64_t VerifyingKeyBytes(const QueryCounts& counts);
std::uint64_t ParamsBytes(const QueryCounts& counts);

struct VerifyingKey {
  G1Affine alpha_g1;
  G1Affine beta_g1;
  G2Affine beta_g2;
  G2Affine gamma_g2;
  G1Affine delta_g1;
  G2Affine delta_g2;
  std::vector<G1Affine> ic;  // ONE first, then the public inputs
};

// Reads a whole .vk; every point is checked to be in its subgroup and not infinity.
// INVALID_ARGUMENT with the reason if it is not one of `ic_expected` inputs (ONE included).
absl::StatusOr<VerifyingKey> ReadVerifyingKey(ByteSpan bytes, std::uint64_t ic_expected);
Bytes WriteVerifyingKey(const VerifyingKey& key);

// Fills `out` with the bytes from `offset` on, or says why it cannot.  Safe to call from any
// thread.
using ReadBytes = std::function<absl::Status(std::uint64_t offset, std::span<std::uint8_t> out)>;
// Reads from memory, which must outlive the reader; OUT_OF_RANGE beyond its end.
ReadBytes ReadFrom(ByteSpan bytes);

// Bytes [offset, offset + bytes) of a file.
struct FilePart {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

// Where the parts of a .params file lie.
struct ParamsLayout {
  QueryCounts counts;
  FilePart vk;  // exactly the .vk file
  FilePart h;   // points only, without the count in front, as the following
  FilePart l;
  FilePart a;
  FilePart b_g1;
  FilePart b_g2;
};
// Finds the parts of a file of `file_bytes` bytes, of which only the counts are read; each is held
// against the bytes that are there before it is used.  INVALID_ARGUMENT if a count is impossible or
// bytes are left over.
absl::StatusOr<ParamsLayout> ParseParams(std::uint64_t file_bytes, const ReadBytes& read);
absl::StatusOr<ParamsLayout> ParseParams(ByteSpan bytes);

// Points as they lie in a .params file: uncompressed, 96 (G1) or 192 (G2) bytes each.  Offset 0 of
// `read` is the first byte of the first.
struct EncodedPoints {
  std::uint64_t count = 0;
  ReadBytes read;
};

// Decodes out.size() points from the one numbered `first` on, reading them piece by piece.
// INVALID_ARGUMENT with the position of one that is off the curve or infinity; what `read` returns.
absl::Status DecodePoints(ThreadPool& pool, const EncodedPoints& encoded, std::uint64_t first,
                          std::span<G1Affine> out);
absl::Status DecodePoints(ThreadPool& pool, const EncodedPoints& encoded, std::uint64_t first,
                          std::span<G2Affine> out);

// An open proving key.  Its points are read when they are used, with plain reads: a file that is
// cut short meanwhile, or a bad block, is an error and not a signal as it would be for mapped
// memory.
class ParamsFile {
 public:
  // DATA_LOSS that names the file if its counts or length are not those of the circuit, its
  // verifying key is not sound or it is no regular file; NOT_FOUND if absent.  An h query longer
  // than needed is accepted.
  static absl::StatusOr<std::shared_ptr<const ParamsFile>> Open(const std::string& path,
                                                                const QueryCounts& expected);

  const std::string& Path() const { return path_; }
  std::uint64_t FileBytes() const { return bytes_; }
  const ParamsLayout& Layout() const { return layout_; }
  const VerifyingKey& Key() const { return key_; }
  // The leading part that is the .vk.
  ByteSpan Vk() const { return vk_; }

  // The points of one query; this object must outlive what is returned.  Reading fails with
  // DATA_LOSS if the file has become shorter.
  EncodedPoints G1Points(const FilePart& query) const;
  EncodedPoints G2Points(const FilePart& query) const;

  // Checks that every point is on its curve, in its subgroup and not infinity: reads the whole
  // file.
  absl::Status CheckAllPoints(ThreadPool& pool) const;

 private:
  ParamsFile(std::string path, File file, std::uint64_t bytes)
      : path_(std::move(path)), file_(std::move(file)), bytes_(bytes) {}
  absl::Status ReadLayout(const QueryCounts& expected);
  absl::Status Read(std::uint64_t offset, std::span<std::uint8_t> out) const;
  ReadBytes From(std::uint64_t begin) const;

  const std::string path_;
  const File file_;
  const std::uint64_t bytes_;
  ParamsLayout layout_;
  Bytes vk_;
  VerifyingKey key_;
};

// Digests of a parameter file: what published ones are known by (post/parameter_id.h).
struct FileDigests {
  std::uint64_t bytes = 0;
  std::string sha256;   // hexadecimal
  std::string blake2b;  // the first 16 bytes of BLAKE2b-512: the form of parameters.json
};
class FileDigester {
 public:
  FileDigester& Update(ByteSpan bytes);
  // The object must not be used again.
  FileDigests Finish();

 private:
  std::uint64_t bytes_ = 0;
  hash::Sha256 sha256_;
  hash::Blake2b blake2b_{64};
};
FileDigests DigestsOf(ByteSpan content);
// Reads a whole regular file, piece by piece.  NOT_FOUND if absent.
absl::StatusOr<FileDigests> DigestsOfFile(const std::string& path);

}  // namespace damocles::groth16
