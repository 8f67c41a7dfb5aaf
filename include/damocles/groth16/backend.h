// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The heavy arithmetic of a proof behind one seam, at the height of a proof: a key is loaded once
// for a circuit, and from then on an assignment goes in and five points come out.  What lies
// between stays where it is computed, on the threads of a pool or on a card.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/thread_pool.h"
#include "damocles/bls12_381/fr.h"
#include "damocles/bls12_381/g1.h"
#include "damocles/bls12_381/g2.h"
#include "damocles/circuit/post_circuit.h"
#include "damocles/groth16/params.h"

namespace damocles::groth16 {

// The values of all variables of a circuit, and of its rows.
struct Assignment {
  std::vector<bls12_381::Fr> inputs;  // ONE first
  std::vector<bls12_381::Fr> aux;     // sector after sector
  // 2^Counts::Log2Domain() values each: the rows of A, B and C times the variables, then zeros.
  std::vector<bls12_381::Fr> a;
  std::vector<bls12_381::Fr> b;
  std::vector<bls12_381::Fr> c;
};

// The multi-exponentiations of a proof (docs/post.md 6, step 2).
struct QuerySums {
  bls12_381::G1 h = bls12_381::G1::Infinity();
  bls12_381::G1 l = bls12_381::G1::Infinity();
  bls12_381::G1 a = bls12_381::G1::Infinity();
  bls12_381::G1 b_g1 = bls12_381::G1::Infinity();
  bls12_381::G2 b_g2 = bls12_381::G2::Infinity();
};

struct SumOptions {
  // B in G1 serves only to be multiplied by r: a proof without blinding does without.
  bool want_b_g1 = true;
};

// The parameters of one circuit as a backend holds them between proofs: decoded, or on a card. Safe
// to call from several threads.
class ProvingKey {
 public:
  // Blocks until every sum that was begun has ended.
  virtual ~ProvingKey() = default;

  // Begins the sums of one assignment; their end is waited for with get(), which may do the work
  // itself.  A future that goes without that leaves no work behind for long if `stop` was told so.
  //
  // CANCELLED soon after `stop` said so; INTERNAL if the assignment does not satisfy the circuit;
  // INVALID_ARGUMENT if a point is off the curve or infinity; RESOURCE_EXHAUSTED or std::bad_alloc
  // for want of memory, after which the next call is a fresh try; what reading the points returns.
  virtual std::future<absl::StatusOr<QuerySums>> Sum(Assignment assignment,
                                                     const SumOptions& options,
                                                     std::stop_token stop) = 0;
};

// Safe to call from several threads.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string Name() const = 0;

  // How many assignments of one circuit it uses at a time, at least 1: the next is made while this
  // one is summed where that goes on elsewhere than on the processors that make it.
  virtual std::size_t Depth() const = 0;

  // Takes the parameters of the circuit; they have its counts (the prover has looked).  The points
  // may be read at once, or at the first use, or at every one; a fault in them is seen then.
  // RESOURCE_EXHAUSTED if there is no room for what must be kept.
  virtual absl::StatusOr<std::unique_ptr<ProvingKey>> Load(
      const circuit::PostShape& shape, std::shared_ptr<const ParamsFile> params) = 0;
};

struct CpuBackendOptions {
  // Most memory for decoded points that are kept for the next proof, all keys together.  Queries
  // that do not fit are decoded in parts at each use.
  std::uint64_t cached_points_bytes_max = std::uint64_t{8} << 30;
  // Called with the memory of each query's points that have been decoded to be kept.  For tests,
  // which see here what is kept and play memory that fails.
  std::function<void(std::span<std::uint8_t> points)> on_kept = {};
};

// Works on `pool`, which must outlive it and its keys, in the thread that waits for the sums.
std::unique_ptr<Backend> MakeCpuBackend(ThreadPool& pool, const CpuBackendOptions& options = {});

}  // namespace damocles::groth16
