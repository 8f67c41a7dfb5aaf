// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <string>

#include "job.capnp.h"

#include "damocles/base/clock.h"
#include "damocles/worker/hub.h"

namespace damocles::rpc {

// What the worker role gets.  `hub` outlives the capability and all its sessions.
schema::WorkerHub::Client MakeWorkerHub(worker::Hub& hub, const Clock& wall, std::string peer);

}  // namespace damocles::rpc
