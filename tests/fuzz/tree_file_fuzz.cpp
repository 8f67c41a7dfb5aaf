// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Foreign bytes as the files of a sector: whatever they are, opening and proving gives a proof that
// holds or a status, and the folder stays as it is.
//
// Input: one byte that picks which files are replaced, then their content.

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/practice.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/check.h"
#include "damocles/base/file.h"
#include "damocles/base/thread_pool.h"
#include "damocles/merkle/build.h"
#include "damocles/merkle/sector_tree.h"

namespace {

using namespace damocles;  // NOLINT: a program of its own

struct Sector {
  Sector() {
    testing_support::WriteMadeUpSector(files.sealed_path, shape, 1, shape.Nodes());
    ThreadPool pool(1);
    DAMOCLES_CHECK(merkle::RebuildSector(pool, shape, files, merkle::Fr::One()).ok());
    DAMOCLES_CHECK(merkle::TreeFileNames(shape).size() == 2);
  }
  merkle::TreeShape shape = merkle::ShapeOf(4096).value();
  testing_support::TempDir folder;
  merkle::SectorFiles files{folder / "sealed", folder / "cache"};
};

// Not by WriteFileAtomically: that would sync every input to disk.
void Write(const std::string& path, ByteSpan content) {
  std::filesystem::remove(path);
  std::ofstream file(path, std::ios::binary);
  file << AsText(content);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // In memory where it can be: six files an input make a disk the slowest part by far.
  static const bool in_memory =
      std::filesystem::exists("/dev/shm") && setenv("TMPDIR", "/dev/shm", 0) == 0;
  static const Sector whole;
  static const testing_support::TempDir spoiled_folder;
  (void)in_memory;
  if (size == 0) return 0;
  const merkle::SectorFiles files{spoiled_folder / "sealed", spoiled_folder / "cache"};
  std::filesystem::remove_all(spoiled_folder.Path());
  std::filesystem::copy(whole.folder.Path(), spoiled_folder.Path(),
                        std::filesystem::copy_options::recursive);
  const ByteSpan content(data + 1, size - 1);
  const std::vector<std::string> names = merkle::TreeFileNames(whole.shape);
  if (data[0] & 1) Write(files.cache_folder + "/" + names[0], content);
  if (data[0] & 2) Write(files.cache_folder + "/p_aux", content);
  if (data[0] & 4) Write(files.sealed_path, content);
  if (data[0] & 8) std::filesystem::remove(files.cache_folder + "/" + names[1]);
  const auto before = testing_support::FilesBelow(spoiled_folder.Path());

  const auto tree = merkle::SectorTree::Open(whole.shape, files);
  if (tree.ok()) {
    for (std::uint64_t leaf : {0U, 17U, 64U, 127U}) {
      const auto proof = tree->Prove(leaf);
      if (!proof.ok()) continue;
      DAMOCLES_CHECK(merkle::CheckForm(*proof, whole.shape).ok());
      DAMOCLES_CHECK(merkle::ComputedRoot(*proof) == tree->Commitments().comm_r_last);
      DAMOCLES_CHECK(merkle::ComputedLeafIndex(*proof) == leaf);
    }
  }
  DAMOCLES_CHECK(testing_support::FilesBelow(spoiled_folder.Path()) == before);
  return 0;
}
