// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A prover and a verifier on this machine, put together: what the manager and the worker both have.

#pragma once

#include <map>
#include <memory>
#include <string>

#include "damocles/base/thread_pool.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/groth16/backend.h"
#include "damocles/params/parameter_store.h"
#include "damocles/prover/local_prover.h"
#include "damocles/prover/post_prover.h"
#include "damocles/prover/window_prover.h"

namespace damocles::prover {

// Must outlive every proof that is under way.
class LocalProving {
 public:
  // `threads` 0: as many as there are processors.
  LocalProving(const std::string& params_dir, std::size_t threads);

  std::shared_ptr<WindowProver> Prover() { return prover_; }
  std::shared_ptr<WindowVerifier> Verifier() { return verifier_; }
  params::ParameterStore& Parameters() { return parameters_; }
  ThreadPool& Pool() { return pool_; }

  struct Keys {
    std::map<filecoin::PoStProofType, std::string> digests;  // SHA-256 of each .vk that is here
    // Those that are for a devnet only, and why: not the published ones, or of known secrets
    // (params::ParameterStore::CheckFitForNetwork).
    std::map<filecoin::PoStProofType, std::string> practice;
  };
  // The window proof types whose .vk is here.  A damaged file is logged and left out.
  Keys VerifyingKeys() { return KeysWhere(/*params=*/false); }
  // Of these, the ones whose .params is here too.
  Keys ProvableKeys() { return KeysWhere(/*params=*/true); }

 private:
  Keys KeysWhere(bool params);

  ThreadPool pool_;
  params::ParameterStore parameters_;
  std::unique_ptr<groth16::Backend> backend_;
  PostProver post_prover_;
  std::shared_ptr<WindowProver> prover_;
  std::shared_ptr<WindowVerifier> verifier_;
};

// FIL_PROOFS_PARAMETER_CACHE or its default unless `flag` names a folder.
std::string ParamsDir(const std::string& flag);

}  // namespace damocles::prover
