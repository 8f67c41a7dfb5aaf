// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the self check looks at in this program.

#pragma once

#include <kj/timer.h>

#include <string>

#include "absl/status/statusor.h"

#include "damocles/async/offload.h"
#include "damocles/config/manager.h"
#include "damocles/manager/chain_client.h"
#include "damocles/manager/gather.h"
#include "damocles/manager/home.h"
#include "damocles/sector/index.h"
#include "damocles/storage/persist_store.h"
#include "damocles/storage/store_look.h"
#include "damocles/worker/hub.h"

namespace damocles::manager {

// All of it outlives the parts that are made of it.
struct CheckedParts {
  kj::Timer& timer;
  async::Executor& executor;
  const Home& home;
  const config::ManagerConfig& config;  // as it is in force, reloads included
  const sector::Index& index;
  const storage::StoreRegistry& stores;
  storage::StoreLook look_at_store;
  const worker::Hub& hub;
  std::string params_dir;
  ChainClient* chain = nullptr;  // null: this manager does not post
  bool proves_itself = false;
};

absl::StatusOr<GatherParts> MakeGatherParts(CheckedParts parts);

}  // namespace damocles::manager
