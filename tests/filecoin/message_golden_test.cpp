// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <secp256k1.h>
#include <secp256k1_recovery.h>

#include "gtest/gtest.h"
#include "tests/filecoin/golden.h"
#include "tests/support/status_matchers.h"

#include "damocles/filecoin/block.h"
#include "damocles/filecoin/message.h"
#include "damocles/filecoin/randomness.h"
#include "damocles/hash/blake2b.h"

namespace damocles::filecoin {
namespace {

using testing::AddressOf;
using testing::Base64;
using testing::CidOfLink;
using testing::Hex;
using testing::Json;
using testing::LoadGolden;

BigInt BigOf(const Json& text) {
  return BigInt::Parse(text.get<std::string>()).value();
}

Message MessageOf(const Json& fields) {
  Message message;
  message.version = fields.at("Version").get<std::uint64_t>();
  message.to = AddressOf(fields.at("To"));
  message.from = AddressOf(fields.at("From"));
  message.nonce = fields.at("Nonce").get<std::uint64_t>();
  message.value = BigOf(fields.at("Value"));
  message.gas_limit = fields.at("GasLimit").get<std::int64_t>();
  message.gas_fee_cap = BigOf(fields.at("GasFeeCap"));
  message.gas_premium = BigOf(fields.at("GasPremium"));
  message.method = fields.at("Method").get<MethodNumber>();
  message.params = Base64(fields.at("Params"));
  return message;
}

Signature SignatureOf(const Json& fields) {
  return {static_cast<SignatureType>(fields.at("Type").get<int>()), Base64(fields.at("Data"))};
}

BlockHeader HeaderOf(const Json& fields) {
  BlockHeader header;
  header.miner = AddressOf(fields.at("Miner"));
  if (const Json& ticket = fields.at("Ticket"); !ticket.is_null()) {
    header.ticket = Ticket{Base64(ticket.at("VRFProof"))};
  }
  if (const Json& proof = fields.at("ElectionProof"); !proof.is_null()) {
    header.election_proof =
        ElectionProof{proof.at("WinCount").get<std::int64_t>(), Base64(proof.at("VRFProof"))};
  }
  for (const Json& entry : fields.at("BeaconEntries")) {
    header.beacon_entries.push_back(
        {entry.at("Round").get<std::uint64_t>(), Base64(entry.at("Data"))});
  }
  for (const Json& proof : fields.at("WinPoStProof")) {
    header.win_post_proof.push_back(
        {static_cast<PoStProofType>(proof.at("PoStProof").get<std::int64_t>()),
         Base64(proof.at("ProofBytes"))});
  }
  for (const Json& parent : fields.at("Parents")) header.parents.push_back(CidOfLink(parent));
  header.parent_weight = BigOf(fields.at("ParentWeight"));
  header.height = ChainEpoch(fields.at("Height").get<std::int64_t>());
  header.parent_state_root = CidOfLink(fields.at("ParentStateRoot"));
  header.parent_message_receipts = CidOfLink(fields.at("ParentMessageReceipts"));
  header.messages = CidOfLink(fields.at("Messages"));
  if (!fields.at("BLSAggregate").is_null()) {
    header.bls_aggregate = SignatureOf(fields.at("BLSAggregate"));
  }
  header.timestamp = fields.at("Timestamp").get<std::uint64_t>();
  if (!fields.at("BlockSig").is_null()) header.block_sig = SignatureOf(fields.at("BlockSig"));
  header.fork_signaling = fields.at("ForkSignaling").get<std::uint64_t>();
  header.parent_base_fee = BigOf(fields.at("ParentBaseFee"));
  return header;
}

template <typename T>
void ExpectCbor(const T& value, const Json& hex) {
  EXPECT_EQ(ToHex(cbor::Encode(value)), hex);
  ASSERT_OK_AND_ASSIGN(const T read, cbor::Decode<T>(Hex(hex)));
  EXPECT_EQ(read, value);
}

// Whether `signature` (r, s, recovery id) over BLAKE2b-256 of `signed_bytes` is of this key.
bool VerifySecp(ByteSpan public_key, ByteSpan signed_bytes, ByteSpan signature) {
  if (signature.size() != 65) return false;
  secp256k1_context* context = secp256k1_context_create(SECP256K1_CONTEXT_VERIFY);
  const Bytes32 digest = hash::Blake2b256Of(signed_bytes);
  secp256k1_ecdsa_recoverable_signature parsed;
  secp256k1_pubkey key;
  std::array<std::uint8_t, 65> recovered;
  std::size_t length = recovered.size();
  const bool ok =
      secp256k1_ecdsa_recoverable_signature_parse_compact(context, &parsed, signature.data(),
                                                          signature[64]) == 1 &&
      secp256k1_ecdsa_recover(context, &key, &parsed, digest.data()) == 1 &&
      secp256k1_ec_pubkey_serialize(context, recovered.data(), &length, &key,
                                    SECP256K1_EC_UNCOMPRESSED) == 1 &&
      std::equal(public_key.begin(), public_key.end(), recovered.begin(), recovered.end());
  secp256k1_context_destroy(context);
  return ok;
}

TEST(MessageGoldenTest, MessagesWithBothKindsOfSender) {
  const Json cases = LoadGolden("actor-params.json").at("messages");
  ASSERT_EQ(cases.size(), 10U);
  for (const Json& c : cases) {
    SCOPED_TRACE(c.at("cid"));
    const Message message = MessageOf(c.at("json"));
    ExpectCbor(message, c.at("cbor"));
    EXPECT_EQ(CidOf(message).ToString(), c.at("cid"));
    EXPECT_EQ(ToHex(SigningBytes(message)), c.at("cid_bytes"));

    const Json& bls = c.at("bls");
    ASSERT_OK_AND_ASSIGN(const Message from_bls, cbor::Decode<Message>(Hex(bls.at("cbor"))));
    EXPECT_EQ(from_bls.from, AddressOf(bls.at("from")));
    EXPECT_EQ(CidOf(SignedMessage{from_bls, {SignatureType::kBls, Bytes(96)}}).ToString(),
              bls.at("cid"));

    const Json& secp = c.at("secp");
    const Bytes public_key = Hex(secp.at("public_key"));
    EXPECT_EQ(Address::FromSecp256k1PublicKey(public_key).ToString(), secp.at("address"));
    EXPECT_EQ(message.from.ToString(), secp.at("address"));
    const Bytes signature = Hex(secp.at("signature"));
    SignedMessage signed_message{message, {SignatureType::kSecp256k1, signature}};
    signed_message.signature.data.erase(signed_message.signature.data.begin());
    EXPECT_EQ(signature[0], 1);
    ExpectCbor(signed_message, secp.at("signed_cbor"));
    EXPECT_EQ(CidOf(signed_message).ToString(), secp.at("signed_cid"));
    EXPECT_EQ(ToHex(SigningBytes(message)), secp.at("signed_bytes"));
    EXPECT_EQ(cbor::Encode(message).size(), c.at("chain_length"));
    EXPECT_TRUE(VerifySecp(public_key, SigningBytes(message), signed_message.signature.data));
    EXPECT_FALSE(VerifySecp(public_key, Hex(bls.at("cbor")), signed_message.signature.data));
  }
}

TEST(MessageGoldenTest, SerializationOfUnsignedMessages) {
  const Json cases = LoadGolden("serialization-unsigned_messages.json");
  ASSERT_EQ(cases.size(), 21U);
  for (const Json& c : cases) {
    SCOPED_TRACE(c.at("hex_cbor"));
    ExpectCbor(MessageOf(c.at("message")), c.at("hex_cbor"));
  }
}

TEST(MessageGoldenTest, SigningBytesOfBlsSenders) {
  const Json cases = LoadGolden("serialization-message_signing.json");
  ASSERT_EQ(cases.size(), 2U);
  for (const Json& c : cases) {
    const Message message = MessageOf(c.at("Unsigned"));
    EXPECT_EQ(CidOf(message).ToString(), c.at("Cid"));
    EXPECT_EQ(ToHex(SigningBytes(message)), c.at("CidHexBytes"));
    EXPECT_EQ(CidOf(SignedMessage{message, SignatureOf(c.at("Signature"))}), CidOf(message));
  }
}

TEST(MessageGoldenTest, SerializationOfBlockHeaders) {
  const Json cases = LoadGolden("serialization-block_headers.json");
  ASSERT_EQ(cases.size(), 5U);
  for (const Json& c : cases) {
    SCOPED_TRACE(c.at("cid"));
    const BlockHeader header = HeaderOf(c.at("block"));
    ExpectCbor(header, c.at("cbor_hex"));
    EXPECT_EQ(CidOf(header).ToString(), c.at("cid"));
  }
}

TEST(MessageGoldenTest, CborAndCidsOfApiValues) {
  const Json cases = LoadGolden("lotus-json.json").at("values");
  int seen = 0;
  for (const Json& c : cases) {
    if (!c.contains("cbor")) continue;
    SCOPED_TRACE(c.at("what"));
    ++seen;
    const std::string type = c.at("type");
    const Json value = Json::parse(c.at("text").get<std::string>());
    if (type == "Message") {
      ExpectCbor(MessageOf(value), c.at("cbor"));
      EXPECT_EQ(CidOf(MessageOf(value)).ToString(), c.at("cid"));
    } else if (type == "SignedMessage") {
      const SignedMessage message{MessageOf(value.at("Message")),
                                  SignatureOf(value.at("Signature"))};
      ExpectCbor(message, c.at("cbor"));
      EXPECT_EQ(CidOf(message).ToString(), c.at("cid"));
    } else if (type == "BlockHeader") {
      ExpectCbor(HeaderOf(value), c.at("cbor"));
      EXPECT_EQ(CidOf(HeaderOf(value)).ToString(), c.at("cid"));
    } else if (type == "BlockMsg") {
      BlockMsg block;
      block.header = HeaderOf(value.at("Header"));
      for (const Json& cid : value.at("BlsMessages")) block.bls_messages.push_back(CidOfLink(cid));
      for (const Json& cid : value.at("SecpkMessages")) {
        block.secpk_messages.push_back(CidOfLink(cid));
      }
      ExpectCbor(block, c.at("cbor"));
      EXPECT_EQ(CidOf(block.header).ToString(), c.at("cid"));
    } else {
      ADD_FAILURE() << "type " << type << " is not tested";
    }
  }
  EXPECT_EQ(seen, 13);
}

TEST(MessageGoldenTest, TipSetsAreInTheOrderOfTheirTickets) {
  int seen = 0;
  const Json cases = LoadGolden("lotus-json.json").at("values");
  for (const Json& c : cases) {
    if (c.at("type") != "TipSet") continue;
    SCOPED_TRACE(c.at("what"));
    ++seen;
    const Json value = Json::parse(c.at("text").get<std::string>());
    std::vector<BlockHeader> blocks;
    for (const Json& block : value.at("Blocks")) blocks.push_back(HeaderOf(block));
    std::reverse(blocks.begin(), blocks.end());
    ASSERT_OK_AND_ASSIGN(const TipSet tipset, TipSet::Make(blocks));
    std::vector<Cid> cids;
    for (const Json& cid : value.at("Cids")) cids.push_back(CidOfLink(cid));
    EXPECT_EQ(tipset.Key().Cids(), cids);
    EXPECT_EQ(tipset.Height().Value(), value.at("Height"));
    EXPECT_EQ(CidOf(tipset.MinTicketBlock()), cids.front());
    ASSERT_OK_AND_ASSIGN(const TipSetKey key, TipSetKey::FromBytes(tipset.Key().ToBytes()));
    EXPECT_EQ(key, tipset.Key());
  }
  EXPECT_EQ(seen, 3);
}

TEST(RandomnessGoldenTest, Draws) {
  const Json cases = LoadGolden("randomness.json").at("draws");
  ASSERT_EQ(cases.size(), 35U);
  for (const Json& c : cases) {
    SCOPED_TRACE(c.dump());
    const auto tag = static_cast<DomainTag>(c.at("tag").get<std::int64_t>());
    const ChainEpoch epoch(c.at("epoch").get<std::int64_t>());
    const Bytes base = Hex(c.at("base"));
    const Bytes entropy = Hex(c.at("entropy"));
    EXPECT_EQ(ToString(tag), c.at("tag_name"));
    EXPECT_EQ(ToHex(RandomnessDigest(base)), c.at("digest"));
    const Bytes32 drawn = Draw(base, tag, epoch, entropy);
    EXPECT_EQ(ToHex(drawn), c.at("out"));
    EXPECT_EQ(DrawFromDigest(RandomnessDigest(base), tag, epoch, entropy), drawn);
    EXPECT_EQ(ToHex(MaskForProver(drawn)), c.at("prover"));
    if (c.contains("miner")) {
      const Address miner = AddressOf(c.at("miner"));
      if (miner.IsId()) {
        EXPECT_EQ(ToHex(MinerEntropy(*miner.Id())),
                  c.at("entropy").get<std::string>().substr(0, 2 * (miner.ToBytes().size() + 1)));
      }
    }
  }
}

}  // namespace
}  // namespace damocles::filecoin
