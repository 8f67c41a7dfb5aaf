// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The events of a chain as its journal has them (docs/formats/devnet-journal.md).

#pragma once

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "lib/devnet/proof_judge.h"
#include "lib/devnet/tipsets.h"

#include "damocles/devnet/chain.h"

namespace damocles::devnet::internal {

nlohmann::json GenesisEvent(const ChainConfig& config, const Genesis& genesis);
struct Beginning {
  ChainConfig config;
  Genesis genesis;
};
absl::StatusOr<Beginning> BeginningOf(const nlohmann::json& event);

// `mode`: how the run works that writes the event.
nlohmann::json AdvanceEvent(const AdvanceOptions& advance, VerifyMode mode,
                            const VerdictSource& verdicts);
AdvanceOptions AdvanceOf(const nlohmann::json& event);
nlohmann::json ReorgEvent(std::uint64_t depth, VerifyMode mode, const VerdictSource& verdicts);
VerdictSource VerdictsOf(const nlohmann::json& event);
// Journals of before have no such member: `otherwise`.
absl::StatusOr<VerifyMode> ModeOf(const nlohmann::json& event, VerifyMode otherwise);

struct Pushed {
  filecoin::SignedMessage message;
  chain::Uuid uuid{};  // zeros: none
};
nlohmann::json PushEvent(const filecoin::SignedMessage& message, const chain::Uuid& uuid);
absl::StatusOr<Pushed> PushedOf(const nlohmann::json& event);

nlohmann::json AdminEvent(const AdminChange& change);
absl::StatusOr<AdminChange> AdminChangeOf(const nlohmann::json& event);

}  // namespace damocles::devnet::internal
