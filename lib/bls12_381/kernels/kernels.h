// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The loops that a proof spends its time in, as one table of functions for each form: portable, or
// made for what some processors can do.  All forms give the same bits.
//
//   const kernels::Kernels& k = kernels::Chosen();
//   k.transform_block(values, levels, block, twiddles);
//
// A form is a file of its own here, with compiler options of its own where it needs them.  Such a
// file must use no inline function or template of the library with types that others use too: the
// linker keeps one copy for all, and it would be one that other processors cannot run.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "damocles/bls12_381/curve.h"
#include "damocles/bls12_381/fp_tower.h"
#include "damocles/bls12_381/fr.h"

namespace damocles::bls12_381::kernels {

// Elements that forms work on at once, at most.
inline constexpr std::size_t kLanes = 8;

// ---- transforms: the butterflies of `levels` levels on blocks of one level
//
// A block at index b of its level splits in two of 2b and 2b + 1 of the next: with t = twiddles[b],
// (low, high) = (low + t high, low - t high).

// transform_columns: 2^levels rows of kColumns elements, `stride` apart, all of block `block`.
inline constexpr std::size_t kColumns = 16;
inline constexpr unsigned kColumnLevelsMax = 8;  // 2^8 * 16 * 32 B = 128 KiB, in the cache
// transform_block: 2^levels elements, of block `block`, down to blocks of one.
inline constexpr unsigned kBlockLevelsMax = 11;  // 64 KiB

// first * ratio^i for all i, as forms take them.
struct Powers {
  Fr first[kLanes];  // i < kLanes
  Fr step;           // ratio^kLanes
};
Powers PowersOf(const Fr& first, const Fr& ratio);

// ---- sums of points
//
// add_pairs: points[left] += points[left + 1] for each `left`, none of which is in two pairs.  The
// x of the two differ; neither is infinity.  All slopes share one inversion: give many, not none.

// Memory to work in: kScratchLines<F> for each pair, of their number rounded up to kLanes.
struct alignas(64) ScratchLine {
  std::byte bytes[64];
};
template <typename F>
inline constexpr std::size_t kScratchLines = sizeof(F) / 24;
constexpr std::size_t RoundedToLanes(std::size_t count) {
  return (count + kLanes - 1) / kLanes * kLanes;
}

struct Kernels {
  std::string_view name;
  void (*transform_columns)(Fr* rows, std::size_t stride, unsigned levels, std::size_t block,
                            const Fr* twiddles);
  void (*transform_block)(Fr* values, unsigned levels, std::size_t block, const Fr* twiddles);
  // values[i] *= powers i
  void (*multiply_by_powers)(Fr* values, std::size_t count, const Powers& powers);
  // a[i] = (a[i] * b[i] - c[i]) * factor
  void (*multiply_subtract_scale)(Fr* a, const Fr* b, const Fr* c, std::size_t count,
                                  const Fr& factor);
  void (*add_pairs_g1)(Affine<Fp>* points, std::span<const std::uint32_t> lefts,
                       ScratchLine* scratch);
  void (*add_pairs_g2)(Affine<Fp2>* points, std::span<const std::uint32_t> lefts,
                       ScratchLine* scratch);

  void AddPairs(Affine<Fp>* points, std::span<const std::uint32_t> lefts,
                ScratchLine* scratch) const {
    add_pairs_g1(points, lefts, scratch);
  }
  void AddPairs(Affine<Fp2>* points, std::span<const std::uint32_t> lefts,
                ScratchLine* scratch) const {
    add_pairs_g2(points, lefts, scratch);
  }
};

// ---- the forms

extern const Kernels kPortable;
extern const Kernels kIfma;  // AVX-512 IFMA, eight elements at once; on x86-64 only

// Those that this processor can run, the fastest last.
std::span<const Kernels* const> Available();

// The one called `name`, or the fastest where that is empty, or, with a warning, where there is
// none of the name.
const Kernels& Choose(std::span<const Kernels* const> available, std::string_view name);

// The choice of this process, made at the first call: the fastest, or what the environment variable
// DAMOCLES_CPU names, for tests and measurements.
const Kernels& Chosen();

}  // namespace damocles::bls12_381::kernels
