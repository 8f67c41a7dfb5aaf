// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// LevelDB over a disk that is full for a while: what does not fit is written in part, then refused.

#include <leveldb/env.h>
#include <leveldb/helpers/memenv.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/store/leveldb_store.h"
#include "tests/store/content.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/log.h"
#include "damocles/base/random.h"
#include "damocles/store/rows.h"
#include "damocles/store/store.h"

namespace damocles::store {
namespace {

using testing_support::StatusIs;

constexpr const char* kReserveFile = "/db/room.reserve";

// Files in memory; `room` bytes may still be written.
class FullDiskEnv final : public leveldb::EnvWrapper {
 public:
  FullDiskEnv() : FullDiskEnv(leveldb::NewMemEnv(leveldb::Env::Default())) {}

  leveldb::Status NewWritableFile(const std::string& name,
                                  leveldb::WritableFile** result) override {
    if (!refusal_.empty()) return leveldb::Status::IOError(name, refusal_);
    return Wrap(name, target()->NewWritableFile(name, result), result);
  }
  leveldb::Status NewAppendableFile(const std::string& name,
                                    leveldb::WritableFile** result) override {
    if (!refusal_.empty()) return leveldb::Status::IOError(name, refusal_);
    return Wrap(name, target()->NewAppendableFile(name, result), result);
  }

  leveldb::Status RemoveFile(const std::string& name) override {
    leveldb::Status status = target()->RemoveFile(name);
    const std::lock_guard lock(mutex_);
    if (status.ok()) room_ += std::exchange(taken_[name], 0);
    return status;
  }
  leveldb::Status RenameFile(const std::string& from, const std::string& to) override {
    leveldb::Status status = target()->RenameFile(from, to);
    const std::lock_guard lock(mutex_);
    if (status.ok()) taken_[to] = std::exchange(taken_[from], 0);
    return status;
  }
  std::uint64_t NowMicros() override { return now_micros_; }

  void SetRoom(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    room_ = least_room_ = bytes;
  }
  std::uint64_t Room() {
    const std::lock_guard lock(mutex_);
    return room_;
  }
  // The least that there was since SetRoom.
  std::uint64_t LeastRoom() {
    const std::lock_guard lock(mutex_);
    return least_room_;
  }
  internal::FreeBytes AskRoom() {
    return [this](const std::string&) { return std::optional<std::uint64_t>(Room()); };
  }
  // What repeats itself, or lies there already, takes no room.
  void Compress() { compresses_ = true; }
  // Each file that is to be opened for writing is refused with this; empty: none.
  void Refuse(const std::string& why) { refusal_ = why; }
  void Pass(absl::Duration time) {
    now_micros_ += static_cast<std::uint64_t>(absl::ToInt64Microseconds(time));
  }

 private:
  explicit FullDiskEnv(leveldb::Env* memory) : EnvWrapper(memory), memory_(memory) {}

  class Limited final : public leveldb::WritableFile {
   public:
    Limited(FullDiskEnv& env, std::string name, leveldb::WritableFile* file)
        : env_(env), name_(std::move(name)), file_(file) {}
    leveldb::Status Append(const leveldb::Slice& data) override {
      const std::uint64_t fits = env_.Take(name_, {data.data(), data.size()});
      leveldb::Status status = file_->Append(leveldb::Slice(data.data(), fits));
      return fits < data.size() ? leveldb::Status::IOError("No space left on device") : status;
    }
    leveldb::Status Close() override { return file_->Close(); }
    leveldb::Status Flush() override { return file_->Flush(); }
    leveldb::Status Sync() override { return file_->Sync(); }

   private:
    FullDiskEnv& env_;
    const std::string name_;
    const std::unique_ptr<leveldb::WritableFile> file_;
  };

  std::uint64_t Take(const std::string& name, std::string_view data) {
    const std::lock_guard lock(mutex_);
    if (compresses_ && data.size() >= 4096) {
      const bool repeats = data.find_first_not_of(data[0]) == std::string_view::npos;
      if (repeats || !blocks_.insert(std::string(data)).second) return data.size();
    }
    const std::uint64_t taken = std::min<std::uint64_t>(data.size(), room_);
    room_ -= taken;
    least_room_ = std::min(least_room_, room_);
    taken_[name] += taken;
    return taken;
  }
  leveldb::Status Wrap(const std::string& name, leveldb::Status status,
                       leveldb::WritableFile** result) {
    if (status.ok()) *result = new Limited(*this, name, *result);
    return status;
  }

  const std::unique_ptr<leveldb::Env> memory_;
  std::mutex mutex_;
  std::uint64_t room_ = kPlenty;
  std::uint64_t least_room_ = kPlenty;
  std::map<std::string, std::uint64_t> taken_;  // by file
  bool compresses_ = false;
  std::set<std::string> blocks_;
  std::string refusal_;
  std::atomic<std::uint64_t> now_micros_ = 1;

 public:
  static constexpr std::uint64_t kPlenty = std::uint64_t{1} << 40;
};

TEST(FullDiskTest, DatabaseSurvivesAndServesAgainOnceThereIsRoom) {
  FullDiskEnv env;
  {
    ASSERT_OK_AND_ASSIGN(auto store, internal::OpenLevelDbOn(env, "/db"));
    ASSERT_OK(Put(*store, "before", "1"));
    env.SetRoom(1000);  // a part of the record fits
    EXPECT_THAT(Put(*store, "lost", std::string(5000, 'x')),
                StatusIs(absl::StatusCode::kUnavailable, "No space left"));
    EXPECT_THAT(Put(*store, "lost", "2"),
                StatusIs(absl::StatusCode::kUnavailable, "No space left"));
    ASSERT_OK_AND_ASSIGN(auto read, store->Get("before"));
    EXPECT_EQ(read, "1") << "a full disk must not stop reading";

    env.SetRoom(FullDiskEnv::kPlenty);
    ASSERT_OK(Put(*store, "after", "3"));
    ASSERT_OK_AND_ASSIGN(auto again, store->Get("before"));
    EXPECT_EQ(again, "1");
  }
  ASSERT_OK_AND_ASSIGN(auto store, internal::OpenLevelDbOn(env, "/db"));
  const Model rows = Content(*store);
  EXPECT_EQ(rows.at("before"), "1");
  EXPECT_EQ(rows.at("after"), "3");
}

TEST(FullDiskTest, AProgramThatStartsOnAFullDiskOpensInTheReserve) {
  constexpr std::uint64_t kReserve = std::uint64_t{4} << 20;
  FullDiskEnv env;
  const auto write = [&](const std::string& key) {
    ASSERT_OK_AND_ASSIGN(auto store, internal::OpenLevelDbOn(env, "/db", kReserve, env.AskRoom()));
    ASSERT_OK(Put(*store, key, "1"));
  };
  write("first");
  env.SetRoom(0);
  write("full");
  env.SetRoom(0);
  EXPECT_THAT(internal::OpenLevelDbOn(env, "/db", kReserve, env.AskRoom()),
              StatusIs(absl::StatusCode::kUnavailable, "make room"))
      << "it was used, and there was no room for another";
  env.SetRoom(FullDiskEnv::kPlenty);
  write("room");
  env.SetRoom(0);
  write("full again");
  ASSERT_OK_AND_ASSIGN(auto store, internal::OpenLevelDbOn(env, "/db"));
  for (const char* key : {"first", "full", "room", "full again"}) {
    EXPECT_TRUE(Content(*store).contains(key)) << key;
  }
}

// The room that was freed while a program ran is taken for the next start.
TEST(FullDiskTest, TheReserveIsThereAgainOnceThereIsRoom) {
  FullDiskEnv env;
  {
    env.SetRoom(std::uint64_t{1} << 20);  // none for it at the start
    ASSERT_OK_AND_ASSIGN(auto store,
                         internal::OpenLevelDbOn(env, "/db", kReserveBytes, env.AskRoom()));
    env.SetRoom(0);
    EXPECT_THAT(Put(*store, "key", "1"), StatusIs(absl::StatusCode::kUnavailable, "make room"));
    env.SetRoom(FullDiskEnv::kPlenty);
    env.Pass(absl::Minutes(2));
    ASSERT_OK(Put(*store, "key", "2"));
  }
  env.SetRoom(0);
  ASSERT_OK_AND_ASSIGN(auto store,
                       internal::OpenLevelDbOn(env, "/db", kReserveBytes, env.AskRoom()));
  EXPECT_EQ(Content(*store).at("key"), "2");
}

// No write fails, and nobody starts anew: the reserve that a start used up comes back by itself.
TEST(FullDiskTest, TheReserveThatAStartUsedComesBackWithALaterWrite) {
  FullDiskEnv env;
  ASSERT_OK(internal::OpenLevelDbOn(env, "/db", kReserveBytes, env.AskRoom()).status());
  ASSERT_TRUE(env.FileExists(kReserveFile));
  env.SetRoom(0);
  ASSERT_OK_AND_ASSIGN(auto store,
                       internal::OpenLevelDbOn(env, "/db", kReserveBytes, env.AskRoom()));
  EXPECT_FALSE(env.FileExists(kReserveFile)) << "given up";
  env.SetRoom(FullDiskEnv::kPlenty);
  ASSERT_OK(Put(*store, "key", "1"));
  EXPECT_FALSE(env.FileExists(kReserveFile)) << "not looked after with every write";
  env.Pass(absl::Minutes(2));
  ASSERT_OK(Put(*store, "key", "2"));
  std::uint64_t bytes = 0;
  ASSERT_TRUE(env.GetFileSize(kReserveFile, &bytes).ok());
  EXPECT_EQ(bytes, kReserveBytes);
}

// For a moment there would be no room for anybody's write.
TEST(FullDiskTest, ADiskThatIsNearlyFullIsNotFilledForTheReserve) {
  for (const std::uint64_t room : {kReserveBytes / 8, kReserveBytes, 3 * kReserveBytes}) {
    SCOPED_TRACE(room);
    FullDiskEnv env;
    env.SetRoom(room);
    ASSERT_OK_AND_ASSIGN(auto store,
                         internal::OpenLevelDbOn(env, "/db", kReserveBytes, env.AskRoom()));
    for (int i = 0; i < 10; ++i) {
      env.Pass(absl::Hours(1));
      ASSERT_OK(Put(*store, "key", "1"));
    }
    EXPECT_GT(env.LeastRoom(), room - 65'536);
    EXPECT_FALSE(env.FileExists(kReserveFile));
  }
  FullDiskEnv env;
  ASSERT_OK(internal::OpenLevelDbOn(env, "/db", kReserveBytes, [](const std::string&) {
              return std::optional<std::uint64_t>();
            }).status());
  EXPECT_FALSE(env.FileExists(kReserveFile)) << "nobody knows whether there is room";
}

// A quota, say, of which the free bytes of the file system tell nothing.
TEST(FullDiskTest, ADiskThatRefusesTheReserveIsNotFilledAgainAndAgain) {
  FullDiskEnv env;
  constexpr std::uint64_t kRoom = std::uint64_t{2} << 20;
  env.SetRoom(kRoom);
  ASSERT_OK_AND_ASSIGN(auto store,
                       internal::OpenLevelDbOn(env, "/db", kReserveBytes, [](const std::string&) {
                         return std::optional<std::uint64_t>(FullDiskEnv::kPlenty);
                       }));
  EXPECT_EQ(env.LeastRoom(), 0u);
  EXPECT_FALSE(env.FileExists(kReserveFile));
  env.SetRoom(kRoom);
  for (int i = 0; i < 5; ++i) {
    env.Pass(absl::Minutes(10));
    ASSERT_OK(Put(*store, "key", "1"));
  }
  EXPECT_GT(env.LeastRoom(), kRoom - 65'536);
}

// Room helps against a full disk, and against nothing else.
TEST(FullDiskTest, OnlyAFullDiskTakesTheReserve) {
  for (const char* why : {"Permission denied", "Too many open files", "Input/output error"}) {
    SCOPED_TRACE(why);
    FullDiskEnv env;
    // A path that speaks of it says nothing about the error.
    const std::string folder = "/quota/No space left on device";
    const std::string reserve = folder + "/room.reserve";
    ASSERT_OK(internal::OpenLevelDbOn(env, folder, kReserveBytes, env.AskRoom()).status());
    ASSERT_TRUE(env.FileExists(reserve));
    env.Refuse(why);
    std::string log;
    SetLogSink([&log](Severity, std::string_view line) { log += line; });
    const absl::Status opened =
        internal::OpenLevelDbOn(env, folder, kReserveBytes, env.AskRoom()).status();
    SetLogSink({});
    EXPECT_THAT(opened, StatusIs(absl::StatusCode::kUnavailable, why));
    EXPECT_THAT(std::string(opened.message()), testing::Not(testing::HasSubstr("make room")));
    EXPECT_TRUE(env.FileExists(reserve));
    EXPECT_EQ(log, "");
  }
}

// It must not say that it opened before it has.
TEST(FullDiskTest, TheLogTellsOfTheReserveOnceItHelped) {
  for (const bool helps : {true, false}) {
    SCOPED_TRACE(helps);
    FullDiskEnv env;
    ASSERT_OK(internal::OpenLevelDbOn(env, "/db", kReserveBytes, env.AskRoom()).status());
    env.SetRoom(0);
    if (!helps) env.Refuse("No space left on device");
    std::string log;
    SetLogSink([&log](Severity, std::string_view line) { log += line; });
    const absl::Status opened =
        internal::OpenLevelDbOn(env, "/db", kReserveBytes, env.AskRoom()).status();
    SetLogSink({});
    EXPECT_EQ(opened.ok(), helps) << opened;
    EXPECT_EQ(log.find("reserve_used") != std::string::npos, helps) << log;
  }
}

// ZFS and btrfs with compression, as storage providers have them.
TEST(FullDiskTest, ReserveAndProbeTakeRoomWhereItIsCompressed) {
  FullDiskEnv env;
  env.Compress();
  ASSERT_OK_AND_ASSIGN(auto store,
                       internal::OpenLevelDbOn(env, "/db", kReserveBytes, env.AskRoom()));
  EXPECT_LT(env.Room(), FullDiskEnv::kPlenty - kReserveBytes);
  ASSERT_OK(Put(*store, "key", "1"));
  env.SetRoom(300'000);
  SeededRandom random(1);
  std::vector<std::uint8_t> value(400'000);
  random.Fill(value);
  ASSERT_FALSE(Put(*store, "lost", std::string(value.begin(), value.end())).ok());
  env.SetRoom(300'000);  // too little to open the database anew
  EXPECT_THAT(Put(*store, "lost", "2"),
              StatusIs(absl::StatusCode::kUnavailable, "write after a failed write"));
  EXPECT_OK(store->Get("key").status());
}

TEST(FullDiskTest, WriteFromInsideAScanDoesNotWaitForItself) {
  FullDiskEnv env;
  ASSERT_OK_AND_ASSIGN(auto store, internal::OpenLevelDbOn(env, "/db"));
  ASSERT_OK(Put(*store, "a", "1"));
  env.SetRoom(0);
  ASSERT_FALSE(Put(*store, "b", "1").ok());
  env.SetRoom(FullDiskEnv::kPlenty);
  ASSERT_OK(store->Scan("", [&](std::string_view, std::string_view) {
    EXPECT_THAT(Put(*store, "b", "2"),
                StatusIs(absl::StatusCode::kUnavailable, "an earlier write failed"));
    return absl::OkStatus();
  }));
  EXPECT_OK(Put(*store, "b", "2"));
}

// Full at random instants, also while files are rotated and merged; opened again now and then.
TEST(FullDiskTest, AcknowledgedBatchesSurviveDisksThatFillAgainAndAgain) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    SeededRandom random(seed);
    FullDiskEnv env;
    Model acknowledged;
    std::map<std::string, std::vector<std::string>> maybe;  // of failed writes
    ASSERT_OK_AND_ASSIGN(auto store, internal::OpenLevelDbOn(env, "/db"));
    int failures = 0;
    for (int i = 0; i < 400; ++i) {
      if (random.Below(20) == 0) env.SetRoom(random.Below(300'000));
      const std::string key = "k" + std::to_string(random.Below(30));
      const std::string value =
          std::to_string(random.NextU64()) + std::string(random.Below(60'000), 'v');
      if (Put(*store, key, value).ok()) {
        acknowledged[key] = value;
        maybe.erase(key);
      } else {
        ++failures;
        maybe[key].push_back(value);
        if (random.Below(3) == 0) env.SetRoom(FullDiskEnv::kPlenty);
      }
      if (random.Below(60) == 0) {
        env.SetRoom(FullDiskEnv::kPlenty);
        store.reset();
        auto opened = internal::OpenLevelDbOn(env, "/db");
        ASSERT_OK(opened);
        store = *std::move(opened);
      }
    }
    EXPECT_GT(failures, 0);
    env.SetRoom(FullDiskEnv::kPlenty);
    store.reset();
    auto opened = internal::OpenLevelDbOn(env, "/db");
    ASSERT_OK(opened);
    Model found = Content(**opened);
    for (const auto& [key, value] : acknowledged) {
      bool fine = found[key] == value;
      for (const std::string& other : maybe[key]) fine = fine || found[key] == other;
      EXPECT_TRUE(fine) << key;
    }
  }
}

// The database that is opened anew is the one that is asked.
TEST(FullDiskTest, AFenceIsJudgedAnewAfterAFailedWrite) {
  FullDiskEnv env;
  ASSERT_OK_AND_ASSIGN(auto store, internal::OpenLevelDbOn(env, "/db"));
  ASSERT_OK(Put(*store, "lease", "1"));
  Batch large;
  large.Put("row", std::string(5000, 'x'));
  Batch take;
  take.Put("lease", "2");
  take.Put("row", std::string(5000, 'y'));
  env.SetRoom(1000);
  EXPECT_THAT(store->Write(large, {"lease", "1"}),
              StatusIs(absl::StatusCode::kUnavailable, "No space left"));
  EXPECT_THAT(store->Write(take, {"lease", "1"}),
              StatusIs(absl::StatusCode::kUnavailable, "No space left"));

  env.SetRoom(FullDiskEnv::kPlenty);
  EXPECT_THAT(store->Write(large, {"lease", "2"}), StatusIs(absl::StatusCode::kAborted, "lease"));
  ASSERT_OK(store->Write(take, {"lease", "1"}));
  EXPECT_THAT(store->Write(large, {"lease", "1"}), StatusIs(absl::StatusCode::kAborted, "lease"));
  ASSERT_OK(store->Write(large, {"lease", "2"}));
}

// The row that follows, and the number of its format, may come when there is room again.
TEST(FullDiskTest, OpeningTheRowsOfAModuleWritesNothing) {
  FullDiskEnv env;
  ASSERT_OK_AND_ASSIGN(auto store, internal::OpenLevelDbOn(env, "/db"));
  ASSERT_OK(Put(*store, "format/job", "1"));
  env.SetRoom(0);
  ASSERT_OK_AND_ASSIGN(const auto rows, Rows::Open(*store, "job", 2));
  Batch row;
  row.Put("job/1", "x");
  EXPECT_FALSE(rows->Write(row).ok());
  env.SetRoom(FullDiskEnv::kPlenty);
  ASSERT_OK(rows->Write(row));
  EXPECT_EQ(Content(*store), (Model{{"format/job", "2"}, {"job/1", "x"}}));
}

TEST(FullDiskTest, WritersOfSeveralThreadsGoOnAfterwards) {
  FullDiskEnv env;
  ASSERT_OK_AND_ASSIGN(auto store, internal::OpenLevelDbOn(env, "/db"));
  std::vector<std::thread> threads;
  std::mutex mutex;
  Model acknowledged;
  env.SetRoom(200'000);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        const std::string key = std::to_string(t) + "/" + std::to_string(i);
        for (int tries = 1; !Put(*store, key, std::string(2000, 'x')).ok(); ++tries) {
          // Room for good comes once all have been refused a few times.
          if (tries > 5) env.SetRoom(i < 50 ? 2'000'000 : FullDiskEnv::kPlenty);
          std::this_thread::yield();
        }
        const std::lock_guard lock(mutex);
        acknowledged[key] = std::string(2000, 'x');
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  store.reset();
  env.SetRoom(FullDiskEnv::kPlenty);
  auto opened = internal::OpenLevelDbOn(env, "/db");
  ASSERT_OK(opened);
  EXPECT_EQ(Content(**opened), acknowledged);
}

}  // namespace
}  // namespace damocles::store
