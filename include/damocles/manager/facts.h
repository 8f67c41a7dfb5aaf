// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the self check learns of everything that a window will need.  A fact may be one that could
// not be learnt: then it is the reason why.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/filecoin/address.h"
#include "damocles/filecoin/block.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/sector.h"
#include "damocles/filecoin/token_amount.h"
#include "damocles/poster/senders.h"
#include "damocles/sector/store_survey.h"
#include "damocles/storage/persist_store.h"
#include "damocles/worker/hub.h"

namespace damocles::manager {

template <typename T>
using Fact = absl::StatusOr<T>;

// Of what nobody has asked for yet.
inline absl::Status NotAsked() {
  return absl::CancelledError("it was not asked for");
}

struct HeadFact {
  filecoin::ChainEpoch epoch{};
  absl::Time time;  // of the tipset, by the chain
  filecoin::BigInt weight = {};
};

// One node of the configuration.
struct NodeFacts {
  std::string name;  // "host:port"
  bool has_token = false;
  // OK: it answers what anybody may ask.
  absl::Status answers = NotAsked();
  Fact<HeadFact> head = NotAsked();
  absl::Duration epoch_length = absl::ZeroDuration();  // zero: not known
  Fact<std::string> network = NotAsked();
  Fact<std::uint32_t> network_version = NotAsked();
  // Of several nodes: its tipset at an epoch that all of them should agree about.
  Fact<filecoin::TipSetKey> settled = NotAsked();
  // How far its own synchronisation is behind what it has heard of; 0: not at all.
  Fact<std::int64_t> epochs_to_sync = NotAsked();
  // PERMISSION_DENIED: the token lacks the right; UNIMPLEMENTED: the node has no such method.
  absl::Status may_push = NotAsked();
  absl::Status may_sign = NotAsked();
};

// An address that may send, or that the configuration names as a sender: as the poster would see
// it, but for the wallet.  There it is the one of the node in use, here the one of each node.
struct CheckedSender {
  poster::SenderFacts facts;
  std::map<std::string, Fact<bool>> in_wallet = {};  // by name of the node
};

struct DeadlineFacts {
  std::uint64_t index = 0;
  std::uint64_t live = 0;
  std::uint64_t missing_count = 0;              // live sectors that the index does not have
  std::uint64_t missing_faulty = 0;             // of these, faulty already
  std::vector<filecoin::SectorNumber> missing;  // the first of them
  std::set<std::string> stores;                 // that hold the others
};

struct MinerFacts {
  filecoin::ActorId miner{};
  filecoin::TokenAmount fee_cap;  // of a message, a unit of gas
  // NOT_FOUND: there is no such miner on this chain.
  Fact<filecoin::PoStProofType> proof_type = NotAsked();  // of version 1.1
  std::vector<CheckedSender> senders = {};
  // Those that open next come first; `deadlines_total` on chain, less if time ran out.
  Fact<std::vector<DeadlineFacts>> deadlines = NotAsked();
  std::uint64_t deadlines_total = 0;
};

// Which proof types can be verified and proven on this machine.
struct ParameterFacts {
  std::string folder;
  std::set<filecoin::PoStProofType> verifiable;
  std::set<filecoin::PoStProofType> provable;
};

struct DiskFact {
  std::string what;  // "the home", "the database"
  std::string path;
  Fact<storage::Space> space = NotAsked();
};

struct Facts {
  absl::Time now;
  bool poster = false;         // whether this manager posts: without, no node is asked
  bool proves_itself = false;  // local mode
  std::vector<NodeFacts> nodes = {};
  filecoin::TokenAmount base_fee = {};
  std::vector<MinerFacts> miners = {};
  Fact<std::vector<sector::StoreFinding>> stores = NotAsked();
  Fact<ParameterFacts> parameters = NotAsked();
  // UNAVAILABLE while workers have had no time to connect.
  Fact<std::vector<worker::Hub::WorkerInfo>> workers = NotAsked();
  std::vector<DiskFact> disks = {};
  std::vector<std::string> readable_secrets = {};  // files with a token that others may read
};

}  // namespace damocles::manager
