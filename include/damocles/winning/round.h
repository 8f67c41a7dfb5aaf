// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A miner's part in one epoch after another: is it elected, and if so its block, in time.  Pure:
// what is asked of nodes, provers and the disk are actions, what comes back are events.
//
// The order of an attempt is lotus's (miner/miner.go), with one difference: before a block is
// signed it stands on the disk that it may be, before it is shown to the network its CID stands
// there, and no block is ever made beside those (blocks_made.h).
//
// For whoever runs it:
// * rows are written and deleted in the order of the steps, each synced, before the answer;
// * an attempt that has ended, or was replaced, needs none of its answers: its tasks may be
// dropped.
//   A proof may be kept and given again for the same round, beacon entry and sectors;
// * at the start nothing may be made at the height of that moment unless the rows are known to be
//   whole: State::closed;
// * rows belong to a miner and a chain; one that cannot be read keeps the miner from making blocks;
// * time comes from a clock that was compared with the blocks that arrive.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "damocles/base/invariant.h"
#include "damocles/filecoin/block.h"
#include "damocles/winning/blocks_made.h"

namespace damocles::winning {

struct Rules {
  absl::Duration block_delay = absl::Seconds(30);
  // Blocks of an epoch are given this long to arrive before one builds on them.
  absl::Duration propagation_delay = absl::Seconds(10);
  // And after that this long for the node to see who made two.
  absl::Duration equivocation_delay = absl::Seconds(2);
  // Between attempts at what failed.
  absl::Duration retry_delay = absl::Milliseconds(500);
  // More epochs without a block than this are a chain that stands still, or a clock that is wrong:
  // heights then follow one another from the head's and not the clock.
  std::int64_t null_rounds_max = 20;
};
// The main network's for blocks of 30 seconds, the same shares of it for another network.
Rules RulesFor(absl::Duration block_delay);

struct Head {
  Base base;
  absl::Time timestamp;  // of its blocks
  friend bool operator==(const Head&, const Head&) = default;
};

enum class Stage {
  kIdle,          // waits for a base and its time
  kLooking,       // ChainHead: is there a better one
  kAskingBase,    // MinerGetBaseInfo
  kElecting,      // the worker key signs, the win count is drawn
  kProving,       // WinningPoSt
  kTicket,        // the worker key signs
  kSelecting,     // MpoolSelect
  kSettling,      // until nobody's second block can arrive unseen
  kLookingAgain,  // ChainHead: is the base still all there
  kTicketAgain,   // for what is left of it
  kSelectingAgain,
  kRecording,   // on disk: a block of this height may be signed
  kCreating,    // MinerCreateBlock: the node signs
  kKeeping,     // on disk: its CID, and the block itself for Resumed
  kHolding,     // until its timestamp
  kSubmitting,  // SyncSubmitBlock
};
std::string_view NameOf(Stage stage);

enum class Result {
  kNotEligible,
  kLost,  // the election
  kMade,  // submitted
  kLate,  // the epoch was over before the block was
  kFailed,
  kRefused,  // by the rules of blocks_made.h
};
std::string_view NameOf(Result result);

// How an attempt ended, for history and metrics.
struct Ended {
  filecoin::ChainEpoch height;
  Result result = Result::kFailed;
  unsigned wins = 0;
  std::string why;             // empty for kLost and kMade
  Stage stage = Stage::kIdle;  // that it reached
  absl::Duration took;
  std::optional<filecoin::Cid> block;
};

struct Attempt {
  std::uint64_t id = 0;
  Head head;
  filecoin::ChainEpoch height;
  absl::Time begun;
  absl::Time publish;  // the block's timestamp
  absl::Time limit;    // after it nobody takes the block
  unsigned wins = 0;
  std::optional<filecoin::Cid> block;
  std::string trouble;  // the last answer that was an error
};

struct State {
  Stage stage = Stage::kIdle;
  std::optional<Head> head;  // as the node last had it
  Attempt attempt;           // unless kIdle
  // The height that is done with: lost, made, late.
  std::optional<filecoin::ChainEpoch> closed;
  // What was last tried in vain otherwise: another base of the same height is tried again.
  std::optional<filecoin::ChainEpoch> tried;
  filecoin::TipSetKey tried_on;
  // The question of the stage failed and is asked again then.
  std::optional<absl::Time> retry;
  absl::Time not_before = absl::InfinitePast();  // of the next attempt
  std::uint64_t attempts = 0;
  BlocksMade made;  // as it is on disk, or is being written
};

namespace event {
struct Tick {};
struct HeadSeen {
  Head head;
};
// Those of an earlier attempt or to another question change nothing.
struct Answer {
  std::uint64_t attempt = 0;
  Stage stage = Stage::kIdle;  // that it answers
  // Not OK: why.  kAskingBase: FAILED_PRECONDITION if the miner may not mine now.  kCreating:
  // UNAVAILABLE, DEADLINE_EXCEEDED, UNKNOWN or CANCELLED if it may work when asked again; anything
  // else is the node's answer.
  absl::Status status;
  unsigned wins = 0;                            // kElecting
  std::optional<Head> head;                     // kLooking, kLookingAgain: the node's head now
  std::optional<filecoin::BlockHeader> header;  // kCreating
};
}  // namespace event
using Event = std::variant<event::Tick, event::HeadSeen, event::Answer>;

// What is to be done for the stage; its answer names both.
struct Action {
  std::uint64_t attempt = 0;
  Stage stage = Stage::kIdle;
  // kRecording, kCreating, kKeeping: the row of the block.
  std::optional<MadeBlock> row;
};

struct StepResult {
  State state;
  std::vector<Action> actions;
  std::vector<Ended> ended;
  // Rows to delete.
  std::vector<filecoin::ChainEpoch> deleted;
};
// Total: what does not fit is ignored.
StepResult Step(const Rules& rules, State state, const Event& event, absl::Time now);

// After a start: goes on with a block that was kept (a row with its CID) and perhaps not submitted,
// if its epoch is not over.  `publish`: its timestamp.
State Resumed(const Rules& rules, State state, const MadeBlock& block, absl::Time publish,
              absl::Time now);

// When the next Tick is of use; InfiniteFuture: none is.
absl::Time WakeAt(const Rules& rules, const State& state);

Violations InvariantsOf(const State& state);

}  // namespace damocles::winning
