// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "apps/manager/chain_client.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "apps/common/rpc_call.h"

#include "damocles/base/random.h"
#include "damocles/base/status.h"
#include "damocles/chain/endpoint.h"
#include "damocles/chain/lotus_client.h"

namespace damocles::manager {
namespace {

constexpr kj::Duration kAskAgain = 1 * kj::SECONDS;

}  // namespace

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

async::Task<absl::StatusOr<bool>> AskDevnet(kj::Timer& timer, kj::Network& network,
                                            std::vector<config::ChainEndpoint> nodes,
                                            std::map<filecoin::PoStProofType, std::string> own) {
  while (true) {
    for (const config::ChainEndpoint& node : nodes) {
      const absl::StatusOr<nlohmann::json> answer = co_await cli::CallNode(
          timer, network, node.url, node.token.Reveal(), "Damocles.DevnetParameters");
      if (absl::IsUnavailable(answer.status())) continue;
      // Whoever does not know the method is a node of the network.
      if (!answer.ok() || !answer->is_object()) co_return false;
      const auto keys = answer->find("VerifyingKeys");
      if (keys == answer->end() || !keys->is_object()) co_return false;
      for (const auto& [type, digest] : own) {
        const auto theirs = keys->find(std::to_string(filecoin::ToNumber(type)));
        if (theirs == keys->end() || !theirs->is_string() || *theirs == digest) continue;
        co_return absl::FailedPreconditionError(absl::StrFormat(
            "the devnet has other parameters for proof type %d than this manager: SHA-256 of its "
            ".vk is %s, of the manager's %s; give both the same parameter files",
            filecoin::ToNumber(type), theirs->get<std::string>(), digest));
      }
      co_return true;
    }
    co_await timer.afterDelay(kAskAgain);
  }
}

}  // namespace damocles::manager
