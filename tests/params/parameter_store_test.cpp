// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/params/parameter_store.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"
#include "damocles/post/parameter_id.h"

namespace damocles::params {
namespace {

namespace fs = std::filesystem;
using testing_support::StatusIs;
using testing_support::TempDir;

// Two setups of a circuit that the network does not know (one sector a partition), one with known
// secrets; and one of the network's own 2 KiB window circuit.
class ParameterStoreTest : public ::testing::Test {
 protected:
  static post::CircuitShape Circuit(std::uint64_t sectors) {
    return post::CircuitShapeOf(post::PostKind::kWindow, merkle::ShapeOf(2048).value(), sectors);
  }
  static void SetUpTestSuite() {
    ThreadPool pool(2);
    made_ = new TempDir;
    ASSERT_OK(MakeParameterFiles(*made_ / "known", kOdd, groth16::RandomSecrets(SystemRandom()),
                                 SystemRandom(), pool, false));
    ASSERT_OK(
        MakeParameterFiles(*made_ / "local", kOdd, std::nullopt, SystemRandom(), pool, false));
    ASSERT_OK(MakeParameterFiles(*made_ / "network", kNetwork, std::nullopt, SystemRandom(), pool,
                                 false));
  }
  static void TearDownTestSuite() { delete made_; }

  // Copies one file of the odd circuit.
  void Copy(const std::string& from, const std::string& name) {
    fs::create_directories(folder_ / "mixed");
    fs::copy_file(*made_ / (from + "/" + name), folder_ / ("mixed/" + name),
                  fs::copy_options::overwrite_existing);
  }
  void CopyAll(const std::string& from) {
    for (const std::string& name : {kParams, kVk, kMeta}) Copy(from, name);
  }
  std::string Verdict(const std::string& name, bool all_points) {
    const auto reports = InspectParameters(folder_ / ("mixed/" + name), all_points, pool_);
    return reports.ok() ? reports->at(0).verdict : std::string(reports.status().message());
  }
  void Overwrite(const std::string& name, std::uint64_t offset, ByteSpan bytes) {
    std::fstream file(folder_ / ("mixed/" + name), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(AsText(bytes).data(), static_cast<std::streamsize>(bytes.size()));
  }

  static inline const post::CircuitShape kOdd = Circuit(1);
  static inline const post::CircuitShape kNetwork = Circuit(2);
  static inline const std::string kParams = post::ParamsFileName(kOdd);
  static inline const std::string kVk = post::VkFileName(kOdd);
  static inline const std::string kMeta = post::MetaFileName(kOdd);
  static inline TempDir* made_ = nullptr;
  TempDir folder_;
  ThreadPool pool_{2};
};

// setup --overwrite over files of known secrets, killed after each file that it replaces.
TEST_F(ParameterStoreTest, NoKillPointMakesKnownSecretsLookLocal) {
  CopyAll("known");
  const std::string steps[] = {"", kMeta, kParams};
  for (const std::string& replaced : steps) {
    SCOPED_TRACE(replaced);
    if (!replaced.empty()) Copy("local", replaced);
    ParameterStore store(folder_ / "mixed");
    EXPECT_EQ(store.Origin(kOdd).value(), ParameterOrigin::kKnownSecrets);
    EXPECT_THAT(store.CheckFitForNetwork(kOdd),
                StatusIs(absl::StatusCode::kFailedPrecondition, "known secrets"));
  }
  EXPECT_THAT(ParameterStore(folder_ / "mixed").Params(kOdd),
              StatusIs(absl::StatusCode::kDataLoss, "different setups"));
  EXPECT_THAT(Verdict(kVk, false), ::testing::HasSubstr("of another setup"));
  Copy("local", kVk);
  ParameterStore store(folder_ / "mixed");
  EXPECT_EQ(store.Origin(kOdd).value(), ParameterOrigin::kLocal);
  EXPECT_OK(store.CheckFitForNetwork(kOdd));
  ASSERT_OK(store.Params(kOdd));
  EXPECT_EQ(Verdict(kVk, true), "local");
  EXPECT_EQ(Verdict(kParams, true), "local");
  // A first setup: the mark alone, then .params without .vk.
  fs::remove(folder_ / ("mixed/" + kVk));
  EXPECT_EQ(ParameterStore(folder_ / "mixed").Origin(kOdd).value(), ParameterOrigin::kLocal);
}

TEST_F(ParameterStoreTest, AMarkThatNamesNoVkIsNotBelieved) {
  CopyAll("local");
  ASSERT_OK(WriteFileAtomically(folder_ / ("mixed/" + kMeta), R"({"origin":"local"})"));
  EXPECT_EQ(ParameterStore(folder_ / "mixed").Origin(kOdd).value(), ParameterOrigin::kKnownSecrets);
  // Without origin it is a mark of another program.
  ASSERT_OK(WriteFileAtomically(folder_ / ("mixed/" + kMeta), R"({"sector_size":2048})"));
  EXPECT_EQ(ParameterStore(folder_ / "mixed").Origin(kOdd).value(), ParameterOrigin::kUnmarked);
}

// What the network has published for this circuit is another key: marked or not, ours is refused.
TEST_F(ParameterStoreTest, OnlyThePublishedKeyIsFitForTheNetwork) {
  const std::string folder = folder_ / "network";
  fs::copy(*made_ / "network", folder);
  ParameterStore store(folder);
  EXPECT_EQ(store.Origin(kNetwork).value(), ParameterOrigin::kLocal);
  EXPECT_THAT(store.CheckFitForNetwork(kNetwork),
              StatusIs(absl::StatusCode::kFailedPrecondition, store.VkPath(kNetwork)));
  fs::remove(store.MetaPath(kNetwork));
  ParameterStore unmarked(folder);
  EXPECT_EQ(unmarked.Origin(kNetwork).value(), ParameterOrigin::kUnmarked);
  EXPECT_THAT(unmarked.CheckFitForNetwork(kNetwork),
              StatusIs(absl::StatusCode::kFailedPrecondition, "published"));
  EXPECT_THAT(ParameterStore(folder_ / "absent").CheckFitForNetwork(kNetwork),
              StatusIs(absl::StatusCode::kFailedPrecondition, "missing"));
}

TEST_F(ParameterStoreTest, ASoundPointInTheWrongPlaceIsSeenByTheMark) {
  CopyAll("local");
  const std::string content = ReadFile(folder_ / ("mixed/" + kParams)).value();
  const groth16::ParamsLayout layout = groth16::ParseParams(AsBytes(content)).value();
  const ByteSpan h6 = AsBytes(content).subspan(layout.h.offset + 6 * 96, 96);
  Overwrite(kParams, layout.h.offset + 5 * 96, h6);
  EXPECT_THAT(Verdict(kParams, false), ::testing::StartsWith("corrupt: it has"));
  EXPECT_THAT(Verdict(kParams, true), ::testing::StartsWith("corrupt: it has"));
}

TEST_F(ParameterStoreTest, APointOutOfTheSubgroupIsFoundWithoutAMark) {
  CopyAll("local");
  fs::remove(folder_ / ("mixed/" + kMeta));
  Bytes compressed(48, 0);
  compressed[0] = 0x80;
  bls12_381::G1Affine point{};
  do {  // x = 1, 2, ... until there is such a point
    ++compressed[47];
    const auto read = bls12_381::G1FromCompressed(compressed, bls12_381::PointCheck::kOnCurve);
    if (read.ok()) point = *read;
  } while (!bls12_381::IsOnCurve(point) || bls12_381::IsInSubgroup(point));
  const std::string content = ReadFile(folder_ / ("mixed/" + kParams)).value();
  const groth16::ParamsLayout layout = groth16::ParseParams(AsBytes(content)).value();
  Overwrite(kParams, layout.l.offset + 3 * 96, bls12_381::ToUncompressed(point));
  EXPECT_EQ(Verdict(kParams, false), "local");
  EXPECT_THAT(Verdict(kParams, true), ::testing::HasSubstr("query l: point 3"));
}

TEST_F(ParameterStoreTest, OddThingsUnderTheNamesOfFilesAreCorruptOneByOne) {
  CopyAll("local");
  fs::create_directory(folder_ / "mixed/folder.params");
  fs::create_symlink("nowhere", folder_ / "mixed/link.vk");
  ASSERT_EQ(mkfifo((folder_ / "mixed/pipe.vk").c_str(), 0600), 0);
  ASSERT_EQ(mkfifo((folder_ / "mixed/pipe.params").c_str(), 0600), 0);
  const auto reports = InspectParameters(folder_ / "mixed", true, pool_);
  ASSERT_OK(reports);
  ASSERT_EQ(reports->size(), 6u);
  for (const ParameterReport& report : *reports) {
    const bool ours = report.file == kParams || report.file == kVk;
    EXPECT_EQ(report.verdict.substr(0, 9), ours ? "local" : "corrupt: ") << report.file;
  }
  EXPECT_THAT(Verdict("link.vk", false), ::testing::StartsWith("corrupt: "));
  EXPECT_THAT(Verdict("folder.params", false), ::testing::HasSubstr("not a regular file"));

  fs::remove(folder_ / ("mixed/" + kVk));
  ASSERT_EQ(mkfifo((folder_ / ("mixed/" + kVk)).c_str(), 0600), 0);
  EXPECT_THAT(ParameterStore(folder_ / "mixed").Vk(kOdd),
              StatusIs(absl::StatusCode::kDataLoss, "not a regular file"));
}

TEST_F(ParameterStoreTest, ALoneVkIsCompletedByItsOwnSecretsOnly) {
  SeededRandom random(4);
  const groth16::SetupSecrets secrets = groth16::RandomSecrets(random);
  const std::string folder = folder_ / "mixed";
  CopyAll("local");
  const std::string vk = ReadFile(folder + "/" + kVk).value();
  const std::string meta = ReadFile(folder + "/" + kMeta).value();
  fs::remove(folder + "/" + kParams);
  EXPECT_THAT(MakeParameterFiles(folder, kOdd, secrets, SystemRandom(), pool_, false),
              StatusIs(absl::StatusCode::kAlreadyExists, kVk));
  EXPECT_THAT(MakeParameterFiles(folder, kOdd, std::nullopt, SystemRandom(), pool_, false),
              StatusIs(absl::StatusCode::kAlreadyExists, kVk));
  EXPECT_EQ(ReadFile(folder + "/" + kVk).value(), vk);
  EXPECT_EQ(ReadFile(folder + "/" + kMeta).value(), meta);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 2);

  ASSERT_OK(MakeParameterFiles(folder, kOdd, secrets, SystemRandom(), pool_, true));
  fs::remove(folder + "/" + kParams);
  ASSERT_OK(MakeParameterFiles(folder, kOdd, secrets, SystemRandom(), pool_, false));
  EXPECT_OK(ParameterStore(folder).Params(kOdd));
}

TEST_F(ParameterStoreTest, WhatAKilledSetupLeftGoesWithTheNext) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  const std::string folder = folder_ / "mixed";
  fs::create_directories(folder);
  const std::string dead = folder + "/" + kParams + ".part-" + std::to_string(child);
  const std::string alive = folder + "/other.params.part-" + std::to_string(getppid());
  const std::string foreign = folder + "/notes.part-1x";
  for (const std::string& path : {dead, alive, foreign}) {
    ASSERT_OK(WriteFileAtomically(path, "x"));
  }
  ASSERT_OK(MakeParameterFiles(folder, kOdd, std::nullopt, SystemRandom(), pool_, false));
  EXPECT_FALSE(PathExists(dead));
  EXPECT_TRUE(PathExists(alive));
  EXPECT_TRUE(PathExists(foreign));
}

TEST_F(ParameterStoreTest, ACircuitThatCannotBeIsRefusedAndLeavesNothing) {
  for (const std::uint64_t sectors :
       {std::uint64_t{10001}, std::uint64_t{1000000}, (std::uint64_t{1} << 32) + 1}) {
    EXPECT_THAT(MakeParameterFiles(folder_ / "none", Circuit(sectors), std::nullopt, SystemRandom(),
                                   pool_, false),
                StatusIs(absl::StatusCode::kInvalidArgument, "cannot be"));
    EXPECT_THAT(ParameterStore(*made_ / "local").Vk(Circuit(sectors)),
                StatusIs(absl::StatusCode::kInvalidArgument, "cannot be"));
  }
  EXPECT_FALSE(PathExists(folder_ / "none"));
}

}  // namespace
}  // namespace damocles::params
