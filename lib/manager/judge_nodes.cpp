// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "lib/manager/findings.h"

namespace damocles::manager {
namespace {

constexpr absl::Duration kUsualEpoch = absl::Seconds(30);

class NodeJudge {
 public:
  NodeJudge(const Facts& facts, const CheckLimits& limits, Findings& out)
      : facts_(facts), limits_(limits), out_(out) {}

  void Run() {
    std::vector<std::pair<const NodeFacts*, std::vector<Trouble>>> troubles;
    bool one_is_good = false;
    for (const NodeFacts& node : facts_.nodes) {
      std::vector<Trouble> found = TroublesOf(node);
      one_is_good |=
          std::none_of(found.begin(), found.end(), [](const auto& one) { return one.unusable; });
      troubles.emplace_back(&node, std::move(found));
    }
    for (auto& [node, found] : troubles) {
      const std::string subject = "node " + node->name;
      if (!node->answers.ok()) out_.NotLearnt(subject);
      if (found.empty()) {
        out_.Fine(absl::StrFormat("%s: answers, may push and sign, head %d", subject,
                                  node->head->epoch.Value()));
      }
      for (Trouble& one : found) {
        out_.Add(one.unusable && !one_is_good, std::move(one.kind), subject, std::move(one.what),
                 std::move(one.detail), std::move(one.remedy));
      }
    }
    NetworksAndClock();
    Branches();
  }

 private:
  struct Trouble {
    std::string kind;
    bool unusable = true;
    std::string what;
    std::string detail;
    std::string remedy;
  };

  // The client leaves the lighter one by itself.
  void Branches() {
    const NodeFacts* heaviest = nullptr;
    for (const NodeFacts& node : facts_.nodes) {
      if (!node.settled.ok() || !node.head.ok()) continue;
      if (heaviest == nullptr || node.head->weight > heaviest->head->weight) heaviest = &node;
    }
    for (const NodeFacts& node : facts_.nodes) {
      if (!node.settled.ok() || *node.settled == *heaviest->settled) continue;
      out_.Warn(
          "node_on_other_branch", "node " + node.name,
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
      out.push_back({"node_token_refused", true, "it refuses the token", MessageOf(node.answers),
                     "give it a token that it made itself ([Common.API])"});
      return out;
    }
    if (!node.answers.ok()) {
      out.push_back({"node_unreachable", true, "it does not answer", MessageOf(node.answers),
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
                     MessageOf(node.head.status()), "look into its log; is it still starting?"});
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
                     MessageOf(right), "look into the log of the node"});
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
        out_.NotLearnt("[Common.API]");
      }
      if (node.head.ok() && node.head->time > facts_.now + limits_.clock_slack &&
          (ahead == nullptr || node.head->time > ahead->head->time)) {
        ahead = &node;
      }
    }
    if (names.size() > 1) {
      out_.Add(true, "nodes_of_different_networks", "[Common.API]",
               "the nodes are of different networks", absl::StrJoin(told, "; "),
               "name nodes of one network only");
    }
    if (ahead != nullptr) {
      out_.Warn(
          "clock_behind", "clock of this machine", "the chain's time is ahead of it",
          absl::StrFormat("head %d of %s is of a time %d s from now", ahead->head->epoch.Value(),
                          ahead->name, absl::ToInt64Seconds(ahead->head->time - facts_.now)),
          "set it by NTP");
    }
  }

  const Facts& facts_;
  const CheckLimits& limits_;
  Findings& out_;
};

}  // namespace

void JudgeNodes(const Facts& facts, const CheckLimits& limits, Findings& out) {
  NodeJudge(facts, limits, out).Run();
}

}  // namespace damocles::manager
