// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The cache folders that the reference implementation wrote have just the files we ask for.

#include <algorithm>
#include <filesystem>
#include <string>

#include "gtest/gtest.h"

#include "damocles/storage/sector_paths.h"

namespace damocles::storage {
namespace {

namespace fs = std::filesystem;

TEST(StorageGoldenTest, ReferenceCachesHaveTheRequiredFiles) {
  int caches = 0;
  for (const auto& by_size : fs::directory_iterator(DAMOCLES_GOLDEN_DIR "/post/sectors")) {
    const auto size = filecoin::ParseSectorSize(by_size.path().filename().string());
    if (!size.ok()) continue;  // other material
    const auto files = RequiredCacheFiles(*size);
    for (const auto& cache : fs::directory_iterator(by_size.path() / "cache")) {
      SCOPED_TRACE(cache.path().string());
      EXPECT_TRUE(ParseSectorFileName(cache.path().filename().string()).has_value());
      for (const CacheFile& file : files) {
        const fs::path path = cache.path() / file.name;
        ASSERT_TRUE(fs::exists(path)) << path;
        EXPECT_NE(std::find(file.sizes.begin(), file.sizes.end(), fs::file_size(path)),
                  file.sizes.end())
            << path << " has " << fs::file_size(path) << " bytes";
      }
      ++caches;
    }
  }
  EXPECT_GT(caches, 0);
}

}  // namespace
}  // namespace damocles::storage
