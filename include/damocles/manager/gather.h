// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Learns the facts of the self check.  Every question has a limit of time; whoever does not answer,
// or errs, leaves its own facts unlearnt and nobody else's.

#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "damocles/async/offload.h"
#include "damocles/async/task.h"
#include "damocles/base/clock.h"
#include "damocles/chain/api.h"
#include "damocles/manager/facts.h"
#include "damocles/sector/index.h"
#include "damocles/storage/persist_store.h"
#include "damocles/storage/store_look.h"

namespace damocles::manager {

// One node by itself: a client that never goes to another.
struct CheckedNode {
  std::string name;
  bool has_token = false;
  std::unique_ptr<chain::FullNode> api;
};

// A miner of the configuration.
struct CheckedMiner {
  filecoin::ActorId miner{};
  std::vector<filecoin::Address> senders = {};  // as configured; empty: the miner's own
  filecoin::TokenAmount fee_cap = {};           // zero: the node's choice
};

struct GatherLimits {
  absl::Duration call = absl::Seconds(5);           // one question to a node, or to a disk
  absl::Duration look = absl::Seconds(60);          // the deadlines of all miners
  std::size_t missing_sectors_told = 10;            // of a deadline, by number
  absl::Duration workers_after = absl::Seconds(8);  // they need that long to connect
};

// What it looks at; all of it outlives the gatherer.
struct GatherParts {
  kj::Timer& timer;
  const Clock& clock;
  // What may hang runs there.  What it uses must live as long as that may take.
  async::Executor& executor;
  const sector::Index& index;
  const storage::StoreRegistry& stores;
  bool poster = false;
  bool proves_itself = false;
  std::vector<CheckedNode> nodes = {};
  // The rest is asked anew at each look.
  std::function<std::vector<CheckedMiner>()> miners = {};
  std::function<std::vector<worker::Hub::WorkerInfo>()> workers = {};
  // On `executor`:
  std::function<ParameterFacts()> parameters = {};
  std::function<std::vector<std::string>()> readable_secrets = {};
  std::vector<std::pair<std::string, std::string>> disks = {};  // what, path
  storage::StoreLook look_at_store = storage::OneLookAtATime();
};

class Gatherer {
 public:
  explicit Gatherer(GatherParts parts, GatherLimits limits = {});
  ~Gatherer() noexcept;

  // One at a time.
  async::Task<Facts> Gather();
  // From when on it is known which workers there are.
  kj::Promise<void> WorkersHadTime();

 private:
  struct Chain;
  async::Task<void> AskNode(const CheckedNode& node, NodeFacts& facts);
  async::Task<void> AskMiner(chain::FullNode& api, const Chain& chain, CheckedMiner wanted,
                             MinerFacts& facts);
  class AsksAboutSender;
  async::Task<void> AskDeadlines(chain::ChainReader& reader, const Chain& chain, MinerFacts& facts);
  async::Task<void> AskBranches(Facts& facts);
  async::Task<void> AskChain(Facts& facts);
  async::Task<void> AskMachine(Facts& facts);

  template <typename T>
  kj::Promise<absl::StatusOr<T>> Limited(async::Task<absl::StatusOr<T>> task);
  template <typename T>
  kj::Promise<absl::StatusOr<T>> Apart(std::string question,
                                       std::function<absl::StatusOr<T>()> work);

  GatherParts parts_;
  const GatherLimits limits_;
  const kj::TimePoint started_;
  // A dead mount keeps one thread, not one for each look.
  struct Outstanding;
  const std::shared_ptr<Outstanding> outstanding_;
};

}  // namespace damocles::manager
