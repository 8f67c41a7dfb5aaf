// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async-io.h>
#include <kj/timer.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "damocles/async/task.h"
#include "damocles/rpc/client.h"
#include "damocles/worker/session.h"

namespace damocles::rpc {

// A manager, as a worker uses it.
class RemoteManager final : public worker::Manager {
 public:
  RemoteManager(kj::Network& network, kj::Timer& timer, ClientOptions options);
  ~RemoteManager() noexcept override;
  const std::string& Name() const override;
  async::Task<absl::StatusOr<std::shared_ptr<worker::Session>>> Connect(
      worker::Capabilities capabilities) override;

 private:
  struct Clocks;
  kj::Network& network_;
  kj::Timer& timer_;
  ClientOptions options_;
  std::shared_ptr<Clocks> clocks_;
};

}  // namespace damocles::rpc
