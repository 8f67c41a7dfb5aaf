// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include "apps/common/cli.h"

namespace damocles::prover_app {

// Each adds one command of damocles-prover.
void AddCase(cli::Program& program);
void AddSector(cli::Program& program);
void AddSetup(cli::Program& program);
void AddParams(cli::Program& program);
void AddChallenges(cli::Program& program);
void AddVanilla(cli::Program& program);
void AddProve(cli::Program& program);
void AddVerify(cli::Program& program);
void AddR1cs(cli::Program& program);

}  // namespace damocles::prover_app
