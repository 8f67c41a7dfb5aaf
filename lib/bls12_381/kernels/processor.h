// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the processor, and the operating system with it, can do.

#pragma once

#include <cstdint>

namespace damocles::bls12_381::kernels {

// The words of CPUID and XGETBV that say it; all zero on other machines than x86-64.
struct ProcessorWords {
  std::uint32_t leaf1_ecx = 0;
  std::uint32_t leaf7_ebx = 0;
  std::uint32_t xcr0 = 0;
};

ProcessorWords ThisProcessor();

// AVX-512 F, DQ, VL and IFMA, with registers that the operating system saves.
bool HasIfma(const ProcessorWords& words);

}  // namespace damocles::bls12_381::kernels
