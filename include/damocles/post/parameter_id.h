// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Names and published digests of Groth16 parameter files (docs/formats/params.md).

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "damocles/post/types.h"

namespace damocles::post {

// Where the network's programs look, unless the environment variable names another folder.
inline constexpr char kParameterFolderVariable[] = "FIL_PROOFS_PARAMETER_CACHE";
inline constexpr char kDefaultParameterFolder[] = "/var/tmp/filecoin-proof-parameters/";

// The text whose SHA-256 identifies the parameters of a circuit.
std::string ParameterIdent(const CircuitShape& circuit);
// "proof-of-spacetime-fallback-merkletree-poseidon_hasher-8-8-0-<hex>".
std::string ParameterId(const CircuitShape& circuit);
// "v28-<id>.params", ".vk" and ".meta".
std::string ParamsFileName(const CircuitShape& circuit);
std::string VkFileName(const CircuitShape& circuit);
std::string MetaFileName(const CircuitShape& circuit);

// The circuit of a file with one of these names (with or without a folder in front), if it is one
// of the network's, that is with the network's sectors per partition; NOT_FOUND otherwise.
absl::StatusOr<CircuitShape> CircuitOfFileName(std::string_view file_name);

// What the network's parameters.json says of a circuit's files: the first 16 bytes of BLAKE2b-512
// of the whole file, hex, and the file's IPFS CID.
struct PublishedFile {
  std::string_view digest;
  std::string_view cid;
};
struct PublishedParameters {
  PublishedFile params;
  PublishedFile vk;
};
// Absent for circuits without published parameters.
std::optional<PublishedParameters> PublishedParametersOf(const CircuitShape& circuit);

}  // namespace damocles::post
