// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/config/worker.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/config/options.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"

namespace damocles::config {
namespace {

using testing_support::StatusIs;
using testing_support::TempDir;

absl::StatusOr<WorkerConfig> ParseWorker(std::string_view text, LoadOptions options = kNoFolders) {
  return ParseWorkerConfig(text, "worker.toml", options);
}

constexpr std::string_view kMinimal = R"(
[sector_manager]
rpc_client.addr = "/ip4/127.0.0.1/tcp/1789"
[[sealing_thread]]
plan = "wdpost"
[[attached]]
location = "/mnt/a"
)";

TEST(WorkerConfigTest, MinimalFileTakesTheDefaults) {
  ASSERT_OK_AND_ASSIGN(const WorkerConfig config, ParseWorker(kMinimal));
  EXPECT_EQ(config.name, "");
  ASSERT_EQ(config.managers.size(), 1u);
  EXPECT_EQ(config.managers[0].address.ToString(), "127.0.0.1:1789");
  ASSERT_EQ(config.threads.size(), 1u);
  EXPECT_EQ(config.threads[0].recover_interval, absl::Minutes(1));
  EXPECT_TRUE(config.threads[0].takes.miners.empty());
  EXPECT_TRUE(config.threads[0].takes.proof_types.empty());
  EXPECT_EQ(config.attached[0].name, "/mnt/a");
  EXPECT_EQ(config.window_post_concurrent, std::nullopt);
  EXPECT_TRUE(config.window_post.empty());
  EXPECT_TRUE(config.warnings.empty());
  EXPECT_TRUE(config.state_dir.starts_with('/')) << "~ is expanded";
}

TEST(WorkerConfigTest, ExampleParses) {
  ASSERT_OK_AND_ASSIGN(const WorkerConfig config,
                       LoadWorkerConfig(DAMOCLES_SOURCE_DIR "/examples/worker.toml", kNoFolders));
  EXPECT_TRUE(config.warnings.empty());
  EXPECT_EQ(config.name, "gpu-1");
  ASSERT_EQ(config.threads.size(), 2u);
  EXPECT_EQ(config.threads[0].takes.miners, (std::vector<filecoin::ActorId>{1000}));
  EXPECT_EQ(config.threads[0].recover_interval, absl::Seconds(30));
  EXPECT_EQ(config.threads[0].takes.proof_types.size(), 2u);
  EXPECT_EQ(config.threads[1].takes.proof_types,
            (std::vector<filecoin::PoStProofType>{filecoin::PoStProofType::kWindow32GiBV1_1}))
      << "directly in [[sealing_thread]]";
  EXPECT_EQ(config.window_post_concurrent, std::nullopt);  // no effect in this version
  EXPECT_TRUE(config.window_post.empty());                 // children are not part of this version
  const std::string log = DescribeForLog(config);
  EXPECT_EQ(log.find("the-worker-token"), std::string::npos) << log;
}

TEST(WorkerConfigTest, SeveralManagersInBothForms) {
  const std::string rest = "[[sealing_thread]]\nplan=\"wdpost\"\n[[attached]]\nlocation=\"/a\"\n";
  ASSERT_OK_AND_ASSIGN(
      WorkerConfig config,
      ParseWorker("[sector_manager]\nrpc_client = { addr = [\"a:1\", \"b:2\"], token = \"t\" }\n" +
                  rest));
  ASSERT_EQ(config.managers.size(), 2u);
  EXPECT_EQ(config.managers[1].address.ToString(), "b:2");
  EXPECT_EQ(config.managers[1].token.Reveal(), "t");
  ASSERT_OK_AND_ASSIGN(config, ParseWorker("[[sector_manager]]\nrpc_client.addr = \"a:1\"\n"
                                           "rpc_client.token = \"x\"\n[[sector_manager]]\n"
                                           "rpc_client.addr = \"b:1\"\n" +
                                           rest));
  ASSERT_EQ(config.managers.size(), 2u);
  EXPECT_EQ(config.managers[0].token.Reveal(), "x");
  EXPECT_TRUE(config.managers[1].token.Empty());
  EXPECT_THAT(ParseWorker("[sector_manager]\nrpc_client.addr = [\"a:1\", \"a:1\"]\n" + rest),
              StatusIs(kInvalid, "manager a:1 is there twice"));
}

TEST(WorkerConfigTest, TokenFileIsReadAndJudged) {
  TempDir dir;
  const std::string text =
      "[sector_manager]\nrpc_client.addr = \"a:1\"\nrpc_client.token_file = \"" + (dir / "token") +
      "\"\n[[sealing_thread]]\nplan=\"wdpost\"\n[[attached]]\nlocation=\"" + dir.Path() + "\"\n";
  EXPECT_THAT(ParseWorker(text, {}),
              StatusIs(kInvalid, "worker.toml:3:12: sector_manager.rpc_client.token_file: "));
  ASSERT_OK(WriteFileAtomically(dir / "token", "  secret-token\n", 0600));
  ASSERT_OK_AND_ASSIGN(WorkerConfig config, ParseWorker(text, {}));
  EXPECT_EQ(config.managers[0].token.Reveal(), "secret-token");
  EXPECT_TRUE(config.warnings.empty());
  ASSERT_OK(WriteFileAtomically(dir / "token", "secret-token", 0644));
  ASSERT_OK_AND_ASSIGN(config, ParseWorker(text, {}));
  ASSERT_EQ(config.warnings.size(), 1u);
  EXPECT_NE(config.warnings[0].find("chmod 600"), std::string::npos);
  EXPECT_EQ(config.warnings[0].find("secret-token"), std::string::npos);
  ASSERT_OK(WriteFileAtomically(dir / "token", "\n", 0600));
  EXPECT_THAT(ParseWorker(text, {}), StatusIs(kInvalid, "is empty"));
  for (const char* bad : {"SECRET two\n", "SECRET\r\nX: 1\n", "SECRET\x01", "SECR\xc3\x89T"}) {
    ASSERT_OK(WriteFileAtomically(dir / "token", bad, 0600));
    const auto status = ParseWorker(text, {});
    EXPECT_THAT(status, StatusIs(kInvalid, "rpc_client.token_file: " + (dir / "token") +
                                               " holds a blank, a line break"));
    EXPECT_EQ(status.status().ToString().find("SEC"), std::string::npos) << status.status();
  }
}

TEST(WorkerConfigTest, ATokenThatCannotBeOneIsRefusedAndNotRepeated) {
  const auto status = ParseWorker(
      "[sector_manager]\nrpc_client.addr = \"a:1\"\nrpc_client.token = \"SECRET\\r\\nX: 1\"\n");
  EXPECT_THAT(status,
              StatusIs(kInvalid, "worker.toml:3:12: sector_manager.rpc_client.token: holds"));
  EXPECT_EQ(status.status().ToString().find("SECRET"), std::string::npos) << status.status();
}

TEST(WorkerConfigTest, NamesHoldNoControlCharacters) {
  const auto status = ParseWorker(
      "[worker]\nname = \"a\\u001b[2J\"\n[[attached]]\nname = \"b\\n\"\nlocation = \"/x\"\n");
  EXPECT_THAT(status, StatusIs(kInvalid, "worker.toml:2:1: worker.name: "));
  EXPECT_THAT(status, StatusIs(kInvalid, "worker.toml:4:1: attached.name: "));
  EXPECT_EQ(status.status().ToString().find('\x1b'), std::string::npos);
}

TEST(WorkerConfigTest, ThreadsInheritFromSealing) {
  ASSERT_OK_AND_ASSIGN(const WorkerConfig config, ParseWorker(std::string(kMinimal) + R"(
[sealing]
allowed_miners = [1, 2]
recover_interval = "1h 30m"
max_retries = 3
[[sealing_thread]]
plan = "wdpost"
location = "/mnt/ssd"
sealing.allowed_miners = [3]
[[sealing_thread]]
plan = "sealer"
)"));
  ASSERT_EQ(config.threads.size(), 2u);
  EXPECT_EQ(config.threads[0].takes.miners, (std::vector<filecoin::ActorId>{1, 2}));
  EXPECT_EQ(config.threads[1].takes.miners, (std::vector<filecoin::ActorId>{3}));
  EXPECT_EQ(config.threads[1].recover_interval, absl::Minutes(90));
  EXPECT_EQ(config.warnings.size(), 2u) << "max_retries and the sealer";
}

TEST(WorkerConfigTest, ProcessorsAndLimits) {
  ASSERT_OK_AND_ASSIGN(const WorkerConfig config, ParseWorker(std::string(kMinimal) + R"(
[processors.limitation.concurrent]
window_post = 3
pc1 = 2
[processors.limitation.staggered]
window_post = "5min"
[processors.ext_locks]
gpu1 = 1
[[processors.window_post]]
args = ["processor", "window_post"]
cgroup.cpuset = "0-7"
numa_preferred = 0
locks = ["gpu1"]
inherit_envs = false
stable_wait = "10s"
auto_restart = false
[[processors.pc2]]
bin = "x"
)"));
  EXPECT_EQ(config.window_post_concurrent, 3u);
  EXPECT_EQ(config.window_post_staggered, absl::Minutes(5));
  ASSERT_EQ(config.window_post.size(), 1u);
  const ProcessorConfig& processor = config.window_post[0];
  EXPECT_EQ(processor.concurrent, 0u);
  EXPECT_EQ(processor.numa_preferred, 0u);
  EXPECT_EQ(processor.cgroup_cpuset, "0-7");
  EXPECT_FALSE(processor.inherit_envs);
  EXPECT_FALSE(processor.auto_restart);
  EXPECT_EQ(processor.stable_wait, absl::Seconds(10));
  EXPECT_EQ(config.warnings.size(), 4u) << "pc1, pc2, ext_locks and concurrent.window_post";
  ASSERT_OK_AND_ASSIGN(
      const WorkerConfig old,
      ParseWorker(std::string(kMinimal) + "[processors.limit]\nwindow_post = 4\n"));
  EXPECT_EQ(old.window_post_concurrent, 4u);
}

TEST(WorkerConfigTest, MistakesNameFileLineAndKey) {
  const auto status = ParseWorker(R"([worker]
naem = "x"
rpc_server.port = 70000
[sector_manager]
rpc_client.addr = "nonsense"
[[sealing_thread]]
plan = "wdpots"
allowed_sizes = ["32GiB"]
sealing.allowed_sizes = ["64GiB"]
[[attached]]
name = "a"
location = "/a"
[[attached]]
name = "a"
location = "/b"
[[processors.window_post]]
locks = ["none"]
concurrent = 0
)");
  for (const char* line : {"worker.toml:2:1: worker.naem: unknown key (did you mean \"name\"?)",
                           "worker.toml:3:", "worker.rpc_server.port: is 70000, want 0 to 65535",
                           "sector_manager.rpc_client.addr: manager 1 is not an address",
                           "worker.toml:7:1: sealing_thread.plan: there is no plan \"wdpots\"",
                           "sealing_thread.allowed_sizes: sealing.allowed_sizes is given too",
                           "worker.toml:14:1: attached.name: \"a\" is the name of another store",
                           "lock \"none\" is not in [processors.ext_locks]",
                           "processors.window_post.concurrent: is 0, want 1"}) {
    EXPECT_THAT(status, StatusIs(kInvalid, line));
  }
  const auto empty = ParseWorker("");
  for (const char* line : {"sector_manager: is missing", "no [[sealing_thread]] with plan",
                           "there is no [[attached]] store"}) {
    EXPECT_THAT(empty, StatusIs(kInvalid, line));
  }
}

TEST(WorkerConfigTest, ATokenInFrontOfTheAddressIsNotRepeated) {
  for (const char* bad : {"eyJSECRET:/ip4/1.2.3.4/tcp/1789", "eyJSECRET:http://m:1789",
                          "eyJSECRET:m:1789", "http://eyJSECRET@m:1789", "m:0"}) {
    const auto status = ParseWorker("[sector_manager]\nrpc_client.addr = \"" + std::string(bad) +
                                    "\"\n[[sealing_thread]]\nplan = \"wdpost\"\n");
    EXPECT_THAT(status, StatusIs(kInvalid,
                                 "worker.toml:2:12: sector_manager.rpc_client.addr: "
                                 "manager 1 is not an address: "));
    EXPECT_THAT(status, StatusIs(kInvalid, "rpc_client.token is for a token"));
    EXPECT_EQ(status.status().ToString().find("SECRET"), std::string::npos) << status.status();
  }
}

TEST(WorkerConfigTest, KeysWithoutEffectSaySo) {
  ASSERT_OK_AND_ASSIGN(const WorkerConfig config,
                       ParseWorker(std::string(kMinimal) + R"(readonly = true
[worker]
ping_interval = "1min"
rpc_server.port = 1
[metrics]
enable = true
[processors.limitation.concurrent]
window_post = 2
winning_post = 1
[processors.ext_locks]
gpu1 = 1
)"));
  std::string all;
  for (const std::string& warning : config.warnings) all += warning + "\n";
  EXPECT_EQ(config.warnings.size(), 7u) << all;
  for (const char* key :
       {"attached.readonly", "worker.ping_interval", "worker.rpc_server", "metrics",
        "processors.limitation.concurrent.window_post",
        "processors.limitation.concurrent.winning_post", "processors.ext_locks"}) {
    EXPECT_NE(all.find(std::string(" ") + key + ": no effect in this version"), std::string::npos)
        << key << " in\n"
        << all;
  }
}

TEST(WorkerConfigTest, FoldersThatAreNotThereAreWarnedOfAndUnknownKeysMayBeAllowed) {
  ASSERT_OK_AND_ASSIGN(const WorkerConfig with_folders, ParseWorker(kMinimal, {}));
  ASSERT_FALSE(with_folders.warnings.empty());
  EXPECT_NE(with_folders.warnings[0].find("attached.location: folder /mnt/a"), std::string::npos);
  ASSERT_OK_AND_ASSIGN(const WorkerConfig config,
                       ParseWorker(std::string(kMinimal) + "[extra]\nx = 1\n",
                                   {.unknown = UnknownKeys::kWarn, .check_folders = false}));
  EXPECT_EQ(config.warnings.size(), 1u);
}

TEST(WorkerConfigTest, ATokenInAFileThatOthersMayReadIsAWarning) {
  const TempDir dir;
  const std::string file = dir / "worker.toml";
  const std::string text =
      "[sector_manager]\nrpc_client.addr = \"a:1\"\nrpc_client.token = \"abc\"\n"
      "[[sealing_thread]]\nplan = \"wdpost\"\n[[attached]]\nlocation = \"" +
      dir.Path() + "\"\n";
  for (const unsigned mode : {0600u, 0644u}) {
    ASSERT_OK(WriteFileAtomically(file, text, mode));
    ASSERT_OK_AND_ASSIGN(const WorkerConfig config, LoadWorkerConfig(file, LoadOptions{}));
    std::string warnings;
    for (const std::string& warning : config.warnings) warnings += warning + "\n";
    EXPECT_EQ(warnings.find("chmod 600") != std::string::npos, mode == 0644u) << warnings;
    EXPECT_EQ(warnings.find("abc"), std::string::npos);
  }
}

}  // namespace
}  // namespace damocles::config
