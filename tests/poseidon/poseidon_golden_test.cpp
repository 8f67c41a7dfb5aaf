// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/poseidon/poseidon.h"

namespace damocles::poseidon {
namespace {

TEST(PoseidonGoldenTest, EqualsTheNetworksLibrary) {
  const auto text = ReadFile(std::string(DAMOCLES_GOLDEN_DIR) + "/post/poseidon.json");
  ASSERT_TRUE(text.ok()) << text.status();
  const nlohmann::json golden = nlohmann::json::parse(*text);
  std::map<std::size_t, int> seen;
  for (const nlohmann::json& vector : golden.at("vectors")) {
    std::vector<Fr> preimage;
    for (const nlohmann::json& element : vector.at("in")) {
      preimage.push_back(
          bls12_381::FrFromBytesLe(FromHex(element.get<std::string>()).value()).value());
    }
    ASSERT_EQ(preimage.size(), vector.at("arity").get<std::size_t>());
    EXPECT_EQ(ToHex(bls12_381::ToBytesLe(Hash(preimage))), vector.at("out").get<std::string>());
    EXPECT_EQ(ToHex(bls12_381::ToBytesLe(HashPlain(preimage))),
              vector.at("out").get<std::string>());
    ++seen[preimage.size()];
  }
  EXPECT_EQ(seen, (std::map<std::size_t, int>{{2, 8}, {4, 8}, {8, 8}, {11, 8}}));
}

}  // namespace
}  // namespace damocles::poseidon
