// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <map>
#include <memory>
#include <stop_token>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "lib/groth16/cpu_points.h"

#include "damocles/base/check.h"
#include "damocles/base/mutex.h"
#include "damocles/base/status.h"
#include "damocles/base/stop.h"
#include "damocles/bls12_381/fft.h"
#include "damocles/groth16/backend.h"

namespace damocles::groth16 {
namespace {

using bls12_381::Domain;
using bls12_381::Fr;
using bls12_381::G1;
using bls12_381::G2;

constexpr std::size_t kRowGrain = 4096;

// Appends the values of one density: sector after sector, the dense ones in order.
void AppendDense(std::span<const Fr> aux, const std::vector<bool>& density, std::vector<Fr>& out) {
  for (std::size_t begin = 0; begin < aux.size(); begin += density.size()) {
    for (std::size_t i = 0; i < density.size(); ++i) {
      if (density[i]) out.push_back(aux[begin + i]);
    }
  }
}

// Leaves the coefficients of H = (A * B - C) / Z in `a`, the last of them zero for rows that are
// satisfied; `b` and `c` are spoiled.  CANCELLED between two transforms.
absl::Status Quotient(ThreadPool& pool, const Domain& domain, const std::stop_token& stop,
                      std::span<Fr> a, std::span<Fr> b, std::span<Fr> c) {
  for (const std::span<Fr> values : {a, b, c}) {
    DAMOCLES_CHECK(values.size() == domain.Size());
    DAMOCLES_RETURN_IF_ERROR(CheckGoOn(stop));
    domain.InverseFft(pool, values);
    DAMOCLES_RETURN_IF_ERROR(CheckGoOn(stop));
    domain.CosetFft(pool, values);
  }
  DAMOCLES_RETURN_IF_ERROR(CheckGoOn(stop));
  // X^m - 1 is the same at all points of the coset.
  const Fr inverse =
      domain.VanishingAt(Fr::FromU64(bls12_381::kFrMultiplicativeGenerator)).Inverse();
  pool.ParallelRanges(a.size(), kRowGrain, [&](std::size_t begin, std::size_t end) {
    const std::size_t count = end - begin;
    bls12_381::MultiplySubtractScale(a.subspan(begin, count), b.subspan(begin, count),
                                     c.subspan(begin, count), inverse);
  });
  domain.InverseCosetFft(pool, a);
  return absl::OkStatus();
}

// Domains by size, as long as a key uses them: the circuits of two sector sizes may share one,
// which is 2 GiB for the largest.
class Domains {
 public:
  std::shared_ptr<const Domain> Of(unsigned log2_size) {
    const MutexLock lock(mutex_);
    std::weak_ptr<const Domain>& slot = known_[log2_size];
    std::shared_ptr<const Domain> domain = slot.lock();
    if (domain == nullptr) {
      domain = std::make_shared<const Domain>(log2_size);
      slot = domain;
    }
    return domain;
  }

 private:
  Mutex mutex_;
  std::map<unsigned, std::weak_ptr<const Domain>> known_ ABSL_GUARDED_BY(mutex_);
};

class CpuKey final : public ProvingKey {
 public:
  CpuKey(ThreadPool& pool, const std::shared_ptr<PointsBudget>& budget,
         std::shared_ptr<Domains> domains, const circuit::PostShape& shape,
         std::shared_ptr<const ParamsFile> params)
      : pool_(pool),
        domains_(std::move(domains)),
        counts_(circuit::CircuitCounts(shape)),
        densities_(circuit::SectorDensities(shape)),
        params_(std::move(params)),
        h_(pool, budget,
           Leading(params_->G1Points(params_->Layout().h), ExpectedCounts(counts_).h)),
        l_(pool, budget, params_->G1Points(params_->Layout().l)),
        a_(pool, budget, params_->G1Points(params_->Layout().a)),
        b_g1_(pool, budget, params_->G1Points(params_->Layout().b_g1)),
        b_g2_(pool, budget, params_->G2Points(params_->Layout().b_g2)) {}

  // All processors are the pool's: nothing is gained by beginning before somebody waits.
  std::future<absl::StatusOr<QuerySums>> Sum(Assignment assignment, const SumOptions& options,
                                             std::stop_token stop) override {
    return std::async(std::launch::deferred, [this, assignment = std::move(assignment), options,
                                              stop = std::move(stop)]() mutable {
      return SumNow(assignment, options, stop);
    });
  }

 private:
  static EncodedPoints Leading(EncodedPoints points, std::uint64_t count) {
    points.count = count;
    return points;
  }

  absl::StatusOr<QuerySums> SumNow(Assignment& assignment, const SumOptions& options,
                                   const std::stop_token& stop) {
    auto& [inputs, aux, a, b, c] = assignment;
    DAMOCLES_RETURN_IF_ERROR(CheckGoOn(stop));
    DAMOCLES_RETURN_IF_ERROR(Quotient(pool_, *DomainOfRows(), stop, a, b, c));
    if (!a.back().IsZero()) {
      return absl::InternalError("the witness does not satisfy the circuit");
    }
    QuerySums sums;
    DAMOCLES_ASSIGN_OR_RETURN(sums.h, h_.Sum(std::span(a).first(a.size() - 1), stop));
    DAMOCLES_ASSIGN_OR_RETURN(sums.l, l_.Sum(aux, stop));

    // The rows are done with: their memory serves for the dense scalars.
    std::vector<Fr>& scalars = b;
    scalars.assign(inputs.begin(), inputs.end());
    AppendDense(aux, densities_.a, scalars);
    DAMOCLES_ASSIGN_OR_RETURN(sums.a, a_.Sum(scalars, stop));

    scalars.assign(1, Fr::One());
    AppendDense(aux, densities_.b, scalars);
    DAMOCLES_ASSIGN_OR_RETURN(sums.b_g2, b_g2_.Sum(scalars, stop));
    if (options.want_b_g1) {
      DAMOCLES_ASSIGN_OR_RETURN(sums.b_g1, b_g1_.Sum(scalars, stop));
    }
    return sums;
  }

  // Made at the first proof: its roots of unity take their time.
  std::shared_ptr<const Domain> DomainOfRows() {
    const MutexLock lock(mutex_);
    if (domain_ == nullptr) domain_ = domains_->Of(counts_.Log2Domain());
    return domain_;
  }

  ThreadPool& pool_;
  const std::shared_ptr<Domains> domains_;
  const circuit::Counts counts_;
  const circuit::Densities densities_;
  const std::shared_ptr<const ParamsFile> params_;
  const CpuPoints<G1> h_;
  const CpuPoints<G1> l_;
  const CpuPoints<G1> a_;
  const CpuPoints<G1> b_g1_;
  const CpuPoints<G2> b_g2_;
  Mutex mutex_;
  std::shared_ptr<const Domain> domain_ ABSL_GUARDED_BY(mutex_);
};

class CpuBackend final : public Backend {
 public:
  CpuBackend(ThreadPool& pool, const CpuBackendOptions& options)
      : pool_(pool), budget_(std::make_shared<PointsBudget>(options)) {}

  std::string Name() const override { return absl::StrFormat("cpu, %d threads", pool_.Threads()); }
  std::size_t Depth() const override { return 1; }
  absl::StatusOr<std::unique_ptr<ProvingKey>> Load(
      const circuit::PostShape& shape, std::shared_ptr<const ParamsFile> params) override {
    return std::make_unique<CpuKey>(pool_, budget_, domains_, shape, std::move(params));
  }

 private:
  ThreadPool& pool_;
  const std::shared_ptr<PointsBudget> budget_;
  const std::shared_ptr<Domains> domains_ = std::make_shared<Domains>();
};

}  // namespace

std::unique_ptr<Backend> MakeCpuBackend(ThreadPool& pool, const CpuBackendOptions& options) {
  return std::make_unique<CpuBackend>(pool, options);
}

}  // namespace damocles::groth16
