// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// How SenderFacts are learnt, by the poster before it sends and by the self check hours before.

#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/async/task.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/message.h"
#include "damocles/filecoin/token_amount.h"
#include "damocles/poster/senders.h"

namespace damocles::poster {

// What a node is asked about one address, at one head.  Whoever implements it limits the time.
class SenderQuestions {
 public:
  template <typename T>
  using Answer = async::Task<absl::StatusOr<T>>;

  SenderQuestions() = default;
  SenderQuestions(const SenderQuestions&) = delete;
  SenderQuestions& operator=(const SenderQuestions&) = delete;
  virtual ~SenderQuestions() noexcept = default;

  // The key address; NOT_FOUND: the chain does not know it.
  virtual Answer<filecoin::Address> KeyOf(filecoin::Address id) = 0;
  virtual Answer<bool> HasKey(filecoin::Address key) = 0;
  virtual Answer<filecoin::TokenAmount> BalanceOf(filecoin::Address key) = 0;
  virtual Answer<std::uint64_t> NextNonceOf(filecoin::Address key) = 0;
};

// The messages of one address in the pool, ascending by nonce.
std::vector<filecoin::SignedMessage> LaneOf(const std::vector<filecoin::SignedMessage>& pending,
                                            const filecoin::Address& id,
                                            const filecoin::Address& key);

// Fills in everything that can be read of `facts.id`; trouble with one thing is no reason not to
// read the next.  An address that cannot send at all is not read any further.  `pending` is the
// pool, or why it is not known.
async::Task<void> ReadSender(SenderQuestions& node, SenderFacts& facts,
                             const absl::StatusOr<std::vector<filecoin::SignedMessage>>& pending);

}  // namespace damocles::poster
