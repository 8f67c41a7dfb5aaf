// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/async/task.h"

namespace damocles::async::internal {

kj::Exception CurrentException() {
  try {
    throw;
  } catch (kj::Exception& exception) {
    return kj::mv(exception);
  } catch (const std::exception& exception) {
    return kj::Exception(kj::Exception::Type::FAILED, __FILE__, __LINE__,
                         kj::str("std::exception: ", exception.what()));
  } catch (...) {
    return kj::Exception(kj::Exception::Type::FAILED, __FILE__, __LINE__,
                         kj::str("an exception of unknown type"));
  }
}

}  // namespace damocles::async::internal
