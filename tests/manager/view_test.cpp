// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Scripts read these names: each listing is compared as a whole.

#include "damocles/manager/view.h"

#include <nlohmann/json.hpp>

#include "gtest/gtest.h"

namespace damocles::manager {
namespace {

using nlohmann::json;

const absl::Time kAt = absl::FromUnixSeconds(1'700'000'000);
constexpr const char* kAtText = "2023-11-14T22:13:20+00:00";

TEST(ViewTest, Jobs) {
  rpc::JobInfo job;
  job.id = "5vz5mRAPBGq";
  job.miner = 1000;
  job.proof_type = filecoin::PoStProofType::kWindow2KiBV1_1;
  job.deadline_index = 3;
  job.chain_partitions = {filecoin::ChainPartition(0), filecoin::ChainPartition(2)};
  job.open_epoch = 130;
  job.close_epoch = 140;
  job.close_time = kAt + absl::Seconds(90);
  job.sectors = 4;
  job.workers = {"w1"};
  job.state = job::JobState::kFaults;
  job.faults = {{.number = 7, .reason = "gone"}};
  job.tries = 2;
  job.tries_max = 5;
  job.created_at = kAt;
  job.error = "e\xff";
  const json want = {{"id", "5vz5mRAPBGq"},
                     {"miner", 1000},
                     {"proof_type", 10},
                     {"deadline", 3},
                     {"partitions", {0, 2}},
                     {"open_epoch", 130},
                     {"close_epoch", 140},
                     {"close_at", "2023-11-14T22:14:50+00:00"},
                     {"left_seconds", 90},
                     {"sectors", 4},
                     {"workers", {"w1"}},
                     {"state", "Faults(1)"},
                     {"faults", {{{"sector", 7}, {"reason", "gone"}}}},
                     {"try", 2},
                     {"try_max", 5},
                     {"created_at", kAtText},
                     {"started_at", nullptr},
                     {"heartbeat_at", nullptr},
                     {"finished_at", nullptr},
                     {"error", "e\xef\xbf\xbd"}};
  EXPECT_EQ(json::parse(JobsJson({job}, kAt)), json::array({want}));
  EXPECT_EQ(JobsJson({}, kAt), "[]");
  job.close_time = absl::InfiniteFuture();
  const json endless = json::parse(JobsJson({job}, kAt))[0];
  EXPECT_TRUE(endless["left_seconds"].is_null());
  EXPECT_TRUE(endless["close_at"].is_null());
}

TEST(ViewTest, Workers) {
  worker::Hub::WorkerInfo info;
  info.capabilities.name = "w1";
  info.capabilities.slots = 1;
  info.capabilities.software = "damocles-worker 1";
  info.capabilities.stores = {"a"};
  info.capabilities.verifying_keys = {{filecoin::PoStProofType::kWindow32GiBV1_1, "digest"}};
  info.capabilities.threads = {
      {.miners = {1000}, .proof_types = {filecoin::PoStProofType::kWindow32GiBV1_1}}};
  info.address = "127.0.0.1:1";
  info.connected = true;
  info.last_seen = kAt;
  info.clock_ahead = absl::Milliseconds(1500);
  json want = {{"name", "w1"},
               {"address", "127.0.0.1:1"},
               {"connected", true},
               {"last_seen", kAtText},
               {"slots", 1},
               {"proof_types", {13}},
               {"threads", {{{"miners", {1000}}, {"proof_types", {13}}}}},
               {"stores", {"a"}},
               {"software", "damocles-worker 1"},
               {"clock_ahead_seconds", 1.5},
               {"running", json::array()}};
  EXPECT_EQ(json::parse(WorkersJson({info})), json::array({want}));
  info.clock_ahead.reset();
  want["clock_ahead_seconds"] = nullptr;
  EXPECT_EQ(json::parse(WorkersJson({info})), json::array({want}));
}

TEST(ViewTest, StoresAndSectors) {
  rpc::StoreInfo store;
  store.name = "a";
  store.path = "/a";
  store.read_only = true;
  store.total_bytes = 10;
  store.free_bytes = 4;
  store.sectors = 2;
  store.status = absl::UnavailableError("hangs");
  store.trouble = "mount it";
  const json want = {{"name", "a"},       {"path", "/a"},         {"read_only", true},
                     {"total_bytes", 10}, {"free_bytes", 4},      {"sectors", 2},
                     {"error", "hangs"},  {"trouble", "mount it"}};
  EXPECT_EQ(json::parse(StoresJson({store})), json::array({want}));
  rpc::FoundSector found;
  found.sealed = rpc::SectorPlace{.sealed_store = "a", .cache_store = "b"};
  found.troubles = {"mount it"};
  const json place = {{"miner", 1000},
                      {"number", 7},
                      {"sealed", {{"sealed_store", "a"}, {"cache_store", "b"}}},
                      {"upgraded", nullptr},
                      {"troubles", {"mount it"}}};
  EXPECT_EQ(json::parse(SectorJson({.miner = 1000, .number = 7}, found)), place);
  const json attached = {{"store", "a"}, {"added", 1}, {"known", 2}, {"problems", {"x"}}};
  EXPECT_EQ(json::parse(AttachJson({.store = "a", .added = 1, .known = 2, .problems = {"x"}})),
            attached);
}

TEST(ViewTest, Deadlines) {
  rpc::BatchSummary batch;
  batch.chain_partitions = {filecoin::ChainPartition(1)};
  batch.state = "Confirmed";
  batch.job_id = "j";
  batch.message_cid = "bafy";
  batch.skipped = {{.number = 9, .reason = "gone"}};
  batch.error = "note";
  batch.proofs = 2;
  rpc::DeadlineSummary record;
  record.miner = 1000;
  record.deadline_index = 3;
  record.period_start = 100;
  record.open_epoch = 130;
  record.close_epoch = 140;
  record.state = "Confirmed";
  record.reason = "r";
  record.batches = {batch};
  record.skipped_sectors = 1;
  record.proven_epoch = 131;
  record.confirmed_epoch = -1;
  const json want = {{"miner", 1000},
                     {"deadline", 3},
                     {"period_start", 100},
                     {"open_epoch", 130},
                     {"close_epoch", 140},
                     {"state", "Confirmed"},
                     {"reason", "r"},
                     {"batches",
                      {{{"partitions", {1}},
                        {"state", "Confirmed"},
                        {"job", "j"},
                        {"message", "bafy"},
                        {"skipped", {{{"sector", 9}, {"reason", "gone"}}}},
                        {"note", "note"},
                        {"proofs", 2}}}},
                     {"skipped_sectors", 1},
                     {"proven_epoch", 131},
                     {"confirmed_epoch", -1}};
  EXPECT_EQ(json::parse(DeadlinesJson({record})), json::array({want}));
}

TEST(ViewTest, Check) {
  rpc::CheckReport report;
  report.at = kAt;
  report.findings = {{.kind = "node_unreachable",
                      .costs_window = false,
                      .subject = "s",
                      .what = "w",
                      .detail = "d",
                      .remedy = "r"}};
  report.in_order = {"home: fine"};
  report.not_learnt = {"parameters"};
  json want = {{"at", kAtText},
               {"costs_window", false},
               {"findings",
                {{{"kind", "node_unreachable"},
                  {"severity", "warning"},
                  {"subject", "s"},
                  {"what", "w"},
                  {"detail", "d"},
                  {"remedy", "r"}}}},
               {"in_order", {"home: fine"}},
               {"not_learnt", {"parameters"}}};
  EXPECT_EQ(json::parse(CheckJson(report)), want);
  report.findings[0].costs_window = true;
  want["costs_window"] = true;
  want["findings"][0]["severity"] = "costs_window";
  EXPECT_EQ(json::parse(CheckJson(report)), want);
}

}  // namespace
}  // namespace damocles::manager
