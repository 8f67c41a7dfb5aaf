// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The three configuration files: whatever the bytes, a status, and no token in it.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "damocles/base/check.h"
#include "damocles/config/ext_prover.h"
#include "damocles/config/manager.h"
#include "damocles/config/worker.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using damocles::config::UnknownKeys;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const damocles::config::LoadOptions options{.unknown = UnknownKeys::kWarn,
                                              .check_folders = false};
  const auto manager = damocles::config::ParseManagerConfig(text, "fuzz", options);
  if (manager.ok()) {
    DAMOCLES_CHECK(!damocles::config::DescribeForLog(*manager).empty());
  } else {
    DAMOCLES_CHECK(!manager.status().message().empty());
  }
  const auto worker = damocles::config::ParseWorkerConfig(text, "fuzz", options);
  if (worker.ok()) {
    DAMOCLES_CHECK(!worker->managers.empty() && !worker->threads.empty());
  }
  (void)damocles::config::ParseExtProverConfig(text, "fuzz", options);
  (void)damocles::config::ParseGoDuration(text);
  (void)damocles::config::ParseHumanDuration(text);
  (void)damocles::config::ParseChainEndpoint(text);
  (void)damocles::config::ParseHostPort(text, "localhost");
  return 0;
}
