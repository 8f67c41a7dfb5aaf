// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async-io.h>
#include <kj/compat/tls.h>

#include <memory>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/async/offload.h"
#include "damocles/base/thread_pool.h"
#include "damocles/chain/api.h"
#include "damocles/chain/endpoint.h"
#include "damocles/chain/lotus_client.h"
#include "damocles/config/manager.h"

namespace damocles::manager {

// The chain nodes of a configuration and what it takes to speak to them.
class ChainClient {
 public:
  // FAILED_PRECONDITION if no node is configured.  Does not connect yet.
  static absl::StatusOr<std::unique_ptr<ChainClient>> Make(const config::ManagerConfig& config,
                                                           kj::AsyncIoProvider& io);
  ~ChainClient() noexcept;
  chain::FullNode& Node() { return *node_; }
  // Each node by itself, in the order of the configuration, and what it takes to speak to it.
  const std::vector<chain::Endpoint>& Endpoints() const { return endpoints_; }
  chain::LotusIo Io();

 private:
  explicit ChainClient(kj::AsyncIoProvider& io);
  kj::AsyncIoProvider& io_;
  std::vector<chain::Endpoint> endpoints_;
  ThreadPool answer_pool_{1};  // has one thread of its own
  async::PoolExecutor answers_{answer_pool_};
  kj::Own<kj::TlsContext> tls_;
  kj::Own<kj::Network> tls_network_;
  std::unique_ptr<chain::FullNode> node_;
};

}  // namespace damocles::manager
