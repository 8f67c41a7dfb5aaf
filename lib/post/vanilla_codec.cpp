// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The bincode form of vanilla proofs (of filecoin-proofs): little-endian, fixed width, lengths and
// indices in 8 bytes, the tag of a variant in 4.

#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"
#include "damocles/base/status.h"
#include "damocles/post/vanilla.h"

namespace damocles::post {
namespace {

// The variant of a Merkle proof: how many levels lie above the base tree.
std::uint32_t VariantOf(const merkle::TreeShape& tree) {
  return tree.sub == 0 ? 0 : tree.top == 0 ? 1 : 2;
}

std::uint64_t InclusionProofBytes(const merkle::TreeShape& tree) {
  const std::uint64_t paths = 1 + VariantOf(tree);
  std::uint64_t bytes = 4 + 2 * 32 + 8 * paths;
  for (unsigned level = 0; level < tree.PathLevels(); ++level) {
    bytes += 8 + 32 * (tree.Arity(level) - 1) + 8;
  }
  return bytes;
}

// ------------------------------------------------------------ writing

void PutFr(Bytes& out, const Fr& value) {
  Append(out, bls12_381::ToBytesLe(value));
}

void PutPath(Bytes& out, std::span<const merkle::PathElement> path) {
  AppendLe64(out, path.size());
  for (const merkle::PathElement& element : path) {
    AppendLe64(out, element.siblings.size());
    for (const Fr& sibling : element.siblings) PutFr(out, sibling);
    AppendLe64(out, element.index);
  }
}

void PutInclusionProof(Bytes& out, const merkle::InclusionProof& proof,
                       const merkle::TreeShape& tree) {
  const std::uint32_t variant = VariantOf(tree);
  AppendLe32(out, variant);
  // Without upper levels root and leaf come first, with them last.
  if (variant == 0) {
    PutFr(out, proof.root);
    PutFr(out, proof.leaf);
  }
  const std::span<const merkle::PathElement> path = proof.path;
  PutPath(out, path.first(tree.base_depth));
  for (unsigned level = tree.base_depth; level < tree.PathLevels(); ++level) {
    PutPath(out, path.subspan(level, 1));
  }
  if (variant != 0) {
    PutFr(out, proof.root);
    PutFr(out, proof.leaf);
  }
}

// ------------------------------------------------------------ reading

class Reader {
 public:
  explicit Reader(ByteSpan bytes) : bytes_(bytes) {}

  std::size_t Left() const { return bytes_.size() - at_; }

  absl::StatusOr<std::uint64_t> U64(const char* what) {
    if (Left() < 8) return Ends(what);
    const std::uint64_t value = LoadLe64(bytes_.data() + at_);
    at_ += 8;
    return value;
  }

  absl::Status ExpectU64(std::uint64_t want, const char* what) {
    DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t value, U64(what));
    if (value == want) return absl::OkStatus();
    at_ -= 8;
    return Wrong(absl::StrFormat("%s is %d, want %d", what, value, want));
  }

  absl::Status ExpectU32(std::uint32_t want, const char* what) {
    if (Left() < 4) return Ends(what);
    const std::uint32_t value = LoadLe32(bytes_.data() + at_);
    if (value != want) return Wrong(absl::StrFormat("%s is %d, want %d", what, value, want));
    at_ += 4;
    return absl::OkStatus();
  }

  absl::Status Read(const char* what, Fr& out) {
    if (Left() < 32) return Ends(what);
    const absl::StatusOr<Fr> value = bls12_381::FrFromBytesLe(bytes_.subspan(at_, 32));
    if (!value.ok()) {
      return Wrong(absl::StrFormat("%s: %s", what, value.status().message()));
    }
    out = *value;
    at_ += 32;
    return absl::OkStatus();
  }

  absl::Status Wrong(const std::string& what) const {
    return absl::InvalidArgumentError(absl::StrFormat("vanilla proof, byte %d: %s", at_, what));
  }

 private:
  absl::Status Ends(const char* what) const {
    return Wrong(absl::StrFormat("ends before %s is complete", what));
  }

  ByteSpan bytes_;
  std::size_t at_ = 0;
};

// Levels [first, end) of a path, which form one list in the bytes.
absl::Status ReadLevels(Reader& reader, const merkle::TreeShape& tree, unsigned first, unsigned end,
                        merkle::InclusionProof& out) {
  DAMOCLES_RETURN_IF_ERROR(reader.ExpectU64(end - first, "the number of levels"));
  for (unsigned level = first; level < end; ++level) {
    const unsigned arity = tree.Arity(level);
    DAMOCLES_RETURN_IF_ERROR(reader.ExpectU64(arity - 1, "the number of siblings"));
    merkle::PathElement element;
    element.siblings.resize(arity - 1);
    for (Fr& sibling : element.siblings) {
      DAMOCLES_RETURN_IF_ERROR(reader.Read("a sibling", sibling));
    }
    DAMOCLES_ASSIGN_OR_RETURN(element.index, reader.U64("an index"));
    if (element.index >= arity) {
      return reader.Wrong(
          absl::StrFormat("the index before is %d, which is not below %d", element.index, arity));
    }
    out.path.push_back(std::move(element));
  }
  return absl::OkStatus();
}

absl::Status ReadRootAndLeaf(Reader& reader, merkle::InclusionProof& out) {
  DAMOCLES_RETURN_IF_ERROR(reader.Read("a root", out.root));
  return reader.Read("a leaf", out.leaf);
}

absl::Status ReadInclusionProof(Reader& reader, const merkle::TreeShape& tree,
                                merkle::InclusionProof& out) {
  const std::uint32_t variant = VariantOf(tree);
  DAMOCLES_RETURN_IF_ERROR(reader.ExpectU32(variant, "the kind of a Merkle proof"));
  out.path.reserve(tree.PathLevels());
  if (variant == 0) DAMOCLES_RETURN_IF_ERROR(ReadRootAndLeaf(reader, out));
  DAMOCLES_RETURN_IF_ERROR(ReadLevels(reader, tree, 0, tree.base_depth, out));
  for (unsigned level = tree.base_depth; level < tree.PathLevels(); ++level) {
    DAMOCLES_RETURN_IF_ERROR(ReadLevels(reader, tree, level, level + 1, out));
  }
  if (variant != 0) DAMOCLES_RETURN_IF_ERROR(ReadRootAndLeaf(reader, out));
  return absl::OkStatus();
}

}  // namespace

std::uint64_t VanillaProofBytes(const merkle::TreeShape& tree, std::uint64_t inclusion_proofs) {
  return 8 + 32 + 8 + 8 + inclusion_proofs * InclusionProofBytes(tree) + 32 + 32;
}

Bytes EncodeVanillaProof(const FallbackSectorProof& proof, const merkle::TreeShape& tree) {
  Bytes out;
  out.reserve(VanillaProofBytes(tree, proof.proof.inclusion_proofs.size()));
  AppendLe64(out, proof.sector);
  PutFr(out, proof.comm_r);
  AppendLe64(out, 1);
  AppendLe64(out, proof.proof.inclusion_proofs.size());
  for (const merkle::InclusionProof& inclusion : proof.proof.inclusion_proofs) {
    DAMOCLES_CHECK(merkle::CheckForm(inclusion, tree).ok());
    PutInclusionProof(out, inclusion, tree);
  }
  PutFr(out, proof.proof.comm_c);
  PutFr(out, proof.proof.comm_r_last);
  return out;
}

absl::StatusOr<FallbackSectorProof> DecodeVanillaProof(ByteSpan bytes,
                                                       const merkle::TreeShape& tree) {
  Reader reader(bytes);
  FallbackSectorProof out;
  DAMOCLES_ASSIGN_OR_RETURN(out.sector, reader.U64("the sector number"));
  DAMOCLES_RETURN_IF_ERROR(reader.Read("comm_r", out.comm_r));
  DAMOCLES_RETURN_IF_ERROR(reader.ExpectU64(1, "the number of sectors"));
  DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t inclusion_proofs,
                            reader.U64("the number of inclusion proofs"));
  if (inclusion_proofs == 0 || inclusion_proofs > kWinningChallenges) {
    return reader.Wrong(absl::StrFormat("there are %d inclusion proofs before it, want 1 to %d",
                                        inclusion_proofs, kWinningChallenges));
  }
  out.proof.inclusion_proofs.resize(inclusion_proofs);
  for (merkle::InclusionProof& inclusion : out.proof.inclusion_proofs) {
    DAMOCLES_RETURN_IF_ERROR(ReadInclusionProof(reader, tree, inclusion));
  }
  DAMOCLES_RETURN_IF_ERROR(reader.Read("comm_c", out.proof.comm_c));
  DAMOCLES_RETURN_IF_ERROR(reader.Read("comm_r_last", out.proof.comm_r_last));
  if (reader.Left() != 0) {
    return reader.Wrong(absl::StrFormat("%d bytes are left over", reader.Left()));
  }
  return out;
}

}  // namespace damocles::post
