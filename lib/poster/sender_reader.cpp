// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/poster/sender_reader.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/status.h"

namespace damocles::poster {

using filecoin::Address;
using filecoin::TokenAmount;

std::vector<filecoin::SignedMessage> LaneOf(const std::vector<filecoin::SignedMessage>& pending,
                                            const Address& id, const Address& key) {
  std::vector<filecoin::SignedMessage> lane;
  for (const filecoin::SignedMessage& message : pending) {
    if (message.message.from == key || message.message.from == id) lane.push_back(message);
  }
  std::sort(lane.begin(), lane.end(),
            [](const auto& a, const auto& b) { return a.message.nonce < b.message.nonce; });
  return lane;
}

async::Task<void> ReadSender(SenderQuestions& node, SenderFacts& facts,
                             const absl::StatusOr<std::vector<filecoin::SignedMessage>>& pending) {
  const absl::StatusOr<Address> account = co_await node.KeyOf(facts.id);
  facts.key_read = account.status();
  if (!account.ok()) {
    const bool unknown = absl::IsNotFound(account.status());
    if (!unknown) facts.doubtful = account.status();
    facts.unusable = absl::StrFormat(
        "%s: %s", unknown ? "the chain does not know it" : "its key cannot be found out",
        std::string(account.status().message()));
    co_return;
  }
  facts.key = *account;
  const absl::StatusOr<bool> has = co_await node.HasKey(facts.key);
  if (!has.ok()) {
    facts.doubtful = has.status();
  } else if (!*has) {
    facts.unusable = "the node's wallet has no key of it";
    co_return;
  }
  const absl::StatusOr<TokenAmount> balance = co_await node.BalanceOf(facts.key);
  facts.balance_read = balance.status();
  if (balance.ok()) {
    facts.balance = *balance;
  } else if (facts.doubtful.ok()) {
    facts.doubtful = Annotate(balance.status(), "reading its balance");
  }
  facts.lane_read = pending.status();
  if (!pending.ok()) co_return;
  facts.lane = LaneOf(*pending, facts.id, facts.key);
  if (facts.lane.empty()) co_return;
  const absl::StatusOr<std::uint64_t> nonce = co_await node.NextNonceOf(facts.key);
  facts.lane_read = nonce.status();
  if (nonce.ok()) facts.next_nonce = *nonce;
}

}  // namespace damocles::poster
