// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Looking for messages: on the chain, in the pool; and whose they are.

#include <algorithm>
#include <map>

#include "absl/strings/str_format.h"
#include "lib/poster/node.h"

#include "damocles/delivery/message_errors.h"
#include "damocles/filecoin/bitfield.h"
#include "damocles/filecoin/miner_params.h"
#include "damocles/filecoin/randomness.h"

namespace damocles::poster::internal {
namespace {

using delivery::ClassifySearchError;
using delivery::SearchTrouble;
using filecoin::Address;
using filecoin::BitField;
using filecoin::ChainEpoch;
using filecoin::DomainTag;
using filecoin::EpochDelta;
using filecoin::TipSetKey;

constexpr std::uint64_t kSectorsMax = 1'000'000;  // of one deadline; far above what fits
// How far behind its sending a message is looked for on chain.
constexpr EpochDelta kSearchMargin{20};
// A declaration is looked for so many epochs back: far more than the deadlines that it is early by.
constexpr std::int64_t kRecoverySearch = 500;

// Asked about in one look, and remembered: a stranger can name as many as he likes.
constexpr std::size_t kRecipientsAsked = 16;
constexpr std::size_t kRecipientsKept = 1024;

// Whether it would post a partition of the batch, whoever sent it.
bool IsAboutBatch(const filecoin::Message& message, const action::Survey& wanted) {
  const auto params = filecoin::DecodeParams<filecoin::SubmitWindowedPoStParams>(message.params);
  if (!params.ok() || params->deadline != wanted.deadline_index ||
      params->chain_commit_epoch != wanted.challenge) {
    return false;
  }
  for (const filecoin::PostPartition& partition : params->partitions) {
    if (std::binary_search(wanted.partitions.begin(), wanted.partitions.end(),
                           filecoin::ChainPartition(partition.index))) {
      return true;
    }
  }
  return false;
}

// The batch's call; empty parameters if it has none yet.
OwnCall CallOf(const action::Survey& question, const std::optional<Bytes32>& commit_randomness) {
  OwnCall call{filecoin::kMethodSubmitWindowedPoSt, question.params};
  if (!question.params_want_basis || question.params.empty()) return call;
  call.params.clear();
  if (!commit_randomness) return call;
  auto params = filecoin::DecodeParams<filecoin::SubmitWindowedPoStParams>(question.params);
  if (!params.ok()) return call;
  params->chain_commit_rand.assign(commit_randomness->begin(), commit_randomness->end());
  call.params = filecoin::cbor::Encode(*params);
  return call;
}

// A node that never shows its mempool must not keep us from posting: the uuid guards as well.
bool HidesItsPool(const absl::Status& status) {
  return absl::IsUnimplemented(status) || absl::IsPermissionDenied(status) ||
         absl::IsUnauthenticated(status);
}

bool IsThat(const filecoin::SignedMessage& message, const filecoin::Cid& cid) {
  return CidOf(message) == cid || CidOf(message.message) == cid;
}

Receipt ReceiptOf(const chain::MsgLookup& lookup) {
  return {lookup.receipt.exit_code, lookup.height, lookup.receipt.gas_used};
}

bool WasGivenUp(const filecoin::Message& message, const delivery::action::Look& question) {
  return std::find(question.given_up.begin(), question.given_up.end(), message.from) !=
         question.given_up.end();
}

// Our message among the pending ones: the very one, or what replaced it, or one that says exactly
// the same.
void FindPending(const std::vector<filecoin::SignedMessage>& pending,
                 const MinerAddresses& addresses, const OwnCall& call,
                 const delivery::action::Look& question, delivery::event::Looked& out) {
  const filecoin::SignedMessage* found = nullptr;
  for (const filecoin::SignedMessage& signed_message : pending) {
    if (question.cid && IsThat(signed_message, *question.cid)) {
      found = &signed_message;
      break;
    }
    if (found == nullptr && !WasGivenUp(signed_message.message, question) &&
        IsOurs(signed_message.message, addresses, call)) {
      found = &signed_message;
    }
  }
  if (found == nullptr) return;
  out.message = MessageWhereabouts::kPending;
  out.cid = CidOf(*found);
  out.signed_message = filecoin::cbor::Encode(*found);
  out.signed_gas_limit = found->message.gas_limit;
}

// Other messages about the partitions of a batch.
std::vector<ForeignPost> FindForeign(const std::vector<filecoin::SignedMessage>& pending,
                                     const MinerAddresses& addresses, const OwnCall& call,
                                     const action::Survey& question) {
  std::vector<ForeignPost> out;
  for (const filecoin::SignedMessage& signed_message : pending) {
    const filecoin::Message& message = signed_message.message;
    if (out.size() >= kForeignPostsMax) break;
    if ((question.cid && IsThat(signed_message, *question.cid)) || message.method != call.method ||
        !addresses.IsRecipientOf(message) || WasGivenUp(message, question) ||
        IsOurs(message, addresses, call) || !IsAboutBatch(message, question)) {
      continue;
    }
    const std::optional<SenderRole> role = addresses.RoleOf(message.from);
    out.push_back({CidOf(signed_message), message.from, message.nonce,
                   role ? std::string(Name(*role)) : std::string()});
  }
  return out;
}

}  // namespace

Node::Result<Address> Node::KeyOf(Address id, TipSetKey key) {
  if (const auto found = keys_.find(id); found != keys_.end()) co_return found->second;
  DAMOCLES_CO_ASSIGN_OR_RETURN(
      Address account,
      co_await ReadAside(&chain::ChainReader::StateAccountKey, id, std::move(key)));
  if (id.IsId() && !account.IsUndefined()) keys_[id] = account;
  co_return account;
}

async::Task<MinerAddresses> Node::AddressesOf(filecoin::ActorId miner, chain::MinerInfo info,
                                              TipSetKey key) {
  MinerAddresses out;
  out.miner = miner;
  for (const Address& control : info.control_addresses) out.owned[control] = SenderRole::kControl;
  out.owned[info.owner] = SenderRole::kOwner;
  out.owned[info.worker] = SenderRole::kWorker;
  const std::map<Address, SenderRole> named = out.owned;
  for (const auto& [address, role] : named) {
    // One that cannot be resolved is known by its ID alone.
    const absl::StatusOr<Address> account = co_await KeyOf(address, key);
    if (account.ok()) {
      out.owned[*account] = role;
    } else if (NotAnswered(account.status())) {
      out.doubt = Annotate(account.status(), "reading the key of " + address.ToString());
    }
  }
  for (const auto& [address, id] : recipients_) {
    if (!id.IsUndefined() && id.Id() == miner) out.robust.insert(address);
  }
  co_return out;
}

async::Task<void> Node::LearnRecipients(MinerAddresses& addresses, filecoin::MethodNumber method,
                                        const std::vector<filecoin::SignedMessage>& pending,
                                        TipSetKey key) {
  std::vector<Address> unknown;
  for (const bool ours : {true, false}) {  // ours first: strangers must not use up the questions
    for (const filecoin::SignedMessage& signed_message : pending) {
      const filecoin::Message& message = signed_message.message;
      if (message.method != method || message.to.IsUndefined() || message.to.IsId() ||
          addresses.RoleOf(message.from).has_value() != ours || recipients_.contains(message.to) ||
          std::find(unknown.begin(), unknown.end(), message.to) != unknown.end()) {
        continue;
      }
      if (unknown.size() < kRecipientsAsked) unknown.push_back(message.to);
    }
  }
  for (const Address& address : unknown) {
    const absl::StatusOr<Address> id =
        co_await ReadAside(&chain::ChainReader::StateLookupId, address, key);
    if (absl::IsDeadlineExceeded(id.status())) co_return;      // the others are as slow
    if (!id.ok() && !absl::IsNotFound(id.status())) continue;  // asked again at the next look
    if (recipients_.size() >= kRecipientsKept) recipients_.clear();
    recipients_[address] = id.ok() ? *id : Address();
    if (id.ok() && id->Id() == addresses.miner) addresses.robust.insert(address);
  }
}

async::Task<Searched> Node::Search(filecoin::Cid cid, OwnCall call, Bytes signed_message,
                                   filecoin::ActorId miner, std::int64_t limit, TipSetKey key) {
  Searched out;
  const absl::StatusOr<std::optional<chain::MsgLookup>> lookup =
      co_await Read(&chain::ChainReader::StateSearchMsg, key, cid, limit, true);
  if (!lookup.ok()) {
    switch (ClassifySearchError(lookup.status())) {
      case SearchTrouble::kNonceTaken:
        out.where = MessageWhereabouts::kDead;
        out.dead = std::string(lookup.status().message());
        break;
      case SearchTrouble::kNeverHeard:
        break;
      case SearchTrouble::kRetry:
      case SearchTrouble::kCannotSearch:
        out.trouble = lookup.status();
        break;
    }
    co_return out;
  }
  if (!lookup->has_value()) co_return out;
  const chain::MsgLookup& found = **lookup;
  if (found.message != cid) {
    // The node says that this one replaced it.  It counts only if it says the same.
    const auto ours = filecoin::cbor::Decode<filecoin::SignedMessage>(signed_message);
    if (!ours.ok() || !IsThat(*ours, found.message)) {
      const absl::StatusOr<filecoin::Message> other =
          co_await Read(&chain::ChainReader::ChainGetMessage, found.message);
      if (!other.ok()) {
        out.trouble = Annotate(other.status(), "reading the message that replaced ours");
        co_return out;
      }
      bool same = ours.ok() && IsReplacement(*other, ours->message);
      if (!ours.ok()) {
        const absl::StatusOr<chain::MinerInfo> info =
            co_await Read(&chain::ChainReader::StateMinerInfo, Address::FromId(miner), key);
        MinerAddresses addresses;
        addresses.doubt = info.status();
        if (info.ok()) {
          addresses = co_await AddressesOf(miner, *info, key);
        }
        same = IsOurs(*other, addresses, call);
        if (!same && !addresses.doubt.ok()) {
          out.trouble = Annotate(addresses.doubt, "finding out whose the message is");
          co_return out;
        }
      }
      if (!same) {
        out.where = MessageWhereabouts::kDead;
        out.dead = absl::StrFormat("%s from %s with nonce %d was executed in its place",
                                   found.message.ToString(), other->from.ToString(), other->nonce);
        co_return out;
      }
    }
  }
  out.where = MessageWhereabouts::kOnChain;
  out.cid = found.message;
  out.receipt = ReceiptOf(found);
  co_return out;
}

async::Task<std::optional<bool>> Node::NonceUsed(Bytes signed_message, TipSetKey key) {
  const auto ours = filecoin::cbor::Decode<filecoin::SignedMessage>(signed_message);
  if (!ours.ok()) co_return std::nullopt;
  const absl::StatusOr<chain::Actor> actor =
      co_await ReadAside(&chain::ChainReader::StateGetActor, ours->message.from, std::move(key));
  if (!actor.ok()) co_return std::nullopt;
  co_return actor->nonce > ours->message.nonce;
}

// A node answers with the state before the messages of the tipset that it is asked about.  The
// window's end wipes the list, as a part of the tipset at the last epoch: so what that tipset
// executed is in no list, and shows only in that its sectors are not faulty.  If the last epochs
// had no block, the end comes with the first tipset behind them, and before that the list is there.
Node::Result<BitField> Node::PostedIn(filecoin::ActorId miner, std::uint64_t deadline_index,
                                      ChainEpoch open, ChainEpoch close, BitField wanted,
                                      filecoin::TipSet head) {
  const Address address = Address::FromId(miner);
  const ChainEpoch last = close - EpochDelta(1);
  filecoin::TipSet at = head;
  filecoin::TipSet behind;
  if (head.Height() >= close) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(
        at, co_await Read(&chain::ChainReader::ChainGetTipSetByHeight, last, head.Key()));
    DAMOCLES_CO_ASSIGN_OR_RETURN(
        behind, co_await Read(&chain::ChainReader::ChainGetTipSetAfterHeight, close, head.Key()));
  }
  // Without a block in the window the list is of an earlier period.
  if (at.Height() < open) co_return BitField();
  const bool list_is_left = !behind.Empty() && at.Height() < last;
  DAMOCLES_CO_ASSIGN_OR_RETURN(const std::vector<chain::DeadlineState> deadlines,
                               co_await Read(&chain::ChainReader::StateMinerDeadlines, address,
                                             list_is_left ? behind.Key() : at.Key()));
  BitField posted;
  if (deadline_index < deadlines.size()) posted = deadlines[deadline_index].post_submissions;
  if (behind.Empty() || list_is_left) co_return posted;
  DAMOCLES_CO_ASSIGN_OR_RETURN(const std::vector<chain::Partition> partitions,
                               co_await Read(&chain::ChainReader::StateMinerPartitions, address,
                                             deadline_index, behind.Key()));
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    const BitField good = Difference(partitions[i].live_sectors, partitions[i].faulty_sectors);
    if (good.Intersects(wanted)) posted.Set(i);
  }
  co_return posted;
}

async::Task<void> Node::SearchFor(filecoin::ActorId miner, delivery::action::Look question,
                                  OwnCall call, std::int64_t limit, TipSetKey key,
                                  delivery::event::Looked& out) {
  if (!question.cid) co_return;
  Searched found = co_await Search(*question.cid, std::move(call), question.signed_message, miner,
                                   limit, std::move(key));
  out.message = found.where;
  out.cid = std::move(found.cid);
  out.receipt = found.receipt;
  out.dead = std::move(found.dead);
  out.search_trouble = std::move(found.trouble);
}

async::Task<absl::Status> Node::LookIntoPool(filecoin::ActorId miner,
                                             delivery::action::Look question, OwnCall call,
                                             absl::StatusOr<chain::MinerInfo> info,
                                             filecoin::TipSet head, Pool& pool,
                                             delivery::event::Looked& out) {
  absl::StatusOr<std::vector<filecoin::SignedMessage>> pending =
      co_await Read(&chain::MessagePool::MpoolPending, head.Key());
  if (!pending.ok() && HidesItsPool(pending.status())) co_return absl::OkStatus();
  if (!pending.ok()) co_return pending.status();
  pool.pending = *std::move(pending);
  // The very message is known by its CID, whoever the miner's addresses are.
  MinerAddresses& addresses = pool.addresses;
  addresses.miner = miner;
  addresses.doubt = info.status();
  if (info.ok()) {
    addresses = co_await AddressesOf(miner, *info, head.Key());
    co_await LearnRecipients(addresses, call.method, pool.pending, head.Key());
  }
  FindPending(pool.pending, addresses, call, question, out);
  if (out.message == MessageWhereabouts::kPending) {
    out.pending_was_read = true;
    if (question.cid) {
      out.repair = co_await BlockBefore(addresses, out.signed_message, pool.pending, head);
    }
    co_return absl::OkStatus();
  }
  out.pending_was_read = addresses.doubt.ok();
  co_return addresses.doubt;
}

async::Task<void> Node::LookFurther(filecoin::ActorId miner, delivery::action::Look question,
                                    OwnCall call, std::vector<Address> senders, bool all_done,
                                    filecoin::TipSet head, absl::Time now, Pool& pool,
                                    delivery::event::Looked& out) {
  if (out.message != MessageWhereabouts::kNotFound) co_return;
  absl::StatusOr<chain::MinerInfo> info = absl::UnavailableError("not asked for");
  if (question.want_pending || question.want_sender) {
    info = co_await Read(&chain::ChainReader::StateMinerInfo, Address::FromId(miner), head.Key());
  }
  if (question.want_pending) {
    const absl::Status looked =
        co_await LookIntoPool(miner, question, std::move(call), info, head, pool, out);
    out.pool_trouble = Annotate(looked, "looking for the message in the pool");
  }
  // Of a message that waits and cannot be raised: can somebody else send?
  const bool waits = out.message == MessageWhereabouts::kPending && question.cid;
  if (out.message != MessageWhereabouts::kNotFound && !(waits && question.want_sender)) co_return;
  if (question.cid && !waits) {
    out.nonce_used = co_await NonceUsed(question.signed_message, head.Key());
  }
  // Who sends is asked only if anything can be sent now.
  if (!question.want_sender || all_done || !out.basis_trouble.ok() || !out.done_trouble.ok() ||
      !out.pool_trouble.ok()) {
    co_return;
  }
  out.sender_unknown = info.status();
  if (!info.ok()) co_return;
  absl::StatusOr<SenderChoice> choice =
      co_await ChooseSender(miner, *std::move(info), std::move(senders), pool.pending, head, now);
  out.sender_unknown = choice.status();
  if (!choice.ok()) co_return;
  out.sender = std::move(choice->address);
  out.sender_role = std::move(choice->role);
  out.sender_trouble = std::move(choice->trouble);
  out.warnings = std::move(choice->warnings);
  // With a message in the pool only what is in front of that one.
  if (!choice->repairs.empty() && !question.cid) out.repair = std::move(choice->repairs.front());
}

Node::Result<event::Surveyed> Node::Survey(filecoin::ActorId miner, ChainEpoch open,
                                           action::Survey question, MinerPolicy policy,
                                           filecoin::TipSet head, absl::Time now) {
  event::Surveyed out;
  out.ref = question.ref;
  out.head = head.Height();
  out.base_fee = head.Blocks().front().parent_base_fee;
  if (question.want_basis) {
    const absl::StatusOr<Bytes32> randomness =
        co_await ChallengeRandomness(miner, question.challenge, head.Key());
    const absl::StatusOr<Bytes32> commit =
        co_await Read(&chain::ChainReader::StateGetRandomnessFromTickets,
                      static_cast<std::int64_t>(DomainTag::kPoStChainCommit), question.challenge,
                      Bytes(), head.Key());
    if (randomness.ok()) out.randomness = *randomness;
    if (commit.ok()) out.commit_randomness = *commit;
    out.basis_trouble =
        Annotate(randomness.ok() ? commit.status() : randomness.status(), "reading the randomness");
  }
  // An unlimited search that finds nothing would walk the whole chain.
  const EpochDelta limit = head.Height() - question.challenge + kSearchMargin;
  const OwnCall call = CallOf(question, out.commit_randomness);
  co_await SearchFor(miner, question, call, limit.Count(), head.Key(), out);
  if (head.Height() >= open && out.message != MessageWhereabouts::kOnChain) {
    const absl::StatusOr<BitField> posted = co_await PostedIn(
        miner, question.deadline_index, open, question.close, question.wanted, head);
    for (const filecoin::ChainPartition partition : question.partitions) {
      if (posted.ok() && posted->Contains(partition.Index())) out.posted.insert(partition);
    }
    out.done_trouble = Annotate(posted.status(), "reading what is posted");
  }
  Pool pool;
  const bool all_posted = out.posted.size() == question.partitions.size();
  co_await LookFurther(miner, question, call, policy.senders, all_posted, head, now, pool, out);
  // Nobody is called a stranger whose address, or whose words, could not be compared.
  if (pool.addresses.doubt.ok() && out.basis_trouble.ok()) {
    out.foreign = FindForeign(pool.pending, pool.addresses, call, question);
  }
  co_return out;
}

Node::Result<recovery::Looked> Node::LookForRecovery(filecoin::ActorId miner,
                                                     recovery::Look question, MinerPolicy policy,
                                                     filecoin::TipSet head, absl::Time now) {
  recovery::Looked out;
  out.ref = question.ref;
  out.head = head.Height();
  out.base_fee = head.Blocks().front().parent_base_fee;
  absl::StatusOr<std::vector<RecoveredPartition>> undeclared =
      co_await Undeclared(miner, question.deadline_index, head.Key());
  out.done_trouble = Annotate(undeclared.status(), "reading what is still to be declared");
  if (undeclared.ok()) out.undeclared = *std::move(undeclared);
  const OwnCall call{filecoin::kMethodDeclareFaultsRecovered, question.params};
  co_await SearchFor(miner, question, call, kRecoverySearch, head.Key(), out);
  Pool pool;
  co_await LookFurther(miner, question, call, policy.senders, false, head, now, pool, out);
  co_return out;
}

Node::Result<std::vector<RecoveredPartition>> Node::Undeclared(filecoin::ActorId miner,
                                                               std::uint64_t deadline_index,
                                                               TipSetKey key) {
  std::vector<RecoveredPartition> out;
  DAMOCLES_CO_ASSIGN_OR_RETURN(const std::vector<chain::Partition> partitions,
                               co_await Read(&chain::ChainReader::StateMinerPartitions,
                                             Address::FromId(miner), deadline_index, key));
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    const BitField faulty =
        Difference(partitions[i].faulty_sectors, partitions[i].recovering_sectors);
    if (faulty.Empty()) continue;
    RecoveredPartition undeclared;
    undeclared.index = filecoin::ChainPartition(i);
    DAMOCLES_CO_ASSIGN_OR_RETURN(undeclared.sectors, faulty.ToVector(kSectorsMax));
    out.push_back(std::move(undeclared));
  }
  co_return out;
}

}  // namespace damocles::poster::internal
