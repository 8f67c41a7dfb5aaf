// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Answers of nodes with one thing wrong: each member dropped, null, or of another kind.

#include "damocles/chain/answer.h"

#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lib/chain/answer_room.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/file.h"
#include "damocles/chain/lotus_json.h"

namespace damocles::chain {
namespace {

using Json = nlohmann::ordered_json;
using testing_support::StatusIs;

// What everybody does with such a value sooner or later.
template <typename T>
void Use(const T& value) {
  EXPECT_FALSE(ToLotusJson(value).empty());
}
template <>
void Use(const filecoin::Message& message) {
  EXPECT_OK(filecoin::cbor::Decode<filecoin::Message>(filecoin::cbor::Encode(message)));
  EXPECT_FALSE(message.from.Payload().empty());
  message.from.Protocol();
  // Prices are multiplied, and written again.
  filecoin::Message dearer = message;
  dearer.gas_fee_cap = message.gas_fee_cap * filecoin::BigInt(std::int64_t{1'000'000}) *
                       filecoin::BigInt(message.gas_limit);
  EXPECT_FALSE(CidOf(dearer).ToString().empty());
}
template <>
void Use(const filecoin::SignedMessage& message) {
  Use(message.message);
  CidOf(message);
  EXPECT_OK(filecoin::cbor::Decode<filecoin::SignedMessage>(filecoin::cbor::Encode(message)));
}
template <>
void Use(const std::vector<filecoin::SignedMessage>& messages) {
  for (const auto& message : messages) Use(message);
}
template <>
void Use(const filecoin::TipSet& tip_set) {
  tip_set.MinTimestamp();
  EXPECT_FALSE(tip_set.Key().Empty());
  EXPECT_OK(filecoin::TipSet::Make(tip_set.Blocks()));
}
template <>
void Use(const std::vector<HeadChange>& changes) {
  for (const auto& change : changes) Use(change.tip_set);
}
template <>
void Use(const filecoin::DeadlineInfo& info) {
  DeadlineAt(info.shape, info.period_start, info.current_epoch);
  NextNotElapsed(info);
  Next(info);
}
template <>
void Use(const MinerInfo& info) {
  filecoin::SectorSizeOf(info.window_post_proof_type);
  EXPECT_OK(filecoin::ToV1_1(info.window_post_proof_type));
  for (const auto& address : {info.owner, info.worker}) address.Protocol();
  for (const auto& address : info.control_addresses) address.Protocol();
}
template <>
void Use(const filecoin::Address& address) {
  address.Protocol();
  filecoin::cbor::Encode(address);
}
template <>
void Use(const filecoin::Cid& cid) {
  cid.Codec();
  filecoin::cbor::Encode(cid);
}
template <>
void Use(const std::vector<SectorOnChainInfo>& sectors) {
  for (const auto& sector : sectors) {
    EXPECT_OK(sector.sealed_cid.ToCommR());
    filecoin::SectorSizeOf(sector.seal_proof);
  }
}
template <>
void Use(const std::vector<Partition>& partitions) {
  for (const auto& partition : partitions) {
    Union(Difference(partition.live_sectors, partition.faulty_sectors),
          partition.recovering_sectors)
        .Count();
  }
}

struct Sample {
  std::string text;
  std::function<absl::Status(const std::string&)> read;
};

template <typename T>
Sample Of(std::string text) {
  return {std::move(text), [](const std::string& answer) {
            const absl::StatusOr<T> value = ReadAnswer<T>(answer);
            if (value.ok()) Use(*value);
            return value.status();
          }};
}

constexpr char kCid[] = R"({"/":"bafy2bzaced5ogtpxud57fwslqmf53roaxfzeh4ruamrtfvbwjx7hurgqvjgik"})";
constexpr char kMessage[] =
    R"({"Version":0,"To":"f01000","From":"f1ryctxu6ik2u3dzn45zsujtzh7kjostalkyhptby","Nonce":42,)"
    R"("Value":"0","GasLimit":123456789,"GasFeeCap":"1234567890123","GasPremium":"100123",)"
    R"("Method":5,"Params":"WusghssoEUk="})";

std::string SignedText() {
  return std::string(R"({"Message":)") + kMessage +
         R"(,"Signature":{"Type":1,"Data":"PZiBEKYPUgddN/SdrNAlIlV2SaoXCXQuZUgDuKnNt1XVBb5Vey)"
         R"(vgrLh/yFT+k936wCdPYvDmq7bRMjbGIzNhcIk="}})";
}

filecoin::TipSet MadeTipSet() {
  filecoin::BlockHeader block;
  block.miner = filecoin::Address::FromId(1000);
  block.ticket = filecoin::Ticket{.vrf_proof = Bytes(96, 7)};
  const auto cid = [](std::uint8_t seed) { return filecoin::Cid::OfDagCbor(Bytes(1, seed)); };
  block.parents = {cid(1), cid(2)};
  block.height = filecoin::ChainEpoch(4863284);
  block.parent_state_root = cid(3);
  block.parent_message_receipts = cid(4);
  block.messages = cid(5);
  block.timestamp = 1'700'000'000;
  block.parent_base_fee = filecoin::BigInt(std::int64_t{100});
  filecoin::BlockHeader other = block;
  other.miner = filecoin::Address::FromId(1001);
  other.ticket->vrf_proof[0] = 8;
  return filecoin::TipSet::Make({block, other}).value();
}

// One answer of each method, as a node gives it.
std::map<std::string, Sample> Samples() {
  const filecoin::TipSet tip_set = MadeTipSet();
  const std::string miner =
      R"({"Owner":"f01001","Worker":"f01002","NewWorker":"<empty>","ControlAddresses":["f01003"],)"
      R"("WorkerChangeEpoch":-1,"PeerId":"12D3KooW","Multiaddrs":["kMbjO2pI95I="],)"
      R"("WindowPoStProofType":13,"SectorSize":34359738368,"WindowPoStPartitionSectors":2349,)"
      R"("ConsensusFaultElapsed":-1,"PendingOwnerAddress":null,"Beneficiary":"f01001",)"
      R"("BeneficiaryTerm":{"Quota":"0","UsedQuota":"0","Expiration":0},)"
      R"("PendingBeneficiaryTerm":null})";
  const std::string deadline =
      R"({"CurrentEpoch":10101,"PeriodStart":9000,"Index":18,"Open":10080,"Close":10140,)"
      R"("Challenge":10060,"FaultCutoff":10010,"WPoStPeriodDeadlines":48,)"
      R"("WPoStProvingPeriod":2880,"WPoStChallengeWindow":60,"WPoStChallengeLookback":20,)"
      R"("FaultDeclarationCutoff":70})";
  const std::string sector =
      R"({"SectorNumber":9,"SealProof":8,"SealedCID":{"/":)"
      R"("bagboea4b5abcbsz26j6slyfrpkhk3ybj37xwqurjniagyy56we7gign3bslfc5j5"},)"
      R"("Activation":1000000,"Expiration":2555200,"DealWeight":"0","VerifiedDealWeight":"53",)"
      R"("InitialPledge":"16","ExpectedDayReward":"75","ExpectedStoragePledge":"15",)"
      R"("PowerBaseEpoch":1000000,"ReplacedDayReward":"0","SectorKeyCID":null,"Flags":1,)"
      R"("DailyFee":"22"})";
  const std::string partition =
      R"({"AllSectors":[0,2349],"FaultySectors":[5,1,11,2],"RecoveringSectors":[17,1],)"
      R"("LiveSectors":[1,2348],"ActiveSectors":[1,4,1,11,2,2330]})";
  const std::string receipt = R"({"ExitCode":0,"Return":null,"GasUsed":2500000,"EventsRoot":null})";
  const std::string lookup = std::string(R"({"Message":)") + kCid + R"(,"Receipt":)" + receipt +
                             R"(,"ReturnDec":null,"TipSet":[)" + kCid + R"(],"Height":4863284})";
  return {
      {"Version",
       Of<NodeVersion>(R"({"Version":"1.34.1","APIVersion":131840,"BlockDelay":30,"Agent":"x"})")},
      {"StateNetworkName", Of<std::string>(R"("mainnet")")},
      {"StateNetworkVersion", Of<std::uint32_t>("27")},
      {"SyncState",
       Of<SyncStatus>(R"({"ActiveSyncs":[{"WorkerID":1,"Base":null,"Target":)" +
                      ToLotusJson(tip_set) +
                      R"(,"Stage":3,"Height":5,"Start":"2026-01-01T00:00:00Z",)"
                      R"("End":"0001-01-01T00:00:00Z","Message":""}],"VMApplied":7})")},
      {"ChainHead", Of<filecoin::TipSet>(ToLotusJson(tip_set))},
      {"ChainNotify", Of<std::vector<HeadChange>>(
                          ToLotusJson(std::vector<HeadChange>{{HeadChangeKind::kApply, tip_set}}))},
      {"ChainGetMessage", Of<filecoin::Message>(kMessage)},
      {"StateMinerProvingDeadline", Of<filecoin::DeadlineInfo>(deadline)},
      {"StateMinerDeadlines",
       Of<std::vector<DeadlineState>>(
           R"([{"PostSubmissions":[0,2,3,1],"DisputableProofCount":2,"DailyFee":"51"}])")},
      {"StateMinerPartitions", Of<std::vector<Partition>>("[" + partition + "]")},
      {"StateMinerSectors", Of<std::vector<SectorOnChainInfo>>("[" + sector + "]")},
      {"StateMinerInfo", Of<MinerInfo>(miner)},
      {"StateGetRandomnessFromBeacon",
       Of<Bytes32>(R"("EpCEaLTXk4bpJGFgDfblfzGi5u3614C032bGsX6j1Nw=")")},
      {"StateGetBeaconEntry", Of<filecoin::BeaconEntry>(R"({"Round":17,"Data":"PNp9"})")},
      {"StateGetActor", Of<Actor>(std::string(R"({"Code":)") + kCid + R"(,"Head":)" + kCid +
                                  R"(,"Nonce":42,"Balance":"123","DelegatedAddress":null})")},
      {"StateLookupID", Of<filecoin::Address>(R"("f01002")")},
      {"WalletBalance", Of<filecoin::BigInt>(R"("123456789")")},
      {"WalletHas", Of<bool>("true")},
      {"WalletSign", Of<filecoin::Signature>(R"({"Type":2,"Data":"PZiBEKYP"})")},
      {"GasEstimateGasLimit", Of<std::int64_t>("2500000")},
      {"MpoolGetNonce", Of<std::uint64_t>("42")},
      {"MpoolPush", Of<filecoin::Cid>(kCid)},
      {"MpoolPushMessage", Of<filecoin::SignedMessage>(SignedText())},
      {"MpoolPending", Of<std::vector<filecoin::SignedMessage>>("[" + SignedText() + "]")},
      {"StateSearchMsg", Of<std::optional<MsgLookup>>(lookup)},
      {"StateReplay",
       Of<InvocResult>(std::string(R"({"MsgCid":)") + kCid + R"(,"Msg":)" + kMessage +
                       R"(,"MsgRct":)" + receipt +
                       R"(,"GasCost":{"Message":null,"GasUsed":"0","BaseFeeBurn":"0",)"
                       R"("OverEstimationBurn":"0","MinerPenalty":"0","MinerTip":"0",)"
                       R"("Refund":"0","TotalCost":"0"},"ExecutionTrace":null,)"
                       R"("Error":"","Duration":7})")},
  };
}

// Calls `visit` with a copy of `whole` for each value in it, and where that lies in the copy.
void ForEachPlace(const Json& whole, const std::function<void(Json copy, Json* at)>& visit) {
  std::vector<std::string> places;
  const Json flat = whole.flatten();
  for (const auto& [path, value] : flat.items()) {
    // And what it lies in.
    for (std::string at = path; !at.empty(); at = at.substr(0, at.rfind('/'))) {
      if (std::ranges::find(places, at) == places.end()) places.push_back(at);
    }
  }
  for (const std::string& place : places) {
    Json copy = whole;
    Json* at = &copy[Json::json_pointer(place)];
    visit(std::move(copy), at);
  }
}

const std::vector<Json>& OddValues() {
  static const auto* values = new std::vector<Json>{nullptr,
                                                    true,
                                                    0,
                                                    1,
                                                    -1,
                                                    255,
                                                    std::numeric_limits<std::int64_t>::max(),
                                                    std::numeric_limits<std::int64_t>::min(),
                                                    std::numeric_limits<std::uint64_t>::max(),
                                                    1.5,
                                                    1e300,
                                                    "",
                                                    "x",
                                                    "<empty>",
                                                    "f",
                                                    "f00",
                                                    "0",
                                                    "-1",
                                                    "b",
                                                    std::string(300, '9'),
                                                    "-" + std::string(300, '9'),
                                                    std::string(400, '9'),
                                                    std::string(2000, 'A'),
                                                    Json::array(),
                                                    Json::object(),
                                                    Json::array({nullptr}),
                                                    Json::array({1, 2, 3}),
                                                    Json::array({"f01000"}),
                                                    Json::object({{"/", ""}}),
                                                    Json::object({{"/", "b"}}),
                                                    Json::array({Json::array({Json::array()})})};
  return *values;
}

TEST(AnswerTest, WhatANodeGivesIsTaken) {
  for (const auto& [method, sample] : Samples()) EXPECT_OK(sample.read(sample.text)) << method;
  for (const char* empty : {"null", "[]"}) {
    EXPECT_OK(ReadAnswer<std::vector<Partition>>(empty));
    EXPECT_OK(ReadAnswer<std::vector<filecoin::SignedMessage>>(empty));
  }
  EXPECT_OK(ReadAnswer<std::optional<MsgLookup>>("null"));
}

// Whatever is wrong: an error that can be told, or a value that can be used.  Never an abort.
TEST(AnswerTest, OneOddMemberIsAnErrorOrDoesNoHarm) {
  std::size_t taken = 0;
  std::size_t refused = 0;
  for (const auto& [method, sample] : Samples()) {
    SCOPED_TRACE(method);
    const auto look = [&, &sample = sample](const Json& odd) {
      const absl::Status status = sample.read(odd.dump());
      ++(status.ok() ? taken : refused);
      if (!status.ok()) {
        EXPECT_TRUE(absl::IsInvalidArgument(status)) << status << "\n" << odd.dump();
        EXPECT_FALSE(status.message().empty());
      }
    };
    const Json whole = Json::parse(sample.text);
    for (const Json& odd : OddValues()) look(odd);
    if (!whole.is_structured()) continue;
    ForEachPlace(whole, [&](const Json& copy, Json* at) {
      const Json before = *at;
      for (const Json& odd : OddValues()) {
        // NOLINTNEXTLINE(bugprone-use-after-move): `at` lies in `copy`
        *at = odd;
        look(copy);
      }
      *at = before;
    });
    // Dropped, and told twice.
    const Json flat = whole.flatten();
    for (const auto& [path, value] : flat.items()) {
      for (std::string at = path; !at.empty(); at = at.substr(0, at.rfind('/'))) {
        const Json::json_pointer place(at);
        Json copy = whole;
        Json& parent = copy[place.parent_pointer()];
        if (parent.is_object()) {
          parent.erase(place.back());
        } else {
          parent.erase(std::stoul(place.back()));
        }
        look(copy);
      }
    }
  }
  EXPECT_GT(refused, 3000U);
  EXPECT_GT(taken, 500U);  // what nothing rests on
}

TEST(AnswerTest, WhatDecisionsRestOnMustBeThere) {
  const std::map<std::string, std::vector<const char*>> needed = {
      {"MpoolPending",
       {"/0/Message/From", "/0/Message/To", "/0/Message/Nonce", "/0/Message/Method",
        "/0/Message/GasFeeCap", "/0/Message/GasPremium", "/0/Message/GasLimit", "/0/Message/Value",
        "/0/Message", "/0/Signature", "/0/Signature/Data"}},
      {"MpoolPushMessage", {"/Message/From", "/Message/Nonce", "/Signature/Type"}},
      {"ChainGetMessage", {"/From", "/To"}},
      {"ChainHead",
       {"/Blocks", "/Height", "/Blocks/0/Height", "/Blocks/1/Miner", "/Cids", "/Blocks/0/Timestamp",
        "/Blocks/0/ParentBaseFee", "/Blocks/0/Parents", "/Blocks/0/Ticket"}},
      {"ChainNotify", {"/0/Val", "/0/Type", "/0/Val/Height", "/0/Val/Cids"}},
      {"StateMinerPartitions",
       {"/0/LiveSectors", "/0/FaultySectors", "/0/RecoveringSectors", "/0/AllSectors"}},
      {"StateMinerDeadlines", {"/0/PostSubmissions"}},
      {"StateMinerSectors", {"/0/SectorNumber", "/0/SealedCID", "/0/SealProof", "/0/SectorKeyCID"}},
      {"StateMinerInfo",
       {"/Owner", "/Worker", "/WindowPoStProofType", "/WindowPoStPartitionSectors", "/SectorSize",
        "/ControlAddresses"}},
      {"StateMinerProvingDeadline",
       {"/Open", "/Close", "/Challenge", "/PeriodStart", "/Index", "/WPoStProvingPeriod",
        "/FaultCutoff", "/CurrentEpoch"}},
      {"StateSearchMsg", {"/Receipt", "/Receipt/ExitCode", "/TipSet", "/Height", "/Message"}},
      {"StateReplay", {"/MsgRct", "/MsgRct/ExitCode"}},
      {"StateGetActor", {"/Nonce", "/Balance", "/Code"}},
  };
  const std::map<std::string, Sample> samples = Samples();
  for (const auto& [method, paths] : needed) {
    const Sample& sample = samples.at(method);
    for (const char* path : paths) {
      Json copy = Json::parse(sample.text);
      const Json::json_pointer place(path);
      copy[place.parent_pointer()].erase(place.back());
      // By that, and not by something that follows from it; but a ticket is part of a block's name.
      const bool named = std::string(path).ends_with("Ticket");
      EXPECT_THAT(sample.read(copy.dump()),
                  StatusIs(absl::StatusCode::kInvalidArgument, named ? "Cids" : "missing"))
          << method << " without " << path;
    }
  }
  for (const auto& [method, sample] : samples) {
    const bool may_be_null = sample.text.starts_with("[{") || sample.text.starts_with("[\"") ||
                             method == "StateSearchMsg";
    EXPECT_EQ(sample.read("null").ok(), may_be_null) << method;
  }
}

TEST(AnswerTest, ATipSetIsWhatItsCidsName) {
  Json odd = Json::parse(ToLotusJson(MadeTipSet()));
  odd["Blocks"][0]["Timestamp"] = 1;
  EXPECT_THAT(ReadAnswer<filecoin::TipSet>(odd.dump()),
              StatusIs(absl::StatusCode::kInvalidArgument, "not those of its blocks"));
}

TEST(AnswerTest, SetsOfSectorsThatContradictOneAnotherAreRefused) {
  const auto read = [](const std::string& faulty, const std::string& recovering,
                       const std::string& live) {
    return ReadAnswer<std::vector<Partition>>(
        R"([{"AllSectors":[0,10],"FaultySectors":)" + faulty + R"(,"RecoveringSectors":)" +
        recovering + R"(,"LiveSectors":)" + live + R"(,"ActiveSectors":[0]}])");
  };
  EXPECT_OK(read("[2,2]", "[2,1]", "[1,9]"));
  EXPECT_THAT(read("[0,2]", "[0]", "[1,9]"),
              StatusIs(absl::StatusCode::kInvalidArgument, "FaultySectors"));
  EXPECT_THAT(read("[2,2]", "[5,1]", "[1,9]"),
              StatusIs(absl::StatusCode::kInvalidArgument, "RecoveringSectors"));
  EXPECT_THAT(read("[0]", "[0]", "[1,10]"),
              StatusIs(absl::StatusCode::kInvalidArgument, "LiveSectors"));
}

TEST(AnswerTest, TextOfBracketsIsRefusedBeforeItTakesTheMemory) {
  std::string brackets = "[";
  for (int i = 0; i < 3'000'000; ++i) brackets += "{},";
  brackets += "{}]";
  EXPECT_THAT(ReadAnswer<std::vector<Partition>>(brackets),
              StatusIs(absl::StatusCode::kInvalidArgument, "values"));
  for (const char open : {'[', '{'}) {
    EXPECT_THAT(ReadAnswer<filecoin::TipSet>(std::string(1'000'000, open)),
                StatusIs(absl::StatusCode::kInvalidArgument, "nested too deep"));
  }
  // As many sectors as fit into a message are no such text.
  std::string sectors = "[";
  const std::string one = Samples().at("StateMinerSectors").text;
  const std::string sector = one.substr(1, one.size() - 2);
  for (int i = 0; i < 25'000; ++i) sectors += (i == 0 ? "" : ",") + sector;
  EXPECT_LT(sectors.size(), internal::AnswerBytesMax("StateMinerSectors"));
  EXPECT_OK(ReadAnswer<std::vector<SectorOnChainInfo>>(sectors + "]"));
}

TEST(AnswerRoomTest, LimitsAreByMethod) {
  EXPECT_EQ(internal::AnswerBytesMax("Filecoin.ChainHead"), std::size_t{1} << 20);
  EXPECT_EQ(internal::AnswerBytesMax("ChainHead"), std::size_t{1} << 20);
  EXPECT_EQ(internal::AnswerBytesMax("Filecoin.MpoolPending"), std::size_t{64} << 20);
  EXPECT_EQ(internal::AnswerBytesMax("Filecoin.Unheard"), std::size_t{1} << 20);
}

TEST(AnswerRoomTest, WhoWaitsGetsRoomWhenTheOthersHaveRead) {
  kj::EventLoop loop;
  kj::WaitScope scope(loop);
  internal::AnswerRoom room(100);
  room.WhenThereIsRoom().wait(scope);
  auto first = room.Take(60);
  auto second = room.Take(500);  // what has come is there
  EXPECT_EQ(room.Bytes(), 560U);
  auto waiting = room.WhenThereIsRoom();
  auto dropped = room.WhenThereIsRoom();
  dropped = nullptr;
  EXPECT_FALSE(waiting.poll(scope));
  first = nullptr;
  EXPECT_FALSE(waiting.poll(scope));
  second = nullptr;
  EXPECT_TRUE(waiting.poll(scope));
  waiting.wait(scope);
  EXPECT_EQ(room.Bytes(), 0U);
}

}  // namespace
}  // namespace damocles::chain
