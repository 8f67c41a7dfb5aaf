// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What a worker can do just now: parameters may be copied to it, disks mounted and lost, while it
// runs.

#pragma once

#include <map>
#include <memory>
#include <string>

#include "damocles/prover/local_proving.h"
#include "damocles/storage/store_look.h"
#include "damocles/worker/session.h"

namespace damocles::worker {

// Nothing of it waits for a file system that does not answer.
class Surroundings {
 public:
  // `fixed`: what never changes while this process lives.  `stores`: folders by name.  `proving`
  // outlives every look, also one that hangs.
  Surroundings(Capabilities fixed, std::map<std::string, std::string> stores,
               prover::LocalProving& proving);

  // The fixed part, with the keys whose parameters are here and the stores that show sectors.  A
  // store that shows none, or does again, is said in the log once.  On one thread at a time.
  Capabilities Look();

  // A look at the parameters hangs: it uses `proving` and cannot be waited for.
  bool Hangs() const;

 private:
  struct Parameters;  // owned by the thread that looks, too
  void LookAtParameters(Capabilities& now);
  void LookAtStores(Capabilities& now);

  const Capabilities fixed_;
  const std::map<std::string, std::string> stores_;
  const std::shared_ptr<Parameters> parameters_;
  prover::LocalProving::Keys keys_;
  bool parameters_silent_ = false;
  const storage::StoreLook look_at_store_ = storage::OneLookAtATime();
  std::map<std::string, std::string> told_;  // by store: why nothing of it is seen
};

}  // namespace damocles::worker
