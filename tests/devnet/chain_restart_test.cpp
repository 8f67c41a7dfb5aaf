// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What a chain with a home remembers.

#include <unistd.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "tests/devnet/chain_fixture.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/devnet/report.h"
#include "damocles/hash/blake2b.h"

namespace damocles::devnet {
namespace {

using damocles::testing_support::StatusIs;
using damocles::testing_support::TempDir;
using filecoin::EpochDelta;
using testing_support::AdvanceTo;
using testing_support::Find;
using testing_support::FirstOpen;
using testing_support::kMiner;
using testing_support::PostMessage;
using testing_support::SmallGenesis;
using testing_support::Verifier;
using testing_support::WithUuid;

class ChainRestartTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(Chain::Init(home_.Path(), QuickPreset(), SmallGenesis()));
    Open();
  }
  void Open(VerifyMode mode = VerifyMode::kAlways) {
    chain_.reset();
    ASSERT_OK_AND_ASSIGN(chain_, Chain::Open(home_.Path(), verifier_.Options(mode)));
  }
  std::string JournalPath() const { return home_ / "chain.journal"; }

  TempDir home_;
  Verifier verifier_;
  std::unique_ptr<Chain> chain_;
};

TEST_F(ChainRestartTest, EverythingIsThereAgain) {
  AdvanceTo(*chain_, FirstOpen(*chain_) - EpochDelta(1));
  const auto message = PostMessage(*chain_, 0, {{0, {}}});
  ASSERT_OK_AND_ASSIGN(const auto pushed, chain_->MpoolPushMessage(message, WithUuid(1)));
  Open();  // before it is included
  ASSERT_EQ(chain_->MpoolPending().size(), 1U);
  ASSERT_OK_AND_ASSIGN(const auto again, chain_->MpoolPushMessage(message, WithUuid(1)));
  EXPECT_EQ(again, pushed);
  ASSERT_OK(chain_->Advance({.null_rounds = 1, .timestamp = 1'700'000'000}));
  verifier_.answer = false;
  auto wrong = PostMessage(*chain_, 0, {{1, {}}});
  wrong.gas_limit = 100'000'000;
  ASSERT_OK_AND_ASSIGN(const auto refused, chain_->MpoolPushMessage(wrong, std::nullopt));
  ASSERT_OK(chain_->Advance());
  ASSERT_OK(chain_->SetMinerFunds(kMiner, 5, 7));
  ASSERT_OK(chain_->Reorg(1));
  ASSERT_OK(chain_->SetBaseFee(77));
  ASSERT_OK(chain_->SetTraffic(Traffic::kOscillation));
  AdvanceTo(*chain_, FirstOpen(*chain_) + EpochDelta(12));
  ASSERT_OK(chain_->SetBaseFee(1234));

  const auto head = chain_->ChainHead();
  const std::string report = ReportJson(*chain_);
  verifier_.asked.clear();
  Open();
  EXPECT_EQ(chain_->ChainHead(), head);
  EXPECT_EQ(ReportJson(*chain_), report);
  EXPECT_TRUE(verifier_.asked.empty()) << "verdicts are remembered";
  EXPECT_EQ(Find(*chain_, CidOf(pushed))->receipt.exit_code, 0);
  EXPECT_EQ(Find(*chain_, CidOf(refused))->receipt.exit_code, 16);
  ASSERT_OK(chain_->Advance());
  EXPECT_EQ(chain_->ChainHead().Blocks()[0].parent_base_fee, filecoin::TokenAmount(1234));
}

TEST_F(ChainRestartTest, EachRunMayVerifyInItsOwnWay) {
  // Unseen, then verified, then unseen again: one proof of each kind.
  const VerifyMode modes[] = {VerifyMode::kActor, VerifyMode::kAlways, VerifyMode::kActor};
  const std::pair<std::uint64_t, std::uint64_t> places[] = {{0, 0}, {3, 0}, {7, 0}};
  for (std::size_t i = 0; i < 3; ++i) {
    Open(modes[i]);
    verifier_.asked.clear();
    const auto [deadline, partition] = places[i];
    AdvanceTo(*chain_, FirstOpen(*chain_) + EpochDelta(static_cast<std::int64_t>(10 * deadline)) -
                           EpochDelta(1));
    ASSERT_OK(
        chain_->MpoolPushMessage(PostMessage(*chain_, deadline, {{partition, {}}}), {}).status());
    ASSERT_OK(chain_->Advance());
    EXPECT_EQ(verifier_.asked.empty(), modes[i] == VerifyMode::kActor);
    ASSERT_OK(chain_->Reorg(1));
    ASSERT_OK(chain_->Advance());
    const auto head = chain_->ChainHead();
    const std::string report = ReportJson(*chain_);
    ASSERT_OK_AND_ASSIGN(const auto view, Chain::OpenReadOnly(home_.Path()));
    EXPECT_EQ(view->ChainHead(), head);
    EXPECT_EQ(ReportJson(*view), report);
  }
}

TEST_F(ChainRestartTest, JournalsOfBeforeDoNotSayHowTheyVerified) {
  AdvanceTo(*chain_, FirstOpen(*chain_) - EpochDelta(1));
  ASSERT_OK(chain_->MpoolPushMessage(PostMessage(*chain_, 0, {{0, {}}}), {}).status());
  ASSERT_OK(chain_->Advance());
  const auto head = chain_->ChainHead();
  chain_.reset();
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(JournalPath()));
  std::string old;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  for (const std::string& line : lines) {
    const std::string json = absl::StrReplaceAll(line.substr(17), {{R"(,"verify":"always")", ""}});
    absl::StrAppend(&old, ToHex(hash::Blake2bOf(AsBytes(json), 8)), " ", json, "\n");
  }
  ASSERT_NE(old, text);
  ASSERT_OK(WriteFileAtomically(JournalPath(), old));
  Open();
  EXPECT_EQ(chain_->ChainHead(), head);
}

TEST_F(ChainRestartTest, AmountsBeyondReasonAreNotWrittenDown) {
  const auto huge = filecoin::Fil(1'000'000'000) * filecoin::Fil(1'000'000'000);
  EXPECT_THAT(chain_->SetBaseFee(huge), StatusIs(absl::StatusCode::kInvalidArgument, "base fee"));
  EXPECT_THAT(chain_->SetBaseFee(-1), StatusIs(absl::StatusCode::kInvalidArgument, "base fee"));
  ASSERT_OK(chain_->Advance());
  const auto head = chain_->ChainHead();
  Open();
  EXPECT_EQ(chain_->ChainHead(), head);
}

TEST_F(ChainRestartTest, TornEndIsCutOffAndTheChainGoesOn) {
  ASSERT_OK(chain_->Advance());
  const auto head = chain_->ChainHead();
  ASSERT_OK(chain_->Advance());
  chain_.reset();
  ASSERT_OK_AND_ASSIGN(const std::string whole, ReadFile(JournalPath()));
  const std::size_t last = whole.rfind('\n', whole.size() - 2) + 1;
  for (std::size_t length = last; length < whole.size(); length += 7) {
    SCOPED_TRACE(length);
    ASSERT_OK(WriteFileAtomically(JournalPath(), whole.substr(0, length)));
    Open();
    EXPECT_EQ(chain_->ChainHead(), head);
    ASSERT_OK(chain_->Advance());
    const auto next = chain_->ChainHead();
    Open();
    EXPECT_EQ(chain_->ChainHead(), next);
    chain_.reset();
  }
}

TEST_F(ChainRestartTest, DamageInTheMiddleIsDataLoss) {
  ASSERT_OK(chain_->Advance());
  ASSERT_OK(chain_->Advance());
  chain_.reset();
  ASSERT_OK_AND_ASSIGN(std::string text, ReadFile(JournalPath()));
  text[text.find("advance") + 1] = 'x';
  ASSERT_OK(WriteFileAtomically(JournalPath(), text));
  EXPECT_THAT(Chain::Open(home_.Path(), verifier_.Options()).status(),
              StatusIs(absl::StatusCode::kDataLoss, "record 1"));
}

TEST_F(ChainRestartTest, OnlyOneProcessRunsItAndOthersMayLook) {
  ASSERT_OK(chain_->Advance());
  EXPECT_THAT(Chain::Open(home_.Path(), verifier_.Options()).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "another devnet"));
  ASSERT_OK_AND_ASSIGN(const auto view, Chain::OpenReadOnly(home_.Path()));
  EXPECT_EQ(view->ChainHead(), chain_->ChainHead());
  EXPECT_THAT(view->Advance(), StatusIs(absl::StatusCode::kFailedPrecondition, "reading only"));
  EXPECT_THAT(view->SetBaseFee(1), StatusIs(absl::StatusCode::kFailedPrecondition, "reading only"));
}

TEST_F(ChainRestartTest, InitNeverOverwritesAndJudgesTheGenesis) {
  EXPECT_THAT(Chain::Init(home_.Path(), QuickPreset(), SmallGenesis()),
              StatusIs(absl::StatusCode::kAlreadyExists, "chain.journal"));
  TempDir other;
  Genesis genesis = SmallGenesis();
  genesis.miners[0].sectors.push_back(testing_support::SectorAt(7, 3, 0));
  EXPECT_THAT(Chain::Init(other.Path(), QuickPreset(), genesis),
              StatusIs(absl::StatusCode::kInvalidArgument, "it holds 2"));
  EXPECT_THAT(Chain::Open(other.Path(), verifier_.Options()).status(),
              StatusIs(absl::StatusCode::kNotFound, "init"));
}

}  // namespace
}  // namespace damocles::devnet
