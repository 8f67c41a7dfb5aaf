// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/devnet/replay.h"

#include "absl/strings/str_format.h"
#include "lib/devnet/trace_json.h"

#include "damocles/base/hex.h"
#include "damocles/base/json_depth.h"

namespace damocles::devnet {

using filecoin::ChainEpoch;
using filecoin::EpochDelta;
using internal::Json;

namespace {

// A trace is foreign text.  Real ones span 43 periods and have some thousand sectors.
constexpr EpochDelta kEpochsMax(4'000'000);        // longer than a sector lives
constexpr std::uint64_t kNewSectorsMax = 200'000;  // of one step

// Members of a step that are computed, not read.
constexpr const char* kComputed[] = {"exit",       "error",  "sends", "placed",
                                     "randomness", "verify", "after"};

// The randomness of traces, and a verifier that answers as the step says.
class TraceHost final : public ActorHost {
 public:
  explicit TraceHost(bool answer) : answer_(answer) {}

  Bytes32 DrawRandomness(RandomnessSource source, filecoin::DomainTag tag, ChainEpoch epoch,
                         ByteSpan entropy) override {
    const std::string base = absl::StrFormat(
        "%s/%d", source == RandomnessSource::kTickets ? "ticket" : "beacon", epoch.Value());
    return filecoin::Draw(AsBytes(base), tag, epoch, entropy);
  }
  absl::StatusOr<bool> VerifyPost(const PostStatement&, ByteSpan) override { return answer_; }

 private:
  bool answer_;
};

class Replayer {
 public:
  Replayer(ActorPolicy policy, MinerState state, ChainEpoch start, ChainEpoch sector_expiration)
      : policy_(std::move(policy)),
        state_(std::move(state)),
        next_cron_(start),
        epoch_max_(start + kEpochsMax),
        sector_expiration_(sector_expiration) {}

  absl::Status Do(Json& step) {
    for (const char* name : kComputed) step.erase(name);
    DAMOCLES_ASSIGN_OR_RETURN(const std::int64_t value, internal::IntMember(step, "epoch"));
    DAMOCLES_ASSIGN_OR_RETURN(const std::string op, internal::TextMember(step, "op"));
    const ChainEpoch epoch(value);
    if (epoch > epoch_max_) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "trace: epoch %d is more than %d after the first", value, kEpochsMax.Count()));
    }
    const MinerState before = state_;
    for (; next_cron_ < epoch; ++next_cron_) RunCron(policy_, next_cron_, state_);
    if (op == "message") return Message(step, epoch, before);
    if (op == "cron") {
      step["exit"] = Json::array();
      if (next_cron_ == epoch) {
        if (RunCron(policy_, epoch, state_).has_value()) step["exit"].push_back(kExitOk);
        ++next_cron_;
      }
    } else if (op == "add_sectors") {
      DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t deadline,
                                internal::UintMember(step, "deadline"));
      DAMOCLES_ASSIGN_OR_RETURN(std::vector<SectorRecord> sectors, Sectors(step));
      DAMOCLES_RETURN_IF_ERROR(AddSectors(policy_, state_, deadline, std::move(sectors)).status());
    } else if (op == "assign_sectors") {
      DAMOCLES_ASSIGN_OR_RETURN(std::vector<SectorRecord> sectors, Sectors(step));
      DAMOCLES_ASSIGN_OR_RETURN(const std::vector<Placement> placed,
                                AssignSectors(policy_, state_, epoch, std::move(sectors)));
      step["placed"] = Json::array();
      for (const Placement& run : placed) {
        step["placed"].push_back({run.first, run.last, run.deadline, run.partition});
      }
    } else if (op == "inject") {
      DAMOCLES_RETURN_IF_ERROR(Inject(step));
    } else {
      return absl::InvalidArgumentError(absl::StrFormat("trace: unknown op \"%s\"", op));
    }
    step["after"] = internal::DifferenceToJson(before, state_);
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<std::vector<SectorRecord>> Sectors(const Json& step) const {
    if (!step.contains("sectors")) {
      return absl::InvalidArgumentError("trace: \"sectors\" is missing");
    }
    DAMOCLES_ASSIGN_OR_RETURN(const filecoin::BitField set, internal::SetFromJson(step["sectors"]));
    if (set.Count() > kNewSectorsMax) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "trace: %d new sectors in a step, at most %d", set.Count(), kNewSectorsMax));
    }
    std::vector<SectorRecord> sectors;
    for (const std::uint64_t number : set) {
      sectors.push_back(internal::TraceSector(number, sector_expiration_));
    }
    return sectors;
  }

  absl::Status Message(Json& step, ChainEpoch epoch, const MinerState& before) {
    DAMOCLES_ASSIGN_OR_RETURN(const std::string hex, internal::TextMember(step, "params_cbor"));
    DAMOCLES_ASSIGN_OR_RETURN(const Bytes params, FromHex(hex));
    MinerCall call{.epoch = epoch, .from = 0, .method = 0, .params = params};
    DAMOCLES_ASSIGN_OR_RETURN(call.from, internal::UintMember(step, "from"));
    DAMOCLES_ASSIGN_OR_RETURN(call.method, internal::UintMember(step, "method"));
    const auto proof_valid = step.find("proof_valid");
    TraceHost host(proof_valid != step.end() && proof_valid->is_boolean() &&
                   proof_valid->get<bool>());
    const CallResult result = CallMiner(policy_, VerifyMode::kActor, call, host, state_);
    step["exit"] = result.exit_code;
    step["error"] = result.exit_code == kExitOk ? Json(nullptr) : Json(result.error);
    for (const RandomnessDraw& draw : result.randomness) {
      step["randomness"].push_back(
          {{"from", draw.source == RandomnessSource::kTickets ? "ticket" : "beacon"},
           {"tag", static_cast<std::int64_t>(draw.tag)},
           {"epoch", draw.epoch.Value()},
           {"entropy", ToHex(draw.entropy)},
           {"value", ToHex(draw.value)}});
    }
    if (result.verification.has_value()) {
      const Verification& asked = *result.verification;
      Json proof = {{"type", ToNumber(asked.proof_type)}, {"bytes", ToHex(asked.proof)}};
      step["verify"] = Json::array({Json{{"prover", state_.id},
                                         {"randomness", ToHex(asked.randomness)},
                                         {"sectors", asked.sectors},
                                         {"proof", Json::array({std::move(proof)})},
                                         {"answer", asked.answer}}});
    }
    if (result.exit_code == kExitOk) {
      step["after"] = internal::DifferenceToJson(before, state_);
    } else {
      step["after"] = "unchanged";
    }
    return absl::OkStatus();
  }

  absl::Status Inject(const Json& step) {
    const auto found = step.find("set");
    if (found == step.end() || !found->is_object()) {
      return absl::InvalidArgumentError("trace: \"set\" is missing");
    }
    if (found->contains("fee_debt")) {
      DAMOCLES_ASSIGN_OR_RETURN(const std::string debt, internal::TextMember(*found, "fee_debt"));
      DAMOCLES_ASSIGN_OR_RETURN(state_.fee_debt, filecoin::TokenAmount::Parse(debt));
      const auto repayable = found->find("repayable");
      const bool covered =
          repayable == found->end() || !repayable->is_boolean() || repayable->get<bool>();
      state_.balance = covered ? state_.fee_debt + filecoin::Fil(1'000'000'000) : 0;
    }
    if (found->contains("consensus_fault_elapsed")) {
      DAMOCLES_ASSIGN_OR_RETURN(const std::int64_t elapsed,
                                internal::IntMember(*found, "consensus_fault_elapsed"));
      state_.consensus_fault_elapsed = ChainEpoch(elapsed);
    }
    return absl::OkStatus();
  }

  ActorPolicy policy_;
  MinerState state_;
  ChainEpoch next_cron_;  // crons of earlier epochs are done
  ChainEpoch epoch_max_;
  ChainEpoch sector_expiration_;
};

}  // namespace

absl::StatusOr<std::string> ReplayTrace(std::string_view trace_json) {
  DAMOCLES_RETURN_IF_ERROR(Annotate(CheckJsonDepth(trace_json), "trace"));
  Json trace = Json::parse(trace_json, nullptr, /*allow_exceptions=*/false);
  if (!trace.is_object() || !trace.contains("miner") || !trace.contains("initial") ||
      !trace.contains("steps") || !trace["steps"].is_array()) {
    return absl::InvalidArgumentError(
        "trace: not a JSON object with \"miner\", \"initial\" and \"steps\"");
  }
  const ActorPolicy policy;
  DAMOCLES_ASSIGN_OR_RETURN(MinerState state,
                            internal::MinerFromJson(policy, trace["miner"], trace["initial"]));
  DAMOCLES_ASSIGN_OR_RETURN(const std::int64_t start,
                            internal::IntMember(trace["initial"], "epoch"));
  DAMOCLES_ASSIGN_OR_RETURN(const std::int64_t expiration,
                            internal::IntMember(trace["miner"], "sector_expiration"));
  constexpr std::int64_t kEpochMax = std::int64_t{1} << 40;
  if (start < -kEpochMax || start > kEpochMax) {
    return absl::InvalidArgumentError("trace: the first epoch is out of range");
  }
  Replayer replayer(policy, std::move(state), ChainEpoch(start), ChainEpoch(expiration));
  for (Json& step : trace["steps"]) {
    if (!step.is_object()) return absl::InvalidArgumentError("trace: a step is no object");
    if (absl::Status status = replayer.Do(step); !status.ok()) {
      return Annotate(std::move(status),
                      absl::StrFormat("step %s", step.contains("n") ? step["n"].dump() : "?"));
    }
  }
  return trace.dump();
}

}  // namespace damocles::devnet
