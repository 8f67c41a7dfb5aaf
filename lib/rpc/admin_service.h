// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <string>

#include "manager.capnp.h"

#include "damocles/job/queue.h"
#include "damocles/rpc/server.h"

namespace damocles::rpc {

struct AdminServices {
  job::Queue& queue;
  worker::Hub* worker_hub;  // may be null
  Backend& backend;
  bool takes_workers;
  const Clock& wall;
};

// The two views of a manager.  `services` outlives the capabilities; `peer` is who holds them, for
// the log.
schema::Reader::Client MakeReader(const AdminServices& services, std::string peer);
schema::Admin::Client MakeAdmin(const AdminServices& services, std::string peer);

}  // namespace damocles::rpc
