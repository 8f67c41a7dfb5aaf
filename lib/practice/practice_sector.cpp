// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/practice/practice_sector.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/base/mutex.h"
#include "damocles/base/status.h"
#include "damocles/hash/sha256.h"
#include "damocles/merkle/build.h"
#include "damocles/merkle/sector_tree.h"
#include "damocles/storage/sector_paths.h"

namespace damocles::practice {
namespace {

constexpr std::uint64_t kNodesAtOnce = 32768;  // 1 MiB
// Between two syncs.  Their drafts, two for each, stay open so long, which keeps other processes
// from sweeping them up, and 1024 files is what a process may have open as a rule.
constexpr std::size_t kSectorsAtOnce = 256;

absl::Status IoError(const char* what, const std::string& path) {
  return absl::UnavailableError(
      absl::StrFormat("%s: cannot %s: %s", path, what, std::generic_category().message(errno)));
}

// Everything written to the file system that `folder` lies in.
absl::Status SyncFileSystem(const std::string& folder) {
  DAMOCLES_ASSIGN_OR_RETURN(const File file, OpenForReading(folder));
  if (syncfs(file.Descriptor()) != 0) return IoError("sync the file system of", folder);
  return absl::OkStatus();
}

// SHA-256(label numbers..) with the two top bits cleared: a canonical field element.
Bytes32 Element(const hash::Sha256& label, std::uint64_t first, const std::uint64_t* second) {
  std::uint8_t bytes[16];
  StoreLe64(first, bytes);
  if (second != nullptr) StoreLe64(*second, bytes + 8);
  hash::Sha256 digest = label;
  Bytes32 out =
      digest.Update({bytes, second != nullptr ? std::size_t{16} : std::size_t{8}}).Finish();
  out[31] &= 0x3f;
  return out;
}

// A file under a name of its own, which goes unless Keep succeeds.
class FileDraft {
 public:
  static absl::StatusOr<FileDraft> Create(std::string path, std::uint64_t bytes) {
    DAMOCLES_ASSIGN_OR_RETURN(DraftFile draft, CreateDraft(path));
    FileDraft out(std::move(path), std::move(draft.path), std::move(draft.file));
    if (ftruncate(out.file_.Descriptor(), static_cast<off_t>(bytes)) != 0) {
      return IoError("set the length of", out.draft_path_);
    }
    return out;
  }
  FileDraft(FileDraft&& other) noexcept
      : path_(std::move(other.path_)),
        draft_path_(std::exchange(other.draft_path_, std::string())),
        file_(std::move(other.file_)) {}
  FileDraft& operator=(FileDraft&&) = delete;
  ~FileDraft() {
    if (!draft_path_.empty()) unlink(draft_path_.c_str());
  }

  const std::string& Path() const { return draft_path_; }

  absl::Status WriteAt(std::uint64_t offset, ByteSpan bytes) const {
    while (!bytes.empty()) {
      const ssize_t written =
          pwrite(file_.Descriptor(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (written < 0) {
        if (errno == EINTR) continue;
        return IoError("write", draft_path_);
      }
      offset += static_cast<std::uint64_t>(written);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return absl::OkStatus();
  }

  // Once it is on disk: whoever made it synced the file system.
  absl::Status Keep() {
    if (std::rename(draft_path_.c_str(), path_.c_str()) != 0) {
      return IoError("put the new file in place at", path_);
    }
    draft_path_.clear();
    return absl::OkStatus();
  }

 private:
  FileDraft(std::string path, std::string draft_path, File file)
      : path_(std::move(path)), draft_path_(std::move(draft_path)), file_(std::move(file)) {}
  std::string path_;
  std::string draft_path_;
  File file_;
};

// The first error of several threads.
class SharedStatus {
 public:
  void Note(absl::Status status) {
    const MutexLock lock(mutex_);
    if (status_.ok()) status_ = std::move(status);
  }
  absl::Status Get() {
    const MutexLock lock(mutex_);
    return status_;
  }

 private:
  Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

absl::Status FillByRule(ThreadPool& pool, const merkle::TreeShape& shape, const std::string& salt,
                        std::uint64_t number, const FileDraft& file) {
  hash::Sha256 label;
  label.Update(AsBytes(salt + "/node"));
  SharedStatus status;
  pool.ParallelRanges(shape.Nodes(), kNodesAtOnce, [&](std::size_t begin, std::size_t end) {
    Bytes nodes;
    nodes.reserve((end - begin) * merkle::kNodeBytes);
    for (std::uint64_t i = begin; i < end; ++i) Append(nodes, Element(label, number, &i));
    status.Note(file.WriteAt(begin * merkle::kNodeBytes, nodes));
  });
  return status.Get();
}

struct OneSector {
  filecoin::SectorId id;
  std::string salt;
  merkle::SectorFiles files;
  std::optional<PracticeSector> existing;
};

// The sector that is there, if it is the one that was ordered.
absl::StatusOr<PracticeSector> TakeExisting(const merkle::TreeShape& shape, const OneSector& sector,
                                            const PracticeContent& content) {
  DAMOCLES_RETURN_IF_ERROR(merkle::OpenSealedFile(sector.files.sealed_path, shape).status());
  DAMOCLES_ASSIGN_OR_RETURN(const merkle::PAux p_aux, merkle::ReadPAux(sector.files.cache_folder));
  const bool other_salt =
      content.salt && p_aux.comm_c != PracticeCommC(*content.salt, sector.id.number);
  const bool other_zeros = content.zeros && p_aux.comm_r_last != merkle::ZeroSectorRoot(shape);
  if (other_salt || other_zeros) {
    return absl::DataLossError(
        absl::StrFormat("%s: is there already with other content: remove the sector first or take "
                        "another number",
                        sector.files.sealed_path));
  }
  return PracticeSector{sector.id, p_aux, bls12_381::ToBytesLe(p_aux.CommR())};
}

// A sector whose sealed file and p_aux have their contents, but not yet their names.
struct SectorDraft {
  PracticeSector sector;
  std::vector<FileDraft> files;  // p_aux last: a sector with it is complete

  absl::Status Keep() {
    for (FileDraft& file : files) DAMOCLES_RETURN_IF_ERROR(file.Keep());
    return absl::OkStatus();
  }
};

absl::StatusOr<SectorDraft> MakeOne(ThreadPool& pool, const merkle::TreeShape& shape,
                                    const OneSector& order, bool zeros,
                                    const merkle::BuildOptions& options) {
  SectorDraft draft;
  PracticeSector& out = draft.sector;
  if (order.existing) {
    out = *order.existing;
    return draft;
  }
  DAMOCLES_ASSIGN_OR_RETURN(FileDraft sealed,
                            FileDraft::Create(order.files.sealed_path, shape.sector_bytes));
  out.id = order.id;
  out.p_aux.comm_c = PracticeCommC(order.salt, order.id.number);
  if (zeros) {
    DAMOCLES_ASSIGN_OR_RETURN(out.p_aux.comm_r_last,
                              merkle::BuildZeroTreeFiles(shape, order.files.cache_folder, options));
  } else {
    DAMOCLES_RETURN_IF_ERROR(FillByRule(pool, shape, order.salt, order.id.number, sealed));
    DAMOCLES_ASSIGN_OR_RETURN(
        out.p_aux.comm_r_last,
        merkle::BuildTreeFiles(pool, shape, {sealed.Path(), order.files.cache_folder}, options));
  }
  const Bytes p_aux_bytes = merkle::EncodePAux(out.p_aux);
  DAMOCLES_ASSIGN_OR_RETURN(
      FileDraft p_aux,
      FileDraft::Create(absl::StrFormat("%s/%s", order.files.cache_folder, merkle::kPAuxName),
                        p_aux_bytes.size()));
  DAMOCLES_RETURN_IF_ERROR(p_aux.WriteAt(0, p_aux_bytes));
  draft.files.push_back(std::move(sealed));
  draft.files.push_back(std::move(p_aux));
  out.comm_r = bls12_381::ToBytesLe(out.p_aux.CommR());
  return draft;
}

absl::StatusOr<std::vector<OneSector>> Prepare(Random& random, const merkle::TreeShape& shape,
                                               const PracticeOrder& order) {
  std::vector<OneSector> sectors;
  std::set<filecoin::SectorNumber> seen;
  for (filecoin::SectorNumber number : order.numbers) {
    if (number > filecoin::kSectorNumberMax || !seen.insert(number).second) {
      return absl::InvalidArgumentError(
          absl::StrFormat("sector number %d is too large or given twice", number));
    }
    const filecoin::SectorId id{order.miner, number};
    OneSector sector{id,
                     {},
                     {storage::ReplicaPath(order.store_path, id, storage::Variant::kSealed),
                      storage::CachePath(order.store_path, id, storage::Variant::kSealed)},
                     std::nullopt};
    const std::string p_aux_path = sector.files.cache_folder + "/" + merkle::kPAuxName;
    if (order.keep_existing && PathExists(p_aux_path)) {
      DAMOCLES_ASSIGN_OR_RETURN(sector.existing, TakeExisting(shape, sector, order.content));
      sectors.push_back(std::move(sector));
      continue;
    }
    for (const std::string& path : {sector.files.sealed_path, p_aux_path}) {
      if (PathExists(path)) {
        return absl::AlreadyExistsError(absl::StrFormat(
            "%s: is there already: remove the sector first or take another number", path));
      }
    }
    if (order.content.salt.has_value()) {
      sector.salt = *order.content.salt;
    } else {
      Bytes32 seed;
      random.Fill(seed);
      sector.salt = ToHex(seed);
    }
    sectors.push_back(std::move(sector));
  }
  return sectors;
}

}  // namespace

merkle::Fr PracticeCommC(std::string_view salt, filecoin::SectorNumber number) {
  hash::Sha256 label;
  label.Update(AsBytes(salt)).Update(AsBytes("/comm_c"));
  return bls12_381::FrFromBytesLe(Element(label, number, nullptr)).value();
}

absl::StatusOr<std::vector<PracticeSector>> MakePracticeSectors(ThreadPool& pool, Random& random,
                                                                const PracticeOrder& order) {
  DAMOCLES_ASSIGN_OR_RETURN(const merkle::TreeShape shape,
                            merkle::ShapeOf(filecoin::ToBytes(order.size)));
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<OneSector> sectors, Prepare(random, shape, order));
  for (const char* folder : {"sealed", "cache"}) {
    DAMOCLES_RETURN_IF_ERROR(MakeFolders(order.store_path + "/" + folder));
  }

  struct Progress {
    Mutex mutex;
    std::uint64_t done ABSL_GUARDED_BY(mutex) = 0;
  } progress;
  const std::uint64_t total = shape.Nodes() * sectors.size();
  std::vector<PracticeSector> out;
  // A sync takes as long as thousands of small files: one for many sectors.  Until then these have
  // no names, so that a sector is whole or not there, whatever fails when.
  for (std::size_t first = 0; first < sectors.size(); first += kSectorsAtOnce) {
    const std::size_t count = std::min(kSectorsAtOnce, sectors.size() - first);
    SharedStatus status;
    std::vector<SectorDraft> drafts(count);
    pool.ParallelFor(count, [&](std::size_t i) {
      if (!status.Get().ok()) return;
      const OneSector& sector = sectors[first + i];
      merkle::BuildOptions options;
      options.sync = false;
      std::uint64_t done_here = 0;
      if (order.progress) {
        options.progress = [&](std::uint64_t done, std::uint64_t) {
          const MutexLock lock(progress.mutex);
          progress.done += done - std::exchange(done_here, done);
          order.progress(progress.done, total);
        };
      }
      absl::StatusOr<SectorDraft> made = MakeOne(pool, shape, sector, order.content.zeros, options);
      if (made.ok()) {
        drafts[i] = *std::move(made);
      } else {
        status.Note(Annotate(made.status(),
                             absl::StrFormat("sector f0%d/%d", sector.id.miner, sector.id.number)));
      }
    });
    DAMOCLES_RETURN_IF_ERROR(status.Get());
    DAMOCLES_RETURN_IF_ERROR(SyncFileSystem(order.store_path));
    for (SectorDraft& draft : drafts) {
      DAMOCLES_RETURN_IF_ERROR(draft.Keep());
      out.push_back(draft.sector);
    }
  }
  DAMOCLES_RETURN_IF_ERROR(SyncFileSystem(order.store_path));
  return out;
}

absl::StatusOr<std::vector<storage::GenesisSector>> GenesisSectorsOf(
    filecoin::SectorSize size, std::span<const PracticeSector> sectors) {
  const std::optional<filecoin::PoStProofType> proof = filecoin::WindowProofOf(size);
  if (!proof.has_value()) {
    return absl::FailedPreconditionError(
        absl::StrFormat("sectors of %s have no registered proof: no chain can know them",
                        filecoin::ToString(size)));
  }
  std::vector<storage::GenesisSector> out;
  for (const PracticeSector& sector : sectors) {
    storage::GenesisSector entry;
    entry.miner = sector.id.miner;
    entry.number = sector.id.number;
    entry.comm_r = sector.comm_r;
    entry.proof_type = static_cast<std::uint64_t>(filecoin::ToNumber(*proof));
    out.push_back(entry);
  }
  return out;
}

}  // namespace damocles::practice
