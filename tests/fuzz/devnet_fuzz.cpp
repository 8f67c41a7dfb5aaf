// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the devnet reads: the first byte chooses an actor trace, the journal of a chain, the first
// record of one, or the body of a JSON-RPC request, which is executed on a small chain.

#include <kj/async-io.h>
#include <kj/async.h>
#include <kj/timer.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "lib/devnet/config_json.h"
#include "lib/devnet/lotus_methods.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/bytes.h"
#include "damocles/base/check.h"
#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/chain/json_rpc.h"
#include "damocles/devnet/presets.h"
#include "damocles/devnet/replay.h"
#include "damocles/hash/blake2b.h"

namespace {

namespace devnet = damocles::devnet;
namespace internal = damocles::devnet::internal;

devnet::Genesis SmallGenesis() {
  devnet::GenesisMiner miner;
  miner.id = 1000;
  miner.sectors = {{.number = 1, .comm_r = {}, .deadline = 0, .partition = 0}};
  return {.miners = {miner}};
}

devnet::ChainOptions Options() {
  devnet::ChainOptions options;
  options.verify = [](const devnet::PostStatement&, damocles::ByteSpan) { return true; };
  return options;
}

// As it is, and with every line's sum made right, so that the records themselves are read.
void TryJournal(std::string_view text) {
  static const damocles::testing_support::TempDir home;
  const std::string file = home / "chain.journal";
  DAMOCLES_CHECK(damocles::WriteFileAtomically(file, text).ok());
  (void)devnet::Chain::OpenReadOnly(home.Path());
  std::string summed;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::string_view record = line.substr(std::min<std::size_t>(line.size(), 17));
    summed += damocles::ToHex(damocles::hash::Blake2bOf(damocles::AsBytes(record), 8)) + " " +
              std::string(record) + "\n";
  }
  DAMOCLES_CHECK(damocles::WriteFileAtomically(file, summed).ok());
  (void)devnet::Chain::OpenReadOnly(home.Path());
}

void TryFirstRecord(std::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return;
  if (const auto config = internal::ConfigFromJson(json); config.ok()) {
    DAMOCLES_CHECK(internal::ConfigFromJson(internal::ToJson(*config)).ok());
    (void)devnet::Validate(*config);
  }
  if (const auto genesis = internal::GenesisFromJson(json); genesis.ok()) {
    DAMOCLES_CHECK(internal::GenesisFromJson(internal::ToJson(*genesis)).ok());
  }
}

class NoConnections final : public internal::Connections {
 public:
  void DropWebSockets() override {}
  void EndChannels() override {}
};

void TryRequest(std::string_view body) {
  static kj::AsyncIoContext io = kj::setupAsyncIo();
  static const auto chain =
      devnet::Chain::InMemory(devnet::QuickPreset(), SmallGenesis(), Options());
  DAMOCLES_CHECK(chain.ok());
  static NoConnections connections;
  // No timers pass: a method that waits is dropped.
  static kj::TimerImpl timer(kj::origin<kj::TimePoint>());
  internal::LotusMethods methods(**chain, timer, connections);
  for (const auto& request : damocles::chain::ParseRpcBody(body).requests) {
    if (request.error) continue;
    auto answer = methods
                      .Call(request.request,
                            {.permissions = internal::kAllPermissions, .v0 = body.size() % 2 == 1})
                      .ToPromise();
    if (!answer.poll(io.waitScope)) continue;
    const internal::RpcAnswer got = answer.wait(io.waitScope);
    DAMOCLES_CHECK(got.error.has_value() || !got.result.empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      (void)devnet::ReplayTrace(text);
      break;
    case 1:
      TryJournal(text);
      break;
    case 2:
      TryFirstRecord(text);
      break;
    default:
      TryRequest(text);
      break;
  }
  return 0;
}
