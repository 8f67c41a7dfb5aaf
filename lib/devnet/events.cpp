// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/devnet/events.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/devnet/config_json.h"

#include "damocles/base/hex.h"
#include "damocles/base/status.h"

namespace damocles::devnet::internal {

using filecoin::ActorId;
using nlohmann::json;

namespace {

constexpr std::uint64_t kFormat = 1;

constexpr const char* NameOf(VerifyMode mode) {
  return mode == VerifyMode::kActor ? "actor" : "always";
}

json VerdictsToJson(const VerdictSource& verdicts) {
  json list = json::array();
  for (const Verdict& verdict : verdicts.list) {
    list.push_back(verdict.problem.empty() ? json(verdict.valid) : json(verdict.problem));
  }
  return list;
}

}  // namespace

json GenesisEvent(const ChainConfig& config, const Genesis& genesis) {
  return {{"event", "genesis"},
          {"format", kFormat},
          {"config", ToJson(config)},
          {"genesis", ToJson(genesis)}};
}

absl::StatusOr<Beginning> BeginningOf(const json& event) {
  if (!event.is_object() || !event.contains("config") || !event.contains("genesis")) {
    return absl::DataLossError("does not start with a genesis");
  }
  if (event.value("format", std::uint64_t{0}) != kFormat) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "is in format %s, this program reads %d", event.value("format", json()).dump(), kFormat));
  }
  Beginning beginning;
  DAMOCLES_ASSIGN_OR_RETURN(beginning.config, ConfigFromJson(event["config"]));
  DAMOCLES_ASSIGN_OR_RETURN(beginning.genesis, GenesisFromJson(event["genesis"]));
  return beginning;
}

json AdvanceEvent(const AdvanceOptions& advance, VerifyMode mode, const VerdictSource& verdicts) {
  json event = {
      {"event", "advance"}, {"verify", NameOf(mode)}, {"verdicts", VerdictsToJson(verdicts)}};
  if (advance.null_rounds > 0) event["null_rounds"] = advance.null_rounds;
  if (advance.timestamp.has_value()) event["timestamp"] = *advance.timestamp;
  return event;
}

AdvanceOptions AdvanceOf(const json& event) {
  AdvanceOptions advance{.null_rounds = event.value("null_rounds", std::uint64_t{0}),
                         .timestamp = std::nullopt};
  if (event.contains("timestamp")) advance.timestamp = event.value("timestamp", std::uint64_t{0});
  return advance;
}

json ReorgEvent(std::uint64_t depth, VerifyMode mode, const VerdictSource& verdicts) {
  return {{"event", "reorg"},
          {"depth", depth},
          {"verify", NameOf(mode)},
          {"verdicts", VerdictsToJson(verdicts)}};
}

VerdictSource VerdictsOf(const json& event) {
  VerdictSource source{.recorded = true, .list = {}, .exhausted = false};
  if (const auto found = event.find("verdicts"); found != event.end() && found->is_array()) {
    for (const json& item : *found) {
      source.list.push_back(item.is_string() ? Verdict{false, item.get<std::string>()}
                                             : Verdict{item.is_boolean() && item.get<bool>(), ""});
    }
  }
  return source;
}

absl::StatusOr<VerifyMode> ModeOf(const json& event, VerifyMode otherwise) {
  const auto found = event.find("verify");
  if (found == event.end()) return otherwise;
  for (const VerifyMode mode : {VerifyMode::kAlways, VerifyMode::kActor}) {
    if (*found == NameOf(mode)) return mode;
  }
  return absl::DataLossError(absl::StrFormat("unknown way to verify %s", found->dump()));
}

json PushEvent(const filecoin::SignedMessage& message, const chain::Uuid& uuid) {
  json event = {{"event", "push"}, {"message", ToBase64(filecoin::cbor::Encode(message))}};
  if (uuid != chain::Uuid{}) event["uuid"] = ToHex(uuid);
  return event;
}

absl::StatusOr<Pushed> PushedOf(const json& event) {
  Pushed pushed;
  DAMOCLES_ASSIGN_OR_RETURN(const Bytes bytes, FromBase64(event.value("message", "")));
  DAMOCLES_ASSIGN_OR_RETURN(pushed.message, filecoin::cbor::Decode<filecoin::SignedMessage>(bytes));
  DAMOCLES_ASSIGN_OR_RETURN(const Bytes uuid, FromHex(event.value("uuid", "")));
  if (uuid.size() == pushed.uuid.size()) {
    std::copy(uuid.begin(), uuid.end(), pushed.uuid.begin());
  }
  return pushed;
}

json AdminEvent(const AdminChange& change) {
  switch (change.kind) {
    case AdminChange::Kind::kFunds:
      return {{"event", "funds"},
              {"miner", change.miner},
              {"balance", change.balance.ToString()},
              {"fee_debt", change.fee_debt.ToString()}};
    case AdminChange::Kind::kConsensusFault:
      return {{"event", "consensus_fault"},
              {"miner", change.miner},
              {"elapsed", change.elapsed.Value()}};
    case AdminChange::Kind::kAddSectors:
      return {
          {"event", "add_sectors"}, {"miner", change.miner}, {"sectors", ToJson(change.sectors)}};
  }
  return {};
}

absl::StatusOr<AdminChange> AdminChangeOf(const json& event) {
  const std::string what = event.value("event", "");
  AdminChange change;
  change.miner = event.value("miner", ActorId{0});
  if (what == "funds") {
    change.kind = AdminChange::Kind::kFunds;
    DAMOCLES_ASSIGN_OR_RETURN(change.balance,
                              filecoin::TokenAmount::Parse(event.value("balance", "")));
    DAMOCLES_ASSIGN_OR_RETURN(change.fee_debt,
                              filecoin::TokenAmount::Parse(event.value("fee_debt", "")));
  } else if (what == "consensus_fault") {
    change.kind = AdminChange::Kind::kConsensusFault;
    change.elapsed = filecoin::ChainEpoch(event.value("elapsed", std::int64_t{-1}));
  } else if (what == "add_sectors" && event.contains("sectors")) {
    change.kind = AdminChange::Kind::kAddSectors;
    DAMOCLES_ASSIGN_OR_RETURN(change.sectors, SectorsFromJson(event["sectors"]));
  } else {
    return absl::DataLossError(absl::StrFormat("unknown event \"%s\"", what));
  }
  return change;
}

}  // namespace damocles::devnet::internal
