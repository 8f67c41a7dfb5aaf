// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// From facts to findings, and from two lists of findings to what is to be said.  Pure functions.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "damocles/manager/facts.h"
#include "damocles/rpc/types.h"

namespace damocles::manager {

struct CheckLimits {
  // A head that is older than so many epochs is behind; than the second, of no use.
  std::int64_t head_late_epochs = 5;
  std::int64_t head_lost_epochs = 10;
  absl::Duration head_slack = absl::Seconds(10);
  // How far the chain's time may be ahead of this machine's clock.
  absl::Duration clock_slack = absl::Seconds(3);
  // What the pool wants to see on the sender's address: gas limit times fee cap, of a small message
  // at least, and of so many usual ones.
  std::int64_t least_gas = 100'000'000;
  std::int64_t usual_gas = 400'000'000;
  std::int64_t messages = 3;
  std::uint64_t disk_low = std::uint64_t{2} << 30;
  std::uint64_t disk_full = std::uint64_t{64} << 20;
  // Deadlines that are told one by one; what the others lack is told in one line.
  std::size_t next_deadlines = 3;
};

// Findings that cost a window come first.
rpc::CheckReport Judge(const Facts& facts, const CheckLimits& limits = {});

// What is new in `now`: a finding is the same as long as kind, subject, severity and `what` are.
struct CheckNews {
  std::vector<rpc::Finding> appeared;  // or changed
  std::vector<rpc::Finding> mended;    // not there any more, and that is known
  std::vector<rpc::Finding> standing;  // to compare the next report with
};
// `standing`: of the last news.
CheckNews NewsOf(const std::vector<rpc::Finding>& standing, const rpc::CheckReport& now);

// The proofs of a network of a higher version are made in the same way as far as is known.
inline constexpr std::uint32_t kNewestKnownNetwork = 29;

}  // namespace damocles::manager
