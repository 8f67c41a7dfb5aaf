// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/bls12_381/kernels/processor.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace damocles::bls12_381::kernels {
namespace {

constexpr std::uint32_t Bit(unsigned at) {
  return std::uint32_t{1} << at;
}

// Intel's Software Developer's Manual, volume 2, CPUID; volume 1, 13.
constexpr std::uint32_t kOsSavesRegisters = Bit(27);                             // of leaf1_ecx
constexpr std::uint32_t kAvx512 = Bit(16) | Bit(17) | Bit(21) | Bit(31);         // of leaf7_ebx
constexpr std::uint32_t kSavesZmm = Bit(1) | Bit(2) | Bit(5) | Bit(6) | Bit(7);  // of xcr0

}  // namespace

ProcessorWords ThisProcessor() {
  ProcessorWords words;
#if defined(__x86_64__)
  std::uint32_t eax = 0;
  std::uint32_t ebx = 0;
  std::uint32_t ecx = 0;
  std::uint32_t edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0) words.leaf1_ecx = ecx;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0) words.leaf7_ebx = ebx;
  if ((words.leaf1_ecx & kOsSavesRegisters) != 0) {
    std::uint32_t high = 0;
    __asm__("xgetbv" : "=a"(words.xcr0), "=d"(high) : "c"(0));
  }
#endif
  return words;
}

bool HasIfma(const ProcessorWords& words) {
  return (words.leaf1_ecx & kOsSavesRegisters) != 0 && (words.leaf7_ebx & kAvx512) == kAvx512 &&
         (words.xcr0 & kSavesZmm) == kSavesZmm;
}

}  // namespace damocles::bls12_381::kernels
