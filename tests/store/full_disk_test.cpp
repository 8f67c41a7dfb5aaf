// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// LevelDB over a disk that is full for a while: what does not fit is written in part, then refused.

#include <leveldb/env.h>
#include <leveldb/helpers/memenv.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/store/content.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/random.h"
#include "damocles/store/store.h"

namespace damocles::store {
namespace {

using testing_support::StatusIs;

// Files in memory; `room` bytes may still be written.
class FullDiskEnv final : public leveldb::EnvWrapper {
 public:
  FullDiskEnv() : FullDiskEnv(leveldb::NewMemEnv(leveldb::Env::Default())) {}

  leveldb::Status NewWritableFile(const std::string& name,
                                  leveldb::WritableFile** result) override {
    return Wrap(target()->NewWritableFile(name, result), result);
  }
  leveldb::Status NewAppendableFile(const std::string& name,
                                    leveldb::WritableFile** result) override {
    return Wrap(target()->NewAppendableFile(name, result), result);
  }

  leveldb::Status RemoveFile(const std::string& name) override {
    std::uint64_t bytes = 0;
    (void)target()->GetFileSize(name, &bytes);
    leveldb::Status status = target()->RemoveFile(name);
    const std::lock_guard lock(mutex_);
    if (status.ok()) room_ += bytes;
    return status;
  }

  void SetRoom(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    room_ = bytes;
  }

 private:
  explicit FullDiskEnv(leveldb::Env* memory) : EnvWrapper(memory), memory_(memory) {}

  class Limited final : public leveldb::WritableFile {
   public:
    Limited(FullDiskEnv& env, leveldb::WritableFile* file) : env_(env), file_(file) {}
    leveldb::Status Append(const leveldb::Slice& data) override {
      const std::uint64_t fits = env_.Take(data.size());
      leveldb::Status status = file_->Append(leveldb::Slice(data.data(), fits));
      return fits < data.size() ? leveldb::Status::IOError("No space left on device") : status;
    }
    leveldb::Status Close() override { return file_->Close(); }
    leveldb::Status Flush() override { return file_->Flush(); }
    leveldb::Status Sync() override { return file_->Sync(); }

   private:
    FullDiskEnv& env_;
    const std::unique_ptr<leveldb::WritableFile> file_;
  };

  std::uint64_t Take(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    const std::uint64_t taken = std::min(bytes, room_);
    room_ -= taken;
    return taken;
  }
  leveldb::Status Wrap(leveldb::Status status, leveldb::WritableFile** result) {
    if (status.ok()) *result = new Limited(*this, *result);
    return status;
  }

  const std::unique_ptr<leveldb::Env> memory_;
  std::mutex mutex_;
  std::uint64_t room_ = kPlenty;

 public:
  static constexpr std::uint64_t kPlenty = std::uint64_t{1} << 40;
};

TEST(FullDiskTest, DatabaseSurvivesAndServesAgainOnceThereIsRoom) {
  FullDiskEnv env;
  {
    ASSERT_OK_AND_ASSIGN(auto store, OpenLevelDb("/db", &env));
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
  ASSERT_OK_AND_ASSIGN(auto store, OpenLevelDb("/db", &env));
  const Model rows = Content(*store);
  EXPECT_EQ(rows.at("before"), "1");
  EXPECT_EQ(rows.at("after"), "3");
}

TEST(FullDiskTest, AProgramThatStartsOnAFullDiskOpensInTheReserve) {
  constexpr std::uint64_t kReserve = std::uint64_t{4} << 20;
  FullDiskEnv env;
  const auto write = [&](const std::string& key) {
    ASSERT_OK_AND_ASSIGN(auto store, OpenLevelDb("/db", &env, kReserve));
    ASSERT_OK(Put(*store, key, "1"));
  };
  write("first");
  env.SetRoom(0);
  write("full");
  env.SetRoom(0);
  EXPECT_THAT(OpenLevelDb("/db", &env, kReserve),
              StatusIs(absl::StatusCode::kUnavailable, "make room"))
      << "it was used, and there was no room for another";
  env.SetRoom(FullDiskEnv::kPlenty);
  write("room");
  env.SetRoom(0);
  write("full again");
  ASSERT_OK_AND_ASSIGN(auto store, OpenLevelDb("/db", &env));
  for (const char* key : {"first", "full", "room", "full again"}) {
    EXPECT_TRUE(Content(*store).contains(key)) << key;
  }
}

// The room that was freed while a program ran is taken for the next start.
TEST(FullDiskTest, TheReserveIsThereAgainOnceThereIsRoom) {
  FullDiskEnv env;
  {
    env.SetRoom(std::uint64_t{1} << 20);  // none for it at the start
    ASSERT_OK_AND_ASSIGN(auto store, OpenLevelDb("/db", &env, kReserveBytes));
    env.SetRoom(0);
    EXPECT_THAT(Put(*store, "key", "1"), StatusIs(absl::StatusCode::kUnavailable, "make room"));
    env.SetRoom(FullDiskEnv::kPlenty);
    ASSERT_OK(Put(*store, "key", "2"));
  }
  env.SetRoom(0);
  ASSERT_OK_AND_ASSIGN(auto store, OpenLevelDb("/db", &env, kReserveBytes));
  EXPECT_EQ(Content(*store).at("key"), "2");
}

TEST(FullDiskTest, WriteFromInsideAScanDoesNotWaitForItself) {
  FullDiskEnv env;
  ASSERT_OK_AND_ASSIGN(auto store, OpenLevelDb("/db", &env));
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
    ASSERT_OK_AND_ASSIGN(auto store, OpenLevelDb("/db", &env));
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
        auto opened = OpenLevelDb("/db", &env);
        ASSERT_OK(opened);
        store = *std::move(opened);
      }
    }
    EXPECT_GT(failures, 0);
    env.SetRoom(FullDiskEnv::kPlenty);
    store.reset();
    auto opened = OpenLevelDb("/db", &env);
    ASSERT_OK(opened);
    Model found = Content(**opened);
    for (const auto& [key, value] : acknowledged) {
      bool fine = found[key] == value;
      for (const std::string& other : maybe[key]) fine = fine || found[key] == other;
      EXPECT_TRUE(fine) << key;
    }
  }
}

TEST(FullDiskTest, WritersOfSeveralThreadsGoOnAfterwards) {
  FullDiskEnv env;
  ASSERT_OK_AND_ASSIGN(auto store, OpenLevelDb("/db", &env));
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
  auto opened = OpenLevelDb("/db", &env);
  ASSERT_OK(opened);
  EXPECT_EQ(Content(**opened), acknowledged);
}

}  // namespace
}  // namespace damocles::store
