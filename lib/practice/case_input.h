// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/groth16/prover.h"
#include "damocles/groth16/setup.h"
#include "damocles/prover/post_prover.h"

namespace damocles::practice {

// What RunCase reads of a case.
struct CaseInputs {
  std::string name;
  prover::PostClaim claim;
  filecoin::ActorId miner = 0;
  std::vector<filecoin::SectorNumber> sectors;
  std::vector<groth16::Blinding> blindings;
  std::optional<groth16::SetupSecrets> secrets;
};

// INVALID_ARGUMENT names the member that is wrong.
absl::StatusOr<CaseInputs> ReadCaseInputs(std::string_view text);

}  // namespace damocles::practice
