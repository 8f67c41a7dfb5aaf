// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/chain/lotus_client.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/chain/lotus_heads.h"
#include "lib/chain/lotus_nodes.h"

#include "damocles/base/status.h"
#include "damocles/chain/methods.h"

namespace damocles::chain {
namespace {

class LotusClient final : public FullNode {
 public:
  LotusClient(std::vector<Endpoint> endpoints, LotusIo io, const LotusOptions& options)
      : nodes_(std::move(endpoints), io, options) {}

  Result<std::unique_ptr<HeadSubscription>> ChainNotify() override {
    auto head = co_await ChainHead();
    if (!head.ok()) co_return Annotate(head.status(), "ChainNotify");
    const auto version = co_await Version();
    // Longer than a day is no length of an epoch.
    const std::uint64_t delay =
        version.ok() ? std::clamp<std::uint64_t>(version->block_delay_secs, 1, 86400) : 30;
    co_return std::make_unique<internal::LotusHeads>(
        nodes_, *std::move(head), static_cast<std::int64_t>(delay) * kj::SECONDS);
  }

  async::Task<absl::Status> Send(std::shared_ptr<Call> call) override {
    internal::AnswerReader read = [call](std::string_view raw) {
      return call->ReadAnswerJson(raw);
    };
    return nodes_.Call(call->Method(), call->ParamsJson(), std::move(read));
  }

 private:
  internal::LotusNodes nodes_;
};

// Before anything is sent there.
absl::Status CheckEndpoint(const Endpoint& endpoint, const LotusIo& io) {
  if (!endpoint.token.empty() && !MayBeToken(endpoint.token)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the token of chain endpoint %s %s", endpoint.Name(), kNoToken));
  }
  if (endpoint.tls && io.tls_network == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrFormat("chain endpoint %s wants TLS, which is not set up", endpoint.Name()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<FullNode>> MakeLotusClient(std::vector<Endpoint> endpoints,
                                                          LotusIo io, const LotusOptions& options) {
  if (endpoints.empty()) return absl::InvalidArgumentError("no chain endpoint is configured");
  for (const Endpoint& endpoint : endpoints) {
    DAMOCLES_RETURN_IF_ERROR(CheckEndpoint(endpoint, io));
  }
  return std::make_unique<LotusClient>(std::move(endpoints), io, options);
}

async::Task<absl::StatusOr<std::string>> CallNode(Endpoint endpoint, LotusIo io, std::string method,
                                                  LotusOptions options) {
  DAMOCLES_CO_RETURN_IF_ERROR(CheckEndpoint(endpoint, io));
  options.use_websocket = false;
  std::vector<Endpoint> endpoints;
  endpoints.push_back(std::move(endpoint));
  internal::LotusNodes nodes(std::move(endpoints), io, options);
  const auto raw = std::make_shared<std::string>();
  internal::AnswerReader read = [raw](std::string_view answer) {
    *raw = std::string(answer);
    return absl::OkStatus();
  };
  auto calling = nodes.Call({.name = method}, "[]", std::move(read));
  DAMOCLES_CO_RETURN_IF_ERROR(co_await kj::mv(calling));
  co_return std::move(*raw);
}

}  // namespace damocles::chain
