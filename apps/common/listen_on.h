// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async-io.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"

#include "damocles/async/failure.h"

namespace damocles::cli {

// Opens the port.  UNAVAILABLE says why that cannot be and what to do; `given` is what --listen
// said.
inline absl::StatusOr<kj::Own<kj::ConnectionReceiver>> ListenOn(kj::AsyncIoContext& io,
                                                                const std::string& address,
                                                                std::uint16_t default_port,
                                                                const std::string& given) {
  try {
    return io.provider->getNetwork()
        .parseAddress(address.c_str(), default_port)
        .wait(io.waitScope)
        ->listen();
  } catch (const kj::Exception& exception) {
    return async::FailureStatus(exception, absl::StrFormat("cannot listen on %s", given));
  }
}

}  // namespace damocles::cli
