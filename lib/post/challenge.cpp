// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/post/challenge.h"

#include <array>

#include "damocles/base/check.h"
#include "damocles/base/status.h"
#include "damocles/hash/sha256.h"

namespace damocles::post {

Bytes32 MaskRandomness(Bytes32 randomness) {
  randomness[31] &= 0x3f;
  return randomness;
}

absl::Status CheckRandomness(const Bytes32& randomness) {
  return Annotate(bls12_381::FrFromBytesLe(randomness).status(), "randomness");
}

Bytes32 ProverId(std::uint64_t actor_id) {
  Bytes32 id{};
  std::size_t at = 0;
  for (; actor_id >= 0x80; actor_id >>= 7) {
    id[at++] = static_cast<std::uint8_t>(0x80 | (actor_id & 0x7f));
  }
  id[at] = static_cast<std::uint8_t>(actor_id);
  return id;
}

std::uint64_t LeafChallenge(const Bytes32& randomness, std::uint64_t sector, std::uint64_t index,
                            std::uint64_t nodes) {
  DAMOCLES_CHECK(nodes != 0 && (nodes & (nodes - 1)) == 0);
  std::array<std::uint8_t, 16> numbers;
  StoreLe64(sector, numbers.data());
  StoreLe64(index, numbers.data() + 8);
  const Bytes32 digest = hash::Sha256().Update(randomness).Update(numbers).Finish();
  return LoadLe64(digest.data()) & (nodes - 1);
}

std::vector<std::uint64_t> WindowChallenges(ApiVersion version, const Bytes32& randomness,
                                            std::uint64_t sector, std::uint64_t position,
                                            const merkle::TreeShape& tree) {
  const std::uint64_t first = version == ApiVersion::kV1_2 ? 0 : position * kWindowChallenges;
  std::vector<std::uint64_t> challenges;
  for (std::uint64_t n = 0; n < kWindowChallenges; ++n) {
    challenges.push_back(LeafChallenge(randomness, sector, first + n, tree.Nodes()));
  }
  return challenges;
}

std::vector<std::uint64_t> WinningChallenges(const Bytes32& randomness, std::uint64_t sector,
                                             const merkle::TreeShape& tree) {
  std::vector<std::uint64_t> challenges;
  for (std::uint64_t n = 0; n < kWinningChallenges; ++n) {
    challenges.push_back(LeafChallenge(randomness, sector, n, tree.Nodes()));
  }
  return challenges;
}

std::vector<std::uint64_t> SectorChallenges(PostKind kind, ApiVersion version,
                                            const Bytes32& randomness, std::uint64_t sector,
                                            std::uint64_t position, const merkle::TreeShape& tree) {
  return kind == PostKind::kWindow ? WindowChallenges(version, randomness, sector, position, tree)
                                   : WinningChallenges(randomness, sector, tree);
}

absl::StatusOr<std::uint64_t> WinningSectorChallenge(const Bytes32& prover_id,
                                                     const Bytes32& randomness, std::uint64_t n,
                                                     std::uint64_t sectors) {
  DAMOCLES_RETURN_IF_ERROR(CheckRandomness(randomness));
  DAMOCLES_RETURN_IF_ERROR(Annotate(bls12_381::FrFromBytesLe(prover_id).status(), "prover id"));
  if (sectors == 0) {
    return absl::InvalidArgumentError("a winning proof needs at least one eligible sector");
  }
  std::array<std::uint8_t, 8> number;
  StoreLe64(n, number.data());
  const Bytes32 digest =
      hash::Sha256().Update(prover_id).Update(randomness).Update(number).Finish();
  return LoadLe64(digest.data()) % sectors;
}

}  // namespace damocles::post
