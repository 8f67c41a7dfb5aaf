// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A few vectors of the network's own code, kept in the repository (tests/data/filecoin).

#include <nlohmann/json.hpp>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/bitfield.h"
#include "damocles/filecoin/block.h"
#include "damocles/filecoin/deadline.h"
#include "damocles/filecoin/miner_params.h"
#include "damocles/filecoin/randomness.h"

namespace damocles::filecoin {
namespace {

using nlohmann::json;
using testing_support::StatusIs;

Bytes Hex(const json& text) {
  return FromHex(text.get<std::string>()).value();
}

class VectorsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(const std::string text,
                         ReadFile(std::string(DAMOCLES_TEST_DATA_DIR) + "/filecoin/vectors.json"));
    vectors_ = json::parse(text);
  }
  // The cases of one kind; never none.
  const json& Cases(const std::string& kind) {
    EXPECT_FALSE(vectors_.at(kind).empty());
    return vectors_.at(kind);
  }
  json vectors_;
};

TEST_F(VectorsTest, Addresses) {
  for (const json& c : Cases("addresses")) {
    SCOPED_TRACE(c.dump());
    ASSERT_OK_AND_ASSIGN(const Address address, Address::Parse(c.at("t").get<std::string>()));
    EXPECT_EQ(address.ToString(), c.at("f"));
    EXPECT_EQ(ToHex(address.ToBytes()), c.at("bytes"));
    EXPECT_EQ(ToHex(cbor::Encode(address)), c.at("cbor"));
  }
  for (const json& c : Cases("bad_addresses")) {
    EXPECT_THAT(Address::Parse(c.at("in").get<std::string>()),
                StatusIs(absl::StatusCode::kInvalidArgument, c.at("result").get<std::string>()));
  }
}

TEST_F(VectorsTest, BitFields) {
  for (const json& c : Cases("bitfields")) {
    SCOPED_TRACE(c.dump());
    ASSERT_OK_AND_ASSIGN(const BitField field,
                         BitField::FromRle(Hex(c.at("rle")), RleReading::kActor));
    EXPECT_EQ(field.ToJson(), c.at("json"));
    EXPECT_EQ(ToHex(field.ToRle()), c.at("rle"));
  }
  for (const json& c : Cases("bad_bitfields")) {
    SCOPED_TRACE(c.dump());
    EXPECT_FALSE(BitField::FromRle(Hex(c.at("in")), RleReading::kActor).ok());
    EXPECT_EQ(BitField::FromRle(Hex(c.at("in")), RleReading::kNode).ok(), c.at("node"));
  }
}

TEST_F(VectorsTest, MessagesAndHeaders) {
  for (const json& c : Cases("messages")) {
    SCOPED_TRACE(c.at("cid"));
    ASSERT_OK_AND_ASSIGN(const Message message, cbor::Decode<Message>(Hex(c.at("cbor"))));
    EXPECT_EQ(ToHex(cbor::Encode(message)), c.at("cbor"));
    EXPECT_EQ(CidOf(message).ToString(), c.at("cid"));
    ASSERT_OK_AND_ASSIGN(const SignedMessage signed_message,
                         cbor::Decode<SignedMessage>(Hex(c.at("signed_cbor"))));
    EXPECT_EQ(signed_message.message, message);
    EXPECT_EQ(CidOf(signed_message).ToString(), c.at("signed_cid"));
  }
  for (const json& c : Cases("headers")) {
    ASSERT_OK_AND_ASSIGN(const BlockHeader header, cbor::Decode<BlockHeader>(Hex(c.at("cbor"))));
    EXPECT_EQ(ToHex(cbor::Encode(header)), c.at("cbor"));
    EXPECT_EQ(CidOf(header).ToString(), c.at("cid"));
  }
}

TEST_F(VectorsTest, Params) {
  int seen = 0;
  for (const json& c : Cases("params")) {
    SCOPED_TRACE(c.dump());
    const Bytes bytes = Hex(c.at("cbor"));
    ++seen;
    switch (c.at("method").get<MethodNumber>()) {
      case kMethodSubmitWindowedPoSt: {
        ASSERT_OK_AND_ASSIGN(const auto params, DecodeParams<SubmitWindowedPoStParams>(bytes));
        EXPECT_EQ(cbor::Encode(params), bytes);
        break;
      }
      case kMethodDisputeWindowedPoSt: {
        ASSERT_OK_AND_ASSIGN(const auto params, DecodeParams<DisputeWindowedPoStParams>(bytes));
        EXPECT_EQ(cbor::Encode(params), bytes);
        break;
      }
      default: {
        ASSERT_OK_AND_ASSIGN(const auto params, DecodeParams<DeclareFaultsParams>(bytes));
        EXPECT_EQ(cbor::Encode(params), bytes);
      }
    }
  }
  EXPECT_EQ(seen, 9);
}

TEST_F(VectorsTest, Draws) {
  for (const json& c : Cases("draws")) {
    const Bytes32 drawn = Draw(Hex(c.at("base")), static_cast<DomainTag>(c.at("tag").get<int>()),
                               ChainEpoch(c.at("epoch").get<std::int64_t>()), Hex(c.at("entropy")));
    EXPECT_EQ(ToHex(drawn), c.at("out"));
    EXPECT_EQ(ToHex(MaskForProver(drawn)), c.at("prover"));
  }
}

TEST_F(VectorsTest, Deadlines) {
  for (const json& c : Cases("deadlines")) {
    SCOPED_TRACE(c.dump());
    const DeadlineInfo info = MakeDeadlineInfo(
        kMainnetPeriod, ChainEpoch(c.at("period_start").get<std::int64_t>()),
        c.at("index").get<std::uint64_t>(), ChainEpoch(c.at("epoch").get<std::int64_t>()));
    EXPECT_EQ(info.open.Value(), c.at("open"));
    EXPECT_EQ(info.close.Value(), c.at("close"));
    EXPECT_EQ(info.challenge.Value(), c.at("challenge"));
    EXPECT_EQ(info.fault_cutoff.Value(), c.at("fault_cutoff"));
    EXPECT_EQ(NextNotElapsed(info).open.Value(), c.at("next_open"));
  }
}

}  // namespace
}  // namespace damocles::filecoin
