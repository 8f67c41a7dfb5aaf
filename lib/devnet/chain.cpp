// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/devnet/chain.h"

#include "absl/strings/str_format.h"
#include "lib/devnet/chain_core.h"
#include "lib/devnet/events.h"

#include "damocles/base/file.h"

namespace damocles::devnet {

using filecoin::Cid;
using internal::AdminChange;
using nlohmann::json;

namespace {

std::string JournalPath(const std::string& home) {
  return home + "/chain.journal";
}

absl::StatusOr<std::unique_ptr<ChainCore>> Rebuild(const std::vector<std::string>& records,
                                                   ChainOptions options) {
  DAMOCLES_ASSIGN_OR_RETURN(
      const internal::Beginning beginning,
      internal::BeginningOf(records.empty() ? json()
                                            : json::parse(records.front(), nullptr,
                                                          /*allow_exceptions=*/false)));
  DAMOCLES_ASSIGN_OR_RETURN(
      std::unique_ptr<ChainCore> core,
      ChainCore::Start(beginning.config, beginning.genesis, std::move(options)));
  DAMOCLES_RETURN_IF_ERROR(core->Replay(records));
  return core;
}

// With the path in front of what is wrong.
absl::StatusOr<std::unique_ptr<ChainCore>> RebuildFrom(const std::string& path,
                                                       const std::vector<std::string>& records,
                                                       ChainOptions options) {
  auto core = Rebuild(records, std::move(options));
  if (!core.ok()) return Annotate(core.status(), path);
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
  return internal::Journal::Create(JournalPath(home),
                                   internal::GenesisEvent(config, genesis).dump());
}

absl::StatusOr<std::unique_ptr<Chain>> Chain::Open(const std::string& home, ChainOptions options) {
  std::vector<std::string> records;
  DAMOCLES_ASSIGN_OR_RETURN(std::unique_ptr<internal::Journal> journal,
                            internal::Journal::OpenToAppend(JournalPath(home), records));
  DAMOCLES_ASSIGN_OR_RETURN(std::unique_ptr<ChainCore> core,
                            RebuildFrom(JournalPath(home), records, std::move(options)));
  core->Keep(std::move(journal));
  return std::unique_ptr<Chain>(new Chain(std::move(core)));
}

absl::StatusOr<std::unique_ptr<Chain>> Chain::OpenReadOnly(const std::string& home) {
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<std::string> records,
                            internal::Journal::Read(JournalPath(home)));
  DAMOCLES_ASSIGN_OR_RETURN(std::unique_ptr<ChainCore> core,
                            RebuildFrom(JournalPath(home), records, {}));
  core->Freeze();
  return std::unique_ptr<Chain>(new Chain(std::move(core)));
}

absl::StatusOr<std::unique_ptr<Chain>> Chain::InMemory(const ChainConfig& config,
                                                       const Genesis& genesis,
                                                       ChainOptions options) {
  DAMOCLES_ASSIGN_OR_RETURN(std::unique_ptr<ChainCore> core,
                            ChainCore::Start(config, genesis, std::move(options)));
  return std::unique_ptr<Chain>(new Chain(std::move(core)));
}

const ChainConfig& Chain::Config() const {
  return core_->Config();
}

absl::Status Chain::Advance(const AdvanceOptions& options) {
  return core_->Advance(options);
}

absl::Status Chain::Reorg(std::uint64_t depth) {
  return core_->Reorg(depth);
}

absl::Status Chain::CheckReorg(std::uint64_t depth) const {
  return core_->CheckReorg(depth);
}

absl::Status Chain::CheckPending(const Cid& message) const {
  if (core_->Pending().Holds(message)) return absl::OkStatus();
  return absl::NotFoundError(absl::StrFormat("message %s is not in the pool", message.ToString()));
}

absl::Status Chain::DropMessage(const Cid& message) {
  DAMOCLES_RETURN_IF_ERROR(CheckPending(message));
  return core_->Do(json{{"event", "drop"}, {"message", message.ToString()}});
}

absl::Status Chain::DropNextMessages(std::uint64_t count) {
  return core_->Do(json{{"event", "drop_next"}, {"count", count}});
}

absl::Status Chain::CheckBaseFee(const filecoin::TokenAmount& base_fee) {
  if (base_fee.Sign() >= 0 && base_fee <= filecoin::Fil(kTotalFil)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("base fee must be from 0 to %d FIL, in attoFIL", kTotalFil));
}

absl::Status Chain::SetBaseFee(const filecoin::TokenAmount& base_fee) {
  DAMOCLES_RETURN_IF_ERROR(CheckBaseFee(base_fee));
  return core_->Do(json{{"event", "base_fee"}, {"value", base_fee.ToString()}});
}

absl::Status Chain::SetTraffic(Traffic traffic) {
  return core_->Do(json{{"event", "traffic"}, {"script", std::string(Name(traffic))}});
}

filecoin::Address Chain::RobustAddressOf(filecoin::ActorId miner) {
  return internal::RobustAddressOf(miner);
}

const filecoin::TokenAmount& Chain::BaseFee() const {
  return core_->BaseFee();
}

absl::Status Chain::SetMinerFunds(filecoin::ActorId miner, const filecoin::TokenAmount& balance,
                                  const filecoin::TokenAmount& fee_debt) {
  AdminChange change;
  change.kind = AdminChange::Kind::kFunds;
  change.miner = miner;
  change.balance = balance;
  change.fee_debt = fee_debt;
  return core_->Do(change);
}

absl::Status Chain::SetConsensusFault(filecoin::ActorId miner, filecoin::ChainEpoch elapsed) {
  AdminChange change;
  change.kind = AdminChange::Kind::kConsensusFault;
  change.miner = miner;
  change.elapsed = elapsed;
  return core_->Do(change);
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
  return core_->Try(Adding(miner, sectors));
}

absl::Status Chain::AddSectors(filecoin::ActorId miner, const std::vector<GenesisSector>& sectors) {
  return core_->Do(Adding(miner, sectors));
}

Subscription Chain::OnHeadChange(
    std::function<void(const std::vector<chain::HeadChange>&)> observer) {
  return core_->HeadObservers().Add(std::move(observer));
}

}  // namespace damocles::devnet
