// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/worker/surroundings.h"

#include <atomic>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "damocles/base/log.h"
#include "damocles/base/patience.h"

namespace damocles::worker {
namespace {

// How long a look waits for stores, and for the digests of parameters.
constexpr absl::Duration kStoresPatience = absl::Seconds(3);
constexpr absl::Duration kParametersPatience = absl::Minutes(1);
}  // namespace

struct Surroundings::Parameters {
  explicit Parameters(prover::LocalProving& of) : proving(of) {}
  prover::LocalProving& proving;
  std::atomic<bool> looking{false};
};

Surroundings::Surroundings(Capabilities fixed, std::map<std::string, std::string> stores,
                           prover::LocalProving& proving)
    : fixed_(std::move(fixed)),
      stores_(std::move(stores)),
      parameters_(std::make_shared<Parameters>(proving)) {}

bool Surroundings::Hangs() const {
  return parameters_->looking;
}

Capabilities Surroundings::Look() {
  Capabilities now = fixed_;
  LookAtParameters(now);
  LookAtStores(now);
  return now;
}

void Surroundings::LookAtStores(Capabilities& now) {
  now.stores.clear();
  std::vector<std::string> paths;
  for (const auto& [name, path] : stores_) paths.push_back(path);
  const auto sights = storage::LookAtStores(paths, kStoresPatience, look_at_store_);
  for (const auto& [name, path] : stores_) {
    const std::string why = storage::DescribeSight(sights.at(path), path);
    if (why.empty()) now.stores.push_back(name);
    std::string& told = told_[name];
    if (why != told && !why.empty()) {
      LogWarning("worker",
                 sights.at(path).condition == storage::StoreCondition::kNotAnswering
                     ? "store_not_answering"
                     : "store_empty",
                 {{"store", name}, {"why", why}, {"effect", "no job of it comes here"}});
    } else if (why != told) {
      LogInfo("worker", "store_is_back", {{"store", name}, {"path", path}});
    }
    told = why;
  }
}

void Surroundings::LookAtParameters(Capabilities& now) {
  std::optional<prover::LocalProving::Keys> keys;
  // A look that hangs is not joined by another each minute.
  if (!parameters_->looking.exchange(true)) {
    keys = Within<prover::LocalProving::Keys>(kParametersPatience, [parameters = parameters_] {
      prover::LocalProving::Keys found = parameters->proving.ProvableKeys();
      parameters->looking = false;
      return found;
    });
  }
  if (keys) {
    keys_ = *std::move(keys);
    parameters_silent_ = false;
  } else if (!std::exchange(parameters_silent_, true)) {
    LogError("params", "folder_not_answering",
             {{"folder", parameters_->proving.Parameters().Folder()}});
  }
  now.verifying_keys = keys_.digests;
  now.practice_types.clear();
  for (const auto& [type, why] : keys_.practice) now.practice_types.push_back(type);
}

}  // namespace damocles::worker
