// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Every case that the network's own library has made, computed anew and compared member by member.

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/practice/compare_case.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"
#include "damocles/practice/case.h"
#include "damocles/practice/practice_sector.h"

namespace damocles::practice {
namespace {

constexpr char kPost[] = DAMOCLES_GOLDEN_DIR "/post/";

std::vector<std::string> CasesOf(const std::string& prefix) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(kPost) + "cases")) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix) && name.ends_with(".json")) paths.push_back(entry.path().string());
  }
  std::ranges::sort(paths);
  return paths;
}

// "window-2KiB" and so on: what shares a circuit.
class CaseGoldenTest : public ::testing::TestWithParam<const char*> {};

TEST_P(CaseGoldenTest, ComesOutIdentical) {
  const std::string group = GetParam();
  const std::string size = group.substr(group.find('-') + 1);
  testing_support::TempDir folder;
  ThreadPool pool(ProcessorCount());
  std::string store = kPost + ("sectors/" + size);
  if (!PathExists(store + "/sealed")) {
    // Made by rule (golden/README.md): the large ones are zeros.
    store = folder / "store";
    const auto sector_size = filecoin::ParseSectorSize(size);
    ASSERT_OK(sector_size);
    const PracticeOrder order{
        .size = *sector_size,
        .miner = 1000,
        .numbers = size == "512MiB" ? std::vector<filecoin::SectorNumber>{7}
                                    : std::vector<filecoin::SectorNumber>{7, 11},
        .store_path = store,
        .content = {.salt = "post-spec", .zeros = *sector_size >= filecoin::SectorSize::k32GiB},
        .progress = {}};
    ASSERT_OK(MakePracticeSectors(pool, SystemRandom(), order));
  }
  const auto backend = groth16::MakeCpuBackend(pool);
  const std::vector<std::string> paths = CasesOf(group + "-V");
  ASSERT_FALSE(paths.empty());
  for (const std::string& path : paths) {
    SCOPED_TRACE(path);
    const std::string golden = ReadFile(path).value();
    const auto computed =
        RunCase(golden, {.store = store, .parameters = folder / "params", .progress = {}}, *backend,
                pool, SystemRandom());
    ASSERT_OK(computed);
    std::vector<std::string> differences;
    CompareCase(nlohmann::json::parse(*computed), nlohmann::json::parse(golden), "", differences);
    EXPECT_THAT(differences, ::testing::IsEmpty());
  }
}

INSTANTIATE_TEST_SUITE_P(Groups, CaseGoldenTest,
                         ::testing::Values("window-2KiB", "window-4KiB", "window-16KiB",
                                           "window-32KiB", "window-8MiB", "window-512MiB",
                                           "window-32GiB", "window-64GiB", "winning-2KiB",
                                           "winning-4KiB", "winning-16KiB", "winning-32KiB",
                                           "winning-8MiB", "winning-32GiB", "winning-64GiB"),
                         [](const auto& group) {
                           std::string name = group.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace damocles::practice
