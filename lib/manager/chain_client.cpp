// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/manager/chain_client.h"

#include <string>
#include <utility>
#include <vector>

#include "damocles/base/random.h"
#include "damocles/base/status.h"
#include "damocles/chain/endpoint.h"
#include "damocles/chain/lotus_client.h"

namespace damocles::manager {
absl::StatusOr<std::unique_ptr<ChainClient>> ChainClient::Make(const config::ManagerConfig& config,
                                                               kj::AsyncIoProvider& io) {
  if (config.chain.empty()) {
    return absl::FailedPreconditionError(
        "no chain node is configured: set Gateway or Chain under [Common.API] in "
        "sector-manager.cfg");
  }
  std::unique_ptr<ChainClient> client(new ChainClient(io));
  for (const config::ChainEndpoint& from : config.chain) {
    DAMOCLES_ASSIGN_OR_RETURN(chain::Endpoint endpoint, chain::ParseEndpoint(from.url));
    endpoint.token = from.token.Reveal();
    client->endpoints_.push_back(std::move(endpoint));
  }
  DAMOCLES_ASSIGN_OR_RETURN(client->node_,
                            chain::MakeLotusClient(client->endpoints_, client->Io()));
  return client;
}

ChainClient::ChainClient(kj::AsyncIoProvider& io)
    : io_(io), tls_(kj::heap<kj::TlsContext>()), tls_network_(tls_->wrapNetwork(io.getNetwork())) {}

chain::LotusIo ChainClient::Io() {
  return {.timer = io_.getTimer(),
          .network = io_.getNetwork(),
          .tls_network = tls_network_.get(),
          .random = SystemRandom(),
          .executor = &answers_};
}

ChainClient::~ChainClient() noexcept {
  node_.reset();  // before the networks it uses
}

}  // namespace damocles::manager
