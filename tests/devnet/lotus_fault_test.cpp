// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Orders of Damocles.DevnetInject, and clients that leave in the middle of a call.

#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_format.h"
#include "gtest/gtest.h"
#include "tests/devnet/lotus_fixture.h"

namespace damocles::devnet {
namespace {

using Json = nlohmann::json;
using damocles::testing_support::StatusIs;
using filecoin::EpochDelta;
using testing_support::kMiner;
using testing_support::LotusFixture;

class LotusFaultTest : public LotusFixture {
 protected:
  Json Call(const std::string& method, const std::string& params = "[]",
            const std::string& headers = "") {
    const auto [status, body] =
        Http(R"({"id":1,"method":")" + method + R"(","params":)" + params + "}", headers);
    EXPECT_NE(status, 0) << body;
    return Json::parse(body, nullptr, false);
  }
  Json Inject(const std::string& fault) { return Call("Damocles.DevnetInject", "[" + fault + "]"); }
  void Sleep(kj::Duration time) { io_.provider->getTimer().afterDelay(time).wait(io_.waitScope); }
};

TEST_F(LotusFaultTest, OrdersAreStrict) {
  Serve();
  const std::string nines(390, '9');
  for (const std::string& wrong :
       {std::string(R"({"method":"ChainHaed","error":"x"})"),
        std::string(R"({"method":"DevnetReport","error":"x"})"),
        std::string(R"({"method":"ChainHead","error":"x","n":0})"),
        std::string(R"({"method":"ChainHead","error":"x","hang":true})"), std::string(R"({"n":2})"),
        std::string(R"({"null_rounds":100001})"), std::string(R"({"base_fee":"-1"})"),
        std::string(R"({"traffic":"noisy"})"), std::string(R"({"traffic":3})"),
        R"({"base_fee":")" + nines + R"("})", std::string(R"({"base_fee":""})"),
        std::string(R"({"drop_message":""})"),
        std::string(R"({"funds":{"miner":1000,"balance":"-1"}})"),
        std::string(R"({"funds":{"miner":7}})"), std::string(R"({"funds":{"miner":1000,"x":1}})"),
        std::string(R"({"add_sectors":{"miner":1000,"sectors":[{"number":1}]}})"),
        std::string(R"({"reorg":100000})")}) {
    EXPECT_TRUE(Inject(wrong).contains("error")) << wrong;
  }
  EXPECT_OK(chain_->Advance());
}

TEST_F(LotusFaultTest, AnOrderIsDoneWhollyOrNotAtAll) {
  Serve();
  EXPECT_TRUE(Inject(R"({"method":"ChainHead","error":"x","silent":true,"null_rounds":3,)"
                     R"("base_fee":"7","reorg":100000})")
                  .contains("error"));
  EXPECT_TRUE(Call("Filecoin.ChainHead").contains("result"));
  const auto before = chain_->ChainHead().Height();
  Call("Damocles.DevnetAdvance", "[1]");
  EXPECT_EQ(chain_->ChainHead().Height(), before + EpochDelta(1));
  EXPECT_EQ(chain_->ChainHead().Blocks()[0].parent_base_fee, chain_->Config().base_fee);
}

TEST_F(LotusFaultTest, NullRoundsAddUpToTheLimitOnly) {
  Serve();
  EXPECT_TRUE(Inject(R"({"null_rounds":60000})").contains("result"));
  EXPECT_TRUE(Inject(R"({"null_rounds":60000})").contains("error"));
  EXPECT_TRUE(Inject(R"({"clear":true,"null_rounds":2})").contains("result"));
  const auto before = chain_->ChainHead().Height();
  EXPECT_TRUE(Call("Damocles.DevnetAdvance", "[1]").contains("result"));
  EXPECT_EQ(chain_->ChainHead().Height(), before + EpochDelta(3));
}

TEST_F(LotusFaultTest, NamesMayCarryTheirSpace) {
  Serve();
  EXPECT_TRUE(Inject(R"({"method":"Filecoin.ChainHead","error":"boom"})").contains("result"));
  EXPECT_EQ(Call("Filecoin.ChainHead")["error"]["message"], "boom");
}

TEST_F(LotusFaultTest, SectorsAndFundsOnOrder) {
  Serve();
  const std::string comm_r = std::string(62, '0') + "01";
  EXPECT_TRUE(Inject(R"({"add_sectors":{"miner":1000,"sectors":[{"number":77,"deadline":5,)"
                     R"("comm_r":")" +
                     comm_r + R"("},{"number":78,"comm_r":")" + comm_r + R"("}]}})")
                  .contains("result"));
  EXPECT_TRUE(
      Inject(R"({"funds":{"miner":1000,"balance":"3","fee_debt":"4"}})").contains("result"));
  ASSERT_OK_AND_ASSIGN(const MinerState miner, chain_->MinerAfterHead(kMiner));
  EXPECT_TRUE(miner.Deadline(5).partitions[0].sectors.Contains(77));
  EXPECT_TRUE(miner.sectors->contains(78));
  EXPECT_EQ(miner.balance, 3);
  EXPECT_EQ(miner.fee_debt, 4);
}

TEST_F(LotusFaultTest, CallsThatTheirClientsGaveUpHoldNoConnection) {
  LotusServerOptions options;
  options.connections_max = 2;
  options.left_interval = absl::Milliseconds(10);
  Serve(options);
  const std::string call =
      R"({"id":5,"method":"Filecoin.StateWaitMsg","params":[{"/":"bafy2bzacebbpdegvr3i4cosewthysg5xkxpqfn2wfcz6mv2hmoktwbdxkax4s"},1,-1,true]})";
  const std::string request = absl::StrFormat(
      "POST /rpc/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", call.size(), call);
  for (int round = 0; round < 3; ++round) {
    auto first = Connect();
    auto second = Connect();
    first->write(request.data(), request.size()).wait(io_.waitScope);
    second->write(request.data(), request.size()).wait(io_.waitScope);
    Sleep(50 * kj::MILLISECONDS);
    first = nullptr;
    second = nullptr;
    Sleep(100 * kj::MILLISECONDS);
  }
  EXPECT_TRUE(Call("Filecoin.ChainHead").contains("result"));
}

TEST_F(LotusFaultTest, ConnectionIsClosedWhenTheClientWantsIt) {
  Serve();
  const auto ask = [&](const std::string& header) {
    auto stream = Connect();
    const std::string request = "GET /health/livez HTTP/1.1\r\nHost: x\r\n" + header + "\r\n";
    stream->write(request.data(), request.size()).wait(io_.waitScope);
    std::string answer = ReadAll(*stream, 2 * kj::SECONDS);
    char byte = 0;
    // What comes after the answer: 0 bytes are the end of the connection.
    auto more = stream->tryRead(&byte, 1, 1).then([](std::size_t count) {
      return count == 0 ? std::string("closed") : std::string("data");
    });
    auto open = io_.provider->getTimer().afterDelay(100 * kj::MILLISECONDS).then([]() {
      return std::string("open");
    });
    return more.exclusiveJoin(kj::mv(open)).wait(io_.waitScope);
  };
  EXPECT_EQ(ask("Connection: close\r\n"), "closed");
  EXPECT_EQ(ask("Connection: keep-alive, Close\r\n"), "closed");
  EXPECT_EQ(ask(""), "open");
}

TEST_F(LotusFaultTest, BeaconEntriesOfTheFutureComeWithTheHead) {
  Serve();
  const auto client = Client({At()});
  const auto head = chain_->ChainHead().Height();
  EXPECT_OK(Wait(client->StateGetBeaconEntry(head)).status());
  auto future = client->StateGetBeaconEntry(head + EpochDelta(2)).ToPromise();
  Sleep(50 * kj::MILLISECONDS);
  ASSERT_OK(chain_->Advance());
  Sleep(50 * kj::MILLISECONDS);
  EXPECT_FALSE(future.poll(io_.waitScope));
  ASSERT_OK(chain_->Advance());
  ASSERT_OK_AND_ASSIGN(const auto entry, future.wait(io_.waitScope));
  EXPECT_EQ(entry, *chain_->StateGetBeaconEntry(head + EpochDelta(2)));
}

TEST_F(LotusFaultTest, ScopedTokensAllowTheirShare) {
  LotusServerOptions options;
  options.token = "admin";
  options.scoped_tokens = {{"reader", kReadPermission},
                           {"signer", kReadPermission | kWritePermission | kSignPermission}};
  Serve(options);
  const auto allowed = [&](const std::string& method, const std::string& params,
                           const std::string& token) {
    return Call(method, params, "Authorization: Bearer " + token + "\r\n").contains("result");
  };
  EXPECT_TRUE(allowed("Filecoin.ChainHead", "[]", "reader"));
  EXPECT_FALSE(allowed("Filecoin.WalletList", "[]", "reader"));
  EXPECT_TRUE(allowed("Filecoin.WalletList", "[]", "signer"));
  EXPECT_FALSE(allowed("Damocles.DevnetAdvance", "[1]", "signer"));
  EXPECT_TRUE(allowed("Damocles.DevnetAdvance", "[1]", "admin"));
}

}  // namespace
}  // namespace damocles::devnet
