// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <latch>
#include <memory>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"
#include "damocles/storage/persist_store.h"
#include "damocles/storage/sector_paths.h"
#include "damocles/storage/store_look.h"

namespace damocles::storage {
namespace {

namespace fs = std::filesystem;
using testing_support::StatusIs;
using testing_support::TempDir;

TEST(SectorPathsTest, FollowTheLotusLayout) {
  const filecoin::SectorId sector{.miner = 1000, .number = 7};
  EXPECT_EQ(ReplicaPath("/mnt/a", sector, Variant::kSealed), "/mnt/a/sealed/s-t01000-7");
  EXPECT_EQ(CachePath("/mnt/a/", sector, Variant::kSealed), "/mnt/a/cache/s-t01000-7");
  EXPECT_EQ(ReplicaPath("/mnt/a", sector, Variant::kUpgraded), "/mnt/a/update/s-t01000-7");
  EXPECT_EQ(CachePath("/", sector, Variant::kUpgraded), "//update-cache/s-t01000-7");
}

TEST(SectorPathsTest, NamesHaveOneSpelling) {
  EXPECT_EQ(ParseSectorFileName("s-t01000-7"), (filecoin::SectorId{.miner = 1000, .number = 7}));
  EXPECT_EQ(ParseSectorFileName("s-t00-0"), (filecoin::SectorId{.miner = 0, .number = 0}));
  for (const char* name :
       {"", "s-t01000", "s-t01000-", "s-t0-7", "s-f01000-7", "s-t001000-7", "s-t01000-07",
        "s-t01000-+7", "s-t01000- 7", "s-t01000-7.tmp", "s-t01000--7",
        "s-t01000-99999999999999999999", "S-t01000-7", "s-t01000-9223372036854775808",
        "s-t09223372036854775808-7", "s-t01000-18446744073709551615"}) {
    EXPECT_EQ(ParseSectorFileName(name), std::nullopt) << name;
  }
}

// Number of tree files and their length with the usual rows left out.
TEST(SectorPathsTest, CacheFilesOfEverySectorSize) {
  using filecoin::SectorSize;
  struct Row {
    SectorSize size;
    std::size_t trees;
    std::uint64_t bytes;
  };
  for (const Row& row :
       {Row{SectorSize::k2KiB, 1, 32}, Row{SectorSize::k4KiB, 2, 32},
        Row{SectorSize::k16KiB, 8, 32}, Row{SectorSize::k32KiB, 16, 32},
        Row{SectorSize::k8MiB, 1, 18720}, Row{SectorSize::k16MiB, 2, 18720},
        Row{SectorSize::k512MiB, 1, 1198368}, Row{SectorSize::k1GiB, 2, 1198368},
        Row{SectorSize::k32GiB, 8, 9586976}, Row{SectorSize::k64GiB, 16, 9586976}}) {
    SCOPED_TRACE(filecoin::ToString(row.size));
    const auto files = RequiredCacheFiles(row.size);
    ASSERT_EQ(files.size(), row.trees + 1);
    EXPECT_EQ(files[0].name, "p_aux");
    EXPECT_EQ(files[0].sizes, (std::vector<std::uint64_t>{64}));
    EXPECT_EQ(files[1].name,
              row.trees == 1 ? "sc-02-data-tree-r-last.dat" : "sc-02-data-tree-r-last-0.dat");
    for (std::size_t i = 1; i < files.size(); ++i) {
      const auto& sizes = files[i].sizes;
      EXPECT_NE(std::find(sizes.begin(), sizes.end(), row.bytes), sizes.end());
    }
  }
}

TEST(StoreRegistryTest, FindsStoresByNameAndPath) {
  TempDir dir;
  fs::create_directories(dir / "a");
  fs::create_directory_symlink(dir / "a", dir / "link");
  ASSERT_OK_AND_ASSIGN(
      const StoreRegistry registry,
      StoreRegistry::Open({{.name = "one", .path = dir / "a/"}, {.name = "", .path = dir.Path()}}));
  EXPECT_EQ(registry.Names(), (std::vector<std::string>{"one", dir.Path()}));
  ASSERT_OK_AND_ASSIGN(const std::string path, registry.PathOf("one"));
  EXPECT_EQ(path, dir / "a");
  EXPECT_EQ(registry.FindByPath(dir / "link"), registry.Find("one"));
  EXPECT_EQ(registry.FindByPath(dir / "./a/../a"), registry.Find("one"));
  EXPECT_EQ(registry.FindByPath(dir / "b"), nullptr);
  EXPECT_THAT(registry.PathOf("two"), StatusIs(absl::StatusCode::kNotFound, "known: one, "));
}

// A hung mount must not be asked on behalf of another path.
TEST(StoreRegistryTest, LooksAtNoStoreToFindOne) {
  TempDir dir;
  fs::create_directories(dir / "a");
  fs::create_directory_symlink(dir / "a", dir / "link");
  ASSERT_OK_AND_ASSIGN(const StoreRegistry registry,
                       StoreRegistry::Open({{.name = "one", .path = dir / "link"}}));
  // The link leads elsewhere now; what it led to at the start counts.
  fs::remove(dir / "link");
  EXPECT_EQ(registry.FindByPath(dir / "a"), registry.Find("one"));
  EXPECT_EQ(registry.FindByPath(dir / "link/"), registry.Find("one"));
}

// A manager that does not start costs every window: both names lead to what the index has under
// them, and the operator is told.
TEST(StoreRegistryTest, OneFolderOfTwoStoresIsToldAndBothAreThere) {
  TempDir dir;
  fs::create_directories(dir / "a");
  fs::create_directory_symlink(dir / "a", dir / "link");
  ASSERT_OK_AND_ASSIGN(const StoreRegistry registry,
                       StoreRegistry::Open({{.name = "one", .path = dir / "a"},
                                            {.name = "two", .path = dir / "link/"}}));
  EXPECT_EQ(registry.Names(), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(registry.FindByPath(dir / "./a"), registry.Find("one"));
  EXPECT_EQ(registry.FindByPath(dir / "link"), registry.Find("two"));
  ASSERT_EQ(registry.Problems().size(), 1u);
  EXPECT_THAT(registry.Problems()[0], testing::HasSubstr("\"one\" and \"two\" are one folder"));
}

// Not mounted when the manager was started: it is not to be restarted for a link's sake.
TEST(StoreRegistryTest, FindsAStoreThatWasNotThereAtTheStartByAnySpelling) {
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(const StoreRegistry registry,
                       StoreRegistry::Open({{.name = "unseen", .path = dir / "link"},
                                            {.name = "gone", .path = dir / "other"}},
                                           {dir / "link"}));
  EXPECT_EQ(registry.FindByPath(dir / "real"), nullptr);
  for (const char* name : {"real", "real2"}) fs::create_directories(dir / name);
  fs::create_directory_symlink(dir / "real", dir / "link");
  fs::create_directory_symlink(dir / "real2", dir / "other");
  EXPECT_EQ(registry.FindByPath(dir / "real"), registry.Find("unseen"));
  EXPECT_EQ(registry.FindByPath(dir / "real2/"), registry.Find("gone"));
  EXPECT_EQ(registry.FindByPath(dir.Path()), nullptr);
}

TEST(StoreRegistryTest, NameThatIsNotGivenIsTheNormalPath) {
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(const StoreRegistry registry,
                       StoreRegistry::Open({{.name = "", .path = dir.Path() + "/./"}}));
  EXPECT_EQ(registry.Names(), (std::vector<std::string>{dir.Path()}));
}

TEST(StoreRegistryTest, RefusesDoubleNamesAndTellsOfMissingFolders) {
  TempDir dir;
  std::ofstream(dir / "file") << "x";
  EXPECT_THAT(
      StoreRegistry::Open({{.name = "n", .path = dir.Path()}, {.name = "n", .path = dir.Path()}}),
      StatusIs(absl::StatusCode::kAlreadyExists, "\"n\" is used twice"));
  ASSERT_OK_AND_ASSIGN(const StoreRegistry registry,
                       StoreRegistry::Open({{.name = "a", .path = dir / "none"},
                                            {.name = "b", .path = dir / "file"},
                                            {.name = "c", .path = dir.Path()},
                                            {.name = "d", .path = dir / "unseen"}},
                                           {dir / "unseen"}));
  EXPECT_EQ(registry.Names(), (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_THAT(registry.Problems(),
              testing::ElementsAre(testing::HasSubstr((dir / "none") + " does not exist: mount"),
                                   testing::HasSubstr("is not a folder")));
}

TEST(SectorStoreJsonTest, WhatIsWrittenIsRead) {
  TempDir dir;
  PersistStore store;
  store.name = "store-1";
  store.read_only = true;
  store.weight = 7;
  store.allow_miners = {1000};
  store.deny_miners = {1001, 1002};
  store.meta = {{"zone", "a\"b"}};
  ASSERT_OK(WriteFileAtomically(dir / "sectorstore.json", EncodeSectorStoreJson(store, "uuid")));
  ASSERT_OK_AND_ASSIGN(const PersistStore back, ReadSectorStoreJson(dir.Path()));
  EXPECT_EQ(back.name, "store-1");
  EXPECT_EQ(back.path, dir.Path());
  EXPECT_TRUE(back.read_only);
  EXPECT_FALSE(back.strict);
  EXPECT_EQ(back.weight, 7u);
  EXPECT_EQ(back.allow_miners, store.allow_miners);
  EXPECT_EQ(back.deny_miners, store.deny_miners);
  EXPECT_EQ(back.meta, store.meta);
}

TEST(SectorStoreJsonTest, ReadsWhatLotusWritesAndNamesWhatIsWrong) {
  TempDir dir;
  const auto read = [&](std::string_view text) {
    EXPECT_OK(WriteFileAtomically(dir / "sectorstore.json", text));
    return ReadSectorStoreJson(dir.Path());
  };
  ASSERT_OK_AND_ASSIGN(const PersistStore lotus,
                       read(R"({"ID":"c2d1","Weight":10,"CanSeal":false,"CanStore":true,
                                "MaxStorage":0,"Groups":null,"AllowMiners":null})"));
  EXPECT_EQ(lotus.name, "c2d1");
  EXPECT_EQ(lotus.weight, 10u);
  ASSERT_OK_AND_ASSIGN(const PersistStore lower, read(R"({"name":"n","readonly":true})"));
  EXPECT_TRUE(lower.read_only);
  ASSERT_OK_AND_ASSIGN(const PersistStore nameless, read("{}"));
  EXPECT_EQ(nameless.name, dir.Path()) << "as the existing system does";
  constexpr auto kCode = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(read("[]"), StatusIs(kCode, "not a JSON object"));
  EXPECT_THAT(read("{"), StatusIs(kCode, "not a JSON object"));
  EXPECT_THAT(read(R"({"Name":7,"ID":"x"})"), StatusIs(kCode, "Name has a wrong type"));
  EXPECT_THAT(read(R"({"ID":7})"), StatusIs(kCode, "ID has a wrong type"));
  EXPECT_THAT(read("{\"Name\":\"a\\u0007\"}"), StatusIs(kCode, "control character"));
}

// What says where new sectors go, or how, is nothing that a proof needs.
TEST(SectorStoreJsonTest, KeysThatProvingDoesNotNeedNeverStopIt) {
  TempDir dir;
  std::vector<std::string> notes;
  const auto read = [&](std::string_view text) {
    notes.clear();
    EXPECT_OK(WriteFileAtomically(dir / "sectorstore.json", text));
    return ReadSectorStoreJson(dir.Path(), &notes);
  };
  // Every form that Lotus and the existing system write.
  ASSERT_OK_AND_ASSIGN(
      PersistStore store,
      read(R"({"ID":"id","Name":"","Weight":10,"MaxStorage":0,"CanSeal":true,"CanStore":true,
               "Groups":["a"],"AllowTo":null,"AllowTypes":null,"DenyTypes":["unsealed"],
               "AllowMiners":["t01000","f01001",1002,"1003"],"DenyMiners":null,"Strict":null,
               "ReadOnly":null,"PluginName":"s3","Meta":null,"Reserved":{"x":[1]}})"));
  EXPECT_EQ(store.name, "id");
  EXPECT_EQ(store.allow_miners, (std::vector<filecoin::ActorId>{1000, 1001, 1002, 1003}));
  EXPECT_EQ(store.deny_miners, std::vector<filecoin::ActorId>{});
  EXPECT_FALSE(store.strict);
  EXPECT_TRUE(notes.empty());
  // And none that they write.
  for (const char* key : {"Weight", "AllowMiners", "DenyMiners", "Strict", "ReadOnly", "Meta"}) {
    for (const char* value : {"-1", "1.5", "\"x\"", "{\"a\":1}", "[1,[2]]", "[\"x\",-1,1e3]",
                              "[{}]", "true", "99999999999999999999"}) {
      const std::string text = absl::StrFormat(R"({"Name":"n","%s":%s})", key, value);
      ASSERT_OK_AND_ASSIGN(store, read(text));
      EXPECT_EQ(store.name, "n") << text;
      EXPECT_LE(notes.size(), 1u) << text;
      for (const std::string& note : notes) {
        EXPECT_TRUE(note.starts_with(dir / "sectorstore.json: ") &&
                    note.find(key) != std::string::npos)
            << note;
      }
    }
  }
}

TEST(ScanTest, FindsDeclaredStoresAndPassesOthersOver) {
  TempDir dir;
  for (const char* name : {"b", "a", "plain"}) fs::create_directories(dir / name);
  for (const char* name : {"a", "b"}) {
    ASSERT_OK(WriteFileAtomically(dir / (std::string(name) + "/sectorstore.json"),
                                  EncodeSectorStoreJson({.name = name, .path = ""}, name)));
  }
  const StoreScan scan = ScanPersistStores({dir / "*", dir / "a", dir / "nothing-*"});
  ASSERT_EQ(scan.stores.size(), 2u);
  EXPECT_EQ(scan.stores[0].path, dir / "a");
  EXPECT_EQ(scan.stores[1].name, "b");
  EXPECT_TRUE(scan.problems.empty());
  ASSERT_EQ(scan.notes.size(), 1u);
  EXPECT_NE(scan.notes[0].find("nothing-*\" finds no folder"), std::string::npos);
}

// A bad file is one store.
TEST(ScanTest, WhatCannotBeReadIsNamedAndTheOthersAreThere) {
  TempDir dir;
  const std::pair<const char*, const char*> files[] = {{"a", R"({"ID":"same"})"},
                                                       {"b", "nonsense"},
                                                       {"c", R"({"ID":"same"})"},
                                                       {"d", R"({"Name":{},"ID":"d"})"},
                                                       {"e", R"({"ID":"e","Weight":"x"})"}};
  for (const auto& [name, text] : files) {
    fs::create_directories(dir / name);
    ASSERT_OK(WriteFileAtomically(dir / (std::string(name) + "/sectorstore.json"), text));
  }
  fs::create_directories(dir / "f/sectorstore.json");  // a folder of that name
  const StoreScan scan = ScanPersistStores({dir / "*"});
  ASSERT_EQ(scan.stores.size(), 2u);
  EXPECT_EQ(scan.stores[0].path, dir / "a");
  EXPECT_EQ(scan.stores[1].name, "e");
  ASSERT_EQ(scan.problems.size(), 4u) << absl::StrJoin(scan.problems, "\n");
  const char* const want[] = {"b/sectorstore.json: is not a JSON", "name of the store in ",
                              "d/sectorstore.json: Name has", "f/sectorstore.json: is a folder"};
  for (const char* text : want) {
    EXPECT_TRUE(std::any_of(
        scan.problems.begin(), scan.problems.end(),
        [&](const std::string& problem) { return problem.find(text) != std::string::npos; }))
        << text;
  }
  ASSERT_EQ(scan.notes.size(), 1u);
  EXPECT_NE(scan.notes[0].find("Weight has a wrong type: passed over"), std::string::npos);
}

TEST(StoreLookTest, TellsAnEmptyFolderFromAStore) {
  const TempDir dir;
  const std::string store = dir / "store";
  EXPECT_EQ(LookAtStore(store).condition, StoreCondition::kAbsent);
  fs::create_directories(store + "/lost+found");
  fs::create_directories(store + "/sealed");
  EXPECT_EQ(LookAtStore(store).condition, StoreCondition::kEmpty);
  EXPECT_NE(DescribeSight(LookAtStore(store), store).find("is its disk mounted"),
            std::string::npos);
  fs::create_directories(store + "/update-cache/s-t01000-7");
  EXPECT_EQ(LookAtStore(store).condition, StoreCondition::kShowsSectors);
  EXPECT_EQ(DescribeSight(LookAtStore(store), store), "");
  std::ofstream(dir / "file").close();
  EXPECT_EQ(LookAtStore(dir / "file").condition, StoreCondition::kUnreadable);
  fs::create_symlink("loop", dir / "loop");
  EXPECT_EQ(LookAtStore(dir / "loop").condition, StoreCondition::kUnreadable);
}

TEST(StoreLookTest, OneThatHangsHoldsUpNobody) {
  const auto gate = std::make_shared<std::latch>(1);
  const auto sights = LookAtStores({"/a", "/hung", "/b", "/hung"}, absl::Milliseconds(300),
                                   [gate](const std::string& path) -> StoreSight {
                                     if (path == "/hung") gate->wait();
                                     return {StoreCondition::kShowsSectors, ""};
                                   });
  gate->count_down();
  ASSERT_EQ(sights.size(), 3u);
  EXPECT_EQ(sights.at("/a").condition, StoreCondition::kShowsSectors);
  EXPECT_EQ(sights.at("/b").condition, StoreCondition::kShowsSectors);
  EXPECT_EQ(sights.at("/hung").condition, StoreCondition::kNotAnswering);
}

TEST(SpaceTest, IsAskedOfTheFileSystem) {
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(const Space space, SpaceAt(dir.Path()));
  EXPECT_GT(space.total_bytes, 0u);
  EXPECT_LE(space.free_bytes, space.total_bytes);
  EXPECT_FALSE(SpaceAt(dir / "none").ok());
}

}  // namespace
}  // namespace damocles::storage
