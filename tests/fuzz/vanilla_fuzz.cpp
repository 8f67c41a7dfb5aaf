// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Foreign bytes as a vanilla proof: what is accepted has the form of the sector size, can be
// checked without harm and encodes back to the same bytes.
//
// Input: one byte that picks the sector size, then the bincode bytes.

#include <algorithm>
#include <vector>

#include "damocles/base/check.h"
#include "damocles/post/vanilla.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace damocles;  // NOLINT: a program of its own
  if (size == 0) return 0;
  const auto shapes = merkle::AllShapes();
  const merkle::TreeShape& tree = shapes[data[0] % shapes.size()];
  const ByteSpan bytes(data + 1, size - 1);
  const auto proof = post::DecodeVanillaProof(bytes, tree);
  if (!proof.ok()) return 0;
  const Bytes again = post::EncodeVanillaProof(*proof, tree);
  DAMOCLES_CHECK(again.size() == bytes.size() &&
                 std::equal(again.begin(), again.end(), bytes.begin()));
  DAMOCLES_CHECK(again.size() ==
                 post::VanillaProofBytes(tree, proof->proof.inclusion_proofs.size()));
  std::vector<std::uint64_t> challenges;
  for (const merkle::InclusionProof& inclusion : proof->proof.inclusion_proofs) {
    challenges.push_back(merkle::ComputedLeafIndex(inclusion));
  }
  // Whether it holds does not matter here: that judging it ends does.
  (void)post::VerifySectorProof(proof->proof, tree, proof->comm_r, challenges);
  return 0;
}
