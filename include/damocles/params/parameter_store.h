// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The folder of parameter files (docs/formats/params.md), opened as they are needed.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/mutex.h"
#include "damocles/base/random.h"
#include "damocles/base/thread_pool.h"
#include "damocles/groth16/params.h"
#include "damocles/groth16/setup.h"
#include "damocles/groth16/verifier.h"
#include "damocles/post/types.h"

namespace damocles::params {

// Who made a circuit's parameters, by the digest of the .vk and the .meta file beside it.
enum class ParameterOrigin {
  kPublished,     // the .vk is the network's own
  kUnmarked,      // another one, not by this software
  kLocal,         // a setup on one machine whose secrets were thrown away
  kKnownSecrets,  // a setup with secrets from a file: anybody who has it can make false proofs; or
                  // the mark is not of this .vk, so that nothing is known of it
};

// A verifying key, ready for use.
struct LoadedVk {
  std::string path;
  std::string sha256;   // of the .vk file, hexadecimal
  std::string blake2b;  // as in the network's list of published files (groth16::FileDigests)
  groth16::Verifier verifier;
};

// Safe to call from any thread.
class ParameterStore {
 public:
  explicit ParameterStore(std::string folder);

  // FIL_PROOFS_PARAMETER_CACHE, else /var/tmp/filecoin-proof-parameters/.
  static std::string DefaultFolder();

  const std::string& Folder() const { return folder_; }
  std::string ParamsPath(const post::CircuitShape& circuit) const;
  std::string VkPath(const post::CircuitShape& circuit) const;
  std::string MetaPath(const post::CircuitShape& circuit) const;

  // The proving key, checked against the circuit, and kept open.  FAILED_PRECONDITION if the file
  // is missing, DATA_LOSS if it is damaged or not that of the .vk; both name the file.
  absl::StatusOr<std::shared_ptr<const groth16::ParamsFile>> Params(
      const post::CircuitShape& circuit);

  // The verifying key, kept in memory.  A missing .vk is cut from the .params if that is there.
  // Statuses as above.
  absl::StatusOr<std::shared_ptr<const LoadedVk>> Vk(const post::CircuitShape& circuit);

  // Reads both files of the circuit anew at their next use: memory may have changed under what is
  // kept.  What was handed out stays as it is.
  void Forget(const post::CircuitShape& circuit);

  // Statuses as Vk.
  absl::StatusOr<ParameterOrigin> Origin(const post::CircuitShape& circuit);

  // Whether proofs may be made and believed with this circuit's key on a network that is no devnet.
  // FAILED_PRECONDITION says which file, why not and what to do: the .vk differs from the published
  // one, or, for a circuit without a published one, its secrets are known.  Else statuses as Vk.
  absl::Status CheckFitForNetwork(const post::CircuitShape& circuit);

 private:
  absl::StatusOr<std::shared_ptr<const LoadedVk>> LoadVk(const post::CircuitShape& circuit)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::shared_ptr<const groth16::ParamsFile>> LoadParams(
      const post::CircuitShape& circuit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string folder_;
  Mutex mutex_;
  // By file name, which stands for the circuit.
  std::map<std::string, std::shared_ptr<const groth16::ParamsFile>> params_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<const LoadedVk>> vks_ ABSL_GUARDED_BY(mutex_);
};

// Makes .params, .vk and .meta of a circuit in the folder, which is made if absent; each file
// appears in one step and none before all are computed.  Existing files are replaced only if
// `overwrite`, else ALREADY_EXISTS; but a .vk alone that `secrets` lead to as well gets its
// .params. Killed between two files, what is there counts as kKnownSecrets.  `secrets` absent:
// drawn from `random` and thrown away.  INVALID_ARGUMENT for a circuit or secrets that cannot be.
// Leftovers of setups that were killed are removed.
absl::Status MakeParameterFiles(const std::string& folder, const post::CircuitShape& circuit,
                                const std::optional<groth16::SetupSecrets>& secrets, Random& random,
                                ThreadPool& pool, bool overwrite,
                                const std::function<void(std::string_view)>& progress = {});

// What is known of one circuit's files in a folder.
struct ParameterReport {
  std::string file;  // name of the .params or .vk file
  bool is_vk = false;
  std::string verdict;      // "published", "local" or "corrupt: why"
  std::string sector_size;  // "2KiB"; empty for a file whose circuit is not the network's
  std::string kind;         // "window", "winning" or empty
  std::uint64_t bytes = 0;
  groth16::QueryCounts counts;  // of a .vk only ic
  std::string sha256;
  std::string blake2b;
};

// Looks at one file named as in the folder, or at all such files of a folder.  Digests are computed
// always, and compared with the published ones and with what the setup wrote into .meta.
// `all_points`: of files that are not published, also check that every point is on its curve and in
// its subgroup (decodes the whole file).  What cannot be read is "corrupt" too.  NOT_FOUND if the
// path does not exist.
absl::StatusOr<std::vector<ParameterReport>> InspectParameters(const std::string& path,
                                                               bool all_points, ThreadPool& pool);

}  // namespace damocles::params
