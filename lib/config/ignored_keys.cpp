// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/config/ignored_keys.h"

namespace damocles::config {
namespace {

struct PublishedKey {
  std::string_view table;  // as TableReader::Path
  std::string_view key;
  std::string_view hint = {};
};

// The versions are those whose defaults have the key; it was read longer than that as a rule.
constexpr PublishedKey kPublished[] = {
    // sector-manager.cfg
    {"Common.API", "Messager"},     // 0.1.1 to 0.13
    {"Common.API", "Market"},       // 0.1.1 to 0.13
    {"Common", "PieceStores"},      // 0.1.1 to 0.13
    {"Common", "MongoKVStore"},     // 0.5
    {"Common", "Plugins"},          // 0.6 to 0.13
    {"Common", "DB"},               // 0.6 to 0.13
    {"Common", "PieceStorePreset",  // 0.8 to 0.9.0-rc5
     "stores of the file that its StorageConfigPath names must stand here, each as "
     "[[Common.PersistStores]]"},
    {"Miners", "Sector"},      // 0.1.1 to 0.13
    {"Miners", "Commitment"},  // 0.1.1 to 0.13
    {"Miners", "Deal"},        // 0.1.1 and 0.1.2
    {"Miners", "SnapUp"},      // 0.1.2 to 0.13
    {"Miners", "Sealing"},     // 0.5 to 0.13
    {"Miners.PoSt", "MaxFee",  // 0.4.0 to 0.4.2
     "what a message may cost follows from GasFeeCap and MaxGasFeeCap, the prices of a unit of "
     "gas"},
    // The worker's file
    {"worker", "local_pieces_dir"},            // 0.5 to 0.13
    {"worker", "local_pieces_dirs"},           // 0.7 to 0.13
    {"sector_manager", "piece_token"},         // 0.1.1 to 0.13
    {"sector_manager.rpc_client", "headers"},  // 0.1.1 to 0.13
    {"", "attached_selection"},                // 0.2 to 0.4.0
    {"sealing", "enable_deals"},               // 0.1.1 to 0.13
    {"sealing", "max_deals"},                  // 0.1.1 to 0.13
    {"sealing", "disable_cc"},                 // 0.3 to 0.13
    {"sealing", "min_deal_space"},             // 0.3 to 0.13
    {"sealing", "max_retries"},                // 0.1.1 to 0.13
    {"sealing", "seal_interval"},              // 0.1.1 to 0.13
    {"sealing", "rpc_polling_interval"},       // 0.1.1 to 0.13
    {"sealing", "ignore_proof_check"},         // 0.1.1 to 0.13
    {"sealing", "request_task_max_retries"},   // 0.5 to 0.13
    {"sealing", "verify_after_pc2"},           // 0.10 to 0.13
    {"processors", "static_tree_d"},           // 0.1.1 to 0.13
    {"processors", "add_pieces"},              // 0.4 to 0.13
    {"processors", "tree_d"},                  // 0.1.1 to 0.13
    {"processors", "pc1"},                     // 0.1.1 to 0.13
    {"processors", "pc2"},                     // 0.1.1 to 0.13
    {"processors", "c2"},                      // 0.1.1 to 0.13
    {"processors", "snap_encode"},             // 0.1.1 to 0.13
    {"processors", "snap_prove"},              // 0.1.1 to 0.13
    {"processors", "transfer"},                // 0.4 to 0.13
    {"processors", "unseal"},                  // 0.7 to 0.13
    {"processors", "sealing_daemons"},         // 0.11 to 0.13
    {"processors.window_post", "weight"},      // 0.3 to 0.8.4
    {"processors.winning_post", "weight"},
};

// Stages that [processors.limit], [processors.limitation.concurrent] and .staggered may name.
constexpr std::string_view kStages[] = {"add_pieces", "tree_d",         "pc1",        "pc2",
                                        "c2",         "snap_encode",    "snap_prove", "transfer",
                                        "unseal",     "sealing_daemons"};

bool IsLimit(std::string_view table) {
  return table == "processors.limit" || table == "processors.limitation.concurrent" ||
         table == "processors.limitation.staggered";
}

}  // namespace

void IgnorePublished(TableReader& table) {
  // A thread overrides what [sealing] says for all.
  const std::string_view path =
      table.Path() == "sealing_thread.sealing" ? "sealing" : std::string_view(table.Path());
  for (const PublishedKey& published : kPublished) {
    if (published.table == path) table.Ignore(published.key, published.hint);
  }
  if (IsLimit(path)) {
    for (const std::string_view stage : kStages) table.Ignore(stage);
  }
}

}  // namespace damocles::config
