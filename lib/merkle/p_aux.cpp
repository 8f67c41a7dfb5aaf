// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/merkle/p_aux.h"

#include <array>
#include <string_view>

#include "absl/strings/str_format.h"
#include "lib/merkle/node_io.h"

#include "damocles/base/file.h"
#include "damocles/base/status.h"
#include "damocles/poseidon/poseidon.h"

namespace damocles::merkle {
namespace {

constexpr std::uint64_t kPAuxBytes = 64;

std::string PathOf(const std::string& cache_folder) {
  return cache_folder + "/" + kPAuxName;
}

}  // namespace

Fr PAux::CommR() const {
  return poseidon::Hash2(comm_c, comm_r_last);
}

absl::StatusOr<PAux> ReadPAux(const std::string& cache_folder) {
  const std::string path = PathOf(cache_folder);
  DAMOCLES_ASSIGN_OR_RETURN(const File file, OpenRegular(path, kPAuxBytes));
  std::array<Fr, 2> values;
  DAMOCLES_RETURN_IF_ERROR(ReadNodesAt(file, path, 0, 0, values));
  return PAux{values[0], values[1]};
}

Bytes EncodePAux(const PAux& p_aux) {
  return EncodeNodes(std::array<Fr, 2>{p_aux.comm_c, p_aux.comm_r_last});
}

absl::Status WritePAux(const std::string& cache_folder, const PAux& p_aux) {
  return WriteFileAtomically(PathOf(cache_folder), AsText(EncodePAux(p_aux)));
}

}  // namespace damocles::merkle
