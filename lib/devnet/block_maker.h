// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Blocks: their content and their execution.

#pragma once

#include <memory>
#include <vector>

#include "lib/devnet/proof_judge.h"
#include "lib/devnet/tipsets.h"
#include "lib/devnet/wallet.h"

namespace damocles::devnet::internal {

struct BlockPlan {
  NodePtr parent;
  filecoin::ChainEpoch height{};
  std::uint64_t timestamp = 0;
  std::vector<filecoin::SignedMessage> messages;
  std::uint64_t branch = 0;
  filecoin::TokenAmount base_fee;
  std::vector<PricedGas> foreign;  // traffic of others
  VerifyMode mode = VerifyMode::kAlways;
};

// Draws randomness on the branch of one tipset, and has proofs verified.
class ChainHost final : public ActorHost {
 public:
  ChainHost(const ChainConfig& config, const Tipsets& tipsets, ProofJudge& judge, NodePtr tip,
            VerdictSource& verdicts)
      : config_(config),
        tipsets_(tipsets),
        judge_(judge),
        tip_(std::move(tip)),
        verdicts_(verdicts) {}
  Bytes32 DrawRandomness(RandomnessSource source, filecoin::DomainTag tag,
                         filecoin::ChainEpoch epoch, ByteSpan entropy) override;
  absl::StatusOr<bool> VerifyPost(const PostStatement& statement, ByteSpan proof) override;

 private:
  const ChainConfig& config_;
  const Tipsets& tipsets_;
  ProofJudge& judge_;
  NodePtr tip_;
  VerdictSource& verdicts_;
};

// Opaque: changes whenever the state may have.
filecoin::Cid NextRoot(const filecoin::Cid& before, const filecoin::Cid& what);

class BlockMaker {
 public:
  // What is handed in must outlive it.
  BlockMaker(const ChainConfig& config, const Genesis& genesis, const Wallet& wallet,
             const Tipsets& tipsets, ProofJudge& judge)
      : config_(config), genesis_(genesis), wallet_(wallet), tipsets_(tipsets), judge_(judge) {}

  // The block of height 0, after which the state is `world`.
  std::shared_ptr<Node> MakeGenesis(World world) const;
  std::shared_ptr<Node> Make(const BlockPlan& plan, VerdictSource& verdicts) const;

 private:
  filecoin::BlockHeader HeaderOf(const BlockPlan& plan, const filecoin::Cid& messages_root) const;
  void SetTipSet(const BlockPlan& plan, Node& node) const;
  void Execute(VerifyMode mode, Node& node, VerdictSource& verdicts) const;
  ExecutedPost PostOf(const filecoin::Message& message, const filecoin::Cid& cid,
                      filecoin::ActorId miner, filecoin::ChainEpoch epoch,
                      const Executed& executed) const;

  const ChainConfig& config_;
  const Genesis& genesis_;
  const Wallet& wallet_;
  const Tipsets& tipsets_;
  ProofJudge& judge_;
};

}  // namespace damocles::devnet::internal
