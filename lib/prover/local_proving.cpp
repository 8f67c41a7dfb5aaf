// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/prover/local_proving.h"

#include "damocles/base/file.h"
#include "damocles/base/log.h"
#include "damocles/base/random.h"
#include "damocles/merkle/shape.h"
#include "damocles/post/types.h"

namespace damocles::prover {

LocalProving::LocalProving(const std::string& params_dir, std::size_t threads)
    : pool_(threads == 0 ? ProcessorCount() : threads),
      parameters_(params_dir),
      backend_(groth16::MakeCpuBackend(pool_)),
      post_prover_(parameters_, *backend_, pool_, SystemRandom()),
      prover_(MakeLocalWindowProver(post_prover_, pool_)),
      verifier_(MakeLocalWindowVerifier(parameters_, pool_, SystemRandom())) {}

LocalProving::Keys LocalProving::KeysWhere(bool params) {
  Keys keys;
  for (const auto type :
       {filecoin::PoStProofType::kWindow2KiBV1_1, filecoin::PoStProofType::kWindow8MiBV1_1,
        filecoin::PoStProofType::kWindow512MiBV1_1, filecoin::PoStProofType::kWindow32GiBV1_1,
        filecoin::PoStProofType::kWindow64GiBV1_1}) {
    const auto claim = ClaimOf(type, Bytes32{});
    if (!claim.ok()) continue;
    // Absent ones are no news: most machines prove one size only.
    const bool has_params = PathExists(parameters_.ParamsPath(claim->circuit));
    if (!has_params && (params || !PathExists(parameters_.VkPath(claim->circuit)))) continue;
    // Whoever has made wrong proofs is not to be given work.
    if (params && !post_prover_.InService(claim->circuit).ok()) continue;
    auto digest = verifier_->VkDigest(type);
    if (!digest.ok()) {
      LogError("params", "verifying_key_unusable",
               {{"proof_type", filecoin::ToString(type)}, {"error", digest.status()}});
      continue;
    }
    keys.digests[type] = *std::move(digest);
    if (const absl::Status fit = parameters_.CheckFitForNetwork(claim->circuit); !fit.ok()) {
      keys.practice[type] = std::string(fit.message());
    }
  }
  return keys;
}

std::string ParamsDir(const std::string& flag) {
  return flag.empty() ? params::ParameterStore::DefaultFolder() : ExpandHome(flag);
}

}  // namespace damocles::prover
