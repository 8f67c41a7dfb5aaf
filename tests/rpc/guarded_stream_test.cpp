// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/rpc/guarded_stream.h"

#include <capnp/rpc.capnp.h>
#include <kj/async-io.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "gtest/gtest.h"
#include "lib/rpc/log_budget.h"

namespace damocles::rpc {
namespace {

class LoopbackTest : public ::testing::Test {
 protected:
  LoopbackTest() {
    auto address = io_.provider->getNetwork().parseAddress("127.0.0.1", 0).wait(io_.waitScope);
    auto receiver = address->listen();
    auto accepting = receiver->accept();
    client_ = io_.provider->getNetwork()
                  .parseAddress("127.0.0.1", receiver->getPort())
                  .wait(io_.waitScope)
                  ->connect()
                  .wait(io_.waitScope);
    server_ = accepting.wait(io_.waitScope);
  }
  ~LoopbackTest() noexcept override {}  // NOLINT(modernize-use-equals-default)

  int Option(int level, int name) {
    int value = -1;
    kj::uint length = sizeof(value);
    client_->getsockopt(level, name, &value, &length);
    return value;
  }

  kj::AsyncIoContext io_ = kj::setupAsyncIo();
  kj::TimerImpl timer_{kj::origin<kj::TimePoint>()};
  kj::Own<kj::AsyncIoStream> client_;
  kj::Own<kj::AsyncIoStream> server_;
};

TEST_F(LoopbackTest, APeerWithoutPowerIsNoticedWithinItsTime) {
  for (const int seconds : {2, 3, 5, 10, 15, 30, 3600}) {
    KeepAlive(*client_, absl::Seconds(seconds));
    EXPECT_EQ(Option(SOL_SOCKET, SO_KEEPALIVE), 1);
    const int noticed = Option(IPPROTO_TCP, TCP_KEEPIDLE) +
                        Option(IPPROTO_TCP, TCP_KEEPINTVL) * Option(IPPROTO_TCP, TCP_KEEPCNT);
    EXPECT_LE(noticed, std::min(seconds, 30));
    EXPECT_GE(noticed, std::min(seconds, 30) / 2) << "a short pause of the network is none";
    EXPECT_EQ(Option(IPPROTO_TCP, TCP_USER_TIMEOUT), 1000 * noticed);
  }
}

TEST_F(LoopbackTest, APeerThatReadsNothingIsLeftAfterTheLimit) {
  StreamLimits limits = LimitsOfTheKnown();
  limits.write_within = absl::Seconds(7);
  GuardedStream stream(*server_, timer_, limits);
  capnp::MallocMessageBuilder large;
  auto answer = large.initRoot<capnp::rpc::Message>().initReturn().initResults();
  answer.getContent().initAs<capnp::Data>(std::size_t{32} << 20);
  auto writing = stream.writeMessage(nullptr, large.getSegmentsForOutput());
  EXPECT_FALSE(writing.poll(io_.waitScope));
  timer_.advanceTo(timer_.now() + 6 * kj::SECONDS);
  EXPECT_FALSE(writing.poll(io_.waitScope));
  timer_.advanceTo(timer_.now() + 2 * kj::SECONDS);
  ASSERT_TRUE(writing.poll(io_.waitScope));
  bool thrown = false;
  try {
    writing.wait(io_.waitScope);
  } catch (const kj::Exception& exception) {
    thrown = exception.getType() == kj::Exception::Type::DISCONNECTED;
  }
  EXPECT_TRUE(thrown);
}

TEST(LogBudgetTest, AFewLinesOfOneSomeOfAllAndHowManyWereNot) {
  LogBudget budget;
  kj::TimePoint now = kj::origin<kj::TimePoint>();
  std::size_t lines = 0;
  for (int i = 0; i < 100; ++i) lines += budget.Ask("a", now).has_value() ? 1 : 0;
  EXPECT_EQ(lines, LogBudget::kOfOneMax);
  EXPECT_TRUE(budget.Ask("b", now).has_value());
  for (int i = 0; i < 100'000; ++i) lines += budget.Ask(std::to_string(i), now).has_value() ? 1 : 0;
  EXPECT_LE(lines, LogBudget::kOfAllMax);
  now += LogBudget::kPeriod;
  EXPECT_EQ(budget.Ask("a", now), 95U);
  EXPECT_EQ(budget.Ask("a", now), 0U);
  now += 2 * LogBudget::kPeriod;
  EXPECT_EQ(budget.Ask("fresh", now), 0U);
}

}  // namespace
}  // namespace damocles::rpc
