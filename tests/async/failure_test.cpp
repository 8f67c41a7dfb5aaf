// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Failures made for real, and what an operator reads of them.

#include "damocles/async/failure.h"

#include <kj/async-io.h>
#include <kj/debug.h>

#include <functional>
#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace damocles::async {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::optional<kj::Exception> Thrown(const std::function<void()>& work) {
  try {
    work();
  } catch (kj::Exception& exception) {
    return kj::mv(exception);
  }
  return std::nullopt;
}

class FailureTest : public ::testing::Test {
 protected:
  ~FailureTest() noexcept override {}  // NOLINT(modernize-use-equals-default)

  kj::Own<kj::NetworkAddress> At(const std::string& address) {
    return io_.provider->getNetwork().parseAddress(address.c_str()).wait(io_.waitScope);
  }
  // Our words only.
  void ExpectPlain(const std::optional<kj::Exception>& exception, Trouble trouble,
                   const char* text) {
    ASSERT_TRUE(exception.has_value());
    EXPECT_EQ(TroubleOf(*exception), trouble) << exception->getDescription().cStr();
    const std::string plain = Plainly(*exception);
    EXPECT_THAT(plain, HasSubstr(text));
    for (const char* foreign : {"()", "params.", "kj", "::", "sockfd", "expected"}) {
      EXPECT_THAT(plain, Not(HasSubstr(foreign)));
    }
    EXPECT_THAT(std::string(FailureStatus(*exception, "asking X").message()),
                HasSubstr("asking X: " + plain));
  }

  kj::AsyncIoContext io_ = kj::setupAsyncIo();
};

TEST_F(FailureTest, NobodyListens) {
  const unsigned port = At("127.0.0.1:0")->listen()->getPort();
  ExpectPlain(
      Thrown([&] { At("127.0.0.1:" + std::to_string(port))->connect().wait(io_.waitScope); }),
      Trouble::kRefused, "connection refused");
}

TEST_F(FailureTest, PortIsTakenOrNotOurs) {
  auto receiver = At("127.0.0.1:0")->listen();
  ExpectPlain(Thrown([&] { At("127.0.0.1:" + std::to_string(receiver->getPort()))->listen(); }),
              Trouble::kPortInUse, "another program listens there");
  ExpectPlain(Thrown([&] { At("203.0.113.7:0")->listen(); }), Trouble::kNotOurAddress,
              "no interface of this machine");
}

TEST_F(FailureTest, NameIsUnknown) {
  ExpectPlain(Thrown([&] { At("no-such-machine.invalid:1"); }), Trouble::kUnknownName,
              "cannot be resolved");
}

TEST_F(FailureTest, WhatComesFromTheSystemKeepsItsWords) {
  const auto no_space = kj::Exception(kj::Exception::Type::FAILED, __FILE__, __LINE__,
                                      kj::str("write(fd, x): No space left on device; fd = 7"));
  EXPECT_EQ(Plainly(no_space), "No space left on device");
  ExpectPlain(kj::Exception(kj::Exception::Type::DISCONNECTED, __FILE__, __LINE__,
                            kj::str("Peer disconnected.")),
              Trouble::kClosed, "closed the connection");
  ExpectPlain(kj::Exception(kj::Exception::Type::FAILED, __FILE__, __LINE__,
                            kj::str("Message has too many segments.")),
              Trouble::kOtherProtocol, "another protocol");
  ExpectPlain(kj::Exception(kj::Exception::Type::UNIMPLEMENTED, __FILE__, __LINE__,
                            kj::str("remote exception: Method not implemented.; methodId = 9")),
              Trouble::kUnknownCall, "same release");
  ExpectPlain(kj::Exception(kj::Exception::Type::FAILED, __FILE__, __LINE__,
                            kj::str("bind(sockfd, &addr.generic, size): Permission denied")),
              Trouble::kNotAllowed, "ports below 1024");
  ExpectPlain(Thrown([] { KJ_REQUIRE(1 == 2, "inner matters"); }), Trouble::kOther, "tell us");
}

}  // namespace
}  // namespace damocles::async
