// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/prover/parameter_store.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/prover/stream_file.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/circuit/post_circuit.h"
#include "damocles/hash/sha256.h"
#include "damocles/post/circuit.h"
#include "damocles/post/parameter_id.h"

namespace damocles::prover {
namespace {

constexpr char kOriginMember[] = "origin";
constexpr char kOriginLocal[] = "local";
constexpr char kOriginKnownSecrets[] = "known-secrets";

std::string InFolder(const std::string& folder, const std::string& name) {
  return (std::filesystem::path(folder) / name).string();
}

groth16::QueryCounts CountsOf(const post::CircuitShape& circuit) {
  return groth16::ExpectedCounts(circuit::CircuitCounts(post::PostShapeOf(circuit)));
}

// A missing file is a state to mend, not a look-up that failed.
absl::Status MissingFile(const absl::Status& status, const std::string& path) {
  if (!absl::IsNotFound(status)) return status;
  return absl::FailedPreconditionError(absl::StrFormat(
      "parameter file %s is missing; fetch it, make it with damocles-prover setup, or name the "
      "right folder in FIL_PROOFS_PARAMETER_CACHE",
      path));
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

absl::StatusOr<std::shared_ptr<const groth16::ParamsFile>> ParameterStore::LoadParams(
    const post::CircuitShape& circuit) {
  const std::string path = ParamsPath(circuit);
  auto& slot = params_[path];
  if (slot != nullptr) return slot;
  auto params = groth16::ParamsFile::Open(path, CountsOf(circuit));
  if (!params.ok()) return MissingFile(params.status(), path);
  if (PathExists(VkPath(circuit))) {
    DAMOCLES_ASSIGN_OR_RETURN(const std::string vk, ReadFile(VkPath(circuit)));
    if (!std::ranges::equal(AsBytes(vk), (*params)->Layout().vk)) {
      return absl::DataLossError(absl::StrFormat(
          "%s and %s are of different setups; fetch or make both again", path, VkPath(circuit)));
    }
  }
  slot = *std::move(params);
  return slot;
}

absl::StatusOr<std::shared_ptr<const LoadedVk>> ParameterStore::LoadVk(
    const post::CircuitShape& circuit) {
  const std::string path = VkPath(circuit);
  auto& slot = vks_[path];
  if (slot != nullptr) return slot;
  if (!PathExists(path) && PathExists(ParamsPath(circuit))) {
    DAMOCLES_ASSIGN_OR_RETURN(const auto params, LoadParams(circuit));
    const absl::Status written = WriteFileAtomically(path, AsText(params->Layout().vk));
    if (!written.ok()) {
      // The folder may be read only: the copy in memory serves as well.
      LogWarning("prover", "vk_not_written", {{"path", path}, {"error", written}});
      slot = std::make_shared<const LoadedVk>(LoadedVk{
          path, ToHex(hash::Sha256Of(params->Layout().vk)), groth16::Verifier(params->Key())});
      return slot;
    }
  }
  const auto content = ReadFile(path);
  if (!content.ok()) return MissingFile(content.status(), path);
  auto key = groth16::ReadVerifyingKey(AsBytes(*content), CountsOf(circuit).ic);
  if (!key.ok()) {
    return absl::DataLossError(absl::StrFormat("%s: %s; fetch or make the file again", path,
                                               std::string(key.status().message())));
  }
  slot = std::make_shared<const LoadedVk>(
      LoadedVk{path, ToHex(hash::Sha256Of(AsBytes(*content))), groth16::Verifier(*std::move(key))});
  return slot;
}

ParameterOrigin ParameterStore::Origin(const post::CircuitShape& circuit) const {
  const auto text = ReadFile(MetaPath(circuit));
  if (!text.ok()) return ParameterOrigin::kUnmarked;
  const nlohmann::json meta = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!meta.is_object() || !meta.contains(kOriginMember)) return ParameterOrigin::kUnmarked;
  // Anything but a plain "local" is taken for the worse.
  return meta[kOriginMember] == kOriginLocal ? ParameterOrigin::kLocal
                                             : ParameterOrigin::kKnownSecrets;
}

absl::Status MakeParameterFiles(const std::string& folder, const post::CircuitShape& circuit,
                                const std::optional<groth16::SetupSecrets>& secrets, Random& random,
                                ThreadPool& pool, bool overwrite,
                                const std::function<void(std::string_view)>& progress) {
  const ParameterStore store(folder);
  const std::string params_path = store.ParamsPath(circuit);
  for (const std::string& path : {params_path, store.VkPath(circuit)}) {
    if (PathExists(path) && !overwrite) {
      return absl::AlreadyExistsError(
          absl::StrFormat("%s exists; remove it or allow to overwrite it", path));
    }
  }
  DAMOCLES_RETURN_IF_ERROR(MakeFolders(folder));
  // The mark comes first: never an unmarked file, whenever the power fails.
  const nlohmann::json meta = {{"sector_size", circuit.tree.sector_bytes},
                               {kOriginMember, secrets ? kOriginKnownSecrets : kOriginLocal}};
  DAMOCLES_RETURN_IF_ERROR(WriteFileAtomically(store.MetaPath(circuit), meta.dump()));

  const groth16::SetupSecrets the_secrets = secrets ? *secrets : groth16::RandomSecrets(random);
  const circuit::PostCircuit constraints(post::PostShapeOf(circuit));
  const std::uint64_t vk_bytes = groth16::VerifyingKeyBytes(CountsOf(circuit));
  Bytes vk;
  DAMOCLES_ASSIGN_OR_RETURN(StreamFile file, StreamFile::Create(params_path));
  const groth16::ByteSink sink = [&](ByteSpan bytes) {
    if (vk.size() < vk_bytes) {
      Append(vk, bytes.first(std::min<std::uint64_t>(bytes.size(), vk_bytes - vk.size())));
    }
    return file.Append(bytes);
  };
  DAMOCLES_RETURN_IF_ERROR(
      groth16::MakeParams(constraints, the_secrets, pool, sink, progress).status());
  DAMOCLES_RETURN_IF_ERROR(file.Commit());
  return WriteFileAtomically(store.VkPath(circuit), AsText(vk));
}

}  // namespace damocles::prover
