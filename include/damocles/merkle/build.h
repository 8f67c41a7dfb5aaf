// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Makes and checks the tree files of a sector (docs/post.md 1).

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

#include "damocles/base/thread_pool.h"
#include "damocles/bls12_381/fr.h"
#include "damocles/merkle/p_aux.h"
#include "damocles/merkle/sector_tree.h"
#include "damocles/merkle/shape.h"

namespace damocles::merkle {

struct BuildOptions {
  // Rows above the leaves to leave out, [0, base_depth); absent: DefaultRowsToDiscard.
  std::optional<unsigned> rows_to_discard;
  // Called with leaves done and leaves in all, in order, from one thread at a time.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
  // False: whoever makes many sectors syncs their file system once (RebuildSector: p_aux all the
  // same).
  bool sync = true;
  // RebuildSector: also where the result is not what p_aux says.
  bool force = false;
};

// Hashes the sealed file and writes its tree files into the cache folder, which is made if absent.
// Memory stays below 32 MiB or so and the rows that are kept of one base tree (11 MB at 32 GiB).
// Each file appears in one step under its name, synced unless the options say otherwise.  Returns
// comm_r_last.  Errors: as OpenSealedFile, DATA_LOSS with the index of a node that is not
// canonical, or the file system's.
absl::StatusOr<Fr> BuildTreeFiles(ThreadPool& pool, const TreeShape& shape,
                                  const SectorFiles& files, const BuildOptions& options = {});

// The same result as for a sealed file of zeros, without reading one: 9 hashes.
absl::StatusOr<Fr> BuildZeroTreeFiles(const TreeShape& shape, const std::string& cache_folder,
                                      const BuildOptions& options = {});

// comm_r_last of a sector of zeros.
Fr ZeroSectorRoot(const TreeShape& shape);

// Makes tree files and p_aux anew from the sealed file.  `comm_c` if given, else the one of the
// p_aux that is there; FAILED_PRECONDITION if there is neither.  DATA_LOSS, with nothing changed,
// if p_aux is there and says otherwise: then the sealed file (or p_aux) is not what was sealed.
absl::StatusOr<PAux> RebuildSector(ThreadPool& pool, const TreeShape& shape,
                                   const SectorFiles& files, const std::optional<Fr>& comm_c,
                                   const BuildOptions& options = {});

// Hashes the whole sealed file and compares every row in the tree files, the roots, p_aux and, if
// given, comm_r.  OK, or DATA_LOSS / NOT_FOUND that names the first file, row and node at fault.
absl::Status CheckSector(ThreadPool& pool, const TreeShape& shape, const SectorFiles& files,
                         const std::optional<Fr>& comm_r = std::nullopt,
                         const BuildOptions& options = {});

}  // namespace damocles::merkle
