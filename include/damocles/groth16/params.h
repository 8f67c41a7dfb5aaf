// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Parameter files: the proving key (.params) and the verifying key (.vk) of one circuit
// (post-proofs.md 8.1).  Points are uncompressed and big-endian, counts four bytes big-endian,
// nothing before, between or after.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/base/mapped_file.h"
#include "damocles/base/thread_pool.h"
#include "damocles/bls12_381/g1.h"
#include "damocles/bls12_381/g2.h"
#include "damocles/circuit/post_circuit.h"

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
// The same from a file; DATA_LOSS names it, NOT_FOUND if absent.
absl::StatusOr<VerifyingKey> ReadVerifyingKeyFile(const std::string& path,
                                                  std::uint64_t ic_expected);
Bytes WriteVerifyingKey(const VerifyingKey& key);

// Where the parts of a .params file lie.
struct ParamsLayout {
  QueryCounts counts;
  ByteSpan vk;  // exactly the .vk file
  ByteSpan h;
  ByteSpan l;
  ByteSpan a;
  ByteSpan b_g1;
  ByteSpan b_g2;
};
// Finds the parts; every count is checked against the bytes that are there before it is used.
// INVALID_ARGUMENT if a count is impossible or bytes are left over.
absl::StatusOr<ParamsLayout> ParseParams(ByteSpan bytes);

// A proving key, mapped into memory.  Its points are read when they are used.
class ParamsFile {
 public:
  // DATA_LOSS that names the file if its counts or length are not those of the circuit or its
  // verifying key is not sound; NOT_FOUND if absent.  An h query longer than needed is accepted.
  static absl::StatusOr<std::shared_ptr<const ParamsFile>> Open(const std::string& path,
                                                                const QueryCounts& expected);

  const std::string& Path() const { return file_.Path(); }
  ByteSpan Content() const { return file_.Content(); }
  const ParamsLayout& Layout() const { return layout_; }
  const VerifyingKey& Key() const { return key_; }

  // Checks that every point is on its curve and none is infinity: reads the whole file.
  absl::Status CheckAllPoints(ThreadPool& pool) const;

 private:
  ParamsFile(MappedFile file, ParamsLayout layout, VerifyingKey key)
      : file_(std::move(file)), layout_(layout), key_(std::move(key)) {}
  MappedFile file_;
  ParamsLayout layout_;
  VerifyingKey key_;
};

// Decodes encoded.size() / 96 points: on the curve and not infinity, else INVALID_ARGUMENT with
// the position.  `out` has room for exactly so many.
absl::Status DecodePoints(ThreadPool& pool, ByteSpan encoded, std::span<G1Affine> out);
// The same for 192 bytes each.
absl::Status DecodePoints(ThreadPool& pool, ByteSpan encoded, std::span<G2Affine> out);

// Digests of a parameter file (post-proofs.md 8.8).
struct FileDigests {
  std::uint64_t bytes = 0;
  std::string sha256;   // hexadecimal
  std::string blake2b;  // the first 16 bytes of BLAKE2b-512: the form of parameters.json
};
FileDigests DigestsOf(ByteSpan content);

}  // namespace damocles::groth16
