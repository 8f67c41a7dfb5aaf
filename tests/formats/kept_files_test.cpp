// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Bytes that version 0.1.0 wrote, one file for each format of docs/formats: they are read for ever.
// DAMOCLES_WRITE_TEST_DATA=1 makes those that are absent; a file that is there is never replaced, a
// new version of a format gets a file of its own.

#include <cstdlib>
#include <filesystem>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/clock.h"
#include "damocles/base/file.h"
#include "damocles/devnet/chain.h"
#include "damocles/devnet/presets.h"
#include "damocles/job/queue.h"
#include "damocles/poster/deadline_record.h"
#include "damocles/poster/recovery.h"
#include "damocles/sector/index.h"
#include "damocles/storage/genesis_file.h"
#include "damocles/storage/persist_store.h"
#include "damocles/store/store.h"
#include "damocles/worker/result_store.h"

namespace damocles {
namespace {

using testing_support::TempDir;

// The kept file; `fresh` is what it is made of where it is absent and may be made.
std::string Kept(const std::string& name, const std::string& fresh) {
  const std::string path = std::string(DAMOCLES_TEST_DATA_DIR "/") + name;
  const bool may_write =
      std::getenv("DAMOCLES_WRITE_TEST_DATA") != nullptr;  // NOLINT(concurrency-mt-unsafe)
  if (may_write && !PathExists(path)) {
    EXPECT_OK(MakeFolders(std::filesystem::path(path).parent_path().string()));
    EXPECT_OK(WriteFileAtomically(path, fresh));
  }
  auto text = ReadFile(path);
  EXPECT_OK(text);
  return text.ok() ? *std::move(text) : std::string();
}

Bytes32 Filled(std::uint8_t byte) {
  Bytes32 bytes;
  bytes.fill(byte);
  return bytes;
}

filecoin::DeadlineInfo Deadline() {
  const filecoin::PeriodShape shape = filecoin::kMainnetPeriod;
  return filecoin::MakeDeadlineInfo(shape, filecoin::ChainEpoch(1000), 3,
                                    filecoin::ChainEpoch(1030));
}

poster::DeadlinePlan Plan() {
  poster::PlannedSector read;
  read.number = 7;
  read.comm_r = Filled(7);
  read.upgraded = true;
  read.sealed_store = "store-1";
  read.cache_store = "store-2";
  poster::PlannedSector skipped;
  skipped.number = 9;
  skipped.comm_r = Filled(9);
  skipped.skip_reason = "p_aux is missing";
  skipped.prover_fault = true;
  poster::PlannedPartition partition;
  partition.index = filecoin::ChainPartition(1);
  partition.status = poster::PartitionStatus::kBatched;
  partition.recovering = true;
  partition.sectors = {read, skipped};
  poster::PlannedPartition empty;
  empty.index = filecoin::ChainPartition(2);
  empty.status = poster::PartitionStatus::kNothingToProve;
  empty.posted = true;
  return {.partitions = {partition, empty}};
}

poster::DeadlineRecord Record() {
  poster::DeadlineRecord record;
  record.miner = 1000;
  record.deadline = Deadline();
  record.state = poster::DeadlineState::kOnChain;
  record.reason = "a remark";
  record.randomness = Filled(0xee);
  record.proof_type = filecoin::PoStProofType::kWindow32GiBV1_1;
  record.partition_sectors = 2349;
  record.rounds = 5;
  record.attempts = 4;
  poster::PartitionBatch batch;
  batch.partitions = {filecoin::ChainPartition(1)};
  batch.state = poster::DeadlineState::kOnChain;
  batch.round = 5;
  batch.job_id = "7YWHMfk9JZe";
  batch.proof = Bytes(192, 0x5a);
  batch.message.attempt = 4;
  batch.message.uuid[0] = 0xab;
  batch.message.from = filecoin::Address::FromId(1001);
  batch.message.params = {1, 2, 3};
  batch.message.basis = Filled(0xcc);
  batch.message.gas_limit = 11;
  batch.message.sent_at = filecoin::ChainEpoch(1031);
  batch.message.signed_gas_limit = 12;
  batch.message.signed_message = {4, 5};
  batch.message.receipt = poster::Receipt{0, filecoin::ChainEpoch(1033), 10};
  batch.failed_messages = 1;
  batch.note = "out of gas";
  record.batches = {batch};
  record.milestones[3] = {filecoin::ChainEpoch(1029), absl::FromUnixSeconds(1'700'000'000)};
  return record;
}

void ExpectKept(const std::string& name, const poster::DeadlineRecord& want) {
  ASSERT_OK_AND_ASSIGN(const poster::DeadlineRecord got,
                       poster::DecodeRecord(Kept(name, poster::EncodeRecord(want))));
  EXPECT_EQ(got.Key(), want.Key());
  EXPECT_EQ(got.deadline.index, 3u);
  EXPECT_EQ(got.deadline.close, want.deadline.close);
  EXPECT_EQ(got.state, want.state);
  EXPECT_EQ(got.reason, want.reason);
  EXPECT_EQ(got.randomness, want.randomness);
  EXPECT_EQ(got.proof_type, want.proof_type);
  EXPECT_EQ(got.partition_sectors, want.partition_sectors);
  EXPECT_EQ(got.batches, want.batches);
  EXPECT_EQ(got.rounds, want.rounds);
  EXPECT_EQ(got.attempts, want.attempts);
  EXPECT_EQ(got.milestones, want.milestones);
  EXPECT_EQ(got.plan_digest, want.plan_digest);
  EXPECT_EQ(got.skipped_count, want.skipped_count);
  EXPECT_EQ(got.skipped, want.skipped);
}

TEST(KeptFilesTest, DeadlineRecord1) {
  ExpectKept("poster/record-1.bin", Record());
}

poster::DeadlineRecord RecordOfFormat2() {
  poster::DeadlineRecord record = Record();
  record.plan_digest = Filled(0xdd);
  record.skipped_count = 2;
  record.skipped = {
      {.partition = filecoin::ChainPartition(1), .number = 9, .reason = "p_aux is missing"}};
  return record;
}

// Made of that of format 3: its batches have no senders that were given up.
TEST(KeptFilesTest, DeadlineRecord2) {
  ExpectKept("poster/record-2.bin", RecordOfFormat2());
}

TEST(KeptFilesTest, DeadlineRecord3) {
  poster::DeadlineRecord record = RecordOfFormat2();
  record.batches[0].given_up = {filecoin::Address::FromId(102), filecoin::Address::FromId(103)};
  ExpectKept("poster/record-3.bin", record);
}

TEST(KeptFilesTest, DeadlinePlan1) {
  ASSERT_OK_AND_ASSIGN(const poster::DeadlinePlan got,
                       poster::DecodePlan(Kept("poster/plan-1.bin", poster::EncodePlan(Plan()))));
  EXPECT_EQ(got, Plan());
}

// As format 1 had it.
poster::RecoveryRecord Recovery() {
  poster::RecoveryRecord want;
  want.miner = 1000;
  want.target = Deadline();
  want.state = poster::RecoveryState::kSubmitting;
  poster::RecoveryMessage message;
  message.partitions = {{filecoin::ChainPartition(0), {1, 3}}, {filecoin::ChainPartition(2), {5}}};
  message.message.attempt = 2;
  message.message.uuid[15] = 0xcd;
  message.message.from = filecoin::Address::FromId(1001);
  message.message.sent_at = filecoin::ChainEpoch(1031);
  message.failed_messages = 1;
  // What format 1 did not have: it may have been pushed, and this is what it says.
  message.phase = delivery::Phase::kPushed;
  message.message.params = poster::DeclareParamsOf(want, message);
  want.messages = {message};
  want.unreadable = {{.partition = filecoin::ChainPartition(1), .number = 4, .reason = "gone"}};
  want.note = "exit 19";
  want.finished = {filecoin::ChainEpoch(1040), absl::FromUnixSeconds(1'700'000'001)};
  return want;
}

void ExpectRecovery(const std::string& file, const poster::RecoveryRecord& want) {
  ASSERT_OK_AND_ASSIGN(const poster::RecoveryRecord got,
                       poster::DecodeRecovery(Kept(file, poster::EncodeRecovery(want))));
  EXPECT_EQ(got.Key(), want.Key());
  EXPECT_EQ(got.state, want.state);
  EXPECT_EQ(got.messages, want.messages);
  ASSERT_EQ(got.unreadable.size(), 1u);
  EXPECT_EQ(got.unreadable[0].partition, filecoin::ChainPartition(1));
  EXPECT_EQ(got.unreadable[0].number, 4u);
  EXPECT_EQ(got.unreadable[0].reason, "gone");
  EXPECT_EQ(got.note, want.note);
  EXPECT_EQ(got.finished, want.finished);
}

TEST(KeptFilesTest, RecoveryRecord1) {
  ExpectRecovery("poster/recovery-1.bin", Recovery());
}

TEST(KeptFilesTest, RecoveryRecord2) {
  poster::RecoveryRecord want = Recovery();
  poster::RecoveryMessage& message = want.messages[0];
  message.message.cid = filecoin::Cid::OfDagCbor(Bytes{1, 2, 3});
  message.message.signed_message = {4, 5, 6};
  message.given_up = {filecoin::Address::FromId(1002)};
  message.note = "base fee";
  poster::RecoveryMessage other;
  other.partitions = {{filecoin::ChainPartition(3), {7}}};
  other.phase = delivery::Phase::kOnChain;
  other.message = message.message;
  other.message.attempt = 3;
  other.message.receipt = {.exit_code = 0, .height = filecoin::ChainEpoch(1033), .gas_used = 5};
  want.messages.push_back(other);
  ExpectRecovery("poster/recovery-2.bin", want);
}

void ExpectKeptResult(const std::string& file) {
  const worker::StoredResult want{.manager = "10.1.0.2:1789",
                                  .attempt = {.job = job::JobId::FromNumber(77), .attempt = 5},
                                  .close_time = absl::FromUnixSeconds(1'700'000'002),
                                  .proof = Bytes(192, 0x5a)};
  ASSERT_OK_AND_ASSIGN(const worker::StoredResult got,
                       worker::DecodeResult(worker::ResultFileName(want.manager, want.attempt),
                                            Kept(file, worker::EncodeResult(want))));
  EXPECT_EQ(got.manager, want.manager);
  EXPECT_EQ(got.attempt.job, want.attempt.job);
  EXPECT_EQ(got.attempt.attempt, want.attempt.attempt);
  EXPECT_EQ(got.close_time, want.close_time);
  EXPECT_EQ(got.proof, want.proof);
}

TEST(KeptFilesTest, WorkerResult1) {
  ExpectKeptResult("worker/result-1.result");
}

TEST(KeptFilesTest, WorkerResult2) {
  ExpectKeptResult("worker/result-2.result");
}

// The one row below `prefix`.
std::string OnlyRow(const store::Store& store, std::string_view prefix, std::string* key) {
  const auto rows = store::List(store, prefix);
  EXPECT_TRUE(rows.ok() && rows->size() == 1);
  if (!rows.ok() || rows->size() != 1) return "";
  *key = rows->front().key;
  return rows->front().value;
}

TEST(KeptFilesTest, SectorIndexRow1) {
  const filecoin::SectorId sector{.miner = 1000, .number = 7};
  const auto made = store::OpenMemoryStore();
  ASSERT_OK_AND_ASSIGN(auto index, sector::Index::Open(*made));
  ASSERT_OK(index->Put({{.sector = sector,
                         .variant = storage::Variant::kUpgraded,
                         .location = {.sealed_store = "store-1", .cache_store = "store-2"}}}));
  std::string key;
  const std::string row = Kept("sector/row-1.bin", OnlyRow(*made, "sector/u/", &key));
  const auto kept = store::OpenMemoryStore();
  ASSERT_OK(store::Put(*kept, key, row));
  ASSERT_OK_AND_ASSIGN(index, sector::Index::Open(*kept));
  ASSERT_OK_AND_ASSIGN(const auto found, index->Find(sector, storage::Variant::kUpgraded));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->sealed_store, "store-1");
  EXPECT_EQ(found->cache_store, "store-2");
}

// Only the queue writes them: rows of "worker-1", 2 KiB proofs, 1.5 s each, 12 of them.
std::string SpeedRow(char format) {
  return format + std::string(
                      "\x08\x00\x00\x00worker-1\x0a\x00\x00\x00\x00\x00\x00\x00"
                      "\x60\xe3\x16\x00\x00\x00\x00\x00\x0c\x00\x00\x00\x00\x00\x00\x00",
                      36);
}

// Its time is of another kind: the worker is not measured yet.
TEST(KeptFilesTest, WorkerSpeed1) {
  const auto rows = store::OpenMemoryStore();
  ASSERT_OK(store::Put(*rows, "job/speed/10/worker-1", Kept("job/speed-1.bin", SpeedRow(1))));
  ASSERT_OK_AND_ASSIGN(const auto queue, job::Queue::Open(*rows, SystemClock(), job::Policy{}));
  EXPECT_TRUE(queue->Speeds().empty());
}

TEST(KeptFilesTest, WorkerSpeed2) {
  const auto rows = store::OpenMemoryStore();
  ASSERT_OK(store::Put(*rows, "job/speed/10/worker-1", Kept("job/speed-2.bin", SpeedRow(2))));
  ASSERT_OK_AND_ASSIGN(const auto queue, job::Queue::Open(*rows, SystemClock(), job::Policy{}));
  const std::vector<job::WorkerSpeed> speeds = queue->Speeds();
  ASSERT_EQ(speeds.size(), 1u);
  EXPECT_EQ(speeds[0].worker, "worker-1");
  EXPECT_EQ(filecoin::ToNumber(speeds[0].proof_type), 10);
  EXPECT_EQ(speeds[0].per_proof_partition, absl::Milliseconds(1500));
  EXPECT_EQ(speeds[0].samples, 12u);
}

TEST(KeptFilesTest, DevnetJournal1) {
  const TempDir made;
  devnet::GenesisMiner miner;
  miner.id = 1000;
  miner.sectors = {{.number = 1, .comm_r = Filled(1), .deadline = 0, .partition = 0}};
  ASSERT_OK(devnet::Chain::Init(made / "home", devnet::QuickPreset(), {.miners = {miner}}));
  {
    devnet::ChainOptions options;
    options.verify = [](const devnet::PostStatement&, ByteSpan) { return true; };
    ASSERT_OK_AND_ASSIGN(const auto chain, devnet::Chain::Open(made / "home", options));
    ASSERT_OK(chain->Advance());
    ASSERT_OK(chain->Advance({.null_rounds = 2, .timestamp = std::nullopt}));
  }
  ASSERT_OK_AND_ASSIGN(const std::string fresh, ReadFile(made / "home/chain.journal"));
  const TempDir kept;
  ASSERT_OK(MakeFolders(kept / "home"));
  ASSERT_OK(
      WriteFileAtomically(kept / "home/chain.journal", Kept("devnet/chain-1.journal", fresh)));
  ASSERT_OK_AND_ASSIGN(const auto chain, devnet::Chain::OpenReadOnly(kept / "home"));
  // The blocks of the genesis, one more, two epochs without one, and one more.
  EXPECT_EQ(chain->ChainHead().Height(),
            filecoin::ChainEpoch(0) + chain->Config().genesis_blocks + filecoin::EpochDelta(4));
  ASSERT_OK_AND_ASSIGN(const devnet::MinerState state, chain->MinerAfterHead(1000));
  EXPECT_EQ(chain->Config().block_delay_secs, 1u);
}

TEST(KeptFilesTest, GenesisFile1) {
  const storage::GenesisSector placed{.miner = 1000,
                                      .number = 5,
                                      .comm_r = Filled(5),
                                      .proof_type = 10,
                                      .deadline = 3,
                                      .partition = 1};
  storage::GenesisSector free = placed;
  free.miner = 1001;
  free.proof_type = 13;
  free.deadline.reset();
  free.partition.reset();
  const std::vector<storage::GenesisSector> want = {placed, free};
  ASSERT_OK_AND_ASSIGN(const auto got, storage::ParseGenesis(Kept("storage/genesis-1.json",
                                                                  storage::FormatGenesis(want))));
  EXPECT_EQ(got, want);
}

TEST(KeptFilesTest, SectorStoreJson) {
  storage::PersistStore want;
  want.name = "store-1";
  want.strict = true;
  want.read_only = true;
  want.weight = 3;
  want.allow_miners = {1000};
  want.deny_miners = {1001};
  want.meta = {{"rack", "7"}};
  const TempDir folder;
  ASSERT_OK(WriteFileAtomically(
      folder / std::string(storage::kSectorStoreFile),
      Kept("storage/sectorstore-1.json",
           storage::EncodeSectorStoreJson(want, "11111111-2222-3333-4444-555555555555"))));
  ASSERT_OK_AND_ASSIGN(const storage::PersistStore got,
                       storage::ReadSectorStoreJson(folder.Path()));
  EXPECT_EQ(got.name, want.name);
  EXPECT_EQ(got.strict, want.strict);
  EXPECT_EQ(got.read_only, want.read_only);
  EXPECT_EQ(got.weight, want.weight);
  EXPECT_EQ(got.allow_miners, want.allow_miners);
  EXPECT_EQ(got.deny_miners, want.deny_miners);
  EXPECT_EQ(got.meta, want.meta);
}

}  // namespace
}  // namespace damocles
