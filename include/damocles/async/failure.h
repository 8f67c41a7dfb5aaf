// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The one place where an exception of KJ becomes words.  Its own name conditions and calls of its
// source, for people who debug KJ; an operator reads what happened and what to do.

#pragma once

#include <kj/exception.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace damocles::async {

// Why a connection or a port could not be had, or ended.
enum class Trouble {
  kRefused,        // nothing listens there
  kUnknownName,    // the name has no address
  kTimedOut,       // nobody answers
  kNoRoute,        // no way leads there
  kPortInUse,      // another program listens there
  kNotAllowed,     // this user may not listen there, or a rule forbids the connection
  kNotOurAddress,  // no interface of this machine has it
  kClosed,         // the other end closed the connection
  kOtherProtocol,  // something else answers there
  kNoDescriptors,  // this process has no file descriptors left
  kTooLarge,       // a message is larger than it may be
  kUnknownCall,    // the other end does not know the call
  kOther,
};
Trouble TroubleOf(const kj::Exception& exception);

// What happened and what to do, without a final stop: "nothing listens there (connection refused):
// is it running, and is the port right?".  KJ's own text goes to the log at level debug.
std::string Plainly(const kj::Exception& exception);

// The same behind "`doing`: ", as RESOURCE_EXHAUSTED where a message was too large, else as
// UNAVAILABLE.
absl::Status FailureStatus(const kj::Exception& exception, std::string_view doing);

}  // namespace damocles::async
