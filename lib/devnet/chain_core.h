// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What is behind devnet::Chain: the state of a running chain and the events that change it.

#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "lib/devnet/block_maker.h"
#include "lib/devnet/journal.h"
#include "lib/devnet/pool.h"
#include "lib/devnet/proof_judge.h"
#include "lib/devnet/tipsets.h"
#include "lib/devnet/wallet.h"

#include "damocles/base/observers.h"
#include "damocles/devnet/chain.h"

namespace damocles::devnet {

class ChainCore {
 public:
  // The genesis and its empty blocks, in memory.
  static absl::StatusOr<std::unique_ptr<ChainCore>> Start(const ChainConfig& config,
                                                          const Genesis& genesis,
                                                          ChainOptions options);
  // Does again what the records of a journal say, the first of which is the genesis.
  absl::Status Replay(const std::vector<std::string>& records);
  // From now on every event goes to the journal first.
  void Keep(std::unique_ptr<internal::Journal> journal) { journal_ = std::move(journal); }
  // From now on every event is refused.
  void Freeze() { read_only_ = true; }

  // ------------------------------------------------------------ events
  absl::Status Advance(const AdvanceOptions& advance);
  absl::Status Reorg(std::uint64_t depth);
  absl::Status CheckReorg(std::uint64_t depth) const;
  absl::Status Do(const internal::AdminChange& change);
  // What Do would say of it.
  absl::Status Try(const internal::AdminChange& change) const;
  // Any other one that can always be applied, as the journal has it.
  absl::Status Do(const nlohmann::json& event);
  absl::Status Push(const filecoin::SignedMessage& message, const chain::Uuid& uuid);

  Observers<std::vector<chain::HeadChange>>& HeadObservers() { return head_observers_; }

  // ------------------------------------------------------------ the present state
  const ChainConfig& Config() const { return config_; }
  const internal::Tipsets& Tips() const { return tipsets_; }
  const internal::Pool& Pending() const { return pool_; }
  const internal::Wallet& Keys() const { return wallet_; }
  // Of the next block.
  const filecoin::TokenAmount& BaseFee() const { return base_fee_; }
  internal::Rules GetRules() const { return {config_.policy, mode_}; }
  // For a message that is executed on top of that tipset.
  internal::ChainHost HostAt(internal::NodePtr tip, internal::VerdictSource& verdicts) {
    return {config_, tipsets_, judge_, std::move(tip), verdicts};
  }
  // Any that was ever pushed; null if there is none.
  const filecoin::SignedMessage* Known(const filecoin::Cid& message) const;
  const filecoin::SignedMessage* ByUuid(const chain::Uuid& uuid) const;

 private:
  ChainCore(const ChainConfig& config, const Genesis& genesis, ChainOptions options);
  absl::Status Begin();

  // Refuses if it is frozen; else the event is on the disk.
  absl::Status Record(const nlohmann::json& event);
  absl::Status Apply(const nlohmann::json& event);
  absl::Status ApplyBlocks(const nlohmann::json& event);
  absl::Status ApplyTo(const internal::AdminChange& change, internal::Node& node) const;

  absl::Status AdvanceBy(const AdvanceOptions& advance, internal::VerdictSource& verdicts);
  absl::Status ReorgBy(std::uint64_t depth, internal::VerdictSource& verdicts);
  std::vector<PricedGas> ForeignLoad(filecoin::ChainEpoch height,
                                     const filecoin::TokenAmount& at_base_fee) const;
  void Take(const filecoin::SignedMessage& message, const chain::Uuid& uuid);

  const ChainConfig config_;
  const Genesis genesis_;
  const VerifyMode options_mode_;
  // That of the options, except while an event of another run is done again.
  VerifyMode mode_ = VerifyMode::kAlways;
  bool read_only_ = false;
  std::unique_ptr<internal::Journal> journal_;  // null in memory, and while rebuilding

  internal::Wallet wallet_;
  internal::Tipsets tipsets_;
  internal::ProofJudge judge_;
  const internal::BlockMaker blocks_;
  internal::Pool pool_;
  std::map<filecoin::Cid, filecoin::SignedMessage> known_;  // every message ever pushed
  std::map<chain::Uuid, filecoin::SignedMessage> by_uuid_;
  std::uint64_t drop_next_ = 0;
  std::uint64_t branch_ = 0;        // number of the running branch: reorgs so far
  filecoin::TokenAmount base_fee_;  // of the next block
  bool base_fee_by_hand_ = false;
  Traffic traffic_ = Traffic::kQuiet;
  filecoin::ChainEpoch traffic_from_{};  // the block that the script begins with
  Observers<std::vector<chain::HeadChange>> head_observers_;
};

}  // namespace damocles::devnet
