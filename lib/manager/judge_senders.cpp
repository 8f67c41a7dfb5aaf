// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "lib/manager/findings.h"

namespace damocles::manager {
namespace {

using filecoin::TokenAmount;
using poster::LaneBlock;

std::string NameOf(const CheckedSender& sender) {
  return sender.facts.id.ToString();
}
class SenderJudge {
 public:
  SenderJudge(const Facts& facts, const CheckLimits& limits, Findings& out)
      : facts_(facts), limits_(limits), out_(out) {}

  void Run(const MinerFacts& miner) {
    const std::string subject = MinerName(miner.miner);
    const bool named = std::any_of(miner.senders.begin(), miner.senders.end(),
                                   [](const auto& one) { return one.facts.configured; });
    std::vector<const CheckedSender*> candidates;
    for (const CheckedSender& sender : miner.senders) {
      if (sender.facts.configured && !sender.facts.role) {
        Stranger(subject, sender);
      } else if (sender.facts.configured || !named) {
        candidates.push_back(&sender);
      }
    }
    const auto any = [&](auto test) {
      return std::any_of(candidates.begin(), candidates.end(),
                         [&](const CheckedSender* one) { return test(*one); });
    };
    if (!any(HasKey)) {
      if (any(WalletsTold) || candidates.empty()) {
        out_.Add(true, "no_sender", subject,
                 absl::StrFormat("no wallet of the nodes has the key of %s",
                                 named ? "an address under Senders that may send"
                                       : "its owner, worker or a control address"),
                 "", "import the key into the node's wallet, or correct Senders under [[Miners]]");
      } else {
        // Without the right to ask the token is at fault, which is said of the node.
        out_.NotLearnt(subject);
        SendersUnknown(subject, candidates);
      }
      return;
    }
    const bool one_can_send = any([&](const CheckedSender& one) {
      return HasKey(one) && !IsBlocked(one) && (!one.facts.balance || HasMoney(miner, one));
    });
    for (const CheckedSender* sender : candidates) Sender(miner, *sender, one_can_send);
  }

 private:
  static bool HasKey(const CheckedSender& sender) {
    return std::any_of(sender.in_wallet.begin(), sender.in_wallet.end(),
                       [](const auto& one) { return one.second.ok() && *one.second; });
  }
  static bool WalletsTold(const CheckedSender& sender) {
    return std::any_of(sender.in_wallet.begin(), sender.in_wallet.end(),
                       [](const auto& one) { return one.second.ok(); });
  }
  bool HasMoney(const MinerFacts& miner, const CheckedSender& sender) const {
    const std::optional<TokenAmount> spendable = poster::SpendableOf(sender.facts);
    return spendable && *spendable >= miner.fee_cap * limits_.least_gas;
  }
  // The next message that is pushed would wait.  A gap it would fill by itself.
  bool IsBlocked(const CheckedSender& sender) const {
    const LaneBlock::Kind kind = poster::BlockIn(sender.facts, facts_.base_fee).kind;
    return kind == LaneBlock::Kind::kLowFee || kind == LaneBlock::Kind::kFull;
  }

  void Stranger(const std::string& subject, const CheckedSender& sender) {
    const std::string who = subject + " sender " + NameOf(sender);
    if (absl::IsNotFound(sender.facts.key_read)) {
      out_.Warn("sender_unknown", who, "Senders names an address that the chain does not know",
                MessageOf(sender.facts.key_read), "correct it under [[Miners]]");
    } else {
      out_.Warn("sender_not_of_miner", who,
                "Senders names an address that is neither owner, worker nor control address", "",
                "correct it under [[Miners]], or make it a control address");
    }
  }

  void SendersUnknown(const std::string& subject,
                      const std::vector<const CheckedSender*>& candidates) {
    for (const CheckedSender* sender : candidates) {
      if (!sender->facts.key_read.ok()) {
        return out_.NotChecked("senders_not_checked", subject, "its senders could not be looked up",
                               sender->facts.key_read);
      }
      for (const auto& [node, has] : sender->in_wallet) {
        if (has.ok() || IsRefused(has.status()) || absl::IsUnimplemented(has.status())) continue;
        return out_.NotChecked("senders_not_checked", subject, "its senders could not be looked up",
                               has.status());
      }
    }
  }

  void Sender(const MinerFacts& miner, const CheckedSender& sender, bool one_can_send) {
    const std::string who = absl::StrFormat("%s sender %s", MinerName(miner.miner), NameOf(sender));
    if (!HasKey(sender)) {
      if (sender.facts.configured && WalletsTold(sender)) {
        out_.Warn("sender_without_key", who, "no wallet of the nodes has its key", "",
                  "import the key into the node's wallet, or take it out of Senders");
      }
      return;
    }
    const std::size_t before = out_.Count();
    std::vector<std::string> without;
    for (const auto& [node, has] : sender.in_wallet) {
      if (has.ok() && !*has) without.push_back(node);
    }
    if (!without.empty()) {
      out_.Warn("wallets_differ", who, "a node that takes over has not got its key",
                absl::StrFormat("not in the wallet of %s", absl::StrJoin(without, ", ")),
                "import the key there too: nothing can be sent through that node");
    }
    Money(miner, sender, who, one_can_send);
    Lane(sender, who, one_can_send);
    if (out_.Count() == before) {
      out_.Fine(absl::StrFormat(
          "%s (%s): its key is there%s", who,
          std::string(sender.facts.role ? poster::Name(*sender.facts.role) : "sender"),
          sender.facts.balance ? ", " + filecoin::FormatFil(*sender.facts.balance) : ""));
    }
  }

  void Money(const MinerFacts& miner, const CheckedSender& sender, const std::string& who,
             bool one_can_send) {
    const std::optional<TokenAmount> spendable = poster::SpendableOf(sender.facts);
    if (!spendable) {
      out_.NotChecked("sender_balance_unknown", who, "its balance could not be learnt",
                      sender.facts.balance_read);
      return;
    }
    const TokenAmount wanted = miner.fee_cap * limits_.usual_gas * limits_.messages;
    if (*spendable >= wanted) return;
    const bool cannot = !HasMoney(miner, sender);
    std::string has = filecoin::FormatFil(*sender.facts.balance);
    if (*spendable != *sender.facts.balance) {
      has += absl::StrFormat(", of which its pending messages give %s away",
                             filecoin::FormatFil(*sender.facts.balance - *spendable));
    }
    out_.Add(
        cannot && !one_can_send, "sender_low", who,
        cannot ? "it holds too little for a single message"
               : absl::StrFormat("it holds too little for %d messages at a time", limits_.messages),
        absl::StrFormat("%s; the pool wants gas limit times fee cap: %s for %d messages", has,
                        filecoin::FormatFil(wanted), limits_.messages),
        "put money on it, or lower GasFeeCap");
  }

  void Lane(const CheckedSender& sender, const std::string& who, bool one_can_send) {
    const poster::SenderFacts& facts = sender.facts;
    if (!facts.lane_read.ok()) {
      out_.NotChecked("sender_lane_unknown", who, "what it has in the pool could not be learnt",
                      facts.lane_read);
    }
    const LaneBlock block = poster::BlockIn(facts, facts_.base_fee);
    const std::string waiting =
        absl::StrFormat("%d of its messages are pending", facts.lane.size());
    switch (block.kind) {
      case LaneBlock::Kind::kNone:
        break;
      case LaneBlock::Kind::kLowFee:
        out_.Add(!one_can_send, "sender_blocked", who,
                 absl::StrFormat(
                     "its messages wait for one of nonce %d whose fee cap is below the base fee",
                     block.nonce),
                 absl::StrFormat("%s; its fee cap is %s a unit of gas", waiting,
                                 filecoin::FormatFil(block.message->message.gas_fee_cap)),
                 "replace that message (lotus mpool replace), or send from another address");
        break;
      case LaneBlock::Kind::kGap: {
        std::uint64_t behind = block.nonce;
        for (const filecoin::SignedMessage& message : facts.lane) {
          if (message.message.nonce <= block.nonce) continue;
          behind = message.message.nonce;
          break;
        }
        out_.Warn(
            "sender_nonce_gap", who,
            absl::StrFormat("nonce %d is missing: its messages from %d on wait for it", block.nonce,
                            behind),
            waiting,
            absl::StrFormat("the next message from it takes that nonce; to free them now push an "
                            "empty one (lotus send --from %s --nonce %d, to itself, of 0 FIL)",
                            NameOf(sender), block.nonce));
        break;
      }
      case LaneBlock::Kind::kFull:
        out_.Add(!one_can_send, "sender_lane_full", who,
                 "so many of its messages are pending that a node takes no more", waiting,
                 "find out why they are not executed, or send from another address");
        break;
    }
  }

  const Facts& facts_;
  const CheckLimits& limits_;
  Findings& out_;
};

}  // namespace

void JudgeSenders(const Facts& facts, const MinerFacts& miner, const CheckLimits& limits,
                  Findings& out) {
  SenderJudge(facts, limits, out).Run(miner);
}

}  // namespace damocles::manager
