// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/devnet/proof_judge.h"

#include "damocles/hash/blake2b.h"

namespace damocles::devnet::internal {
namespace {

constexpr std::size_t kVerdictsMax = 256;  // proofs in flight and their dry runs

Bytes32 DigestOf(const PostStatement& statement, ByteSpan proof) {
  Bytes question;
  AppendBe64(question, static_cast<std::uint64_t>(ToNumber(statement.proof_type)));
  AppendBe64(question, statement.miner);
  Append(question, statement.randomness);
  for (const ProvenSector& sector : statement.sectors) {
    AppendBe64(question, sector.number);
    Append(question, sector.comm_r);
  }
  Append(question, proof);
  return hash::Blake2b256Of(question);
}

}  // namespace

Verdict ProofJudge::Judge(const PostStatement& statement, ByteSpan proof, VerdictSource& verdicts) {
  if (verdicts.recorded) {
    if (verdicts.list.empty()) {
      verdicts.exhausted = true;
      return {};
    }
    Verdict verdict = std::move(verdicts.list.front());
    verdicts.list.pop_front();
    return verdict;
  }
  Verdict verdict = Ask(statement, proof);
  verdicts.list.push_back(verdict);
  return verdict;
}

Verdict ProofJudge::Ask(const PostStatement& statement, ByteSpan proof) {
  const Bytes32 digest = DigestOf(statement, proof);
  if (const auto found = known_.find(digest); found != known_.end()) return found->second;
  const absl::StatusOr<bool> answer =
      verify_ ? verify_(statement, proof)
              : absl::FailedPreconditionError("this chain has no verifier");
  Verdict verdict;
  // Bytes that are no proof are a wrong proof, as to the network's actor.
  if (answer.ok()) {
    verdict.valid = *answer;
  } else if (!absl::IsInvalidArgument(answer.status())) {
    verdict.problem = answer.status().message().empty() ? "no reason given"
                                                        : std::string(answer.status().message());
    return verdict;  // a missing key may turn up
  }
  // A wrong proof stays wrong.
  known_.emplace(digest, verdict);
  order_.push_back(digest);
  if (order_.size() > kVerdictsMax) {
    known_.erase(order_.front());
    order_.pop_front();
  }
  return verdict;
}

}  // namespace damocles::devnet::internal
