// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/poster/rows.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "lib/poster/codec.h"

#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/store/row.h"

namespace damocles::poster::internal {
namespace {

constexpr store::RowKind kRecordKind{"deadline", kRecordFormat};
constexpr store::RowKind kPlanKind{"deadline-plan", kPlanFormat};
constexpr store::RowKind kRecoveryKind{"recovery", kRecoveryFormat};

// The row decoded, if it is the one its key names.
template <typename Record>
absl::StatusOr<Record> UnderItsKey(absl::StatusOr<Record> record, std::string_view prefix,
                                   std::string_view key) {
  if (record.ok() && RowKey(prefix, record->Key()) != key) {
    return absl::DataLossError("it is about another window than its key");
  }
  return record;
}

class Loader {
 public:
  Loader(const store::Store& store, store::Rows& rows) : store_(store), rows_(rows) {}

  absl::StatusOr<LoadedRows> Load() {
    DAMOCLES_RETURN_IF_ERROR(LoadRecords());
    DAMOCLES_RETURN_IF_ERROR(LoadRecoveries());
    rows_.WriteAside(aside_);
    return std::move(loaded_);
  }

 private:
  absl::Status LoadRecords() {
    DAMOCLES_ASSIGN_OR_RETURN(const std::vector<store::Entry> rows, List(store_, kRecordPrefix));
    for (const store::Entry& row : rows) {
      absl::StatusOr<DeadlineRecord> record =
          UnderItsKey(ReadRecord(row.key, row.value), kRecordPrefix, row.key);
      if (!record.ok()) {
        DAMOCLES_RETURN_IF_ERROR(SetAside(row, record.status()));
        continue;
      }
      LoadedRecord loaded{.record = *std::move(record), .plan_lost = false};
      if (loaded.record.randomness) DAMOCLES_RETURN_IF_ERROR(LoadPlan(loaded));
      loaded_.records.push_back(std::move(loaded));
    }
    return absl::OkStatus();
  }

  absl::Status LoadPlan(LoadedRecord& loaded) {
    const std::string key = PlanRowKey(loaded.record.Key());
    const absl::StatusOr<std::optional<std::string>> row = store_.Get(key);
    // A plan in a damaged part of the files never comes back, and can be made again; what may pass
    // refuses the start, for the plan is then still there.
    if (!row.ok() && !absl::IsDataLoss(row.status())) return row.status();
    if (!row.ok()) {
      LogError("poster", "plan_not_read", {{"row", key}, {"error", row.status()}});
    }
    const absl::Status attached = row.ok() ? Attach(loaded.record, key, *row) : row.status();
    if (attached.ok()) return attached;
    if (row.ok() && *row) DAMOCLES_RETURN_IF_ERROR(SetAside({key, **row}, attached));
    ForgetPlan(loaded.record, "its plan was lost: read from the chain again");
    loaded.plan_lost = true;
    return absl::OkStatus();
  }

  static absl::Status Attach(DeadlineRecord& record, std::string_view key,
                             const std::optional<std::string>& row) {
    if (!row) return AttachPlan(record, std::nullopt);
    DAMOCLES_ASSIGN_OR_RETURN(const std::string_view body, store::OpenRow(kPlanKind, key, *row));
    return AttachPlan(record, std::string(body));
  }

  absl::Status LoadRecoveries() {
    DAMOCLES_ASSIGN_OR_RETURN(const std::vector<store::Entry> rows, List(store_, kRecoveryPrefix));
    for (const store::Entry& row : rows) {
      absl::StatusOr<RecoveryRecord> record =
          UnderItsKey(ReadRecovery(row.key, row.value), kRecoveryPrefix, row.key);
      if (!record.ok()) {
        DAMOCLES_RETURN_IF_ERROR(SetAside(row, record.status()));
      } else if (!IsFinal(record->state)) {
        loaded_.recoveries.push_back(*std::move(record));
      }
    }
    return absl::OkStatus();
  }

  absl::Status SetAside(const store::Entry& row, const absl::Status& why) {
    if (absl::IsFailedPrecondition(why)) return Annotate(why, "row " + row.key);
    rows_.SetAside(aside_, row, std::string(kDamagedPrefix) + row.key, why,
                   "read from the chain again");
    return absl::OkStatus();
  }

  const store::Store& store_;
  store::Rows& rows_;
  store::Batch aside_;
  LoadedRows loaded_;
};

}  // namespace

std::string RecordRow(std::string_view key, const DeadlineRecord& record) {
  return store::FrameRow(kRecordKind, key, EncodeRecord(record));
}

std::string PlanRow(std::string_view key, std::string_view body) {
  return store::FrameRow(kPlanKind, key, body);
}

std::string RecoveryRow(std::string_view key, const RecoveryRecord& record) {
  return store::FrameRow(kRecoveryKind, key, EncodeRecovery(record));
}

absl::StatusOr<DeadlineRecord> ReadRecord(std::string_view key, std::string_view row) {
  DAMOCLES_ASSIGN_OR_RETURN(const std::string_view body, store::OpenRow(kRecordKind, key, row));
  return DecodeRecord(body);
}

absl::StatusOr<RecoveryRecord> ReadRecovery(std::string_view key, std::string_view row) {
  DAMOCLES_ASSIGN_OR_RETURN(const std::string_view body, store::OpenRow(kRecoveryKind, key, row));
  return DecodeRecovery(body);
}

absl::StatusOr<LoadedRows> LoadRows(const store::Store& store, store::Rows& rows) {
  return Loader(store, rows).Load();
}

}  // namespace damocles::poster::internal
