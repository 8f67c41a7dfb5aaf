// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async-io.h>
#include <kj/compat/tls.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/async/task.h"
#include "damocles/chain/api.h"
#include "damocles/config/manager.h"
#include "damocles/filecoin/proof_type.h"

namespace damocles::manager {

// The chain nodes of a configuration and what it takes to speak to them.
class ChainClient {
 public:
  // FAILED_PRECONDITION if no node is configured.  Does not connect yet.
  static absl::StatusOr<std::unique_ptr<ChainClient>> Make(const config::ManagerConfig& config,
                                                           kj::AsyncIoProvider& io);
  ~ChainClient() noexcept;
  chain::Api& Api() { return *api_; }

 private:
  ChainClient() = default;
  kj::Own<kj::TlsContext> tls_;
  kj::Own<kj::Network> tls_network_;
  std::unique_ptr<chain::Api> api_;
};

// Asks the nodes whether they are a devnet, until one has answered that; what else they answer is
// logged.  A devnet says what it verifies proofs with.  True: a devnet whose verifying keys are
// `own`, as far as both have them.  False: a node that does not know the question, or speaks TLS,
// which a devnet does not.  FAILED_PRECONDITION: a devnet with other keys; the message names both.
async::Task<absl::StatusOr<bool>> AskDevnet(kj::Timer& timer, kj::Network& network,
                                            std::vector<config::ChainEndpoint> nodes,
                                            std::map<filecoin::PoStProofType, std::string> own);

}  // namespace damocles::manager
