// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/filecoin/partition.h"

#include <cstdint>
#include <type_traits>

#include "gtest/gtest.h"

namespace damocles::filecoin {
namespace {

// A number of one kind is no number of the other, and a plain number is neither.
static_assert(!std::is_constructible_v<ProofPartitions, ChainPartition>);
static_assert(!std::is_constructible_v<ChainPartition, ProofPartitions>);
static_assert(!std::is_constructible_v<ProofPartitions, std::uint64_t>);
static_assert(!std::is_default_constructible_v<ProofPartitions>);
static_assert(!std::is_convertible_v<std::uint64_t, ChainPartition>);
static_assert(!std::is_convertible_v<ChainPartition, std::uint64_t>);
static_assert(!std::is_convertible_v<ProofPartitions, std::uint64_t>);
static_assert(!std::is_assignable_v<ChainPartition&, ProofPartitions>);
static_assert(!std::is_assignable_v<ChainPartition&, std::uint64_t>);

TEST(ProofPartitionsTest, AreTheCeilingAndAtLeastOne) {
  for (const std::uint64_t full : {1U, 2U, 3U, 2300U, 2349U}) {
    EXPECT_EQ(ProofPartitionsFor(0, full).Count(), 1u);
    for (std::uint64_t count = 1; count <= 4; ++count) {
      EXPECT_EQ(ProofPartitionsFor((count - 1) * full + 1, full).Count(), count) << full;
      EXPECT_EQ(ProofPartitionsFor(count * full, full).Count(), count) << full;
    }
  }
  EXPECT_EQ(ProofPartitionsFor(UINT64_MAX, 2).Count(), std::uint64_t{1} << 63);
}

TEST(ProofPartitionsTest, FollowTheSectorSize) {
  struct Case {
    PoStProofType type;
    std::uint64_t full;
  };
  for (const Case& c : {Case{PoStProofType::kWindow2KiBV1_1, 2},
                        {PoStProofType::kWindow8MiBV1, 2},
                        {PoStProofType::kWindow512MiBV1_1, 2},
                        {PoStProofType::kWindow32GiBV1_1, 2349},
                        {PoStProofType::kWindow64GiBV1_1, 2300}}) {
    EXPECT_EQ(WindowProofPartitions(c.type, c.full).Count(), 1u);
    EXPECT_EQ(WindowProofPartitions(c.type, c.full + 1).Count(), 2u);
    EXPECT_EQ(WindowProofPartitions(c.type, 3 * c.full).ProofBytes(), 3u * 192);
  }
}

}  // namespace
}  // namespace damocles::filecoin
