// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/manager/judge.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

#include "damocles/base/clock_skew.h"
#include "damocles/job/queue.h"

namespace damocles::manager {
namespace {

using filecoin::TokenAmount;
using poster::LaneBlock;

constexpr absl::Duration kUsualEpoch = absl::Seconds(30);
constexpr std::size_t kReasonsMax = 5;

bool IsRefused(const absl::Status& status) {
  return absl::IsPermissionDenied(status) || absl::IsUnauthenticated(status);
}

std::string Text(const absl::Status& status) {
  return std::string(status.message());
}

std::string MinerName(filecoin::ActorId miner) {
  return absl::StrFormat("miner f0%d", miner);
}

std::string NameOf(const CheckedSender& sender) {
  return sender.facts.id.ToString();
}

std::string Sectors(std::uint64_t count) {
  return count == 1 ? "1 sector" : absl::StrFormat("%d sectors", count);
}

bool Passes(const worker::Capabilities& worker, filecoin::ActorId miner,
            filecoin::PoStProofType type) {
  const auto has = [](const auto& list, const auto& value) {
    return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
  };
  return worker.threads.empty() ||
         std::any_of(worker.threads.begin(), worker.threads.end(), [&](const job::JobFilter& one) {
           return has(one.miners, miner) && has(one.proof_types, type);
         });
}

std::optional<std::string> LacksStore(const worker::Capabilities& worker,
                                      const std::set<std::string>& stores) {
  for (const std::string& store : stores) {
    if (std::find(worker.stores.begin(), worker.stores.end(), store) == worker.stores.end()) {
      return store;
    }
  }
  return std::nullopt;
}

class Judging {
 public:
  Judging(const Facts& facts, const CheckLimits& limits) : facts_(facts), limits_(limits) {
    report_.at = facts.now;
  }

  rpc::CheckReport Run() {
    if (facts_.poster) {
      Nodes();
      for (const MinerFacts& miner : facts_.miners) Miner(miner);
      Parameters();
    }
    Stores();
    WorkerClocks();
    Disks();
    for (const std::string& file : facts_.readable_secrets) {
      Warn("secret_readable", file, "it holds a token, and others on this machine may read it", "",
           absl::StrFormat("chmod 600 %s", file));
    }
    std::stable_sort(report_.findings.begin(), report_.findings.end(),
                     [](const auto& a, const auto& b) { return a.costs_window > b.costs_window; });
    return std::move(report_);
  }

 private:
  void Add(bool costs, std::string kind, std::string subject, std::string what, std::string detail,
           std::string remedy) {
    report_.findings.push_back({.kind = std::move(kind),
                                .costs_window = costs,
                                .subject = std::move(subject),
                                .what = std::move(what),
                                .detail = std::move(detail),
                                .remedy = std::move(remedy)});
  }
  void Warn(std::string kind, std::string subject, std::string what, std::string detail,
            std::string remedy) {
    Add(false, std::move(kind), std::move(subject), std::move(what), std::move(detail),
        std::move(remedy));
  }
  void NotLearnt(const std::string& subject) { report_.not_learnt.push_back(subject); }
  void Fine(std::string text) { report_.in_order.push_back(std::move(text)); }

  // ------------------------------------------------------------ nodes
  struct Trouble {
    std::string kind;
    bool unusable = true;
    std::string what;
    std::string detail;
    std::string remedy;
  };

  void Nodes() {
    std::vector<std::pair<const NodeFacts*, std::vector<Trouble>>> troubles;
    bool one_is_good = false;
    for (const NodeFacts& node : facts_.nodes) {
      std::vector<Trouble> found = TroublesOf(node);
      answering_ |= node.answers.ok();
      one_is_good |=
          std::none_of(found.begin(), found.end(), [](const auto& one) { return one.unusable; });
      troubles.emplace_back(&node, std::move(found));
    }
    for (auto& [node, found] : troubles) {
      const std::string subject = "node " + node->name;
      if (!node->answers.ok()) NotLearnt(subject);
      if (found.empty()) {
        Fine(absl::StrFormat("%s: answers, may push and sign, head %d", subject,
                             node->head->epoch.Value()));
      }
      for (Trouble& one : found) {
        Add(one.unusable && !one_is_good, std::move(one.kind), subject, std::move(one.what),
            std::move(one.detail), std::move(one.remedy));
      }
    }
    NetworksAndClock();
    Branches();
  }

  // The client leaves the lighter one by itself.
  void Branches() {
    const NodeFacts* heaviest = nullptr;
    for (const NodeFacts& node : facts_.nodes) {
      if (!node.settled.ok() || !node.head.ok()) continue;
      if (heaviest == nullptr || node.head->weight > heaviest->head->weight) heaviest = &node;
    }
    for (const NodeFacts& node : facts_.nodes) {
      if (!node.settled.ok() || *node.settled == *heaviest->settled) continue;
      Warn("node_on_other_branch", "node " + node.name,
           "it follows another branch than the node with the heaviest head",
           absl::StrFormat("its head is of epoch %d, that of %s of epoch %d",
                           node.head->epoch.Value(), heaviest->name, heaviest->head->epoch.Value()),
           "the heavier one is used meanwhile; has this one peers, is its version supported? "
           "synchronise it anew");
    }
  }

  std::vector<Trouble> TroublesOf(const NodeFacts& node) const {
    std::vector<Trouble> out;
    if (absl::IsUnauthenticated(node.answers)) {
      out.push_back({"node_token_refused", true, "it refuses the token", Text(node.answers),
                     "give it a token that it made itself ([Common.API])"});
      return out;
    }
    if (!node.answers.ok()) {
      out.push_back({"node_unreachable", true, "it does not answer", Text(node.answers),
                     "start it, correct its address in [Common.API], or name a second one there"});
      return out;
    }
    Head(node, out);
    Right(node, node.may_push, "node_may_not_push", "push messages", out);
    Right(node, node.may_sign, "node_may_not_sign", "sign messages", out);
    return out;
  }

  void Head(const NodeFacts& node, std::vector<Trouble>& out) const {
    if (!node.head.ok()) {
      out.push_back({"node_head_unknown", true, "it does not tell its head",
                     Text(node.head.status()), "look into its log; is it still starting?"});
      return;
    }
    const absl::Duration epoch =
        node.epoch_length > absl::ZeroDuration() ? node.epoch_length : kUsualEpoch;
    const absl::Duration age = facts_.now - node.head->time;
    if (age <= epoch * limits_.head_late_epochs + limits_.head_slack) return;
    const bool lost = age > epoch * limits_.head_lost_epochs + limits_.head_slack;
    std::string detail =
        absl::StrFormat("head %d is %d s old", node.head->epoch.Value(), absl::ToInt64Seconds(age));
    if (node.epochs_to_sync.ok() && *node.epochs_to_sync > 0) {
      detail += absl::StrFormat("; it has %d epochs to go", *node.epochs_to_sync);
    }
    out.push_back({"node_behind", lost,
                   lost ? "it is far behind the chain" : "it is behind the chain",
                   std::move(detail),
                   "is it in sync, has it peers? or the clock of this machine is ahead: set it by "
                   "NTP"});
  }

  static void Right(const NodeFacts& node, const absl::Status& right, const char* kind,
                    const char* doing, std::vector<Trouble>& out) {
    if (right.ok()) return;
    if (absl::IsUnimplemented(right)) {
      out.push_back({kind, true, absl::StrFormat("it cannot %s: it has no such method", doing), "",
                     "name a node with a wallet in [Common.API]"});
    } else if (IsRefused(right)) {
      out.push_back(
          {kind, true,
           absl::StrFormat("%s may not %s", node.has_token ? "the token" : "without a token one",
                           doing),
           "",
           "make a token with the right to sign (lotus auth create-token --perm sign) and "
           "put it in [Common.API]"});
    } else {
      out.push_back({"node_rights_unknown", false,
                     absl::StrFormat("it could not be learnt whether the token may %s", doing),
                     Text(right), "look into the log of the node"});
    }
  }

  void NetworksAndClock() {
    std::set<std::string> names;
    std::vector<std::string> told;
    const NodeFacts* ahead = nullptr;
    for (const NodeFacts& node : facts_.nodes) {
      if (node.network.ok()) {
        names.insert(*node.network);
        told.push_back(absl::StrFormat("%s: %s", node.name, *node.network));
      } else {
        NotLearnt("[Common.API]");
      }
      if (node.head.ok() && node.head->time > facts_.now + limits_.clock_slack &&
          (ahead == nullptr || node.head->time > ahead->head->time)) {
        ahead = &node;
      }
    }
    if (names.size() > 1) {
      Add(true, "nodes_of_different_networks", "[Common.API]",
          "the nodes are of different networks", absl::StrJoin(told, "; "),
          "name nodes of one network only");
    }
    if (ahead != nullptr) {
      Warn("clock_behind", "clock of this machine", "the chain's time is ahead of it",
           absl::StrFormat("head %d of %s is of a time %d s from now", ahead->head->epoch.Value(),
                           ahead->name, absl::ToInt64Seconds(ahead->head->time - facts_.now)),
           "set it by NTP");
    }
  }

  // ------------------------------------------------------------ miners
  void Miner(const MinerFacts& miner) {
    const std::string subject = MinerName(miner.miner);
    if (absl::IsNotFound(miner.proof_type.status())) {
      Add(true, "miner_unknown", subject, "there is no such miner on this chain",
          Text(miner.proof_type.status()),
          "correct Actor under [[Miners]], or the node under [Common.API]");
      return;
    }
    if (!miner.proof_type.ok()) {
      NotChecked("miner_not_checked", subject, "it could not be looked up on the chain",
                 miner.proof_type.status());
      return;
    }
    Senders(miner);
    Deadlines(miner);
    if (!facts_.proves_itself) Workers(miner);
  }

  // Nobody can learn anything while no node answers, and that is said already.
  void NotChecked(const char* kind, const std::string& subject, const char* what,
                  const absl::Status& why) {
    NotLearnt(subject);
    if (!answering_) return;
    Warn(kind, subject, what, Text(why), "look into the log of the node");
  }

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

  void Senders(const MinerFacts& miner) {
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
        Add(true, "no_sender", subject,
            absl::StrFormat("no wallet of the nodes has the key of %s",
                            named ? "an address under Senders that may send"
                                  : "its owner, worker or a control address"),
            "", "import the key into the node's wallet, or correct Senders under [[Miners]]");
      } else {
        // Without the right to ask the token is at fault, which is said of the node.
        NotLearnt(subject);
        SendersUnknown(subject, candidates);
      }
      return;
    }
    const bool one_can_send = any([&](const CheckedSender& one) {
      return HasKey(one) && !IsBlocked(one) && (!one.facts.balance || HasMoney(miner, one));
    });
    for (const CheckedSender* sender : candidates) Sender(miner, *sender, one_can_send);
  }

  void Stranger(const std::string& subject, const CheckedSender& sender) {
    const std::string who = subject + " sender " + NameOf(sender);
    if (absl::IsNotFound(sender.facts.key_read)) {
      Warn("sender_unknown", who, "Senders names an address that the chain does not know",
           Text(sender.facts.key_read), "correct it under [[Miners]]");
    } else {
      Warn("sender_not_of_miner", who,
           "Senders names an address that is neither owner, worker nor control address", "",
           "correct it under [[Miners]], or make it a control address");
    }
  }

  void SendersUnknown(const std::string& subject,
                      const std::vector<const CheckedSender*>& candidates) {
    for (const CheckedSender* sender : candidates) {
      if (!sender->facts.key_read.ok()) {
        return NotChecked("senders_not_checked", subject, "its senders could not be looked up",
                          sender->facts.key_read);
      }
      for (const auto& [node, has] : sender->in_wallet) {
        if (has.ok() || IsRefused(has.status()) || absl::IsUnimplemented(has.status())) continue;
        return NotChecked("senders_not_checked", subject, "its senders could not be looked up",
                          has.status());
      }
    }
  }

  void Sender(const MinerFacts& miner, const CheckedSender& sender, bool one_can_send) {
    const std::string who = absl::StrFormat("%s sender %s", MinerName(miner.miner), NameOf(sender));
    if (!HasKey(sender)) {
      if (sender.facts.configured && WalletsTold(sender)) {
        Warn("sender_without_key", who, "no wallet of the nodes has its key", "",
             "import the key into the node's wallet, or take it out of Senders");
      }
      return;
    }
    const std::size_t before = report_.findings.size();
    std::vector<std::string> without;
    for (const auto& [node, has] : sender.in_wallet) {
      if (has.ok() && !*has) without.push_back(node);
    }
    if (!without.empty()) {
      Warn("wallets_differ", who, "a node that takes over has not got its key",
           absl::StrFormat("not in the wallet of %s", absl::StrJoin(without, ", ")),
           "import the key there too: nothing can be sent through that node");
    }
    Money(miner, sender, who, one_can_send);
    Lane(sender, who, one_can_send);
    if (report_.findings.size() == before) {
      Fine(absl::StrFormat(
          "%s (%s): its key is there%s", who,
          std::string(sender.facts.role ? poster::Name(*sender.facts.role) : "sender"),
          sender.facts.balance ? ", " + filecoin::FormatFil(*sender.facts.balance) : ""));
    }
  }

  void Money(const MinerFacts& miner, const CheckedSender& sender, const std::string& who,
             bool one_can_send) {
    const std::optional<TokenAmount> spendable = poster::SpendableOf(sender.facts);
    if (!spendable) {
      NotChecked("sender_balance_unknown", who, "its balance could not be learnt",
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
    Add(cannot && !one_can_send, "sender_low", who,
        cannot ? "it holds too little for a single message"
               : absl::StrFormat("it holds too little for %d messages at a time", limits_.messages),
        absl::StrFormat("%s; the pool wants gas limit times fee cap: %s for %d messages", has,
                        filecoin::FormatFil(wanted), limits_.messages),
        "put money on it, or lower GasFeeCap");
  }

  void Lane(const CheckedSender& sender, const std::string& who, bool one_can_send) {
    const poster::SenderFacts& facts = sender.facts;
    if (!facts.lane_read.ok()) {
      NotChecked("sender_lane_unknown", who, "what it has in the pool could not be learnt",
                 facts.lane_read);
    }
    const LaneBlock block = poster::BlockIn(facts, facts_.base_fee);
    const std::string waiting =
        absl::StrFormat("%d of its messages are pending", facts.lane.size());
    switch (block.kind) {
      case LaneBlock::Kind::kNone:
        break;
      case LaneBlock::Kind::kLowFee:
        Add(!one_can_send, "sender_blocked", who,
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
        Warn("sender_nonce_gap", who,
             absl::StrFormat("nonce %d is missing: its messages from %d on wait for it",
                             block.nonce, behind),
             waiting,
             absl::StrFormat("the next message from it takes that nonce; to free them now push an "
                             "empty one (lotus send --from %s --nonce %d, to itself, of 0 FIL)",
                             NameOf(sender), block.nonce));
        break;
      }
      case LaneBlock::Kind::kFull:
        Add(!one_can_send, "sender_lane_full", who,
            "so many of its messages are pending that a node takes no more", waiting,
            "find out why they are not executed, or send from another address");
        break;
    }
  }

  // ------------------------------------------------------------ index and workers
  void Deadlines(const MinerFacts& miner) {
    const std::string subject = MinerName(miner.miner);
    if (!miner.deadlines.ok()) {
      NotChecked("deadlines_not_checked", subject, "its deadlines could not be looked at",
                 miner.deadlines.status());
      return;
    }
    std::uint64_t live = 0;
    std::uint64_t missing = 0;
    for (const DeadlineFacts& deadline : *miner.deadlines) {
      live += deadline.live;
      missing += deadline.missing_count;
    }
    const std::string attach = "util storage attach the store that has them";
    if (live > 0 && missing == live) {
      Add(true, "index_empty", subject,
          absl::StrFormat("none of its %s on chain is in the index", Sectors(live)), "", attach);
    } else if (missing > 0) {
      MissingSectors(miner, subject, attach);
    } else {
      Fine(absl::StrFormat("%s: its %s on chain are in the index", subject, Sectors(live)));
    }
    if (miner.deadlines->size() < miner.deadlines_total) {
      NotLearnt(subject);
      Warn("deadlines_not_checked", subject, "not all of its deadlines could be looked at in time",
           absl::StrFormat("%d of %d", miner.deadlines->size(), miner.deadlines_total),
           "the node is slow: look into its log");
    }
  }

  void MissingSectors(const MinerFacts& miner, const std::string& subject,
                      const std::string& attach) {
    std::uint64_t others = 0;
    std::uint64_t others_faulty = 0;
    std::vector<std::uint64_t> other_deadlines;
    std::size_t at = 0;
    for (const DeadlineFacts& deadline : *miner.deadlines) {
      const bool next = at++ < limits_.next_deadlines;
      if (deadline.missing_count == 0) continue;
      if (!next) {
        others += deadline.missing_count;
        others_faulty += deadline.missing_faulty;
        other_deadlines.push_back(deadline.index);
        continue;
      }
      Add(deadline.missing_count > deadline.missing_faulty, "sectors_not_indexed",
          absl::StrFormat("%s deadline %d", subject, deadline.index),
          absl::StrFormat("%d of %s on chain are not in the index", deadline.missing_count,
                          Sectors(deadline.live)),
          absl::StrFormat("sectors %s%s", absl::StrJoin(deadline.missing, ", "),
                          deadline.missing_count > deadline.missing.size() ? ", ..." : ""),
          attach);
    }
    if (others == 0) return;
    Add(others > others_faulty, "sectors_not_indexed", subject + " later deadlines",
        absl::StrFormat("%s of %d deadlines are not in the index", Sectors(others),
                        other_deadlines.size()),
        absl::StrFormat("deadlines %s", absl::StrJoin(other_deadlines, ", ")), attach);
  }

  void Workers(const MinerFacts& miner) {
    if (!facts_.workers.ok()) return;  // they have had no time to connect
    const std::string subject = MinerName(miner.miner);
    const filecoin::PoStProofType type = *miner.proof_type;
    std::vector<DeadlineFacts> deadlines;
    if (miner.deadlines.ok()) {
      for (const DeadlineFacts& deadline : *miner.deadlines) {
        if (deadline.live > 0) deadlines.push_back(deadline);
      }
      if (deadlines.empty()) return;  // nothing to prove
    } else {
      deadlines.emplace_back();
    }
    std::vector<std::uint64_t> nobody;
    std::vector<std::string> reasons;
    for (const DeadlineFacts& deadline : deadlines) {
      std::vector<std::string> why;
      const bool somebody =
          std::any_of(facts_.workers->begin(), facts_.workers->end(), [&](const auto& worker) {
            const std::string lacks = WhyNot(worker, miner.miner, type, deadline.stores);
            if (!lacks.empty() && why.size() < kReasonsMax) {
              why.push_back(absl::StrFormat("%s %s", worker.capabilities.name, lacks));
            }
            return lacks.empty();
          });
      if (somebody) continue;
      if (nobody.empty()) reasons = std::move(why);
      nobody.push_back(deadline.index);
    }
    const std::string size = filecoin::ToString(filecoin::SectorSizeOf(type));
    if (nobody.empty()) {
      Fine(absl::StrFormat("%s: a connected worker can prove each of its deadlines", subject));
      return;
    }
    Add(true, "no_worker", subject,
        nobody.size() == deadlines.size()
            ? absl::StrFormat("no connected worker can prove its sectors of %s", size)
            : absl::StrFormat("no connected worker can prove its sectors of %s of deadlines %s",
                              size, absl::StrJoin(nobody, ", ")),
        reasons.empty() ? "no worker has connected" : absl::StrJoin(reasons, "; "),
        "start a worker with the parameters of that size and the stores attached (util worker "
        "list)");
  }

  static std::string WhyNot(const worker::Hub::WorkerInfo& worker, filecoin::ActorId miner,
                            filecoin::PoStProofType type, const std::set<std::string>& stores) {
    if (!worker.connected) return "is not connected";
    if (!worker.capabilities.verifying_keys.contains(type)) {
      return "has no parameters for them";
    }
    if (!Passes(worker.capabilities, miner, type)) return "does not take them by its configuration";
    if (const auto store = LacksStore(worker.capabilities, stores)) {
      return absl::StrFormat("has not got store \"%s\"", *store);
    }
    return "";
  }

  // ------------------------------------------------------------ this machine
  void Parameters() {
    std::set<filecoin::PoStProofType> used;
    for (const MinerFacts& miner : facts_.miners) {
      if (miner.proof_type.ok()) used.insert(*miner.proof_type);
    }
    if (!facts_.parameters.ok()) {
      NotLearnt("parameters");
      Warn("parameters_not_checked", "parameters", "they could not be looked at",
           Text(facts_.parameters.status()), "is the file system of --params mounted?");
      return;
    }
    for (const filecoin::PoStProofType type : used) {
      const std::string subject =
          "parameters of " + filecoin::ToString(filecoin::SectorSizeOf(type));
      const std::string where = absl::StrFormat("in %s", facts_.parameters->folder);
      if (!facts_.parameters->verifiable.contains(type)) {
        Add(true, "no_verifying_key", subject,
            "there is no sound .vk: no proof can be verified, so none would be sent", where,
            "copy the .vk there; damocles-prover params check DIR says what is wrong with one");
      } else if (facts_.proves_itself && !facts_.parameters->provable.contains(type)) {
        Add(true, "no_parameters", subject,
            "there is no sound .params: nothing can be proven in this process", where,
            "copy the .params there, or prove with workers (--worker-prover)");
      } else {
        Fine(absl::StrFormat("%s: they are there", subject));
      }
    }
  }

  bool AWorkerHas(const std::string& store) const {
    return !facts_.proves_itself && facts_.workers.ok() &&
           std::any_of(facts_.workers->begin(), facts_.workers->end(), [&](const auto& worker) {
             return worker.connected && !LacksStore(worker.capabilities, {store});
           });
  }

  void WorkerClocks() {
    if (!facts_.workers.ok()) return;
    for (const worker::Hub::WorkerInfo& worker : *facts_.workers) {
      if (!worker.connected || !worker.clock_ahead) continue;
      const double ahead = absl::ToDoubleSeconds(*worker.clock_ahead);
      if (absl::AbsDuration(*worker.clock_ahead) <= kClocksAgree) continue;
      Warn("worker_clock_differs", "worker " + worker.capabilities.name,
           "its clock and this machine's do not agree",
           absl::StrFormat("it is %.1f s %s", ahead < 0 ? -ahead : ahead,
                           ahead < 0 ? "behind" : "ahead"),
           "set both by NTP: no proof depends on it, but times in logs and listings do not fit "
           "together");
    }
  }

  static const char* KindOf(const sector::StoreFinding& store) {
    if (!store.configured) return "store_not_configured";
    switch (store.sight.condition) {
      case storage::StoreCondition::kEmpty:
        return "store_empty";
      case storage::StoreCondition::kAbsent:
        return "store_absent";
      case storage::StoreCondition::kNotAnswering:
        return "store_not_answering";
      case storage::StoreCondition::kUnreadable:
      case storage::StoreCondition::kShowsSectors:
        break;
    }
    return "store_unreadable";
  }

  void Stores() {
    if (!facts_.stores.ok()) {
      NotLearnt("store");
      Warn("stores_not_checked", "stores", "they could not be compared with the index",
           Text(facts_.stores.status()), "is a store's file system dead? see util storage list");
      return;
    }
    for (const sector::StoreFinding& store : *facts_.stores) {
      const std::string subject = "store " + store.name;
      if (!store.IsMissing()) {
        if (store.sectors > 0) {
          Fine(absl::StrFormat("%s: shows its sectors (%d)", subject, store.sectors));
        }
        continue;
      }
      // The remedy stands behind the last colon.
      const std::string text = sector::Describe(store);
      const std::size_t colon = text.rfind(": ");
      const bool whole = colon == std::string::npos;
      const bool unknown = !facts_.proves_itself && !facts_.workers.ok();
      const bool held = unknown || AWorkerHas(store.name);
      Add(!held, KindOf(store), subject, whole ? text : text.substr(0, colon),
          unknown ? "it is not known yet whether a worker has it"
          : held  ? "a connected worker has it: what lies there is proven all the same"
                  : "",
          whole ? "" : text.substr(colon + 2));
    }
  }

  void Disks() {
    for (const DiskFact& disk : facts_.disks) {
      const std::string subject = absl::StrFormat("%s (%s)", disk.what, disk.path);
      if (!disk.space.ok()) {
        Warn("disk_not_checked", subject, "its free space could not be learnt",
             Text(disk.space.status()), "is its file system mounted and alive?");
        continue;
      }
      const std::uint64_t free = disk.space->free_bytes;
      if (free >= limits_.disk_low) {
        Fine(absl::StrFormat("%s: %d MiB are free", subject, free >> 20));
        continue;
      }
      const bool full = free < limits_.disk_full;
      Add(full, full ? "disk_full" : "disk_low", subject,
          absl::StrFormat("less than %d MiB are free",
                          (full ? limits_.disk_full : limits_.disk_low) >> 20),
          absl::StrFormat("%d MiB", free >> 20), "make room: records and jobs are written there");
    }
  }

  const Facts& facts_;
  const CheckLimits& limits_;
  bool answering_ = false;  // at least one node
  rpc::CheckReport report_;
};

// Whether nothing was learnt of what the finding is about: "miner f01000" stands for its senders
// and deadlines too.
bool IsOpen(const rpc::Finding& finding, const rpc::CheckReport& now) {
  return std::any_of(now.not_learnt.begin(), now.not_learnt.end(), [&](const std::string& subject) {
    return finding.subject == subject || finding.subject.starts_with(subject + " ");
  });
}

}  // namespace

rpc::CheckReport Judge(const Facts& facts, const CheckLimits& limits) {
  return Judging(facts, limits).Run();
}

CheckNews NewsOf(const std::vector<rpc::Finding>& standing, const rpc::CheckReport& now) {
  const auto find = [](const std::vector<rpc::Finding>& in, const rpc::Finding& what) {
    return std::find_if(in.begin(), in.end(), [&](const rpc::Finding& one) {
      return one.kind == what.kind && one.subject == what.subject;
    });
  };
  CheckNews news;
  news.standing = now.findings;
  for (const rpc::Finding& finding : now.findings) {
    const auto known = find(standing, finding);
    if (known == standing.end() || known->what != finding.what ||
        known->costs_window != finding.costs_window) {
      news.appeared.push_back(finding);
    }
  }
  for (const rpc::Finding& finding : standing) {
    if (find(now.findings, finding) != now.findings.end()) continue;
    (IsOpen(finding, now) ? news.standing : news.mended).push_back(finding);
  }
  return news;
}

}  // namespace damocles::manager
