// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/practice/case.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "tests/practice/compare_case.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"
#include "damocles/params/parameter_store.h"

namespace damocles::practice {
namespace {

using testing_support::StatusIs;

constexpr char kStore[] = DAMOCLES_TEST_DATA_DIR "/post/sectors/2KiB";

std::string KeptCase(const std::string& name) {
  return ReadFile(DAMOCLES_TEST_DATA_DIR "/post/cases/" + name + ".json").value();
}

class CaseTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::string> Run(const std::string& text) {
    return RunCase(text, {.store = kStore, .parameters = folder_.Path(), .progress = {}}, *backend_,
                   pool_, SystemRandom());
  }

  void ExpectIdentical(const std::string& name) {
    const std::string golden = KeptCase(name);
    const auto computed = Run(golden);
    ASSERT_OK(computed);
    std::vector<std::string> differences;
    CompareCase(nlohmann::json::parse(*computed), nlohmann::json::parse(golden), "", differences);
    EXPECT_THAT(differences, ::testing::IsEmpty());
  }

  testing_support::TempDir folder_;
  ThreadPool pool_{2};
  std::unique_ptr<groth16::Backend> backend_ = groth16::MakeCpuBackend(pool_);
};

// Setup, challenges, vanilla proofs, witness, proof and verdicts, bit for bit as the network's own
// library makes them.
TEST_F(CaseTest, WindowCaseComesOutIdentical) {
  ExpectIdentical("window-2KiB-V1_2-7_11");
}

TEST_F(CaseTest, WinningCaseComesOutIdentical) {
  ExpectIdentical("winning-2KiB-V1_1-7");
}

TEST_F(CaseTest, SecretsStandAloneOrInACase) {
  const std::string text = KeptCase("window-2KiB-V1_2-7_11");
  const nlohmann::json whole = nlohmann::json::parse(text);
  ASSERT_OK_AND_ASSIGN(const auto inside, ReadSecrets(text));
  ASSERT_OK_AND_ASSIGN(const auto alone, ReadSecrets(whole["secrets"].dump()));
  EXPECT_EQ(inside.tau, alone.tau);
  EXPECT_EQ(inside.delta, alone.delta);
  EXPECT_THAT(ReadSecrets(R"({"secrets":7})"),
              StatusIs(absl::StatusCode::kInvalidArgument, "secrets"));
}

TEST_F(CaseTest, WrongInputsAreNamed) {
  const nlohmann::json sound = nlohmann::json::parse(KeptCase("window-2KiB-V1_2-7_11"));
  const auto expect = [this](const nlohmann::json& changed, const char* text) {
    EXPECT_THAT(Run(changed.dump()), StatusIs(absl::StatusCode::kInvalidArgument, text));
  };
  EXPECT_THAT(Run("{"), StatusIs(absl::StatusCode::kInvalidArgument, "JSON"));
  expect(nlohmann::json::array(), "JSON");
  for (const char* member : {"kind", "sector_size", "api_version", "circuit", "miner", "randomness",
                             "sectors", "partitions"}) {
    nlohmann::json changed = sound;
    changed.erase(member);
    expect(changed, member);
    changed[member] = -1;
    EXPECT_THAT(Run(changed.dump()), StatusIs(absl::StatusCode::kInvalidArgument, "")) << member;
  }
  nlohmann::json changed = sound;
  changed["name"] = 7;
  expect(changed, "name");
  changed = sound;
  changed["circuit"]["challenges"] = 11;
  expect(changed, "circuit");
  changed = sound;
  changed["randomness"] = std::string(64, 'f');
  expect(changed, "");
  changed = sound;
  changed["partitions"][0]["r"] = std::string(64, 'f');
  expect(changed, "canonical");
  changed = sound;
  changed["secrets"]["tau"] = "00";
  expect(changed, "tau");
  changed = sound;
  changed["sectors"][0]["sector"] = 12345;
  EXPECT_THAT(Run(changed.dump()), StatusIs(absl::StatusCode::kFailedPrecondition, "sector 12345"));
}

TEST_F(CaseTest, TheMemberIsNamedWithItsPlace) {
  const nlohmann::json sound = nlohmann::json::parse(KeptCase("window-2KiB-V1_2-7_11"));
  const auto expect = [this](const nlohmann::json& changed, const char* text) {
    EXPECT_THAT(Run(changed.dump()), StatusIs(absl::StatusCode::kInvalidArgument, text));
  };
  nlohmann::json changed = sound;
  changed["partitions"][0]["s"] = std::string(64, 'f');
  expect(changed, "partitions[0].s");
  changed = sound;
  changed["sectors"][1]["sector"] = "11";
  expect(changed, "sectors[1].sector");
  changed = sound;
  changed["circuit"]["sectors"] = 4294967298;
  expect(changed, "circuit");
  changed = sound;
  changed["secrets"] = nullptr;
  EXPECT_THAT(Run(changed.dump()), StatusIs(absl::StatusCode::kFailedPrecondition, ".params"));
}

TEST_F(CaseTest, BracketsWithoutEndAreAnErrorAndNoCrash) {
  const std::string deep(300000, '[');
  const std::string sound = KeptCase("window-2KiB-V1_2-7_11");
  const std::size_t at = sound.find("\"secrets\":") + 10;
  const std::string text =
      sound.substr(0, at) + deep + std::string(300000, ']') + sound.substr(sound.find('}', at) + 1);
  EXPECT_THAT(Run(text), StatusIs(absl::StatusCode::kInvalidArgument, "deep"));
  EXPECT_THAT(ReadSecrets(deep), StatusIs(absl::StatusCode::kInvalidArgument, "deep"));
  EXPECT_THAT(ReadProofCase(text), StatusIs(absl::StatusCode::kInvalidArgument, "deep"));
}

// A .vk of another setup stays what it is.
TEST_F(CaseTest, ParametersOfAnotherSetupAreNotReplaced) {
  const auto circuit = post::CircuitShapeOf(post::PostKind::kWindow, merkle::ShapeOf(2048).value());
  ASSERT_OK(params::MakeParameterFiles(folder_.Path(), circuit, std::nullopt, SystemRandom(), pool_,
                                       false));
  const params::ParameterStore store(folder_.Path());
  ASSERT_EQ(std::remove(store.ParamsPath(circuit).c_str()), 0);
  const std::string vk = ReadFile(store.VkPath(circuit)).value();
  EXPECT_THAT(Run(KeptCase("window-2KiB-V1_2-7_11")),
              StatusIs(absl::StatusCode::kAlreadyExists, store.VkPath(circuit)));
  EXPECT_EQ(ReadFile(store.VkPath(circuit)).value(), vk);
  EXPECT_FALSE(PathExists(store.ParamsPath(circuit)));
}

TEST(ProofCaseTest, EveryMemberIsWantedAsItIs) {
  nlohmann::json sound = nlohmann::json::parse(KeptCase("window-2KiB-V1_2-7_11"));
  const auto read = ReadProofCase(sound.dump());
  ASSERT_OK(read);
  EXPECT_EQ(read->sectors.size(), 2u);
  EXPECT_EQ(read->proof.size(), 192u);
  // Below r with a bit that nodes clear: another statement, and not for the reader to change.
  nlohmann::json unmasked = sound;
  unmasked["randomness"] = sound["randomness"].get<std::string>().replace(62, 1, "6");
  EXPECT_EQ(ReadProofCase(unmasked.dump())->claim.randomness[31],
            read->claim.randomness[31] | 0x40);
  for (const char* member :
       {"kind", "sector_size", "api_version", "circuit", "randomness", "sectors", "proof"}) {
    nlohmann::json changed = sound;
    changed.erase(member);
    EXPECT_THAT(ReadProofCase(changed.dump()),
                StatusIs(absl::StatusCode::kInvalidArgument, member));
    changed[member] = 17;
    EXPECT_THAT(ReadProofCase(changed.dump()),
                StatusIs(absl::StatusCode::kInvalidArgument, member));
  }
  const auto expect = [](const nlohmann::json& changed, const char* text) {
    EXPECT_THAT(ReadProofCase(changed.dump()), StatusIs(absl::StatusCode::kInvalidArgument, text));
  };
  nlohmann::json changed = sound;
  changed["sectors"][0].erase("sector");
  expect(changed, "sectors[0].sector");
  changed = sound;
  changed["sectors"][1]["comm_r"] = "00";
  expect(changed, "sectors[1].comm_r");
  changed = sound;
  changed["circuit"]["sectors"] = "2";
  expect(changed, "circuit.sectors");
  changed = sound;
  changed["proof"] = "0";
  expect(changed, "proof");
}

TEST_F(CaseTest, WithoutSecretsMissingParametersAreAnError) {
  nlohmann::json changed = nlohmann::json::parse(KeptCase("window-2KiB-V1_2-7_11"));
  changed.erase("secrets");
  EXPECT_THAT(Run(changed.dump()), StatusIs(absl::StatusCode::kFailedPrecondition, ".params"));
}

}  // namespace
}  // namespace damocles::practice
