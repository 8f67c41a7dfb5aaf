// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/prover/case.h"

#include <nlohmann/json.hpp>

#include "tests/prover/compare_case.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"

namespace damocles::prover {
namespace {

using testing_support::StatusIs;

constexpr char kStore[] = DAMOCLES_TEST_DATA_DIR "/post/sectors/2KiB";

std::string KeptCase(const std::string& name) {
  return ReadFile(DAMOCLES_TEST_DATA_DIR "/post/cases/" + name + ".json").value();
}

class CaseTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::string> Run(const std::string& text) {
    return RunCase(text, {.store = kStore, .parameters = folder_.Path(), .progress = {}}, *engine_,
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
  std::unique_ptr<groth16::Engine> engine_ = groth16::MakeCpuEngine(pool_);
};

// Setup, challenges, vanilla proofs, witness, proof and verdicts, bit for bit as the network's own
// library makes them.
TEST_F(CaseTest, WindowCaseComesOutIdentical) {
  ExpectIdentical("window-2KiB-V1_2-7_11");
}

TEST_F(CaseTest, WinningCaseComesOutIdentical) {
  ExpectIdentical("winning-2KiB-V1_1-7");
}

TEST_F(CaseTest, WrongInputsAreNamed) {
  const nlohmann::json sound = nlohmann::json::parse(KeptCase("window-2KiB-V1_2-7_11"));
  const auto expect = [this](const nlohmann::json& changed, const char* text) {
    EXPECT_THAT(Run(changed.dump()), StatusIs(absl::StatusCode::kInvalidArgument, text));
  };
  EXPECT_THAT(Run("{"), StatusIs(absl::StatusCode::kInvalidArgument, "JSON"));
  expect(nlohmann::json::array(), "JSON");
  for (const char* member : {"name", "kind", "sector_size", "api_version", "circuit", "miner",
                             "randomness", "sectors", "partitions"}) {
    nlohmann::json changed = sound;
    changed.erase(member);
    expect(changed, member);
    changed[member] = -1;
    EXPECT_THAT(Run(changed.dump()), StatusIs(absl::StatusCode::kInvalidArgument, "")) << member;
  }
  nlohmann::json changed = sound;
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
  EXPECT_THAT(Run(changed.dump()), StatusIs(absl::StatusCode::kNotFound, "12345"));
}

TEST_F(CaseTest, WithoutSecretsMissingParametersAreAnError) {
  nlohmann::json changed = nlohmann::json::parse(KeptCase("window-2KiB-V1_2-7_11"));
  changed.erase("secrets");
  EXPECT_THAT(Run(changed.dump()), StatusIs(absl::StatusCode::kFailedPrecondition, ".params"));
}

}  // namespace
}  // namespace damocles::prover
