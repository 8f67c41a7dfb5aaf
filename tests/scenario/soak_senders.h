// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Others on the chain of a soak: they fill blocks, use the nonces of the miners' addresses, block
// them and take their money.  Never more of it than that one address of each miner can send.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "tests/scenario/soak_draw.h"

#include "damocles/filecoin/address.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/message.h"
#include "damocles/simulation/world.h"

namespace damocles::simulation {

class SoakSenders {
 public:
  // `may` is asked before a message is taken away.
  SoakSenders(std::uint64_t seed, World& world, const Cluster& cluster,
              std::function<void(const std::string&)> happened, std::function<bool()> may);

  // At each block.  Something new happens only in lives with others, and not in peace.
  void AfterBlock(filecoin::ChainEpoch head, bool peace);

 private:
  struct Trouble {
    filecoin::ChainEpoch until;
    std::function<void()> end;
  };
  void Fees();
  void Begin(filecoin::ActorId miner);
  void LeaveGap(const filecoin::Address& sender);
  void Block(const filecoin::Address& sender);
  bool Drain(filecoin::ActorId miner, const filecoin::Address& sender);
  void HideKey(filecoin::ActorId miner, const filecoin::Address& sender);
  // Proofs that wait and whose sender has no key, or no money for a higher fee: another one sends
  // them too, and one of the two fails.
  void NoteStranded();
  void OnPushed(const filecoin::SignedMessage& pushed);
  void NoteTakenOver(const filecoin::Message& message);
  // To itself, so that no miner's money moves.
  absl::Status PushSigned(filecoin::Message message);
  std::vector<filecoin::Address> SendersOf(filecoin::ActorId miner) const;
  filecoin::EpochDelta Epochs(std::int64_t low, std::int64_t high);

  Dice dice_;
  World& world_;
  const Cluster& cluster_;
  const std::function<void(const std::string&)> happened_;
  const std::function<bool()> may_;
  const std::int64_t window_;
  filecoin::ChainEpoch head_{};
  filecoin::ChainEpoch next_script_{};
  std::map<filecoin::ActorId, Trouble> troubles_;
  std::set<filecoin::Address> hidden_;  // their keys are not in the wallet
  std::set<filecoin::Address> poor_;    // their money is with another one
  // Miner, deadline and challenge.
  using Window = std::tuple<filecoin::ActorId, std::uint64_t, filecoin::ChainEpoch>;
  std::set<Window> stranded_;
  // By window and partition: who has sent for it.
  std::map<std::pair<Window, std::uint64_t>, std::set<filecoin::Address>> senders_of_;
};

}  // namespace damocles::simulation
