// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Every rule is broken by the state that it forbids, and holds in every state of a quiet life.

#include "damocles/poster/invariants.h"

#include <functional>
#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/poster/machine_bench.h"

namespace damocles::poster {
namespace {

using testing::Bench;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::k0;
using testing::k1;

TEST(PosterInvariantsTest, HoldInEveryStateOfAQuietLife) {
  for (std::size_t state = 0; state <= 6; ++state) {
    Bench bench;
    bench.Reach(static_cast<DeadlineState>(state));
    EXPECT_THAT(InvariantsOf(bench.Record()).Rules(), IsEmpty()) << state;
  }
}

TEST(PosterInvariantsTest, EveryRuleIsBrokenByWhatItForbids) {
  struct Case {
    DeadlineState reached;
    std::function<void(DeadlineRecord&)> spoil;
    const char* rule;
  };
  const auto batch = [](DeadlineRecord& record) -> PartitionBatch& { return record.batches.at(0); };
  const Case cases[] = {
      {DeadlineState::kProving, [&](auto& r) { batch(r).partitions.clear(); }, "has a partition"},
      {DeadlineState::kProving,
       [&](auto& r) {
         batch(r).partitions = {k1, k0};
       },
       "ascending"},
      {DeadlineState::kProving,
       [&](auto& r) {
         batch(r).partitions = {k0, k0};
       },
       "ascending"},
      {DeadlineState::kProving, [&](auto& r) { batch(r).state = DeadlineState::kPreparing; },
       "begins at the proving"},
      {DeadlineState::kProven, [&](auto& r) { batch(r).proof.clear(); }, "has its proof"},
      {DeadlineState::kSubmitting, [&](auto& r) { batch(r).proof.clear(); }, "has its proof"},
      {DeadlineState::kSubmitting, [&](auto& r) { batch(r).message.attempt = 0; },
       "attempt number"},
      {DeadlineState::kSubmitting,
       [&](auto& r) {
         batch(r).message.cid.reset();
         batch(r).message.params.clear();
       },
       "before it is pushed"},
      {DeadlineState::kSubmitting,
       [&](auto& r) {
         batch(r).message.cid.reset();
         batch(r).message.from.reset();
       },
       "before it is pushed"},
      {DeadlineState::kOnChain, [&](auto& r) { batch(r).message.receipt.reset(); }, "good receipt"},
      {DeadlineState::kOnChain, [&](auto& r) { batch(r).message.receipt->exit_code = 16; },
       "good receipt"},
      {DeadlineState::kOnChain, [&](auto& r) { batch(r).message.cid.reset(); }, "with a CID"},
      {DeadlineState::kProving,
       [&](auto& r) {
         batch(r).reset_job = true;
         batch(r).job_id.clear();
       },
       "has an id"},
      {DeadlineState::kProving, [&](auto& r) { batch(r).round = r.rounds + 1; }, "no round"},
      {DeadlineState::kProving, [&](auto& r) { batch(r).message.attempt = r.attempts + 1; },
       "no attempt"},
      {DeadlineState::kProving, [&](auto& r) { r.batches.push_back(batch(r)); }, "one batch only"},
      {DeadlineState::kProving, [&](auto& r) { r.batches.push_back(batch(r)); }, "one round"},
      {DeadlineState::kProving, [&](auto& r) { batch(r).partitions = {k0}; }, "its status says so"},
      {DeadlineState::kProving, [&](auto& r) { r.randomness.reset(); }, "nothing is batched"},
      {DeadlineState::kProving, [&](auto& r) { r.randomness.reset(); }, "no plan"},
      {DeadlineState::kSubmitting, [&](auto& r) { r.state = DeadlineState::kConfirmed; },
       "when all its batches are"},
      {DeadlineState::kSubmitting,
       [&](auto& r) {
         r.state = DeadlineState::kMissed;
         r.reason.clear();
       },
       "has its reason"},
  };
  for (const Case& c : cases) {
    Bench bench;
    bench.Reach(c.reached);
    DeadlineRecord record = bench.Record();
    c.spoil(record);
    EXPECT_THAT(InvariantsOf(record).Rules(), Contains(HasSubstr(c.rule))) << c.rule;
  }
}

}  // namespace
}  // namespace damocles::poster
