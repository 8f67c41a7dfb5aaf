// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/sector/store_survey.h"

#include <map>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/status.h"

namespace damocles::sector {

std::string Describe(const StoreFinding& finding) {
  if (!finding.IsMissing()) return "";
  const std::string where =
      finding.sectors == 1
          ? absl::StrFormat("1 sector lies in store \"%s\"", finding.name)
          : absl::StrFormat("%d sectors lie in store \"%s\"", finding.sectors, finding.name);
  if (finding.configured) {
    return absl::StrFormat("%s: %s", where, storage::DescribeSight(finding.sight, finding.path));
  }
  return absl::StrFormat(
      "%s, which is not configured: give it back its entry (and its name) in "
      "[[Common.PersistStores]], or attach the store that has them now (util storage attach)",
      where);
}

absl::StatusOr<std::vector<StoreFinding>> SurveyStores(const Index& index,
                                                       const storage::StoreRegistry& stores,
                                                       absl::Duration patience,
                                                       const storage::StoreLook& look) {
  DAMOCLES_ASSIGN_OR_RETURN(const auto counts, index.CountSectorsIn());
  std::map<std::string, StoreFinding> findings;
  for (const auto& [name, sectors] : counts) {
    findings[name] = {
        .name = name, .path = "", .sectors = sectors, .configured = false, .sight = {}};
  }
  std::vector<std::string> paths;
  for (const storage::PersistStore& store : stores.Stores()) {
    StoreFinding& finding = findings[store.name];
    finding.name = store.name;
    finding.path = store.path;
    finding.configured = true;
    paths.push_back(store.path);
  }
  const auto sights = storage::LookAtStores(paths, patience, look);
  std::vector<StoreFinding> out;
  for (auto& [name, finding] : findings) {
    if (finding.configured) finding.sight = sights.at(finding.path);
    out.push_back(std::move(finding));
  }
  return out;
}

}  // namespace damocles::sector
