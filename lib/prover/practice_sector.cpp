// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/prover/practice_sector.h"

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

namespace damocles::prover {
namespace {

constexpr std::uint64_t kNodesAtOnce = 32768;  // 1 MiB

absl::Status IoError(const char* what, const std::string& path) {
  return absl::UnavailableError(
      absl::StrFormat("%s: cannot %s: %s", path, what, std::generic_category().message(errno)));
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

// The sealed file under a name of its own, which goes unless Keep succeeds.
class SealedDraft {
 public:
  static absl::StatusOr<SealedDraft> Create(std::string path, std::uint64_t bytes) {
    DAMOCLES_ASSIGN_OR_RETURN(DraftFile draft, CreateDraft(path));
    SealedDraft out(std::move(path), std::move(draft.path), std::move(draft.file));
    if (ftruncate(out.file_.Descriptor(), static_cast<off_t>(bytes)) != 0) {
      return IoError("set the length of", out.draft_path_);
    }
    return out;
  }
  SealedDraft(SealedDraft&& other) noexcept
      : path_(std::move(other.path_)),
        draft_path_(std::exchange(other.draft_path_, std::string())),
        file_(std::move(other.file_)) {}
  SealedDraft& operator=(SealedDraft&&) = delete;
  ~SealedDraft() {
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

  absl::Status Keep() {
    if (fsync(file_.Descriptor()) != 0) return IoError("sync", draft_path_);
    if (std::rename(draft_path_.c_str(), path_.c_str()) != 0) {
      return IoError("put the new file in place at", path_);
    }
    draft_path_.clear();
    return absl::OkStatus();
  }

 private:
  SealedDraft(std::string path, std::string draft_path, File file)
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
                        std::uint64_t number, const SealedDraft& file) {
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

absl::StatusOr<PracticeSector> MakeOne(ThreadPool& pool, const merkle::TreeShape& shape,
                                       const OneSector& sector, bool zeros,
                                       const merkle::BuildOptions& options) {
  if (sector.existing) return *sector.existing;
  DAMOCLES_ASSIGN_OR_RETURN(SealedDraft sealed,
                            SealedDraft::Create(sector.files.sealed_path, shape.sector_bytes));
  PracticeSector out;
  out.id = sector.id;
  out.p_aux.comm_c = PracticeCommC(sector.salt, sector.id.number);
  if (zeros) {
    DAMOCLES_ASSIGN_OR_RETURN(out.p_aux.comm_r_last,
                              merkle::BuildZeroTreeFiles(shape, sector.files.cache_folder));
    if (options.progress) options.progress(shape.Nodes(), shape.Nodes());
  } else {
    DAMOCLES_RETURN_IF_ERROR(FillByRule(pool, shape, sector.salt, sector.id.number, sealed));
    DAMOCLES_ASSIGN_OR_RETURN(
        out.p_aux.comm_r_last,
        merkle::BuildTreeFiles(pool, shape, {sealed.Path(), sector.files.cache_folder}, options));
  }
  DAMOCLES_RETURN_IF_ERROR(sealed.Keep());
  // Last: a sector with p_aux is complete.
  DAMOCLES_RETURN_IF_ERROR(merkle::WritePAux(sector.files.cache_folder, out.p_aux));
  out.comm_r = bls12_381::ToBytesLe(out.p_aux.CommR());
  return out;
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
  SharedStatus status;
  std::vector<PracticeSector> out(sectors.size());
  pool.ParallelFor(sectors.size(), [&](std::size_t i) {
    if (!status.Get().ok()) return;
    merkle::BuildOptions options;
    std::uint64_t done_here = 0;
    if (order.progress) {
      options.progress = [&](std::uint64_t done, std::uint64_t) {
        const MutexLock lock(progress.mutex);
        progress.done += done - std::exchange(done_here, done);
        order.progress(progress.done, total);
      };
    }
    absl::StatusOr<PracticeSector> made =
        MakeOne(pool, shape, sectors[i], order.content.zeros, options);
    if (made.ok()) {
      out[i] = *std::move(made);
    } else {
      status.Note(Annotate(made.status(), absl::StrFormat("sector f0%d/%d", sectors[i].id.miner,
                                                          sectors[i].id.number)));
    }
  });
  DAMOCLES_RETURN_IF_ERROR(status.Get());
  for (const char* folder : {"sealed", "cache"}) {
    DAMOCLES_RETURN_IF_ERROR(SyncFolder(order.store_path + "/" + folder));
  }
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

}  // namespace damocles::prover
