// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/poseidon/constants.h"

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <utility>

#include "damocles/base/check.h"

namespace damocles::poseidon {
namespace {

using Matrix = std::vector<std::vector<Fr>>;

// ------------------------------------------------------------ round constants

// The shift register that the round constants come from (Grain, as in the Poseidon paper).
class Grain {
 public:
  Grain(std::size_t width, std::size_t partial_rounds) {
    Push(1, 2);  // a prime field
    Push(1, 4);  // the S-box is a power
    Push(kFieldBits, 12);
    Push(width, 12);
    Push(kFullRounds, 10);
    Push(partial_rounds, 10);
    Push((1u << 30) - 1, 30);
    for (int i = 0; i < 160; ++i) Step();
  }

  // The next element: candidates at or above the modulus are passed over.
  Fr Next() {
    for (;;) {
      Fr::Limbs value{};
      for (std::size_t bit = kFieldBits; bit-- > 0;) {
        if (OutputBit()) value[bit / 64] |= std::uint64_t{1} << (bit % 64);
      }
      if (BelowModulus(value)) return Fr::FromCanonical(value);
    }
  }

 private:
  static constexpr std::size_t kFieldBits = 255;

  static bool BelowModulus(const Fr::Limbs& value) {
    for (std::size_t i = Fr::kLimbs; i-- > 0;) {
      if (value[i] != bls12_381::FrParams::kModulus[i]) {
        return value[i] < bls12_381::FrParams::kModulus[i];
      }
    }
    return false;
  }

  void Push(std::uint64_t value, unsigned bits) {
    for (unsigned i = bits; i-- > 0;) state_[pushed_++] = ((value >> i) & 1) != 0;
  }

  bool Step() {
    const auto at = [this](std::size_t i) { return state_[(head_ + i) % kStateBits]; };
    const bool bit = at(62) ^ at(51) ^ at(38) ^ at(23) ^ at(13) ^ at(0);
    state_[head_] = bit;
    head_ = (head_ + 1) % kStateBits;
    return bit;
  }

  // Self-shrinking: of each pair of bits the second counts if the first is set.
  bool OutputBit() {
    while (!Step()) Step();
    return Step();
  }

  static constexpr std::size_t kStateBits = 80;
  std::bitset<kStateBits> state_;
  std::size_t pushed_ = 0;
  std::size_t head_ = 0;
};

// ------------------------------------------------------------ linear algebra

Matrix Identity(std::size_t size) {
  Matrix m(size, std::vector<Fr>(size, Fr::Zero()));
  for (std::size_t i = 0; i < size; ++i) m[i][i] = Fr::One();
  return m;
}

Matrix Product(const Matrix& a, const Matrix& b) {
  Matrix out(a.size(), std::vector<Fr>(b[0].size(), Fr::Zero()));
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t k = 0; k < b.size(); ++k) {
      for (std::size_t j = 0; j < b[0].size(); ++j) out[i][j] += a[i][k] * b[k][j];
    }
  }
  return out;
}

std::vector<Fr> Product(const Matrix& m, std::span<const Fr> column) {
  std::vector<Fr> out(m.size(), Fr::Zero());
  for (std::size_t i = 0; i < m.size(); ++i) {
    for (std::size_t j = 0; j < column.size(); ++j) out[i] += m[i][j] * column[j];
  }
  return out;
}

// Gauss and Jordan; the matrices here are invertible.
Matrix Inverse(Matrix m) {
  const std::size_t size = m.size();
  Matrix inverse = Identity(size);
  for (std::size_t column = 0; column < size; ++column) {
    std::size_t pivot = column;
    while (pivot < size && m[pivot][column].IsZero()) ++pivot;
    DAMOCLES_CHECK(pivot < size);
    std::swap(m[column], m[pivot]);
    std::swap(inverse[column], inverse[pivot]);
    const Fr scale = m[column][column].Inverse();
    for (std::size_t j = 0; j < size; ++j) {
      m[column][j] *= scale;
      inverse[column][j] *= scale;
    }
    for (std::size_t row = 0; row < size; ++row) {
      if (row == column) continue;
      const Fr factor = m[row][column];
      for (std::size_t j = 0; j < size; ++j) {
        m[row][j] -= factor * m[column][j];
        inverse[row][j] -= factor * inverse[column][j];
      }
    }
  }
  return inverse;
}

std::vector<Fr> Flat(const Matrix& m) {
  std::vector<Fr> out;
  for (const std::vector<Fr>& row : m) out.insert(out.end(), row.begin(), row.end());
  return out;
}

// ------------------------------------------------------------ the tables

Matrix CauchyMatrix(std::size_t width) {
  Matrix m(width, std::vector<Fr>(width));
  for (std::size_t i = 0; i < width; ++i) {
    for (std::size_t j = 0; j < width; ++j) m[i][j] = Fr::FromU64(i + j + width).Inverse();
  }
  return m;
}

// Moves every addition behind the S-boxes, and in partial rounds to element 0 alone, by pulling it
// back through the linear layers.
std::vector<Fr> CompressedConstants(const Constants& c, const Matrix& mds) {
  const Matrix mds_inverse = Inverse(mds);
  const auto round = [&c](std::size_t k) {
    return std::span<const Fr>(c.round_constants).subspan(k * c.width, c.width);
  };
  std::vector<Fr> out(round(0).begin(), round(0).end());
  const auto append = [&out](const std::vector<Fr>& block) {
    out.insert(out.end(), block.begin(), block.end());
  };
  for (std::size_t k = 1; k < kHalfFullRounds; ++k) append(Product(mds_inverse, round(k)));

  const std::span<const Fr> last = round(kHalfFullRounds + c.partial_rounds);
  std::vector<Fr> pulled(last.begin(), last.end());
  std::vector<Fr> scalars;  // of the partial rounds, last first
  for (std::size_t i = 0; i < c.partial_rounds; ++i) {
    std::vector<Fr> before = Product(mds_inverse, pulled);
    scalars.push_back(before[0]);
    before[0] = Fr::Zero();
    const std::span<const Fr> own = round(kHalfFullRounds + c.partial_rounds - 1 - i);
    for (std::size_t j = 0; j < c.width; ++j) pulled[j] = own[j] + before[j];
  }
  append(Product(mds_inverse, pulled));
  out.insert(out.end(), scalars.rbegin(), scalars.rend());

  for (std::size_t k = 1; k < kHalfFullRounds; ++k) {
    append(Product(mds_inverse, round(kHalfFullRounds + c.partial_rounds + k)));
  }
  return out;
}

// Splits the dense layer of every partial round in a sparse one and a rest that acts on elements
// 1 .. width - 1 only and so commutes with the partial S-box of the round before; PRE takes what is
// left over.
void FactorPartialRounds(Constants& c, const Matrix& mds) {
  Matrix current = mds;
  std::vector<SparseMatrix> last_first;
  for (std::size_t q = 0; q < c.partial_rounds; ++q) {
    Matrix rest(c.width - 1, std::vector<Fr>(c.width - 1));
    std::vector<Fr> column(c.width - 1);
    for (std::size_t i = 1; i < c.width; ++i) {
      column[i - 1] = current[i][0];
      for (std::size_t j = 1; j < c.width; ++j) rest[i - 1][j - 1] = current[i][j];
    }
    SparseMatrix sparse;
    sparse.w_hat = {current[0][0]};
    const std::vector<Fr> w_hat_rest = Product(Inverse(rest), column);
    sparse.w_hat.insert(sparse.w_hat.end(), w_hat_rest.begin(), w_hat_rest.end());
    sparse.v_rest.assign(current[0].begin() + 1, current[0].end());
    last_first.push_back(std::move(sparse));

    Matrix block = Identity(c.width);
    for (std::size_t i = 1; i < c.width; ++i) {
      for (std::size_t j = 1; j < c.width; ++j) block[i][j] = rest[i - 1][j - 1];
    }
    current = Product(mds, block);
  }
  c.pre_sparse = Flat(current);
  c.sparse.assign(last_first.rbegin(), last_first.rend());
}

Constants Derive(std::size_t arity, std::size_t partial_rounds) {
  Constants c;
  c.arity = arity;
  c.width = arity + 1;
  c.partial_rounds = partial_rounds;
  c.domain_tag = Fr::FromU64((std::uint64_t{1} << arity) - 1);

  Grain grain(c.width, c.partial_rounds);
  c.round_constants.resize(c.width * (kFullRounds + c.partial_rounds));
  for (Fr& constant : c.round_constants) constant = grain.Next();

  const Matrix mds = CauchyMatrix(c.width);
  c.mds = Flat(mds);
  c.compressed = CompressedConstants(c, mds);
  FactorPartialRounds(c, mds);
  return c;
}

}  // namespace

const Constants& ConstantsFor(std::size_t arity) {
  DAMOCLES_CHECK(IsArity(arity));
  switch (arity) {
    case 2: {
      static const Constants constants = Derive(2, 55);
      return constants;
    }
    case 4: {
      static const Constants constants = Derive(4, 56);
      return constants;
    }
    case 8: {
      static const Constants constants = Derive(8, 57);
      return constants;
    }
    default: {
      static const Constants constants = Derive(11, 57);
      return constants;
    }
  }
}

}  // namespace damocles::poseidon
