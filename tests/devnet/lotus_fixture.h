// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The chain behind its JSON-RPC server and a client of it, over a real loopback socket.

#pragma once

#include <kj/async-io.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/devnet/chain_fixture.h"

#include "damocles/base/clock.h"
#include "damocles/base/random.h"
#include "damocles/chain/lotus_client.h"
#include "damocles/devnet/lotus_server.h"

namespace damocles::devnet::testing_support {

class LotusFixture : public ::testing::Test {
 protected:
  LotusFixture() : io_(kj::setupAsyncIo()) {}
  ~LotusFixture() noexcept override {}  // NOLINT(modernize-use-equals-default): KJ's may throw

  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(chain_,
                         Chain::InMemory(QuickPreset(), SmallGenesis(), verifier_.Options()));
  }

  // Opens the server on `port`, 0 for any free one.
  void Serve(const LotusServerOptions& options = {}, unsigned port = 0) {
    auto address =
        io_.provider->getNetwork().parseAddress(kj::str("127.0.0.1:", port)).wait(io_.waitScope);
    auto receiver = address->listen();
    port_ = static_cast<std::uint16_t>(receiver->getPort());
    server_ =
        std::make_unique<LotusServer>(*chain_, io_.provider->getTimer(), SystemClock(), options);
    serving_ = server_->Listen(kj::mv(receiver)).eagerlyEvaluate([](kj::Exception&& error) {
      ADD_FAILURE() << error.getDescription().cStr();
    });
  }
  void StopServing() {
    serving_ = kj::READY_NOW;
    server_ = nullptr;
  }

  chain::Endpoint At(const std::string& token = "") const {
    chain::Endpoint endpoint;
    endpoint.host = "127.0.0.1";
    endpoint.port = port_;
    endpoint.path = "/rpc/v1";
    endpoint.token = token;
    return endpoint;
  }
  std::unique_ptr<chain::FullNode> Client(std::vector<chain::Endpoint> endpoints,
                                          chain::LotusOptions options = {}) {
    options.reconnect_min = absl::Milliseconds(10);
    options.reconnect_max = absl::Milliseconds(50);
    auto client = chain::MakeLotusClient(
        std::move(endpoints),
        {io_.provider->getTimer(), io_.provider->getNetwork(), nullptr, SystemRandom()}, options);
    EXPECT_OK(client);
    return client.ok() ? *std::move(client) : nullptr;
  }

  template <typename T>
  absl::StatusOr<T> Wait(chain::Result<T> task) {
    return kj::mv(task).ToPromise().wait(io_.waitScope);
  }
  // Sends bytes as they are and returns what comes back until the server closes or is quiet.
  std::string Raw(const std::string& bytes, kj::Duration quiet = 200 * kj::MILLISECONDS) {
    auto stream = Connect();
    stream->write(bytes.data(), bytes.size()).wait(io_.waitScope);
    return ReadAll(*stream, quiet);
  }
  kj::Own<kj::AsyncIoStream> Connect() {
    return io_.provider->getNetwork()
        .parseAddress(kj::str("127.0.0.1:", port_))
        .wait(io_.waitScope)
        ->connect()
        .wait(io_.waitScope);
  }
  // Until the other end closes, is quiet, or has sent a whole HTTP answer.
  std::string ReadAll(kj::AsyncIoStream& stream, kj::Duration quiet) {
    std::string out;
    char buffer[4096];
    while (!Complete(out)) {
      auto read = stream.tryRead(buffer, 1, sizeof(buffer))
                      .exclusiveJoin(io_.provider->getTimer().afterDelay(quiet).then(
                          []() { return std::size_t{0}; }))
                      .catch_([](kj::Exception&& /*closed*/) { return std::size_t{0}; });
      const std::size_t count = read.wait(io_.waitScope);
      if (count == 0) return out;
      out.append(buffer, count);
    }
    return out;
  }
  static bool Complete(const std::string& answer) {
    const std::size_t head = answer.find("\r\n\r\n");
    const std::size_t length = answer.find("Content-Length: ");
    return head != std::string::npos && length < head &&
           answer.size() >= head + 4 + std::stoul(answer.substr(length + 16));
  }
  // The answer to one HTTP request: status and body.
  std::pair<int, std::string> Http(const std::string& body, const std::string& headers = "",
                                   const std::string& target = "/rpc/v1",
                                   const std::string& verb = "POST") {
    const std::string answer = Raw(verb + " " + target + " HTTP/1.1\r\nHost: x\r\n" + headers +
                                       "Content-Length: " + std::to_string(body.size()) +
                                       "\r\nConnection: close\r\n\r\n" + body,
                                   2 * kj::SECONDS);
    const std::size_t head = answer.find("\r\n\r\n");
    if (!answer.starts_with("HTTP/1.1 ") || head == std::string::npos) return {0, answer};
    return {std::stoi(answer.substr(9, 3)), answer.substr(head + 4)};
  }

  kj::AsyncIoContext io_;
  Verifier verifier_;
  std::unique_ptr<Chain> chain_;
  std::unique_ptr<LotusServer> server_;
  std::uint16_t port_ = 0;
  kj::Promise<void> serving_ = kj::READY_NOW;
};

}  // namespace damocles::devnet::testing_support
