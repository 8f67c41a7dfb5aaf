// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Server and clients over the loopback interface, in one event loop.

#pragma once

#include <kj/async-io.h>
#include <kj/timer.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "gtest/gtest.h"
#include "tests/job/job_support.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/worker/worker_support.h"

#include "damocles/base/log.h"
#include "damocles/base/random.h"
#include "damocles/base/thread_pool.h"
#include "damocles/rpc/client.h"
#include "damocles/rpc/remote_manager.h"
#include "damocles/rpc/server.h"
#include "damocles/store/store.h"
#include "damocles/worker/agent.h"
#include "damocles/worker/hub.h"

namespace damocles::rpc {

using job::JobState;
using job::kStart;
using job::MakeSpec;
using testing_support::StatusIs;
using testing_support::TempDir;

inline constexpr auto kType = filecoin::PoStProofType::kWindow32GiBV1_1;

class FakeBackend final : public Backend {
 public:
  ~FakeBackend() noexcept override {}  // NOLINT(modernize-use-equals-default)

  async::Task<absl::StatusOr<std::vector<StoreInfo>>> Stores() override {
    ++stores_asked;
    std::vector<StoreInfo> stores(2);
    stores[0].name = "store-a";
    stores[0].path = "/one";
    stores[0].total_bytes = 100;
    stores[0].free_bytes = 7;
    stores[0].sectors = 3;
    stores[1].name = "store-b";
    stores[1].path = "/two" + std::string(store_path_bytes, 'x');
    stores[1].status = absl::NotFoundError("/two is not there");
    stores[1].trouble = "3 sectors lie there: mount it";
    co_return stores;
  }
  async::Task<absl::StatusOr<FoundSector>> FindSector(filecoin::SectorId sector) override {
    if (sector.number != 7) co_return absl::NotFoundError("no such sector");
    co_return FoundSector{.sealed = SectorPlace{"store-a", "store-b"},
                          .upgraded = std::nullopt,
                          .troubles = {"store-b is gone: mount it"}};
  }
  async::Task<absl::StatusOr<CheckReport>> Check() override { co_return report; }
  CheckReport report;
  async::Task<absl::StatusOr<std::vector<DeadlineSummary>>> Deadlines(
      DeadlineQuery query) override {
    asked = query;
    DeadlineSummary summary;
    summary.miner = 1000;
    summary.deadline_index = 5;
    summary.state = "Confirmed";
    summary.batches.resize(1);
    summary.batches[0].chain_partitions = {filecoin::ChainPartition(0),
                                           filecoin::ChainPartition(1)};
    summary.batches[0].state = "Confirmed";
    summary.batches[0].job_id = "x";
    summary.confirmed_epoch = 77;
    summary.skipped_sectors = 3;
    co_return std::vector<DeadlineSummary>{summary};
  }
  async::Task<absl::StatusOr<std::vector<RecoverySummary>>> Recoveries(
      std::optional<filecoin::ActorId> miner) override {
    RecoverySummary summary;
    summary.miner = miner.value_or(0);
    summary.deadline_index = 4;
    summary.open_epoch = 77;
    summary.state = "Checking";
    summary.note = "note";
    summary.sectors = {{.partition = 1, .number = 9, .why = "gone", .message_cid = "cid"}};
    co_return std::vector<RecoverySummary>{summary};
  }
  async::Task<absl::StatusOr<AttachSummary>> Attach(
      std::string path, bool replace,
      std::function<void(std::uint64_t, std::uint64_t)> progress) override {
    replaces = replace;
    if (path == "/absent") co_return absl::NotFoundError("/absent is not there");
    progress(1, 3);
    auto pair = kj::newPromiseAndFulfiller<void>();
    heard = kj::mv(pair.fulfiller);
    co_await kj::mv(pair.promise);
    AttachSummary summary;
    summary.store = path;
    summary.added = 2;
    summary.known = 1;
    summary.problems.emplace_back("s-t01-9");
    co_return summary;
  }

  std::size_t stores_asked = 0;
  std::size_t store_path_bytes = 0;
  DeadlineQuery asked;
  kj::Own<kj::PromiseFulfiller<void>> heard;
  bool replaces = false;
};

inline absl::StatusOr<Role> Judge(std::string_view token, bool loopback) {
  if (token == "reads") return Role::kRead;
  if (token == "works") return Role::kWorker;
  if (token == "rules") return Role::kAdmin;
  if (token.empty() && loopback) return Role::kRead;
  return absl::PermissionDeniedError("nobody gave out this token");
}

class GateTest : public testing::Test {
 protected:
  GateTest() {
    queue_ = job::Queue::Open(*store_, clock_, job::Policy{}).value();
    hub_ = std::make_unique<worker::Hub>(
        *queue_, verifier_, inline_, Timer(), clock_,
        std::map<filecoin::PoStProofType, std::string>{{kType, std::string(64, 'a')}});
  }
  ~GateTest() noexcept override {}  // NOLINT(modernize-use-equals-default)

  void Serve(ServerLimits limits = {}) {
    server_ = std::make_unique<Server>(*queue_, hub_.get(), backend_, Judge, server_timer_, limits);
    auto address = Await(Network().parseAddress("127.0.0.1", 0));
    auto receiver = address->listen();
    port_ = receiver->getPort();
    serving_ = server_->Serve(kj::mv(receiver)).eagerlyEvaluate([](kj::Exception&& exception) {
      ADD_FAILURE() << exception.getDescription().cStr();
    });
  }

  kj::Network& Network() { return io_.provider->getNetwork(); }
  kj::Timer& Timer() { return io_.provider->getTimer(); }

  // Fails the test instead of hanging.
  template <typename T>
  T Await(kj::Promise<T> promise) {
    return Timer().timeoutAfter(30 * kj::SECONDS, kj::mv(promise)).wait(io_.waitScope);
  }
  template <typename T>
  T Await(async::Task<T> task) {
    return Await(std::move(task).ToPromise());
  }
  bool Happens(const std::function<bool()>& condition) {
    const auto until = Timer().now() + 30 * kj::SECONDS;
    while (!condition()) {
      if (Timer().now() > until) return false;
      Timer().afterDelay(1 * kj::MILLISECONDS).wait(io_.waitScope);
    }
    return true;
  }

  ClientOptions Options(const std::string& token) const {
    ClientOptions options;
    options.address = absl::StrFormat("127.0.0.1:%d", port_);
    options.token = token;
    options.software = "test";
    return options;
  }
  absl::StatusOr<std::unique_ptr<ManagerClient>> Connect(const std::string& token) {
    return Await(ManagerClient::Connect(Network(), Timer(), Options(token)));
  }
  kj::Own<kj::AsyncIoStream> ConnectRaw() {
    auto address = Await(Network().parseAddress("127.0.0.1", port_));
    return Await(address->connect());
  }
  // Until the other end closes.
  void ReadToEnd(kj::AsyncIoStream& stream) { Await(stream.readAllBytes()); }

  static worker::Capabilities MakeCapabilities() {
    worker::Capabilities capabilities;
    capabilities.name = "w1";
    capabilities.stores = {"store-a", "store-b"};
    capabilities.verifying_keys = {{kType, std::string(64, 'a')}};
    capabilities.instance = "first";
    return capabilities;
  }

  kj::AsyncIoContext io_ = kj::setupAsyncIo();
  kj::TimerImpl server_timer_{kj::origin<kj::TimePoint>()};
  SimClock clock_{kStart};
  std::unique_ptr<store::Store> store_ = store::OpenMemoryStore();
  async::InlineExecutor inline_;
  std::shared_ptr<worker::FakeProver> prover_ = std::make_shared<worker::FakeProver>();
  std::shared_ptr<worker::FakeVerifier> verifier_ = std::make_shared<worker::FakeVerifier>();
  FakeBackend backend_;
  std::unique_ptr<job::Queue> queue_;
  std::unique_ptr<worker::Hub> hub_;
  std::unique_ptr<Server> server_;
  unsigned port_ = 0;
  kj::Promise<void> serving_ = nullptr;
};

}  // namespace damocles::rpc
