// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "gtest/gtest.h"
#include "tests/devnet/base_fee_vectors.h"

namespace damocles::devnet {
namespace {

TEST(BaseFeeGoldenTest, PremiumsPercentilesAndNextFeesAreThoseOfTheNetwork) {
  testing_support::CompareBaseFees(std::string(DAMOCLES_GOLDEN_DIR) + "/chain/base-fee.json");
}

}  // namespace
}  // namespace damocles::devnet
