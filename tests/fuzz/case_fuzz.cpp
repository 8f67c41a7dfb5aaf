// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Cases and secrets from elsewhere: read or refused, however deep they nest.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "damocles/base/check.h"
#include "damocles/practice/case.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace damocles;  // NOLINT(google-build-using-namespace): the only function here
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto proof = practice::ReadProofCase(text);
  if (proof.ok()) {
    DAMOCLES_CHECK(!proof->sectors.empty());
    DAMOCLES_CHECK(post::CheckCircuit(proof->claim.circuit).ok());
  } else {
    DAMOCLES_CHECK(absl::IsInvalidArgument(proof.status()));
  }
  const auto secrets = practice::ReadSecrets(text);
  DAMOCLES_CHECK(secrets.ok() || absl::IsInvalidArgument(secrets.status()));
  return 0;
}
