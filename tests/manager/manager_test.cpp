// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/manager/manager.h"

#include <kj/async-io.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/log_lines.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"
#include "damocles/rpc/client.h"

namespace damocles::manager {
namespace {

using ::testing::HasSubstr;
using testing_support::StatusIs;
using testing_support::TempDir;

class ManagerTest : public ::testing::Test {
 protected:
  ~ManagerTest() noexcept override {}  // KJ's may throw

  absl::StatusOr<std::unique_ptr<Manager>> Open(const std::string& home,
                                                config::ManagerConfig config = {}) {
    ManagerOptions options;
    options.home = {.path = home, .conf_dir = home};
    options.params_dir = home + "/params";
    options.authorize = [](std::string_view, bool) -> absl::StatusOr<rpc::Role> {
      return rpc::Role::kAdmin;
    };
    options.worker_prover = true;
    return Manager::Open(std::move(options), std::move(config), *io_.provider,
                         [this](const std::string& what) { waited_.push_back(what); });
  }
  kj::Own<kj::ConnectionReceiver> Port() {
    return io_.provider->getNetwork().parseAddress("127.0.0.1:0").wait(io_.waitScope)->listen();
  }

  TempDir dir_;
  kj::AsyncIoContext io_ = kj::setupAsyncIo();
  std::vector<std::string> waited_;
  testing_support::LogLines log_;
};

TEST_F(ManagerTest, TwoInOneProcessServeEachTheirOwnHome) {
  ASSERT_OK(MakeFolders(dir_ / "a"));
  ASSERT_OK(MakeFolders(dir_ / "b"));
  config::ManagerConfig config;
  config.persist_stores.push_back({.name = "store-of-a", .path = dir_ / "store"});
  ASSERT_OK(MakeFolders(dir_ / "store"));
  ASSERT_OK_AND_ASSIGN(const auto a, Open(dir_ / "a", config));
  ASSERT_OK_AND_ASSIGN(const auto b, Open(dir_ / "b"));
  EXPECT_THAT(waited_, ::testing::Contains(HasSubstr("/b/db")));
  std::vector<std::size_t> stores;
  std::vector<kj::Promise<absl::Status>> running;
  for (const auto& manager : {a.get(), b.get()}) {
    auto port = Port();
    rpc::ClientOptions client;
    client.address = "127.0.0.1:" + std::to_string(port->getPort());
    running.push_back(manager->Run(kj::mv(port)));
    ASSERT_OK_AND_ASSIGN(
        const auto asking,
        rpc::ManagerClient::Connect(io_.provider->getNetwork(), io_.provider->getTimer(), client)
            .ToPromise()
            .wait(io_.waitScope));
    ASSERT_OK_AND_ASSIGN(const auto told, asking->Stores().ToPromise().wait(io_.waitScope));
    stores.push_back(told.size());
  }
  EXPECT_EQ(stores, (std::vector<std::size_t>{1, 0}));
  for (auto& one : running) EXPECT_FALSE(one.poll(io_.waitScope)) << "it ended by itself";
}

TEST_F(ManagerTest, SecondOneOfAHomeIsRefused) {
  ASSERT_OK_AND_ASSIGN(const auto first, Open(dir_.Path()));
  const auto second = Open(dir_.Path());
  EXPECT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr("another manager runs with this home"));
}

TEST_F(ManagerTest, PosterWithoutANodeIsRefused) {
  ManagerOptions options;
  options.home = {.path = dir_.Path(), .conf_dir = dir_.Path()};
  options.poster = true;
  const auto opened = Manager::Open(std::move(options), {}, *io_.provider, [](const auto&) {});
  EXPECT_THAT(opened.status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "no chain node is configured"));
}

TEST_F(ManagerTest, AWrongConfigurationIsSaidAndTheOldOneHolds) {
  ASSERT_OK_AND_ASSIGN(const auto manager, Open(dir_.Path()));
  const std::string file = dir_ / "sector-manager.cfg";
  ASSERT_OK(WriteFileAtomically(file, "[Common\n"));
  manager->Reload().ToPromise().wait(io_.waitScope);
  EXPECT_EQ(log_.Count("config not_reloaded"), 1u);
  EXPECT_EQ(log_.Count("config reloaded"), 0u);
  ASSERT_OK(
      WriteFileAtomically(file, "[Common.RPC]\nRequireToken = true\n[[Miners]]\nActor = 1000\n"));
  manager->Reload().ToPromise().wait(io_.waitScope);
  EXPECT_EQ(log_.Count("config needs_restart key=Common.RPC.RequireToken"), 1u);
  EXPECT_EQ(log_.Count("not_applied=Common.RPC.RequireToken"), 1u);
  EXPECT_TRUE(manager->NothingHangs(absl::Seconds(10)));
}

}  // namespace
}  // namespace damocles::manager
