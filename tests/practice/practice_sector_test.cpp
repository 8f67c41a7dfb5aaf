// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/practice/practice_sector.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "tests/support/practice.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/merkle/build.h"
#include "damocles/post/challenge.h"
#include "damocles/post/vanilla.h"

namespace {
std::atomic<int> fsyncs{0};
std::atomic<int> syncfses{0};
}  // namespace

// In place of the C library's: they count.
extern "C" int fsync(int fd) {
  ++fsyncs;
  return static_cast<int>(syscall(SYS_fsync, fd));
}
extern "C" int syncfs(int fd) noexcept {
  ++syncfses;
  return static_cast<int>(syscall(SYS_syncfs, fd));
}

namespace damocles::practice {
namespace {

using filecoin::SectorSize;
using testing_support::StatusIs;
using testing_support::TempDir;

class PracticeSectorTest : public ::testing::Test {
 protected:
  PracticeOrder Order(std::vector<filecoin::SectorNumber> numbers) {
    PracticeOrder order;
    order.miner = 1000;
    order.numbers = std::move(numbers);
    order.store_path = store_.Path();
    return order;
  }

  merkle::SectorFiles Files(filecoin::SectorNumber number) {
    const std::string name = "/s-t01000-" + std::to_string(number);
    return {store_.Path() + "/sealed" + name, store_.Path() + "/cache" + name};
  }

  TempDir store_;
  ThreadPool pool_{2};
  SeededRandom random_{1};
};

// comm_r of the cases in tests/data/post.
TEST_F(PracticeSectorTest, SaltGivesTheSectorsOfTheKeptCases) {
  PracticeOrder order = Order({7, 11, 13});
  order.content.salt = "post-spec";
  std::uint64_t reported = 0;
  order.progress = [&reported](std::uint64_t done, std::uint64_t total) {
    EXPECT_EQ(total, 3 * 64u);
    EXPECT_GT(done, reported);
    reported = done;
  };
  ASSERT_OK_AND_ASSIGN(const std::vector<PracticeSector> made,
                       MakePracticeSectors(pool_, random_, order));
  EXPECT_EQ(reported, 3 * 64u);
  ASSERT_EQ(made.size(), 3u);
  EXPECT_EQ(ToHex(made[0].comm_r),
            "c7af4ea25360b299e9602390e41f7dc56af668424660bb50ebd57c637c550431");
  EXPECT_EQ(ToHex(made[1].comm_r),
            "24e0da5db5652a693131fcaa9aef8f190ce9edb93bdc24d2ef6d93f96154a731");
  EXPECT_EQ(ToHex(made[2].comm_r),
            "e606e7407f96081046cbacee8e6f8d9f4f398634159770083cfdf520c4bf1f4f");
  for (const PracticeSector& sector : made) {
    EXPECT_OK(merkle::CheckSector(pool_, merkle::ShapeOf(2048).value(), Files(sector.id.number),
                                  post::CommRFromBytes(sector.comm_r).value()));
  }
}

TEST_F(PracticeSectorTest, RandomSectorsDifferAndAreProvable) {
  PracticeOrder order = Order({1, 2});
  order.size = SectorSize::k32KiB;
  ASSERT_OK_AND_ASSIGN(const std::vector<PracticeSector> made,
                       MakePracticeSectors(pool_, random_, order));
  EXPECT_NE(made[0].comm_r, made[1].comm_r);
  EXPECT_NE(*ReadFile(Files(1).sealed_path), *ReadFile(Files(2).sealed_path));
  const merkle::TreeShape shape = merkle::ShapeOf(32768).value();
  for (const PracticeSector& sector : made) {
    const std::vector<std::uint64_t> challenges =
        post::WindowChallenges(post::ApiVersion::kV1_2, Bytes32{}, sector.id.number, 0, shape);
    EXPECT_OK(post::GenerateVanillaProof(shape, sector.id.number,
                                         post::CommRFromBytes(sector.comm_r).value(),
                                         Files(sector.id.number), challenges));
  }
}

// Values of another implementation.
TEST_F(PracticeSectorTest, ZerosTakeNoSpaceAtAnySize) {
  PracticeOrder order = Order({3});
  order.size = SectorSize::k32GiB;
  order.content.zeros = true;
  ASSERT_OK_AND_ASSIGN(const std::vector<PracticeSector> made,
                       MakePracticeSectors(pool_, random_, order));
  EXPECT_EQ(ToHex(bls12_381::ToBytesLe(made[0].p_aux.comm_r_last)),
            "d5cd408ceb94566b8d39966d406ea4312018f98684ffe630ece1ea0cf3fe7d4d");
  struct stat info;
  ASSERT_EQ(stat(Files(3).sealed_path.c_str(), &info), 0);
  EXPECT_EQ(info.st_size, off_t{32} << 30);
  EXPECT_LT(info.st_blocks, 100);

  const merkle::TreeShape shape = merkle::ShapeOf(std::uint64_t{32} << 30).value();
  ASSERT_OK_AND_ASSIGN(
      const post::FallbackSectorProof proof,
      post::GenerateVanillaProof(shape, 3, post::CommRFromBytes(made[0].comm_r).value(), Files(3),
                                 post::WinningChallenges(Bytes32{}, 3, shape)));
  EXPECT_EQ(post::EncodeVanillaProof(proof, shape).size(), 164064u);
}

// Syncing each file by itself took ten thousand sectors five minutes.
TEST_F(PracticeSectorTest, ManySectorsAreSyncedTogether) {
  std::vector<filecoin::SectorNumber> numbers(40);
  std::iota(numbers.begin(), numbers.end(), 100);
  PracticeOrder order = Order(numbers);
  order.content.zeros = true;
  fsyncs = 0;
  syncfses = 0;
  ASSERT_OK_AND_ASSIGN(const std::vector<PracticeSector> made,
                       MakePracticeSectors(pool_, random_, order));
  EXPECT_EQ(fsyncs, 0);
  EXPECT_EQ(syncfses, 2) << "before the names, and after them";
  ASSERT_EQ(made.size(), 40u);
  for (const PracticeSector& sector : made) {
    ASSERT_OK_AND_ASSIGN(const merkle::PAux p_aux,
                         merkle::ReadPAux(Files(sector.id.number).cache_folder));
    EXPECT_EQ(p_aux, sector.p_aux);
    EXPECT_OK(FileSize(Files(sector.id.number).sealed_path).status());
  }
  // No draft is left.
  for (const auto& entry : std::filesystem::recursive_directory_iterator(order.store_path)) {
    EXPECT_EQ(entry.path().string().find(".tmp-"), std::string::npos) << entry.path();
  }
}

TEST_F(PracticeSectorTest, NothingIsWrittenOver) {
  ASSERT_OK(MakePracticeSectors(pool_, random_, Order({5})));
  const std::string before = *ReadFile(Files(5).sealed_path);
  EXPECT_THAT(MakePracticeSectors(pool_, random_, Order({4, 5})),
              StatusIs(absl::StatusCode::kAlreadyExists, "s-t01000-5"));
  EXPECT_EQ(*ReadFile(Files(5).sealed_path), before);
  EXPECT_FALSE(PathExists(Files(4).sealed_path));
  EXPECT_THAT(MakePracticeSectors(pool_, random_, Order({6, 6})),
              StatusIs(absl::StatusCode::kInvalidArgument, "twice"));
}

TEST_F(PracticeSectorTest, NoRightToWriteIsAnErrorThatNamesTheStore) {
  PracticeOrder order = Order({1});
  ASSERT_OK(WriteFileAtomically(store_ / "file", "x"));
  order.store_path = store_ / "file";
  EXPECT_THAT(MakePracticeSectors(pool_, random_, order).status().message(),
              ::testing::HasSubstr("file"));
}

TEST_F(PracticeSectorTest, GenesisEntries) {
  ASSERT_OK_AND_ASSIGN(const std::vector<PracticeSector> made,
                       MakePracticeSectors(pool_, random_, Order({8})));
  ASSERT_OK_AND_ASSIGN(const std::vector<storage::GenesisSector> entries,
                       GenesisSectorsOf(SectorSize::k2KiB, made));
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].miner, 1000u);
  EXPECT_EQ(entries[0].number, 8u);
  EXPECT_EQ(entries[0].proof_type, 10u);
  EXPECT_EQ(entries[0].comm_r, made[0].comm_r);
  EXPECT_THAT(GenesisSectorsOf(SectorSize::k4KiB, made),
              StatusIs(absl::StatusCode::kFailedPrecondition, "4KiB"));
}

}  // namespace
}  // namespace damocles::practice
