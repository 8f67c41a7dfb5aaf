// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Configurations of every published form load, and each key without a meaning here is named once.

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/config/options.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/file.h"
#include "damocles/config/ext_prover.h"
#include "damocles/config/worker.h"

namespace damocles::config {
namespace {

using testing_support::StatusIs;

const std::string kFolder = DAMOCLES_TEST_DATA_DIR "/config/";

// The keys that a sample's own "# warns:" lines name.
std::multiset<std::string> ExpectedWarnings(const std::string& file) {
  std::multiset<std::string> keys;
  const auto text = ReadFile(file);
  EXPECT_OK(text.status());
  std::istringstream lines(text.value_or(""));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("# warns: ")) continue;
    std::istringstream words(line.substr(9));
    for (std::string key; words >> key;) keys.insert(key);
  }
  EXPECT_FALSE(keys.empty()) << file;
  return keys;
}

// "FILE:LINE:COLUMN: KEY: what" -> KEY
std::multiset<std::string> KeysOf(const std::vector<std::string>& warnings) {
  std::multiset<std::string> keys;
  for (const std::string& warning : warnings) {
    const std::size_t begin = warning.find(": ") + 2;
    keys.insert(warning.substr(begin, warning.find(": ", begin) - begin));
  }
  return keys;
}

std::string All(const std::vector<std::string>& warnings) {
  std::string all;
  for (const std::string& warning : warnings) all += warning + "\n";
  return all;
}

TEST(PublishedTest, EverySampleLoadsAndNamesEachForeignKeyOnce) {
  int managers = 0;
  int workers = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    const std::string file = entry.path().string();
    SCOPED_TRACE(file);
    if (entry.path().filename().string().starts_with("manager-")) {
      ++managers;
      ASSERT_OK_AND_ASSIGN(const ManagerConfig config, LoadManagerConfig(file, kNoFolders));
      EXPECT_EQ(KeysOf(config.warnings), ExpectedWarnings(file)) << All(config.warnings);
      if (file.ends_with("untouched.cfg")) continue;
      EXPECT_EQ(config.chain.size(), 1u);
      ASSERT_EQ(config.persist_stores.size(), 1u);
      EXPECT_EQ(config.persist_stores[0].name, "store-1");
      ASSERT_FALSE(config.miners.empty());
      EXPECT_EQ(config.miners[0].policy.senders.size(), 1u);
      EXPECT_EQ(config.miners[0].policy.post_fees.gas_fee_cap,
                filecoin::TokenAmount(5'000'000'000));
    } else {
      ++workers;
      ASSERT_OK_AND_ASSIGN(const WorkerConfig config, LoadWorkerConfig(file, kNoFolders));
      EXPECT_EQ(KeysOf(config.warnings), ExpectedWarnings(file)) << All(config.warnings);
      EXPECT_EQ(config.threads.size(), 1u);
      ASSERT_EQ(config.attached.size(), 1u);
      EXPECT_EQ(config.attached[0].name, "store-1");
      EXPECT_EQ(config.attached[0].location, "/mnt/store-1");
    }
  }
  EXPECT_EQ(managers, 6);
  EXPECT_EQ(workers, 3);
}

TEST(PublishedTest, UntouchedDefaultsMeanNothing) {
  ASSERT_OK_AND_ASSIGN(const ManagerConfig config,
                       LoadManagerConfig(kFolder + "manager-untouched.cfg", kNoFolders));
  EXPECT_TRUE(config.chain.empty());
  EXPECT_TRUE(config.persist_stores.empty());
  EXPECT_TRUE(config.miners.empty());
  // A block in which anything stands is meant.
  EXPECT_THAT(ParseManagerConfig("[[Miners]]\n[Miners.PoSt]\nEnabled = true\n", "f", kNoFolders),
              StatusIs(kInvalid, "Miners.Actor: is missing"));
  EXPECT_THAT(ParseManagerConfig("[[Common.PersistStores]]\nName = \"a\"\n", "f", kNoFolders),
              StatusIs(kInvalid, "Common.PersistStores.Path: is missing"));
}

TEST(PublishedTest, AZeroThatMeantADefaultIsWarnedOf) {
  ASSERT_OK_AND_ASSIGN(const ManagerConfig config,
                       LoadManagerConfig(kFolder + "manager-0.5.0.cfg", kNoFolders));
  EXPECT_EQ(config.miners[0].policy.poster.submit_confidence, filecoin::EpochDelta(0));
  EXPECT_EQ(config.miners[0].policy.poster.challenge_confidence, filecoin::EpochDelta(0));
  const std::string all = All(config.warnings);
  EXPECT_NE(all.find("SubmitConfidence: 0 is read as no epoch at all"), std::string::npos) << all;
  EXPECT_NE(all.find("its default of 10; leave the key out for the default of 2"),
            std::string::npos)
      << all;
  ASSERT_OK_AND_ASSIGN(
      const ManagerConfig ours,
      ParseManagerConfig("[[Miners]]\nActor = 1\nPoSt.SubmitConfidence = 1\n", "f", kNoFolders));
  EXPECT_TRUE(ours.warnings.empty()) << All(ours.warnings);
}

TEST(PublishedTest, StoresThatAPresetNamesAreNotForgottenSilently) {
  ASSERT_OK_AND_ASSIGN(const ManagerConfig config,
                       LoadManagerConfig(kFolder + "manager-0.8.0.cfg", kNoFolders));
  const std::string all = All(config.warnings);
  EXPECT_NE(all.find("must stand here, each as [[Common.PersistStores]]"), std::string::npos)
      << all;
}

TEST(PublishedTest, KeysOfTheManagerAreReadInAnySpelling) {
  ASSERT_OK_AND_ASSIGN(
      ManagerConfig config,
      ParseManagerConfig("[common.api]\nchain = \"127.0.0.1:1\"\n[[miners]]\nactor = 7\n"
                         "[miners.post]\nenabled = false\n",
                         "f", kNoFolders));
  ASSERT_EQ(config.miners.size(), 1u);
  EXPECT_EQ(config.miners[0].policy.miner, 7u);
  EXPECT_FALSE(config.miners[0].policy.enabled);
  EXPECT_EQ(config.chain.size(), 1u);
  // Where both stand, neither is passed over.
  EXPECT_THAT(ParseManagerConfig("[[Miners]]\nActor = 1\nactor = 2\n", "f", kNoFolders),
              StatusIs(kInvalid, "f:3:1: Miners.actor: unknown key"));
  ASSERT_OK_AND_ASSIGN(
      const ExtProverConfig children,
      ParseExtProverConfig("[[wdpost]]\nbin = \"x\"\nconcurrent = 2\n", "f", kNoFolders));
  ASSERT_EQ(children.window_post.size(), 1u);
  EXPECT_EQ(children.window_post[0].concurrent, 2u);
}

TEST(PublishedTest, AnEmptyOldFeeCapIsNoFeeCap) {
  const auto cap = [](const std::string& text) {
    const auto config =
        ParseManagerConfig("[[Miners]]\nActor = 1\n[Miners.PoSt]\n" + text, "f", kNoFolders);
    EXPECT_OK(config.status());
    return config.ok() ? config->miners[0].policy.post_fees.gas_fee_cap : filecoin::TokenAmount();
  };
  EXPECT_EQ(cap("MaxFeeCap = \"\"\n"), filecoin::TokenAmount(5'000'000'000));
  EXPECT_EQ(cap("MaxFeeCap = \"7 nanoFIL\"\nGasFeeCap = \"\"\n"),
            filecoin::TokenAmount(7'000'000'000));
  EXPECT_EQ(cap("MaxFeeCap = \"7 nanoFIL\"\nGasFeeCap = \"3 nanoFIL\"\n"),
            filecoin::TokenAmount(3'000'000'000));
  EXPECT_TRUE(cap("GasFeeCap = \"0\"\n").IsZero());
}

TEST(PublishedTest, MinersOfAStoreAreNumbersOrAddresses) {
  ASSERT_OK_AND_ASSIGN(
      const ManagerConfig config,
      ParseManagerConfig("[[Common.PersistStores]]\nPath = \"/x\"\n"
                         "AllowMiners = [1000, \"t01001\", \"f01002\", \"1003\"]\n",
                         "f", kNoFolders));
  EXPECT_EQ(config.persist_stores[0].allow_miners,
            (std::vector<filecoin::ActorId>{1000, 1001, 1002, 1003}));
  EXPECT_THAT(
      ParseManagerConfig("[[Common.PersistStores]]\nPath = \"/x\"\nDenyMiners = [\"f3abc\"]\n", "f",
                         kNoFolders),
      StatusIs(kInvalid, "want a list of miners"));
}

// What filters nothing is no filter: the worker would take what it was told not to.
TEST(FilterTest, AFilterThatEmptiesIsRefused) {
  const auto parse = [](const std::string& thread, const std::string& sealing = "") {
    return ParseWorkerConfig(
        "[sector_manager]\nrpc_client.addr = \"127.0.0.1:1\"\n[[attached]]\n"
        "location = \"/x\"\n[[sealing_thread]]\nplan = \"wdpost\"\n" +
            thread + sealing,
        "f", kNoFolders);
  };
  for (const char* size : {"1GiB", "4KiB", "16KiB", "32KiB", "16MiB", "1TiB", ""}) {
    EXPECT_THAT(parse("allowed_sizes = [\"32GiB\", \"" + std::string(size) + "\"]\n"),
                StatusIs(kInvalid, "is no size of sectors that a network proves"))
        << size;
  }
  for (const char* size : {"2KiB", "8MiB", "512MiB", "32GiB", "64GiB"}) {
    EXPECT_OK(parse("allowed_sizes = [\"" + std::string(size) + "\"]\n").status()) << size;
  }
  for (const char* key : {"allowed_miners", "allowed_sizes"}) {
    const std::string empty = std::string(key) + " = []\n";
    for (const auto& text : {empty, "sealing." + empty}) {
      EXPECT_THAT(parse(text), StatusIs(kInvalid, std::string(key) + ": is empty, so that no job"));
    }
    EXPECT_THAT(parse("", "[sealing]\n" + empty), StatusIs(kInvalid, "is empty, so that no job"));
  }
  ASSERT_OK_AND_ASSIGN(const WorkerConfig addresses,
                       parse("allowed_miners = [\"t01000\", 1001]\n"));
  EXPECT_EQ(addresses.threads[0].takes.miners, (std::vector<filecoin::ActorId>{1000, 1001}));
}

TEST(FilterTest, TheLogShowsFiltersAndNothingThatHasNoEffect) {
  ASSERT_OK_AND_ASSIGN(const WorkerConfig config,
                       LoadWorkerConfig(kFolder + "worker-0.12.1.toml", kNoFolders));
  const std::string log = DescribeForLog(config);
  EXPECT_NE(log.find("; takes miners f01000 of sizes all, asks every 15s"), std::string::npos)
      << log;
  EXPECT_NE(log.find("; attached \"store-1\"=/mnt/store-1"), std::string::npos) << log;
  for (const char* nothing : {"rpc_server", "17890", "processor", "metrics", "9000"}) {
    EXPECT_EQ(log.find(nothing), std::string::npos) << log;
  }
}

}  // namespace
}  // namespace damocles::config
