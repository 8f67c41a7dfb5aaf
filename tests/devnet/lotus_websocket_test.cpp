// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Subscriptions and calls frame by frame, as a foreign WebSocket client sends them.

#include <kj/compat/http.h>

#include <deque>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "gtest/gtest.h"
#include "tests/devnet/lotus_fixture.h"

namespace damocles::devnet {
namespace {

using Json = nlohmann::json;
using testing_support::LotusFixture;

// Masks need not be random among friends.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class NoEntropy final : public kj::EntropySource {
 public:
  void generate(kj::ArrayPtr<kj::byte> buffer) override {
    for (kj::byte& byte : buffer) byte = 7;
  }
};
#pragma GCC diagnostic pop

class LotusWebSocketTest : public LotusFixture {
 protected:
  ~LotusWebSocketTest() noexcept override {}  // NOLINT(modernize-use-equals-default)

  // Status of the handshake; 101 opened the socket.
  unsigned Open(const std::string& query = "") {
    kj::HttpClientSettings settings;
    settings.entropySource = entropy_;
    http_ = kj::newHttpClient(io_.provider->getTimer(), table_, io_.provider->getNetwork(), nullptr,
                              settings);
    const std::string url = absl::StrFormat("http://127.0.0.1:%d/rpc/v1%s", port_, query);
    auto response = http_->openWebSocket(url.c_str(), kj::HttpHeaders(table_)).wait(io_.waitScope);
    if (response.webSocketOrBody.is<kj::Own<kj::WebSocket>>()) {
      reading_ = kj::READY_NOW;
      frames_.clear();
      socket_ = kj::mv(response.webSocketOrBody.get<kj::Own<kj::WebSocket>>());
      reading_ =
          Read().eagerlyEvaluate([this](kj::Exception&& /*cut*/) { frames_.emplace_back("lost"); });
    }
    return response.statusCode;
  }
  void Say(const std::string& text) {
    socket_->send(kj::ArrayPtr<const char>(text.data(), text.size())).wait(io_.waitScope);
  }
  // The next frame; null if nothing comes.
  Json Hear(kj::Duration patience = 2 * kj::SECONDS) {
    const kj::TimePoint until = io_.provider->getTimer().now() + patience;
    while (frames_.empty() && io_.provider->getTimer().now() < until) {
      io_.provider->getTimer().afterDelay(2 * kj::MILLISECONDS).wait(io_.waitScope);
    }
    if (frames_.empty()) return nullptr;
    Json frame = std::move(frames_.front());
    frames_.pop_front();
    return frame;
  }
  bool HearsNothing() { return Hear(50 * kj::MILLISECONDS).is_null(); }

 private:
  kj::Promise<void> Read() {
    return socket_->receive(16 << 20).then([this](kj::WebSocket::Message&& message) {
      if (!message.is<kj::String>()) {
        frames_.emplace_back("closed");
        return kj::Promise<void>(kj::READY_NOW);
      }
      frames_.push_back(Json::parse(message.get<kj::String>().cStr(), nullptr, false));
      return Read();
    });
  }

  NoEntropy entropy_;
  kj::HttpHeaderTable table_;
  kj::Own<kj::HttpClient> http_;
  kj::Own<kj::WebSocket> socket_;
  std::deque<Json> frames_;
  kj::Promise<void> reading_ = kj::READY_NOW;
};

constexpr const char* kWeight =
    R"({"jsonrpc":"2.0","id":%d,"method":"Filecoin.ChainTipSetWeight","params":[[]]})";
std::string Weight(int id) {
  return absl::StrFormat(kWeight, id);
}

TEST_F(LotusWebSocketTest, SubscribesValuesCancelsByRequestId) {
  Serve();
  ASSERT_EQ(Open(), 101u);
  Say(R"({"jsonrpc":"2.0","id":7,"method":"Filecoin.ChainNotify","params":[]})");
  EXPECT_EQ(Hear(), Json::parse(R"({"id":7,"jsonrpc":"2.0","result":1})"));
  Json frame = Hear();
  EXPECT_EQ(frame["method"], "xrpc.ch.val");
  EXPECT_EQ(frame["params"][0], 1);
  ASSERT_EQ(frame["params"][1].size(), 1u);
  EXPECT_EQ(frame["params"][1][0]["Type"], "current");
  ASSERT_OK(chain_->Advance());
  frame = Hear();
  EXPECT_EQ(frame["params"][1][0]["Type"], "apply");
  ASSERT_OK(chain_->Reorg(1));
  frame = Hear();
  EXPECT_EQ(frame["params"][1][0]["Type"], "revert");
  EXPECT_EQ(frame["params"][1].back()["Type"], "apply");
  // By the number of the channel: no request has that id.
  Say(R"({"jsonrpc":"2.0","method":"xrpc.cancel","params":[1]})");
  EXPECT_TRUE(HearsNothing());
  Say(R"({"jsonrpc":"2.0","method":"xrpc.cancel","params":[7]})");
  EXPECT_EQ(Hear(), Json::parse(R"({"jsonrpc":"2.0","method":"xrpc.ch.close","params":[1]})"));
  ASSERT_OK(chain_->Advance());
  EXPECT_TRUE(HearsNothing());
  // Id 0 and a text are ids, and the next channel has the next number.
  Say(R"({"id":0,"method":"Filecoin.ChainNotify"})");
  EXPECT_EQ(Hear(), Json::parse(R"({"id":0,"jsonrpc":"2.0","result":2})"));
  EXPECT_EQ(Hear()["params"][0], 2);
  Say(R"({"id":"a","method":"Filecoin.ChainNotify"})");
  EXPECT_EQ(Hear(), Json::parse(R"({"id":"a","jsonrpc":"2.0","result":3})"));
  EXPECT_EQ(Hear()["params"][0], 3);
  Say(R"({"method":"xrpc.cancel","params":["a"]})");
  EXPECT_EQ(Hear()["params"], Json::parse("[3]"));
}

TEST_F(LotusWebSocketTest, LongCallsAreCancelledAndHoldNobodyUp) {
  Serve();
  ASSERT_EQ(Open(), 101u);
  Say(R"({"id":5,"method":"Filecoin.StateWaitMsg","params":[{"/":"bafy2bzacebbpdegvr3i4cosewthysg5xkxpqfn2wfcz6mv2hmoktwbdxkax4s"},1,-1,true]})");
  Say(Weight(6));
  EXPECT_EQ(Hear()["id"], 6);
  Say(R"({"method":"xrpc.cancel","params":[99]})");
  EXPECT_TRUE(HearsNothing());
  Say(R"({"method":"xrpc.cancel","params":[5]})");
  EXPECT_EQ(
      Hear(),
      Json::parse(R"({"error":{"code":1,"message":"context canceled"},"id":5,"jsonrpc":"2.0"})"));
}

TEST_F(LotusWebSocketTest, WhatTheNodeIgnoresIsIgnored) {
  Serve();
  ASSERT_EQ(Open(), 101u);
  for (const std::string& text :
       {std::string("hello"), "[" + Weight(1) + "," + Weight(2) + "]",
        std::string(R"({"id":[1],"method":"Filecoin.ChainHead"})"),
        std::string(R"({"method":"Filecoin.ChainHead"})"), std::string("{")}) {
    Say(text);
    EXPECT_TRUE(HearsNothing()) << text;
  }
  Say(R"({"id":1,"method":"Filecoin.ChainHead","params":[1]})");
  EXPECT_EQ(Hear()["error"]["code"], -32602);
  Say(R"({"id":2,"method":"Filecoin.NoSuch"})");
  EXPECT_EQ(Hear()["error"]["code"], -32601);
  Say(Weight(3));
  EXPECT_EQ(Hear()["id"], 3);
}

TEST_F(LotusWebSocketTest, HandshakeJudgesTheToken) {
  LotusServerOptions options;
  options.token = "admin";
  Serve(options);
  EXPECT_EQ(Open("?token=wrong"), 401u);
  ASSERT_EQ(Open(), 101u);
  Say(R"({"id":1,"method":"Filecoin.WalletList"})");
  EXPECT_EQ(Hear()["error"]["message"], "missing permission to invoke 'WalletList' (need 'write')");
  ASSERT_EQ(Open("?token=admin"), 101u);
  Say(R"({"id":1,"method":"Filecoin.WalletList"})");
  EXPECT_TRUE(Hear().contains("result"));
}

TEST_F(LotusWebSocketTest, SlowSubscriberIsDroppedNotWaitedFor) {
  LotusServerOptions options;
  options.channel_values_max = 3;
  Serve(options);
  ASSERT_EQ(Open(), 101u);
  Say(R"({"id":1,"method":"Filecoin.ChainNotify"})");
  EXPECT_EQ(Hear()["id"], 1);
  EXPECT_EQ(Hear()["method"], "xrpc.ch.val");
  // No turn of the loop in between: nothing can be sent.
  for (int i = 0; i < 10; ++i) ASSERT_OK(chain_->Advance());
  std::size_t values = 0;
  Json frame;
  while ((frame = Hear())["method"] == "xrpc.ch.val") ++values;
  EXPECT_EQ(values, 3u);
  EXPECT_EQ(frame["method"], "xrpc.ch.close");
}

TEST_F(LotusWebSocketTest, SubscribingMeetsFaultsToo) {
  Serve();
  ASSERT_EQ(Open(), 101u);
  const auto inject = [&](const std::string& fault) {
    Say(R"({"id":2,"method":"Damocles.DevnetInject","params":[)" + fault + "]}");
    EXPECT_EQ(Hear()["id"], 2);
  };
  const std::string subscribe = R"({"id":1,"method":"Filecoin.ChainNotify"})";
  inject(R"({"method":"ChainNotify","error":"boom"})");
  Say(subscribe);
  EXPECT_EQ(Hear()["error"]["message"], "boom");
  inject(R"({"method":"ChainNotify","hang":true})");
  Say(subscribe);
  EXPECT_TRUE(HearsNothing());
  inject(R"({"method":"ChainNotify","delay_ms":100})");
  Say(R"({"id":3,"method":"Filecoin.ChainNotify"})");
  EXPECT_TRUE(HearsNothing());
  EXPECT_EQ(Hear()["id"], 3);
  EXPECT_EQ(Hear()["method"], "xrpc.ch.val");
}

TEST_F(LotusWebSocketTest, FaultsCutSocketsAndEndChannels) {
  Serve();
  ASSERT_EQ(Open(), 101u);
  Say(R"({"id":1,"method":"Filecoin.ChainNotify"})");
  Hear();
  Hear();
  const auto inject = [&](const std::string& fault) {
    Say(R"({"id":2,"method":"Damocles.DevnetInject","params":[)" + fault + "]}");
  };
  inject(R"({"silent":true})");
  EXPECT_EQ(Hear()["id"], 2);
  ASSERT_OK(chain_->Advance());
  EXPECT_TRUE(HearsNothing());
  inject(R"({"silent":false,"end_channels":true})");
  EXPECT_EQ(Hear()["method"], "xrpc.ch.close");
  EXPECT_EQ(Hear()["id"], 2);
  inject(R"({"drop_websockets":true})");
  Json frame = Hear();
  if (frame.is_object()) frame = Hear();  // the answer may still have gone out
  EXPECT_TRUE(frame.is_null() || frame == "closed" || frame == "lost") << frame;
}

}  // namespace
}  // namespace damocles::devnet
