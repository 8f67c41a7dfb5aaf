// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// LevelDB over a file system that forgets, as a power failure makes it, whatever was not synced.

#include <leveldb/env.h>
#include <leveldb/helpers/memenv.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lib/store/leveldb_store.h"
#include "tests/store/content.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/mutex.h"
#include "damocles/base/random.h"
#include "damocles/store/store.h"

namespace damocles::store {
namespace {

// Files in memory; remembers for each what has reached the disk.  CutPower leaves of each file what
// was synced and a random part of the rest (a torn tail).  Renames are durable at once, as LevelDB
// assumes of the journal of a file system once the renamed file is synced.  LevelDB calls from its
// own thread too.
class ForgetfulEnv final : public leveldb::EnvWrapper {
 public:
  ForgetfulEnv() : ForgetfulEnv(leveldb::NewMemEnv(leveldb::Env::Default())) {}

  leveldb::Status NewWritableFile(const std::string& name,
                                  leveldb::WritableFile** result) override {
    return Wrap(name, 0, target()->NewWritableFile(name, result), result);
  }
  leveldb::Status NewAppendableFile(const std::string& name,
                                    leveldb::WritableFile** result) override {
    uint64_t size = 0;
    if (!target()->GetFileSize(name, &size).ok()) size = 0;
    return Wrap(name, size, target()->NewAppendableFile(name, result), result);
  }
  leveldb::Status RenameFile(const std::string& from, const std::string& to) override {
    MutexLock lock(mutex_);
    leveldb::Status status = target()->RenameFile(from, to);
    if (status.ok()) {
      synced_[to] = synced_[from];
      synced_.erase(from);
    }
    return status;
  }
  leveldb::Status RemoveFile(const std::string& name) override {
    MutexLock lock(mutex_);
    synced_.erase(name);
    return target()->RemoveFile(name);
  }

  // The power goes at the `sync`-th sync from now on: that one and all later writes fail.
  void PlanCut(int sync) {
    MutexLock lock(mutex_);
    syncs_ = 0;
    fail_sync_at_ = sync;
  }
  // What was not synced is lost, and the power is back.
  void CutPower(Random& random) {
    MutexLock lock(mutex_);
    fail_sync_at_ = -1;
    for (auto& [name, synced] : synced_) {
      std::string content;
      if (!leveldb::ReadFileToString(target(), name, &content).ok()) continue;
      const std::size_t lost = content.size() - std::min<std::size_t>(content.size(), synced);
      content.resize(content.size() - (lost == 0 ? 0 : random.Below(lost + 1)));
      ASSERT_TRUE(leveldb::WriteStringToFile(target(), content, name).ok());
      synced = content.size();
    }
  }

 private:
  explicit ForgetfulEnv(leveldb::Env* memory) : EnvWrapper(memory), memory_(memory) {}

  class Tracked final : public leveldb::WritableFile {
   public:
    Tracked(ForgetfulEnv& env, std::string name, std::uint64_t size, leveldb::WritableFile* file)
        : env_(env), name_(std::move(name)), size_(size), file_(file) {}
    leveldb::Status Append(const leveldb::Slice& data) override {
      if (env_.Dead()) return Gone();
      size_ += data.size();
      return file_->Append(data);
    }
    leveldb::Status Close() override { return env_.Dead() ? Gone() : file_->Close(); }
    leveldb::Status Flush() override { return env_.Dead() ? Gone() : file_->Flush(); }
    leveldb::Status Sync() override {
      if (!env_.CountSync(name_, size_)) return Gone();
      return file_->Sync();
    }

   private:
    static leveldb::Status Gone() { return leveldb::Status::IOError("power is gone"); }
    ForgetfulEnv& env_;
    const std::string name_;
    std::uint64_t size_;
    const std::unique_ptr<leveldb::WritableFile> file_;
  };

  leveldb::Status Wrap(const std::string& name, std::uint64_t size, leveldb::Status status,
                       leveldb::WritableFile** result) {
    if (!status.ok()) return status;
    if (Dead()) {
      delete *result;
      *result = nullptr;
      return leveldb::Status::IOError("power is gone");
    }
    {
      MutexLock lock(mutex_);
      if (size == 0) synced_[name] = 0;
    }
    *result = new Tracked(*this, name, size, *result);
    return status;
  }

  bool Dead() const {
    MutexLock lock(mutex_);
    return IsDead();
  }
  bool IsDead() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return fail_sync_at_ >= 0 && syncs_ > fail_sync_at_;
  }
  // Whether there was power for it.
  bool CountSync(const std::string& name, std::uint64_t size) {
    MutexLock lock(mutex_);
    ++syncs_;
    if (IsDead()) return false;
    synced_[name] = size;
    return true;
  }

  const std::unique_ptr<leveldb::Env> memory_;
  mutable Mutex mutex_;
  std::map<std::string, std::uint64_t> synced_ ABSL_GUARDED_BY(mutex_);
  int syncs_ ABSL_GUARDED_BY(mutex_) = 0;
  int fail_sync_at_ ABSL_GUARDED_BY(mutex_) = -1;
};

// Writes random batches until the power goes at the `cut`-th sync; afterwards the store holds
// exactly the acknowledged batches, with or without the one that was under way.
void WriteCutAndReopen(std::uint64_t seed, int cut) {
  SCOPED_TRACE(testing::Message() << "seed " << seed << " cut " << cut);
  SeededRandom random(seed);
  ForgetfulEnv env;
  Model acknowledged;
  Model under_way;
  for (int life = 0; life < 3; ++life) {
    env.PlanCut(cut);
    {
      auto store = internal::OpenLevelDbOn(env, "/db");
      if (store.ok()) {
        ASSERT_EQ(Content(**store), acknowledged);
        for (int i = 0; i < 200; ++i) {
          under_way = acknowledged;
          Batch batch;
          for (std::uint64_t n = 1 + random.Below(4); n > 0; --n) {
            const std::string key = "k" + std::to_string(random.Below(20));
            if (random.Below(4) == 0) {
              batch.Delete(key);
              under_way.erase(key);
            } else {
              const std::string value =
                  std::to_string(random.NextU64()) + std::string(random.Below(40000), 'v');
              batch.Put(key, value);
              under_way[key] = value;
            }
          }
          if (!(*store)->Write(batch).ok()) break;
          acknowledged = under_way;
        }
      }
    }
    env.CutPower(random);
    ASSERT_OK_AND_ASSIGN(auto store, internal::OpenLevelDbOn(env, "/db"));
    const Model found = Content(*store);
    ASSERT_TRUE(found == acknowledged || found == under_way)
        << "rows found " << found.size() << ", acknowledged " << acknowledged.size();
    acknowledged = found;
    under_way = found;
    cut += 7;
  }
}

TEST(PowerFailureTest, AcknowledgedBatchesSurviveACutAtAnySync) {
  for (int cut = 0; cut < 40; ++cut) {
    WriteCutAndReopen(static_cast<std::uint64_t>(cut) + 1, cut);
    if (HasFatalFailure()) return;
  }
}

// LevelDB rotates its files every 4 MiB: cuts around that as well.
TEST(PowerFailureTest, AcknowledgedBatchesSurviveWhenFilesAreRotated) {
  for (int cut = 90; cut < 130; cut += 4) {
    WriteCutAndReopen(static_cast<std::uint64_t>(cut) * 1000, cut);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace damocles::store
