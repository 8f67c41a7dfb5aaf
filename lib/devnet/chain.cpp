// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/devnet/chain.h"

#include "absl/strings/str_format.h"
#include "lib/devnet/chain_core.h"
#include "lib/devnet/config_json.h"

#include "damocles/base/check.h"
#include "damocles/base/file.h"

namespace damocles::devnet {

using filecoin::Cid;
using nlohmann::json;

namespace {

constexpr std::uint64_t kFormat = 1;

std::string JournalPath(const std::string& home) {
  return home + "/chain.journal";
}

std::string FirstRecord(const ChainConfig& config, const Genesis& genesis) {
  return json{{"event", "genesis"},
              {"format", kFormat},
              {"config", internal::ToJson(config)},
              {"genesis", internal::ToJson(genesis)}}
      .dump();
}

absl::StatusOr<std::unique_ptr<ChainCore>> Rebuild(const std::string& path,
                                                   const std::vector<std::string>& records,
                                                   ChainOptions options) {
  const json first =
      records.empty() ? json() : json::parse(records.front(), nullptr, /*allow_exceptions=*/false);
  if (!first.is_object() || !first.contains("config") || !first.contains("genesis")) {
    return absl::DataLossError(absl::StrFormat("%s: does not start with a genesis", path));
  }
  if (first.value("format", std::uint64_t{0}) != kFormat) {
    return absl::FailedPreconditionError(
        absl::StrFormat("%s: is in format %s, this program reads %d", path,
                        first.value("format", json()).dump(), kFormat));
  }
  auto core = std::make_unique<ChainCore>();
  DAMOCLES_ASSIGN_OR_RETURN(core->config, internal::ConfigFromJson(first["config"]));
  DAMOCLES_ASSIGN_OR_RETURN(core->genesis, internal::GenesisFromJson(first["genesis"]));
  core->options = std::move(options);
  if (absl::Status status = core->Rebuild(records); !status.ok()) {
    return Annotate(std::move(status), path);
  }
  return core;
}

}  // namespace

Chain::Chain(std::unique_ptr<ChainCore> core) : core_(std::move(core)) {}
Chain::~Chain() = default;

absl::Status Chain::Init(const std::string& home, const ChainConfig& config,
                         const Genesis& genesis) {
  // Whatever is wrong with the genesis shows now, not at the first run.
  DAMOCLES_RETURN_IF_ERROR(InMemory(config, genesis, {}).status());
  DAMOCLES_RETURN_IF_ERROR(MakeFolders(home));
  return internal::Journal::Create(JournalPath(home), FirstRecord(config, genesis));
}

absl::StatusOr<std::unique_ptr<Chain>> Chain::Open(const std::string& home, ChainOptions options) {
  std::vector<std::string> records;
  DAMOCLES_ASSIGN_OR_RETURN(std::unique_ptr<internal::Journal> journal,
                            internal::Journal::OpenToAppend(JournalPath(home), records));
  DAMOCLES_ASSIGN_OR_RETURN(std::unique_ptr<ChainCore> core,
                            Rebuild(JournalPath(home), records, std::move(options)));
  core->journal = std::move(journal);
  return std::unique_ptr<Chain>(new Chain(std::move(core)));
}

absl::StatusOr<std::unique_ptr<Chain>> Chain::OpenReadOnly(const std::string& home) {
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<std::string> records,
                            internal::Journal::Read(JournalPath(home)));
  DAMOCLES_ASSIGN_OR_RETURN(std::unique_ptr<ChainCore> core,
                            Rebuild(JournalPath(home), records, {}));
  core->read_only = true;
  return std::unique_ptr<Chain>(new Chain(std::move(core)));
}

absl::StatusOr<std::unique_ptr<Chain>> Chain::InMemory(const ChainConfig& config,
                                                       const Genesis& genesis,
                                                       ChainOptions options) {
  auto core = std::make_unique<ChainCore>();
  core->config = config;
  core->genesis = genesis;
  core->options = std::move(options);
  DAMOCLES_RETURN_IF_ERROR(core->Start());
  return std::unique_ptr<Chain>(new Chain(std::move(core)));
}

const ChainConfig& Chain::Config() const {
  return core_->config;
}

absl::Status Chain::Advance(const AdvanceOptions& options) {
  if (core_->read_only) return core_->Record({});
  VerdictSource live;
  return core_->Advance(options, live);
}

absl::Status Chain::Reorg(std::uint64_t depth) {
  if (core_->read_only) return core_->Record({});
  VerdictSource live;
  return core_->Reorg(depth, live);
}

absl::Status Chain::CheckReorg(std::uint64_t depth) const {
  return core_->CheckReorg(depth);
}

absl::Status Chain::CheckPending(const Cid& message) const {
  for (const auto& [sender, queue] : core_->pool) {
    for (const auto& [nonce, entry] : queue) {
      if (entry.cid == message) return absl::OkStatus();
    }
  }
  return absl::NotFoundError(absl::StrFormat("message %s is not in the pool", message.ToString()));
}

absl::Status Chain::DropMessage(const Cid& message) {
  DAMOCLES_RETURN_IF_ERROR(CheckPending(message));
  const json event = {{"event", "drop"}, {"message", message.ToString()}};
  DAMOCLES_RETURN_IF_ERROR(core_->Record(event));
  return core_->Apply(event);
}

absl::Status Chain::DropNextMessages(std::uint64_t count) {
  const json event = {{"event", "drop_next"}, {"count", count}};
  DAMOCLES_RETURN_IF_ERROR(core_->Record(event));
  return core_->Apply(event);
}

absl::Status Chain::CheckBaseFee(const filecoin::TokenAmount& base_fee) {
  if (base_fee.Sign() >= 0 && base_fee <= filecoin::Fil(kTotalFil)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("base fee must be from 0 to %d FIL, in attoFIL", kTotalFil));
}

absl::Status Chain::SetBaseFee(const filecoin::TokenAmount& base_fee) {
  DAMOCLES_RETURN_IF_ERROR(CheckBaseFee(base_fee));
  const json event = {{"event", "base_fee"}, {"value", base_fee.ToString()}};
  DAMOCLES_RETURN_IF_ERROR(core_->Record(event));
  return core_->Apply(event);
}

absl::Status Chain::SetTraffic(Traffic traffic) {
  const json event = {{"event", "traffic"}, {"script", std::string(Name(traffic))}};
  DAMOCLES_RETURN_IF_ERROR(core_->Record(event));
  return core_->Apply(event);
}

filecoin::Address Chain::RobustAddressOf(filecoin::ActorId miner) {
  return internal::RobustAddressOf(miner);
}

const filecoin::TokenAmount& Chain::BaseFee() const {
  return core_->base_fee;
}

namespace {

absl::Status Try(const ChainCore& core, const AdminChange& change) {
  Node trial = *core.Head();
  return ChainCore::ApplyAdmin(core, change, trial);
}

// Tries the change on a copy of the head first: what is on the disk must be applicable.
absl::Status RecordAndApply(ChainCore& core, const AdminChange& change, const json& event) {
  DAMOCLES_RETURN_IF_ERROR(Try(core, change));
  DAMOCLES_RETURN_IF_ERROR(core.Record(event));
  return core.DoAdmin(change);
}

}  // namespace

absl::Status Chain::SetMinerFunds(filecoin::ActorId miner, const filecoin::TokenAmount& balance,
                                  const filecoin::TokenAmount& fee_debt) {
  AdminChange change;
  change.kind = AdminChange::Kind::kFunds;
  change.miner = miner;
  change.balance = balance;
  change.fee_debt = fee_debt;
  return RecordAndApply(*core_, change,
                        {{"event", "funds"},
                         {"miner", miner},
                         {"balance", balance.ToString()},
                         {"fee_debt", fee_debt.ToString()}});
}

absl::Status Chain::SetConsensusFault(filecoin::ActorId miner, filecoin::ChainEpoch elapsed) {
  AdminChange change;
  change.kind = AdminChange::Kind::kConsensusFault;
  change.miner = miner;
  change.elapsed = elapsed;
  return RecordAndApply(
      *core_, change,
      {{"event", "consensus_fault"}, {"miner", miner}, {"elapsed", elapsed.Value()}});
}

namespace {

AdminChange Adding(filecoin::ActorId miner, const std::vector<GenesisSector>& sectors) {
  AdminChange change;
  change.kind = AdminChange::Kind::kAddSectors;
  change.miner = miner;
  change.sectors = sectors;
  return change;
}

}  // namespace

absl::Status Chain::CheckAddSectors(filecoin::ActorId miner,
                                    const std::vector<GenesisSector>& sectors) const {
  return Try(*core_, Adding(miner, sectors));
}

absl::Status Chain::AddSectors(filecoin::ActorId miner, const std::vector<GenesisSector>& sectors) {
  return RecordAndApply(
      *core_, Adding(miner, sectors),
      {{"event", "add_sectors"}, {"miner", miner}, {"sectors", internal::ToJson(sectors)}});
}

Subscription Chain::OnHeadChange(
    std::function<void(const std::vector<chain::HeadChange>&)> observer) {
  return core_->observers.Add(std::move(observer));
}

}  // namespace damocles::devnet
