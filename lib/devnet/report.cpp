// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/devnet/report.h"

#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "damocles/base/hex.h"
#include "damocles/filecoin/miner_params.h"

namespace damocles::devnet {

using filecoin::ChainEpoch;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::uint64_t kChallengesPerSector = 10;

// One partition in one window.
struct Window {
  filecoin::ActorId miner = 0;
  std::int64_t period = 0;
  std::uint64_t deadline = 0;
  std::uint64_t partition = 0;
  friend auto operator<=>(const Window&, const Window&) = default;
};

// The messages that were for a window.
struct Messages {
  const ExecutedPost* accepted = nullptr;
  const ExecutedPost* last_refused = nullptr;
  std::uint64_t refused = 0;
};

std::map<Window, Messages> ByWindow(const Chain& chain, const std::vector<ExecutedPost>& posts) {
  std::map<Window, Messages> windows;
  const filecoin::PeriodShape& shape = chain.Config().policy.period;
  for (const ExecutedPost& executed : posts) {
    const auto params = filecoin::DecodeParams<filecoin::SubmitWindowedPoStParams>(executed.params);
    const absl::StatusOr<MinerState> miner = chain.MinerAfterHead(executed.miner);
    if (!params.ok() || !miner.ok()) continue;
    const ChainEpoch period =
        filecoin::PeriodStartAt(shape, miner->proving_period_start, executed.epoch);
    for (const filecoin::PostPartition& part : params->partitions) {
      Messages& messages = windows[{executed.miner, period.Value(), params->deadline, part.index}];
      if (executed.post.has_value()) {
        messages.accepted = &executed;
      } else {
        messages.last_refused = &executed;
        ++messages.refused;
      }
    }
  }
  return windows;
}

Json SkippedIn(const ExecutedPost& executed, std::uint64_t partition) {
  Json skipped = Json::array();
  for (const AcceptedPost::Part& part : executed.post->partitions) {
    if (part.partition != partition) continue;
    for (const std::uint64_t sector : part.skipped) skipped.push_back(sector);
  }
  return skipped;
}

Json DeadlineToJson(const filecoin::PeriodShape& shape, const DeadlineOutcome& outcome,
                    const PartitionEnd& end, const Messages& messages) {
  const filecoin::DeadlineInfo info = filecoin::MakeDeadlineInfo(
      shape, outcome.end.period_start, outcome.end.deadline, outcome.epoch);
  const ExecutedPost* shown =
      messages.accepted != nullptr ? messages.accepted : messages.last_refused;
  Json json = {{"miner", outcome.miner},
               {"period", outcome.end.period_start.Value()},
               {"deadline", outcome.end.deadline},
               {"partition", end.partition},
               {"open", info.open.Value()},
               {"close", info.close.Value()},
               {"live", end.live},
               {"must_be_posted", end.must_be_posted},
               {"posted", end.posted},
               {"missed", end.must_be_posted && !end.posted},
               {"message", nullptr},
               {"epoch", nullptr},
               {"exit_code", nullptr},
               {"error", nullptr},
               {"skipped", Json::array()},
               {"verified", false},
               {"refused", messages.refused}};
  if (shown == nullptr) return json;
  json["message"] = shown->message.ToString();
  json["epoch"] = shown->epoch.Value();
  json["exit_code"] = shown->exit_code;
  if (shown == messages.accepted) {
    json["skipped"] = SkippedIn(*shown, end.partition);
    json["verified"] = shown->post->verified;
  } else {
    json["error"] = shown->error;
  }
  return json;
}

Json ProofToJson(const ExecutedPost& executed) {
  const AcceptedPost& post = *executed.post;
  const filecoin::SectorSize size = filecoin::SectorSizeOf(post.proof_type);
  Json sectors = Json::array();
  for (const ProvenSector& sector : post.sectors) {
    sectors.push_back({{"sector", sector.number}, {"comm_r", ToHex(sector.comm_r)}});
  }
  Json partitions = Json::array();
  for (const AcceptedPost::Part& part : post.partitions) partitions.push_back(part.partition);
  return {
      {"kind", "window"},
      {"sector_size", filecoin::ToString(size)},
      {"api_version", "V1_2"},  // of the proofs; the chain calls it V1_1
      {"circuit",
       {{"sectors", filecoin::WindowPartitionSectors(size)}, {"challenges", kChallengesPerSector}}},
      {"miner", executed.miner},
      {"randomness", ToHex(executed.randomness)},
      {"sectors", std::move(sectors)},
      {"proof", ToHex(post.proof)},
      {"message", executed.message.ToString()},
      {"epoch", executed.epoch.Value()},
      {"deadline", post.deadline},
      {"partitions", std::move(partitions)},
      {"verified", post.verified}};
}

}  // namespace

std::string ReportJson(const Chain& chain) {
  const std::vector<ExecutedPost> posts = chain.ExecutedPosts();
  const std::map<Window, Messages> windows = ByWindow(chain, posts);
  const filecoin::PeriodShape& shape = chain.Config().policy.period;
  const ChainEpoch first_open = ChainEpoch(0) + chain.Config().first_open;

  Json deadlines = Json::array();
  for (const DeadlineOutcome& outcome : chain.DeadlineOutcomes()) {
    // Windows that opened before the chain counts are excused.
    if (outcome.epoch - shape.challenge_window + filecoin::EpochDelta(1) < first_open) continue;
    for (const PartitionEnd& end : outcome.end.partitions) {
      if (end.live == 0) continue;
      const auto found = windows.find(
          {outcome.miner, outcome.end.period_start.Value(), outcome.end.deadline, end.partition});
      deadlines.push_back(
          DeadlineToJson(shape, outcome, end, found == windows.end() ? Messages{} : found->second));
    }
  }
  Json proofs = Json::array();
  for (const ExecutedPost& executed : posts) {
    if (executed.post.has_value()) proofs.push_back(ProofToJson(executed));
  }
  const Json report = {{"deadlines", std::move(deadlines)}, {"proofs", std::move(proofs)}};
  return report.dump(1);
}

}  // namespace damocles::devnet
