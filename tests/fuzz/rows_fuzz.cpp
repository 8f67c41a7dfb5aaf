// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Rows and files that the manager and the worker write for themselves.  The first byte chooses one;
// what decodes says the same when written again.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "damocles/base/bytes.h"
#include "damocles/base/check.h"
#include "damocles/base/clock.h"
#include "damocles/hash/sha256.h"
#include "damocles/job/queue.h"
#include "damocles/poster/deadline_record.h"
#include "damocles/poster/recovery.h"
#include "damocles/sector/index.h"
#include "damocles/store/store.h"
#include "damocles/worker/result_store.h"

namespace {

using damocles::AsBytes;
using damocles::AsText;

void TryRecord(std::string_view row) {
  const auto record = damocles::poster::DecodeRecord(row);
  if (!record.ok()) return;
  const std::string written = damocles::poster::EncodeRecord(*record);
  const auto again = damocles::poster::DecodeRecord(written);
  DAMOCLES_CHECK(again.ok() && again->Key() == record->Key());
  DAMOCLES_CHECK(damocles::poster::EncodeRecord(*again) == written);
}

void TryPlan(std::string_view row) {
  const auto plan = damocles::poster::DecodePlan(row);
  if (!plan.ok()) return;
  const auto again = damocles::poster::DecodePlan(damocles::poster::EncodePlan(*plan));
  DAMOCLES_CHECK(again.ok() && *again == *plan);
}

void TryRecovery(std::string_view row) {
  const auto record = damocles::poster::DecodeRecovery(row);
  if (!record.ok()) return;
  const std::string written = damocles::poster::EncodeRecovery(*record);
  const auto again = damocles::poster::DecodeRecovery(written);
  DAMOCLES_CHECK(again.ok() && damocles::poster::EncodeRecovery(*again) == written);
}

void TrySectorRow(std::string_view row) {
  namespace sector = damocles::sector;
  const damocles::filecoin::SectorId id{.miner = 1000, .number = 7};
  const std::string key(std::string_view("sector/s/\0\0\0\0\0\0\x03\xe8\0\0\0\0\0\0\0\x07", 25));
  const auto rows = damocles::store::OpenMemoryStore();
  DAMOCLES_CHECK(damocles::store::Put(*rows, key, row).ok());
  const auto index = sector::Index::Open(*rows);
  DAMOCLES_CHECK(index.ok());
  const auto found = (*index)->Find(id, damocles::storage::Variant::kSealed);
  const auto listed = (*index)->List(std::nullopt);
  DAMOCLES_CHECK(found.ok() == listed.ok());
  if (!found.ok()) return;
  DAMOCLES_CHECK(listed->size() == (found->has_value() ? 1 : 0));
  if (!found->has_value()) return;  // damaged: as if it were not there
  DAMOCLES_CHECK(
      (*index)
          ->Put(
              {{.sector = id, .variant = damocles::storage::Variant::kSealed, .location = **found}})
          .ok());
  const auto again = (*index)->Find(id, damocles::storage::Variant::kSealed);
  DAMOCLES_CHECK(again.ok() && *again == *found);
}

void TryResult(std::string_view content) {
  namespace worker = damocles::worker;
  (void)worker::DecodeResult("a name", content);
  // Nothing gets past the checksum by itself.
  std::string summed(content);
  const damocles::Bytes32 sum = damocles::hash::Sha256Of(AsBytes(content));
  summed.append(AsText(sum));
  const auto result = worker::DecodeResult("a name", summed);
  if (!result.ok()) return;
  const auto again = worker::DecodeResult(worker::ResultFileName(result->manager, result->attempt),
                                          worker::EncodeResult(*result));
  DAMOCLES_CHECK(again.ok() && again->manager == result->manager &&
                 again->attempt.job == result->attempt.job && again->proof == result->proof);
}

// A row that does not decode must not keep the queue from opening: it is a measurement.
void TrySpeed(std::string_view row) {
  const auto rows = damocles::store::OpenMemoryStore();
  DAMOCLES_CHECK(damocles::store::Put(*rows, "job/speed/10/worker-1", row).ok());
  const auto queue =
      damocles::job::Queue::Open(*rows, damocles::SystemClock(), damocles::job::Policy{});
  if (queue.ok()) (void)(*queue)->Speeds();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest = AsText(damocles::ByteSpan(data + 1, size - 1));
  switch (data[0] % 6) {
    case 0:
      TryRecord(rest);
      break;
    case 1:
      TryPlan(rest);
      break;
    case 2:
      TryRecovery(rest);
      break;
    case 3:
      TrySectorRow(rest);
      break;
    case 4:
      TryResult(rest);
      break;
    default:
      TrySpeed(rest);
      break;
  }
  return 0;
}
