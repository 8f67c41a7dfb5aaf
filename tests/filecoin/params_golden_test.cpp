// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <sstream>

#include "gtest/gtest.h"
#include "tests/filecoin/golden.h"
#include "tests/support/status_matchers.h"

#include "damocles/filecoin/message.h"
#include "damocles/filecoin/miner_params.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/randomness.h"

namespace damocles::filecoin {
namespace {

using testing::Base64;
using testing::BitsOf;
using testing::Hex;
using testing::Json;
using testing::LoadGolden;

PostPartition PostPartitionOf(const Json& value) {
  return {value.at("Index").get<std::uint64_t>(), BitsOf(value.at("Skipped"))};
}

PoStProof ProofOf(const Json& value) {
  return {static_cast<PoStProofType>(value.at("PoStProof").get<std::int64_t>()),
          Base64(value.at("ProofBytes"))};
}

SubmitWindowedPoStParams SubmitOf(const Json& value) {
  SubmitWindowedPoStParams params;
  params.deadline = value.at("Deadline").get<std::uint64_t>();
  for (const Json& partition : value.at("Partitions")) {
    params.partitions.push_back(PostPartitionOf(partition));
  }
  for (const Json& proof : value.at("Proofs")) params.proofs.push_back(ProofOf(proof));
  params.chain_commit_epoch = ChainEpoch(value.at("ChainCommitEpoch").get<std::int64_t>());
  params.chain_commit_rand = Base64(value.at("ChainCommitRand"));
  return params;
}

DeclareFaultsParams DeclarationOf(const Json& entries) {
  DeclareFaultsParams params;
  for (const Json& entry : entries) {
    params.entries.push_back({entry.at("Deadline").get<std::uint64_t>(),
                              entry.at("Partition").get<std::uint64_t>(),
                              BitsOf(entry.at("Sectors"))});
  }
  return params;
}

// Encodes `value`, reads it back both ways.
template <typename T, typename Lazy = T>
void ExpectParams(const T& value, const Json& hex) {
  const Bytes bytes = Hex(hex);
  EXPECT_EQ(ToHex(cbor::Encode(value)), hex);
  ASSERT_OK_AND_ASSIGN(const T read, DecodeParams<T>(bytes));
  EXPECT_EQ(read, value);
  ASSERT_OK_AND_ASSIGN(const Lazy lazy, DecodeParamsLeniently<Lazy>(bytes));
  EXPECT_EQ(cbor::Encode(lazy), bytes);
}

TEST(ParamsGoldenTest, ParamsOfTheRealTypes) {
  const Json cases = LoadGolden("actor-params.json").at("params");
  ASSERT_EQ(cases.size(), 27U);
  for (const Json& c : cases) {
    SCOPED_TRACE(c.at("what"));
    const std::string type = c.at("type");
    const Json& value = c.at("value");
    if (type == "SubmitWindowedPoStParams") {
      ExpectParams<SubmitWindowedPoStParams, LazySubmitWindowedPoStParams>(SubmitOf(value),
                                                                           c.at("cbor"));
    } else if (type == "DeclareFaultsParams") {
      ExpectParams<DeclareFaultsParams, LazyPartitionSectorsParams>(
          DeclarationOf(value.at("Faults")), c.at("cbor"));
    } else if (type == "DeclareFaultsRecoveredParams") {
      ExpectParams<DeclareFaultsRecoveredParams, LazyPartitionSectorsParams>(
          DeclarationOf(value.at("Recoveries")), c.at("cbor"));
    } else if (type == "PoStPartition") {
      ExpectParams<PostPartition, BasicPostPartition<LazyBitField>>(PostPartitionOf(value),
                                                                    c.at("cbor"));
    } else if (type == "PoStProof") {
      ExpectParams(ProofOf(value), c.at("cbor"));
    } else if (type == "DisputeWindowedPoStParams") {
      ExpectParams(DisputeWindowedPoStParams{value.at("Deadline").get<std::uint64_t>(),
                                             value.at("PoStIndex").get<std::uint64_t>()},
                   c.at("cbor"));
    } else {
      ADD_FAILURE() << "type " << type << " is not tested";
    }
  }
}

TEST(ParamsGoldenTest, ForeignParamsAreJudgedAsTheNodeDoes) {
  const Json cases = LoadGolden("actor-params.json").at("reject");
  ASSERT_EQ(cases.size(), 21U);
  int accepted = 0;
  for (const Json& c : cases) {
    SCOPED_TRACE(c.dump());
    ASSERT_EQ(c.at("type"), "SubmitWindowedPoStParams");
    const Bytes bytes = Hex(c.at("cbor"));
    cbor::Reader reader(bytes);
    const absl::StatusOr<LazySubmitWindowedPoStParams> params =
        LazySubmitWindowedPoStParams::ReadCbor(reader);
    ASSERT_EQ(params.ok(), c.at("accepted")) << params.status();
    if (!params.ok()) continue;
    ++accepted;
    EXPECT_EQ(reader.Rest().size(), c.at("bytes_left"));
    EXPECT_EQ(ToHex(cbor::Encode(*params)), c.at("again"));
  }
  EXPECT_EQ(accepted, 6);
}

// What the actor itself took and refused (exit code 21) when it was run.
TEST(ParamsGoldenTest, EncodingsAreJudgedAsTheActorDoes) {
  const Json steps = LoadGolden("actor-traces/encoding.json").at("steps");
  int taken = 0;
  int refused = 0;
  for (const Json& step : steps) {
    if (step.at("op") != "message" || step.at("method") != kMethodDeclareFaults) continue;
    SCOPED_TRACE(step.at("note"));
    const bool is_refused = step.at("exit") == 21;
    const absl::StatusOr<DeclareFaultsParams> params =
        DecodeParams<DeclareFaultsParams>(Hex(step.at("params_cbor")));
    EXPECT_EQ(!params.ok(), is_refused) << params.status();
    ++(is_refused ? refused : taken);
  }
  EXPECT_GE(taken, 7);
  EXPECT_GE(refused, 29);
}

// Every parameter list of the traces that the actor did not refuse as such decodes, and those in
// canonical form encode to the same bytes.
TEST(ParamsGoldenTest, ParamsOfEveryTraceRoundTrip) {
  int lists = 0;
  const Json traces = LoadGolden("actor-traces/index.json").at("traces");
  for (const Json& trace : traces) {
    const std::string name = trace.at("file");
    if (name == "encoding.json") continue;
    const Json steps = LoadGolden("actor-traces/" + name).at("steps");
    for (const Json& step : steps) {
      if (step.at("op") != "message" || step.at("exit") == 21) continue;
      SCOPED_TRACE(name + " step " + step.at("n").dump());
      const Bytes bytes = Hex(step.at("params_cbor"));
      const auto method = step.at("method").get<MethodNumber>();
      ++lists;
      if (method == kMethodSubmitWindowedPoSt) {
        ASSERT_OK_AND_ASSIGN(const auto params, DecodeParams<SubmitWindowedPoStParams>(bytes));
        EXPECT_EQ(cbor::Encode(params), bytes);
      } else if (method == kMethodDisputeWindowedPoSt) {
        ASSERT_OK_AND_ASSIGN(const auto params, DecodeParams<DisputeWindowedPoStParams>(bytes));
        EXPECT_EQ(cbor::Encode(params), bytes);
      } else if (method >= kMethodTerminateSectors && method <= kMethodDeclareFaultsRecovered) {
        ASSERT_OK_AND_ASSIGN(const auto params, DecodeParams<DeclareFaultsParams>(bytes));
        EXPECT_EQ(cbor::Encode(params), bytes);
      } else {
        ADD_FAILURE() << "method " << method;
      }
    }
  }
  EXPECT_GT(lists, 200);
}

TEST(ParamsGoldenTest, PoStProofTable) {
  const Json cases = LoadGolden("actor-params.json").at("post_proofs");
  ASSERT_EQ(cases.size(), static_cast<std::size_t>(kPoStProofTypes));
  for (const Json& c : cases) {
    SCOPED_TRACE(c.dump());
    ASSERT_OK_AND_ASSIGN(const PoStProofType type,
                         PoStProofTypeFromNumber(c.at("id").get<std::int64_t>()));
    EXPECT_EQ(ToString(type), c.at("name"));
    EXPECT_EQ(ParsePoStProofType(c.at("name").get<std::string>()).value(), type);
    EXPECT_EQ(ProofBytes(type), c.at("proof_size"));
    EXPECT_EQ(ToBytes(SectorSizeOf(type)), c.at("sector_size"));
    EXPECT_EQ(IsWindow(type), c.contains("window_partition_sectors"));
    const absl::StatusOr<PoStProofType> today = ToV1_1(type);
    if (IsWinning(type)) {
      EXPECT_FALSE(today.ok());
      EXPECT_EQ(WinningProofOf(SectorSizeOf(type)), type);
      continue;
    }
    EXPECT_EQ(WindowPartitionSectors(SectorSizeOf(type)), c.at("window_partition_sectors"));
    ASSERT_OK(today);
    EXPECT_EQ(ToNumber(*today), c.at("to_v1_1"));
    EXPECT_EQ(WindowProofOf(SectorSizeOf(type)), *today);
    EXPECT_EQ(ApiVersionOf(*today), ApiVersion::kV1_2);
  }
}

TEST(ParamsGoldenTest, SealProofTable) {
  const Json cases = LoadGolden("actor-params.json").at("seal_proofs");
  ASSERT_EQ(cases.size(), static_cast<std::size_t>(kSealProofTypes));
  for (const Json& c : cases) {
    SCOPED_TRACE(c.dump());
    ASSERT_OK_AND_ASSIGN(const SealProofType type,
                         SealProofTypeFromNumber(c.at("id").get<std::int64_t>()));
    EXPECT_EQ(ToString(type), c.at("name"));
    EXPECT_EQ(ParseSealProofType(c.at("name").get<std::string>()).value(), type);
    EXPECT_EQ(ProofBytes(type), c.at("proof_size"));
    EXPECT_EQ(ToBytes(SectorSizeOf(type)), c.at("sector_size"));
    EXPECT_EQ(IsSynthetic(type), c.at("synthetic"));
    EXPECT_EQ(IsNonInteractive(type), c.at("non_interactive"));
    EXPECT_EQ(WindowPartitionSectors(SectorSizeOf(type)), c.at("window_partition_sectors"));
    EXPECT_EQ(ToNumber(WindowProofOf(type, 18)), c.at("window_post_nv18"));
    EXPECT_EQ(ToNumber(WindowProofOf(type, 19)), c.at("window_post_nv19"));
    EXPECT_EQ(ToNumber(WinningProofOf(type)), c.at("winning_post"));
  }
}

// --------------------------------------------------------------- messages of the mainnet

class MinerMessagesTest : public ::testing::Test {
 protected:
  MinerMessagesTest() {
    std::istringstream lines(testing::ReadGolden("miner-messages.jsonl"));
    for (std::string line; std::getline(lines, line);) messages_.push_back(Json::parse(line));
  }
  std::vector<Json> messages_;
};

// Checks a set given as RLE+ and as numbers.
void ExpectSet(const BitField& field, const Json& rle, const Json& numbers) {
  EXPECT_EQ(ToHex(field.ToRle()), rle);
  EXPECT_EQ(field, BitField::Of(numbers.get<std::vector<std::uint64_t>>()));
}

void ExpectSubmission(const Bytes& bytes, const Json& want) {
  ASSERT_OK_AND_ASSIGN(const auto params, DecodeParams<SubmitWindowedPoStParams>(bytes));
  EXPECT_EQ(cbor::Encode(params), bytes);
  EXPECT_EQ(params.deadline, want.at("deadline"));
  ASSERT_EQ(params.partitions.size(), want.at("partitions").size());
  for (std::size_t i = 0; i < params.partitions.size(); ++i) {
    const Json& partition = want.at("partitions")[i];
    EXPECT_EQ(params.partitions[i].index, partition.at("index"));
    ExpectSet(params.partitions[i].skipped, partition.at("skipped_rle"), partition.at("skipped"));
  }
  ASSERT_EQ(params.proofs.size(), want.at("proofs").size());
  for (std::size_t i = 0; i < params.proofs.size(); ++i) {
    EXPECT_EQ(ToNumber(params.proofs[i].type), want.at("proofs")[i].at("type"));
    EXPECT_EQ(ToHex(params.proofs[i].bytes), want.at("proofs")[i].at("bytes"));
  }
  EXPECT_EQ(params.chain_commit_epoch.Value(), want.at("chain_commit_epoch"));
  EXPECT_EQ(ToHex(params.chain_commit_rand), want.at("chain_commit_rand"));
}

void ExpectDeclarations(const Bytes& bytes, const Json& want) {
  ASSERT_OK_AND_ASSIGN(const auto params, DecodeParams<DeclareFaultsParams>(bytes));
  EXPECT_EQ(cbor::Encode(params), bytes);
  ASSERT_EQ(params.entries.size(), want.at("declarations").size());
  for (std::size_t i = 0; i < params.entries.size(); ++i) {
    const Json& entry = want.at("declarations")[i];
    EXPECT_EQ(params.entries[i].deadline, entry.at("deadline"));
    EXPECT_EQ(params.entries[i].partition, entry.at("partition"));
    ExpectSet(params.entries[i].sectors, entry.at("sectors_rle"), entry.at("sectors"));
  }
}

TEST_F(MinerMessagesTest, RoundTripWithCidAndParams) {
  ASSERT_EQ(messages_.size(), 80U);
  int decoded = 0;
  for (const Json& m : messages_) {
    SCOPED_TRACE(m.at("source"));
    const Bytes bytes = Hex(m.at("message_cbor"));
    ASSERT_OK_AND_ASSIGN(const Message message, cbor::Decode<Message>(bytes));
    EXPECT_EQ(cbor::Encode(message), bytes);
    EXPECT_EQ(CidOf(message).ToString(), m.at("cid"));
    EXPECT_EQ(message.nonce, m.at("nonce"));
    EXPECT_EQ(message.method, m.at("method"));
    EXPECT_EQ(ToHex(message.params), m.at("params_cbor"));
    if (!m.contains("params")) {  // null on purpose
      EXPECT_FALSE(DecodeParams<SubmitWindowedPoStParams>(message.params).ok());
      EXPECT_FALSE(DecodeParams<DeclareFaultsParams>(message.params).ok());
      continue;
    }
    ++decoded;
    if (message.method == kMethodSubmitWindowedPoSt) {
      ExpectSubmission(message.params, m.at("params"));
    } else {
      ExpectDeclarations(message.params, m.at("params"));
    }
  }
  EXPECT_EQ(decoded, 75);
}

TEST_F(MinerMessagesTest, CommitRandomnessFollowsFromTheRecordedDigest) {
  int drawn = 0;
  for (const Json& m : messages_) {
    if (!m.contains("randomness_digests")) continue;
    SCOPED_TRACE(m.at("source"));
    const ChainEpoch epoch(m.at("params").at("chain_commit_epoch").get<std::int64_t>());
    for (const Json& digest : m.at("randomness_digests")) {
      if (digest.at("kind") != "chain") continue;
      if (digest.at("epoch") != epoch.Value()) continue;
      ++drawn;
      EXPECT_EQ(ToHex(DrawFromDigest(testing::Hex32(digest.at("digest")),
                                     DomainTag::kPoStChainCommit, epoch, {})),
                m.at("params").at("chain_commit_rand"));
    }
  }
  EXPECT_EQ(drawn, 24);
}

}  // namespace
}  // namespace damocles::filecoin
