// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/rpc/server.h"

#include <arpa/inet.h>
#include <capnp/rpc-twoparty.h>
#include <kj/debug.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "lib/rpc/admin_service.h"
#include "lib/rpc/convert.h"
#include "lib/rpc/guarded_stream.h"
#include "lib/rpc/log_budget.h"
#include "lib/rpc/worker_service.h"

#include "damocles/async/duration.h"
#include "damocles/base/endpoint.h"
#include "damocles/base/log.h"
#include "damocles/base/text.h"

namespace damocles::rpc {
namespace {

// After an accept that failed.
constexpr kj::Duration kAcceptPause = 1 * kj::SECONDS;
// Of all calls of one peer that are not answered yet: two of the largest.
constexpr std::size_t kFlowWordsMax = std::size_t{16} << 20;

// Between the refusal of a peer and the end of its connection: the answer must reach it.
constexpr kj::Duration kLastWords = 1 * kj::SECONDS;
// Of what a peer says of itself, where it is repeated.
constexpr std::size_t kSoftwareBytesMax = 64;
// Connections that only admins may have: whoever has the token of a worker cannot shut them out.
constexpr std::size_t kForAdmins = 8;

struct Peer {
  std::string text = "unknown";
  std::string host = "unknown";  // the address, of IPv6 the network: what one stranger has
  bool loopback = false;
};

Peer PeerAt(const sockaddr_storage& address) {
  Peer peer;
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
    peer.text = absl::StrFormat("%s:%d", text, ntohs(v4.sin_port));
    peer.host = text;
    peer.loopback = IsLoopbackHost(text);
  } else if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
    peer.text = absl::StrFormat("[%s]:%d", text, ntohs(v6.sin6_port));
    peer.loopback = IsLoopbackHost(text);
    in6_addr network = v6.sin6_addr;
    if (!peer.loopback && IN6_IS_ADDR_V4MAPPED(&network) == 0) {
      std::fill(network.s6_addr + 8, network.s6_addr + 16, std::uint8_t{0});
      inet_ntop(AF_INET6, &network, text, sizeof(text));
    }
    peer.host = text;
  }
  return peer;
}

Peer PeerOf(kj::AsyncIoStream& stream) {
  sockaddr_storage address{};
  kj::uint length = sizeof(address);
  try {
    stream.getpeername(reinterpret_cast<sockaddr*>(&address), &length);
  } catch (const kj::Exception&) {
    return Peer();  // not a socket, or gone already: nothing is granted for it
  }
  return PeerAt(address);
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

bool IsLoopback(kj::ConnectionReceiver& receiver) {
  sockaddr_storage address{};
  kj::uint length = sizeof(address);
  try {
    receiver.getsockname(reinterpret_cast<sockaddr*>(&address), &length);
  } catch (const kj::Exception&) {
    return false;  // not a socket
  }
  return PeerAt(address).loopback;
}

// One connection, while it lasts.
struct Server::Connection {
  Peer peer;
  bool known = false;    // the gate is open
  bool asked = false;    // it was asked to be
  bool counted = false;  // among the known
  GuardedStream* stream = nullptr;
  kj::Own<kj::PromiseFulfiller<void>> refused;       // ends it soon
  kj::Own<kj::PromiseFulfiller<std::string>> close;  // ends it at once, with a reason
  ~Connection() noexcept {}  // NOLINT(modernize-use-equals-default): KJ's destructors may throw
};

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
    Tell("unknown", "connection_failed", {{"error", FirstLine(exception)}});
  }

  static std::string FirstLine(const kj::Exception& exception) {
    const std::string text(exception.getDescription().cStr());
    return text.substr(0, text.find('\n'));
  }

  // What strangers do, as far as the log has room for it.
  void Tell(const std::string& host, std::string_view event, std::vector<LogField> fields) {
    const std::optional<std::size_t> left_out = log_budget.Ask(host, timer.now());
    if (!left_out) return;
    if (*left_out > 0) fields.emplace_back("not_told", *left_out);
    LogFields(Severity::kWarning, "rpc", event, fields);
  }

  // The peer has shown its token.
  absl::Status Admit(Connection& connection, Role role) {
    const std::size_t kept =
        role == Role::kAdmin ? 0 : std::min(kForAdmins, limits.connections_max / 2);
    if (known + kept >= limits.connections_max) {
      return absl::UnavailableError(
          absl::StrFormat("the manager has %d connections already, as many as it takes from %ss",
                          known, RoleName(role)));
    }
    std::erase_if(strangers, [&](const auto& one) { return one.get() == &connection; });
    ++known;
    connection.known = connection.counted = true;
    connection.stream->SetLimits(LimitsOfTheKnown());
    return absl::OkStatus();
  }

  void Gone(Connection& connection) {
    std::erase_if(strangers, [&](const auto& one) { return one.get() == &connection; });
    if (connection.counted) --known;
  }

  // Makes room for one more: of the host that has most, the one that has been idle for longest.
  // Who comes from elsewhere, or is quick, gets in however many others wait.
  void MakeRoom() {
    if (strangers.size() < limits.strangers_max) return;
    std::map<std::string_view, std::size_t> by_host;
    for (const auto& one : strangers) ++by_host[one->peer.host];
    const auto most =
        std::ranges::max_element(by_host, {}, [](const auto& host) { return host.second; });
    const auto oldest = std::ranges::find_if(
        strangers, [&](const auto& one) { return one->peer.host == most->first; });
    const std::shared_ptr<Connection> goes = *oldest;
    strangers.erase(oldest);
    goes->close->fulfill("it has shown no token, and others come");
  }

  kj::Promise<void> Talk(kj::Own<kj::AsyncIoStream> stream);

  AdminServices services;
  Authorize authorize;
  kj::Timer& timer;
  ServerLimits limits;
  LogBudget log_budget;
  std::size_t known = 0;
  std::size_t connections = 0;
  std::vector<std::shared_ptr<Connection>> strangers;  // oldest first
  kj::TaskSet tasks;
};

class Server::Gate final : public schema::Gate::Server {
 public:
  Gate(State& state, std::shared_ptr<Connection> connection)
      : state_(state), connection_(std::move(connection)) {}

  kj::Promise<void> open(OpenContext context) override {
    if (std::exchange(connection_->asked, true)) {
      // Whoever guesses needs a new connection for each guess.
      connection_->close->fulfill("it asked for the gate twice");
      return KJ_EXCEPTION(FAILED, "the gate is opened once");
    }
    const AdminServices& services = state_.services;
    const std::string& peer = connection_->peer.text;
    auto results = context.getResults();
    absl::StatusOr<Role> role = Judge(context.getParams());
    if (role.ok()) {
      if (absl::Status admitted = state_.Admit(*connection_, *role); !admitted.ok()) {
        role = std::move(admitted);
      }
    }
    Write(role.status(), results.initStatus());
    if (!role.ok()) {
      state_.Tell(connection_->peer.host, "refused", {{"peer", peer}, {"reason", role.status()}});
      connection_->refused->fulfill();
      return kj::READY_NOW;
    }
    results.setRole(RoleName(*role).c_str());
    if (*role == Role::kRead) results.setReader(MakeReader(services, peer));
    if (*role == Role::kAdmin) {
      auto admin = MakeAdmin(services, peer);
      results.setReader(admin);
      results.setAdmin(kj::mv(admin));
    }
    if ((*role == Role::kWorker || *role == Role::kAdmin) && services.takes_workers &&
        services.worker_hub != nullptr) {
      results.setWorkerHub(MakeWorkerHub(*services.worker_hub, services.wall, peer));
    }
    return kj::READY_NOW;
  }

 private:
  absl::StatusOr<Role> Judge(schema::Gate::OpenParams::Reader params) const {
    if (params.getProtocolVersion() != schema::PROTOCOL_VERSION) {
      return absl::FailedPreconditionError(absl::StrFormat(
          "this manager speaks protocol version %d, the peer (%s) version %d: use the same release",
          schema::PROTOCOL_VERSION, Printable(ToString(params.getSoftware()), kSoftwareBytesMax),
          params.getProtocolVersion()));
    }
    const auto token = params.getToken();
    return state_.authorize(std::string_view(token.begin(), token.size()),
                            connection_->peer.loopback);
  }

  State& state_;
  const std::shared_ptr<Connection> connection_;
};

kj::Promise<void> Server::State::Talk(kj::Own<kj::AsyncIoStream> stream) {
  const auto connection = std::make_shared<Connection>();
  connection->peer = PeerOf(*stream);
  // A peer that vanishes without a word must not be kept for longer than its lease.
  KeepAlive(*stream, services.queue.GetPolicy().heartbeat_timeout);
  MakeRoom();
  strangers.push_back(connection);

  auto guarded = kj::heap<GuardedStream>(*stream, timer, LimitsOfStrangers());
  connection->stream = guarded.get();
  auto network = kj::heap<capnp::TwoPartyVatNetwork>(*guarded, capnp::rpc::twoparty::Side::SERVER);
  auto system = kj::heap(capnp::makeRpcServer(*network, kj::heap<Gate>(*this, connection)));
  system->setFlowLimit(kFlowWordsMax);

  auto refused = kj::newPromiseAndFulfiller<void>();
  connection->refused = kj::mv(refused.fulfiller);
  auto close = kj::newPromiseAndFulfiller<std::string>();
  connection->close = kj::mv(close.fulfiller);
  const auto tell = [this, connection](const std::string& reason) {
    Tell(connection->peer.host, "closed", {{"peer", connection->peer.text}, {"reason", reason}});
  };
  // Until the gate is open the clock runs; afterwards the connection lives as long as it lives.
  auto too_late = timer.afterDelay(async::ToKj(limits.open_within))
                      .then([connection, tell]() -> kj::Promise<void> {
                        if (connection->known) return kj::NEVER_DONE;
                        tell("the gate was not opened in time");
                        return kj::READY_NOW;
                      });
  auto last_words = refused.promise.then([this] { return timer.afterDelay(kLastWords); });
  auto closed = close.promise.then([tell](std::string&& reason) { tell(reason); });
  auto ended = network->onDisconnect()
                   .exclusiveJoin(kj::mv(too_late))
                   .exclusiveJoin(kj::mv(last_words))
                   .exclusiveJoin(kj::mv(closed))
                   .then([limits_of = guarded.get(), tell] {
                     if (!limits_of->Refusal().empty()) tell(limits_of->Refusal());
                   });
  // One by one: what is attached first goes first, and each uses the next.
  return ended.attach(kj::mv(system))
      .attach(kj::mv(network))
      .attach(kj::mv(guarded))
      .attach(kj::mv(stream))
      .attach(kj::defer([this, connection] { Gone(*connection); }));
}

Server::Server(job::Queue& queue, worker::Hub* worker_hub, Backend& backend, Authorize authorize,
               kj::Timer& timer, ServerLimits limits)
    : state_(kj::heap<State>(queue, worker_hub, backend, std::move(authorize), timer, limits)) {}

Server::~Server() noexcept = default;

std::size_t Server::Connections() const {
  return state_->connections;
}

void Server::Take(kj::Own<kj::AsyncIoStream> stream) {
  ++state_->connections;
  state_->tasks.add(state_->Talk(kj::mv(stream)).attach(kj::defer([state = state_.get()] {
    --state->connections;
  })));
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
          LogError("rpc", "accept_failed",
                   {{"error", State::FirstLine(exception)}, {"now", "trying again"}});
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

std::size_t ServerLimits::StrangersFor(std::uint64_t descriptors) {
  return std::clamp<std::size_t>(ConnectionsFor(descriptors) / 8, 4, 64);
}

}  // namespace damocles::rpc
