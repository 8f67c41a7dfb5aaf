// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Whether the configured chain is a devnet: it decides which parameters may be used.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/async/task.h"
#include "damocles/chain/endpoint.h"
#include "damocles/chain/lotus_client.h"
#include "damocles/filecoin/proof_type.h"

namespace damocles::manager {

// Asks the nodes whether they are a devnet, and for the digests of its verifying keys.  Any of them
// may get the messages, so all of them count: it is a devnet when at least one has said so and
// nobody who answered has said otherwise.  No answer, however odd, does more than be logged.
class NetworkJudge {
 public:
  // `own_keys`: SHA-256 of the verifying keys that are here, by proof type.  What `io` refers to
  // outlives the judge.
  NetworkJudge(chain::LotusIo io, std::vector<chain::Endpoint> nodes,
               std::map<filecoin::PoStProofType, std::string> own_keys);

  // Asks until a node has told.  True: a devnet whose verifying keys are ours, as far as both have
  // them.  False: a node does not know the question.  FAILED_PRECONDITION: a devnet with other
  // keys; the message names both.
  async::Task<absl::StatusOr<bool>> Judge();

  // After Judge has said true: goes on asking the nodes that have not told yet, and returns when
  // all have.  FAILED_PRECONDITION as Judge, or when one is of another network.
  async::Task<absl::Status> AskTheRest();

 private:
  enum class Kind { kNotTold, kDevnet, kOther };
  struct Node {
    chain::Endpoint endpoint;
    Kind kind = Kind::kNotTold;
    bool complained = false;
    absl::Status complaint = {};
    kj::TimePoint complained_at = kj::origin<kj::TimePoint>();
  };

  // Asks all that have not told, at the same time.
  async::Task<absl::Status> AskOnce();
  async::Task<absl::Status> Ask(Node& node);
  void Complain(Node& node, const absl::Status& why);
  const Node* First(Kind kind) const;

  chain::LotusIo io_;
  std::map<filecoin::PoStProofType, std::string> own_keys_;
  std::vector<Node> nodes_;
};

}  // namespace damocles::manager
