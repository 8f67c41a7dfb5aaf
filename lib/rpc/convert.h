// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Schema ↔ values.  Foreign bytes are judged here: what comes back as a value is well formed.

#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "job.capnp.h"
#include "manager.capnp.h"

#include "damocles/job/queue.h"
#include "damocles/rpc/types.h"
#include "damocles/worker/session.h"

namespace damocles::rpc {

void Write(const absl::Status& status, schema::Status::Builder out);
absl::Status Read(schema::Status::Reader in);

// absl::InfinitePast() is 0 on the wire.
std::int64_t ToUnixMs(absl::Time time);
absl::Time FromUnixMs(std::int64_t ms);

// `now`: the wall clock of this side, for a peer of an earlier release.
void Write(const job::Assignment& assignment, absl::Time now, schema::Assignment::Builder out);
absl::StatusOr<job::Assignment> Read(schema::Assignment::Reader in, absl::Time now);

void Write(const worker::Capabilities& capabilities, schema::Offer::Builder out);
absl::StatusOr<worker::Capabilities> Read(schema::Offer::Reader in);

void Write(const job::JobRecord& record, std::uint32_t tries_max, schema::Job::Builder out);
absl::StatusOr<JobInfo> Read(schema::Job::Reader in);

void Write(const worker::Hub::WorkerInfo& info, schema::WorkerInfo::Builder out);
absl::StatusOr<worker::Hub::WorkerInfo> Read(schema::WorkerInfo::Reader in);

void Write(const StoreInfo& info, schema::Store::Builder out);
StoreInfo Read(schema::Store::Reader in);

void Write(const CheckReport& report, schema::CheckReport::Builder out);
CheckReport Read(schema::CheckReport::Reader in);

void Write(const DeadlineSummary& summary, schema::DeadlineRecord::Builder out);
DeadlineSummary Read(schema::DeadlineRecord::Reader in);

void Write(const RecoverySummary& summary, schema::RecoveryRecord::Builder out);
RecoverySummary Read(schema::RecoveryRecord::Reader in);

void Write(const std::optional<SectorPlace>& place, schema::SectorPlace::Builder out);
std::optional<SectorPlace> Read(schema::SectorPlace::Reader in);

template <typename Faults>
void WriteFaults(const std::vector<job::SectorFault>& faults, Faults out) {
  for (unsigned i = 0; i < faults.size(); ++i) {
    out[i].setSector(faults[i].number);
    out[i].setReason(faults[i].reason.c_str());
  }
}
std::vector<job::SectorFault> ReadFaults(capnp::List<schema::Fault>::Reader in);

std::string ToString(capnp::Text::Reader text);

void WriteTexts(const std::vector<std::string>& texts, capnp::List<capnp::Text>::Builder out);
std::vector<std::string> ReadTexts(capnp::List<capnp::Text>::Reader in);

}  // namespace damocles::rpc
