// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A quick chain with a verifier that answers as it is told.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/status_matchers.h"

#include "damocles/devnet/chain.h"
#include "damocles/devnet/presets.h"
#include "damocles/filecoin/miner_params.h"

namespace damocles::devnet::testing_support {

inline constexpr filecoin::ActorId kMiner = 1000;
inline const filecoin::Address kMinerAddress = filecoin::Address::FromId(kMiner);

struct Verifier {
  absl::StatusOr<bool> answer = true;
  std::vector<PostStatement> asked;

  ChainOptions Options(VerifyMode mode = VerifyMode::kAlways) {
    return {.verify = [this](const PostStatement& statement, ByteSpan) -> absl::StatusOr<bool> {
              asked.push_back(statement);
              return answer;
            },
            .mode = mode};
  }
};

inline GenesisSector SectorAt(filecoin::SectorNumber number, std::uint64_t deadline,
                              std::uint64_t partition) {
  GenesisSector sector{
      .number = number, .comm_r = {}, .deadline = deadline, .partition = partition};
  sector.comm_r[0] = static_cast<std::uint8_t>(number);
  return sector;
}

// Deadline 0 has partitions {1, 2} and {3}, deadline 3 has {4, 5}, deadline 7 has {6}.
inline Genesis SmallGenesis() {
  GenesisMiner miner;
  miner.id = kMiner;
  miner.sectors = {SectorAt(1, 0, 0), SectorAt(2, 0, 0), SectorAt(3, 0, 1),
                   SectorAt(4, 3, 0), SectorAt(5, 3, 0), SectorAt(6, 7, 0)};
  return {.miners = {miner}};
}

inline void AdvanceTo(Chain& chain, filecoin::ChainEpoch height) {
  while (chain.ChainHead().Height() < height) ASSERT_OK(chain.Advance());
}

inline filecoin::ChainEpoch FirstOpen(const Chain& chain) {
  return filecoin::ChainEpoch(0) + chain.Config().first_open;
}

// The proof of these partitions for the deadline that opened last before the next epoch.
inline filecoin::Message PostMessage(
    const Chain& chain, std::uint64_t deadline,
    std::vector<std::pair<std::uint64_t, filecoin::BitField>> partitions) {
  const absl::StatusOr<MinerState> miner = chain.MinerAfterHead(kMiner);
  const filecoin::DeadlineInfo info =
      filecoin::DeadlineAt(chain.Config().policy.period, miner->proving_period_start,
                           chain.ChainHead().Height() + filecoin::EpochDelta(1));
  filecoin::SubmitWindowedPoStParams params;
  params.deadline = deadline;
  for (auto& [index, skipped] : partitions) params.partitions.push_back({index, skipped});
  params.proofs = {
      {filecoin::PoStProofType::kWindow2KiBV1_1, Bytes(192 * params.partitions.size(), 0x5a)}};
  params.chain_commit_epoch = info.challenge;
  const absl::StatusOr<Bytes32> random = chain.StateGetRandomnessFromTickets(
      static_cast<std::int64_t>(filecoin::DomainTag::kPoStChainCommit), info.challenge, {}, {});
  if (random.ok()) params.chain_commit_rand.assign(random->begin(), random->end());
  filecoin::Message message;
  message.to = kMinerAddress;
  message.from = filecoin::Address::FromId(miner->worker);
  message.method = filecoin::kMethodSubmitWindowedPoSt;
  message.params = filecoin::cbor::Encode(params);
  return message;
}

// What became of a message, as the head shows it.
inline std::optional<chain::MsgLookup> Find(const Chain& chain, const filecoin::Cid& message) {
  const auto found = chain.StateSearchMsg({}, message, -1, true);
  return found.ok() ? *found : std::nullopt;
}

inline chain::MessageSendSpec WithUuid(std::uint8_t mark) {
  chain::MessageSendSpec spec;
  spec.msg_uuid[0] = mark;
  return spec;
}

}  // namespace damocles::devnet::testing_support
