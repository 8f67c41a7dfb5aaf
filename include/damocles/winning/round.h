// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A miner's part in one epoch after another: is it elected, and if so its block, in time.  Pure:
// what is asked of nodes, provers and the disk are actions, what comes back are events.
//
// The order of an attempt is lotus's (miner/miner.go), with one difference: before anything is
// signed as a block it stands on the disk that it may have been, and no block is ever made beside
// it (blocks_made.h).

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
#include "damocles/winning/blocks_made.h"

namespace damocles::winning {

struct Rules {
  absl::Duration block_delay = absl::Seconds(30);
  // Blocks of an epoch are given this long to arrive before one builds on them.
  absl::Duration propagation_delay = absl::Seconds(10);
  // And after that this long for the node to see who made two.
  absl::Duration equivocation_delay = absl::Seconds(2);
  // Between attempts at a call of the node that failed.
  absl::Duration retry_delay = absl::Milliseconds(500);
};

struct Head {
  Base base;
  absl::Time timestamp;  // of its blocks
  friend bool operator==(const Head&, const Head&) = default;
};

enum class Stage {
  kIdle,          // waits for a base and its time
  kAskingBase,    // MinerGetBaseInfo
  kElecting,      // the worker key signs, the win count is drawn
  kProving,       // WinningPoSt
  kTicket,        // the worker key signs
  kSelecting,     // MpoolSelect
  kSettling,      // until nobody's second block can arrive unseen
  kLookingAgain,  // is the base still all there
  kTicketAgain,   // for what is left of it
  kSelectingAgain,
  kRecording,   // on disk: a block of this height may exist
  kCreating,    // MinerCreateBlock: the node signs
  kKeeping,     // on disk: its CID
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
  absl::Duration took;         // from its time on
  std::optional<filecoin::Cid> block;
};

struct Attempt {
  std::uint64_t id = 0;
  Head head;
  filecoin::ChainEpoch height;
  absl::Time begun;
  absl::Time publish;  // the block's timestamp
  unsigned wins = 0;
  std::optional<filecoin::Cid> block;
};

struct State {
  Stage stage = Stage::kIdle;
  std::optional<Head> head;  // the best that was seen
  Attempt attempt;           // unless kIdle
  // The last height that was tried: each is tried once.
  filecoin::ChainEpoch tried{-1};
  // The question of the stage failed and is asked again then.
  std::optional<absl::Time> retry;
  std::uint64_t attempts = 0;
  BlocksMade made;  // as it is on disk, or is being written
};

namespace event {
struct Tick {};
struct HeadSeen {
  Head head;
};
// Answers; those of an earlier attempt or to another question change nothing.
struct Answer {
  std::uint64_t attempt = 0;
  Stage stage = Stage::kIdle;  // that it answers
  absl::Status status;         // NOT OK: the reason.  kAskingBase: FAILED_PRECONDITION if the miner
                               // may not mine now
  unsigned wins = 0;           // kElecting
  std::optional<Head> head;    // kLookingAgain: the head now; if of the same height, the blocks of
                               // the old one that are left.  Its key differs then
  std::optional<filecoin::Cid> block;  // kCreating
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
  // Rows that are of no use any more.
  std::vector<filecoin::ChainEpoch> forgotten;
};
// Total: what does not fit is ignored.
StepResult Step(const Rules& rules, State state, const Event& event, absl::Time now);

// When the next Tick is of use; InfiniteFuture: none is.
absl::Time WakeAt(const Rules& rules, const State& state);

Violations InvariantsOf(const State& state);

}  // namespace damocles::winning
