// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <kj/timer.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "lib/rpc/guarded_stream.h"
#include "manager.capnp.h"

#include "damocles/async/duration.h"
#include "damocles/async/task.h"
#include "damocles/async/timeout.h"
#include "damocles/base/status.h"
#include "damocles/rpc/client.h"
#include "damocles/rpc/status.h"

namespace damocles::rpc {

// A connection with its open gate.  Shared by all that use it.
struct Line {
  kj::Own<kj::AsyncIoStream> stream;
  kj::Own<GuardedStream> guarded;
  kj::Own<capnp::TwoPartyVatNetwork> network;
  kj::Own<capnp::RpcSystem<capnp::rpc::twoparty::VatId>> system;
  std::string address;
  Role role = Role::kNone;
  schema::Reader::Client reader = nullptr;
  schema::Admin::Client admin = nullptr;
  schema::WorkerHub::Client hub = nullptr;
  bool has_reader = false;
  bool has_admin = false;
  bool has_hub = false;
  ~Line() noexcept {}  // NOLINT(modernize-use-equals-default): KJ's destructors may throw
};

// Connects and shows the token.  UNAVAILABLE: nobody answers in time, or another program does.
async::Task<absl::StatusOr<std::shared_ptr<Line>>> Dial(kj::Network& network, kj::Timer& timer,
                                                        ClientOptions options);

// An exception becomes a status.
template <typename Response>
kj::Promise<absl::StatusOr<Response>> Answered(kj::Promise<Response> sent, std::string address) {
  using Outcome = absl::StatusOr<Response>;
  return sent.then([](Response&& response) -> Outcome { return Outcome(kj::mv(response)); },
                   [address](kj::Exception&& exception) -> Outcome {
                     return Annotate(ToStatus(exception), absl::StrFormat("manager %s", address));
                   });
}

// Sends and waits at most `timeout`.
template <typename Request>
auto Call(kj::Timer& timer, absl::Duration timeout, std::string address, Request request)
    -> kj::Promise<absl::StatusOr<decltype(request.send().wait(std::declval<kj::WaitScope&>()))>> {
  using Response = decltype(request.send().wait(std::declval<kj::WaitScope&>()));
  const absl::Status late = absl::UnavailableError(
      absl::StrFormat("manager %s: no answer within %s", address, absl::FormatDuration(timeout)));
  return async::Within(timer, async::ToKj(timeout),
                       Answered<Response>(request.send(), std::move(address)), late);
}

}  // namespace damocles::rpc
