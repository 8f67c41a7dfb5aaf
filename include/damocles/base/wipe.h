// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <cstddef>
#include <cstdint>

namespace damocles {

// Overwrites words by hand.  The first call of a function of another library, as explicit_bzero is
// one, may save the registers on the stack, with what they hold of the words.
template <std::size_t N>
inline void WipeWords(volatile std::uint64_t (&words)[N]) {
  for (volatile std::uint64_t& word : words) word = 0;
}

}  // namespace damocles
