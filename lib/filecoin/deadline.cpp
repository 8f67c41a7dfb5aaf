// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/filecoin/deadline.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"
#include "damocles/base/status.h"
#include "damocles/hash/blake2b.h"

namespace damocles::filecoin {
namespace {

constexpr std::int64_t kPeriodMax = std::int64_t{1} << 40;
constexpr std::uint64_t kDeadlinesMax = std::uint64_t{1} << 20;

std::int64_t PositiveModulo(std::int64_t value, std::int64_t modulus) {
  const std::int64_t rest = value % modulus;
  return rest < 0 ? rest + modulus : rest;
}

std::uint64_t PartitionsFor(std::uint64_t sectors, std::uint64_t partition_sectors) {
  return sectors / partition_sectors + (sectors % partition_sectors == 0 ? 0 : 1);
}

}  // namespace

absl::Status Validate(const PeriodShape& shape) {
  const auto error = [](std::string_view what) {
    return absl::InvalidArgumentError("proving period: " + std::string(what));
  };
  const std::int64_t period = shape.proving_period.Count();
  const std::int64_t window = shape.challenge_window.Count();
  if (period <= 0 || period > kPeriodMax) return error("its length is out of range");
  if (window <= 0) return error("the challenge window is not positive");
  if (shape.deadlines == 0 || shape.deadlines > kDeadlinesMax) {
    return error("the number of deadlines is out of range");
  }
  if (static_cast<std::uint64_t>(period / window) < shape.deadlines) {
    return error("the deadlines do not fit in it");
  }
  for (const EpochDelta delta : {shape.challenge_lookback, shape.fault_declaration_cutoff}) {
    if (delta.Count() < 0 || delta.Count() > kPeriodMax) {
      return error("challenge lookback or fault declaration cutoff is out of range");
    }
  }
  return absl::OkStatus();
}

DeadlineInfo MakeDeadlineInfo(const PeriodShape& shape, ChainEpoch period_start,
                              std::uint64_t index, ChainEpoch current_epoch) {
  DeadlineInfo info;
  info.current_epoch = current_epoch;
  info.period_start = period_start;
  info.index = index;
  info.shape = shape;
  if (index >= shape.deadlines) {
    info.open = info.close = info.challenge = info.NextPeriodStart();
    return info;
  }
  info.open = period_start + shape.challenge_window * static_cast<std::int64_t>(index);
  info.close = info.open + shape.challenge_window;
  info.challenge = info.open - shape.challenge_lookback;
  info.fault_cutoff = info.open - shape.fault_declaration_cutoff;
  return info;
}

ChainEpoch PeriodStartAt(const PeriodShape& shape, ChainEpoch offset, ChainEpoch epoch) {
  return QuantizeDown(shape.proving_period, offset, epoch);
}

DeadlineInfo DeadlineAt(const PeriodShape& shape, ChainEpoch offset, ChainEpoch epoch) {
  const ChainEpoch start = PeriodStartAt(shape, offset, epoch);
  const std::int64_t index = (epoch - start) / shape.challenge_window;
  return MakeDeadlineInfo(shape, start, static_cast<std::uint64_t>(index), epoch);
}

DeadlineInfo NextNotElapsed(const DeadlineInfo& deadline) {
  if (!deadline.HasElapsed()) return deadline;
  const EpochDelta gap = deadline.current_epoch - deadline.close;
  const std::int64_t turns = 1 + gap / deadline.shape.proving_period;
  return MakeDeadlineInfo(deadline.shape,
                          deadline.period_start + deadline.shape.proving_period * turns,
                          deadline.index, deadline.current_epoch);
}

DeadlineInfo Next(const DeadlineInfo& deadline) {
  if (deadline.index + 1 < deadline.shape.deadlines) {
    return MakeDeadlineInfo(deadline.shape, deadline.period_start, deadline.index + 1,
                            deadline.current_epoch);
  }
  return MakeDeadlineInfo(deadline.shape, deadline.NextPeriodStart(), 0, deadline.current_epoch);
}

DeadlineInfo RecordedDeadline(const PeriodShape& shape, ChainEpoch recorded_period_start,
                              std::uint64_t recorded_index, ChainEpoch epoch) {
  return NextNotElapsed(MakeDeadlineInfo(shape, recorded_period_start, recorded_index, epoch));
}

ChainEpoch QuantizeUp(EpochDelta unit, ChainEpoch offset, ChainEpoch epoch) {
  const std::int64_t behind = PositiveModulo((epoch - offset).Count(), unit.Count());
  return behind == 0 ? epoch : epoch + EpochDelta(unit.Count() - behind);
}

ChainEpoch QuantizeDown(EpochDelta unit, ChainEpoch offset, ChainEpoch epoch) {
  return epoch - EpochDelta(PositiveModulo((epoch - offset).Count(), unit.Count()));
}

ChainEpoch QuantizeUpToDeadline(const DeadlineInfo& deadline, ChainEpoch epoch) {
  return QuantizeUp(deadline.shape.proving_period, deadline.Last(), epoch);
}

EpochDelta AssignPeriodOffset(const PeriodShape& shape, const Address& miner, ChainEpoch epoch) {
  cbor::Writer writer;
  miner.WriteCbor(writer);
  Bytes input = std::move(writer).Take();
  AppendBe64(input, static_cast<std::uint64_t>(epoch.Value()));
  const std::uint64_t drawn = LoadBe64(hash::Blake2b256Of(input).data());
  const auto period = static_cast<std::uint64_t>(shape.proving_period.Count());
  return EpochDelta(static_cast<std::int64_t>(drawn % period));
}

bool DeadlineIsMutable(const PeriodShape& shape, ChainEpoch period_start, std::uint64_t index,
                       ChainEpoch epoch) {
  const DeadlineInfo deadline = RecordedDeadline(shape, period_start, index, epoch);
  return epoch < deadline.open - shape.challenge_window;
}

bool DeadlineIsDisputable(const PeriodShape& shape, EpochDelta dispute_window,
                          ChainEpoch period_start, std::uint64_t index, ChainEpoch epoch) {
  if (period_start > epoch) return false;
  const DeadlineInfo deadline = RecordedDeadline(shape, period_start, index, epoch);
  const ChainEpoch last_close = deadline.close - shape.proving_period;
  return !deadline.IsOpen() && epoch < last_close + dispute_window;
}

bool DeadlineIsCompactable(const PeriodShape& shape, EpochDelta dispute_window,
                           ChainEpoch period_start, std::uint64_t index, ChainEpoch epoch) {
  return DeadlineIsMutable(shape, period_start, index, epoch) &&
         !DeadlineIsDisputable(shape, dispute_window, period_start, index, epoch);
}

DeadlineInfo DeclarationDeadline(const PeriodShape& shape, ChainEpoch period_start,
                                 std::uint64_t index, ChainEpoch epoch) {
  return RecordedDeadline(shape, period_start, index, epoch);
}

absl::StatusOr<std::vector<std::uint64_t>> AssignDeadlines(std::vector<DeadlineLoad> deadlines,
                                                           std::uint64_t partition_sectors,
                                                           std::uint64_t partitions_max,
                                                           std::uint64_t count) {
  DAMOCLES_CHECK(partition_sectors > 0);
  const auto is_at_limit = [&](const DeadlineLoad& load) {
    return load.total_sectors / partition_sectors >= partitions_max;
  };
  // What the actor prefers sorts first.
  const auto preference = [&](const DeadlineLoad& load) {
    const bool is_full = load.total_sectors % partition_sectors == 0;
    return std::tuple(is_at_limit(load), PartitionsFor(load.live_sectors + 1, partition_sectors),
                      PartitionsFor(load.total_sectors + 1, partition_sectors), is_full,
                      // Among deadlines with room in the last partition, the fullest.
                      is_full ? 0 : ~load.total_sectors, load.live_sectors, load.index);
  };
  std::vector<std::uint64_t> chosen;
  chosen.reserve(static_cast<std::size_t>(count));
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto best = std::min_element(deadlines.begin(), deadlines.end(),
                                       [&](const DeadlineLoad& a, const DeadlineLoad& b) {
                                         return preference(a) < preference(b);
                                       });
    if (best == deadlines.end() || is_at_limit(*best)) {
      return absl::ResourceExhaustedError(
          absl::StrFormat("maxPartitions limit %d reached for all deadlines", partitions_max));
    }
    chosen.push_back(best->index);
    ++best->live_sectors;
    ++best->total_sectors;
  }
  return chosen;
}

}  // namespace damocles::filecoin
