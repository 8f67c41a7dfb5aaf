// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <cstdint>
#include <span>

#include "damocles/base/bytes.h"
#include "damocles/circuit/constraint_system.h"
#include "damocles/hash/blake2s.h"

namespace damocles::circuit {

// The digest of a constraint system, row after row: A, B and C of each constraint in turn.
class DigestWriter {
 public:
  DigestWriter(std::uint64_t inputs, std::uint64_t aux, std::uint64_t constraints) {
    AppendBe64(buffer_, inputs);
    AppendBe64(buffer_, aux);
    AppendBe64(buffer_, constraints);
  }

  // `place` maps the row's variables to those of the whole system, keeping their order.
  template <typename Place>
  void Row(std::span<const Term> terms, const Place& place) {
    AppendBe64(buffer_, terms.size());
    for (const Term& term : terms) {
      const Variable variable = place(term.variable);
      buffer_.push_back(variable.IsInput() ? 'I' : 'A');
      AppendBe64(buffer_, variable.Index());
      const Fr::Limbs plain = term.coefficient.Canonical();
      for (std::size_t i = plain.size(); i-- > 0;) AppendBe64(buffer_, plain[i]);
    }
    if (buffer_.size() >= kFlushBytes) Flush();
  }

  Bytes32 Finish() {
    Flush();
    return hash_.Finish();
  }

 private:
  static constexpr std::size_t kFlushBytes = std::size_t{1} << 16;

  void Flush() {
    hash_.Update(buffer_);
    buffer_.clear();
  }

  Bytes buffer_;
  hash::Blake2s hash_;
};

}  // namespace damocles::circuit
