// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Lists the sectors in a store, with what the chain must know them by, and what is wrong with
// others:
//
//   scan_store FOLDER      (with sealed/ and cache/, as Lotus lays them out)

#include <iostream>
#include <memory>
#include <string>

#include "damocles/base/hex.h"
#include "damocles/merkle/p_aux.h"
#include "damocles/sector/index.h"
#include "damocles/storage/persist_store.h"
#include "damocles/storage/sector_paths.h"
#include "damocles/store/store.h"

namespace {

int Fail(const absl::Status& status) {
  std::cerr << "scan_store: " << status.message() << "\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: scan_store FOLDER\n";
    return 2;
  }
  const damocles::storage::PersistStore store{.name = "store", .path = argv[1]};
  // An index in memory; store::OpenLevelDb makes one that stays.
  const auto rows = damocles::store::OpenMemoryStore();
  const auto index = damocles::sector::Index::Open(*rows);
  if (!index.ok()) return Fail(index.status());
  const auto report = damocles::sector::AttachStore(**index, store, {},
                                                    [](const damocles::sector::AttachProgress&) {});
  if (!report.ok()) return Fail(report.status());
  for (const auto& problem : report->problems) {
    std::cerr << problem.path << ": " << problem.reason << "\n";
  }
  const auto all = (*index)->List(std::nullopt);
  if (!all.ok()) return Fail(all.status());
  for (const auto& row : *all) {
    const std::string cache = damocles::storage::CachePath(store.path, row.sector, row.variant);
    const auto p_aux = damocles::merkle::ReadPAux(cache);
    std::cout << damocles::filecoin::ToString(row.sector) << " "
              << damocles::storage::ReplicaFolder(row.variant) << " "
              << (p_aux.ok() ? damocles::ToHex(damocles::bls12_381::ToBytesLe(p_aux->CommR()))
                             : std::string(p_aux.status().message()))
              << "\n";
  }
  std::cout << all->size() << " sectors, " << report->problems.size() << " problems\n";
  return report->problems.empty() ? 0 : 1;
}
