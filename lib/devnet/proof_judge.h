// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What is said of proofs: by the verifier, or, when a chain is rebuilt, as its journal has it.

#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>

#include "damocles/base/bytes.h"
#include "damocles/devnet/chain.h"

namespace damocles::devnet::internal {

// `problem` if the proof could not be judged.
struct Verdict {
  bool valid = false;
  std::string problem;
};

// The verdicts of one event, in the order in which they were asked for.
struct VerdictSource {
  bool recorded = false;     // they come from the journal
  std::deque<Verdict> list;  // to take from if recorded, else what was asked
  bool exhausted = false;    // the journal had fewer than the chain asked for
};

class ProofJudge {
 public:
  explicit ProofJudge(VerifyPost verify) : verify_(std::move(verify)) {}

  // Notes what it says in `verdicts`, or takes it from there.
  Verdict Judge(const PostStatement& statement, ByteSpan proof, VerdictSource& verdicts);

 private:
  Verdict Ask(const PostStatement& statement, ByteSpan proof);

  VerifyPost verify_;
  std::map<Bytes32, Verdict> known_;  // of proofs seen lately, by digest of the question
  std::deque<Bytes32> order_;         // of known_, the oldest first
};

}  // namespace damocles::devnet::internal
