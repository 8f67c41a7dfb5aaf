// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/job/record.h"

#include <cstdlib>
#include <string>

#include "gtest/gtest.h"
#include "tests/job/job_support.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/base/random.h"
#include "damocles/job/spec.h"
#include "damocles/job/state_machine.h"

namespace damocles::job {
namespace {

using testing_support::StatusIs;

// One with something in every field; two live attempts would contradict a finished state, so the
// kept bytes have a running job.
JobRecord FullRecord() {
  JobRecord record = NewRecord(JobId::FromNumber(0x0123456789abcdef),
                               std::make_shared<const JobSpec>(MakeSpec(1)), kStart);
  record.state = JobState::kRunning;
  record.attempt = 9;
  record.tries = 2;
  record.spares = 1;
  record.live = {{8, "worker-1", 2, kStart + absl::Seconds(1), kStart + absl::Seconds(4), "i-1"},
                 {9, "worker-2", 2, kStart + absl::Seconds(2), absl::InfinitePast(), ""}};
  record.lost = {{7, "worker-3", 1, kStart, kStart, "i-3"}};
  record.worker = "worker-2";
  record.excluded = {{"worker-4", "store-b is not attached", kStart}};
  record.avoid = {"worker-3"};
  record.failure = FailureKind::kHeartbeat;
  record.error = "worker-3: heartbeat timeout";
  record.started_at = kStart + absl::Seconds(1);
  record.heartbeat_at = kStart + absl::Seconds(4);
  record.updated_at = kStart + absl::Microseconds(1'000'001);
  return record;
}

void ExpectSame(const JobRecord& a, const JobRecord& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(ToHex(EncodeRecord(a)), ToHex(EncodeRecord(b)));
  EXPECT_EQ(a.live, b.live);
  EXPECT_EQ(a.lost, b.lost);
  EXPECT_EQ(a.excluded, b.excluded);
  EXPECT_EQ(a.faults, b.faults);
  EXPECT_EQ(a.error, b.error);
  EXPECT_EQ(a.updated_at, b.updated_at);
}

TEST(JobRecordTest, RecordAndSpecSurviveTheirBytes) {
  const JobRecord record = FullRecord();
  ASSERT_OK_AND_ASSIGN(const JobSpec spec, DecodeSpec(EncodeSpec(*record.spec)));
  EXPECT_EQ(spec.sectors, record.spec->sectors);
  EXPECT_EQ(spec.chain_partitions, record.spec->chain_partitions);
  EXPECT_EQ(spec.close_time, record.spec->close_time);
  EXPECT_EQ(WorkDigest(spec), WorkDigest(*record.spec));
  ASSERT_OK_AND_ASSIGN(const JobRecord back,
                       DecodeRecord(record.id, record.spec, EncodeRecord(record)));
  ExpectSame(back, record);
}

TEST(JobRecordTest, EveryStateSurvivesItsBytes) {
  JobRecord record =
      NewRecord(JobId::FromNumber(1), std::make_shared<const JobSpec>(MakeSpec(2)), kStart);
  ASSERT_OK(DecodeRecord(record.id, record.spec, EncodeRecord(record)));
  record.state = JobState::kSucceeded;
  record.proof = MakeProof(5);
  ASSERT_OK_AND_ASSIGN(JobRecord back, DecodeRecord(record.id, record.spec, EncodeRecord(record)));
  EXPECT_EQ(back.proof, MakeProof(5));
  record.state = JobState::kFaults;
  record.proof.clear();
  record.faults = {{7, "p_aux is missing"}, {17, ""}};
  ASSERT_OK_AND_ASSIGN(back, DecodeRecord(record.id, record.spec, EncodeRecord(record)));
  EXPECT_EQ(back.faults, record.faults);
  EXPECT_EQ(DescribeState(back), "Faults(2)");
}

// The bytes that older versions wrote are read for ever.  DAMOCLES_WRITE_TEST_DATA=1 makes those of
// the present formats anew, which only a new format, kept beside the old ones, may need.
TEST(JobRecordTest, BytesOfFormat1AreRead) {
  const std::string folder = DAMOCLES_TEST_DATA_DIR "/job/";
  JobRecord record = FullRecord();
  if (std::getenv("DAMOCLES_WRITE_TEST_DATA") != nullptr) {  // NOLINT(concurrency-mt-unsafe)
    ASSERT_OK(MakeFolders(folder));
    ASSERT_OK(WriteFileAtomically(folder + "spec-1.bin", AsText(EncodeSpec(*record.spec))));
    ASSERT_OK(WriteFileAtomically(folder + "record-2.bin", AsText(EncodeRecord(record))));
  }
  for (auto* attempts : {&record.live, &record.lost}) {
    for (Attempt& attempt : *attempts) attempt.instance.clear();  // format 1 knew none
  }
  record.excluded[0].at = absl::InfinitePast();
  ASSERT_OK_AND_ASSIGN(const std::string spec_bytes, ReadFile(folder + "spec-1.bin"));
  ASSERT_OK_AND_ASSIGN(const JobSpec spec, DecodeSpec(AsBytes(spec_bytes)));
  EXPECT_EQ(spec.sectors, record.spec->sectors);
  EXPECT_EQ(spec.miner, 1001u);
  EXPECT_EQ(spec.deadline_index, 1u);
  EXPECT_EQ(spec.close.Value(), 5120);
  ASSERT_OK_AND_ASSIGN(const std::string record_bytes, ReadFile(folder + "record-1.bin"));
  ASSERT_OK_AND_ASSIGN(const JobRecord back,
                       DecodeRecord(record.id, record.spec, AsBytes(record_bytes)));
  ExpectSame(back, record);
}

TEST(JobRecordTest, BytesOfFormat2AreRead) {
  const JobRecord record = FullRecord();
  ASSERT_OK_AND_ASSIGN(const std::string bytes,
                       ReadFile(DAMOCLES_TEST_DATA_DIR "/job/record-2.bin"));
  ASSERT_OK_AND_ASSIGN(const JobRecord back, DecodeRecord(record.id, record.spec, AsBytes(bytes)));
  ExpectSame(back, record);
  EXPECT_EQ(back.live[0].instance, "i-1");
}

TEST(JobRecordTest, EveryCutAndEveryTailIsRefused) {
  const JobRecord record = FullRecord();
  for (const Bytes& bytes : {EncodeSpec(*record.spec), EncodeRecord(record)}) {
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const ByteSpan cut = ByteSpan(bytes).first(size);
      EXPECT_FALSE(DecodeSpec(cut).ok()) << size;
      EXPECT_FALSE(DecodeRecord(record.id, record.spec, cut).ok()) << size;
    }
    Bytes longer = bytes;
    longer.push_back(0);
    EXPECT_FALSE(DecodeSpec(longer).ok());
    EXPECT_FALSE(DecodeRecord(record.id, record.spec, longer).ok());
  }
}

// What decodes encodes to the same bytes: there is one spelling only.
TEST(JobRecordTest, ChangedBytesAreRefusedOrMeanWhatTheySay) {
  SeededRandom random(1);
  const JobRecord record = FullRecord();
  const Bytes good = EncodeRecord(record);
  const Bytes good_spec = EncodeSpec(*record.spec);
  for (int i = 0; i < 20000; ++i) {
    Bytes bytes = good;
    bytes[random.Below(bytes.size())] = static_cast<std::uint8_t>(random.Below(256));
    const auto back = DecodeRecord(record.id, record.spec, bytes);
    if (back.ok() && bytes[0] == good[0]) {
      ASSERT_EQ(ToHex(EncodeRecord(*back)), ToHex(bytes));
    }
    Bytes spec_bytes = good_spec;
    spec_bytes[random.Below(spec_bytes.size())] = static_cast<std::uint8_t>(random.Below(256));
    const auto spec = DecodeSpec(spec_bytes);
    if (spec.ok()) {
      ASSERT_OK(ValidateSpec(*spec));
    }
  }
}

// What is newer is told by the frame (store/row.h).
TEST(JobRecordTest, ABodyOfAnotherFormatIsDamaged) {
  const JobRecord record = FullRecord();
  for (const int format : {0, 3, 0xda, 0xff}) {
    Bytes bytes = EncodeRecord(record);
    bytes[0] = static_cast<std::uint8_t>(format);
    EXPECT_THAT(DecodeRecord(record.id, record.spec, bytes),
                StatusIs(absl::StatusCode::kDataLoss, "format"));
    bytes = EncodeSpec(*record.spec);
    bytes[0] = static_cast<std::uint8_t>(format);
    EXPECT_THAT(DecodeSpec(bytes), StatusIs(absl::StatusCode::kDataLoss, "format"));
  }
}

TEST(JobRecordTest, ContradictionsAreRefused) {
  JobRecord record = FullRecord();
  record.state = JobState::kSucceeded;
  EXPECT_THAT(DecodeRecord(record.id, record.spec, EncodeRecord(record)),
              StatusIs(absl::StatusCode::kDataLoss, "contradict"));
  record = FullRecord();
  record.attempt = 3;
  EXPECT_THAT(DecodeRecord(record.id, record.spec, EncodeRecord(record)),
              StatusIs(absl::StatusCode::kDataLoss, "above the highest"));
}

TEST(JobRecordTest, NumbersThatTheChainDoesNotHaveAreRefused) {
  JobSpec spec = MakeSpec(1);
  spec.miner = std::uint64_t{1} << 63;
  EXPECT_THAT(DecodeSpec(EncodeSpec(spec)), StatusIs(absl::StatusCode::kDataLoss, "no miner"));
  spec = MakeSpec(1);
  spec.sectors.back().number = ~std::uint64_t{0};
  EXPECT_THAT(DecodeSpec(EncodeSpec(spec)), StatusIs(absl::StatusCode::kDataLoss, "no sector"));
  JobRecord record = FullRecord();
  record.state = JobState::kFaults;
  record.proof.clear();
  record.live.clear();
  record.faults = {{std::uint64_t{1} << 63, "gone"}};
  EXPECT_THAT(DecodeRecord(record.id, record.spec, EncodeRecord(record)),
              StatusIs(absl::StatusCode::kDataLoss, "no sector"));
}

TEST(JobIdTest, IsElevenCharactersAndReadsBack) {
  EXPECT_EQ(JobId::FromNumber(0).ToString(), "11111111111");
  EXPECT_EQ(JobId::FromNumber(57).ToString(), "1111111111z");
  EXPECT_EQ(JobId::FromNumber(58).ToString(), "11111111121");
  EXPECT_EQ(JobId::FromNumber(~std::uint64_t{0}).ToString().size(), JobId::kLength);
  ASSERT_OK_AND_ASSIGN(const JobId id, JobId::Parse("br8cC5EtiWX"));
  EXPECT_EQ(id.ToString(), "br8cC5EtiWX");
  for (const char* bad : {"", "br8cC5EtiW", "br8cC5EtiWXx", "br8cC5EtiW0", "br8cC5EtiWl"}) {
    EXPECT_THAT(JobId::Parse(bad), StatusIs(absl::StatusCode::kInvalidArgument, "base58")) << bad;
  }
}

TEST(JobIdTest, DependsOnTheWorkOnly) {
  const JobSpec base = MakeSpec(1);
  const Bytes32 digest = WorkDigest(base);
  JobSpec same = base;
  same.close_time += absl::Hours(1);
  same.deadline_index = 5;
  same.sectors[0].sealed_store = "moved";
  EXPECT_EQ(WorkDigest(same), digest);

  const auto differs = [&](auto change) {
    JobSpec other = base;
    change(other);
    return WorkDigest(other) != digest;
  };
  EXPECT_TRUE(differs([](JobSpec& s) { s.miner = 9; }));
  EXPECT_TRUE(differs([](JobSpec& s) { s.proof_type = filecoin::PoStProofType::kWindow2KiBV1_1; }));
  EXPECT_TRUE(differs([](JobSpec& s) { s.open = filecoin::ChainEpoch(1); }));
  EXPECT_TRUE(differs([](JobSpec& s) { s.chain_partitions = {filecoin::ChainPartition(0)}; }));
  EXPECT_TRUE(differs([](JobSpec& s) { s.randomness[31] ^= 1; }));
  EXPECT_TRUE(differs([](JobSpec& s) { s.sectors.pop_back(); }));
  EXPECT_TRUE(differs([](JobSpec& s) { s.sectors[0].comm_r[0] ^= 1; }));
  EXPECT_TRUE(differs([](JobSpec& s) { s.sectors[0].upgraded = true; }));
  EXPECT_NE(MakeJobId(digest, 0), MakeJobId(digest, 1));
}

TEST(JobSpecTest, BrokenSpecsAreRefused) {
  const auto why = [](auto change) {
    JobSpec spec = MakeSpec(1);
    change(spec);
    return ValidateSpec(spec);
  };
  ASSERT_OK(ValidateSpec(MakeSpec(1)));
  constexpr auto kCode = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(why([](JobSpec& s) { s.sectors.clear(); }), StatusIs(kCode, "no sectors"));
  EXPECT_THAT(why([](JobSpec& s) { s.chain_partitions.clear(); }),
              StatusIs(kCode, "no partitions"));
  EXPECT_THAT(why([](JobSpec& s) { s.chain_partitions.assign(2, filecoin::ChainPartition(1)); }),
              StatusIs(kCode, "ascend"));
  EXPECT_THAT(why([](JobSpec& s) { s.sectors[1].number = 7; }), StatusIs(kCode, "ascend"));
  EXPECT_THAT(why([](JobSpec& s) { s.sectors.back().number = std::uint64_t{1} << 63; }),
              StatusIs(kCode, "9223372036854775808"));
  EXPECT_THAT(why([](JobSpec& s) { s.miner = std::uint64_t{1} << 63; }),
              StatusIs(kCode, "no miner"));
  EXPECT_THAT(why([](JobSpec& s) { s.close = s.open; }), StatusIs(kCode, "closes before"));
  EXPECT_THAT(why([](JobSpec& s) { s.sectors[2].cache_store = ""; }), StatusIs(kCode, "sector 27"));
  EXPECT_THAT(why([](JobSpec& s) { s.proof_type = filecoin::PoStProofType{3}; }),
              StatusIs(kCode, "window"));
}

}  // namespace
}  // namespace damocles::job
