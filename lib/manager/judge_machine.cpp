// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>

#include "absl/strings/str_format.h"
#include "lib/manager/findings.h"

#include "damocles/base/clock_skew.h"

namespace damocles::manager {
namespace {

bool AWorkerHas(const Facts& facts, const std::string& store) {
  return !facts.proves_itself && facts.workers.ok() &&
         std::any_of(facts.workers->begin(), facts.workers->end(), [&](const auto& worker) {
           return worker.connected && !LacksStore(worker.capabilities, {store});
         });
}

const char* KindOf(const sector::StoreFinding& store) {
  if (!store.configured) return "store_not_configured";
  switch (store.sight.condition) {
    case storage::StoreCondition::kEmpty:
      return "store_empty";
    case storage::StoreCondition::kAbsent:
      return "store_absent";
    case storage::StoreCondition::kNotAnswering:
      return "store_not_answering";
    case storage::StoreCondition::kUnreadable:
    case storage::StoreCondition::kShowsSectors:
      break;
  }
  return "store_unreadable";
}

}  // namespace

void JudgeParameters(const Facts& facts, const CheckLimits& /*limits*/, Findings& out) {
  std::set<filecoin::PoStProofType> used;
  for (const MinerFacts& miner : facts.miners) {
    if (miner.proof_type.ok()) used.insert(*miner.proof_type);
  }
  if (!facts.parameters.ok()) {
    out.NotLearnt("parameters");
    out.Warn("parameters_not_checked", "parameters", "they could not be looked at",
             MessageOf(facts.parameters.status()), "is the file system of --params mounted?");
    return;
  }
  for (const filecoin::PoStProofType type : used) {
    const std::string subject = "parameters of " + filecoin::ToString(filecoin::SectorSizeOf(type));
    const std::string where = absl::StrFormat("in %s", facts.parameters->folder);
    if (!facts.parameters->verifiable.contains(type)) {
      out.Add(true, "no_verifying_key", subject,
              "there is no sound .vk: no proof can be verified, so none would be sent", where,
              "copy the .vk there; damocles-prover params check DIR says what is wrong with one");
    } else if (facts.proves_itself && !facts.parameters->provable.contains(type)) {
      out.Add(true, "no_parameters", subject,
              "there is no sound .params: nothing can be proven in this process", where,
              "copy the .params there, or prove with workers (--worker-prover)");
    } else {
      out.Fine(absl::StrFormat("%s: they are there", subject));
    }
  }
}

void JudgeWorkerClocks(const Facts& facts, const CheckLimits& /*limits*/, Findings& out) {
  if (!facts.workers.ok()) return;
  for (const worker::Hub::WorkerInfo& worker : *facts.workers) {
    if (!worker.connected || !worker.clock_ahead) continue;
    const double ahead = absl::ToDoubleSeconds(*worker.clock_ahead);
    if (absl::AbsDuration(*worker.clock_ahead) <= kClocksAgree) continue;
    out.Warn("worker_clock_differs", "worker " + worker.capabilities.name,
             "its clock and this machine's do not agree",
             absl::StrFormat("it is %.1f s %s", ahead < 0 ? -ahead : ahead,
                             ahead < 0 ? "behind" : "ahead"),
             "set both by NTP: no proof depends on it, but times in logs and listings do not fit "
             "together");
  }
}

void JudgeStores(const Facts& facts, const CheckLimits& /*limits*/, Findings& out) {
  if (!facts.stores.ok()) {
    out.NotLearnt("store");
    out.Warn("stores_not_checked", "stores", "they could not be compared with the index",
             MessageOf(facts.stores.status()),
             "is a store's file system dead? see util storage list");
    return;
  }
  for (const sector::StoreFinding& store : *facts.stores) {
    const std::string subject = "store " + store.name;
    if (!store.IsMissing()) {
      if (store.sectors > 0) {
        out.Fine(absl::StrFormat("%s: shows its sectors (%d)", subject, store.sectors));
      }
      continue;
    }
    // The remedy stands behind the last colon.
    const std::string text = sector::Describe(store);
    const std::size_t colon = text.rfind(": ");
    const bool whole = colon == std::string::npos;
    const bool unknown = !facts.proves_itself && !facts.workers.ok();
    const bool held = unknown || AWorkerHas(facts, store.name);
    out.Add(!held, KindOf(store), subject, whole ? text : text.substr(0, colon),
            unknown ? "it is not known yet whether a worker has it"
            : held  ? "a connected worker has it: what lies there is proven all the same"
                    : "",
            whole ? "" : text.substr(colon + 2));
  }
}

void JudgeDisks(const Facts& facts, const CheckLimits& limits, Findings& out) {
  for (const DiskFact& disk : facts.disks) {
    const std::string subject = absl::StrFormat("%s (%s)", disk.what, disk.path);
    if (!disk.space.ok()) {
      out.Warn("disk_not_checked", subject, "its free space could not be learnt",
               MessageOf(disk.space.status()), "is its file system mounted and alive?");
      continue;
    }
    const std::uint64_t free = disk.space->free_bytes;
    if (free >= limits.disk_low) {
      out.Fine(absl::StrFormat("%s: %d MiB are free", subject, free >> 20));
      continue;
    }
    const bool full = free < limits.disk_full;
    out.Add(full, full ? "disk_full" : "disk_low", subject,
            absl::StrFormat("less than %d MiB are free",
                            (full ? limits.disk_full : limits.disk_low) >> 20),
            absl::StrFormat("%d MiB", free >> 20), "make room: records and jobs are written there");
  }
}

void JudgeSecrets(const Facts& facts, const CheckLimits& /*limits*/, Findings& out) {
  for (const std::string& file : facts.readable_secrets) {
    out.Warn("secret_readable", file, "it holds a token, and others on this machine may read it",
             "", absl::StrFormat("chmod 600 %s", file));
  }
}

}  // namespace damocles::manager
