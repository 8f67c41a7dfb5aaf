// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "apps/manager/chain_client.h"

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
  std::vector<chain::Endpoint> endpoints;
  for (const config::ChainEndpoint& from : config.chain) {
    DAMOCLES_ASSIGN_OR_RETURN(chain::Endpoint endpoint, chain::ParseEndpoint(from.url));
    endpoint.token = from.token.Reveal();
    endpoints.push_back(std::move(endpoint));
  }
  std::unique_ptr<ChainClient> client(new ChainClient);
  client->tls_ = kj::heap<kj::TlsContext>();
  client->tls_network_ = client->tls_->wrapNetwork(io.getNetwork());
  DAMOCLES_ASSIGN_OR_RETURN(
      client->api_, chain::MakeLotusClient(std::move(endpoints),
                                           chain::LotusIo{.timer = io.getTimer(),
                                                          .network = io.getNetwork(),
                                                          .tls_network = client->tls_network_.get(),
                                                          .random = SystemRandom()}));
  return client;
}

ChainClient::~ChainClient() noexcept {
  api_.reset();  // before the networks it uses
}

}  // namespace damocles::manager
