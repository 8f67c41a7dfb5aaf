// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The largest sector that is not all zeros: 2.4 million hashes.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/post/golden_case.h"

namespace damocles::post {
namespace {

TEST(Vanilla512MiBGoldenTest, SectorAndCase) {
  Sectors sectors;
  const nlohmann::json golden = Json(kGolden + "/cases/window-512MiB-V1_2-7.json");
  CheckCase(golden, sectors);
  int seen = 0;
  for (const nlohmann::json& sector : Json(kGolden + "/sectors.json")) {
    if (sector.at("sector_size") != "512MiB") continue;
    const merkle::TreeShape shape = ShapeNamed("512MiB");
    const merkle::SectorFiles files = sectors.Files(shape, sector.at("sector"));
    EXPECT_EQ(Sha256Hex(*ReadFile(files.sealed_path)), sector.at("sealed_sha256"));
    ASSERT_OK_AND_ASSIGN(const merkle::PAux p_aux, merkle::ReadPAux(files.cache_folder));
    EXPECT_EQ(p_aux.CommR(), FrOf(sector.at("comm_r")));
    EXPECT_EQ(Sha256Hex(*ReadFile(files.cache_folder + "/" + merkle::TreeFileNames(shape)[0])),
              sector.at("trees")[0].at("sha256"));
    ++seen;
  }
  EXPECT_EQ(seen, 1);
}

}  // namespace
}  // namespace damocles::post
