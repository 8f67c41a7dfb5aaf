// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "tests/groth16/backend_conformance.h"

namespace damocles::groth16 {
namespace {

INSTANTIATE_TEST_SUITE_P(
    Cpu, BackendConformanceTest,
    ::testing::Values(BackendCase{.name = "KeepsAllPoints",
                                  .make = [](ThreadPool& pool) { return MakeCpuBackend(pool); }},
                      BackendCase{.name = "KeepsNone",
                                  .make =
                                      [](ThreadPool& pool) {
                                        return MakeCpuBackend(pool, {.cached_points_bytes_max = 0});
                                      }}),
    BackendConformanceTest::Name);

INSTANTIATE_TEST_SUITE_P(Cpu, BackendShortOfMemoryTest,
                         ::testing::Values(BackendCase{
                             .name = "WhileItKeepsPoints",
                             .make =
                                 [](ThreadPool& pool) {
                                   const auto left = std::make_shared<int>(1);
                                   return MakeCpuBackend(
                                       pool,
                                       {.on_kept = [left](std::span<std::uint8_t> /*points*/) {
                                         if ((*left)-- > 0) throw std::bad_alloc();
                                       }});
                                 }}),
                         BackendConformanceTest::Name);

}  // namespace
}  // namespace damocles::groth16
