// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// damocles-prover as a program: arguments, exit codes, what is on stdout and stderr, which files
// change.  What it computes is tested elsewhere, but for one whole case.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/practice/compare_case.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"

namespace damocles {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using testing_support::TempDir;
using Arguments = std::vector<std::string>;

constexpr char kCase[] = DAMOCLES_TEST_DATA_DIR "/post/cases/window-2KiB-V1_2-7_11.json";
constexpr char kStore[] = DAMOCLES_TEST_DATA_DIR "/post/sectors/2KiB";
constexpr char kRandomness[] = "fd60799789d58905e7b637894df8e843fccff4497fbab080bd4658087ad2202d";
const std::string kZeros(64, '0');

struct Result {
  int code = -1;
  std::string out;
  std::string err;
  long Lines() const { return std::ranges::count(err, '\n'); }
};

std::map<std::string, std::string> FilesIn(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files[entry.path().string()] = *ReadFile(entry.path().string());
  }
  return files;
}

void FlipByte(const std::string& path, std::size_t at) {
  std::string content = *ReadFile(path);
  content[at] = static_cast<char>(content[at] ^ 1);
  ASSERT_OK(WriteFileAtomically(path, content));
}

class ProverCliTest : public ::testing::Test {
 protected:
  Result Run(const Arguments& arguments, const std::string& out = "") const {
    const std::string out_path = out.empty() ? folder_ / "stdout" : out;
    const std::string err_path = folder_ / "stderr";
    const pid_t child = fork();
    if (child == 0) {
      const int in_fd = open("/dev/null", O_RDONLY);
      const int out_fd = open(out_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      const int err_fd = open(err_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      if (dup2(in_fd, 0) < 0 || dup2(out_fd, 1) < 0 || dup2(err_fd, 2) < 0) _exit(125);
      std::vector<char*> argv{const_cast<char*>("damocles-prover")};
      for (const std::string& argument : arguments) {
        argv.push_back(const_cast<char*>(argument.c_str()));
      }
      argv.push_back(nullptr);
      execv(DAMOCLES_PROVER, argv.data());
      _exit(126);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    Result result;
    result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    if (out.empty()) result.out = *ReadFile(out_path);
    result.err = *ReadFile(err_path);
    return result;
  }

  // Sectors of 2 KiB in a store of this test.
  void MakeSectors(const std::string& numbers, const std::string& genesis = "") {
    Arguments arguments{"sector", "new",     "--size", "2KiB",   "--sector",
                        numbers,  "--store", store_,   "--salt", "cli"};
    if (!genesis.empty()) arguments.insert(arguments.end(), {"--genesis", genesis});
    const Result made = Run(arguments);
    ASSERT_EQ(made.code, 0) << made.err;
  }
  std::string Sealed(int number) const {
    return store_ + "/sealed/s-t01000-" + std::to_string(number);
  }
  std::string PAux(int number) const {
    return store_ + "/cache/s-t01000-" + std::to_string(number) + "/p_aux";
  }
  // A command on sectors of this test's store.
  Result OnSectors(Arguments command, const std::string& numbers, const Arguments& more = {}) {
    command.insert(command.end(), {"--size", "2KiB", "--store", store_, "--sector", numbers});
    command.insert(command.end(), more.begin(), more.end());
    return Run(command);
  }

  TempDir folder_;
  const std::string store_ = folder_ / "store";
};

TEST_F(ProverCliTest, WrongUsageIsExit2AndOneLine) {
  const Arguments challenges{"challenges", "--size", "2KiB", "--sector", "7"};
  const auto with = [](Arguments base, const Arguments& more) {
    base.insert(base.end(), more.begin(), more.end());
    return base;
  };
  const Arguments draw{"--randomness", kRandomness};
  const Arguments setup{"setup", "--params", folder_ / "params", "--size", "2KiB", "--kind"};
  const Arguments vanilla = with({"vanilla", "--size", "2KiB", "--store", store_}, draw);
  const Arguments sector_new{"sector", "new", "--size", "2KiB", "--sector", "1", "--store", store_};
  const std::vector<std::pair<Arguments, std::string>> table = {
      {{}, ""},
      {{"nonsense"}, "nonsense"},
      {{"sector"}, ""},
      {challenges, "--randomness"},
      {with(challenges, {"--randomness", ""}), "--randomness"},
      {with(challenges, {"--randomness", "0x" + std::string(kRandomness).substr(2)}), "0x"},
      {with(challenges, with({"--kind", "winning", "--api-version", "V1_2"}, draw)), "V1_2"},
      {with(challenges, with({"--proof-type", "10"}, draw)), "--size"},
      {with({"challenges", "--size", "2KiB", "--eligible", "5"}, draw), "--eligible"},
      {with({"challenges", "--size", "2KiB", "--kind", "winning", "--eligible", "0"}, draw),
       "--eligible"},
      {with({"challenges", "--size", "2KiB", "--kind", "winning", "--eligible=-1"}, draw),
       "--eligible"},
      {with(sector_new, {"--miner=-1"}), "--miner"},
      {with(vanilla, {"--sector", "7", "--miner", "99999999999999999999"}), "--miner"},
      {with({"challenges", "--size", "3KiB", "--sector", "7"}, draw), "--size"},
      {with(setup, {"window", "--sectors-per-partition", "1000000"}), "10000"},
      {with(setup, {"window", "--sectors-per-partition", "4294967297"}), "10000"},
      {with(setup, {"window", "--sectors-per-partition", "0"}), "10000"},
      {with(setup, {"winning", "--sectors-per-partition", "2"}), "window"},
      {with(vanilla, {"--sector", "21", "--upgraded", "22"}), "--upgraded"},
      {with(vanilla, {"--sector", "21", "--comm-r", "22:" + kZeros}), "--comm-r"},
      {with(vanilla, {"--sector", "21", "--comm-r", "21"}), "--comm-r"},
      {with(sector_new, {"--zero", "--salt", "x"}), "--salt"},
      {with(sector_new, {"--genesis", folder_ / "g.json", "--deadline", "999"}), "--deadline"},
      {with(sector_new, {"--deadline", "1"}), "--genesis"},
      {{"sector", "rebuild-trees", "--size", "2KiB", "--sector", "1", "--store", store_, "--comm-c",
        "7"},
       "--comm-c"},
      {{"case", "--in", kCase, "--store", kStore}, "--params"},
      {{"verify", "window", "--size", "2KiB"}, "--randomness"},
  };
  for (const auto& [arguments, text] : table) {
    const Result result = Run(arguments);
    SCOPED_TRACE(testing::PrintToString(arguments));
    EXPECT_EQ(result.code, 2);
    EXPECT_THAT(result.out, IsEmpty());
    EXPECT_EQ(result.Lines(), 1) << result.err;
    EXPECT_THAT(result.err, HasSubstr(text));
  }
  EXPECT_FALSE(PathExists(store_));
  EXPECT_FALSE(PathExists(folder_ / "params"));
}

TEST_F(ProverCliTest, EveryHelpHasAnExample) {
  const std::vector<Arguments> commands = {{},
                                           {"case"},
                                           {"sector"},
                                           {"sector", "new"},
                                           {"sector", "check"},
                                           {"setup"},
                                           {"params"},
                                           {"params", "check"},
                                           {"challenges"},
                                           {"vanilla"},
                                           {"prove"},
                                           {"verify"},
                                           {"prove", "window"},
                                           {"prove", "winning"},
                                           {"r1cs"},
                                           {"verify", "window"},
                                           {"verify", "winning"},
                                           {"params", "inspect"},
                                           {"sector", "rebuild-trees"}};
  for (Arguments arguments : commands) {
    arguments.emplace_back("--help");
    const Result result = Run(arguments);
    EXPECT_EQ(result.code, 0);
    EXPECT_THAT(result.out, HasSubstr("Example:\n  damocles-prover "))
        << testing::PrintToString(arguments);
  }
  const Result version = Run({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_THAT(version.out, StartsWith("damocles-prover "));
}

TEST_F(ProverCliTest, WhatCannotBePrintedIsAFailure) {
  const Arguments challenges{"challenges", "--size",       "2KiB",     "--sector",
                             "7",          "--randomness", kRandomness};
  for (const Arguments& arguments : {challenges, Arguments{"--help"}, Arguments{"--version"}}) {
    const Result result = Run(arguments, "/dev/full");
    EXPECT_EQ(result.code, 1);
    EXPECT_EQ(result.Lines(), 1) << result.err;
  }
  EXPECT_EQ(Run(challenges).code, 0);
}

TEST_F(ProverCliTest, ACaseComesOutWholeAndItsProofIsJudgedAsItStands) {
  const std::string params = folder_ / "params";
  const Result made = Run({"case", "--in", kCase, "--store", kStore, "--params", params});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_THAT(made.err, HasSubstr("WARNING"));
  const json golden = json::parse(*ReadFile(kCase));
  std::vector<std::string> differences;
  practice::CompareCase(json::parse(made.out), golden, "", differences);
  EXPECT_THAT(differences, IsEmpty());
  const auto before = FilesIn(params);

  const auto verify = [&](const std::string& content) {
    EXPECT_OK(WriteFileAtomically(folder_ / "proof.json", content));
    return Run({"verify", "window", "--in", folder_ / "proof.json", "--params", params});
  };
  Result result = verify(golden.dump());
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "valid\n");

  json changed = golden;
  changed["sectors"][0]["comm_r"] = golden["sectors"][1]["comm_r"];
  result = verify(changed.dump());
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.out, "invalid\n");
  EXPECT_THAT(result.err, IsEmpty());

  // The statement is judged as it stands: below r it is another one, else none.
  changed = golden;
  std::string randomness = golden["randomness"];
  ASSERT_EQ(randomness.substr(62), "2d");
  changed["randomness"] = randomness.replace(62, 1, "6");
  EXPECT_EQ(verify(changed.dump()).out, "invalid\n");
  const std::vector<std::pair<json::json_pointer, json>> table = {
      {json::json_pointer("/randomness"), randomness.replace(62, 1, "a")},
      {json::json_pointer("/sectors/0/sector"), nullptr},
      {json::json_pointer("/sectors/0/comm_r"), "00"},
      {json::json_pointer("/sectors/0/comm_r"), std::string(64, 'f')},
      {json::json_pointer("/sectors"), json::array()},
      {json::json_pointer("/circuit/sectors"), "2"},
      {json::json_pointer("/sector_size"), nullptr},
      {json::json_pointer("/kind"), "winning"},
      {json::json_pointer("/proof"), ""},
      {json::json_pointer("/proof"), "0"},
      {json::json_pointer("/api_version"), "V9"}};
  for (const auto& [member, value] : table) {
    changed = golden;
    changed[member] = value;
    result = verify(changed.dump());
    SCOPED_TRACE(member.to_string() + " = " + value.dump());
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.out, StartsWith("malformed: "));
    EXPECT_THAT(result.err, IsEmpty());
  }
  for (const std::string& content : {std::string("{"), std::string(300000, '['), std::string()}) {
    result = verify(content);
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.out, StartsWith("malformed: "));
  }
  result = Run({"verify", "window", "--in", folder_ / "absent.json", "--params", params});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_EQ(result.Lines(), 1);

  // A case that cannot be computed changes nothing.
  changed = golden;
  changed["secrets"] = nullptr;
  changed["partitions"][0]["r"] = std::string(64, 'f');
  ASSERT_OK(WriteFileAtomically(folder_ / "case.json", changed.dump()));
  result = Run({"case", "--in", folder_ / "case.json", "--store", kStore, "--params", params});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.Lines(), 1);
  EXPECT_THAT(result.err, HasSubstr("partitions[0].r"));
  EXPECT_EQ(FilesIn(params), before);

  // One odd file is one verdict.
  ASSERT_EQ(mkfifo((params + "/odd.params").c_str(), 0600), 0);
  result = Run({"params", "inspect", params, "--json"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(json::parse(result.out).size(), 3u);
}

TEST_F(ProverCliTest, ASpoiledSectorIsNotRebuilt) {
  MakeSectors("7");
  EXPECT_EQ(OnSectors({"sector", "check"}, "7").out, "7: sound\n");
  FlipByte(Sealed(7), 100);
  const auto before = FilesIn(store_);
  Result result = OnSectors({"sector", "rebuild-trees"}, "7");
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.Lines(), 1);
  EXPECT_THAT(result.err, HasSubstr("nothing was changed"));
  EXPECT_EQ(FilesIn(store_), before);
  result = OnSectors({"sector", "check"}, "7");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.out, HasSubstr("refuses a corrupt one"));
  EXPECT_EQ(OnSectors({"sector", "rebuild-trees"}, "7", {"--force"}).code, 0);
  EXPECT_EQ(OnSectors({"sector", "check"}, "7").code, 0);
}

TEST_F(ProverCliTest, ALostPAuxComesBackFromCommC) {
  const Result made = Run({"sector", "new", "--size", "2KiB", "--sector", "7", "--store", store_,
                           "--salt", "cli", "--json"});
  const std::string comm_c = json::parse(made.out)[0]["comm_c"];
  const auto before = FilesIn(store_);
  fs::remove(PAux(7));
  EXPECT_EQ(OnSectors({"sector", "rebuild-trees"}, "7").code, 1);
  EXPECT_EQ(OnSectors({"sector", "rebuild-trees"}, "7", {"--comm-c", comm_c}).code, 0);
  EXPECT_EQ(FilesIn(store_), before);
}

TEST_F(ProverCliTest, CommRIsWhatTheChainKnows) {
  const std::string genesis = folder_ / "genesis.json";
  MakeSectors("7-8", genesis);
  const std::string comm_r = json::parse(*ReadFile(genesis))["sectors"][0]["comm_r"];
  FlipByte(PAux(7), 3);                                    // comm_c
  EXPECT_EQ(OnSectors({"sector", "check"}, "7").code, 0);  // nothing to compare with
  Result result = OnSectors({"sector", "check"}, "7,8", {"--genesis", genesis});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.out, HasSubstr("8: sound"));
  EXPECT_THAT(result.out, HasSubstr("p_aux"));
  EXPECT_EQ(OnSectors({"sector", "check"}, "7", {"--comm-r", "7:" + comm_r}).code, 1);
  for (const Arguments& command : {Arguments{"vanilla"}, Arguments{"prove", "window"}}) {
    result =
        OnSectors(command, "7,8", {"--genesis", genesis, "--json", "--randomness", kRandomness});
    EXPECT_EQ(result.code, 1);
    EXPECT_EQ(json::parse(result.out)["faults"][0]["sector"], 7);
  }
  EXPECT_EQ(OnSectors({"sector", "check"}, "9", {"--genesis", genesis}).code, 1);
}

TEST_F(ProverCliTest, FaultsAreCollectedSectorBySector) {
  MakeSectors("7-10");
  fs::remove(PAux(8));
  fs::resize_file(PAux(9), 63);
  fs::resize_file(Sealed(10), 5);
  const Result result = OnSectors({"vanilla"}, "7-10", {"--json", "--randomness", kRandomness});
  EXPECT_EQ(result.code, 1);
  const json printed = json::parse(result.out);
  EXPECT_THAT(printed["vanilla"], IsEmpty());
  ASSERT_EQ(printed["faults"].size(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(printed["faults"][i]["sector"], 8 + i);
}

// CommR as in the golden 32 GiB cases: zeros with the comm_c of the salt.
TEST_F(ProverCliTest, ALargeSectorWithASaltIsMadeAtOnce) {
  const Result made = Run({"sector", "new", "--size", "32GiB", "--sector", "7", "--store", store_,
                           "--salt", "post-spec", "--json"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(json::parse(made.out)[0]["comm_r"],
            "7039948c31cb0cc9fd8077fd23c2337b5fa05aeb85d191cdd2e9bdd63cb03c26");
}

TEST_F(ProverCliTest, R1csIsAlwaysJson) {
  for (const Arguments& more : {Arguments{}, Arguments{"--json"}}) {
    Arguments arguments{"r1cs", "--size", "2KiB", "--sectors", "1", "--challenges", "10"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Result result = Run(arguments);
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(json::parse(result.out)["constraints"], 10933);
  }
}

TEST_F(ProverCliTest, ARegisteredProofIsAnApiVersionAsWell) {
  const auto challenges = [&](Arguments more) {
    Arguments arguments{"challenges", "--sector", "7", "--randomness", kRandomness, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments);
  };
  const Result named = challenges({"--size", "2KiB", "--api-version", "V1_2"});
  ASSERT_EQ(named.code, 0) << named.err;
  EXPECT_EQ(challenges({"--api-version", "10"}).out, named.out);
  EXPECT_EQ(challenges({"--size", "2KiB", "--api-version", "10"}).out, named.out);
  EXPECT_EQ(challenges({"--size", "8MiB", "--api-version", "10"}).code, 2);
  EXPECT_EQ(challenges({"--size", "2KiB", "--api-version", "99"}).code, 2);
  EXPECT_EQ(challenges({"--size", "2KiB", "--api-version", "V1_3"}).code, 2);
}

TEST_F(ProverCliTest, TheGenesisFileIsLookedAtBeforeSectorsAreMade) {
  const std::string genesis = folder_ / "genesis.json";
  MakeSectors("1", genesis);
  const auto before = FilesIn(store_);
  const std::string written = *ReadFile(genesis);
  const auto make = [&](const std::string& size, const std::string& file) {
    return Run(
        {"sector", "new", "--size", size, "--sector", "2", "--store", store_, "--genesis", file});
  };
  // One miner, one size; sizes that no chain knows; a file that cannot be written or read.
  ASSERT_OK(WriteFileAtomically(folder_ / "broken.json", "{"));
  for (const Result& result :
       {make("8MiB", genesis), make("4KiB", genesis), make("2KiB", genesis + "/genesis.json"),
        make("2KiB", folder_ / "broken.json")}) {
    EXPECT_EQ(result.code, 1);
    EXPECT_EQ(result.Lines(), 1) << result.err;
  }
  EXPECT_EQ(FilesIn(store_), before);
  EXPECT_EQ(*ReadFile(genesis), written);

  // What is there already is added, not made again.
  MakeSectors("3");
  const std::string sealed = *ReadFile(Sealed(3));
  MakeSectors("1-3", genesis);
  EXPECT_EQ(*ReadFile(Sealed(3)), sealed);
  EXPECT_EQ(json::parse(*ReadFile(genesis))["sectors"].size(), 3u);
  const std::string all = *ReadFile(genesis);
  MakeSectors("1-3", genesis);
  EXPECT_EQ(*ReadFile(genesis), all);
  // But not as something else, and without the file nothing is taken over.
  EXPECT_EQ(OnSectors({"sector", "new"}, "3", {"--salt", "other", "--genesis", genesis}).code, 1);
  EXPECT_EQ(OnSectors({"sector", "new"}, "3", {"--salt", "cli"}).code, 1);
}

}  // namespace
}  // namespace damocles
