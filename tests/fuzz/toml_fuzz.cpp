// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The three configuration files: whatever the bytes, a status; and whatever the bytes around a
// token, it is in no error, no warning and no log line.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "damocles/base/check.h"
#include "damocles/base/endpoint.h"
#include "damocles/config/ext_prover.h"
#include "damocles/config/manager.h"
#include "damocles/config/worker.h"

namespace {

using damocles::config::LoadOptions;
using damocles::config::ParseManagerConfig;
using damocles::config::ParseWorkerConfig;
using damocles::config::UnknownKeys;

constexpr LoadOptions kOptions{.unknown = UnknownKeys::kWarn, .check_folders = false};
constexpr std::string_view kSecret = "PLANTEDSECRET";

void ExpectNoSecret(std::string_view text) {
  DAMOCLES_CHECK(text.find(kSecret) == std::string_view::npos);
}

template <typename Config>
void ExpectNoSecret(const absl::StatusOr<Config>& config) {
  if (!config.ok()) return ExpectNoSecret(config.status().ToString());
  ExpectNoSecret(damocles::config::DescribeForLog(*config));
  for (const std::string& warning : config->warnings) ExpectNoSecret(warning);
}

// What stands in a TOML string without being escaped; the rest is replaced.
std::string Plain(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\' ? '?' : c;
  }
  return out;
}

// `around` stands before and behind a token, in every place where one may stand.
void TryTokens(std::string_view around) {
  const std::string some = Plain(around.substr(0, 200));
  const std::string secret(kSecret);
  const std::vector<std::string> addresses = {
      secret + ":" + some, some + "?token=" + secret,        some + "#" + secret,
      secret + some,       "https://" + secret + "@" + some, "https://h/" + secret + some};
  for (const std::string& address : addresses) {
    const auto endpoint = damocles::ParseEndpoint(address);
    if (!endpoint.ok()) ExpectNoSecret(endpoint.status().ToString());
    const auto listen = damocles::ParseHostPort(address, "h");
    if (!listen.ok()) ExpectNoSecret(listen.status().ToString());
    const auto peer = damocles::ParsePeer(address, "h");
    if (!peer.ok()) ExpectNoSecret(peer.status().ToString());
    // "TOKEN:1789" is a host and its port; nobody can tell.
    if (!endpoint.ok() || endpoint->host.find(secret) == std::string::npos) {
      ExpectNoSecret(
          ParseManagerConfig("[Common.API]\nChain = \"" + address + "\"\n", "fuzz", kOptions));
    }
    if (!peer.ok() || peer->host.find(secret) == std::string::npos) {
      ExpectNoSecret(ParseWorkerConfig("[sector_manager]\nrpc_client.addr = \"" + address + "\"\n",
                                       "fuzz", kOptions));
    }
  }
  for (const char* opening : {"", "\"", "'", "["}) {
    const std::string value = opening + secret + some;
    for (const char* closing : {"", "\"", "'", "]"}) {
      ExpectNoSecret(
          ParseManagerConfig("[Common.API]\nToken = " + value + closing + "\n", "fuzz", kOptions));
      ExpectNoSecret(ParseWorkerConfig(
          "[sector_manager]\nrpc_client.token = " + value + closing + "\n", "fuzz", kOptions));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto manager = ParseManagerConfig(text, "fuzz", kOptions);
  if (manager.ok()) {
    DAMOCLES_CHECK(!damocles::config::DescribeForLog(*manager).empty());
    for (const auto& node : manager->chain) {
      DAMOCLES_CHECK(damocles::ParseEndpoint(node.url).ok());
      DAMOCLES_CHECK(node.token.Empty() || damocles::MayBeToken(node.token.Reveal()));
    }
  } else {
    DAMOCLES_CHECK(!manager.status().message().empty());
  }
  const auto worker = ParseWorkerConfig(text, "fuzz", kOptions);
  if (worker.ok()) {
    DAMOCLES_CHECK(!worker->managers.empty() && !worker->threads.empty());
    for (const auto& manager_of : worker->managers) {
      DAMOCLES_CHECK(manager_of.token.Empty() || damocles::MayBeToken(manager_of.token.Reveal()));
    }
  }
  (void)damocles::config::ParseExtProverConfig(text, "fuzz", kOptions);
  (void)damocles::config::ParseGoDuration(text);
  (void)damocles::config::ParseHumanDuration(text);
  TryTokens(text);
  return 0;
}
