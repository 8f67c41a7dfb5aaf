// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What a deadline machine asks for.

#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"

#include "damocles/base/bytes.h"
#include "damocles/delivery/delivery.h"
#include "damocles/filecoin/bitfield.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/partition.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/job/spec.h"
#include "damocles/poster/deadline_record.h"

namespace damocles::poster {

enum class ActionKind : std::uint8_t {
  kReadInputs,
  kReadRandomness,
  kCheckSectors,
  kEnsureJob,
  kGetJob,
  kResetJob,
  kJudgeFaults,
  // Of the delivery of a batch's message.
  kSurvey,
  kPush,
  kPushAgain,
  kSignReplacement,
  kPushReplacement,
  kUnblock,
  kExplain,
};
std::string_view Name(ActionKind kind);
ActionKind KindOf(delivery::Work work);
// None: it is not of the delivery.
std::optional<delivery::Work> WorkOf(ActionKind kind);

// Of actions about the whole deadline.
inline constexpr std::size_t kNoBatch = static_cast<std::size_t>(-1);

// At most one action of a key is under way.
struct ActionKey {
  ActionKind kind{};
  std::size_t batch = kNoBatch;  // index in DeadlineRecord::batches
  friend auto operator<=>(const ActionKey&, const ActionKey&) = default;
};

// Which batch as it was when the question was asked; an answer to an older question is stale.
struct BatchRef {
  std::size_t batch = 0;
  std::uint32_t round = 0;
  std::uint32_t attempt = 0;
  friend auto operator<=>(const BatchRef&, const BatchRef&) = default;
};

template <typename What>
using OfBatch = delivery::About<BatchRef, What>;

namespace action {

// Everything that decides what is to be proven, all at one tipset.  Answer: event::InputsRead.
struct ReadInputs {
  static constexpr ActionKind kKind = ActionKind::kReadInputs;
  std::uint64_t deadline_index = 0;
  filecoin::ChainEpoch challenge{};
  filecoin::ChainEpoch not_after{};  // of the tipset: the last epoch of the window
};
// The challenge randomness again, after a reorg or a restart.  Answer: event::RandomnessRead.
struct ReadRandomness {
  static constexpr ActionKind kKind = ActionKind::kReadRandomness;
  filecoin::ChainEpoch challenge{};
};
// Where the sectors' files are and whether they can be read.  Answer: event::SectorsChecked.
struct CheckSectors {
  static constexpr ActionKind kKind = ActionKind::kCheckSectors;
  filecoin::PoStProofType proof_type{};
  std::vector<PlannedSector> sectors;
  absl::Duration budget;  // what has not been looked at by then counts as good
};
// A fresh look of the manager at sectors of which a prover said that they are faulty.  Answer:
// event::FaultsJudged.
struct JudgeFaults {
  static constexpr ActionKind kKind = ActionKind::kJudgeFaults;
  BatchRef ref;
  filecoin::PoStProofType proof_type{};
  std::vector<PlannedSector> sectors;
  absl::Duration budget;
};
// Answer: event::JobChanged.
struct EnsureJob {
  static constexpr ActionKind kKind = ActionKind::kEnsureJob;
  BatchRef ref;
  job::JobSpec spec;
};
// Answer: event::JobChanged or event::JobMissing.
struct GetJob {
  static constexpr ActionKind kKind = ActionKind::kGetJob;
  BatchRef ref;
  std::string job_id;
};
// Answer: event::JobReset.
struct ResetJob {
  static constexpr ActionKind kKind = ActionKind::kResetJob;
  BatchRef ref;
  std::string job_id;
  std::string reason;
};
// Where a batch stands on chain, all at one tipset.  Its basis is the commit randomness, and both
// kinds of randomness are asked for with it.  Answer: event::Surveyed.
struct Survey : OfBatch<delivery::action::Look> {
  std::uint64_t deadline_index = 0;
  std::vector<filecoin::ChainPartition> partitions;
  filecoin::BitField wanted;  // the sectors that are to be proven in them
  filecoin::ChainEpoch challenge{};
  filecoin::ChainEpoch close{};
  // Before a message was made the commit randomness is still missing in `params`.
  bool params_want_basis = false;
};
// Method 5, SubmitWindowedPoSt.
using Push = OfBatch<delivery::action::Push>;
using PushAgain = OfBatch<delivery::action::PushAgain>;
using SignReplacement = OfBatch<delivery::action::SignReplacement>;
using PushReplacement = OfBatch<delivery::action::PushReplacement>;
using Unblock = OfBatch<delivery::action::Unblock>;
using Explain = OfBatch<delivery::action::Explain>;
using delivery::action::LogLine;
using delivery::action::SetAside;
// Nobody needs the job any more: its statement is out of date.  No answer.
struct DropJob {
  std::string job_id;
};

}  // namespace action

using Action = std::variant<action::ReadInputs, action::ReadRandomness, action::CheckSectors,
                            action::JudgeFaults, action::EnsureJob, action::GetJob,
                            action::ResetJob, action::Survey, action::Push, action::PushAgain,
                            action::SignReplacement, action::PushReplacement, action::Unblock,
                            action::Explain, action::SetAside, action::DropJob, action::LogLine>;

// The key of an action; SetAside, DropJob and LogLine have none.
std::optional<ActionKey> KeyOf(const Action& action);

}  // namespace damocles::poster
