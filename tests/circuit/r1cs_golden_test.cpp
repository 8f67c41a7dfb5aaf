// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/circuit/shapes.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/circuit/post_circuit.h"

namespace damocles::circuit {
namespace {

TEST(R1csGoldenTest, EveryCircuitHasTheReferenceDigest) {
  const auto text = ReadFile(DAMOCLES_GOLDEN_DIR "/post/r1cs.json");
  ASSERT_OK(text);
  const nlohmann::json rows = nlohmann::json::parse(*text);
  ASSERT_GE(rows.size(), 30u);
  for (const nlohmann::json& row : rows) {
    const std::string size = row["sector_size"];
    const PostShape shape{Levels(size), row["challenges"], row["sectors"]};
    SCOPED_TRACE(row.dump());
    const PostCircuit circuit(shape);
    EXPECT_EQ(circuit.Inputs(), row["inputs"]);
    EXPECT_EQ(circuit.Aux(), row["aux"]);
    EXPECT_EQ(circuit.Constraints(), row["constraints"]);
    EXPECT_EQ(ToHex(Digest(circuit)), row["blake2s"]);
  }
}

}  // namespace
}  // namespace damocles::circuit
