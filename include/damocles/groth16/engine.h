// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The heavy arithmetic of a proof behind one interface, so that a GPU can do it.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/base/thread_pool.h"
#include "damocles/bls12_381/fr.h"
#include "damocles/bls12_381/g1.h"
#include "damocles/bls12_381/g2.h"
#include "damocles/groth16/params.h"

namespace damocles::groth16 {

// The points of one query as an engine keeps them between proofs (decoded, or on a card).
class PointSet {
 public:
  virtual ~PointSet() = default;
  virtual std::uint64_t Size() const = 0;
};

// Safe to call from several threads unless the implementation says otherwise.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::string Name() const = 0;

  // Forgets what it has computed for later proofs, but for the points, which go with their sets:
  // memory may have changed under it.
  virtual void Forget() = 0;

  // Takes the points of a query.  What they are read from must outlive the set: an engine may read
  // them at any use.
  virtual absl::StatusOr<std::unique_ptr<PointSet>> LoadG1(EncodedPoints points) = 0;
  virtual absl::StatusOr<std::unique_ptr<PointSet>> LoadG2(EncodedPoints points) = 0;

  // Sum of scalars[i] * point[first + i]; there are that many points (checked).  `points` must come
  // from this engine.  INVALID_ARGUMENT if a point is off the curve or infinity; what reading the
  // points returns.
  virtual absl::StatusOr<bls12_381::G1> MultiExpG1(const PointSet& points, std::uint64_t first,
                                                   std::span<const bls12_381::Fr> scalars) = 0;
  virtual absl::StatusOr<bls12_381::G2> MultiExpG2(const PointSet& points, std::uint64_t first,
                                                   std::span<const bls12_381::Fr> scalars) = 0;

  // The quotient of 8.4.  Each span holds 2^log2_size row values; leaves the coefficients of H in
  // `a`, the last of them zero for a satisfied witness; `b` and `c` are spoiled.
  virtual absl::Status Quotient(unsigned log2_size, std::span<bls12_381::Fr> a,
                                std::span<bls12_381::Fr> b, std::span<bls12_381::Fr> c) = 0;
};

struct CpuEngineOptions {
  // Most memory for decoded points that are kept for the next proof, all sets together.  Sets that
  // do not fit are decoded in parts at each use.
  std::uint64_t cached_points_bytes_max = std::uint64_t{8} << 30;
  // Called with the memory of each set of points that has been decoded to be kept.  For tests,
  // which see here what is kept and play memory that fails.
  std::function<void(std::span<std::uint8_t> points)> on_kept = {};
};

// Works on `pool`, which must outlive it and its point sets.
std::unique_ptr<Engine> MakeCpuEngine(ThreadPool& pool, const CpuEngineOptions& options = {});

}  // namespace damocles::groth16
