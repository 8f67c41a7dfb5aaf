// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/manager/checking.h"

#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "damocles/base/clock.h"
#include "damocles/base/file.h"
#include "damocles/base/status.h"
#include "damocles/chain/lotus_client.h"
#include "damocles/params/parameter_store.h"
#include "damocles/prover/local_prover.h"

namespace damocles::manager {
namespace {

// One that answers nothing else: the poster's calls and its choice of the node are not touched.
absl::StatusOr<CheckedNode> NodeOf(const chain::Endpoint& endpoint, chain::LotusIo io) {
  chain::LotusOptions options;
  options.use_websocket = false;
  CheckedNode node{.name = endpoint.Name(), .has_token = !endpoint.token.empty(), .api = nullptr};
  std::vector<chain::Endpoint> alone;
  alone.push_back(endpoint);
  DAMOCLES_ASSIGN_OR_RETURN(node.api, chain::MakeLotusClient(std::move(alone), io, options));
  return node;
}

// By a store of its own: a look that hangs in a dead mount holds its lock.
ParameterFacts ParametersIn(params::ParameterStore& store) {
  ParameterFacts facts;
  facts.folder = store.Folder();
  for (const auto type :
       {filecoin::PoStProofType::kWindow2KiBV1_1, filecoin::PoStProofType::kWindow8MiBV1_1,
        filecoin::PoStProofType::kWindow512MiBV1_1, filecoin::PoStProofType::kWindow32GiBV1_1,
        filecoin::PoStProofType::kWindow64GiBV1_1}) {
    const auto claim = prover::ClaimOf(type, Bytes32{});
    if (!claim.ok() || !store.Vk(claim->circuit).ok()) continue;
    facts.verifiable.insert(type);
    if (store.Params(claim->circuit).ok()) facts.provable.insert(type);
  }
  return facts;
}

std::vector<std::string> ReadableSecrets(const Home& home, const std::set<std::string>& files) {
  std::vector<std::string> readable;
  for (const std::string& file : files) {
    if (OthersMayRead(file)) readable.push_back(file);
  }
  for (const char* role : {"admin", "worker", "read"}) {
    if (OthersMayRead(home.TokenFile(role))) readable.push_back(home.TokenFile(role));
  }
  return readable;
}

}  // namespace

absl::StatusOr<GatherParts> MakeGatherParts(CheckedParts parts) {
  GatherParts out{.timer = parts.timer,
                  .clock = SystemClock(),
                  .executor = parts.executor,
                  .index = parts.index,
                  .stores = parts.stores};
  out.poster = parts.chain != nullptr;
  out.proves_itself = parts.proves_itself;
  out.look_at_store = std::move(parts.look_at_store);
  if (parts.chain != nullptr) {
    for (const chain::Endpoint& endpoint : parts.chain->Endpoints()) {
      DAMOCLES_ASSIGN_OR_RETURN(CheckedNode node, NodeOf(endpoint, parts.chain->Io()));
      out.nodes.push_back(std::move(node));
    }
  }
  out.miners = [&config = parts.config] {
    std::vector<CheckedMiner> miners;
    for (const config::MinerConfig& miner : config.miners) {
      const poster::MinerPolicy& policy = miner.policy;
      if (!policy.enabled) continue;
      miners.push_back({.miner = policy.miner,
                        .senders = policy.senders,
                        .fee_cap = policy.post_fees.gas_fee_cap});
    }
    return miners;
  };
  out.workers = [&hub = parts.hub] { return hub.Workers(); };
  out.parameters = [store = std::make_shared<params::ParameterStore>(parts.params_dir)] {
    return ParametersIn(*store);
  };
  std::set<std::string> secrets;
  for (const config::ChainEndpoint& node : parts.config.chain) {
    if (!node.token.Empty()) secrets.insert(parts.home.Config());
  }
  out.readable_secrets = [home = parts.home, secrets] { return ReadableSecrets(home, secrets); };
  out.disks = {{"home", parts.home.path}, {"database", parts.home.Database()}};
  return out;
}

}  // namespace damocles::manager
