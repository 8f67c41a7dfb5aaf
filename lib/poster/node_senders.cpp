// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the node knows about the addresses that may send, and what is done about their lanes.

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/poster/node.h"

#include "damocles/filecoin/cbor.h"
#include "damocles/poster/sender_reader.h"

namespace damocles::poster::internal {
namespace {

using filecoin::Address;
using filecoin::ChainEpoch;
using filecoin::EpochDelta;
using filecoin::TipSetKey;
using filecoin::TokenAmount;

// Tipsets that are read to know the base fees of before this manager's start.
constexpr std::int64_t kSampleEvery = 15;
// Of the empty message that fills a gap: a transfer of nothing to oneself.
constexpr std::int64_t kFillerGas = 2'000'000;
constexpr std::int64_t kFillerPremium = 100'000;
// As the node itself looks ahead when it estimates a premium.
constexpr std::uint64_t kRaiseBlocks = 2;

}  // namespace

// Each with a limit of its own: one that is silent must not use up the time of the look.
class Node::AsksAboutSenders final : public SenderQuestions {
 public:
  AsksAboutSenders(Node& node, TipSetKey key) : node_(node), key_(std::move(key)) {}
  ~AsksAboutSenders() noexcept override = default;

  Answer<Address> KeyOf(Address id) override { return node_.KeyOf(std::move(id), key_); }
  Answer<bool> HasKey(Address key) override {
    co_return co_await node_.ReadAside(&chain::Wallet::WalletHas, std::move(key));
  }
  Answer<TokenAmount> BalanceOf(Address key) override {
    co_return co_await node_.ReadAside(&chain::ChainReader::WalletBalance, std::move(key));
  }
  Answer<std::uint64_t> NextNonceOf(Address key) override {
    co_return co_await node_.ReadAside(&chain::MessagePool::MpoolGetNonce, std::move(key));
  }

 private:
  Node& node_;
  const TipSetKey key_;
};

Node::Result<SenderChoice> Node::ChooseSender(filecoin::ActorId miner, chain::MinerInfo info,
                                              std::vector<Address> allowed,
                                              std::vector<filecoin::SignedMessage> pending,
                                              filecoin::TipSet head, absl::Time now) {
  const TipSetKey& key = head.Key();
  std::vector<SenderFacts> facts = SendersOf(info);
  for (const Address& address : allowed) {
    absl::StatusOr<Address> id = address;
    if (!address.IsId()) {
      id = co_await ReadAside(&chain::ChainReader::StateLookupId, address, key);
    }
    NameSender(facts, miner, address, id);
  }
  if (!allowed.empty()) {
    std::erase_if(facts, [](const SenderFacts& sender) { return !sender.configured; });
  }
  AsksAboutSenders questions(*this, key);
  const absl::StatusOr<std::vector<filecoin::SignedMessage>> pool = std::move(pending);
  for (SenderFacts& sender : facts) {
    if (sender.unusable.empty()) {
      co_await poster::ReadSender(questions, sender, pool);
    }
  }
  SenderChoice choice =
      room_.Choose(facts, head.Blocks().front().parent_base_fee, head.Height(), now);
  if (!choice.address) {
    // A node that does not answer says nothing about the addresses: asked again soon.
    for (const SenderFacts& sender : facts) {
      if (absl::IsUnavailable(sender.doubtful) || absl::IsDeadlineExceeded(sender.doubtful)) {
        co_return Annotate(sender.doubtful, "choosing the sender");
      }
    }
    choice.trouble = absl::StrFormat(
        "no %s address of f0%d can send: %s; import a key into the node's wallet, or add a control "
        "address",
        allowed.empty() ? "owner, worker or control" : "configured", miner, choice.trouble);
  }
  co_return choice;
}

// In front of a message of ours that waits.
async::Task<std::optional<LaneRepair>> Node::BlockBefore(
    const MinerAddresses& addresses, Bytes signed_message,
    const std::vector<filecoin::SignedMessage>& pending, const filecoin::TipSet& head) {
  const auto ours = filecoin::cbor::Decode<filecoin::SignedMessage>(signed_message);
  if (!ours.ok()) co_return std::nullopt;
  SenderFacts facts;
  facts.key = facts.id = ours->message.from;
  facts.lane = LaneOf(pending, facts.id, facts.key);
  const absl::StatusOr<std::uint64_t> nonce =
      co_await ReadAside(&chain::MessagePool::MpoolGetNonce, facts.key);
  if (nonce.ok()) facts.next_nonce = *nonce;
  const LaneBlock block =
      BlockBeforeMessage(facts, head.Blocks().front().parent_base_fee, ours->message);
  if (block.kind != LaneBlock::Kind::kGap && block.kind != LaneBlock::Kind::kLowFee) {
    co_return std::nullopt;
  }
  LaneRepair repair;
  repair.sender = facts.key;
  const std::optional<SenderRole> role = addresses.RoleOf(facts.key);
  repair.role = role ? std::string(Name(*role)) : "";
  repair.nonce = block.nonce;
  if (block.message) repair.signed_message = filecoin::cbor::Encode(*block.message);
  co_return repair;
}

// ---------------------------------------------------------------- fees

async::Task<void> Node::LearnBaseFees(filecoin::TipSet head) {
  base_fees_.Note(head.Height(), head.Blocks().front().parent_base_fee);
  if (base_fees_.ReachesBack(head.Height())) co_return;
  for (std::int64_t back = kSampleEvery; back <= kBaseFeeMemory.Count(); back += kSampleEvery) {
    const ChainEpoch at = head.Height() - EpochDelta(back);
    if (at <= ChainEpoch(0)) break;
    const absl::StatusOr<filecoin::TipSet> tip_set =
        co_await reader_.ChainGetTipSetByHeight(at, head.Key());
    if (!tip_set.ok() || tip_set->Empty()) co_return;  // a lower cap, raised again later
    base_fees_.Note(at, tip_set->Blocks().front().parent_base_fee);
  }
}

Node::Result<Raised> Node::Raise(filecoin::SignedMessage message, FeePolicy fees,
                                 filecoin::TipSet head, bool passed_over) {
  filecoin::Message& inner = message.message;
  Raised out;
  if (message.signature.type == filecoin::SignatureType::kDelegated) {
    co_return absl::UnimplementedError(
        "the message waits, and of a delegated (f4) sender only the node's own tools can replace "
        "it");
  }
  co_await LearnBaseFees(head);
  Market market;
  market.base_fee = head.Blocks().front().parent_base_fee;
  market.highest = base_fees_.Highest(head.Height());
  market.passed_over = passed_over;
  const absl::StatusOr<TokenAmount> premium =
      co_await pool_.GasEstimateGasPremium(kRaiseBlocks, inner.from, inner.gas_limit, TipSetKey());
  if (premium.ok()) market.premium = *premium;
  // Where the balance is not known, the node judges.
  const absl::StatusOr<TokenAmount> balance = co_await reader_.WalletBalance(inner.from);
  if (balance.ok()) market.balance = *balance;
  const FeeRaise raise = RaiseOf(inner, market, fees);
  if (raise.wanted && (raise.limited || !raise.raise)) {
    out.limited =
        absl::StrFormat("base fee %s, fee cap %s, and PoSt.MaxGasFeeCap is %s: raise that",
                        filecoin::FormatFil(market.base_fee),
                        filecoin::FormatFil(raise.raise ? raise.fee_cap : inner.gas_fee_cap),
                        filecoin::FormatFil(fees.max_gas_fee_cap));
  }
  if (!raise.raise) co_return out;
  inner.gas_fee_cap = raise.fee_cap;
  inner.gas_premium = raise.premium;
  DAMOCLES_CO_ASSIGN_OR_RETURN(const filecoin::SignedMessage raised, co_await Sign(inner));
  out.signed_message = filecoin::cbor::Encode(raised);
  out.fee_cap = filecoin::FormatFil(raise.fee_cap);
  co_return out;
}

Node::Result<Raised> Node::Repair(LaneRepair repair, FeePolicy fees, filecoin::TipSet head) {
  if (!room_.MayRepair(repair.sender, repair.nonce, head.Height())) co_return Raised{};
  if (!repair.signed_message.empty()) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(
        filecoin::SignedMessage message,
        filecoin::cbor::Decode<filecoin::SignedMessage>(repair.signed_message));
    DAMOCLES_CO_ASSIGN_OR_RETURN(Raised raised,
                                 co_await Raise(std::move(message), fees, head, false));
    if (!raised.signed_message.empty()) {
      DAMOCLES_CO_RETURN_IF_ERROR((co_await PushSigned(raised.signed_message)).status());
    }
    co_return raised;
  }
  filecoin::Message filler;
  filler.from = repair.sender;
  filler.to = repair.sender;
  filler.nonce = repair.nonce;
  filler.gas_limit = kFillerGas;
  filler.gas_premium = kFillerPremium;
  const TokenAmount& base_fee = head.Blocks().front().parent_base_fee;
  filler.gas_fee_cap =
      std::min(base_fee * 2 + kFillerPremium, std::max(fees.max_gas_fee_cap, fees.gas_fee_cap));
  if (fees.max_gas_fee_cap.IsZero() && fees.gas_fee_cap.IsZero()) {
    filler.gas_fee_cap = base_fee * 2 + kFillerPremium;
  }
  filler.gas_premium = std::min(filler.gas_premium, filler.gas_fee_cap);
  Raised out;
  out.fee_cap = filecoin::FormatFil(filler.gas_fee_cap);
  DAMOCLES_CO_ASSIGN_OR_RETURN(const filecoin::SignedMessage ready,
                               co_await Sign(std::move(filler)));
  DAMOCLES_CO_ASSIGN_OR_RETURN(out.signed_message,
                               co_await PushSigned(filecoin::cbor::Encode(ready)));
  co_return out;
}

}  // namespace damocles::poster::internal
