// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/rpc/status.h"

#include <kj/debug.h>

#include <string>

#include "damocles/async/failure.h"

namespace damocles::rpc {

absl::Status ToStatus(const kj::Exception& exception) {
  const std::string message = async::Plainly(exception);
  switch (exception.getType()) {
    case kj::Exception::Type::OVERLOADED:
      return absl::ResourceExhaustedError(message);
    case kj::Exception::Type::DISCONNECTED:
      return absl::UnavailableError(message);
    case kj::Exception::Type::UNIMPLEMENTED:
      return absl::UnimplementedError(message);
    case kj::Exception::Type::FAILED:
      break;
  }
  return absl::InternalError(message);
}

kj::Exception ToException(const absl::Status& status) {
  const auto type = absl::IsUnavailable(status)         ? kj::Exception::Type::DISCONNECTED
                    : absl::IsResourceExhausted(status) ? kj::Exception::Type::OVERLOADED
                    : absl::IsUnimplemented(status)     ? kj::Exception::Type::UNIMPLEMENTED
                                                        : kj::Exception::Type::FAILED;
  return kj::Exception(type, __FILE__, __LINE__, kj::heapString(status.ToString().c_str()));
}

}  // namespace damocles::rpc
