// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Number-theoretic transforms over Fr.

#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "damocles/base/thread_pool.h"
#include "damocles/bls12_381/fr.h"

namespace damocles::bls12_381 {

// The 2^k-th roots of unity, and changes between the coefficients of a polynomial of degree below
// 2^k and its values there: X_j = sum over i of x_i w^(i j), both sides in natural order.
//
// Holds 2^(k-1) twiddle factors of 32 bytes.  Immutable once made: safe to use from several
// threads.
class Domain {
 public:
  // 2^log2_size elements; log2_size <= 32 (checked).
  explicit Domain(unsigned log2_size);

  std::size_t Size() const { return std::size_t{1} << log2_size_; }
  unsigned Log2Size() const { return log2_size_; }
  // w, of order Size(): kFrRootOfUnity^(2^32 / Size()).
  const Fr& Root() const { return root_; }
  // tau^Size() - 1: zero exactly on the domain.
  Fr VanishingAt(const Fr& tau) const;

  // In place; `values` has Size() elements (checked).
  //
  // Coefficients to values at w^j, and back.
  void Fft(ThreadPool& pool, std::span<Fr> values) const;
  void InverseFft(ThreadPool& pool, std::span<Fr> values) const;
  // The same for the coset 7 w^j.
  void CosetFft(ThreadPool& pool, std::span<Fr> values) const;
  void InverseCosetFft(ThreadPool& pool, std::span<Fr> values) const;

 private:
  // The inverse transform, entry i multiplied by shift^i.
  void InverseScaled(ThreadPool& pool, std::span<Fr> values, const Fr& shift) const;

  unsigned log2_size_;
  Fr root_;
  Fr size_inverse_;
  std::vector<Fr> twiddles_;  // w^i for i < Size() / 2, i in bit-reversed order
};

}  // namespace damocles::bls12_381
