// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What must always hold of a state, as code.  A module says it in one function without side
// effects,
//
//   Violations InvariantsOf(const Record& record) {
//     Violations found;
//     found.Require(record.tries <= record.tries_max, "no more tries than allowed");
//     return found;
//   }
//
// and calls CheckInvariants after every step that changes the state.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"

namespace damocles {

// The rules that a state breaks.
class Violations {
 public:
  // `rule` is a sentence that ought to be true: a text of the program, without numbers of the
  // state.
  void Require(bool holds, std::string_view rule) {
    if (!holds) rules_.emplace_back(rule);
  }
  // Those of a part; `where` stands before each of its rules.
  void Add(std::string_view where, const Violations& part);

  bool Empty() const { return rules_.empty(); }
  const std::vector<std::string>& Rules() const { return rules_; }

 private:
  std::vector<std::string> rules_;
};

enum class IfViolated {
  kGoOn,        // what is wrong costs at most this subject; a window may still be made
  kEndProcess,  // going on would lose money
};

// Whether nothing is violated.  Otherwise it aborts with the rules and the state on stderr where
// invariants are strict or `then` says so; else it logs `invariant_violated` with the state, once
// for each machine, subject and rule, and returns false, so that the caller may refuse what it was
// about to do.  `state` is called only for that.  Safe to call from several threads.
bool CheckInvariants(std::string_view machine, std::string_view subject, const Violations& found,
                     absl::FunctionRef<std::string()> state, IfViolated then = IfViolated::kGoOn);

// Strict from the start where NDEBUG is not defined: in all presets but `release`.
void SetInvariantsStrict(bool strict);
// Also for rules that are too dear to be looked at after every step of a program in use.
bool InvariantsAreStrict();

// Calls of CheckInvariants, since the process began, that found something.
std::uint64_t InvariantViolations();

}  // namespace damocles
