// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"

#include "damocles/groth16/params.h"
#include "damocles/params/parameter_store.h"

namespace damocles::params {

// The content of a .meta file (docs/formats/params.md).  It holds only for the .vk that it names: a
// setup replaces three files one after the other, and may be killed between any two.
struct ParameterMark {
  ParameterOrigin origin = ParameterOrigin::kKnownSecrets;
  std::uint64_t sector_bytes = 0;
  std::string vk_sha256;
  std::uint64_t params_bytes = 0;
  std::string params_blake2b;  // as groth16::FileDigests
};

// Absent if there is no file or it marks nothing, as those of other programs.
std::optional<ParameterMark> ReadMark(const std::string& path);
absl::Status WriteMark(const std::string& path, const ParameterMark& mark);

}  // namespace damocles::params
