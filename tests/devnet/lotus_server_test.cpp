// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The server seen from foreign clients: raw HTTP, odd requests, faults on order.

#include "damocles/devnet/lotus_server.h"

#include <nlohmann/json.hpp>

#include "gtest/gtest.h"
#include "tests/devnet/lotus_fixture.h"

namespace damocles::devnet {
namespace {

using Json = nlohmann::json;
using damocles::testing_support::StatusIs;
using testing_support::LotusFixture;

class LotusServerTest : public LotusFixture {
 protected:
  Json Call(const std::string& method, const std::string& params = "[]") {
    const auto [status, body] =
        Http(R"({"id":1,"method":")" + method + R"(","params":)" + params + "}");
    EXPECT_NE(status, 0) << body;
    return Json::parse(body, nullptr, false);
  }
};

TEST_F(LotusServerTest, FramingErrorsAreTheNodes) {
  Serve();
  EXPECT_EQ(Http("").first, 400);
  EXPECT_EQ(Http("", "", "/rpc/v1", "GET").first, 400);
  EXPECT_EQ(Http("hello").first, 500);
  EXPECT_EQ(Http("{}", "", "/x").first, 404);
  EXPECT_EQ(Http("", "", "/health/livez", "GET").first, 200);
  Json answer = Call("Filecoin.NoSuch");
  EXPECT_EQ(answer["error"]["code"], -32601);
  EXPECT_EQ(answer["error"]["message"], "method 'Filecoin.NoSuch' not found");
  answer = Call("Filecoin.ChainHead", "[1]");
  EXPECT_EQ(answer["error"]["code"], -32602);
  EXPECT_EQ(answer["error"]["message"], "wrong param count (method 'Filecoin.ChainHead'): 1 != 0");
  answer = Call("Filecoin.StateLookupID", R"(["f0x",[]])");
  EXPECT_EQ(answer["error"]["code"], -32700);
  EXPECT_EQ(answer["error"]["message"],
            "unmarshaling params for 'Filecoin.StateLookupID' (param: *address.Address): invalid "
            "address payload");
  answer = Call("Filecoin.ChainNotify");
  EXPECT_EQ(answer["error"]["message"],
            "method 'Filecoin.ChainNotify' not supported in this mode (no out channel support)");
}

// Lists that Go makes are [], those it leaves nil are null: clients in other languages tell them
// apart.
TEST_F(LotusServerTest, AnEmptyListIsWhatTheNodeWrites) {
  Serve();
  const Json list = Json::array();
  EXPECT_EQ(Call("Filecoin.MpoolPending", "[[]]")["result"], list);
  const Json head = Call("Filecoin.ChainHead")["result"];
  EXPECT_EQ(Call("Filecoin.ChainGetBlockMessages", "[" + head["Cids"][0].dump() + "]")["result"],
            (Json{{"BlsMessages", list}, {"SecpkMessages", list}, {"Cids", list}}));
  EXPECT_EQ(Call("Filecoin.StateMinerSectors", R"(["f01000",[0],[]])")["result"], list);
  EXPECT_TRUE(Call("Filecoin.StateMinerPartitions", R"(["f01000",11,[]])")["result"].is_null());
}

TEST_F(LotusServerTest, LiberalInWhatItTakes) {
  Serve();
  // No params, id 0, a text id, testnet letters, null for a tipset key, a batch.
  auto [status, body] = Http(R"({"id":0,"method":"Filecoin.ChainHead"})");
  EXPECT_EQ(Json::parse(body)["id"], 0);
  EXPECT_EQ(status, 200);
  body = Http(R"({"id":"a","method":"Filecoin.StateMinerInfo","params":["t01000",null]})").second;
  EXPECT_EQ(Json::parse(body)["id"], "a");
  EXPECT_TRUE(Json::parse(body).contains("result")) << body;
  body = Http(R"([{"id":1,"method":"Filecoin.ChainHead"},{"id":2,"method":"Filecoin.NoSuch"},)"
              R"({"method":"Filecoin.ChainHead"}])")
             .second;
  const Json batch = Json::parse(body, nullptr, false);
  ASSERT_EQ(batch.size(), 2u) << body;
  EXPECT_TRUE(batch[0].contains("result"));
  EXPECT_EQ(batch[1]["error"]["code"], -32601);
  // A notification has no answer.
  EXPECT_EQ(Http(R"({"method":"Filecoin.ChainHead"})").second, "");
}

TEST_F(LotusServerTest, OldPathHasTheOldShapes) {
  Serve();
  const std::string body =
      R"({"id":1,"method":"Filecoin.StateSearchMsg","params":[{"/":"bafy2bzacebbpdegvr3i4cosewthysg5xkxpqfn2wfcz6mv2hmoktwbdxkax4s"}]})";
  EXPECT_TRUE(Json::parse(Http(body, "", "/rpc/v0").second)["result"].is_null());
  EXPECT_EQ(Json::parse(Http(body).second)["error"]["code"], -32602);
}

TEST_F(LotusServerTest, TokensAsTheNodeJudgesThem) {
  LotusServerOptions options;
  options.token = "admin";
  Serve(options);
  const std::string head = R"({"id":1,"method":"Filecoin.ChainHead","params":[]})";
  const std::string list = R"({"id":1,"method":"Filecoin.WalletList","params":[]})";
  EXPECT_EQ(Http(head).first, 200);
  EXPECT_EQ(Http(head, "Authorization: Bearer wrong\r\n").first, 401);
  EXPECT_EQ(Http(head, "Authorization: admin\r\n").first, 401);
  EXPECT_EQ(Http(head, "Authorization: bearer admin\r\n").first, 401);
  EXPECT_EQ(Http(head, "", "/rpc/v1?token=wrong").first, 401);
  EXPECT_EQ(Json::parse(Http(list).second)["error"]["message"],
            "missing permission to invoke 'WalletList' (need 'write')");
  EXPECT_TRUE(Json::parse(Http(list, "Authorization: Bearer admin\r\n").second).contains("result"));
  EXPECT_TRUE(Json::parse(Http(list, "", "/rpc/v1?token=admin").second).contains("result"));
  EXPECT_TRUE(Json::parse(Http(R"({"id":1,"method":"Damocles.DevnetAdvance","params":[1]})").second)
                  .contains("error"));
}

TEST_F(LotusServerTest, BrokenAndOversizedClientsDoNoHarm) {
  LotusServerOptions options;
  options.request_bytes_max = 10000;
  options.request_timeout = absl::Milliseconds(300);
  Serve(options);
  EXPECT_EQ(Http(std::string(20000, ' ')).first, 413);
  Raw("\x16\x03\x01 this is no HTTP\r\n\r\n");
  Raw("POST /rpc/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n");
  Raw("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n");
  // Half a head, half a body, and connections that only stand there.
  std::vector<kj::Own<kj::AsyncIoStream>> idle;
  for (const char* text :
       {"", "POST /rpc", "POST /rpc/v1 HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"}) {
    idle.push_back(Connect());
    idle.back()->write(text, std::char_traits<char>::length(text)).wait(io_.waitScope);
  }
  EXPECT_TRUE(Call("Filecoin.ChainHead").contains("result"));
  // After the time for a request is over they are gone.
  for (auto& stream : idle) {
    const std::string answer = ReadAll(*stream, 2 * kj::SECONDS);
    EXPECT_EQ(answer.find("result"), std::string::npos);
  }
  EXPECT_TRUE(Call("Filecoin.ChainHead").contains("result"));
}

TEST_F(LotusServerTest, ConnectionsAreLimited) {
  LotusServerOptions options;
  options.connections_max = 2;
  Serve(options);
  auto first = Connect();
  auto second = Connect();
  io_.provider->getTimer().afterDelay(20 * kj::MILLISECONDS).wait(io_.waitScope);
  EXPECT_EQ(Raw("GET /health/livez HTTP/1.1\r\nHost: x\r\n\r\n"), "");
  first = nullptr;
  io_.provider->getTimer().afterDelay(20 * kj::MILLISECONDS).wait(io_.waitScope);
  EXPECT_TRUE(Call("Filecoin.ChainHead").contains("result"));
}

TEST_F(LotusServerTest, AdvancesInjectsAndReports) {
  Serve();
  const auto before = chain_->ChainHead().Height();
  EXPECT_EQ(Call("Damocles.DevnetAdvance", "[7]")["result"], before.Value() + 7);
  EXPECT_EQ(chain_->ChainHead().Height(), before + filecoin::EpochDelta(7));
  EXPECT_TRUE(Call("Damocles.DevnetReport")["result"].contains("deadlines"));

  const auto inject = [&](const std::string& fault) {
    return Call("Damocles.DevnetInject", "[" + fault + "]");
  };
  EXPECT_TRUE(inject(R"({"method":"ChainHead","n":2,"error":"boom"})").contains("result"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Call("Filecoin.ChainHead")["error"]["message"], "boom");
  }
  EXPECT_TRUE(Call("Filecoin.ChainHead").contains("result"));
  EXPECT_TRUE(inject(R"({"null_rounds":3})").contains("result"));
  Call("Damocles.DevnetAdvance", "[1]");
  EXPECT_EQ(chain_->ChainHead().Height(), before + filecoin::EpochDelta(11));
  const auto head = chain_->ChainHead();
  EXPECT_TRUE(inject(R"({"reorg":2})").contains("result"));
  EXPECT_NE(chain_->ChainHead(), head);
  EXPECT_TRUE(inject(R"({"http_status":503,"n":1})").contains("result"));
  EXPECT_EQ(Http("{}").first, 503);
  for (const char* wrong : {R"({"nonsense":1})", R"({"method":"ChainHead"})", R"({"n":-1})", "7",
                            R"({"http_status":200})", R"({"drop_message":"x"})"}) {
    EXPECT_TRUE(inject(wrong).contains("error")) << wrong;
  }
}

TEST_F(LotusServerTest, PushedMessageNeedsARightSignature) {
  Serve();
  const auto client = Client({At()});
  ASSERT_OK_AND_ASSIGN(const auto info,
                       Wait(client->StateMinerInfo(testing_support::kMinerAddress, {})));
  ASSERT_OK_AND_ASSIGN(const auto key, Wait(client->StateAccountKey(info.worker, {})));
  filecoin::SignedMessage message;
  message.message.to = key;
  message.message.from = key;
  message.message.gas_limit = 1000000;
  message.message.gas_fee_cap = 1000;
  message.message.gas_premium = 100;
  ASSERT_OK_AND_ASSIGN(message.message.nonce, Wait(client->MpoolGetNonce(key)));
  ASSERT_OK_AND_ASSIGN(message.signature,
                       Wait(client->WalletSign(key, filecoin::SigningBytes(message.message))));
  filecoin::SignedMessage wrong = message;
  wrong.signature.data[10] ^= 1;
  EXPECT_FALSE(Wait(client->MpoolPush(wrong)).ok());
  ASSERT_OK_AND_ASSIGN(const auto cid, Wait(client->MpoolPush(message)));
  EXPECT_EQ(cid, CidOf(message));
}

}  // namespace
}  // namespace damocles::devnet
