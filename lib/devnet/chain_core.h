// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What is behind devnet::Chain: blocks with the states before and after them, pool and wallet.

#pragma once

#include <deque>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/devnet/journal.h"
#include "lib/devnet/wallet.h"
#include "lib/devnet/world.h"

#include "damocles/base/observers.h"
#include "damocles/devnet/chain.h"

namespace damocles::devnet {

// What a verifier said; `problem` if it could not judge the proof.
struct Verdict {
  bool valid = false;
  std::string problem;
};

// A change by hand, after the block that carries it was executed.
struct AdminChange {
  enum class Kind { kFunds, kConsensusFault, kAddSectors };
  Kind kind = Kind::kFunds;
  filecoin::ActorId miner = 0;
  filecoin::TokenAmount balance;
  filecoin::TokenAmount fee_debt;
  filecoin::ChainEpoch elapsed{};
  std::vector<GenesisSector> sectors;
};

// One tipset of one block.
struct Node {
  filecoin::TipSet tip_set;
  filecoin::Cid cid;
  std::shared_ptr<const Node> parent;  // null for the genesis
  std::vector<filecoin::SignedMessage> messages;
  std::vector<filecoin::Cid> message_cids;

  // After its messages and cron were executed; queries at its child see this.
  internal::World after;
  filecoin::Cid root_after;
  std::vector<internal::Receipt> receipts;
  filecoin::Cid receipts_root;
  std::vector<ExecutedPost> posts;
  std::vector<internal::MinerCron> crons;
  std::vector<AdminChange> admin;
  bool base_fee_by_hand = false;  // its own was set
  filecoin::TokenAmount next_base_fee;
  std::vector<PricedGas> load;  // its messages and the foreign traffic, as they weigh

  filecoin::ChainEpoch Height() const { return tip_set.Height(); }
  const filecoin::BlockHeader& Header() const { return tip_set.Blocks().front(); }
  // What queries at this tipset see.
  const internal::World& Before() const { return parent ? parent->after : after; }
};
using NodePtr = std::shared_ptr<const Node>;

struct PoolEntry {
  filecoin::SignedMessage message;
  filecoin::Cid cid;
  filecoin::ChainEpoch arrived{};  // height of the head then
};

// Where verdicts come from: the verifier, or the journal when the chain is rebuilt.
struct VerdictSource {
  bool recorded = false;
  std::deque<Verdict> list;  // to take from if recorded, else what was asked
  bool exhausted = false;    // the journal had fewer than the chain asked for
};

struct ChainCore {
  ChainConfig config;
  Genesis genesis;
  ChainOptions options;
  // That of `options`, except while an event of another run is done again.
  VerifyMode mode = VerifyMode::kAlways;
  bool read_only = false;
  std::unique_ptr<internal::Journal> journal;  // null in memory, and while rebuilding

  internal::Wallet wallet;
  std::map<filecoin::Cid, std::shared_ptr<Node>> nodes;    // of all branches
  std::vector<std::shared_ptr<Node>> canonical;            // by height
  std::map<filecoin::Cid, filecoin::SignedMessage> known;  // every message ever pushed
  std::map<chain::Uuid, filecoin::SignedMessage> by_uuid;
  // By sender and nonce: the tipsets that included such a message.
  std::map<std::pair<filecoin::Address, std::uint64_t>, std::vector<NodePtr>> included;
  std::map<filecoin::Address, std::map<std::uint64_t, PoolEntry>> pool;
  std::uint64_t drop_next = 0;
  std::uint64_t branch = 0;        // number of the running branch: reorgs so far
  filecoin::TokenAmount base_fee;  // of the next block
  bool base_fee_by_hand = false;
  Traffic traffic = Traffic::kQuiet;
  filecoin::ChainEpoch traffic_from{};  // the block that the script begins with
  std::map<Bytes32, Verdict> verdicts;  // of proofs seen lately, by digest of the question
  std::deque<Bytes32> verdict_order;

  Observers<std::vector<chain::HeadChange>> observers;

  // ------------------------------------------------------------ building (chain_build.cpp)
  absl::Status Start();  // genesis and its empty blocks
  absl::Status Rebuild(const std::vector<std::string>& records);
  absl::Status Apply(const nlohmann::json& event);
  // Refuses if read-only; else the event is on the disk.
  absl::Status Record(const nlohmann::json& event);

  struct BlockPlan {
    NodePtr parent;
    filecoin::ChainEpoch height{};
    std::uint64_t timestamp = 0;
    std::vector<filecoin::SignedMessage> messages;
    std::uint64_t branch = 0;
    filecoin::TokenAmount base_fee;
  };
  std::vector<PricedGas> ForeignLoad(filecoin::ChainEpoch height,
                                     const filecoin::TokenAmount& at_base_fee) const;
  filecoin::TokenAmount EstimatePremium() const;
  std::shared_ptr<Node> Build(const BlockPlan& plan, VerdictSource& verdicts_from);
  filecoin::BlockHeader MakeHeader(const BlockPlan& plan, const filecoin::Cid& messages_root) const;
  void Execute(Node& node, VerdictSource& verdicts_from);
  void Adopt(std::shared_ptr<Node> node);

  absl::Status Advance(const AdvanceOptions& advance, VerdictSource& verdicts_from);
  absl::Status Reorg(std::uint64_t depth, VerdictSource& verdicts_from);
  absl::Status CheckReorg(std::uint64_t depth) const;
  absl::Status DoAdmin(const AdminChange& change);
  static absl::Status ApplyAdmin(const ChainCore& core, const AdminChange& change, Node& node);
  std::vector<filecoin::SignedMessage> SelectMessages(filecoin::ChainEpoch height) const;
  void AddToPool(const filecoin::SignedMessage& message);
  void PrunePool();
  void Push(const filecoin::SignedMessage& message, const chain::Uuid& uuid);
  std::uint64_t NullRoundsBefore(filecoin::ChainEpoch height) const;

  internal::Rules GetRules() const { return {config.policy, mode}; }
  Verdict Judge(const PostStatement& statement, ByteSpan proof, VerdictSource& verdicts_from);

  // ------------------------------------------------------------ looking up (chain_query.cpp)
  const std::shared_ptr<Node>& Head() const { return canonical.back(); }
  absl::StatusOr<NodePtr> Resolve(const filecoin::TipSetKey& key) const;
  bool IsCanonical(const Node& node) const;
  // On the branch of `from`: the last tipset at or before `epoch`, the first at or after it.
  NodePtr AtOrBefore(NodePtr from, filecoin::ChainEpoch epoch) const;
  absl::StatusOr<NodePtr> AtOrAfter(NodePtr from, filecoin::ChainEpoch epoch) const;
  filecoin::BeaconEntry Beacon(filecoin::ChainEpoch epoch) const;
  absl::StatusOr<const MinerState*> MinerAt(const internal::World& world,
                                            const filecoin::Address& miner) const;

  // ------------------------------------------------------------ messages (chain_messages.cpp)
  // Executes it on top of the head at the next epoch, after what the sender has pending.
  absl::StatusOr<internal::Executed> DryRun(filecoin::Message message);
  absl::StatusOr<filecoin::Message> Estimate(filecoin::Message message,
                                             const std::optional<chain::MessageSendSpec>& spec);
  absl::StatusOr<filecoin::Address> ResolveSender(const filecoin::Address& from) const;
  std::uint64_t NextNonce(const internal::Account& account) const;
};

// Draws randomness on the branch of one tipset, and has proofs verified.
class ChainHost final : public ActorHost {
 public:
  ChainHost(ChainCore& core, NodePtr tip, VerdictSource& verdicts_from)
      : core_(core), tip_(std::move(tip)), verdicts_from_(verdicts_from) {}
  Bytes32 DrawRandomness(RandomnessSource source, filecoin::DomainTag tag,
                         filecoin::ChainEpoch epoch, ByteSpan entropy) override;
  absl::StatusOr<bool> VerifyPost(const PostStatement& statement, ByteSpan proof) override;

 private:
  ChainCore& core_;
  NodePtr tip_;
  VerdictSource& verdicts_from_;
};

}  // namespace damocles::devnet
