// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/rpc/line.h"

#include <algorithm>

#include "lib/rpc/convert.h"

#include "damocles/async/failure.h"

namespace damocles::rpc {
namespace {

constexpr absl::Duration kGateWithin = absl::Seconds(10);

Role ParseRole(std::string_view text) {
  for (const Role role : {Role::kRead, Role::kWorker, Role::kAdmin}) {
    if (RoleName(role) == text) return role;
  }
  return Role::kNone;
}

}  // namespace

async::Task<absl::StatusOr<std::shared_ptr<Line>>> Dial(kj::Network& network, kj::Timer& timer,
                                                        ClientOptions options) {
  using Stream = absl::StatusOr<kj::Own<kj::AsyncIoStream>>;
  const std::string address = options.address;
  const auto failed = [address](kj::Exception&& exception) -> Stream {
    return absl::UnavailableError(absl::StrFormat("cannot connect to the manager at %s: %s",
                                                  address, async::Plainly(exception)));
  };
  kj::Promise<Stream> connecting =
      network.parseAddress(address)
          .then([](kj::Own<kj::NetworkAddress>&& parsed) {
            auto connected = parsed->connect();
            return connected.attach(kj::mv(parsed));
          })
          .then([](kj::Own<kj::AsyncIoStream>&& stream) -> Stream { return kj::mv(stream); },
                failed);
  auto connected = async::Within(timer, async::ToKj(options.connect_timeout), kj::mv(connecting),
                                 absl::UnavailableError(absl::StrFormat(
                                     "cannot connect to the manager at %s: no answer", address)));
  auto stream = co_await kj::mv(connected);
  if (!stream.ok()) co_return stream.status();

  auto line = std::make_shared<Line>();
  line->address = address;
  line->stream = *std::move(stream);
  KeepAlive(*line->stream, options.silence_max);
  line->guarded = kj::heap<GuardedStream>(*line->stream, timer, LimitsOfTheKnown());
  line->network =
      kj::heap<capnp::TwoPartyVatNetwork>(*line->guarded, capnp::rpc::twoparty::Side::CLIENT);
  line->system = kj::heap(capnp::makeRpcClient(*line->network));
  capnp::MallocMessageBuilder message;
  auto vat = message.initRoot<capnp::rpc::twoparty::VatId>();
  vat.setSide(capnp::rpc::twoparty::Side::SERVER);
  auto gate = line->system->bootstrap(vat).castAs<schema::Gate>();
  auto request = gate.openRequest();
  request.setToken(options.token.c_str());
  request.setProtocolVersion(schema::PROTOCOL_VERSION);
  request.setSoftware(options.software.c_str());
  // A manager answers at once; what speaks another protocol may wait for the rest of its own.
  auto response =
      co_await Call(timer, std::min(options.call_timeout, kGateWithin), address, kj::mv(request));
  if (absl::IsUnavailable(response.status())) {
    co_return absl::UnavailableError(
        absl::StrFormat("%s; does a manager listen there, and not another program?",
                        std::string(response.status().message())));
  }
  if (!response.ok()) co_return response.status();
  DAMOCLES_CO_RETURN_IF_ERROR(
      Annotate(Read(response->getStatus()), absl::StrFormat("the manager at %s refused", address)));
  line->role = ParseRole(ToString(response->getRole()));
  line->has_reader = response->hasReader();
  line->has_admin = response->hasAdmin();
  line->has_hub = response->hasWorkerHub();
  if (line->has_reader) line->reader = response->getReader();
  if (line->has_admin) line->admin = response->getAdmin();
  if (line->has_hub) line->hub = response->getWorkerHub();
  co_return line;
}

}  // namespace damocles::rpc
