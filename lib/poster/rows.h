// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The rows of the poster: bodies in their frames, and what a runner goes on from.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/poster/deadline_record.h"
#include "damocles/poster/recovery.h"
#include "damocles/store/rows.h"
#include "damocles/store/store.h"

namespace damocles::poster::internal {

// A record moves from below kRecordPrefix to below kHistoryPrefix: the same kind.
std::string RecordRow(std::string_view key, const DeadlineRecord& record);
std::string PlanRow(std::string_view key, std::string_view body);
std::string RecoveryRow(std::string_view key, const RecoveryRecord& record);
// INVALID_ARGUMENT and DATA_LOSS: damaged.  FAILED_PRECONDITION: a newer program wrote it.
absl::StatusOr<DeadlineRecord> ReadRecord(std::string_view key, std::string_view row);
absl::StatusOr<RecoveryRecord> ReadRecovery(std::string_view key, std::string_view row);

struct LoadedRecord {
  DeadlineRecord record;
  bool plan_lost = false;  // and forgotten: the record is not on the disk as it is here
};

struct LoadedRows {
  std::vector<LoadedRecord> records;
  std::vector<RecoveryRecord> recoveries;  // unfinished ones
};

// Reads them.  A manager that does not start would cost every other deadline: a damaged row goes
// aside (docs/formats/deadline.md), and what it was about is read from the chain again.
// FAILED_PRECONDITION: a newer program wrote a row.  Of a row that could not be read nothing is
// known, least of all that it is damaged: the error of the store is returned, and nothing changed.
absl::StatusOr<LoadedRows> LoadRows(const store::Store& store, store::Rows& rows);

}  // namespace damocles::poster::internal
