// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/rpc/server.h"

#include <arpa/inet.h>
#include <capnp/rpc-twoparty.h>
#include <kj/debug.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/rpc/admin_service.h"
#include "lib/rpc/convert.h"
#include "lib/rpc/worker_service.h"

#include "damocles/base/log.h"

namespace damocles::rpc {
namespace {

// After an accept that failed.
constexpr kj::Duration kAcceptPause = 1 * kj::SECONDS;

struct Peer {
  std::string text = "unknown";
  bool loopback = false;
};

Peer PeerOf(kj::AsyncIoStream& stream) {
  sockaddr_storage address{};
  kj::uint length = sizeof(address);
  Peer peer;
  try {
    stream.getpeername(reinterpret_cast<sockaddr*>(&address), &length);
  } catch (const kj::Exception&) {
    return peer;  // not a socket, or gone already: nothing is granted for it
  }
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
    peer.text = absl::StrFormat("%s:%d", text, ntohs(v4.sin_port));
    peer.loopback = (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
  } else if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
    peer.text = absl::StrFormat("[%s]:%d", text, ntohs(v6.sin6_port));
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) != 0;
    peer.loopback =
        IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) != 0 || (mapped && v6.sin6_addr.s6_addr[12] == 127);
  }
  return peer;
}

}  // namespace

std::string RoleName(Role role) {
  switch (role) {
    case Role::kNone:
      return "none";
    case Role::kRead:
      return "read";
    case Role::kWorker:
      return "worker";
    case Role::kAdmin:
      return "admin";
  }
  return "none";
}

bool IsLoopback(kj::AsyncIoStream& stream) {
  return PeerOf(stream).loopback;
}

struct Server::State final : private kj::TaskSet::ErrorHandler {
  State(job::Queue& queue, worker::Hub* worker_hub, Backend& backend, Authorize judge,
        kj::Timer& server_timer, ServerLimits server_limits)
      : services{.queue = queue,
                 .worker_hub = worker_hub,
                 .backend = backend,
                 .takes_workers = server_limits.takes_workers,
                 .wall = *server_limits.wall},
        authorize(std::move(judge)),
        timer(server_timer),
        limits(server_limits),
        tasks(*this) {}

  void taskFailed(kj::Exception&& exception) override {
    LogWarning("rpc", "connection_failed",
               {{"error", std::string(exception.getDescription().cStr())}});
  }

  AdminServices services;
  Authorize authorize;
  kj::Timer& timer;
  ServerLimits limits;
  std::size_t connections = 0;
  kj::TaskSet tasks;
};

namespace {

class GateServer final : public schema::Gate::Server {
 public:
  GateServer(const AdminServices& services, const Authorize& authorize, Peer peer,
             std::shared_ptr<bool> opened)
      : services_(services),
        authorize_(authorize),
        peer_(std::move(peer)),
        opened_(std::move(opened)) {}

  kj::Promise<void> open(OpenContext context) override {
    const auto params = context.getParams();
    auto results = context.getResults();
    const auto role = Judge(params);
    Write(role.status(), results.initStatus());
    if (!role.ok()) {
      LogWarning("rpc", "refused", {{"peer", peer_.text}, {"reason", role.status()}});
      return kj::READY_NOW;
    }
    *opened_ = true;
    results.setRole(RoleName(*role).c_str());
    if (*role == Role::kRead) results.setReader(MakeReader(services_, peer_.text));
    if (*role == Role::kAdmin) {
      auto admin = MakeAdmin(services_, peer_.text);
      results.setReader(admin);
      results.setAdmin(kj::mv(admin));
    }
    if ((*role == Role::kWorker || *role == Role::kAdmin) && services_.takes_workers &&
        services_.worker_hub != nullptr) {
      results.setWorkerHub(MakeWorkerHub(*services_.worker_hub, services_.wall, peer_.text));
    }
    return kj::READY_NOW;
  }

 private:
  absl::StatusOr<Role> Judge(schema::Gate::OpenParams::Reader params) const {
    if (params.getProtocolVersion() != schema::PROTOCOL_VERSION) {
      return absl::FailedPreconditionError(absl::StrFormat(
          "this manager speaks protocol version %d, the peer (%s) version %d: use the same release",
          schema::PROTOCOL_VERSION, ToString(params.getSoftware()), params.getProtocolVersion()));
    }
    const auto token = params.getToken();
    return authorize_(std::string_view(token.begin(), token.size()), peer_.loopback);
  }

  const AdminServices& services_;
  const Authorize& authorize_;
  const Peer peer_;
  const std::shared_ptr<bool> opened_;
};

kj::Promise<void> Talk(kj::Own<kj::AsyncIoStream> stream, const AdminServices& services,
                       const Authorize& authorize, kj::Timer& timer, absl::Duration open_within) {
  Peer peer = PeerOf(*stream);
  // A peer that vanishes without a word must not be kept for ever.
  int on = 1;
  try {
    stream->setsockopt(SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  } catch (const kj::Exception&) {
    LogDebug("rpc", "no_keepalive", {{"peer", peer.text}});  // a pipe in a test
  }
  const std::string name = peer.text;
  const auto opened = std::make_shared<bool>(false);
  auto network = kj::heap<capnp::TwoPartyVatNetwork>(*stream, capnp::rpc::twoparty::Side::SERVER);
  auto system = kj::heap(capnp::makeRpcServer(
      *network, kj::heap<GateServer>(services, authorize, std::move(peer), opened)));
  // Until the gate is open the clock runs; afterwards the connection lives as long as it lives.
  auto too_late = timer.afterDelay(absl::ToInt64Milliseconds(open_within) * kj::MILLISECONDS)
                      .then([name, opened]() -> kj::Promise<void> {
                        if (*opened) return kj::NEVER_DONE;
                        LogWarning("rpc", "closed",
                                   {{"peer", name}, {"reason", "the gate was not opened in time"}});
                        return kj::READY_NOW;
                      });
  auto ended = network->onDisconnect().exclusiveJoin(kj::mv(too_late));
  // One by one: what is attached first goes first, and each uses the next.
  return ended.attach(kj::mv(system)).attach(kj::mv(network)).attach(kj::mv(stream));
}

}  // namespace

Server::Server(job::Queue& queue, worker::Hub* worker_hub, Backend& backend, Authorize authorize,
               kj::Timer& timer, ServerLimits limits)
    : state_(kj::heap<State>(queue, worker_hub, backend, std::move(authorize), timer, limits)) {}

Server::~Server() noexcept = default;

std::size_t Server::Connections() const {
  return state_->connections;
}

void Server::Take(kj::Own<kj::AsyncIoStream> stream) {
  if (state_->connections >= state_->limits.connections_max) {
    LogWarning("rpc", "refused",
               {{"reason", "too many connections"}, {"limit", state_->limits.connections_max}});
    return;
  }
  ++state_->connections;
  state_->tasks.add(Talk(kj::mv(stream), state_->services, state_->authorize, state_->timer,
                         state_->limits.open_within)
                        .attach(kj::defer([state = state_.get()] { --state->connections; })));
}

kj::Promise<void> Server::Serve(kj::Own<kj::ConnectionReceiver> receiver) {
  return ServeOn(kj::mv(receiver)).ToPromise();
}

async::Task<void> Server::ServeOn(kj::Own<kj::ConnectionReceiver> receiver) {
  while (true) {
    using Accepted = kj::Maybe<kj::Own<kj::AsyncIoStream>>;
    auto accepting = receiver->accept().then(
        [](kj::Own<kj::AsyncIoStream>&& stream) -> Accepted { return kj::mv(stream); },
        [](kj::Exception&& exception) -> Accepted {
          // No descriptor is left, say: those who are connected will go, and the rest must find us
          // listening.
          LogError(
              "rpc", "accept_failed",
              {{"error", std::string(exception.getDescription().cStr())}, {"now", "trying again"}});
          return nullptr;
        });
    Accepted accepted = co_await kj::mv(accepting);
    KJ_IF_MAYBE (stream, accepted) {
      Take(kj::mv(*stream));
    } else {
      co_await state_->timer.afterDelay(kAcceptPause);
    }
  }
}

std::size_t ServerLimits::ConnectionsFor(std::uint64_t descriptors) {
  constexpr std::uint64_t kMost = 1024;
  return static_cast<std::size_t>(std::clamp<std::uint64_t>(descriptors / 2, 1, kMost));
}

}  // namespace damocles::rpc
