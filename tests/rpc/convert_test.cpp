// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Nothing is lost or mixed up on the wire: every field has a value of its own and comes back as it
// was.  What is filled is read from the schema, so that a new field is part of this at once.

#include "lib/rpc/convert.h"

#include <capnp/dynamic.h>
#include <capnp/message.h>
#include <capnp/pretty-print.h>

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/job/job_support.h"

namespace damocles::rpc {
namespace {

using capnp::schema::Type;

// Gives every field another value.
class Filler {
 public:
  // `ignored`: fields that no version writes any more, "Offer.miners".
  explicit Filler(std::set<std::string> ignored = {}) : ignored_(std::move(ignored)) {}

  void Fill(capnp::DynamicStruct::Builder out, const std::string& type) {
    for (const capnp::StructSchema::Field field : out.getSchema().getFields()) {
      const std::string name = field.getProto().getName().cStr();
      if (ignored_.contains(type + "." + name)) continue;
      Set(out, field, name);
    }
  }

 private:
  std::uint64_t Next() { return ++last_; }
  // Registered proof types are few: each list begins anew.
  static bool IsProofType(const std::string& name) {
    return name == "proofType" || name == "proofTypes" || name == "practiceTypes";
  }
  std::string Text(const std::string& name) {
    // Ids of jobs are judged.
    if (name == "id" || name == "running") return job::JobId::FromNumber(Next()).ToString();
    return absl::StrFormat("%s-%d", name, Next());
  }
  void Set(capnp::DynamicStruct::Builder out, capnp::StructSchema::Field field,
           const std::string& name) {
    switch (field.getType().which()) {
      case Type::BOOL:
        out.set(field, true);
        break;
      case Type::TEXT:
        out.set(field, Text(name).c_str());
        break;
      case Type::DATA: {
        const Bytes bytes(32, static_cast<std::uint8_t>(Next() % 64));
        out.set(field, capnp::Data::Reader(bytes.data(), bytes.size()));
        break;
      }
      case Type::ENUM:
        out.set(field, capnp::DynamicEnum(field.getType().asEnum(), 1));
        break;
      case Type::STRUCT:
        Fill(out.init(field).as<capnp::DynamicStruct>(), name);
        break;
      case Type::LIST:
        FillList(out.init(field, 2).as<capnp::DynamicList>(), name);
        break;
      case Type::UINT16:  // only codes of statuses
        out.set(field, Next() % 15 + 1);
        break;
      default:
        out.set(field, IsProofType(name) ? 10 + last_type_++ % 5 : Next());
        break;
    }
  }
  void FillList(capnp::DynamicList::Builder list, const std::string& name) {
    last_type_ = 1;
    for (unsigned i = 0; i < list.size(); ++i) {
      switch (list.getSchema().whichElementType()) {
        case Type::TEXT:
          list.set(i, Text(name).c_str());
          break;
        case Type::STRUCT:
          Fill(list[i].as<capnp::DynamicStruct>(), name);
          break;
        default:
          list.set(i, IsProofType(name) ? 10 + last_type_++ % 5 : Next());
          break;
      }
    }
  }

  const std::set<std::string> ignored_;
  std::uint64_t last_ = 0;
  std::uint64_t last_type_ = 0;
};

template <typename T>
class Wire {
 public:
  std::string Text() { return capnp::prettyPrint(root.asReader()).flatten().cStr(); }

 private:
  capnp::MallocMessageBuilder message_;

 public:
  typename T::Builder root = message_.template initRoot<T>();
};

// Fields that nothing was written to.
void Unwritten(capnp::DynamicStruct::Reader in, const std::string& where,
               std::vector<std::string>& out) {
  for (const capnp::StructSchema::Field field : in.getSchema().getFields()) {
    const std::string name = where + "." + field.getProto().getName().cStr();
    if (field.getType().which() == Type::STRUCT) {
      Unwritten(in.get(field).as<capnp::DynamicStruct>(), name, out);
    } else if (!in.has(field, capnp::HasMode::NON_DEFAULT)) {
      out.push_back(name);
    }
  }
}

template <typename T>
const auto& ValueOf(const absl::StatusOr<T>& read) {
  EXPECT_TRUE(read.ok()) << read.status();
  return *read;
}
template <typename T>
const T& ValueOf(const T& read) {
  return read;
}

template <typename T>
void ExpectSameAgain(Wire<T>& wire) {
  const auto read = Read(wire.root.asReader());
  Wire<T> again;
  Write(ValueOf(read), again.root);
  EXPECT_EQ(again.Text(), wire.Text());
}

TEST(ConvertTest, Assignment) {
  Wire<schema::Assignment> wire;
  Filler().Fill(wire.root, "Assignment");
  // Said twice: the time that is left, and for an earlier release the time of the close.
  wire.root.getSpec().setCloseUnixMs(wire.root.getLeftMs());
  const auto read = Read(wire.root.asReader(), absl::UnixEpoch());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->time_left, absl::Milliseconds(wire.root.getLeftMs()));
  Wire<schema::Assignment> again;
  Write(*read, absl::UnixEpoch(), again.root);
  EXPECT_EQ(again.Text(), wire.Text());
}

// A manager of an earlier release says when the window closes; then the worker's clock must do.
TEST(ConvertTest, AssignmentOfAnEarlierRelease) {
  Wire<schema::Assignment> wire;
  Filler().Fill(wire.root, "Assignment");
  wire.root.setLeftMs(-1);
  wire.root.getSpec().setCloseUnixMs(90'000);
  const auto read = Read(wire.root.asReader(), absl::FromUnixSeconds(30));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->time_left, absl::Minutes(1));
}

TEST(ConvertTest, Offer) {
  Wire<schema::Offer> wire;
  Filler({"Offer.miners", "Offer.proofTypes"}).Fill(wire.root, "Offer");
  ExpectSameAgain(wire);
}

TEST(ConvertTest, WorkerInfo) {
  Wire<schema::WorkerInfo> wire;
  Filler({"offer.miners", "offer.proofTypes"}).Fill(wire.root, "WorkerInfo");
  // One name, said in two places.
  wire.root.getOffer().setName(wire.root.getName());
  ExpectSameAgain(wire);
}

TEST(ConvertTest, Store) {
  Wire<schema::Store> wire;
  Filler().Fill(wire.root, "Store");
  ExpectSameAgain(wire);
}

TEST(ConvertTest, DeadlineRecord) {
  Wire<schema::DeadlineRecord> wire;
  Filler().Fill(wire.root, "DeadlineRecord");
  ExpectSameAgain(wire);
}

TEST(ConvertTest, CheckReport) {
  Wire<schema::CheckReport> wire;
  Filler().Fill(wire.root, "CheckReport");
  ExpectSameAgain(wire);
}

TEST(ConvertTest, SectorPlace) {
  Wire<schema::SectorPlace> wire;
  Filler().Fill(wire.root, "SectorPlace");
  ExpectSameAgain(wire);
}

TEST(ConvertTest, Status) {
  for (int code = 0; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), code == 0 ? "" : "why");
    Wire<schema::Status> wire;
    Write(status, wire.root);
    EXPECT_EQ(Read(wire.root.asReader()), status);
  }
}

// Written from the queue's record, read as what a listing shows.  A planted fault this must catch:
// one of the times read from another.
TEST(ConvertTest, Job) {
  job::JobRecord record;
  record.id = job::JobId::FromNumber(77);
  job::JobSpec made = job::MakeSpec(5);
  record.spec = std::make_shared<const job::JobSpec>(made);
  record.state = job::JobState::kFaults;
  record.tries = 3;
  record.worker = "last";
  record.live = {{.number = 8, .worker = "first"}, {.number = 9, .worker = "second"}};
  record.faults = {{7, "gone"}, {17, "spoilt"}};
  record.error = "why";
  const auto at = [](int second) { return job::kStart + absl::Seconds(second); };
  record.created_at = at(1);
  record.started_at = at(2);
  record.heartbeat_at = at(3);
  record.finished_at = at(4);
  record.updated_at = at(5);
  record.close_time = at(6);
  Wire<schema::Job> wire;
  Write(record, 11, wire.root);
  std::vector<std::string> unwritten;
  Unwritten(wire.root.asReader(), "Job", unwritten);
  EXPECT_THAT(unwritten, testing::IsEmpty());

  const absl::StatusOr<JobInfo> read = Read(wire.root.asReader());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->id, record.id.ToString());
  EXPECT_EQ(read->miner, made.miner);
  EXPECT_EQ(read->proof_type, made.proof_type);
  EXPECT_EQ(read->deadline_index, made.deadline_index);
  EXPECT_EQ(read->chain_partitions, made.chain_partitions);
  EXPECT_EQ(read->open_epoch, made.open.Value());
  EXPECT_EQ(read->close_epoch, made.close.Value());
  EXPECT_EQ(read->close_time, record.close_time);
  EXPECT_EQ(read->sectors, made.sectors.size());
  EXPECT_THAT(read->workers, testing::ElementsAre("first", "second"));
  EXPECT_EQ(read->state, record.state);
  EXPECT_EQ(read->faults, record.faults);
  EXPECT_EQ(read->tries, 3U);
  EXPECT_EQ(read->tries_max, 11U);
  EXPECT_EQ(read->created_at, record.created_at);
  EXPECT_EQ(read->started_at, record.started_at);
  EXPECT_EQ(read->finished_at, record.finished_at);
  EXPECT_EQ(read->heartbeat_at, record.heartbeat_at);
  EXPECT_EQ(read->error, "why");

  record.live.clear();
  Wire<schema::Job> idle;
  Write(record, 11, idle.root);
  EXPECT_THAT(Read(idle.root.asReader())->workers, testing::ElementsAre("last"));
}

TEST(ConvertTest, TimesThatHaveNotHappenedStaySo) {
  EXPECT_EQ(FromUnixMs(ToUnixMs(absl::InfinitePast())), absl::InfinitePast());
}

}  // namespace
}  // namespace damocles::rpc
