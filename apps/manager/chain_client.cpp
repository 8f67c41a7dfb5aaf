// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "apps/manager/chain_client.h"

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "apps/common/rpc_call.h"

#include "damocles/base/log.h"
#include "damocles/base/random.h"
#include "damocles/base/status.h"
#include "damocles/chain/endpoint.h"
#include "damocles/chain/lotus_client.h"

namespace damocles::manager {
namespace {

constexpr kj::Duration kAskAgain = 1 * kj::SECONDS;
constexpr kj::Duration kComplainAgain = 1 * kj::MINUTES;

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

namespace {

// What a devnet says of its keys: OK, or that they are not `own`.
absl::Status CompareKeys(const nlohmann::json& theirs,
                         const std::map<filecoin::PoStProofType, std::string>& own) {
  for (const auto& [type, digest] : own) {
    const auto found = theirs.find(std::to_string(filecoin::ToNumber(type)));
    if (found == theirs.end() || !found->is_string() || *found == digest) continue;
    return absl::FailedPreconditionError(absl::StrFormat(
        "the devnet has other parameters for proof type %d than this manager: SHA-256 of its "
        ".vk is %s, of the manager's %s; give both the same parameter files",
        filecoin::ToNumber(type), found->get<std::string>(), digest));
  }
  return absl::OkStatus();
}

// Says what is wrong when that changes, and every minute.
class Complaints {
 public:
  void Tell(kj::TimePoint now, const std::string& node, const absl::Status& why) {
    Last& last = last_[node];
    if (last.why == why && now - last.at < kComplainAgain) return;
    last = {why, now};
    LogWarning("chain", "node_unreachable", {{"node", node}, {"error", why}});
  }

 private:
  struct Last {
    absl::Status why;
    kj::TimePoint at = kj::origin<kj::TimePoint>();
  };
  std::map<std::string, Last> last_;
};

std::string NameOf(const config::ChainEndpoint& node) {
  const auto endpoint = chain::ParseEndpoint(node.url);
  return endpoint.ok() ? endpoint->Name() : node.url;
}

}  // namespace

async::Task<absl::StatusOr<bool>> AskDevnet(kj::Timer& timer, kj::Network& network,
                                            std::vector<config::ChainEndpoint> nodes,
                                            std::map<filecoin::PoStProofType, std::string> own) {
  Complaints complaints;
  while (true) {
    for (const config::ChainEndpoint& node : nodes) {
      const absl::StatusOr<nlohmann::json> answer = co_await cli::CallNode(
          timer, network, node.url, node.token.Reveal(), "Damocles.DevnetParameters");
      // Whoever does not know the method is a node of the network.  Any other error says nothing:
      // it may be a token, or a proxy in between.
      if (absl::IsUnimplemented(answer.status())) co_return false;
      if (!answer.ok()) {
        complaints.Tell(timer.now(), NameOf(node), answer.status());
        continue;
      }
      const auto keys = answer->is_object() ? answer->find("VerifyingKeys") : answer->end();
      if (keys == answer->end() || !keys->is_object()) {
        complaints.Tell(timer.now(), NameOf(node),
                        absl::UnknownError("Damocles.DevnetParameters names no VerifyingKeys"));
        continue;
      }
      DAMOCLES_CO_RETURN_IF_ERROR(CompareKeys(*keys, own));
      co_return true;
    }
    co_await timer.afterDelay(kAskAgain);
  }
}

}  // namespace damocles::manager
