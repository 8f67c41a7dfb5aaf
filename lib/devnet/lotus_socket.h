// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async.h>
#include <kj/compat/http.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lib/devnet/lotus_methods.h"

#include "damocles/async/event.h"
#include "damocles/async/task.h"
#include "damocles/base/observers.h"
#include "damocles/devnet/lotus_server.h"

namespace damocles::devnet::internal {

// The node's end of one WebSocket: calls that run side by side, and subscriptions to the head.
class LotusSocket {
 public:
  LotusSocket(kj::Own<kj::WebSocket> socket, LotusMethods& methods, Caller caller,
              const LotusServerOptions& options);
  LotusSocket(const LotusSocket&) = delete;
  LotusSocket& operator=(const LotusSocket&) = delete;
  ~LotusSocket() noexcept;

  // Serves until the client leaves or Drop().
  kj::Promise<void> Run();

  void Drop();
  // Ends every subscription with xrpc.ch.close; the socket stays.
  void EndChannels();

 private:
  struct Channel {
    std::uint64_t number = 0;
    std::size_t unsent = 0;
  };

  async::Task<void> ReadLoop();
  void Read(std::string_view text);
  void Start(chain::RpcRequest request);
  async::Task<void> Answer(chain::RpcRequest request);
  async::Task<void> Notify(chain::RpcRequest request);
  void Cancel(const chain::RpcRequest& request);
  void Subscribe(const std::string& id);
  void Push(const std::vector<chain::HeadChange>& changes);
  void PushTo(const std::string& id, std::string_view changes);
  void EndChannel(const std::string& id);
  // `channel`: the id of the subscription whose value this is, or empty.
  void Send(std::string text, std::string channel);

  kj::Own<kj::WebSocket> socket_;
  LotusMethods& methods_;
  Caller caller_;
  LotusServerOptions options_;
  async::Latch dropped_;

  std::uint64_t next_channel_ = 1;
  std::map<std::string, std::shared_ptr<Channel>> channels_;  // by the id of the request
  std::size_t unsent_bytes_ = 0;
  kj::Promise<void> writing_ = kj::READY_NOW;
  std::uint64_t next_call_ = 0;
  std::map<std::uint64_t, std::pair<std::string, kj::Promise<void>>> calls_;  // with the id
  std::vector<std::uint64_t> finished_;
  Subscription heads_;
};

}  // namespace damocles::devnet::internal
