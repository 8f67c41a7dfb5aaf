// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What every backend must pass.  A test program includes this once and instantiates
// BackendConformanceTest with the ways to make its backend:
//
//     INSTANTIATE_TEST_SUITE_P(Cpu, BackendConformanceTest, ::testing::Values(BackendCase{...}),
//     Name);
//
// and BackendShortOfMemoryTest with a way to make it short of memory.
//
// The expected sums come from definitions: polynomials by hand, and one multiplication a point.

#pragma once

#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <new>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/groth16/tiny_circuit.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"
#include "damocles/groth16/backend.h"
#include "damocles/groth16/prover.h"
#include "damocles/groth16/verifier.h"

namespace damocles::groth16 {

struct BackendCase {
  std::string name;
  std::function<std::unique_ptr<Backend>(ThreadPool& pool)> make;
};

class BackendConformanceTest : public ::testing::TestWithParam<BackendCase> {
 public:
  static std::string Name(const ::testing::TestParamInfo<BackendCase>& info) {
    return info.param.name;
  }

 protected:
  using Fr = bls12_381::Fr;
  using G1 = bls12_381::G1;
  using G2 = bls12_381::G2;

  // What all tests share, made once.
  struct Known {
    Bytes params;
    std::vector<circuit::SectorPaths> sectors;
    Assignment assignment;
    QuerySums sums;
  };

  static void SetUpTestSuite() {
    if (known_ != nullptr) return;
    ThreadPool pool(2);
    SeededRandom random(21);
    auto known = std::make_unique<Known>();
    known->params = TinyParams(pool, 1);
    known->sectors = {TinySector(random), TinySector(random)};
    known->assignment = AssignmentOf(known->sectors, pool);
    known->sums = SumsByHand(known->params, known->assignment, pool);
    known_ = known.release();
  }

  void SetUp() override { key_ = Load(known_->params, "some.params"); }

  static Assignment AssignmentOf(const std::vector<circuit::SectorPaths>& sectors,
                                 ThreadPool& pool) {
    const circuit::Counts counts = circuit::CircuitCounts(TinyShape());
    const std::size_t size = std::size_t{1} << counts.Log2Domain();
    Assignment made{.inputs = std::vector<Fr>(counts.inputs),
                    .aux = std::vector<Fr>(counts.aux),
                    .a = std::vector<Fr>(size),
                    .b = std::vector<Fr>(size),
                    .c = std::vector<Fr>(size)};
    circuit::GenerateWitness(TinyShape(), sectors, {made.inputs, made.aux, made.a, made.b, made.c},
                             pool);
    return made;
  }

  // Coefficients of the polynomial with these values at 1, w, w^2, ...: n^2 multiplications.
  static std::vector<Fr> Interpolate(const std::vector<Fr>& values, const Fr& w, ThreadPool& pool) {
    const std::size_t n = values.size();
    std::vector<Fr> powers(n);  // of 1 / w
    powers[0] = Fr::One();
    const Fr back = w.Inverse();
    for (std::size_t i = 1; i < n; ++i) powers[i] = powers[i - 1] * back;
    const Fr scale = Fr::FromU64(n).Inverse();
    std::vector<Fr> out(n);
    pool.ParallelFor(n, [&](std::size_t k) {
      Fr sum = Fr::Zero();
      for (std::size_t i = 0; i < n; ++i) sum += values[i] * powers[i * k % n];
      out[k] = sum * scale;
    });
    return out;
  }

  // (A * B - C) / (X^n - 1) by long multiplication and division.
  static std::vector<Fr> QuotientByHand(const Assignment& assignment, ThreadPool& pool) {
    const std::size_t n = assignment.a.size();
    Fr w = bls12_381::kFrRootOfUnity;  // of order 2^32
    for (std::size_t order = n; order < std::size_t{1} << 32; order *= 2) w = w * w;
    const std::vector<Fr> a = Interpolate(assignment.a, w, pool);
    const std::vector<Fr> b = Interpolate(assignment.b, w, pool);
    const std::vector<Fr> c = Interpolate(assignment.c, w, pool);
    std::vector<Fr> product(2 * n, Fr::Zero());
    pool.ParallelFor(2 * n, [&](std::size_t k) {
      for (std::size_t i = k < n ? 0 : k - n + 1; i <= std::min(k, n - 1); ++i) {
        product[k] += a[i] * b[k - i];
      }
    });
    for (std::size_t i = 0; i < n; ++i) product[i] -= c[i];
    std::vector<Fr> quotient(product.begin() + static_cast<std::ptrdiff_t>(n), product.end());
    for (std::size_t i = 0; i < n; ++i) {
      DAMOCLES_CHECK((product[i] + quotient[i]).IsZero());  // no remainder
    }
    return quotient;
  }

  template <typename Group>
  static Group SumByHand(const Bytes& params, const FilePart& query, std::uint64_t point_bytes,
                         const std::vector<Fr>& scalars, ThreadPool& pool) {
    std::vector<typename Group::AffinePoint> points(scalars.size());
    const EncodedPoints encoded{.count = query.bytes / point_bytes,
                                .read = ReadFrom(ByteSpan(params).subspan(query.offset))};
    DAMOCLES_CHECK(DecodePoints(pool, encoded, 0, std::span(points)).ok());
    std::vector<Group> terms(scalars.size());
    pool.ParallelFor(scalars.size(), [&](std::size_t i) {
      terms[i] = bls12_381::Mul(Group::From(points[i]), scalars[i]);
    });
    Group sum = Group::Infinity();
    for (const Group& term : terms) sum += term;
    return sum;
  }

  static QuerySums SumsByHand(const Bytes& params, const Assignment& assignment, ThreadPool& pool) {
    const ParamsLayout layout = ParseParams(params).value();
    const circuit::Densities dense = circuit::SectorDensities(TinyShape());
    std::vector<Fr> in_a = assignment.inputs;
    std::vector<Fr> in_b = {Fr::One()};
    for (std::size_t i = 0; i < assignment.aux.size(); ++i) {
      if (dense.a[i % dense.a.size()]) in_a.push_back(assignment.aux[i]);
      if (dense.b[i % dense.b.size()]) in_b.push_back(assignment.aux[i]);
    }
    std::vector<Fr> h = QuotientByHand(assignment, pool);
    h.pop_back();
    constexpr std::uint64_t kG1 = 96;
    constexpr std::uint64_t kG2 = 192;
    return {.h = SumByHand<G1>(params, layout.h, kG1, h, pool),
            .l = SumByHand<G1>(params, layout.l, kG1, assignment.aux, pool),
            .a = SumByHand<G1>(params, layout.a, kG1, in_a, pool),
            .b_g1 = SumByHand<G1>(params, layout.b_g1, kG1, in_b, pool),
            .b_g2 = SumByHand<G2>(params, layout.b_g2, kG2, in_b, pool)};
  }

  std::unique_ptr<ProvingKey> Load(const Bytes& content, const std::string& name) {
    EXPECT_OK(WriteFileAtomically(folder_ / name, AsText(content)));
    auto file =
        ParamsFile::Open(folder_ / name, ExpectedCounts(circuit::CircuitCounts(TinyShape())));
    EXPECT_OK(file);
    auto key = backend_->Load(TinyShape(), *file);
    EXPECT_OK(key);
    return *std::move(key);
  }

  absl::StatusOr<QuerySums> Sum(ProvingKey& key, std::stop_token stop = {}) {
    return key.Sum(known_->assignment, {}, std::move(stop)).get();
  }
  static void ExpectEqual(const QuerySums& a, const QuerySums& b) {
    EXPECT_EQ(ToAffine(a.h), ToAffine(b.h));
    EXPECT_EQ(ToAffine(a.l), ToAffine(b.l));
    EXPECT_EQ(ToAffine(a.a), ToAffine(b.a));
    EXPECT_EQ(ToAffine(a.b_g1), ToAffine(b.b_g1));
    EXPECT_EQ(ToAffine(a.b_g2), ToAffine(b.b_g2));
  }
  void ExpectRight(ProvingKey& key) {
    const auto sums = Sum(key);
    ASSERT_OK(sums);
    ExpectEqual(*sums, known_->sums);
  }

  static inline const Known* known_ = nullptr;  // kept until the program ends
  testing_support::TempDir folder_;
  ThreadPool pool_{2};
  std::unique_ptr<Backend> backend_ = GetParam().make(pool_);
  std::unique_ptr<ProvingKey> key_;
};

TEST_P(BackendConformanceTest, SumsAreThoseOfTheDefinitions) {
  ExpectRight(*key_);
  ExpectRight(*key_);  // what is kept between proofs is as good
  EXPECT_FALSE(backend_->Name().empty());
  EXPECT_GE(backend_->Depth(), 1U);
}

TEST_P(BackendConformanceTest, WhatIsNotWantedChangesNothingElse) {
  auto sums = key_->Sum(known_->assignment, {.want_b_g1 = false}, {}).get();
  ASSERT_OK(sums);
  sums->b_g1 = known_->sums.b_g1;
  ExpectEqual(*sums, known_->sums);
}

TEST_P(BackendConformanceTest, ProofsVerify) {
  SeededRandom random(4);
  const auto file = ParamsFile::Open(folder_ / "some.params",
                                     ExpectedCounts(circuit::CircuitCounts(TinyShape())));
  ASSERT_OK(file);
  const auto prover = Prover::Make(TinyShape(), *file, *backend_, pool_);
  ASSERT_OK(prover);
  const Verifier verifier((*file)->Key());
  for (int i = 0; i < 3; ++i) {
    const std::vector<circuit::SectorPaths> sectors = {TinySector(random), TinySector(random)};
    const auto proof = (*prover)->Prove(sectors, RandomBlinding(random), {});
    ASSERT_OK(proof);
    EXPECT_TRUE(verifier.Verify(*proof, TinyInputs(sectors), pool_).value());
  }
}

TEST_P(BackendConformanceTest, AsManyAtATimeAsItSaysAndSeveralCallers) {
  std::vector<std::future<absl::StatusOr<QuerySums>>> begun;
  for (std::size_t i = 0; i < backend_->Depth(); ++i) {
    begun.push_back(key_->Sum(known_->assignment, {}, {}));
  }
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) callers.emplace_back([this] { ExpectRight(*key_); });
  for (auto& sums : begun) {
    const auto made = sums.get();
    ASSERT_OK(made);
    ExpectEqual(*made, known_->sums);
  }
  for (std::thread& caller : callers) caller.join();
}

TEST_P(BackendConformanceTest, StoppedBeforeAndMeanwhile) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(Sum(*key_, stop.get_token()),
              testing_support::StatusIs(absl::StatusCode::kCancelled, ""));
  for (const int microseconds : {0, 100, 1000, 5000, 20000}) {
    std::stop_source later;
    auto sums = key_->Sum(known_->assignment, {}, later.get_token());
    std::thread stopper([&later, microseconds] {
      std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
      later.request_stop();
    });
    const auto made = sums.get();
    stopper.join();
    if (made.ok()) {
      ExpectEqual(*made, known_->sums);
    } else {
      EXPECT_EQ(made.status().code(), absl::StatusCode::kCancelled);
    }
  }
  ExpectRight(*key_);
}

TEST_P(BackendConformanceTest, WhoDoesNotWaitLeavesNothingBehind) {
  std::stop_source stop;
  { const auto nobody_waits = key_->Sum(known_->assignment, {}, stop.get_token()); }
  { const auto neither = key_->Sum(known_->assignment, {}, stop.get_token()); }
  stop.request_stop();
  key_ = Load(known_->params, "again.params");
  ExpectRight(*key_);
}

TEST_P(BackendConformanceTest, AnAssignmentThatDoesNotHoldIsNotSummed) {
  Assignment wrong = known_->assignment;
  wrong.c[3] += Fr::One();
  EXPECT_THAT(key_->Sum(std::move(wrong), {}, {}).get(),
              testing_support::StatusIs(absl::StatusCode::kInternal, "satisfy"));
  ExpectRight(*key_);
}

TEST_P(BackendConformanceTest, APointOffTheCurveIsFoundInEveryQuery) {
  const ParamsLayout layout = ParseParams(known_->params).value();
  for (const FilePart& query : {layout.h, layout.l, layout.a, layout.b_g1, layout.b_g2}) {
    Bytes spoiled = known_->params;
    spoiled[query.offset + 90] ^= 1;
    const auto key = Load(spoiled, "spoiled.params");
    EXPECT_THAT(Sum(*key), testing_support::StatusIs(absl::StatusCode::kInvalidArgument, ""));
  }
  ExpectRight(*key_);
}

// What has been read before may serve on; what has not is missed and said.
TEST_P(BackendConformanceTest, AFileThatIsCutShortMeanwhile) {
  const std::string path = folder_ / "short.params";
  for (const bool used_before : {false, true}) {
    const auto key = Load(known_->params, "short.params");
    if (used_before) ExpectRight(*key);
    std::filesystem::resize_file(path, known_->params.size() / 2);
    const auto sums = Sum(*key);
    if (sums.ok()) {
      ExpectEqual(*sums, known_->sums);
    } else {
      EXPECT_THAT(sums, testing_support::StatusIs(absl::StatusCode::kDataLoss, "short.params"));
    }
  }
  ExpectRight(*key_);
}

TEST_P(BackendConformanceTest, KeysOfSeveralSetupsLiveSideBySide) {
  const Bytes other = TinyParams(pool_, 2);
  const auto second = Load(other, "other.params");
  ExpectRight(*key_);
  const auto sums = Sum(*second);
  ASSERT_OK(sums);
  EXPECT_NE(ToAffine(sums->h), ToAffine(known_->sums.h));
  key_ = nullptr;
  const auto again = Sum(*second);
  ASSERT_OK(again);
  ExpectEqual(*again, *sums);
}

// For backends whose first sum finds too little memory.
class BackendShortOfMemoryTest : public BackendConformanceTest {};

TEST_P(BackendShortOfMemoryTest, FailsOnceAndIsRightTheNextTime) {
  try {
    EXPECT_THAT(Sum(*key_), testing_support::StatusIs(absl::StatusCode::kResourceExhausted, ""));
  } catch (const std::bad_alloc&) {
    SUCCEED();
  }
  ExpectRight(*key_);
  ExpectRight(*Load(known_->params, "again.params"));
}

}  // namespace damocles::groth16
