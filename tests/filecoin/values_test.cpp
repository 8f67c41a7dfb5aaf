// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <algorithm>
#include <limits>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/hex.h"
#include "damocles/base/random.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/block.h"
#include "damocles/filecoin/cid.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/sector.h"
#include "damocles/filecoin/token_amount.h"

namespace damocles::filecoin {
namespace {

using testing_support::StatusIs;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

Bytes RandomBytes(Random& random, std::size_t count) {
  Bytes bytes(count);
  random.Fill(bytes);
  return bytes;
}

TEST(AddressTest, EveryKindRoundTrips) {
  SeededRandom random(1);
  for (int round = 0; round < 500; ++round) {
    const Address addresses[] = {
        Address::FromId(random.NextU64() >> (1 + random.Below(62))),
        Address::FromSecp256k1PublicKey(RandomBytes(random, 65)),
        Address::FromActorData(RandomBytes(random, 20)),
        Address::FromBlsPublicKey(RandomBytes(random, 48)).value(),
        Address::FromDelegated(random.NextU64() >> (1 + random.Below(62)),
                               RandomBytes(random, static_cast<std::size_t>(random.Below(55))))
            .value()};
    for (const Address& address : addresses) {
      for (const Network network : {Network::kMainnet, Network::kTestnet}) {
        EXPECT_EQ(Address::Parse(address.ToString(network)).value(), address);
      }
      EXPECT_EQ(Address::FromBytes(address.ToBytes()).value(), address);
      EXPECT_EQ(cbor::Decode<Address>(cbor::Encode(address)).value(), address);
    }
  }
}

TEST(AddressTest, AnyWrongLetterIsNoticed) {
  SeededRandom random(2);
  const std::string text = Address::FromSecp256k1PublicKey(RandomBytes(random, 65)).ToString();
  for (std::size_t i = 2; i < text.size(); ++i) {
    for (const char letter : std::string_view("abcdefghijklmnopqrstuvwxyz234567")) {
      if (letter == text[i]) continue;
      std::string wrong = text;
      wrong[i] = letter;
      EXPECT_FALSE(Address::Parse(wrong).ok()) << wrong;
    }
  }
}

TEST(AddressTest, UndefinedHasATextButNoCbor) {
  const Address undefined;
  EXPECT_TRUE(undefined.IsUndefined());
  EXPECT_FALSE(undefined.IsId());
  EXPECT_EQ(undefined.ToString(), "<empty>");
  EXPECT_EQ(Address::Parse("<empty>").value(), undefined);
  EXPECT_FALSE(cbor::Decode<Address>(Bytes{0x40}).ok());
  EXPECT_DEATH(cbor::Encode(undefined), "IsUndefined");
}

TEST(CidTest, TextAndBytesRoundTrip) {
  SeededRandom random(3);
  for (int round = 0; round < 300; ++round) {
    const Cid cid = Cid::OfDagCbor(RandomBytes(random, 40));
    EXPECT_EQ(cid.ToString().substr(0, 10), "bafy2bzace");
    EXPECT_EQ(Cid::Parse(cid.ToString()).value(), cid);
    EXPECT_EQ(Cid::FromBytes(cid.ToBytes()).value(), cid);
    EXPECT_EQ(cbor::Decode<Cid>(cbor::Encode(cid)).value(), cid);
    EXPECT_EQ(cid.Codec(), kCodecDagCbor);
    EXPECT_EQ(cid.HashCode(), kHashBlake2b256);
    EXPECT_EQ(cid.ToBytes().size(), 38U);
  }
}

TEST(CidTest, CommitmentsConvertBothWays) {
  Bytes32 comm_r;
  SeededRandom(4).Fill(comm_r);
  const Cid sealed = Cid::OfCommR(comm_r);
  EXPECT_EQ(sealed.ToString().substr(0, 12), "bagboea4b5ab");
  EXPECT_EQ(sealed.ToCommR().value(), comm_r);
  EXPECT_EQ(Cid::OfCommD(comm_r).ToString().substr(0, 10), "baga6ea4se");
  EXPECT_THAT(Cid::OfCommD(comm_r).ToCommR(), StatusIs(kInvalid, "not that of a sealed sector"));
  EXPECT_FALSE(Cid().ToCommR().ok());
}

TEST(CidTest, RefusesForeignForms) {
  for (const std::string_view text :
       {"", "b", "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG", "zb2rhe5P4gXftAwvA4eXQ5HJwsER2",
        "bafy2bzace", "BAFY2BZACED5OGTPXUD57FWSLQMF53ROAXFZEH4RUAMRTFVBWJX7HURGQVJGIK"}) {
    EXPECT_FALSE(Cid::Parse(text).ok()) << text;
  }
  const std::string good = Cid::OfDagCbor({}).ToString();
  EXPECT_FALSE(Cid::Parse(good + "a").ok());
  EXPECT_FALSE(Cid::Parse(good.substr(0, good.size() - 1)).ok());
  Bytes bytes = Cid::OfDagCbor({}).ToBytes();
  bytes[0] = 2;
  EXPECT_THAT(Cid::FromBytes(bytes), StatusIs(kInvalid, "version 2"));
}

TEST(BigIntTest, WhatIsReadCanBeWritten) {
  // 127 bytes of magnitude beside the sign.
  const BigInt largest = BigInt::FromBytesBe(Bytes(127, 0xff));
  for (const BigInt& number : {largest, -largest}) {
    ASSERT_OK_AND_ASSIGN(const BigInt again, BigInt::Parse(number.ToString()));
    EXPECT_EQ(again, number);
    cbor::Writer writer;
    again.WriteCbor(writer);
    const BigInt above = number.Sign() > 0 ? number + 1 : number - 1;
    EXPECT_FALSE(above.FitsCbor());
    EXPECT_THAT(BigInt::Parse(above.ToString()).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, "306 digits"));
  }
  EXPECT_FALSE(BigInt::Parse(std::string(350, '9')).ok());
}

TEST(BigIntTest, ArithmeticAgreesWithWideIntegers) {
  __extension__ using Wide = __int128;
  const auto wide = [](Wide value) {
    const bool is_negative = value < 0;
    std::string digits;
    for (Wide rest = is_negative ? -value : value; rest > 0; rest /= 10) {
      digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
    }
    if (digits.empty()) digits = "0";
    return BigInt::Parse((is_negative ? "-" : "") + digits).value();
  };
  SeededRandom random(5);
  for (int round = 0; round < 2000; ++round) {
    const auto a = static_cast<std::int64_t>(random.NextU64()) >> random.Below(63);
    const auto b = static_cast<std::int64_t>(random.NextU64()) >> random.Below(63);
    EXPECT_EQ(BigInt(a) + b, wide(Wide{a} + b));
    EXPECT_EQ(BigInt(a) - b, wide(Wide{a} - b));
    EXPECT_EQ(BigInt(a) * b, wide(Wide{a} * b));
    EXPECT_EQ(BigInt(a) <=> BigInt(b), a <=> b);
    EXPECT_EQ(-BigInt(a), wide(-Wide{a}));
    EXPECT_EQ(BigInt(a).ToInt64(), a);
    if (b != 0) {
      EXPECT_EQ(BigInt(a) / b, wide(Wide{a} / b));
      EXPECT_EQ(BigInt(a) % b, wide(Wide{a} % b));
    }
  }
  EXPECT_EQ(BigInt(std::numeric_limits<std::uint64_t>::max()).ToString(), "18446744073709551615");
  EXPECT_FALSE((BigInt(std::numeric_limits<std::uint64_t>::max()) + 1).ToUint64().has_value());
  EXPECT_FALSE(BigInt(-1).ToUint64().has_value());
}

TEST(BigIntTest, CborIsSignAndMagnitude) {
  EXPECT_EQ(ToHex(cbor::Encode(BigInt(0))), "40");
  EXPECT_EQ(ToHex(cbor::Encode(BigInt(1))), "420001");
  EXPECT_EQ(ToHex(cbor::Encode(BigInt(-256))), "43010100");
  SeededRandom random(6);
  for (std::size_t bytes = 0; bytes < BigInt::kBytesMax; ++bytes) {
    const BigInt value = BigInt::FromBytesBe(RandomBytes(random, bytes), random.Below(2) == 0);
    EXPECT_EQ(cbor::Decode<BigInt>(cbor::Encode(value)).value(), value);
    EXPECT_EQ(BigInt::Parse(value.ToString()).value(), value);
  }
  EXPECT_THAT(cbor::Decode<BigInt>(Bytes{0x42, 2, 1}), StatusIs(kInvalid, "sign byte 2"));
  Bytes too_long{0x58, 129};
  too_long.resize(131, 0);
  EXPECT_FALSE(cbor::Decode<BigInt>(too_long).ok());
}

TEST(BigIntTest, ParsesDecimalOnly) {
  for (const std::string_view text : {"", "-", "+1", " 1", "1 ", "0x1", "1.0", "1e3", "--1"}) {
    EXPECT_THAT(BigInt::Parse(text), StatusIs(kInvalid, "whole number")) << text;
  }
  EXPECT_EQ(BigInt::Parse("-0").value(), BigInt(0));
  EXPECT_EQ(BigInt::Parse("007").value(), BigInt(7));
}

TEST(FilTest, TextsBothWays) {
  EXPECT_EQ(ParseFil("5 FIL").value(), Fil(5));
  EXPECT_EQ(ParseFil("0.07").value().ToString(), "70000000000000000");
  EXPECT_EQ(ParseFil(" 12 attoFIL ").value(), BigInt(12));
  EXPECT_EQ(ParseFil("1.5nanofil").value(), BigInt(1500000000));
  EXPECT_EQ(ParseFil("-2 fil").value(), -Fil(2));
  EXPECT_EQ(FormatFil(Fil(5)), "5 FIL");
  EXPECT_EQ(FormatFil(BigInt(-1)), "-0.000000000000000001 FIL");
  EXPECT_EQ(FormatFil(BigInt(0)), "0 FIL");
  for (const std::string_view text :
       {"", "FIL", "1.", ".5", "1 WEI", "1.0000000000000000001 FIL", "0.5 attofil", "1,5", "- 1"}) {
    EXPECT_THAT(ParseFil(text), StatusIs(kInvalid, "amount")) << text;
  }
  // Whole numbers that fit the chain's bytes, but not with the eighteen places of the unit.
  EXPECT_THAT(ParseFil("9" + std::string(300, '0') + " FIL"), StatusIs(kInvalid, "more than"));
  EXPECT_OK(ParseFil("9" + std::string(280, '0') + " FIL").status());
  SeededRandom random(7);
  for (int round = 0; round < 200; ++round) {
    const BigInt amount = BigInt::FromBytesBe(RandomBytes(random, 12), random.Below(2) == 0);
    EXPECT_EQ(ParseFil(FormatFil(amount)).value(), amount);
  }
}

TEST(ProofTypeTest, SectorSizesOfAllTen) {
  const std::string_view texts[] = {"2KiB",  "4KiB",   "16KiB", "32KiB", "8MiB",
                                    "16MiB", "512MiB", "1GiB",  "32GiB", "64GiB"};
  std::uint64_t before = 0;
  for (std::size_t i = 0; i < std::size(texts); ++i) {
    ASSERT_OK_AND_ASSIGN(const SectorSize size, ParseSectorSize(texts[i]));
    EXPECT_EQ(size, kSectorSizes[i]);
    EXPECT_EQ(ToString(size), texts[i]);
    EXPECT_EQ(SectorSizeFromBytes(ToBytes(size)).value(), size);
    EXPECT_GT(ToBytes(size), before);
    before = ToBytes(size);
  }
  EXPECT_THAT(ParseSectorSize("32gib"), StatusIs(kInvalid, "32gib"));
  EXPECT_FALSE(SectorSizeFromBytes(1 << 20).ok());
  EXPECT_FALSE(WindowProofOf(SectorSize::k4KiB).has_value());
}

TEST(ProofTypeTest, NamesOfActorsAreReadToo) {
  EXPECT_EQ(ParsePoStProofType("StackedDRGWindow2KiBV1P1").value(), PoStProofType::kWindow2KiBV1_1);
  EXPECT_EQ(ParsePoStProofType("StackedDrgWinning32GiBV1").value(), PoStProofType::kWinning32GiBV1);
  EXPECT_FALSE(ParsePoStProofType("StackedDrgWindow2KiBV1_2").ok());
  EXPECT_FALSE(PoStProofTypeFromNumber(15).ok());
  EXPECT_FALSE(PoStProofTypeFromNumber(-1).ok());
  EXPECT_EQ(ToString(static_cast<PoStProofType>(99)), "PoStProofType(99)");
  EXPECT_EQ(ApiVersionOf(PoStProofType::kWindow32GiBV1), ApiVersion::kV1_0);
  EXPECT_EQ(ToString(ApiVersionOf(PoStProofType::kWindow32GiBV1_1)), "1.2.0");
}

TEST(SectorTest, NamesOfFiles) {
  EXPECT_EQ(ToString(SectorId{1000, 5}), "f01000/5");
  EXPECT_LT((SectorId{1, 9}), (SectorId{2, 0}));
}

BlockHeader HeaderWith(std::uint8_t seed) {
  BlockHeader header;
  header.miner = Address::FromId(1000U + seed);
  header.ticket = Ticket{Bytes(96, seed)};
  header.parents = {Cid::OfDagCbor(Bytes{1})};
  header.height = ChainEpoch(10);
  header.parent_state_root = Cid::OfDagCbor(Bytes{2});
  header.parent_message_receipts = Cid::OfDagCbor(Bytes{3});
  header.messages = Cid::OfDagCbor(Bytes{4});
  header.timestamp = seed;
  return header;
}

TEST(TipSetTest, OrderDoesNotDependOnTheOrderOfArrival) {
  std::vector<BlockHeader> blocks;
  for (std::uint8_t seed = 1; seed <= 5; ++seed) blocks.push_back(HeaderWith(seed));
  ASSERT_OK_AND_ASSIGN(const TipSet tipset, TipSet::Make(blocks));
  std::reverse(blocks.begin(), blocks.end());
  EXPECT_EQ(TipSet::Make(blocks).value(), tipset);
  for (std::size_t i = 1; i < tipset.Blocks().size(); ++i) {
    EXPECT_TRUE(TicketLess(*tipset.Blocks()[i - 1].ticket, *tipset.Blocks()[i].ticket));
  }
  EXPECT_EQ(tipset.MinTimestamp(), 1U);
  EXPECT_EQ(tipset.Parents().Cids(), blocks[0].parents);
  EXPECT_EQ(TipSetKey::FromBytes(tipset.Key().ToBytes()).value(), tipset.Key());
}

TEST(TipSetTest, RefusesBlocksThatDoNotBelongTogether) {
  EXPECT_FALSE(TipSet::Make({}).ok());
  BlockHeader other = HeaderWith(2);
  other.height = ChainEpoch(11);
  EXPECT_THAT(TipSet::Make({HeaderWith(1), other}), StatusIs(kInvalid, "heights"));
  other = HeaderWith(2);
  other.parents = {Cid::OfDagCbor(Bytes{9})};
  EXPECT_THAT(TipSet::Make({HeaderWith(1), other}), StatusIs(kInvalid, "parents"));
  other = HeaderWith(2);
  other.messages = Cid();
  EXPECT_THAT(TipSet::Make({HeaderWith(1), other}), StatusIs(kInvalid, "lacks"));
  EXPECT_FALSE(TipSetKey::FromBytes(Bytes(37)).ok());
}

}  // namespace
}  // namespace damocles::filecoin
