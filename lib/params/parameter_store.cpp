// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/params/parameter_store.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/params/parameter_mark.h"
#include "lib/params/stream_file.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/circuit/post_circuit.h"
#include "damocles/hash/sha256.h"
#include "damocles/post/circuit.h"
#include "damocles/post/parameter_id.h"

namespace damocles::params {
namespace {

std::string InFolder(const std::string& folder, const std::string& name) {
  return (std::filesystem::path(folder) / name).string();
}

groth16::QueryCounts CountsOf(const post::CircuitShape& circuit) {
  return groth16::ExpectedCounts(circuit::CircuitCounts(post::PostShapeOf(circuit)));
}

std::string NameOf(const post::CircuitShape& circuit) {
  return absl::StrFormat("%s %s", merkle::SizeName(circuit.tree.sector_bytes),
                         post::KindName(circuit.kind));
}

// A missing file is a state to mend, not a look-up that failed.
absl::Status MissingFile(const absl::Status& status, const std::string& path,
                         const post::CircuitShape& circuit, const std::string& folder) {
  if (!absl::IsNotFound(status)) return status;
  return absl::FailedPreconditionError(absl::StrFormat(
      "parameter file %s is missing: copy the published files for %s into %s, which is the folder "
      "in use (--params, params_dir in a worker's file or FIL_PROOFS_PARAMETER_CACHE name "
      "another); "
      "for a devnet `damocles-prover setup --kind %s --size %s --params %s` makes some",
      path, NameOf(circuit), folder, post::KindName(circuit.kind),
      merkle::SizeName(circuit.tree.sector_bytes), folder));
}

// A pipe under the name of a file would be waited for.
absl::StatusOr<std::string> ReadRegular(const std::string& path) {
  const absl::StatusOr<std::uint64_t> bytes = FileSize(path);
  if (absl::IsInvalidArgument(bytes.status())) {
    return absl::DataLossError(std::string(bytes.status().message()));
  }
  DAMOCLES_RETURN_IF_ERROR(bytes.status());
  return ReadFile(path);
}

LoadedVk Loaded(const std::string& path, ByteSpan content, groth16::VerifyingKey key) {
  const groth16::FileDigests digests = groth16::DigestsOf(content);
  return {path, digests.sha256, digests.blake2b, groth16::Verifier(std::move(key))};
}

}  // namespace

ParameterStore::ParameterStore(std::string folder) : folder_(std::move(folder)) {}

std::string ParameterStore::DefaultFolder() {
  const char* const folder =
      std::getenv(post::kParameterFolderVariable);  // NOLINT(concurrency-mt-unsafe): never set
  return ExpandHome(folder != nullptr && *folder != '\0' ? folder : post::kDefaultParameterFolder);
}

std::string ParameterStore::ParamsPath(const post::CircuitShape& circuit) const {
  return InFolder(folder_, post::ParamsFileName(circuit));
}
std::string ParameterStore::VkPath(const post::CircuitShape& circuit) const {
  return InFolder(folder_, post::VkFileName(circuit));
}
std::string ParameterStore::MetaPath(const post::CircuitShape& circuit) const {
  return InFolder(folder_, post::MetaFileName(circuit));
}

absl::StatusOr<std::shared_ptr<const groth16::ParamsFile>> ParameterStore::Params(
    const post::CircuitShape& circuit) {
  const MutexLock lock(mutex_);
  return LoadParams(circuit);
}

absl::StatusOr<std::shared_ptr<const LoadedVk>> ParameterStore::Vk(
    const post::CircuitShape& circuit) {
  const MutexLock lock(mutex_);
  return LoadVk(circuit);
}

void ParameterStore::Forget(const post::CircuitShape& circuit) {
  const MutexLock lock(mutex_);
  params_.erase(ParamsPath(circuit));
  vks_.erase(VkPath(circuit));
}

absl::StatusOr<std::shared_ptr<const groth16::ParamsFile>> ParameterStore::LoadParams(
    const post::CircuitShape& circuit) {
  const std::string path = ParamsPath(circuit);
  DAMOCLES_RETURN_IF_ERROR(post::CheckCircuit(circuit));
  auto& slot = params_[path];
  if (slot != nullptr) return slot;
  auto params = groth16::ParamsFile::Open(path, CountsOf(circuit));
  if (!params.ok()) return MissingFile(params.status(), path, circuit, folder_);
  if (PathExists(VkPath(circuit))) {
    DAMOCLES_ASSIGN_OR_RETURN(const std::string vk, ReadRegular(VkPath(circuit)));
    if (!std::ranges::equal(AsBytes(vk), (*params)->Vk())) {
      return absl::DataLossError(absl::StrFormat(
          "%s and %s are of different setups; copy or make both again", path, VkPath(circuit)));
    }
  }
  slot = *std::move(params);
  return slot;
}

absl::StatusOr<std::shared_ptr<const LoadedVk>> ParameterStore::LoadVk(
    const post::CircuitShape& circuit) {
  const std::string path = VkPath(circuit);
  DAMOCLES_RETURN_IF_ERROR(post::CheckCircuit(circuit));
  auto& slot = vks_[path];
  if (slot != nullptr) return slot;
  if (!PathExists(path) && PathExists(ParamsPath(circuit))) {
    DAMOCLES_ASSIGN_OR_RETURN(const auto params, LoadParams(circuit));
    const absl::Status written = WriteFileAtomically(path, AsText(params->Vk()));
    if (!written.ok()) {
      // The folder may be read only: the copy in memory serves as well.
      LogWarning("prover", "vk_not_written", {{"path", path}, {"error", written}});
    }
    slot = std::make_shared<const LoadedVk>(Loaded(path, params->Vk(), params->Key()));
    return slot;
  }
  const auto content = ReadRegular(path);
  if (!content.ok()) return MissingFile(content.status(), path, circuit, folder_);
  auto key = groth16::ReadVerifyingKey(AsBytes(*content), CountsOf(circuit).ic);
  if (!key.ok()) {
    return absl::DataLossError(absl::StrFormat("%s: %s; copy or make the file again", path,
                                               std::string(key.status().message())));
  }
  slot = std::make_shared<const LoadedVk>(Loaded(path, AsBytes(*content), *std::move(key)));
  return slot;
}

absl::StatusOr<ParameterOrigin> ParameterStore::Origin(const post::CircuitShape& circuit) {
  DAMOCLES_ASSIGN_OR_RETURN(const auto vk, Vk(circuit));
  const auto published = post::PublishedParametersOf(circuit);
  if (published && vk->blake2b == published->vk.digest) return ParameterOrigin::kPublished;
  const std::optional<ParameterMark> mark = ReadMark(MetaPath(circuit));
  if (!mark) return ParameterOrigin::kUnmarked;
  return mark->vk_sha256 == vk->sha256 ? mark->origin : ParameterOrigin::kKnownSecrets;
}

absl::Status ParameterStore::CheckFitForNetwork(const post::CircuitShape& circuit) {
  DAMOCLES_ASSIGN_OR_RETURN(const auto vk, Vk(circuit));
  DAMOCLES_ASSIGN_OR_RETURN(const ParameterOrigin origin, Origin(circuit));
  if (origin == ParameterOrigin::kPublished) return absl::OkStatus();
  if (const auto published = post::PublishedParametersOf(circuit)) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "%s is not the key that the network has published for %s proofs (BLAKE2b %s, published is "
        "%s): whoever made it could forge proofs, and the network refuses yours; put the published "
        ".params and .vk there and look at them with damocles-prover params check",
        vk->path, NameOf(circuit), vk->blake2b, std::string(published->vk.digest)));
  }
  if (origin != ParameterOrigin::kKnownSecrets) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrFormat(
      "%s was made from known secrets, or %s is the mark of another setup: anybody could forge %s "
      "proofs; make other parameters with damocles-prover setup",
      vk->path, MetaPath(circuit), NameOf(circuit)));
}

absl::Status MakeParameterFiles(const std::string& folder, const post::CircuitShape& circuit,
                                const std::optional<groth16::SetupSecrets>& secrets, Random& random,
                                ThreadPool& pool, bool overwrite,
                                const std::function<void(std::string_view)>& progress) {
  DAMOCLES_RETURN_IF_ERROR(post::CheckCircuit(circuit));
  const ParameterStore store(folder);
  const std::string params_path = store.ParamsPath(circuit);
  const std::string vk_path = store.VkPath(circuit);
  const auto exists = [](const std::string& path) {
    return absl::AlreadyExistsError(
        absl::StrFormat("%s exists; remove it or allow to overwrite it", path));
  };
  if (!overwrite && PathExists(params_path)) return exists(params_path);
  if (!overwrite && PathExists(vk_path) && !secrets) return exists(vk_path);
  DAMOCLES_RETURN_IF_ERROR(MakeFolders(folder));
  RemoveAbandonedDrafts(folder);

  const groth16::SetupSecrets the_secrets = secrets ? *secrets : groth16::RandomSecrets(random);
  const circuit::PostCircuit constraints(post::PostShapeOf(circuit));
  const std::uint64_t vk_bytes = groth16::VerifyingKeyBytes(CountsOf(circuit));
  Bytes vk;
  groth16::FileDigester digester;
  DAMOCLES_ASSIGN_OR_RETURN(StreamFile file, StreamFile::Create(params_path));
  const groth16::ByteSink sink = [&](ByteSpan bytes) {
    if (vk.size() < vk_bytes) {
      Append(vk, bytes.first(std::min<std::uint64_t>(bytes.size(), vk_bytes - vk.size())));
    }
    digester.Update(bytes);
    return file.Append(bytes);
  };
  DAMOCLES_RETURN_IF_ERROR(
      groth16::MakeParams(constraints, the_secrets, pool, sink, progress).status());
  if (!overwrite && PathExists(vk_path)) {
    DAMOCLES_ASSIGN_OR_RETURN(const std::string present, ReadRegular(vk_path));
    if (!std::ranges::equal(AsBytes(present), vk)) {
      return absl::AlreadyExistsError(absl::StrFormat(
          "%s exists and is of another setup; remove it or take another folder", vk_path));
    }
  }
  const groth16::FileDigests digests = digester.Finish();
  // The mark comes first, bound to the new .vk: until that one is in place, what is there counts as
  // made from known secrets.
  DAMOCLES_RETURN_IF_ERROR(
      WriteMark(store.MetaPath(circuit),
                {.origin = secrets ? ParameterOrigin::kKnownSecrets : ParameterOrigin::kLocal,
                 .sector_bytes = circuit.tree.sector_bytes,
                 .vk_sha256 = ToHex(hash::Sha256Of(vk)),
                 .params_bytes = digests.bytes,
                 .params_blake2b = digests.blake2b}));
  DAMOCLES_RETURN_IF_ERROR(file.Commit());
  return WriteFileAtomically(vk_path, AsText(vk));
}

}  // namespace damocles::params
