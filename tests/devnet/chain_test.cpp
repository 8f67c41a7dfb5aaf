// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/devnet/chain.h"

#include <nlohmann/json.hpp>

#include "gtest/gtest.h"
#include "tests/devnet/chain_fixture.h"

#include "damocles/devnet/report.h"

namespace damocles::devnet {
namespace {

using chain::HeadChangeKind;
using damocles::testing_support::StatusIs;
using filecoin::ChainEpoch;
using filecoin::EpochDelta;
using testing_support::AdvanceTo;
using testing_support::Find;
using testing_support::FirstOpen;
using testing_support::kMiner;
using testing_support::kMinerAddress;
using testing_support::PostMessage;
using testing_support::SmallGenesis;
using testing_support::Verifier;
using testing_support::WithUuid;

class ChainTest : public testing::Test {
 protected:
  void SetUp() override { Start(QuickPreset()); }
  void Start(const ChainConfig& config, VerifyMode mode = VerifyMode::kAlways) {
    ASSERT_OK_AND_ASSIGN(chain_, Chain::InMemory(config, SmallGenesis(), verifier_.Options(mode)));
    open_ = FirstOpen(*chain_);
  }
  // The last epoch before the window of a deadline in period `period` opens.
  ChainEpoch BeforeOpen(std::uint64_t deadline, std::int64_t period = 0) const {
    const filecoin::PeriodShape& shape = chain_->Config().policy.period;
    return open_ + shape.proving_period * period +
           shape.challenge_window * static_cast<std::int64_t>(deadline) - EpochDelta(1);
  }
  filecoin::SignedMessage Push(const filecoin::Message& message) {
    auto pushed = chain_->MpoolPushMessage(message, std::nullopt);
    EXPECT_OK(pushed.status());
    return pushed.ok() ? *pushed : filecoin::SignedMessage{};
  }
  DeadlineRecord DeadlineAfterHead(std::uint64_t index) const {
    return chain_->MinerAfterHead(kMiner)->Deadline(index);
  }

  Verifier verifier_;
  std::unique_ptr<Chain> chain_;
  ChainEpoch open_;
};

TEST_F(ChainTest, SeedAndEventsDecideEverything) {
  const auto run = [](std::uint64_t seed) {
    Verifier verifier;
    ChainConfig config = QuickPreset();
    config.seed = seed;
    auto chain = *Chain::InMemory(config, SmallGenesis(), verifier.Options());
    AdvanceTo(*chain, FirstOpen(*chain) - EpochDelta(1));
    EXPECT_OK(chain->MpoolPushMessage(PostMessage(*chain, 0, {{0, {}}}), std::nullopt).status());
    EXPECT_OK(chain->Advance({.null_rounds = 2, .timestamp = std::nullopt}));
    EXPECT_OK(chain->Reorg(1));
    EXPECT_OK(chain->Advance());
    return chain->ChainHead().Key();
  };
  EXPECT_EQ(run(7), run(7));
  EXPECT_NE(run(7), run(8));
}

TEST_F(ChainTest, StartsWithBlocksForEveryLookBackAndPlacesSectorsAsStated) {
  EXPECT_EQ(chain_->ChainHead().Height(), ChainEpoch(0) + chain_->Config().genesis_blocks);
  ASSERT_OK_AND_ASSIGN(const auto partitions, chain_->StateMinerPartitions(kMinerAddress, 0, {}));
  ASSERT_EQ(partitions.size(), 2U);
  EXPECT_EQ(partitions[0].all_sectors, (filecoin::BitField{1, 2}));
  EXPECT_EQ(partitions[1].live_sectors, (filecoin::BitField{3}));
  EXPECT_TRUE(partitions[1].active_sectors.Empty()) << "no power before the first proof";
  ASSERT_OK_AND_ASSIGN(const auto sectors, chain_->StateMinerSectors(kMinerAddress, {}, {}));
  EXPECT_EQ(sectors.size(), 6U);
  ASSERT_OK_AND_ASSIGN(const Bytes32 comm_r, sectors[3].sealed_cid.ToCommR());
  EXPECT_EQ(comm_r[0], 4);
  EXPECT_THAT(chain_->StateMinerPartitions(kMinerAddress, 12, {}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "invalid deadline 12"));
}

TEST_F(ChainTest, WindowsBeforeTheChainCountsAreExcused) {
  // Sectors everywhere: those of the last deadlines would be due before anybody could be there.
  Genesis genesis;
  genesis.miners.resize(2);
  for (std::size_t m = 0; m < 2; ++m) {
    genesis.miners[m].id = kMiner + m;
    for (std::uint64_t d = 0; d < 12; ++d) {
      genesis.miners[m].sectors.push_back(testing_support::SectorAt(d, d, 0));
    }
  }
  ASSERT_OK_AND_ASSIGN(chain_, Chain::InMemory(QuickPreset(), genesis, verifier_.Options()));
  AdvanceTo(*chain_, open_ + EpochDelta(1));
  for (std::size_t m = 0; m < 2; ++m) {
    ASSERT_OK_AND_ASSIGN(const auto faults,
                         chain_->StateMinerFaults(filecoin::Address::FromId(kMiner + m), {}));
    EXPECT_TRUE(faults.Empty());
  }
  AdvanceTo(*chain_, open_ + EpochDelta(16));
  ASSERT_OK_AND_ASSIGN(const auto first, chain_->StateMinerFaults(kMinerAddress, {}));
  EXPECT_EQ(first, (filecoin::BitField{0}));
  ASSERT_OK_AND_ASSIGN(const auto second,
                       chain_->StateMinerFaults(filecoin::Address::FromId(kMiner + 1), {}));
  EXPECT_EQ(second, (filecoin::BitField{0})) << "its periods start half a window later";
  const auto report = nlohmann::json::parse(ReportJson(*chain_));
  EXPECT_EQ(report["deadlines"].size(), 2U);
}

TEST_F(ChainTest, ReceiptShowsWithTheChild) {
  AdvanceTo(*chain_, BeforeOpen(0));
  const auto message = Push(PostMessage(*chain_, 0, {{0, {}}, {1, {}}}));
  const filecoin::Cid cid = CidOf(message);
  ASSERT_OK(chain_->Advance());
  const filecoin::TipSet included = chain_->ChainHead();
  ASSERT_OK_AND_ASSIGN(const auto messages,
                       chain_->ChainGetBlockMessages(included.Key().Cids()[0]));
  ASSERT_EQ(messages.cids, std::vector<filecoin::Cid>{cid});
  EXPECT_FALSE(Find(*chain_, cid).has_value());
  ASSERT_OK_AND_ASSIGN(const auto before, chain_->StateMinerDeadlines(kMinerAddress, {}));
  EXPECT_TRUE(before[0].post_submissions.Empty());

  ASSERT_OK(chain_->Advance());
  const auto found = Find(*chain_, cid);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->receipt.exit_code, 0);
  EXPECT_EQ(found->height, included.Height() + EpochDelta(1));
  EXPECT_EQ(found->tip_set, chain_->ChainHead().Key());
  ASSERT_OK_AND_ASSIGN(const auto after, chain_->StateMinerDeadlines(kMinerAddress, {}));
  EXPECT_EQ(after[0].post_submissions, (filecoin::BitField{0, 1}));
  EXPECT_NE(chain_->ChainHead().ParentState(), included.ParentState());
  // At an older key the answer is the older one.
  ASSERT_OK_AND_ASSIGN(const auto then, chain_->StateMinerDeadlines(kMinerAddress, included.Key()));
  EXPECT_TRUE(then[0].post_submissions.Empty());
  ASSERT_OK_AND_ASSIGN(const auto at_that_time,
                       chain_->StateSearchMsg(included.Key(), cid, -1, true));
  EXPECT_FALSE(at_that_time.has_value());
}

TEST_F(ChainTest, VerifierSeesTheProvenSectorsAndTheMaskedRandomness) {
  AdvanceTo(*chain_, BeforeOpen(0));
  Push(PostMessage(*chain_, 0, {{1, {}}, {0, {2}}}));
  ASSERT_EQ(verifier_.asked.size(), 1U);
  const PostStatement& statement = verifier_.asked[0];
  EXPECT_EQ(statement.miner, kMiner);
  ASSERT_EQ(statement.sectors.size(), 2U);
  EXPECT_EQ(statement.sectors[0].number, 1U);
  EXPECT_EQ(statement.sectors[1].number, 3U);
  EXPECT_EQ(statement.sectors[1].comm_r[0], 3);
  ASSERT_OK_AND_ASSIGN(const Bytes32 drawn,
                       chain_->StateGetRandomnessFromBeacon(4, open_ - EpochDelta(5),
                                                            filecoin::MinerEntropy(kMiner), {}));
  EXPECT_EQ(statement.randomness, filecoin::MaskForProver(drawn));
  ASSERT_OK(chain_->Advance());
  EXPECT_EQ(verifier_.asked.size(), 1U) << "the same question is not asked twice";
}

TEST_F(ChainTest, WrongProofIsRefused) {
  AdvanceTo(*chain_, BeforeOpen(0));
  verifier_.answer = false;
  filecoin::Message message = PostMessage(*chain_, 0, {{0, {}}});
  const auto dry = chain_->MpoolPushMessage(message, std::nullopt);
  EXPECT_THAT(dry.status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "exit=[ErrIllegalArgument(16)]"));
  EXPECT_THAT(dry.status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "invalid post was submitted"));
  EXPECT_TRUE(chain_->MpoolPending().empty());

  message.gas_limit = 100'000'000;  // skips the dry run
  const auto pushed = Push(message);
  ASSERT_OK(chain_->Advance());
  ASSERT_OK(chain_->Advance());
  const auto found = Find(*chain_, CidOf(pushed));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->receipt.exit_code, 16);
  EXPECT_TRUE(DeadlineAfterHead(0).posted.Empty());
  const auto report = nlohmann::json::parse(ReportJson(*chain_));
  EXPECT_TRUE(report["proofs"].empty());
  const auto replayed = chain_->StateReplay({}, CidOf(pushed));
  ASSERT_OK(replayed.status());
  EXPECT_EQ(replayed->error, "invalid post was submitted");
}

TEST_F(ChainTest, ProofThatCannotBeJudgedIsRefusedWithTheReason) {
  AdvanceTo(*chain_, BeforeOpen(0));
  verifier_.answer = absl::FailedPreconditionError("v28-x.vk is missing");
  const auto dry = chain_->MpoolPushMessage(PostMessage(*chain_, 0, {{0, {}}}), std::nullopt);
  EXPECT_THAT(dry.status(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                     "invalid post was submitted: v28-x.vk is missing"));
  // It turned up.
  verifier_.answer = true;
  Push(PostMessage(*chain_, 0, {{0, {}}}));
}

TEST_F(ChainTest, BytesThatAreNoProofAreRefusedInTheActorsWords) {
  AdvanceTo(*chain_, BeforeOpen(0));
  verifier_.answer = absl::InvalidArgumentError("point 1 is not on the curve");
  filecoin::Message message = PostMessage(*chain_, 0, {{0, {}}});
  message.gas_limit = 100'000'000;
  const auto pushed = Push(message);
  ASSERT_OK(chain_->Advance());
  ASSERT_OK(chain_->Advance());
  ASSERT_OK_AND_ASSIGN(const auto replayed, chain_->StateReplay({}, CidOf(pushed)));
  EXPECT_EQ(replayed.error, "invalid post was submitted");
}

TEST_F(ChainTest, ModeActorTakesHealthyProofsUnseenAndVerifiesRecoveries) {
  Start(QuickPreset(), VerifyMode::kActor);
  AdvanceTo(*chain_, BeforeOpen(0));
  verifier_.answer = false;
  Push(PostMessage(*chain_, 0, {{0, {}}, {1, {3}}}));
  ASSERT_OK(chain_->Advance());
  EXPECT_TRUE(verifier_.asked.empty());
  EXPECT_EQ(DeadlineAfterHead(0).posted, (filecoin::BitField{0, 1}));
  EXPECT_EQ(DeadlineAfterHead(0).partitions[1].faults, (filecoin::BitField{3}));

  filecoin::Message recovery;
  recovery.to = kMinerAddress;
  recovery.from = filecoin::Address::FromId(chain_->MinerAfterHead(kMiner)->owner);
  recovery.method = filecoin::kMethodDeclareFaultsRecovered;
  recovery.params = filecoin::cbor::Encode(
      filecoin::DeclareFaultsRecoveredParams{{{.deadline = 0, .partition = 1, .sectors = {3}}}});
  AdvanceTo(*chain_, BeforeOpen(1));
  Push(recovery);
  AdvanceTo(*chain_, BeforeOpen(0, 1));
  EXPECT_EQ(DeadlineAfterHead(0).partitions[1].recoveries, (filecoin::BitField{3}));
  EXPECT_THAT(chain_->MpoolPushMessage(PostMessage(*chain_, 0, {{1, {}}}), std::nullopt).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "invalid post was submitted"));
  EXPECT_EQ(verifier_.asked.size(), 1U);
}

TEST_F(ChainTest, MissedPartitionsBecomeFaultyAndAreReported) {
  AdvanceTo(*chain_, BeforeOpen(0));
  Push(PostMessage(*chain_, 0, {{0, {2}}}));
  AdvanceTo(*chain_, BeforeOpen(1) + EpochDelta(1));
  ASSERT_OK_AND_ASSIGN(const auto faults, chain_->StateMinerFaults(kMinerAddress, {}));
  EXPECT_EQ(faults, (filecoin::BitField{2, 3}));
  ASSERT_OK_AND_ASSIGN(const auto power, chain_->StateMinerPower(kMinerAddress, {}));
  EXPECT_EQ(power.miner_power.raw_byte_power, filecoin::TokenAmount(2048));
  const auto report = nlohmann::json::parse(ReportJson(*chain_));
  ASSERT_EQ(report["deadlines"].size(), 2U);
  const auto& first = report["deadlines"][0];
  EXPECT_EQ(first["posted"], true);
  EXPECT_EQ(first["missed"], false);
  EXPECT_EQ(first["skipped"], nlohmann::json::array({2}));
  EXPECT_EQ(first["exit_code"], 0);
  EXPECT_EQ(first["verified"], true);
  EXPECT_EQ(first["period"], open_.Value());
  const auto& second = report["deadlines"][1];
  EXPECT_EQ(second["posted"], false);
  EXPECT_EQ(second["missed"], true);
  EXPECT_TRUE(second["message"].is_null());
  ASSERT_EQ(report["proofs"].size(), 1U);
  const auto& proof = report["proofs"][0];
  EXPECT_EQ(proof["sector_size"], "2KiB");
  EXPECT_EQ(proof["api_version"], "V1_2");
  EXPECT_EQ(proof["circuit"]["sectors"], 2);
  EXPECT_EQ(proof["miner"], kMiner);
  ASSERT_EQ(proof["sectors"].size(), 1U);
  EXPECT_EQ(proof["sectors"][0]["sector"], 1);
  EXPECT_EQ(proof["proof"].get<std::string>().size(), 384U);
}

TEST_F(ChainTest, UuidGivesTheSameMessage) {
  AdvanceTo(*chain_, BeforeOpen(0));
  const auto message = PostMessage(*chain_, 0, {{0, {}}});
  ASSERT_OK_AND_ASSIGN(const auto first, chain_->MpoolPushMessage(message, WithUuid(1)));
  ASSERT_OK_AND_ASSIGN(const auto again, chain_->MpoolPushMessage(message, WithUuid(1)));
  EXPECT_EQ(first, again);
  EXPECT_EQ(chain_->MpoolPending().size(), 1U);
  // Another wish is another message, refused because the first is pending.
  EXPECT_THAT(chain_->MpoolPushMessage(message, WithUuid(2)).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "partition already proven"));
}

TEST_F(ChainTest, NoncesFollowEachOtherAndFeesAreTaken) {
  AdvanceTo(*chain_, BeforeOpen(0));
  const auto worker = filecoin::Address::FromId(chain_->MinerAfterHead(kMiner)->worker);
  ASSERT_OK_AND_ASSIGN(const auto funds, chain_->WalletBalance(worker));
  EXPECT_EQ(Push(PostMessage(*chain_, 0, {{0, {}}})).message.nonce, 0U);
  EXPECT_EQ(Push(PostMessage(*chain_, 0, {{1, {}}})).message.nonce, 1U);
  ASSERT_OK_AND_ASSIGN(const std::uint64_t next, chain_->MpoolGetNonce(worker));
  EXPECT_EQ(next, 2U);
  ASSERT_OK(chain_->Advance());
  EXPECT_TRUE(chain_->MpoolPending().empty());
  ASSERT_OK(chain_->Advance());
  ASSERT_OK_AND_ASSIGN(const auto actor, chain_->StateGetActor(worker, {}));
  EXPECT_EQ(actor.nonce, 2U);
  EXPECT_LT(actor.balance, funds);
}

TEST_F(ChainTest, DroppedMessageIsGoneUntilPushedAgain) {
  AdvanceTo(*chain_, BeforeOpen(0));
  const auto first = Push(PostMessage(*chain_, 0, {{0, {}}}));
  ASSERT_OK(chain_->DropMessage(CidOf(first)));
  EXPECT_THAT(chain_->DropMessage(CidOf(first)), StatusIs(absl::StatusCode::kNotFound, ""));
  ASSERT_OK(chain_->Advance());
  ASSERT_OK(chain_->Advance());
  EXPECT_FALSE(Find(*chain_, CidOf(first)).has_value());
  ASSERT_OK_AND_ASSIGN(const filecoin::Cid cid, chain_->MpoolPush(first));
  EXPECT_EQ(cid, CidOf(first));
  ASSERT_OK(chain_->Advance());
  ASSERT_OK(chain_->Advance());
  EXPECT_TRUE(Find(*chain_, cid).has_value());

  ASSERT_OK(chain_->DropNextMessages(1));
  const auto lost = Push(PostMessage(*chain_, 0, {{1, {}}}));
  EXPECT_TRUE(chain_->MpoolPending().empty());
  EXPECT_OK(chain_->ChainGetMessage(CidOf(lost)).status());
}

TEST_F(ChainTest, ReorgReturnsMessagesToThePool) {
  AdvanceTo(*chain_, BeforeOpen(0));
  const auto message = Push(PostMessage(*chain_, 0, {{0, {}}}));
  ASSERT_OK(chain_->Advance());
  ASSERT_OK(chain_->Advance());
  ASSERT_TRUE(Find(*chain_, CidOf(message)).has_value());
  const filecoin::TipSet old_head = chain_->ChainHead();

  std::vector<chain::HeadChange> seen;
  const Subscription heads =
      chain_->OnHeadChange([&](const std::vector<chain::HeadChange>& changes) { seen = changes; });
  ASSERT_OK(chain_->Reorg(2));
  ASSERT_EQ(seen.size(), 4U);
  EXPECT_EQ(seen[0].kind, HeadChangeKind::kRevert);
  EXPECT_EQ(seen[0].tip_set, old_head);
  EXPECT_EQ(seen[1].kind, HeadChangeKind::kRevert);
  EXPECT_EQ(seen[2].kind, HeadChangeKind::kApply);
  EXPECT_EQ(seen[3].tip_set, chain_->ChainHead());
  EXPECT_EQ(chain_->ChainHead().Height(), old_head.Height());
  EXPECT_NE(chain_->ChainHead(), old_head);

  EXPECT_FALSE(Find(*chain_, CidOf(message)).has_value());
  ASSERT_EQ(chain_->MpoolPending().size(), 1U);
  EXPECT_TRUE(DeadlineAfterHead(0).posted.Empty());
  ASSERT_OK_AND_ASSIGN(const auto path,
                       chain_->ChainGetPath(old_head.Key(), chain_->ChainHead().Key()));
  EXPECT_EQ(path.size(), 4U);
  // The old branch can still be asked about.
  ASSERT_OK_AND_ASSIGN(const auto there,
                       chain_->StateSearchMsg(old_head.Key(), CidOf(message), -1, true));
  EXPECT_TRUE(there.has_value());

  ASSERT_OK(chain_->Advance());
  ASSERT_OK(chain_->Advance());
  EXPECT_TRUE(Find(*chain_, CidOf(message)).has_value());
  EXPECT_EQ(DeadlineAfterHead(0).posted, (filecoin::BitField{0}));
  EXPECT_THAT(chain_->Reorg(1000), StatusIs(absl::StatusCode::kFailedPrecondition, "genesis"));
}

TEST_F(ChainTest, ReorgOverTheChallengeChangesTicketsButNotBeacons) {
  const ChainEpoch challenge = BeforeOpen(0) + EpochDelta(1) - EpochDelta(5);
  AdvanceTo(*chain_, BeforeOpen(0));
  ASSERT_OK_AND_ASSIGN(const Bytes32 ticket,
                       chain_->StateGetRandomnessFromTickets(9, challenge, {}, {}));
  ASSERT_OK_AND_ASSIGN(const Bytes32 beacon,
                       chain_->StateGetRandomnessFromBeacon(4, challenge, {}, {}));
  const auto message = PostMessage(*chain_, 0, {{0, {}}});
  ASSERT_OK(chain_->Reorg(6));
  ASSERT_OK_AND_ASSIGN(const Bytes32 ticket_now,
                       chain_->StateGetRandomnessFromTickets(9, challenge, {}, {}));
  ASSERT_OK_AND_ASSIGN(const Bytes32 beacon_now,
                       chain_->StateGetRandomnessFromBeacon(4, challenge, {}, {}));
  EXPECT_NE(ticket, ticket_now);
  EXPECT_EQ(beacon, beacon_now);
  EXPECT_THAT(chain_->MpoolPushMessage(message, std::nullopt).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "post commit randomness mismatched"));
}

TEST_F(ChainTest, NullRoundsOverABoundaryShowTheRecordedDeadlineOnce) {
  // Null rounds over the last epoch of deadline 0: its cron runs with the next tipset.
  AdvanceTo(*chain_, BeforeOpen(1) - EpochDelta(2));
  ASSERT_OK(chain_->Advance({.null_rounds = 4, .timestamp = std::nullopt}));
  ASSERT_OK_AND_ASSIGN(const auto stale, chain_->StateMinerProvingDeadline(kMinerAddress, {}));
  EXPECT_EQ(stale.index, 0U);
  EXPECT_EQ(stale.open, open_ + chain_->Config().policy.period.proving_period);
  ASSERT_OK_AND_ASSIGN(const auto no_faults, chain_->StateMinerFaults(kMinerAddress, {}));
  EXPECT_TRUE(no_faults.Empty());
  ASSERT_OK(chain_->Advance());
  ASSERT_OK_AND_ASSIGN(const auto fresh, chain_->StateMinerProvingDeadline(kMinerAddress, {}));
  EXPECT_EQ(fresh.index, 1U);
  EXPECT_TRUE(fresh.IsOpen());
  ASSERT_OK_AND_ASSIGN(const auto faults, chain_->StateMinerFaults(kMinerAddress, {}));
  EXPECT_EQ(faults, (filecoin::BitField{1, 2, 3}));

  // Tipsets and randomness around the gap.
  const ChainEpoch before = BeforeOpen(1) - EpochDelta(2);
  const ChainEpoch gap = before + EpochDelta(2);
  ASSERT_OK_AND_ASSIGN(const auto below, chain_->ChainGetTipSetByHeight(gap, {}));
  EXPECT_EQ(below.Height(), before);
  ASSERT_OK_AND_ASSIGN(const auto above, chain_->ChainGetTipSetAfterHeight(gap, {}));
  EXPECT_EQ(above.Height(), before + EpochDelta(5));
  ASSERT_OK_AND_ASSIGN(const Bytes32 digest, chain_->StateGetRandomnessDigestFromTickets(gap, {}));
  EXPECT_EQ(digest, filecoin::RandomnessDigest(above.Blocks()[0].ticket->vrf_proof));
  EXPECT_EQ(above.Blocks()[0].beacon_entries.size(), 5U);
}

TEST_F(ChainTest, RandomnessOfTheFutureIsRefused) {
  const ChainEpoch next = chain_->ChainHead().Height() + EpochDelta(1);
  EXPECT_THAT(chain_->StateGetRandomnessFromBeacon(4, next, {}, {}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "randomness from the future"));
  EXPECT_THAT(chain_->StateGetRandomnessDigestFromTickets(next, {}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "randomness from the future"));
}

TEST_F(ChainTest, BlocksAreRealInWhatTheyClaim) {
  ASSERT_OK(chain_->Advance());
  const filecoin::TipSet head = chain_->ChainHead();
  const filecoin::BlockHeader& block = head.Blocks()[0];
  EXPECT_EQ(head.Key().Cids()[0], CidOf(block));
  ASSERT_OK_AND_ASSIGN(const auto parent, chain_->ChainGetTipSet(head.Parents()));
  EXPECT_EQ(parent.Height() + EpochDelta(1), head.Height());
  ASSERT_OK_AND_ASSIGN(const auto entry, chain_->StateGetBeaconEntry(head.Height()));
  EXPECT_EQ(block.beacon_entries.back(), entry);
  EXPECT_EQ(block.timestamp, parent.Blocks()[0].timestamp + 1);
}

TEST_F(ChainTest, ForeignSignaturesAndLowNoncesAreRefused) {
  AdvanceTo(*chain_, BeforeOpen(0));
  auto message = Push(PostMessage(*chain_, 0, {{0, {}}}));
  auto forged = message;
  forged.signature.data[10] ^= 1;
  EXPECT_THAT(chain_->MpoolPush(forged).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "signature"));
  // Replacing needs a quarter more.
  auto dearer = message;
  dearer.message.gas_premium = dearer.message.gas_premium + 1;
  dearer.message.gas_fee_cap = dearer.message.gas_fee_cap * 2;
  ASSERT_OK_AND_ASSIGN(dearer.signature,
                       chain_->WalletSign(dearer.message.from, SigningBytes(dearer.message)));
  EXPECT_THAT(chain_->MpoolPush(dearer).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "replace by fee"));
  dearer.message.gas_premium = message.message.gas_premium * 3 / 2;
  ASSERT_OK_AND_ASSIGN(dearer.signature,
                       chain_->WalletSign(dearer.message.from, SigningBytes(dearer.message)));
  ASSERT_OK(chain_->MpoolPush(dearer).status());
  ASSERT_OK(chain_->Advance());
  ASSERT_OK(chain_->Advance());
  // Found under the CID of the message that was replaced, too.
  const auto found = Find(*chain_, CidOf(message));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->message, CidOf(dearer));
  EXPECT_THAT(chain_->MpoolPush(message).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "nonce too low"));
}

TEST_F(ChainTest, BaseFeeAboveTheCapKeepsMessagesWaiting) {
  AdvanceTo(*chain_, BeforeOpen(0));
  const auto message = Push(PostMessage(*chain_, 0, {{0, {}}}));
  ASSERT_OK(chain_->SetBaseFee(message.message.gas_fee_cap + 1));
  ASSERT_OK(chain_->Advance());
  EXPECT_EQ(chain_->MpoolPending().size(), 1U);
  ASSERT_OK(chain_->SetBaseFee(100));
  ASSERT_OK(chain_->Advance());
  EXPECT_TRUE(chain_->MpoolPending().empty());
}

TEST_F(ChainTest, SectorsAddedByHandSurviveAReorg) {
  ASSERT_OK(
      chain_->AddSectors(kMiner, {{.number = 50, .comm_r = {}, .deadline = {}, .partition = {}}}));
  EXPECT_THAT(
      chain_->AddSectors(kMiner, {{.number = 50, .comm_r = {}, .deadline = {}, .partition = {}}}),
      StatusIs(absl::StatusCode::kInvalidArgument, "on the chain already"));
  ASSERT_OK(chain_->Advance());
  ASSERT_OK_AND_ASSIGN(const auto placed, chain_->StateSectorPartition(kMinerAddress, 50, {}));
  EXPECT_EQ(placed.deadline, 7U) << "the half-empty partition of the smallest deadline";
  EXPECT_EQ(placed.partition, 0U);
  ASSERT_OK(chain_->SetConsensusFault(kMiner, ChainEpoch(100000)));
  ASSERT_OK(chain_->Advance());
  ASSERT_OK(chain_->Reorg(2));
  ASSERT_OK(chain_->Advance());
  EXPECT_OK(chain_->StateSectorPartition(kMinerAddress, 50, {}).status());
  ASSERT_OK_AND_ASSIGN(const auto info, chain_->StateMinerInfo(kMinerAddress, {}));
  EXPECT_EQ(info.consensus_fault_elapsed, ChainEpoch(100000));
}

TEST_F(ChainTest, MinersWithPowerMayMine) {
  const ChainEpoch round = chain_->ChainHead().Height() + EpochDelta(1);
  ASSERT_OK_AND_ASSIGN(const auto none, chain_->MinerGetBaseInfo(kMinerAddress, round, {}));
  EXPECT_FALSE(none.has_value());
  AdvanceTo(*chain_, BeforeOpen(0));
  Push(PostMessage(*chain_, 0, {{0, {}}}));
  AdvanceTo(*chain_, BeforeOpen(4));
  ASSERT_OK_AND_ASSIGN(
      const auto info,
      chain_->MinerGetBaseInfo(kMinerAddress, chain_->ChainHead().Height() + EpochDelta(1), {}));
  ASSERT_TRUE(info.has_value());
  EXPECT_TRUE(info->eligible_for_mining);
  ASSERT_EQ(info->sectors.size(), 1U);
  EXPECT_LE(info->sectors[0].sector_number, 2U);
  EXPECT_EQ(info->beacon_entries.size(), 1U);
}

TEST_F(ChainTest, MainnetLikeHasMainnetsNumbers) {
  Start(MainnetLikePreset());
  ASSERT_OK_AND_ASSIGN(const auto deadline, chain_->StateMinerProvingDeadline(kMinerAddress, {}));
  EXPECT_EQ(deadline.shape, filecoin::kMainnetPeriod);
  EXPECT_EQ(chain_->Version().block_delay_secs, 30U);
  EXPECT_GE(deadline.period_start, ChainEpoch(0));
  EXPECT_TRUE(deadline.IsOpen());
}

TEST(PresetTest, NamesAndLimits) {
  EXPECT_OK(Validate(QuickPreset()));
  EXPECT_OK(Validate(MainnetLikePreset()));
  EXPECT_THAT(PresetByName("slow").status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "quick and mainnet-like"));
  ChainConfig config = QuickPreset();
  config.genesis_blocks = EpochDelta(3);
  EXPECT_THAT(Validate(config), StatusIs(absl::StatusCode::kInvalidArgument, "genesis_blocks"));
}

}  // namespace
}  // namespace damocles::devnet
