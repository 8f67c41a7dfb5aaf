// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// JSON documents that others write: the first byte chooses genesis file, sectorstore.json, setup
// secrets, or a case.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tests/support/temp_dir.h"

#include "damocles/base/check.h"
#include "damocles/base/file.h"
#include "damocles/base/random.h"
#include "damocles/base/thread_pool.h"
#include "damocles/groth16/backend.h"
#include "damocles/practice/case.h"
#include "damocles/storage/genesis_file.h"
#include "damocles/storage/persist_store.h"

namespace {

namespace storage = damocles::storage;

void TryGenesis(std::string_view text) {
  const auto sectors = storage::ParseGenesis(text);
  if (!sectors.ok()) return;
  const auto again = storage::ParseGenesis(storage::FormatGenesis(*sectors));
  DAMOCLES_CHECK(again.ok() && *again == *sectors);
}

void TrySectorStore(std::string_view text) {
  static const damocles::testing_support::TempDir folder;
  const std::string file = folder / std::string(storage::kSectorStoreFile);
  DAMOCLES_CHECK(damocles::WriteFileAtomically(file, text).ok());
  const auto store = storage::ReadSectorStoreJson(folder.Path());
  if (!store.ok()) return;
  DAMOCLES_CHECK(!store->name.empty());
  DAMOCLES_CHECK(
      damocles::WriteFileAtomically(file, storage::EncodeSectorStoreJson(*store, "id")).ok());
  DAMOCLES_CHECK(storage::ReadSectorStoreJson(folder.Path()).ok());
}

// There are no sectors in the folder: this ends when the document has been read.
void TryCase(std::string_view text) {
  static damocles::ThreadPool pool(1);
  static const std::unique_ptr<damocles::groth16::Backend> backend =
      damocles::groth16::MakeCpuBackend(pool);
  damocles::SeededRandom random(1);
  const damocles::practice::CaseOptions options{
      .store = "/no/such/folder", .parameters = "/no/such/folder", .progress = nullptr};
  DAMOCLES_CHECK(!damocles::practice::RunCase(text, options, *backend, pool, random).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      TryGenesis(text);
      break;
    case 1:
      TrySectorStore(text);
      break;
    case 2:
      (void)damocles::practice::ReadSecrets(text);
      break;
    default:
      TryCase(text);
      break;
  }
  return 0;
}
