// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Peers that have shown no token, or show one and do what our own client does not.

#include <arpa/inet.h>
#include <capnp/rpc-twoparty.h>
#include <capnp/rpc.capnp.h>
#include <capnp/serialize.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "manager.capnp.h"
#include "tests/rpc/gate_fixture.h"

#include "damocles/base/text.h"

namespace damocles::rpc {
namespace {

using testing::Contains;
using testing::HasSubstr;

// Hears nothing any more once it is told so.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"  // KJ deletes through kj::Own only
class DeafStream final : public kj::AsyncIoStream {
 public:
  explicit DeafStream(kj::Own<kj::AsyncIoStream> inner) : inner_(kj::mv(inner)) {}
  void Deafen() { deaf_ = true; }
  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t least, std::size_t most) override {
    if (deaf_) return kj::NEVER_DONE;
    return inner_->tryRead(buffer, least, most);
  }
  kj::Promise<void> write(const void* buffer, std::size_t size) override {
    return inner_->write(buffer, size);
  }
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override {
    return inner_->write(pieces);
  }
  kj::Promise<void> whenWriteDisconnected() override { return inner_->whenWriteDisconnected(); }
  void shutdownWrite() override { inner_->shutdownWrite(); }

 private:
  kj::Own<kj::AsyncIoStream> inner_;
  bool deaf_ = false;
};
#pragma GCC diagnostic pop

// A connection that speaks the protocol and obeys no rule of ours.
struct RawPeer {
  explicit RawPeer(kj::Own<kj::AsyncIoStream> connected)
      : stream(kj::heap<DeafStream>(kj::mv(connected))),
        network(*stream, capnp::rpc::twoparty::Side::CLIENT),
        system(capnp::makeRpcClient(network)),
        gate([this] {
          capnp::MallocMessageBuilder message;
          auto vat = message.initRoot<capnp::rpc::twoparty::VatId>();
          vat.setSide(capnp::rpc::twoparty::Side::SERVER);
          return system.bootstrap(vat).castAs<schema::Gate>();
        }()) {}
  ~RawPeer() noexcept {}  // NOLINT(modernize-use-equals-default)

  auto Open(const std::string& token, std::uint32_t version = schema::PROTOCOL_VERSION,
            const std::string& software = "") {
    auto request = gate.openRequest();
    request.setToken(token.c_str());
    request.setProtocolVersion(version);
    request.setSoftware(software.c_str());
    return request.send();
  }

  kj::Own<DeafStream> stream;
  capnp::TwoPartyVatNetwork network;
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> system;
  schema::Gate::Client gate;
};

class StrangerTest : public GateTest {
 protected:
  StrangerTest() {
    SetLogSink([this](Severity, std::string_view line) {
      log_.emplace_back(line);
      log_bytes_ += line.size();
    });
  }
  ~StrangerTest() noexcept override { SetLogSink({}); }

  bool IsClosed(kj::AsyncIoStream& stream) {
    char buffer[64];
    auto end = stream.tryRead(buffer, sizeof(buffer), sizeof(buffer)).catch_([](kj::Exception&&) {
      return std::size_t{0};
    });
    for (int i = 0; i < 100 && !end.poll(io_.waitScope); ++i) {
      Timer().afterDelay(10 * kj::MILLISECONDS).wait(io_.waitScope);
    }
    return end.poll(io_.waitScope);
  }
  void Pass(kj::Duration time) { server_timer_.advanceTo(server_timer_.now() + time); }

  std::vector<std::string> log_;
  std::size_t log_bytes_ = 0;
};

Bytes HeadOf(std::uint32_t segments, std::uint32_t words) {
  Bytes head(8);
  StoreLe32(segments - 1, head.data());
  StoreLe32(words, head.data() + 4);
  return head;
}

TEST_F(StrangerTest, NobodyIsLentMuchMemoryBeforeTheGate) {
  Serve();
  for (const auto& [segments, words] :
       {std::pair(1U, 8U << 20U), std::pair(1U, 1025U), std::pair(1U, 0xffffffffU),
        std::pair(600U, 1U), std::pair(0U, 1U)}) {
    auto stream = ConnectRaw();
    const Bytes head = HeadOf(segments, words);
    Await(stream->write(head.data(), head.size()));
    EXPECT_TRUE(IsClosed(*stream)) << segments << " " << words;
  }
  EXPECT_THAT(log_, Contains(HasSubstr("a message of 67108864 bytes, at most 8192 are taken")));
  // What fits is waited for.
  auto stream = ConnectRaw();
  const Bytes head = HeadOf(1, 1024);
  Await(stream->write(head.data(), head.size()));
  EXPECT_FALSE(IsClosed(*stream));
}

TEST_F(StrangerTest, BehindTheGateMessagesMayBeLarge) {
  Serve();
  worker::Capabilities capabilities = MakeCapabilities();
  capabilities.stores.clear();
  for (int i = 0; i < 9000; ++i) capabilities.stores.push_back(absl::StrFormat("store-%0100d", i));
  RemoteManager manager(Network(), Timer(), Options("works"));
  EXPECT_OK(Await(manager.Connect(capabilities)));
  EXPECT_EQ(hub_->Workers().at(0).capabilities.stores.size(), 9000U);
}

TEST_F(StrangerTest, NamesOfAWorkerHaveLimits) {
  Serve();
  RemoteManager manager(Network(), Timer(), Options("works"));
  worker::Capabilities capabilities = MakeCapabilities();
  capabilities.name = std::string(1 << 20, 'n');
  const auto refused = Await(manager.Connect(capabilities));
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument, "a name of 1048576 bytes"));
  EXPECT_LT(refused.status().message().size(), 500U);
  capabilities = MakeCapabilities();
  capabilities.stores.assign(20'000, "s");
  EXPECT_THAT(Await(manager.Connect(capabilities)),
              StatusIs(absl::StatusCode::kInvalidArgument, "20000 stores"));
  EXPECT_TRUE(hub_->Workers().empty());
}

TEST_F(StrangerTest, MessagesBeforeTheGateAreCounted) {
  Serve();
  auto stream = ConnectRaw();
  for (unsigned i = 0; i < 40; ++i) {
    capnp::MallocMessageBuilder message;
    message.initRoot<capnp::rpc::Message>().initFinish().setQuestionId(i);
    const auto words = capnp::messageToFlatArray(message);
    const auto bytes = words.asBytes();
    Await(stream->write(bytes.begin(), bytes.size()).catch_([](kj::Exception&&) {}));
  }
  EXPECT_TRUE(IsClosed(*stream));
}

TEST_F(StrangerTest, TheGateIsAskedOnceOnly) {
  Serve();
  RawPeer peer(ConnectRaw());
  auto first = peer.Open("guess");
  auto second = peer.Open("rules");
  EXPECT_EQ(Await(kj::mv(first)).getStatus().getCode(),
            static_cast<int>(absl::StatusCode::kPermissionDenied));
  bool failed = false;
  Await(second.ignoreResult().catch_([&](kj::Exception&&) { failed = true; }));
  EXPECT_TRUE(failed);
  EXPECT_TRUE(Happens([&] { return server_->Connections() == 0; }));
  // Who opened it cannot open it for another role.
  RawPeer reader(ConnectRaw());
  Await(reader.Open("reads").ignoreResult());
  failed = false;
  Await(reader.Open("rules").ignoreResult().catch_([&](kj::Exception&&) { failed = true; }));
  EXPECT_TRUE(failed);
}

TEST_F(StrangerTest, WhoIsRefusedGoesSoon) {
  Serve();
  RawPeer peer(ConnectRaw());
  Await(peer.Open("guess").ignoreResult());
  EXPECT_EQ(server_->Connections(), 1U);
  Pass(2 * kj::SECONDS);
  EXPECT_TRUE(Happens([&] { return server_->Connections() == 0; }));
}

TEST_F(StrangerTest, IdleOnesShutOutNeitherOperatorsNorWorkers) {
  Serve({.connections_max = 16, .strangers_max = 4});
  RemoteManager manager(Network(), Timer(), Options("works"));
  ASSERT_OK_AND_ASSIGN(const auto session, Await(manager.Connect(MakeCapabilities())));
  std::vector<kj::Own<kj::AsyncIoStream>> idle;
  for (int i = 0; i < 60; ++i) idle.push_back(ConnectRaw());
  ASSERT_OK_AND_ASSIGN(auto client, Connect("rules"));
  EXPECT_OK(Await(client->Jobs(true)));
  EXPECT_OK(Await(session->Heartbeat({}, false)));
  EXPECT_TRUE(Happens([&] { return server_->Connections() <= 6; }));
  EXPECT_TRUE(IsClosed(*idle.front()));
  EXPECT_LE(log_.size(), 12U);
}

// A socket of another address of this machine.
int ConnectFrom(const char* host, unsigned port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in from{};
  from.sin_family = AF_INET;
  inet_pton(AF_INET, host, &from.sin_addr);
  EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof(from)), 0);
  sockaddr_in to = from;
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0);
  return fd;
}

TEST_F(StrangerTest, AFloodOfOneHostTakesThePlacesOfThatHostOnly) {
  Serve({.strangers_max = 8});
  const int other = ConnectFrom("127.0.0.2", port_);
  ASSERT_TRUE(Happens([&] { return server_->Connections() == 1; }));
  std::vector<kj::Own<kj::AsyncIoStream>> flood;
  for (int i = 0; i < 50; ++i) flood.push_back(ConnectRaw());
  EXPECT_TRUE(IsClosed(*flood.front()));
  char byte = 0;
  EXPECT_EQ(recv(other, &byte, 1, MSG_DONTWAIT), -1);
  EXPECT_EQ(errno, EAGAIN);
  close(other);
}

TEST_F(StrangerTest, WorkersLeavePlacesForAdmins) {
  Serve({.connections_max = 20});
  std::vector<std::unique_ptr<ManagerClient>> clients;
  while (clients.size() < 20) {
    auto client = Connect("works");
    if (!client.ok()) break;
    clients.push_back(*std::move(client));
  }
  EXPECT_EQ(clients.size(), 12U);
  EXPECT_OK(Connect("rules"));
}

TEST_F(StrangerTest, WhatAPeerSaysOfItselfIsShortAndPrintable) {
  Serve();
  RawPeer peer(ConnectRaw());
  std::string software;
  for (int i = 0; i < 1000; ++i) software += "\x1b[2J\n";
  const auto answer = Await(peer.Open("rules", 77, software));
  const std::string message(answer.getStatus().getMessage().cStr());
  EXPECT_THAT(message, HasSubstr("protocol version 1"));
  EXPECT_LT(message.size(), 500U);
  EXPECT_FALSE(HasControlCharacter(message));
  EXPECT_LT(log_bytes_, 1000U);
  for (const std::string& line : log_) EXPECT_FALSE(HasControlCharacter(line));
}

TEST_F(StrangerTest, TheLogHasRoomForOthers) {
  Serve();
  for (int i = 0; i < 200; ++i) {
    EXPECT_THAT(Connect("guess"), StatusIs(absl::StatusCode::kPermissionDenied, ""));
  }
  EXPECT_LE(log_.size(), 6U);
  Pass(61 * kj::SECONDS);
  log_.clear();
  EXPECT_THAT(Connect("guess"), StatusIs(absl::StatusCode::kPermissionDenied, ""));
  EXPECT_THAT(log_, Contains(HasSubstr("not_told=19")));
}

TEST_F(StrangerTest, AnswersForAPeerThatDoesNotReadDoNotPileUp) {
  backend_.store_path_bytes = std::size_t{4} << 20;
  Serve();
  RawPeer peer(ConnectRaw());
  auto opened = Await(peer.Open("rules"));
  auto admin = opened.getAdmin();
  peer.stream->Deafen();
  std::vector<kj::Promise<void>> calls;
  for (int i = 0; i < 300; ++i) calls.push_back(admin.storesRequest().send().ignoreResult());
  Timer().afterDelay(500 * kj::MILLISECONDS).wait(io_.waitScope);
  EXPECT_GE(backend_.stores_asked, 5U);
  EXPECT_LE(backend_.stores_asked, 40U);
  // It is left when it has not read one answer for a minute.
  Pass(61 * kj::SECONDS);
  EXPECT_TRUE(Happens([&] { return server_->Connections() == 0; }));
}

TEST_F(StrangerTest, AFloodOfCallsIsSlowedNotServed) {
  Serve();
  ASSERT_OK_AND_ASSIGN(auto client, Connect("rules"));
  int answered = 0;
  const auto flood = [&](int count) -> async::Task<void> {
    for (int i = 0; i < count; ++i) {
      auto stores = client->Stores();
      if ((co_await kj::mv(stores)).ok()) ++answered;
    }
  };
  auto flooding = flood(1500).ToPromise().eagerlyEvaluate(nullptr);
  int before = -1;
  while (before != answered) {
    before = answered;
    Timer().afterDelay(100 * kj::MILLISECONDS).wait(io_.waitScope);
  }
  EXPECT_GE(answered, 300);
  EXPECT_LT(answered, 1100);
  Pass(1 * kj::SECONDS);
  EXPECT_TRUE(Happens([&] { return answered > before; }));
}

}  // namespace
}  // namespace damocles::rpc
