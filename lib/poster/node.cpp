// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/poster/node.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_format.h"

#include "damocles/filecoin/bitfield.h"
#include "damocles/filecoin/miner_params.h"
#include "damocles/filecoin/randomness.h"

namespace damocles::poster::internal {
namespace {

using filecoin::Address;
using filecoin::BitField;
using filecoin::ChainEpoch;
using filecoin::DomainTag;
using filecoin::EpochDelta;
using filecoin::TipSetKey;

constexpr std::uint64_t kSectorsMax = 1'000'000;  // of one deadline; far above what fits
// How far behind its sending a message is looked for on chain.
constexpr EpochDelta kSearchMargin{20};

bool SaysTheSame(const filecoin::Message& message, const action::Survey& wanted,
                 const Address& miner, const std::optional<Bytes32>& commit_randomness) {
  if (message.to != miner || message.method != filecoin::kMethodSubmitWindowedPoSt) return false;
  const auto params = filecoin::DecodeParams<filecoin::SubmitWindowedPoStParams>(message.params);
  if (!params.ok() || params->deadline != wanted.deadline_index ||
      params->chain_commit_epoch != wanted.challenge) {
    return false;
  }
  if (commit_randomness &&
      params->chain_commit_rand != Bytes(commit_randomness->begin(), commit_randomness->end())) {
    return false;
  }
  std::vector<std::uint64_t> partitions;
  for (const filecoin::PostPartition& partition : params->partitions) {
    partitions.push_back(partition.index);
  }
  std::sort(partitions.begin(), partitions.end());
  return partitions == wanted.partitions;
}

Receipt ReceiptOf(const chain::MsgLookup& lookup) {
  return {lookup.receipt.exit_code, lookup.height, lookup.receipt.gas_used};
}

}  // namespace

Node::Result<Bytes32> Node::ChallengeRandomness(filecoin::ActorId miner, ChainEpoch challenge,
                                                TipSetKey key) {
  co_return co_await api_.StateGetRandomnessFromBeacon(
      static_cast<std::int64_t>(DomainTag::kWindowedPoStChallengeSeed), challenge,
      filecoin::MinerEntropy(miner), std::move(key));
}

Node::Result<chain::MinerInfo> Node::InfoOf(filecoin::ActorId miner, TipSetKey key) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(
      chain::MinerInfo info, co_await api_.StateMinerInfo(Address::FromId(miner), std::move(key)));
  if (!filecoin::IsRegistered(info.window_post_proof_type)) {
    co_return absl::DataLossError(absl::StrFormat("miner f0%d has the unknown proof type %d", miner,
                                                  filecoin::ToNumber(info.window_post_proof_type)));
  }
  DAMOCLES_CO_ASSIGN_OR_RETURN(info.window_post_proof_type,
                               filecoin::ToV1_1(info.window_post_proof_type));
  co_return info;
}

Node::Result<std::vector<PlannedSector>> Node::SectorsOf(filecoin::ActorId miner, BitField numbers,
                                                         TipSetKey key) {
  std::vector<PlannedSector> out;
  if (numbers.Empty()) co_return out;
  const std::uint64_t wanted = numbers.Count();
  DAMOCLES_CO_ASSIGN_OR_RETURN(
      const std::vector<chain::SectorOnChainInfo> infos,
      co_await api_.StateMinerSectors(Address::FromId(miner), numbers, std::move(key)));
  for (const chain::SectorOnChainInfo& info : infos) {
    PlannedSector sector;
    sector.number = info.sector_number;
    DAMOCLES_CO_ASSIGN_OR_RETURN(sector.comm_r, info.sealed_cid.ToCommR());
    sector.upgraded = info.sector_key_cid.has_value();
    out.push_back(std::move(sector));
  }
  std::sort(out.begin(), out.end(),
            [](const PlannedSector& a, const PlannedSector& b) { return a.number < b.number; });
  // Less than asked for is an answer of a node that is behind, not of a bad sector.
  if (out.size() != wanted) {
    co_return absl::UnavailableError(
        absl::StrFormat("the node knows %d of %d sectors of f0%d", out.size(), wanted, miner));
  }
  co_return out;
}

Node::Result<event::InputsRead> Node::ReadInputs(filecoin::ActorId miner,
                                                 filecoin::DeadlineInfo deadline,
                                                 action::ReadInputs question,
                                                 filecoin::TipSet head) {
  const Address address = Address::FromId(miner);
  filecoin::TipSet at = head;
  if (head.Height() > question.not_after) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(
        at, co_await api_.ChainGetTipSetByHeight(question.not_after, head.Key()));
  }
  event::InputsRead out;
  DAMOCLES_CO_ASSIGN_OR_RETURN(out.randomness,
                               co_await ChallengeRandomness(miner, question.challenge, head.Key()));
  DAMOCLES_CO_ASSIGN_OR_RETURN(const chain::MinerInfo info, co_await InfoOf(miner, at.Key()));
  out.proof_type = info.window_post_proof_type;
  out.partition_sectors = info.window_post_partition_sectors;
  DAMOCLES_CO_ASSIGN_OR_RETURN(
      const std::vector<chain::Partition> partitions,
      co_await api_.StateMinerPartitions(address, question.deadline_index, at.Key()));
  BitField posted;
  if (at.Height() >= deadline.open) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(const std::vector<chain::DeadlineState> deadlines,
                                 co_await api_.StateMinerDeadlines(address, at.Key()));
    if (question.deadline_index < deadlines.size()) {
      posted = deadlines[question.deadline_index].post_submissions;
    }
  }
  std::vector<BitField> wanted;
  wanted.reserve(partitions.size());
  for (const chain::Partition& partition : partitions) {
    wanted.push_back(Union(Difference(partition.live_sectors, partition.faulty_sectors),
                           partition.recovering_sectors));
  }
  DAMOCLES_CO_ASSIGN_OR_RETURN(const std::vector<PlannedSector> sectors,
                               co_await SectorsOf(miner, filecoin::Union(wanted), at.Key()));
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    PartitionInput input;
    input.index = i;
    input.recovering = !partitions[i].recovering_sectors.Empty();
    input.posted = posted.Contains(i);
    for (const PlannedSector& sector : sectors) {
      if (wanted[i].Contains(sector.number)) input.sectors.push_back(sector);
    }
    out.partitions.push_back(std::move(input));
  }
  co_return out;
}

Node::Result<SenderChoice> Node::ChooseSender(filecoin::ActorId miner, std::vector<Address> allowed,
                                              TipSetKey key) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const chain::MinerInfo info,
                               co_await api_.StateMinerInfo(Address::FromId(miner), key));
  std::vector<Address> candidates = info.control_addresses;
  candidates.push_back(info.worker);
  candidates.push_back(info.owner);
  SenderChoice choice;
  filecoin::TokenAmount best;
  absl::Status last_error;
  std::vector<Address> allowed_ids;
  for (const Address& address : allowed) {
    absl::StatusOr<Address> id = address;
    if (!address.IsId()) {
      id = co_await api_.StateLookupId(address, key);
    }
    if (id.ok()) {
      allowed_ids.push_back(*id);
    } else {
      last_error = id.status();
    }
  }
  for (const Address& candidate : candidates) {
    const bool may = allowed.empty() || std::find(allowed_ids.begin(), allowed_ids.end(),
                                                  candidate) != allowed_ids.end();
    if (!may) continue;
    // Trouble with one candidate is no reason not to ask for the next.
    absl::StatusOr<Address> account = co_await api_.StateAccountKey(candidate, key);
    if (!account.ok()) {
      last_error = account.status();
      continue;
    }
    absl::StatusOr<bool> has = co_await api_.WalletHas(*account);
    if (!has.ok()) {
      last_error = has.status();
      continue;
    }
    if (!*has) continue;
    absl::StatusOr<filecoin::TokenAmount> balance = co_await api_.WalletBalance(*account);
    if (!balance.ok()) {
      last_error = balance.status();
      continue;
    }
    if (!choice.address || *balance > best) {
      choice.address = *account;
      best = *balance;
    }
  }
  if (!choice.address) {
    if (!last_error.ok()) co_return Annotate(last_error, "choosing the sender");
    choice.trouble =
        absl::StrFormat("the node's wallet has no key of the %s addresses of f0%d",
                        allowed.empty() ? "owner, worker or control" : "configured sender", miner);
  }
  co_return choice;
}

Node::Result<event::Surveyed> Node::Survey(filecoin::ActorId miner, ChainEpoch open,
                                           action::Survey question, MinerPolicy policy,
                                           filecoin::TipSet head) {
  const Address address = Address::FromId(miner);
  event::Surveyed out;
  out.ref = question.ref;
  out.head = head.Height();
  if (question.want_randomness) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(
        out.randomness, co_await ChallengeRandomness(miner, question.challenge, head.Key()));
    DAMOCLES_CO_ASSIGN_OR_RETURN(out.commit_randomness,
                                 co_await api_.StateGetRandomnessFromTickets(
                                     static_cast<std::int64_t>(DomainTag::kPoStChainCommit),
                                     question.challenge, Bytes(), head.Key()));
  }
  if (head.Height() >= open) {
    // The window's end wipes the list: after it, the last tipset of the window is asked.
    TipSetKey at = head.Key();
    if (head.Height() >= question.close) {
      DAMOCLES_CO_ASSIGN_OR_RETURN(
          const filecoin::TipSet last,
          co_await api_.ChainGetTipSetByHeight(question.close - EpochDelta(1), head.Key()));
      at = last.Key();
    }
    DAMOCLES_CO_ASSIGN_OR_RETURN(const std::vector<chain::DeadlineState> deadlines,
                                 co_await api_.StateMinerDeadlines(address, at));
    if (question.deadline_index < deadlines.size()) {
      const BitField& posted = deadlines[question.deadline_index].post_submissions;
      for (const std::uint64_t partition : question.partitions) {
        if (posted.Contains(partition)) out.posted.insert(partition);
      }
    }
  }
  if (question.cid) {
    // An unlimited search that finds nothing would walk the whole chain.
    const EpochDelta limit = head.Height() - question.challenge + kSearchMargin;
    DAMOCLES_CO_ASSIGN_OR_RETURN(
        const std::optional<chain::MsgLookup> lookup,
        co_await api_.StateSearchMsg(head.Key(), *question.cid, limit.Count(), true));
    if (lookup) {
      out.message = MessageWhereabouts::kOnChain;
      out.cid = lookup->message;
      out.receipt = ReceiptOf(*lookup);
    }
  }
  if (question.want_pending && out.message == MessageWhereabouts::kNotFound) {
    const absl::StatusOr<std::vector<filecoin::SignedMessage>> read =
        co_await api_.MpoolPending(head.Key());
    // A node that never shows its mempool must not keep us from posting: the uuid guards as well.
    const bool hidden = absl::IsUnimplemented(read.status()) ||
                        absl::IsPermissionDenied(read.status()) ||
                        absl::IsUnauthenticated(read.status());
    if (!read.ok() && !hidden) co_return read.status();
    out.pending_was_read = read.ok();
    const std::vector<filecoin::SignedMessage> pending =
        read.ok() ? *read : std::vector<filecoin::SignedMessage>();
    const absl::StatusOr<filecoin::SignedMessage> ours =
        filecoin::cbor::Decode<filecoin::SignedMessage>(question.signed_message);
    for (const filecoin::SignedMessage& message : pending) {
      const bool same = SaysTheSame(message.message, question, address, out.commit_randomness);
      const bool replacement = ours.ok() && same && message.message.from == ours->message.from &&
                               message.message.nonce == ours->message.nonce;
      const bool found = question.cid ? CidOf(message) == *question.cid ||
                                            CidOf(message.message) == *question.cid || replacement
                                      : same;
      if (!found) continue;
      out.message = MessageWhereabouts::kPending;
      out.cid = CidOf(message);
      out.signed_message = filecoin::cbor::Encode(message);
      out.signed_gas_limit = message.message.gas_limit;
      break;
    }
  }
  if (question.want_sender) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(SenderChoice choice,
                                 co_await ChooseSender(miner, policy.senders, head.Key()));
    out.sender = std::move(choice.address);
    out.sender_trouble = std::move(choice.trouble);
  }
  co_return out;
}

Node::Result<event::Explained> Node::Explain(action::Explain question) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const chain::InvocResult result,
                               co_await api_.StateReplay(TipSetKey(), question.cid));
  co_return event::Explained{question.ref, result.error};
}

Node::Result<recovery::FaultsRead> Node::ReadFaults(filecoin::ActorId miner,
                                                    std::uint64_t deadline_index,
                                                    filecoin::TipSet head) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(
      const std::vector<chain::Partition> partitions,
      co_await api_.StateMinerPartitions(Address::FromId(miner), deadline_index, head.Key()));
  recovery::FaultsRead out;
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    BitField faulty = Difference(partitions[i].faulty_sectors, partitions[i].recovering_sectors);
    if (faulty.Empty()) continue;
    FaultyPartition partition;
    partition.index = i;
    DAMOCLES_CO_ASSIGN_OR_RETURN(partition.sectors,
                                 co_await SectorsOf(miner, std::move(faulty), head.Key()));
    out.partitions.push_back(std::move(partition));
  }
  if (!out.partitions.empty()) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(const chain::MinerInfo info, co_await InfoOf(miner, head.Key()));
    out.proof_type = info.window_post_proof_type;
  }
  co_return out;
}

Node::Result<recovery::Looked> Node::LookForRecovery(filecoin::ActorId miner,
                                                     recovery::Look question, MinerPolicy policy,
                                                     filecoin::TipSet head) {
  recovery::Looked out;
  out.message = question.message;
  out.attempt = question.attempt;
  DAMOCLES_CO_ASSIGN_OR_RETURN(const std::vector<chain::Partition> partitions,
                               co_await api_.StateMinerPartitions(
                                   Address::FromId(miner), question.deadline_index, head.Key()));
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    const BitField faulty =
        Difference(partitions[i].faulty_sectors, partitions[i].recovering_sectors);
    if (faulty.Empty()) continue;
    RecoveredPartition undeclared;
    undeclared.index = i;
    DAMOCLES_CO_ASSIGN_OR_RETURN(undeclared.sectors, faulty.ToVector(kSectorsMax));
    out.undeclared.push_back(std::move(undeclared));
  }
  if (question.cid) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(
        const std::optional<chain::MsgLookup> lookup,
        co_await api_.StateSearchMsg(head.Key(), *question.cid, 500, true));
    if (lookup) {
      out.whereabouts = MessageWhereabouts::kOnChain;
      out.receipt = ReceiptOf(*lookup);
      co_return out;
    }
  }
  if (!question.params.empty()) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(const std::vector<filecoin::SignedMessage> pending,
                                 co_await api_.MpoolPending(head.Key()));
    for (const filecoin::SignedMessage& message : pending) {
      if (message.message.to == Address::FromId(miner) &&
          message.message.method == filecoin::kMethodDeclareFaultsRecovered &&
          message.message.params == question.params) {
        out.whereabouts = MessageWhereabouts::kPending;
        out.cid = CidOf(message);
        co_return out;
      }
    }
  }
  DAMOCLES_CO_ASSIGN_OR_RETURN(SenderChoice choice,
                               co_await ChooseSender(miner, policy.senders, head.Key()));
  out.sender = std::move(choice.address);
  out.sender_trouble = std::move(choice.trouble);
  co_return out;
}

}  // namespace damocles::poster::internal
