// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/manager/view.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "absl/strings/str_format.h"
#include "lib/manager/json_text.h"

namespace damocles::manager {
namespace {

using nlohmann::json;

json TimeJson(absl::Time time) {
  const std::string text = UtcTime(time);
  if (text.empty()) return nullptr;
  return text;
}

json PartitionsJson(const std::vector<filecoin::ChainPartition>& partitions) {
  return JsonList(partitions, [](filecoin::ChainPartition partition) { return partition.Index(); });
}

json SectorFaultsJson(const std::vector<job::SectorFault>& faults) {
  return JsonList(faults, [](const job::SectorFault& fault) {
    return json{{"sector", fault.number}, {"reason", fault.reason}};
  });
}

json JobJson(const rpc::JobInfo& job, absl::Time now) {
  json left;
  if (job.close_time != absl::InfiniteFuture()) {
    left = absl::ToInt64Seconds(job.close_time - now);
  }
  return {{"id", job.id},
          {"miner", job.miner},
          {"proof_type", static_cast<int>(job.proof_type)},
          {"deadline", job.deadline_index},
          {"partitions", PartitionsJson(job.chain_partitions)},
          {"open_epoch", job.open_epoch},
          {"close_epoch", job.close_epoch},
          {"close_at", TimeJson(job.close_time)},
          {"left_seconds", left},
          {"sectors", job.sectors},
          {"workers", job.workers},
          {"state", StateText(job)},
          {"faults", SectorFaultsJson(job.faults)},
          {"try", job.tries},
          {"try_max", job.tries_max},
          {"created_at", TimeJson(job.created_at)},
          {"started_at", TimeJson(job.started_at)},
          {"heartbeat_at", TimeJson(job.heartbeat_at)},
          {"finished_at", TimeJson(job.finished_at)},
          {"error", job.error}};
}

json WorkerJson(const worker::Hub::WorkerInfo& info) {
  json types = json::array();
  for (const auto& [type, digest] : info.capabilities.verifying_keys) {
    types.push_back(filecoin::ToNumber(type));
  }
  json ahead;
  if (info.clock_ahead) ahead = absl::ToDoubleSeconds(*info.clock_ahead);
  return {{"name", info.capabilities.name},
          {"address", info.address},
          {"connected", info.connected},
          {"last_seen", TimeJson(info.last_seen)},
          {"slots", info.capabilities.slots},
          {"proof_types", types},
          {"threads", JsonList(info.capabilities.threads,
                               [](const job::JobFilter& filter) {
                                 return json{
                                     {"miners", filter.miners},
                                     {"proof_types", JsonList(filter.proof_types, [](auto type) {
                                        return filecoin::ToNumber(type);
                                      })}};
                               })},
          {"stores", info.capabilities.stores},
          {"software", info.capabilities.software},
          {"clock_ahead_seconds", ahead},
          {"running", RunningIds(info)}};
}

json PlaceJson(const std::optional<rpc::SectorPlace>& place) {
  if (!place) return nullptr;
  return {{"sealed_store", place->sealed_store}, {"cache_store", place->cache_store}};
}

json BatchJson(const rpc::BatchSummary& batch) {
  return {{"partitions", PartitionsJson(batch.chain_partitions)},
          {"state", batch.state},
          {"job", batch.job_id},
          {"message", batch.message_cid},
          {"skipped", SectorFaultsJson(batch.skipped)},
          {"note", batch.error},
          {"proofs", batch.proofs}};
}

}  // namespace

std::string UtcTime(absl::Time time) {
  if (time == absl::InfinitePast() || time == absl::InfiniteFuture()) return "";
  return absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone());
}

std::string LocalTime(absl::Time time) {
  if (time == absl::InfinitePast() || time == absl::InfiniteFuture()) return "-";
  return absl::FormatTime("%m-%d %H:%M:%S", time, absl::LocalTimeZone());
}

std::string FormatElapsed(absl::Duration duration) {
  const absl::Duration seconds = absl::Trunc(duration, absl::Seconds(1));
  return seconds == absl::ZeroDuration() ? "0s" : absl::FormatDuration(seconds);
}

std::vector<std::string> RunningIds(const worker::Hub::WorkerInfo& info) {
  std::vector<std::string> ids;
  ids.reserve(info.running.size());
  for (const auto& attempt : info.running) ids.push_back(attempt.job.ToString());
  return ids;
}

std::string StateText(const rpc::JobInfo& job) {
  std::string text(job::StateName(job.state));
  if (job.state == job::JobState::kFaults) text += absl::StrFormat("(%d)", job.faults.size());
  return text;
}

bool CostsAWindow(const rpc::CheckReport& report) {
  return std::any_of(report.findings.begin(), report.findings.end(),
                     [](const rpc::Finding& finding) { return finding.costs_window; });
}

std::string JobsJson(const std::vector<rpc::JobInfo>& jobs, absl::Time now) {
  return JsonText(JsonList(jobs, [now](const rpc::JobInfo& job) { return JobJson(job, now); }));
}

std::string WorkersJson(const std::vector<worker::Hub::WorkerInfo>& workers) {
  return JsonText(JsonList(workers, WorkerJson));
}

std::string StoresJson(const std::vector<rpc::StoreInfo>& stores) {
  return JsonText(JsonList(stores, [](const rpc::StoreInfo& store) {
    return json{{"name", store.name},
                {"path", store.path},
                {"read_only", store.read_only},
                {"total_bytes", store.total_bytes},
                {"free_bytes", store.free_bytes},
                {"sectors", store.sectors},
                {"error", std::string(store.status.message())},
                {"trouble", store.trouble}};
  }));
}

std::string SectorJson(filecoin::SectorId sector, const rpc::FoundSector& found) {
  return JsonText({{"miner", sector.miner},
                   {"number", sector.number},
                   {"sealed", PlaceJson(found.sealed)},
                   {"upgraded", PlaceJson(found.upgraded)},
                   {"troubles", found.troubles}});
}

std::string AttachJson(const rpc::AttachSummary& summary) {
  return JsonText({{"store", summary.store},
                   {"added", summary.added},
                   {"known", summary.known},
                   {"problems", summary.problems}});
}

std::string DeadlinesJson(const std::vector<rpc::DeadlineSummary>& records) {
  return JsonText(JsonList(records, [](const rpc::DeadlineSummary& record) {
    return json{{"miner", record.miner},
                {"deadline", record.deadline_index},
                {"period_start", record.period_start},
                {"open_epoch", record.open_epoch},
                {"close_epoch", record.close_epoch},
                {"state", record.state},
                {"reason", record.reason},
                {"batches", JsonList(record.batches, BatchJson)},
                {"skipped_sectors", record.skipped_sectors},
                {"proven_epoch", record.proven_epoch},
                {"confirmed_epoch", record.confirmed_epoch}};
  }));
}

std::string CheckJson(const rpc::CheckReport& report) {
  return JsonText(
      {{"at", TimeJson(report.at)},
       {"costs_window", CostsAWindow(report)},
       {"findings", JsonList(report.findings,
                             [](const rpc::Finding& finding) {
                               return json{
                                   {"kind", finding.kind},
                                   {"severity", finding.costs_window ? "costs_window" : "warning"},
                                   {"subject", finding.subject},
                                   {"what", finding.what},
                                   {"detail", finding.detail},
                                   {"remedy", finding.remedy}};
                             })},
       {"in_order", report.in_order},
       {"not_learnt", report.not_learnt}});
}

}  // namespace damocles::manager
