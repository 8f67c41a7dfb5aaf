// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <map>

#include "gtest/gtest.h"
#include "tests/filecoin/golden.h"
#include "tests/support/status_matchers.h"

#include "damocles/filecoin/address.h"

namespace damocles::filecoin {
namespace {

using testing::Hex;
using testing::Json;
using testing::LoadGolden;

// What our message says for each class of error.
const std::map<std::string, std::string>& WordsOf() {
  static const auto* const kWords = new std::map<std::string, std::string>{
      {"invalid-length", "invalid address length"},
      {"invalid-payload", "invalid address payload"},
      {"invalid-checksum", "invalid address checksum"},
      {"invalid-encoding", "invalid encoding"},
      {"illegal-base32", "illegal base32 data at input byte"},
      {"unknown-network", "unknown address network"},
      {"unknown-protocol", "unknown address protocol"},
  };
  return *kWords;
}

void ExpectResult(const Json& c, const absl::StatusOr<Address>& address) {
  const std::string result = c.at("result");
  if (result == "ok") {
    ASSERT_OK(address);
    EXPECT_EQ(address->ToString(), c.at("canonical"));
    if (c.contains("bytes")) {
      EXPECT_EQ(ToHex(address->ToBytes()), c.at("bytes"));
    }
  } else if (result == "undef") {
    ASSERT_OK(address);
    EXPECT_TRUE(address->IsUndefined());
    EXPECT_EQ(address->ToString(), "<empty>");
  } else {
    ASSERT_TRUE(WordsOf().contains(result)) << result;
    EXPECT_THAT(address, testing_support::StatusIs(absl::StatusCode::kInvalidArgument,
                                                   WordsOf().at(result)));
  }
}

TEST(AddressGoldenTest, ValidOnesConvertBothWays) {
  const Json cases = LoadGolden("addresses.json").at("valid");
  ASSERT_EQ(cases.size(), 67U);
  for (const Json& c : cases) {
    SCOPED_TRACE(c.dump());
    ASSERT_OK_AND_ASSIGN(const Address address, Address::Parse(c.at("f").get<std::string>()));
    ASSERT_OK_AND_ASSIGN(const Address test, Address::Parse(c.at("t").get<std::string>()));
    EXPECT_EQ(address, test);
    EXPECT_EQ(address.ToString(), c.at("f"));
    EXPECT_EQ(address.ToString(Network::kTestnet), c.at("t"));
    EXPECT_EQ(ToHex(address.ToBytes()), c.at("bytes"));
    EXPECT_EQ(ToHex(address.Payload()), c.at("payload"));
    EXPECT_EQ(static_cast<int>(address.Protocol()), c.at("protocol"));
    EXPECT_EQ(ToHex(cbor::Encode(address)), c.at("cbor"));
    ASSERT_OK_AND_ASSIGN(const Address read, cbor::Decode<Address>(Hex(c.at("cbor"))));
    EXPECT_EQ(read, address);
    ASSERT_OK_AND_ASSIGN(const Address from_bytes, Address::FromBytes(Hex(c.at("bytes"))));
    EXPECT_EQ(from_bytes, address);
    if (c.contains("id")) {
      EXPECT_EQ(address.Id(), testing::U64(c.at("id")));
      EXPECT_EQ(Address::FromId(testing::U64(c.at("id"))), address);
    } else {
      EXPECT_FALSE(address.Id().has_value());
    }
    if (c.contains("namespace")) {
      ASSERT_OK_AND_ASSIGN(
          const Address delegated,
          Address::FromDelegated(testing::U64(c.at("namespace")), Hex(c.at("subaddress"))));
      EXPECT_EQ(delegated, address);
    }
  }
}

TEST(AddressGoldenTest, TextsAreJudgedAsTheNodeDoes) {
  const Json cases = LoadGolden("addresses.json").at("strings");
  ASSERT_EQ(cases.size(), 67U);
  for (const Json& c : cases) {
    SCOPED_TRACE(c.dump());
    ExpectResult(c, Address::Parse(c.at("in").get<std::string>()));
  }
}

TEST(AddressGoldenTest, BytesAreJudgedAsTheNodeDoes) {
  const Json cases = LoadGolden("addresses.json").at("bytes");
  ASSERT_EQ(cases.size(), 29U);
  for (const Json& c : cases) {
    SCOPED_TRACE(c.dump());
    ExpectResult(c, Address::FromBytes(Hex(c.at("in"))));
  }
}

TEST(AddressGoldenTest, CborIsJudgedAsTheNodeDoes) {
  const Json cases = LoadGolden("addresses.json").at("cbor");
  ASSERT_EQ(cases.size(), 9U);
  for (const Json& c : cases) {
    SCOPED_TRACE(c.dump());
    const Bytes bytes = Hex(c.at("in"));
    cbor::Reader reader(bytes);
    const absl::StatusOr<Address> address = Address::ReadCbor(reader);
    if (c.at("result") == "ok") {
      ASSERT_OK(address);
      EXPECT_EQ(address->ToString(), c.at("canonical"));
    } else {
      EXPECT_THAT(address, testing_support::StatusIs(absl::StatusCode::kInvalidArgument, ""));
    }
  }
}

TEST(AddressGoldenTest, TextsInJsonAreJudgedAsTheNodeDoes) {
  const Json cases = LoadGolden("addresses.json").at("json");
  ASSERT_EQ(cases.size(), 9U);
  int texts = 0;
  for (const Json& c : cases) {
    SCOPED_TRACE(c.dump());
    const Json value = Json::parse(c.at("in").get<std::string>());
    if (!value.is_string()) continue;  // other JSON types are the business of the API's codec
    ++texts;
    const absl::StatusOr<Address> address = Address::Parse(value.get<std::string>());
    if (c.at("result") == "error") {
      EXPECT_FALSE(address.ok());
    } else {
      ExpectResult(c, address);
    }
  }
  EXPECT_EQ(texts, 6);
}

}  // namespace
}  // namespace damocles::filecoin
