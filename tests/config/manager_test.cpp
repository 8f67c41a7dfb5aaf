// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/config/manager.h"

#include <filesystem>
#include <regex>
#include <sstream>
#include <string>

#include "absl/strings/str_format.h"
#include "gtest/gtest.h"
#include "tests/config/options.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"
#include "damocles/config/ext_prover.h"

namespace damocles::config {
namespace {

using testing_support::StatusIs;
using testing_support::TempDir;

absl::StatusOr<ManagerConfig> ParseManager(std::string_view text,
                                           LoadOptions options = kNoFolders) {
  return ParseManagerConfig(text, "sector-manager.cfg", options);
}

// What the modules say themselves; the numbers stand in their headers and in the text only.
void ExpectDefaults(const MinerConfig& miner) {
  const MinerConfig want;
  const poster::MinerPolicy& policy = miner.policy;
  EXPECT_EQ(policy.enabled, want.policy.enabled);
  EXPECT_TRUE(policy.senders.empty());
  EXPECT_EQ(miner.strict_check, want.strict_check);
  EXPECT_EQ(policy.poster.parallel, want.policy.poster.parallel);
  for (const poster::FeePolicy& fees : {policy.post_fees, policy.recovery_fees}) {
    EXPECT_EQ(fees.gas_over_estimation, want.policy.post_fees.gas_over_estimation);
    EXPECT_EQ(fees.gas_over_premium, want.policy.post_fees.gas_over_premium);
    EXPECT_EQ(fees.gas_fee_cap, filecoin::TokenAmount(kGasFeeCap));
    EXPECT_EQ(fees.max_gas_fee_cap, filecoin::TokenAmount(kMaxGasFeeCap));
  }
  EXPECT_EQ(policy.poster.confirmation_depth, want.policy.poster.confirmation_depth);
  EXPECT_EQ(policy.poster.submit_confidence, want.policy.poster.submit_confidence);
  EXPECT_EQ(policy.poster.challenge_confidence, want.policy.poster.challenge_confidence);
  EXPECT_EQ(policy.poster.max_partitions_per_message,
            want.policy.poster.max_partitions_per_message);
  EXPECT_EQ(policy.poster.auto_reset_before_close, want.policy.poster.auto_reset_before_close);
  EXPECT_EQ(policy.recovery.max_sectors, want.policy.recovery.max_sectors);
  EXPECT_EQ(policy.recovery.max_partitions_per_message,
            want.policy.recovery.max_partitions_per_message);
}

void ExpectDefaults(const ManagerConfig& config) {
  const sector::CheckLimits checks;
  const job::Policy jobs;
  EXPECT_EQ(config.chain_event_interval, absl::Minutes(1));
  EXPECT_TRUE(config.scan_persist_stores.empty());
  EXPECT_EQ(config.checks.parallel, checks.parallel);
  EXPECT_EQ(config.checks.single, checks.single);
  EXPECT_EQ(config.checks.total, checks.total);
  EXPECT_EQ(config.jobs.job_max_try, jobs.job_max_try);
  EXPECT_EQ(config.jobs.heartbeat_timeout, jobs.heartbeat_timeout);
  EXPECT_EQ(config.jobs.heartbeat_late, jobs.heartbeat_late);
  EXPECT_EQ(config.jobs.job_lifetime, jobs.job_lifetime);
  EXPECT_EQ(config.auto_reset_before_close, poster::PosterPolicy{}.auto_reset_before_close);
  EXPECT_TRUE(config.warnings.empty());
}

// "#Key = ..." and "#[Table]", but no prose.
std::string Uncomment(const std::string& text) {
  const std::regex line(R"(^#((\[.*\]|[A-Za-z_]+ = .*))$)");
  std::istringstream in(text);
  std::string out;
  for (std::string one; std::getline(in, one);) {
    out += std::regex_replace(one, line, "$1") + "\n";
  }
  return out;
}

TEST(ManagerConfigTest, DefaultTextMeansTheDefaults) {
  const std::string text = DefaultManagerConfig();
  EXPECT_TRUE(text.starts_with("# Default config:\n"));
  EXPECT_NE(text.find("\n[Common.Proving.WorkerProver]\n#"), std::string::npos)
      << "sections stand, values are commented out";
  ASSERT_OK_AND_ASSIGN(const ManagerConfig config, ParseManager(text));
  ExpectDefaults(config);
  EXPECT_TRUE(config.chain.empty());
  EXPECT_TRUE(config.miners.empty());
}

TEST(ManagerConfigTest, DefaultTextStatesTheTruth) {
  ASSERT_OK_AND_ASSIGN(const ManagerConfig config, ParseManager(Uncomment(DefaultManagerConfig())));
  ExpectDefaults(config);
  ASSERT_EQ(config.miners.size(), 1u);
  EXPECT_EQ(config.miners[0].policy.miner, 1000u);
  ExpectDefaults(config.miners[0]);
  ASSERT_EQ(config.persist_stores.size(), 1u);
  EXPECT_EQ(config.persist_stores[0].weight, 1u);
  EXPECT_TRUE(config.chain.empty());
}

// Every key that goes into another module's options, with a value of its own.
TEST(ManagerConfigTest, KeysGoWhereTheyBelong) {
  ASSERT_OK_AND_ASSIGN(const ManagerConfig config, ParseManager(R"(
[Common.Proving]
ParallelCheckLimit = 11
SingleCheckTimeout = "12s"
PartitionCheckTimeout = "13s"
[Common.Proving.WorkerProver]
JobMaxTry = 14
HeartbeatTimeout = "16s"
JobLifetime = "17h"
AutoResetBeforeClose = false
[[Common.PersistStores]]
Name = "n"
Path = "/p"
ReadOnly = true
Strict = true
Weight = 18
AllowMiners = [19]
DenyMiners = [20]
Meta = { a = "b" }
[[Miners]]
Actor = 21
[Miners.PoSt]
Enabled = false
Senders = ["f022"]
StrictCheck = false
Parallel = false
GasOverEstimation = 2.5
GasOverPremium = 3.5
GasFeeCap = "24 attofil"
MaxGasFeeCap = "25 attofil"
Confidence = 26
SubmitConfidence = 27
ChallengeConfidence = 28
MaxRecoverSectorLimit = 29
MaxPartitionsPerPoStMessage = 30
MaxPartitionsPerRecoveryMessage = 31
)"));
  EXPECT_EQ(config.checks.parallel, 11u);
  EXPECT_EQ(config.checks.single, absl::Seconds(12));
  EXPECT_EQ(config.checks.total, absl::Seconds(13));
  EXPECT_EQ(config.jobs.job_max_try, 14u);
  EXPECT_EQ(config.jobs.heartbeat_timeout, absl::Seconds(16));
  EXPECT_EQ(config.jobs.heartbeat_late, absl::Seconds(8)) << "half of it";
  EXPECT_EQ(config.jobs.job_lifetime, absl::Hours(17));
  const storage::PersistStore store{.name = "n",
                                    .path = "/p",
                                    .read_only = true,
                                    .strict = true,
                                    .weight = 18,
                                    .allow_miners = {19},
                                    .deny_miners = {20},
                                    .meta = {{"a", "b"}}};
  ASSERT_EQ(config.persist_stores.size(), 1u);
  EXPECT_EQ(config.persist_stores[0], store);
  ASSERT_EQ(config.miners.size(), 1u);
  EXPECT_FALSE(config.miners[0].strict_check);
  const poster::MinerPolicy& policy = config.miners[0].policy;
  EXPECT_EQ(policy.miner, 21u);
  EXPECT_FALSE(policy.enabled);
  EXPECT_EQ(policy.senders, std::vector{filecoin::Address::FromId(22)});
  EXPECT_FALSE(policy.poster.parallel);
  EXPECT_FALSE(policy.poster.auto_reset_before_close);
  for (const poster::FeePolicy& fees : {policy.post_fees, policy.recovery_fees}) {
    EXPECT_EQ(fees.gas_over_estimation, 2.5);
    EXPECT_EQ(fees.gas_over_premium, 3.5);
    EXPECT_EQ(fees.gas_fee_cap, filecoin::TokenAmount(24));
    EXPECT_EQ(fees.max_gas_fee_cap, filecoin::TokenAmount(25));
  }
  EXPECT_EQ(policy.poster.confirmation_depth, filecoin::EpochDelta(26));
  EXPECT_EQ(policy.poster.submit_confidence, filecoin::EpochDelta(27));
  EXPECT_EQ(policy.poster.challenge_confidence, filecoin::EpochDelta(28));
  EXPECT_EQ(policy.recovery.max_sectors, 29u);
  EXPECT_EQ(policy.poster.max_partitions_per_message, 30u);
  EXPECT_EQ(policy.recovery.max_partitions_per_message, 31u);
}

TEST(ManagerConfigTest, ExampleParses) {
  const std::string path = DAMOCLES_SOURCE_DIR "/examples/sector-manager.cfg";
  ASSERT_OK_AND_ASSIGN(const ManagerConfig config, LoadManagerConfig(path, kNoFolders));
  EXPECT_TRUE(config.warnings.empty());
  EXPECT_EQ(config.chain.size(), 2u);
  EXPECT_EQ(config.chain[1].token.Reveal(), "token-of-both-nodes");
  EXPECT_EQ(config.persist_stores.size(), 2u);
  EXPECT_EQ(config.miners[0].policy.senders.size(), 1u);
  const std::string log = DescribeForLog(config);
  EXPECT_EQ(log.find("token-of"), std::string::npos) << log;
  EXPECT_NE(log.find("f01000"), std::string::npos) << log;
}

TEST(ManagerConfigTest, ExplicitZeroIsZero) {
  ASSERT_OK_AND_ASSIGN(const ManagerConfig config, ParseManager(R"(
[Common.Proving]
ParallelCheckLimit = 0
SingleCheckTimeout = "0s"
WorkerProver.JobMaxTry = 0
[[Miners]]
Actor = 1000
PoSt.ChallengeConfidence = 0
PoSt.SubmitConfidence = 0
PoSt.Confidence = 0
PoSt.GasFeeCap = "0"
PoSt.MaxGasFeeCap = "0"
PoSt.MaxFeeCap = "7 nanoFIL"
)"));
  EXPECT_EQ(config.checks.parallel, 0u);
  EXPECT_EQ(config.checks.single, absl::ZeroDuration());
  EXPECT_EQ(config.jobs.job_max_try, 0u);
  EXPECT_EQ(config.miners[0].policy.poster.challenge_confidence, filecoin::EpochDelta(0));
  EXPECT_EQ(config.miners[0].policy.poster.submit_confidence, filecoin::EpochDelta(0));
  EXPECT_EQ(config.miners[0].policy.poster.confirmation_depth, filecoin::EpochDelta(0));
  EXPECT_TRUE(config.miners[0].policy.post_fees.gas_fee_cap.IsZero());
  EXPECT_TRUE(config.miners[0].policy.post_fees.max_gas_fee_cap.IsZero());
}

TEST(ManagerConfigTest, TimesInWhichNoSectorCanBeReadAreRefused) {
  for (const char* key : {"SingleCheckTimeout", "PartitionCheckTimeout"}) {
    const std::string table = std::string("[Common.Proving]\n") + key;
    EXPECT_THAT(ParseManager(table + " = \"1ms\"\n"),
                StatusIs(absl::StatusCode::kInvalidArgument, "at least 1s"));
    EXPECT_OK(ParseManager(table + " = \"1s\"\n"));
    EXPECT_OK(ParseManager(table + " = \"0s\"\n"));
  }
}

TEST(ManagerConfigTest, OldAndForeignKeysAreAcceptedWithAWarning) {
  ASSERT_OK_AND_ASSIGN(const ManagerConfig config, ParseManager(R"(
[Common]
[Common.API]
Gateway = ["/ip4/1.2.3.4/tcp/45132", "a.b.c:/ip4/1.2.3.5/tcp/1"]
Token = "tok"
Messager = "/ip4/1.2.3.4/tcp/1"
[Common.DB]
Driver = "badger"
[Common.DB.Badger]
BaseDir = ""
[[Common.PieceStores]]
Name = "p"
[Common.Proving.WorkerProver]
HeartbeatTimeout = 15000000000
[[Miners]]
Actor = 1000
[Miners.Sector]
LifetimeDays = 540
[Miners.PoSt]
Sender = "t01001"
MaxFeeCap = "7 nanoFIL"
[Miners.Sealing]
SealingEpochDuration = 0
)"));
  EXPECT_EQ(config.jobs.heartbeat_timeout, absl::Seconds(15));
  EXPECT_EQ(config.chain.size(), 2u);
  EXPECT_EQ(config.chain[0].token.Reveal(), "tok");
  EXPECT_EQ(config.chain[1].token.Reveal(), "a.b.c");
  EXPECT_EQ(config.miners[0].policy.senders.size(), 1u);
  EXPECT_EQ(config.miners[0].policy.post_fees.gas_fee_cap, filecoin::TokenAmount(7'000'000'000));
  std::string all;
  for (const std::string& warning : config.warnings) all += warning + "\n";
  EXPECT_EQ(config.warnings.size(), 7u) << all;
  EXPECT_NE(
      all.find("sector-manager.cfg:6:1: Common.API.Messager: ignored: not part of this version"),
      std::string::npos)
      << all;
  EXPECT_NE(all.find("Miners.PoSt.Sender: old spelling"), std::string::npos) << all;
}

TEST(ManagerConfigTest, MistakesNameFileLineAndKey) {
  const auto status = ParseManager(R"(
[Common.API]
Chian = "/ip4/1.2.3.4/tcp/1"
[[Common.PersistStores]]
Name = "a"
Path = "/x"
[[Common.PersistStores]]
Name = "a"
Path = "/y"
[[Common.PersistStores]]
ReadOnly = true
[Common.Proving.WorkerProver]
HeartbeatTimeout = 15
[[Miners]]
Actor = 1000
PoSt.GasOverEstimation = 0.5
PoSt.Senders = ["f0zz"]
[[Miners]]
Actor = 1000
[[Miners]]
Posts.Enabled = true
)");
  for (const char* line :
       {"sector-manager.cfg:3:1: Common.API.Chian: unknown key (did you mean \"Chain\"?)",
        "sector-manager.cfg:8:1: Common.PersistStores.Name: \"a\" is the name of another store "
        "(sector-manager.cfg:5:1)",
        "Common.PersistStores.Path: is missing",
        "sector-manager.cfg:13:1: Common.Proving.WorkerProver.HeartbeatTimeout: is 15ns, want "
        "2s to 1h0m0s (an integer counts nanoseconds)",
        "Miners.PoSt.GasOverEstimation: is 0.5, want 1 to 100",
        "Miners.PoSt.Senders: \"f0zz\" is not an address",
        "sector-manager.cfg:19:1: Miners.Actor: miner 1000 is there already",
        "Miners.Actor: is missing", "Miners.Posts: unknown key (did you mean \"PoSt\"?)"}) {
    EXPECT_THAT(status, StatusIs(kInvalid, line));
  }
}

// The worker's [[attached]] has the same form: names that differ in a slash never meet.
TEST(ManagerConfigTest, NameOfAStoreIsItsNormalPathWhereNoneIsGiven) {
  LoadOptions options;
  options.check_folders = false;
  ASSERT_OK_AND_ASSIGN(const ManagerConfig config,
                       ParseManager("[[Common.PersistStores]]\nPath = \"/mnt/./st1/\"\n", options));
  EXPECT_EQ(config.persist_stores[0].name, "/mnt/st1");
  EXPECT_EQ(config.persist_stores[0].path, "/mnt/st1");
}

TEST(ManagerConfigTest, TwoStoresInOneFolderAreAMistake) {
  LoadOptions options;
  options.check_folders = false;
  EXPECT_THAT(ParseManager("[[Common.PersistStores]]\nName = \"a\"\nPath = \"/mnt/st1\"\n"
                           "[[Common.PersistStores]]\nName = \"b\"\nPath = \"/mnt/st1/\"\n",
                           options),
              StatusIs(kInvalid,
                       "sector-manager.cfg:6:1: Common.PersistStores.Path: /mnt/st1 is the folder "
                       "of another store (sector-manager.cfg:3:1)"));
}

TEST(ManagerConfigTest, NodesAreJudgedHereAndTokensAreInNoText) {
  ASSERT_OK_AND_ASSIGN(const ManagerConfig config, ParseManager(R"([Common.API]
Chain = ["SECRET:/ip4/1.2.3.4/tcp/1234", "https://node.example/SECRET/rpc/v1", "ws://h:9"]
)"));
  ASSERT_EQ(config.chain.size(), 3u);
  EXPECT_EQ(config.chain[0].url, "http://1.2.3.4:1234/rpc/v1");
  EXPECT_EQ(config.chain[0].token.Reveal(), "SECRET");
  EXPECT_EQ(config.chain[1].url, "https://node.example:443/SECRET/rpc/v1");
  const std::string log = DescribeForLog(config);
  EXPECT_EQ(log.find("SECRET"), std::string::npos) << log;
  EXPECT_NE(log.find("\"https://node.example:443\""), std::string::npos) << log;
  for (const char* bad : {"https://h/rpc/v1?token=SECRET", "SECRET:h:0", "/ip4/1.2.3.4/tcp/0",
                          "https://SECRET@h/", "SECRET", "ws://h:9/#SECRET"}) {
    const auto status =
        ParseManager("[Common.API]\nChain = [\"h:1\", \"" + std::string(bad) + "\"]\n");
    EXPECT_THAT(status, StatusIs(kInvalid,
                                 "sector-manager.cfg:2:1: Common.API.Chain: node 2 is "
                                 "not an address: "))
        << bad;
    EXPECT_EQ(status.status().ToString().find("SECRET"), std::string::npos) << status.status();
  }
}

// KJ throws a header that it cannot send, with its value: nothing of the kind may come so far.
TEST(ManagerConfigTest, TokensThatNoHeaderCanHoldAreRefusedAndNotRepeated) {
  for (const char* bad :
       {"SECRET\\r\\nX-Evil: 1", "SEC RET", "SECRET\\n", "\\tSECRET", "SECR\\u00c9T"}) {
    for (const std::string& api :
         {absl::StrFormat("Token = \"%s\"", bad),
          absl::StrFormat("Chain = [\"h:1\", \"x%s:/ip4/1.2.3.4/tcp/1\"]", bad),
          absl::StrFormat("Gateway = \"x%s:http://h:1\"", bad)}) {
      const auto status = ParseManager("[Common.API]\n" + api + "\n");
      EXPECT_THAT(status, StatusIs(kInvalid, "sector-manager.cfg:2:1: Common.API.")) << api;
      EXPECT_THAT(status, StatusIs(kInvalid, "token")) << api;
      EXPECT_EQ(status.status().ToString().find("SEC"), std::string::npos) << status.status();
      EXPECT_EQ(status.status().ToString().find("Evil"), std::string::npos) << status.status();
    }
  }
}

TEST(ManagerConfigTest, PricesOfGasAreNotSumsForAMessage) {
  const std::string miner = "[[Miners]]\nActor = 1000\n";
  for (const char* key : {"GasFeeCap", "MaxGasFeeCap", "MaxFeeCap"}) {
    const auto with = [&](const char* amount) {
      return ParseManager(miner + absl::StrFormat("PoSt.%s = \"%s\"\n", key, amount));
    };
    EXPECT_OK(with("0.001 FIL").status()) << key;
    for (const char* much : {"5 FIL", "5", "0.0010000001 FIL"}) {
      EXPECT_THAT(
          with(much),
          StatusIs(kInvalid, absl::StrFormat("sector-manager.cfg:3:6: Miners.PoSt.%s: is ", key)));
      EXPECT_THAT(with(much), StatusIs(kInvalid, "price of one unit of gas"));
      EXPECT_THAT(with(much), StatusIs(kInvalid, "\"5 nanoFIL\""));
    }
  }
}

TEST(ManagerConfigTest, NamesOfStoresHoldNoControlCharacters) {
  EXPECT_THAT(ParseManager("[[Common.PersistStores]]\nName = \"a\\u001b[2J\"\nPath = \"/x\"\n"),
              StatusIs(kInvalid,
                       "sector-manager.cfg:2:1: Common.PersistStores.Name: \"a\\x1b[2J\" holds a "
                       "control character"));
}

TEST(ManagerConfigTest, KeysWithoutEffectSaySo) {
  ASSERT_OK_AND_ASSIGN(const ManagerConfig on,
                       ParseManager("[[Miners]]\nActor = 1\nProof.Enabled = true\n"));
  ASSERT_EQ(on.warnings.size(), 1u);
  EXPECT_EQ(on.warnings[0],
            "sector-manager.cfg:3:7: Miners.Proof.Enabled: no effect in this version");
  ASSERT_OK_AND_ASSIGN(const ManagerConfig off,
                       ParseManager("[[Miners]]\nActor = 1\nProof.Enabled = false\n"));
  EXPECT_TRUE(off.warnings.empty()) << "off is what it is";
}

// One disk that is not mounted must not keep the others from being proven.
TEST(ManagerConfigTest, FolderOfAStoreThatIsNotThereIsWarnedOf) {
  TempDir dir;
  const std::string text = "[[Common.PersistStores]]\nPath = \"" + (dir / "none") + "\"\n";
  ASSERT_OK_AND_ASSIGN(ManagerConfig config, ParseManager(text, {}));
  EXPECT_EQ(config.persist_stores[0].name, dir / "none");
  ASSERT_EQ(config.warnings.size(), 1u);
  EXPECT_TRUE(
      config.warnings[0].starts_with("sector-manager.cfg:2:1: Common.PersistStores.Path: folder " +
                                     (dir / "none") + " does not exist"))
      << config.warnings[0];
  std::filesystem::create_directories(dir / "none");
  ASSERT_OK_AND_ASSIGN(config, ParseManager(text, {}));
  EXPECT_TRUE(config.warnings.empty());
}

TEST(ManagerConfigTest, MissingFileSaysWhatToDo) {
  TempDir dir;
  EXPECT_THAT(LoadManagerConfig(dir / "sector-manager.cfg", {}),
              StatusIs(absl::StatusCode::kNotFound, "daemon init"));
}

TEST(ExtProverConfigTest, DefaultTextHasNoChildrenAndStatesTheDefaults) {
  const std::string text = DefaultExtProverConfig();
  EXPECT_TRUE(text.starts_with("# Default config:\n"));
  ASSERT_OK_AND_ASSIGN(ExtProverConfig config, ParseExtProverConfig(text, "f", {}));
  EXPECT_TRUE(config.window_post.empty());
  ASSERT_OK_AND_ASSIGN(config, ParseExtProverConfig(Uncomment(text), "f", {}));
  ASSERT_EQ(config.window_post.size(), 1u);
  ASSERT_EQ(config.winning_post.size(), 1u);
  EXPECT_EQ(config.window_post[0].concurrent, 1u);
  EXPECT_EQ(config.window_post[0].weight, 1u);
  EXPECT_EQ(config.window_post[0].ready_timeout, absl::Seconds(5));
  EXPECT_EQ(config.window_post[0].envs.at("CUDA_VISIBLE_DEVICES"), "0");
}

TEST(ExtProverConfigTest, EightChildrenAsInTheDocumentation) {
  std::string text;
  for (int i = 0; i < 8; ++i) {
    text += "[[WdPost]]\n[WdPost.Envs]\nCUDA_VISIBLE_DEVICES = \"" + std::to_string(i) + "\"\n";
  }
  ASSERT_OK_AND_ASSIGN(const ExtProverConfig config, ParseExtProverConfig(text, "f", {}));
  ASSERT_EQ(config.window_post.size(), 8u);
  EXPECT_EQ(config.window_post[7].envs.at("CUDA_VISIBLE_DEVICES"), "7");
  EXPECT_THAT(ParseExtProverConfig("[[WdPost]]\nConcurrent = 0\n", "f", {}),
              StatusIs(kInvalid, "f:2:1: WdPost.Concurrent: is 0, want 1"));
  EXPECT_THAT(ParseExtProverConfig("[[WdPost]]\nArgs = [\"x\"]\n", "f", {}),
              StatusIs(kInvalid, "only count together with Bin"));
}

}  // namespace
}  // namespace damocles::config
