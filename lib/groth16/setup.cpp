// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/groth16/setup.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "lib/groth16/secret_memory.h"

#include "damocles/base/check.h"
#include "damocles/base/status.h"
#include "damocles/bls12_381/fft.h"
#include "damocles/bls12_381/multiexp.h"
#include "damocles/groth16/params.h"

namespace damocles::groth16 {
namespace {

using bls12_381::Fr;
using bls12_381::G1;
using bls12_381::G2;

// Points made and written at a time: some 25 MB.
constexpr std::size_t kSetupPartPoints = std::size_t{1} << 17;
constexpr std::size_t kGrain = 4096;

// Values at tau of the polynomials of all variables: inputs (ONE first), then aux.
struct Polynomials {
  SecretFrs u;
  SecretFrs v;
  SecretFrs w;
};

// L_i(tau) for the first `rows` rows: (tau^m - 1) / m * w^i / (tau - w^i).
SecretFrs LagrangeAt(const bls12_381::Domain& domain, const Fr& tau, std::size_t rows,
                     ThreadPool& pool) {
  const Fr factor = domain.VanishingAt(tau) * Fr::FromU64(domain.Size()).Inverse();
  SecretFrs values(rows);
  pool.ParallelRanges(rows, kGrain, [&](std::size_t begin, std::size_t end) {
    const Fr first = domain.Root().Pow(begin);
    const std::span<Fr> part = std::span(values).subspan(begin, end - begin);
    Fr power = first;
    for (Fr& value : part) {
      value = tau - power;
      power *= domain.Root();
    }
    bls12_381::BatchInverse(part);
    power = first * factor;
    for (Fr& value : part) {
      value *= power;
      power *= domain.Root();
    }
  });
  return values;
}

// Adds one sector's columns to `out`; what falls to ONE, which all sectors share, to `one`.
void AddSector(const circuit::PostCircuit& circuit, std::uint32_t sector,
               std::span<const Fr> lagrange, Polynomials& out, std::array<Fr, 3>& one) {
  const circuit::ConstraintSystem& system = circuit.Sector();
  const std::size_t aux_base = circuit.Inputs();
  const std::size_t first_row = sector * system.Constraints();
  const circuit::Matrix* const matrices[] = {&system.A(), &system.B(), &system.C()};
  SecretFrs* const columns[] = {&out.u, &out.v, &out.w};
  for (std::size_t side = 0; side < 3; ++side) {
    for (std::size_t row = 0; row < system.Constraints(); ++row) {
      const Fr& at_row = lagrange[first_row + row];
      for (const circuit::Term& term : matrices[side]->Row(row)) {
        if (term.variable == circuit::Variable::One()) {
          one[side] += term.coefficient * at_row;
          continue;
        }
        const circuit::Variable variable = circuit.InWhole(term.variable, sector);
        (*columns[side])[(variable.IsInput() ? 0 : aux_base) + variable.Index()] +=
            term.coefficient * at_row;
      }
    }
  }
}

Polynomials PolynomialsAt(const circuit::PostCircuit& circuit, std::span<const Fr> lagrange,
                          ThreadPool& pool) {
  const std::size_t variables = std::size_t{circuit.Inputs()} + circuit.Aux();
  Polynomials out{SecretFrs(variables), SecretFrs(variables), SecretFrs(variables)};
  const std::uint32_t sectors = circuit.Shape().sectors;
  std::vector<std::array<Fr, 3>> ones(sectors, std::array<Fr, 3>{});
  pool.ParallelFor(sectors, [&](std::size_t s) {
    AddSector(circuit, static_cast<std::uint32_t>(s), lagrange, out, ones[s]);
  });
  for (const std::array<Fr, 3>& one : ones) {
    out.u[0] += one[0];
    out.v[0] += one[1];
    out.w[0] += one[2];
  }
  // The final row of each input.
  for (std::uint32_t i = 0; i < circuit.Inputs(); ++i) {
    out.u[i] += lagrange[circuit.Constraints() + i];
  }
  return out;
}

// Makes and writes points.
class PointWriter {
 public:
  PointWriter(ThreadPool& pool, const ByteSink& sink, const circuit::Counts& counts)
      : pool_(pool),
        sink_(sink),
        counts_(ExpectedCounts(counts)),
        g1_(pool, G1::From(bls12_381::G1Generator()),
            counts_.ic + counts_.h + counts_.l + counts_.a + counts_.b_g1),
        g2_(pool, G2::From(bls12_381::G2Generator()), counts_.b_g2) {}

  const QueryCounts& Counts() const { return counts_; }
  absl::Status G1Points(std::span<const Fr> scalars) { return Points(g1_, scalars); }
  absl::Status G2Points(std::span<const Fr> scalars) { return Points(g2_, scalars); }

  // A count, then the points of `count` scalars that `make(i)` gives.
  template <typename Make>
  absl::Status Query(std::uint64_t count, const Make& make) {
    DAMOCLES_RETURN_IF_ERROR(Count(count));
    SecretFrs scalars;
    for (std::uint64_t first = 0; first < count; first += kSetupPartPoints) {
      scalars.resize(std::min<std::uint64_t>(kSetupPartPoints, count - first));
      pool_.ParallelRanges(scalars.size(), kGrain, [&](std::size_t begin, std::size_t end) {
        make(first + begin, std::span(scalars).subspan(begin, end - begin));
      });
      DAMOCLES_RETURN_IF_ERROR(G1Points(scalars));
    }
    return absl::OkStatus();
  }

  absl::Status Count(std::uint64_t count) {
    DAMOCLES_CHECK(count <= 0xffffffff);
    std::array<std::uint8_t, 4> bytes;
    StoreBe32(static_cast<std::uint32_t>(count), bytes.data());
    return sink_(bytes);
  }

 private:
  template <typename Group>
  absl::Status Points(const bls12_381::FixedBase<Group>& base, std::span<const Fr> scalars) {
    for (std::size_t first = 0; first < scalars.size(); first += kSetupPartPoints) {
      const std::span<const Fr> part =
          scalars.subspan(first, std::min(kSetupPartPoints, scalars.size() - first));
      const auto points = base.Multiples(pool_, part);
      constexpr std::size_t kBytes = std::is_same_v<Group, G1> ? bls12_381::kG1UncompressedBytes
                                                               : bls12_381::kG2UncompressedBytes;
      Bytes bytes(points.size() * kBytes);
      pool_.ParallelRanges(points.size(), kGrain, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
          const auto encoded = bls12_381::ToUncompressed(points[i]);
          std::memcpy(&bytes[i * kBytes], encoded.data(), kBytes);
        }
      });
      DAMOCLES_RETURN_IF_ERROR(sink_(bytes));
    }
    return absl::OkStatus();
  }

  ThreadPool& pool_;
  const ByteSink& sink_;
  const QueryCounts counts_;
  const bls12_381::FixedBase<G1> g1_;
  const bls12_381::FixedBase<G2> g2_;
};

// beta u + alpha v + w of a run of variables, times `factor`.
void Combine(const Polynomials& at_tau, const SetupSecrets& secrets, const Fr& factor,
             std::size_t first, std::span<Fr> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = (secrets.beta * at_tau.u[first + i] + secrets.alpha * at_tau.v[first + i] +
              at_tau.w[first + i]) *
             factor;
  }
}

absl::Status WriteVk(PointWriter& writer, const Polynomials& at_tau, const SetupSecrets& secrets) {
  const Fr g1_head[] = {secrets.alpha, secrets.beta};
  const Fr g2_head[] = {secrets.beta, secrets.gamma};
  DAMOCLES_RETURN_IF_ERROR(writer.G1Points(g1_head));
  DAMOCLES_RETURN_IF_ERROR(writer.G2Points(g2_head));
  DAMOCLES_RETURN_IF_ERROR(writer.G1Points(std::span(&secrets.delta, 1)));
  DAMOCLES_RETURN_IF_ERROR(writer.G2Points(std::span(&secrets.delta, 1)));
  const Fr by_gamma = secrets.gamma.Inverse();
  return writer.Query(writer.Counts().ic, [&](std::size_t first, std::span<Fr> out) {
    Combine(at_tau, secrets, by_gamma, first, out);
  });
}

absl::Status WriteQueries(PointWriter& writer, const Polynomials& at_tau,
                          const SetupSecrets& secrets, const Fr& vanishing,
                          const std::function<void(std::string_view)>& progress) {
  const QueryCounts& counts = writer.Counts();
  const Fr by_delta = secrets.delta.Inverse();
  progress(absl::StrFormat("query h: %d points", counts.h));
  DAMOCLES_RETURN_IF_ERROR(writer.Query(counts.h, [&](std::size_t first, std::span<Fr> out) {
    Fr value = secrets.tau.Pow(first) * vanishing * by_delta;
    for (Fr& scalar : out) {
      scalar = value;
      value *= secrets.tau;
    }
  }));
  progress(absl::StrFormat("query l: %d points", counts.l));
  DAMOCLES_RETURN_IF_ERROR(writer.Query(counts.l, [&](std::size_t first, std::span<Fr> out) {
    Combine(at_tau, secrets, by_delta, counts.ic + first, out);
  }));

  const auto without_zeros = [](const SecretFrs& values) {
    SecretFrs kept;
    std::ranges::copy_if(values, std::back_inserter(kept),
                         [](const Fr& value) { return !value.IsZero(); });
    return kept;
  };
  const SecretFrs a = without_zeros(at_tau.u);
  const SecretFrs b = without_zeros(at_tau.v);
  if (a.size() != counts.a || b.size() != counts.b_g1) {
    // A polynomial that vanishes at tau: chance 2^-230 for a random tau.
    return absl::InvalidArgumentError("tau is a root of one of the circuit's polynomials");
  }
  progress(absl::StrFormat("query a: %d points", counts.a));
  DAMOCLES_RETURN_IF_ERROR(writer.Count(counts.a));
  DAMOCLES_RETURN_IF_ERROR(writer.G1Points(a));
  progress(absl::StrFormat("query b_g1: %d points", counts.b_g1));
  DAMOCLES_RETURN_IF_ERROR(writer.Count(counts.b_g1));
  DAMOCLES_RETURN_IF_ERROR(writer.G1Points(b));
  progress(absl::StrFormat("query b_g2: %d points", counts.b_g2));
  DAMOCLES_RETURN_IF_ERROR(writer.Count(counts.b_g2));
  return writer.G2Points(b);
}

}  // namespace

SetupSecrets::~SetupSecrets() {
  explicit_bzero(static_cast<void*>(this), sizeof(*this));
}

SetupSecrets RandomSecrets(Random& random) {
  return {.alpha = bls12_381::RandomFr(random),
          .beta = bls12_381::RandomFr(random),
          .gamma = bls12_381::RandomFr(random),
          .delta = bls12_381::RandomFr(random),
          .tau = bls12_381::RandomFr(random)};
}

absl::StatusOr<std::uint64_t> MakeParams(const circuit::PostCircuit& circuit,
                                         const SetupSecrets& secrets, ThreadPool& pool,
                                         const ByteSink& sink,
                                         const std::function<void(std::string_view)>& progress) {
  const auto say = [&progress](std::string_view what) {
    if (progress) progress(what);
  };
  const circuit::Counts counts = circuit::CircuitCounts(circuit.Shape());
  const bls12_381::Domain domain(counts.Log2Domain());
  const Fr vanishing = domain.VanishingAt(secrets.tau);
  for (const Fr* const secret :
       {&secrets.alpha, &secrets.beta, &secrets.gamma, &secrets.delta, &secrets.tau, &vanishing}) {
    if (secret->IsZero()) {
      return absl::InvalidArgumentError(
          "the secrets are not usable: none may be zero, and tau^m must not be 1");
    }
  }
  say("the circuit's polynomials");
  const Polynomials at_tau =
      PolynomialsAt(circuit, LagrangeAt(domain, secrets.tau, counts.Rows(), pool), pool);
  say("tables of multiples of the generators");
  PointWriter writer(pool, sink, counts);
  DAMOCLES_RETURN_IF_ERROR(WriteVk(writer, at_tau, secrets));
  DAMOCLES_RETURN_IF_ERROR(WriteQueries(writer, at_tau, secrets, vanishing, say));
  return VerifyingKeyBytes(writer.Counts());
}

}  // namespace damocles::groth16
