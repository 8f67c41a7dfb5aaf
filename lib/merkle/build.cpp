// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/merkle/build.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "lib/merkle/node_io.h"
#include "lib/merkle/tree_walk.h"

#include "damocles/base/mutex.h"
#include "damocles/base/status.h"
#include "damocles/merkle/tree_file.h"

namespace damocles::merkle {
namespace {

// Counts leaves for BuildOptions::progress.
class Progress {
 public:
  Progress(const BuildOptions& options, std::uint64_t total)
      : callback_(options.progress), total_(total) {}

  void Add(std::uint64_t leaves) {
    if (!callback_) return;
    const MutexLock lock(mutex_);
    done_ += leaves;
    callback_(done_, total_);
  }

 private:
  const std::function<void(std::uint64_t, std::uint64_t)>& callback_;
  const std::uint64_t total_;
  Mutex mutex_;
  std::uint64_t done_ ABSL_GUARDED_BY(mutex_) = 0;
};

absl::StatusOr<unsigned> RowsToDiscard(const TreeShape& shape, std::optional<unsigned> wanted) {
  const unsigned rows = wanted.value_or(DefaultRowsToDiscard(shape));
  if (rows >= shape.base_depth || rows > kRowsToDiscardMax) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%d rows cannot be left out of a tree of depth %d: want at most %d", rows,
                        shape.base_depth, std::min(shape.base_depth - 1, kRowsToDiscardMax)));
  }
  return rows;
}

// Byte of node `index` of `row` in a file that begins with row rows_to_discard + 1.
std::uint64_t NodeOffset(const TreeShape& shape, unsigned rows_to_discard, unsigned row,
                         std::uint64_t index) {
  std::uint64_t nodes = index;
  for (unsigned below = rows_to_discard + 1; below < row; ++below) nodes += shape.RowNodes(below);
  return nodes * kNodeBytes;
}

// Tree files that are not under their names yet, and the root over them.
struct Draft {
  std::vector<NewFile> files;
  Fr comm_r_last{};

  absl::Status Keep(const std::string& cache_folder, bool sync) {
    for (NewFile& file : files) DAMOCLES_RETURN_IF_ERROR(file.Commit(sync));
    return sync ? SyncFolder(cache_folder) : absl::OkStatus();
  }
};

absl::StatusOr<Fr> BuildOneFile(ThreadPool& pool, const TreeShape& shape, const File& sealed,
                                const std::string& sealed_path, unsigned tree, const NewFile& file,
                                unsigned rows_to_discard, Progress& progress) {
  const RowSink write = [&](unsigned row, std::uint64_t first, std::span<const Fr> nodes) {
    return file.WriteAt(NodeOffset(shape, rows_to_discard, row, first), EncodeNodes(nodes));
  };
  return WalkBaseTree(pool, shape, sealed, sealed_path, tree, rows_to_discard + 1, write,
                      [&](std::uint64_t leaves) { progress.Add(leaves); });
}

absl::StatusOr<Draft> BuildDraft(ThreadPool& pool, const TreeShape& shape, const SectorFiles& files,
                                 const BuildOptions& options) {
  DAMOCLES_ASSIGN_OR_RETURN(const unsigned rows_to_discard,
                            RowsToDiscard(shape, options.rows_to_discard));
  DAMOCLES_ASSIGN_OR_RETURN(const File sealed, OpenSealedFile(files.sealed_path, shape));
  DAMOCLES_RETURN_IF_ERROR(MakeFolders(files.cache_folder));
  Progress progress(options, shape.Nodes());
  const std::vector<std::string> names = TreeFileNames(shape);
  Draft draft;
  std::vector<Fr> roots;
  for (unsigned tree = 0; tree < names.size(); ++tree) {
    DAMOCLES_ASSIGN_OR_RETURN(NewFile file,
                              NewFile::Create(files.cache_folder + "/" + names[tree]));
    DAMOCLES_ASSIGN_OR_RETURN(const Fr root, BuildOneFile(pool, shape, sealed, files.sealed_path,
                                                          tree, file, rows_to_discard, progress));
    draft.files.push_back(std::move(file));
    roots.push_back(root);
  }
  draft.comm_r_last = RootOverBaseRoots(shape, roots);
  return draft;
}

absl::Status CompareOneTree(ThreadPool& pool, const TreeShape& shape, const File& sealed,
                            const std::string& sealed_path, unsigned tree, const TreeFile& file,
                            Progress& progress) {
  const RowSink compare = [&](unsigned row, std::uint64_t first,
                              std::span<const Fr> nodes) -> absl::Status {
    std::vector<Fr> stored(nodes.size());
    DAMOCLES_RETURN_IF_ERROR(file.ReadNodes(row, first, stored));
    const auto different = std::mismatch(nodes.begin(), nodes.end(), stored.begin()).first;
    if (different == nodes.end()) return absl::OkStatus();
    const std::uint64_t node = first + static_cast<std::uint64_t>(different - nodes.begin());
    const std::uint64_t leaves = std::uint64_t{1} << (3 * row);
    const std::uint64_t leaf = tree * shape.BaseLeaves() + node * leaves;
    return absl::DataLossError(absl::StrFormat(
        "%s: row %d, node %d is not the hash of nodes %d to %d of %s: one of the two is corrupt",
        file.Path(), row, node, leaf, leaf + leaves - 1, sealed_path));
  };
  return WalkBaseTree(pool, shape, sealed, sealed_path, tree, file.FirstRow(), compare,
                      [&](std::uint64_t leaves) { progress.Add(leaves); })
      .status();
}

}  // namespace

absl::StatusOr<Fr> BuildTreeFiles(ThreadPool& pool, const TreeShape& shape,
                                  const SectorFiles& files, const BuildOptions& options) {
  DAMOCLES_ASSIGN_OR_RETURN(Draft draft, BuildDraft(pool, shape, files, options));
  DAMOCLES_RETURN_IF_ERROR(draft.Keep(files.cache_folder, options.sync));
  return draft.comm_r_last;
}

absl::StatusOr<Fr> BuildZeroTreeFiles(const TreeShape& shape, const std::string& cache_folder,
                                      const BuildOptions& options) {
  DAMOCLES_ASSIGN_OR_RETURN(const unsigned discarded,
                            RowsToDiscard(shape, options.rows_to_discard));
  DAMOCLES_RETURN_IF_ERROR(MakeFolders(cache_folder));
  const std::vector<Fr> zero_roots = ZeroRoots(shape.base_depth);
  for (const std::string& name : TreeFileNames(shape)) {
    DAMOCLES_ASSIGN_OR_RETURN(NewFile file,
                              NewFile::Create(absl::StrFormat("%s/%s", cache_folder, name)));
    for (unsigned row = discarded + 1; row <= shape.base_depth; ++row) {
      // By the megabyte: the lowest row of a 64 GiB sector's tree has 262144 nodes.
      const std::uint64_t at_once = std::min<std::uint64_t>(shape.RowNodes(row), 32768);
      const Bytes block = EncodeNodes(std::vector<Fr>(at_once, zero_roots[row]));
      for (std::uint64_t node = 0; node < shape.RowNodes(row); node += at_once) {
        DAMOCLES_RETURN_IF_ERROR(file.WriteAt(NodeOffset(shape, discarded, row, node), block));
      }
    }
    DAMOCLES_RETURN_IF_ERROR(file.Commit(options.sync));
  }
  if (options.sync) DAMOCLES_RETURN_IF_ERROR(SyncFolder(cache_folder));
  if (options.progress) options.progress(shape.Nodes(), shape.Nodes());
  return ZeroSectorRoot(shape);
}

Fr ZeroSectorRoot(const TreeShape& shape) {
  return RootOverBaseRoots(shape,
                           std::vector<Fr>(shape.BaseTrees(), ZeroRoots(shape.base_depth).back()));
}

absl::StatusOr<PAux> RebuildSector(ThreadPool& pool, const TreeShape& shape,
                                   const SectorFiles& files, const std::optional<Fr>& comm_c,
                                   const BuildOptions& options) {
  const absl::StatusOr<PAux> present = ReadPAux(files.cache_folder);
  if (!comm_c.has_value() && !present.ok()) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "comm_c does not follow from the sealed file and p_aux does not tell it (%s): give it",
        present.status().message()));
  }
  DAMOCLES_ASSIGN_OR_RETURN(Draft draft, BuildDraft(pool, shape, files, options));
  const PAux p_aux{comm_c.value_or(present.ok() ? present->comm_c : Fr::Zero()), draft.comm_r_last};
  // The root is what the sector was sealed to.  Another one means other content, and trees over
  // that would make a corrupt sector look sound.
  if (present.ok() && *present != p_aux && !options.force) {
    const std::string p_aux_path = files.cache_folder + "/" + kPAuxName;
    if (present->comm_r_last == p_aux.comm_r_last) {
      return absl::DataLossError(absl::StrFormat(
          "%s: holds another comm_c than the one given; nothing was changed", p_aux_path));
    }
    return absl::DataLossError(
        absl::StrFormat("%s: its root is not the comm_r_last in %s: the sealed file is corrupt or "
                        "of another sector "
                        "(or p_aux is); nothing was changed",
                        files.sealed_path, p_aux_path));
  }
  DAMOCLES_RETURN_IF_ERROR(draft.Keep(files.cache_folder, options.sync));
  DAMOCLES_RETURN_IF_ERROR(WritePAux(files.cache_folder, p_aux));
  return p_aux;
}

absl::Status CheckSector(ThreadPool& pool, const TreeShape& shape, const SectorFiles& files,
                         const std::optional<Fr>& comm_r, const BuildOptions& options) {
  DAMOCLES_ASSIGN_OR_RETURN(const File sealed, OpenSealedFile(files.sealed_path, shape));
  DAMOCLES_ASSIGN_OR_RETURN(const PAux p_aux, ReadPAux(files.cache_folder));
  std::vector<TreeFile> trees;
  for (const std::string& name : TreeFileNames(shape)) {
    DAMOCLES_ASSIGN_OR_RETURN(TreeFile file,
                              TreeFile::Open(files.cache_folder + "/" + name, shape));
    trees.push_back(std::move(file));
  }
  Progress progress(options, shape.Nodes());
  std::vector<Fr> roots;
  for (unsigned tree = 0; tree < trees.size(); ++tree) {
    DAMOCLES_RETURN_IF_ERROR(
        CompareOneTree(pool, shape, sealed, files.sealed_path, tree, trees[tree], progress));
    DAMOCLES_ASSIGN_OR_RETURN(const Fr root, trees[tree].Root());
    roots.push_back(root);
  }
  const std::string p_aux_path = files.cache_folder + "/" + kPAuxName;
  if (RootOverBaseRoots(shape, roots) != p_aux.comm_r_last) {
    return absl::DataLossError(
        absl::StrFormat("%s: comm_r_last is not the root of the sealed file", p_aux_path));
  }
  if (comm_r.has_value() && p_aux.CommR() != *comm_r) {
    return absl::DataLossError(absl::StrFormat(
        "%s: comm_c and comm_r_last do not make the sector's comm_r: comm_c is wrong, or these are "
        "the files of another sector",
        p_aux_path));
  }
  return absl::OkStatus();
}

}  // namespace damocles::merkle
