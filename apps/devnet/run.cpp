// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "apps/devnet/run.h"

#include <kj/async-io.h>
#include <kj/async-unix.h>
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "absl/strings/str_format.h"
#include "apps/common/cli.h"
#include "apps/common/proving.h"
#include "apps/common/signals.h"

#include "damocles/base/clock.h"
#include "damocles/base/file.h"
#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/devnet/chain.h"
#include "damocles/devnet/lotus_server.h"

namespace damocles::devnet_app {
namespace {

// The real verifier behind the engine's question.
devnet::VerifyPost MakeVerify(std::shared_ptr<prover::WindowVerifier> verifier) {
  return [verifier](const devnet::PostStatement& from, ByteSpan proof) -> absl::StatusOr<bool> {
    prover::WindowPostStatement statement{.proof_type = from.proof_type,
                                          .miner = from.miner,
                                          .randomness = from.randomness,
                                          .sectors = {}};
    for (const auto& sector : from.sectors) {
      statement.sectors.push_back({.number = sector.number, .comm_r = sector.comm_r});
    }
    return verifier->Verify(statement, proof);
  };
}

struct Listen {
  std::string address;
  bool loopback = true;
};

// ":PORT" is this machine's loopback: a devnet gives everybody every right.
absl::StatusOr<Listen> ParseListen(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon + 1 == text.size()) {
    return cli::UsageError(
        absl::StrFormat("--listen %s: write HOST:PORT or :PORT; port 0 is any free one", text));
  }
  const std::string host = text.substr(0, colon);
  if (host.empty()) return Listen{.address = "127.0.0.1" + text, .loopback = true};
  const bool loopback = host == "localhost" || host == "[::1]" || host.starts_with("127.");
  return Listen{.address = text, .loopback = loopback};
}

}  // namespace

absl::StatusOr<int> RunDevnet(const RunOptions& options) {
  cli::LeaveToTheLoop({SIGTERM, SIGINT});

  DAMOCLES_ASSIGN_OR_RETURN(const Listen listen, ParseListen(options.listen));
  if (!listen.loopback && options.token.empty()) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "refusing to listen on %s without a token: whoever connects could do everything; pass "
        "--token or listen on 127.0.0.1",
        options.listen));
  }
  devnet::VerifyMode mode = devnet::VerifyMode::kAlways;
  if (options.verify == "actor") {
    mode = devnet::VerifyMode::kActor;
  } else if (options.verify != "always") {
    return cli::UsageError(absl::StrFormat("--verify %s: write always or actor", options.verify));
  }
  cli::Proving proving(cli::ParamsDir(options.params_dir), 0);
  const cli::Proving::Keys keys = proving.VerifyingKeys();
  if (keys.digests.empty()) {
    LogWarning(
        "devnet", "no_verifying_keys",
        {{"folder", proving.Parameters().Folder()}, {"effect", "every proof will be refused"}});
  }
  DAMOCLES_ASSIGN_OR_RETURN(
      const std::unique_ptr<devnet::Chain> chain,
      devnet::Chain::Open(options.home, {.verify = MakeVerify(proving.Verifier()), .mode = mode}));

  kj::AsyncIoContext io = kj::setupAsyncIo();
  devnet::LotusServerOptions server_options;
  server_options.token = options.token;
  for (const auto& [type, digest] : keys.digests) {
    server_options.verifying_keys[filecoin::ToNumber(type)] = digest;
  }
  devnet::LotusServer server(*chain, io.provider->getTimer(), SystemClock(), server_options);
  auto receiver = [&]() -> absl::StatusOr<kj::Own<kj::ConnectionReceiver>> {
    try {
      return io.provider->getNetwork().parseAddress(listen.address).wait(io.waitScope)->listen();
    } catch (const kj::Exception& exception) {
      return absl::UnavailableError(absl::StrFormat("cannot listen on %s: %s", options.listen,
                                                    exception.getDescription().cStr()));
    }
  }();
  if (!receiver.ok()) return receiver.status();
  const auto port = (*receiver)->getPort();
  auto serving = server.Listen(*std::move(receiver));
  // HTTP and WebSocket are one port: from here on both answer.
  if (!options.port_file.empty()) {
    DAMOCLES_RETURN_IF_ERROR(WriteFileAtomically(options.port_file, absl::StrFormat("%d\n", port)));
  }
  LogInfo("devnet", "running",
          {{"port", port},
           {"network", chain->StateNetworkName()},
           {"head", chain->ChainHead().Height().Value()},
           {"clock", options.manual_clock ? "manual" : "automatic"}});

  using Outcome = absl::StatusOr<int>;
  auto clock = options.manual_clock ? kj::Promise<absl::Status>(kj::NEVER_DONE) : server.RunClock();
  auto ended = clock.then([](absl::Status status) -> Outcome { return status; });
  auto failed =
      serving.then([]() -> Outcome { return absl::UnavailableError("the port was closed"); },
                   [](kj::Exception&& exception) -> Outcome {
                     return absl::UnavailableError(
                         absl::StrFormat("the port failed: %s", exception.getDescription().cStr()));
                   });
  auto stopped = cli::StopSignal(io.unixEventPort).then([]() -> Outcome {
    LogInfo("devnet", "stopping", {});
    return cli::kExitDone;
  });
  return stopped.exclusiveJoin(kj::mv(ended)).exclusiveJoin(kj::mv(failed)).wait(io.waitScope);
}

}  // namespace damocles::devnet_app
