// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What an operator can see of a manager, as JSON: what its listings print with --json, under
// names that stay.

#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"

#include "damocles/filecoin/sector.h"
#include "damocles/rpc/types.h"
#include "damocles/worker/hub.h"

namespace damocles::manager {

// Each ends without a line break and is indented by two.  Times are RFC 3339 in UTC, null if they
// have not come.  Bytes of names that are no UTF-8 are replaced.
std::string JobsJson(const std::vector<rpc::JobInfo>& jobs, absl::Time now);
std::string WorkersJson(const std::vector<worker::Hub::WorkerInfo>& workers);
std::string StoresJson(const std::vector<rpc::StoreInfo>& stores);
std::string SectorJson(filecoin::SectorId sector, const rpc::FoundSector& found);
std::string AttachJson(const rpc::AttachSummary& summary);
std::string DeadlinesJson(const std::vector<rpc::DeadlineSummary>& records);
std::string CheckJson(const rpc::CheckReport& report);

// RFC 3339 in UTC; empty for a time that has not come.
std::string UtcTime(absl::Time time);
// "MM-DD hh:mm:ss" in local time; "-" for a time that has not come.
std::string LocalTime(absl::Time time);
// Whole seconds, "1h2m3s".
std::string FormatElapsed(absl::Duration duration);
// The jobs of its attempts.
std::vector<std::string> RunningIds(const worker::Hub::WorkerInfo& info);
// "Succeed", "Faults(3)".
std::string StateText(const rpc::JobInfo& job);
// Whether a finding of it costs a window.
bool CostsAWindow(const rpc::CheckReport& report);

}  // namespace damocles::manager
