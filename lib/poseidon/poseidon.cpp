// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/poseidon/poseidon.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "lib/poseidon/permutation.h"

#include "damocles/base/check.h"
#include "damocles/poseidon/constants.h"

namespace damocles::poseidon {
namespace {

Fr PowFive(const Fr& x) {
  const Fr square = x.Square();
  return square.Square() * x;
}

template <std::size_t kArity>
Fr HashOf(std::span<const Fr> preimage) {
  return Permutation<kArity + 1>::Instance().Hash(preimage);
}

}  // namespace

Fr Hash(std::span<const Fr> preimage) {
  switch (preimage.size()) {
    case 2:
      return HashOf<2>(preimage);
    case 4:
      return HashOf<4>(preimage);
    case 8:
      return HashOf<8>(preimage);
    default:
      DAMOCLES_CHECK(preimage.size() == 11);
      return HashOf<11>(preimage);
  }
}

Fr Hash2(const Fr& left, const Fr& right) {
  const std::array<Fr, 2> preimage = {left, right};
  return HashOf<2>(preimage);
}

Fr Hash8(std::span<const Fr, 8> children) {
  return HashOf<8>(children);
}

void HashRow8(std::span<const Fr> children, std::span<Fr> parents) {
  DAMOCLES_CHECK(children.size() == 8 * parents.size());
  const Permutation<9>& permutation = Permutation<9>::Instance();
  for (std::size_t i = 0; i < parents.size(); ++i) {
    parents[i] = permutation.Hash(children.subspan(8 * i, 8));
  }
}

Fr HashPlain(std::span<const Fr> preimage) {
  const Constants& c = ConstantsFor(preimage.size());
  std::vector<Fr> state(c.width);
  state[0] = c.domain_tag;
  std::copy(preimage.begin(), preimage.end(), state.begin() + 1);
  std::vector<Fr> mixed(c.width);
  for (std::size_t round = 0; round < kFullRounds + c.partial_rounds; ++round) {
    for (std::size_t i = 0; i < c.width; ++i) state[i] += c.round_constants[round * c.width + i];
    const bool full = round < kHalfFullRounds || round >= kHalfFullRounds + c.partial_rounds;
    for (std::size_t i = 0; i < (full ? c.width : 1); ++i) state[i] = PowFive(state[i]);
    for (std::size_t i = 0; i < c.width; ++i) {
      mixed[i] = Fr::Zero();
      for (std::size_t j = 0; j < c.width; ++j) mixed[i] += c.Mds(i, j) * state[j];
    }
    state = mixed;
  }
  return state[1];
}

}  // namespace damocles::poseidon
