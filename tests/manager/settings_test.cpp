// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/manager/settings.h"

#include <filesystem>
#include <latch>
#include <memory>

#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"
#include "damocles/base/log.h"

namespace damocles::manager {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

config::ManagerConfig Parse(std::string_view text) {
  config::LoadOptions options;
  options.check_folders = false;
  auto config = config::ParseManagerConfig(text, "sector-manager.cfg", options);
  EXPECT_OK(config.status());
  return config.ok() ? *config : config::ManagerConfig{};
}

constexpr std::string_view kStarted = R"(
[Common]
ScanPersistStores = ["/mnt/*"]
[Common.API]
Chain = ["/ip4/127.0.0.1/tcp/1234"]
Token = "abc"
[[Common.PersistStores]]
Name = "a"
Path = "/a"
)";

TEST(SettingsTest, WhatOnlyARestartAppliesIsNamedHoweverOftenItIsRead) {
  const config::ManagerConfig started = Parse(kStarted);
  EXPECT_THAT(NeedRestart(started, Parse(kStarted)), IsEmpty());
  const config::ManagerConfig changed = Parse(R"(
[Common]
ScanPersistStores = ["/data/*"]
[Common.API]
Chain = ["/ip4/127.0.0.1/tcp/1234"]
Token = "abd"
ChainEventInterval = "5s"
[[Common.PersistStores]]
Name = "a"
Path = "/a"
Strict = true
)");
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(NeedRestart(started, changed),
                ElementsAre("Common.API.Chain", "Common.API.ChainEventInterval",
                            "Common.PersistStores", "Common.ScanPersistStores"));
  }
}

TEST(SettingsTest, WhatIsAppliedAtOnceNeedsNoRestart) {
  EXPECT_THAT(NeedRestart(Parse(kStarted), Parse(std::string(kStarted) + R"(
[Common.Proving]
SingleCheckTimeout = "1m"
[Common.Proving.WorkerProver]
JobMaxTry = 7
[[Miners]]
Actor = 1000
PoSt.StrictCheck = false
)")),
              IsEmpty());
}

TEST(SettingsTest, CheckGoesByLimitsAndStrictCheckOfTheMiner) {
  const auto pool = std::make_shared<ThreadPool>(1);
  const poster::SectorCheckOptions options = CheckOptionsOf(Parse(R"(
[Common.Proving]
ParallelCheckLimit = 3
SingleCheckTimeout = "1m"
PartitionCheckTimeout = "2m"
[[Miners]]
Actor = 1000
PoSt.StrictCheck = false
[[Miners]]
Actor = 1001
)"),
                                                            pool);
  EXPECT_EQ(options.limits.parallel, 3u);
  EXPECT_EQ(options.limits.single, absl::Minutes(1));
  EXPECT_EQ(options.limits.total, absl::Minutes(2));
  const sector::SectorFiles nowhere{
      .location = {}, .sealed_path = "/nowhere/s", .cache_dir = "/nowhere/c"};
  constexpr auto kSize = filecoin::SectorSize::k2KiB;
  EXPECT_OK(options.strict({1000, 7}, {.number = 7}, nowhere, kSize));
  EXPECT_FALSE(options.strict({1001, 7}, {.number = 7}, nowhere, kSize).ok());
}

TEST(SettingsTest, StoreThatHangsAtTheStartHoldsNothingUpAndIsThereWhenItAnswers) {
  const testing_support::TempDir dir;
  for (const char* name : {"a", "hung"}) std::filesystem::create_directories(dir / name);
  const config::ManagerConfig config =
      Parse(absl::StrFormat("[[Common.PersistStores]]\nName = \"hung\"\nPath = \"%s\"\n"
                            "[[Common.PersistStores]]\nName = \"a\"\nPath = \"%s\"\n",
                            dir / "hung", dir / "a"));
  const auto gate = std::make_shared<std::latch>(1);
  StoreLook how{.patience = absl::Milliseconds(200)};
  how.look = [gate, hung = dir / "hung"](const std::string& path) {
    if (path == hung) gate->wait();
    return storage::LookAtStore(path);
  };
  std::filesystem::remove(dir / "hung");  // a look at it would be an error
  ASSERT_OK_AND_ASSIGN(const storage::StoreRegistry stores, OpenStores(config, how));
  EXPECT_THAT(stores.Names(), ElementsAre("hung", "a"));
  gate->count_down();
}

// A disk that is not mounted yet, or a path that is wrong, stops none of the others.
TEST(SettingsTest, StoreWhoseFolderIsNotThereIsTakenAndTheOthersToo) {
  const testing_support::TempDir dir;
  std::filesystem::create_directories(dir / "a");
  ASSERT_OK(WriteFileAtomically(dir / "file", "x"));
  const config::ManagerConfig config =
      Parse(absl::StrFormat("[[Common.PersistStores]]\nName = \"gone\"\nPath = \"%s\"\n"
                            "[[Common.PersistStores]]\nName = \"file\"\nPath = \"%s\"\n"
                            "[[Common.PersistStores]]\nName = \"a\"\nPath = \"%s\"\n",
                            dir / "gone", dir / "file", dir / "a"));
  std::string log;
  SetLogSink([&log](Severity, std::string_view line) { log += std::string(line) + "\n"; });
  const auto opened = OpenStores(config);
  SetLogSink({});
  ASSERT_OK_AND_ASSIGN(const storage::StoreRegistry stores, opened);
  EXPECT_THAT(stores.Names(), ElementsAre("gone", "file", "a"));
  ASSERT_OK_AND_ASSIGN(const std::string path, stores.PathOf("gone"));
  EXPECT_EQ(path, dir / "gone");
  EXPECT_THAT(log, ::testing::HasSubstr("store_not_there"));
  EXPECT_THAT(log, ::testing::HasSubstr((dir / "gone") + " does not exist: mount its disk"));
  EXPECT_THAT(log, ::testing::HasSubstr("is not a folder"));
}

// Two ways to one folder, and a folder that goes between the look at it and its opening.
TEST(SettingsTest, NoStoreKeepsTheManagerFromStarting) {
  const testing_support::TempDir dir;
  std::filesystem::create_directories(dir / "a");
  std::filesystem::create_directories(dir / "going");
  std::filesystem::create_directory_symlink(dir / "a", dir / "link");
  const config::ManagerConfig config =
      Parse(absl::StrFormat("[[Common.PersistStores]]\nName = \"a\"\nPath = \"%s\"\n"
                            "[[Common.PersistStores]]\nName = \"again\"\nPath = \"%s\"\n"
                            "[[Common.PersistStores]]\nName = \"going\"\nPath = \"%s\"\n",
                            dir / "a", dir / "link", dir / "going"));
  StoreLook how;
  how.look = [going = dir / "going"](const std::string& path) {
    storage::StoreSight sight = storage::LookAtStore(path);
    if (path == going) std::filesystem::remove(going);
    return sight;
  };
  std::string log;
  SetLogSink([&log](Severity, std::string_view line) { log += std::string(line) + "\n"; });
  const auto opened = OpenStores(config, how);
  SetLogSink({});
  ASSERT_OK_AND_ASSIGN(const storage::StoreRegistry stores, opened);
  EXPECT_THAT(stores.Names(), ElementsAre("a", "again", "going"));
  EXPECT_THAT(log, ::testing::HasSubstr("are one folder"));
  EXPECT_THAT(log, ::testing::HasSubstr((dir / "going") + " does not exist: mount"));
}

// By a link in the configuration, and under its own path by a scan.
TEST(SettingsTest, FolderThatAScanFindsByAnotherWayIsOneStore) {
  const testing_support::TempDir dir;
  std::filesystem::create_directories(dir / "real/one");
  std::filesystem::create_directories(dir / "real/two");
  std::filesystem::create_directory_symlink(dir / "real/one", dir / "link");
  std::filesystem::create_directory_symlink(dir / "real/two", dir / "real/three");
  ASSERT_OK(WriteFileAtomically(dir / "real/one/sectorstore.json", R"({"Name":"its own"})"));
  ASSERT_OK(WriteFileAtomically(dir / "real/two/sectorstore.json", "{}"));
  ASSERT_OK_AND_ASSIGN(const storage::StoreRegistry stores,
                       OpenStores(Parse(absl::StrFormat(
                           "[Common]\nScanPersistStores = [\"%s/real/*\"]\n"
                           "[[Common.PersistStores]]\nName = \"configured\"\nPath = \"%s\"\n",
                           dir.Path(), dir / "link"))));
  EXPECT_THAT(stores.Names(), ElementsAre("configured", dir / "real/three"));
}

// A store that cannot be had, or is there twice, stops none of the others.
TEST(SettingsTest, OneBadStoreOfAScanIsOneStore) {
  const testing_support::TempDir dir;
  const std::pair<const char*, const char*> files[] = {{"a", R"({"ID":"a"})"},
                                                       {"b", "nonsense"},
                                                       {"c", R"({"ID":"c","AllowMiners":["t01"]})"},
                                                       {"d", R"({"ID":"taken"})"}};
  for (const auto& [name, text] : files) {
    std::filesystem::create_directories(dir / name);
    ASSERT_OK(WriteFileAtomically(dir / (std::string(name) + "/sectorstore.json"), text));
  }
  std::filesystem::create_directories(dir / "own");
  ASSERT_OK_AND_ASSIGN(const storage::StoreRegistry stores,
                       OpenStores(Parse(absl::StrFormat(
                           "[Common]\nScanPersistStores = [\"/nonexist/*\", \"%s/*\"]\n"
                           "[[Common.PersistStores]]\nName = \"taken\"\nPath = \"%s/own\"\n"
                           "[[Common.PersistStores]]\nName = \"other\"\nPath = \"%s/a\"\n",
                           dir.Path(), dir.Path(), dir.Path()))));
  EXPECT_THAT(stores.Names(), ElementsAre("taken", "other", "c"));
}

TEST(SettingsTest, HeadIsAskedForOftenEnoughWhateverTheInterval) {
  EXPECT_EQ(RunnerOptionsOf(Parse("")).poll_interval, absl::Seconds(15));
  EXPECT_EQ(RunnerOptionsOf(Parse("[Common.API]\nChainEventInterval = \"3s\"\n")).poll_interval,
            absl::Seconds(3));
}

}  // namespace
}  // namespace damocles::manager
