// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "apps/devnet/run.h"

#include <kj/async-io.h>
#include <kj/async-unix.h>
#include <signal.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "apps/common/cli.h"
#include "apps/common/listen_on.h"
#include "apps/common/signals.h"

#include "damocles/async/failure.h"
#include "damocles/base/clock.h"
#include "damocles/base/endpoint.h"
#include "damocles/base/file.h"
#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/devnet/chain.h"
#include "damocles/devnet/lotus_server.h"
#include "damocles/prover/local_proving.h"

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
    // Without a key there is no verdict; with one, bytes that are no proof are a wrong one.
    const absl::StatusOr<std::string> key = verifier->VkDigest(from.proof_type);
    if (!key.ok()) return absl::FailedPreconditionError(key.status().message());
    absl::StatusOr<bool> valid = verifier->Verify(statement, proof);
    if (!valid.ok() || !*valid) {
      LogWarning("devnet", "wrong_proof",
                 {{"miner", from.miner},
                  {"detail", valid.ok() ? "it does not fit sectors and randomness"
                                        : std::string(valid.status().message())}});
    }
    return valid;
  };
}

// The file that tells the port: there while it is true.
class PortFile {
 public:
  // Takes away one of an earlier run, before anything that takes time or can fail.
  explicit PortFile(std::string path) : path_(std::move(path)) { Remove(); }
  PortFile(const PortFile&) = delete;
  PortFile& operator=(const PortFile&) = delete;
  ~PortFile() { Remove(); }
  absl::Status Write(unsigned port) const {
    if (path_.empty()) return absl::OkStatus();
    return WriteFileAtomically(path_, absl::StrFormat("%d\n", port));
  }

 private:
  void Remove() const {
    if (!path_.empty()) unlink(path_.c_str());
  }
  std::string path_;
};

using ScopedTokens = std::map<std::string, unsigned>;

absl::StatusOr<ScopedTokens> ParseScopedTokens(const RunOptions& options) {
  ScopedTokens tokens;
  for (const std::string& text : options.scoped_tokens) {
    const std::size_t colon = text.find(':');
    const std::string scope = text.substr(0, colon);
    const std::string token = colon == std::string::npos ? "" : text.substr(colon + 1);
    unsigned permissions = devnet::kReadPermission;
    if (scope == "write" || scope == "sign") permissions |= devnet::kWritePermission;
    if (scope == "sign") permissions |= devnet::kSignPermission;
    if (token.empty() || (scope != "read" && permissions == devnet::kReadPermission)) {
      return cli::UsageError("--scoped-token: write read:TOKEN, write:TOKEN or sign:TOKEN");
    }
    if (options.token.empty() || token == options.token) {
      return cli::UsageError("--scoped-token goes with another --token that allows everything");
    }
    tokens[token] = permissions;
  }
  return tokens;
}

struct Listen {
  std::string address;
  bool loopback = true;
};

std::string_view WithoutBrackets(std::string_view host) {
  const bool has = host.size() > 2 && host.front() == '[' && host.back() == ']';
  return has ? host.substr(1, host.size() - 2) : host;
}

// ":PORT" is this machine's loopback: a devnet gives everybody every right.
absl::StatusOr<Listen> ParseListen(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  std::uint32_t port = 0;
  constexpr std::uint32_t kPortMax = 65535;
  if (colon == std::string::npos || !absl::SimpleAtoi(text.substr(colon + 1), &port) ||
      port > kPortMax || !absl::ascii_isdigit(static_cast<unsigned char>(text[colon + 1]))) {
    return cli::UsageError(absl::StrFormat(
        "--listen %s: write HOST:PORT or :PORT, the port from 0 to %d; 0 is any free one", text,
        kPortMax));
  }
  const std::string host = text.substr(0, colon);
  if (host.empty()) return Listen{.address = "127.0.0.1" + text, .loopback = true};
  return Listen{.address = text, .loopback = IsLoopbackHost(WithoutBrackets(host))};
}

}  // namespace

// In one piece: what is started here stops in the opposite order, which is that of the locals.
absl::StatusOr<int> RunDevnet(const RunOptions& options) {
  cli::LeaveToTheLoop({});
  cli::StopSignals stop_signals;
  const PortFile port_file(options.port_file);

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
  std::optional<devnet::Traffic> traffic;
  if (!options.traffic.empty()) {
    const auto named = devnet::TrafficByName(options.traffic);
    if (!named.ok()) return cli::UsageError("--traffic: " + std::string(named.status().message()));
    traffic = *named;
  }
  DAMOCLES_ASSIGN_OR_RETURN(const ScopedTokens scoped_tokens, ParseScopedTokens(options));
  prover::LocalProving proving(prover::ParamsDir(options.params_dir), 0);
  const prover::LocalProving::Keys keys = proving.VerifyingKeys();
  if (keys.digests.empty()) {
    LogWarning(
        "devnet", "no_verifying_keys",
        {{"folder", proving.Parameters().Folder()}, {"effect", "every proof will be refused"}});
  }
  DAMOCLES_ASSIGN_OR_RETURN(
      const std::unique_ptr<devnet::Chain> chain,
      devnet::Chain::Open(options.home, {.verify = MakeVerify(proving.Verifier()), .mode = mode}));
  if (traffic) DAMOCLES_RETURN_IF_ERROR(chain->SetTraffic(*traffic));

  kj::AsyncIoContext io = kj::setupAsyncIo();
  devnet::LotusServerOptions server_options;
  server_options.token = options.token;
  server_options.scoped_tokens = scoped_tokens;
  for (const auto& [type, digest] : keys.digests) {
    server_options.verifying_keys[filecoin::ToNumber(type)] = digest;
  }
  devnet::LotusServer server(*chain, io.provider->getTimer(), SystemClock(), server_options);
  auto receiver = cli::ListenOn(io, listen.address, 0, options.listen);
  if (!receiver.ok()) return receiver.status();
  const auto port = (*receiver)->getPort();
  auto serving = server.Listen(*std::move(receiver));
  // HTTP and WebSocket are one port: from here on both answer.
  DAMOCLES_RETURN_IF_ERROR(port_file.Write(port));
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
                     return async::FailureStatus(exception, "the port failed");
                   });
  auto stopped = stop_signals.First(io).then([]() -> Outcome {
    LogInfo("devnet", "stopping", {});
    return cli::kExitDone;
  });
  return stopped.exclusiveJoin(kj::mv(ended)).exclusiveJoin(kj::mv(failed)).wait(io.waitScope);
}

}  // namespace damocles::devnet_app
