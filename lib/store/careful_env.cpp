// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/store/careful_env.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "damocles/base/random.h"

namespace damocles::store::internal {

std::optional<std::uint64_t> FreeBytesAt(const std::string& folder) {
  struct statvfs info;
  if (statvfs(folder.c_str(), &info) != 0) return std::nullopt;
  return std::uint64_t{info.f_bavail} * info.f_frsize;
}

namespace {

// Manifest, CURRENT and a new log, with a margin.
constexpr std::uint64_t kSmallFilesBytes = std::uint64_t{1} << 20;
constexpr std::size_t kProbeBlockBytes = std::size_t{64} << 10;
// As often as the reserve there must be room before it is made.
constexpr std::uint64_t kRoomForReserve = 4;

// LevelDB uses a file from one thread at a time.
class CarefulFile final : public leveldb::WritableFile {
 public:
  explicit CarefulFile(leveldb::WritableFile* inner) : inner_(inner) {}

  leveldb::Status Append(const leveldb::Slice& data) override {
    if (failure_.ok()) failure_ = inner_->Append(data);
    return failure_;
  }
  leveldb::Status Flush() override {
    if (failure_.ok()) failure_ = inner_->Flush();
    return failure_;
  }
  leveldb::Status Sync() override {
    if (failure_.ok()) failure_ = inner_->Sync();
    return failure_;
  }
  leveldb::Status Close() override {
    const leveldb::Status closed = inner_->Close();
    return failure_.ok() ? closed : failure_;
  }

 private:
  const std::unique_ptr<leveldb::WritableFile> inner_;
  leveldb::Status failure_;
};

std::string ProbeName(const std::string& folder) {
  return folder + "/room.probe";
}

std::string ReserveName(const std::string& folder) {
  return folder + "/room.reserve";
}

leveldb::Status FillFile(leveldb::WritableFile& file, std::uint64_t bytes) {
  // A file system that compresses, or keeps equal blocks once, has room for anything else.
  SeededRandom random(SystemRandom().NextU64());
  std::vector<std::uint8_t> block(kProbeBlockBytes);
  for (std::uint64_t written = 0; written < bytes; written += block.size()) {
    random.Fill(block);
    const leveldb::Slice slice(reinterpret_cast<const char*>(block.data()), block.size());
    if (leveldb::Status status = file.Append(slice); !status.ok()) return status;
  }
  return file.Sync();
}

// The file `name` with `bytes` in it, on the disk.
leveldb::Status TakeRoom(leveldb::Env& env, const std::string& name, std::uint64_t bytes) {
  leveldb::WritableFile* made = nullptr;
  leveldb::Status status = env.NewWritableFile(name, &made);
  if (!status.ok()) return status;
  const std::unique_ptr<leveldb::WritableFile> file(made);
  status = FillFile(*file, bytes);
  const leveldb::Status closed = file->Close();
  return status.ok() ? closed : status;
}

}  // namespace

leveldb::Status CarefulEnv::NewWritableFile(const std::string& name,
                                            leveldb::WritableFile** result) {
  leveldb::Status status = target()->NewWritableFile(name, result);
  if (status.ok()) *result = new CarefulFile(*result);
  return status;
}

leveldb::Status CarefulEnv::NewAppendableFile(const std::string& name,
                                              leveldb::WritableFile** result) {
  leveldb::Status status = target()->NewAppendableFile(name, result);
  if (status.ok()) *result = new CarefulFile(*result);
  return status;
}

bool IsFull(const leveldb::Status& status) {
  // LevelDB keeps of an error number only the text, behind the path, which may say anything.
  const std::string text = status.ToString();
  return status.IsIOError() && (text.ends_with(std::generic_category().message(ENOSPC)) ||
                                text.ends_with(std::generic_category().message(EDQUOT)));
}

leveldb::Status ProbeRoom(leveldb::Env& env, const std::string& folder) {
  std::vector<std::string> names;
  if (leveldb::Status status = env.GetChildren(folder, &names); !status.ok()) return status;
  std::uint64_t bytes = kSmallFilesBytes;
  for (const std::string& name : names) {
    std::uint64_t size = 0;
    const std::string path = absl::StrCat(folder, "/", name);
    if (name.ends_with(".log") && env.GetFileSize(path, &size).ok()) bytes += size;
  }
  leveldb::Status status = TakeRoom(env, ProbeName(folder), bytes);
  RemoveProbe(env, folder);
  return status;
}

void RemoveProbe(leveldb::Env& env, const std::string& folder) {
  if (env.FileExists(ProbeName(folder))) (void)env.RemoveFile(ProbeName(folder));
}

leveldb::Status MakeReserve(CarefulEnv& env, const std::string& folder, std::uint64_t bytes) {
  const std::string name = ReserveName(folder);
  std::uint64_t size = 0;
  if (env.GetFileSize(name, &size).ok() && size >= bytes) return {};
  if (env.FreeBytesIn(folder) < kRoomForReserve * bytes) return {};
  leveldb::Status status = TakeRoom(env, name, bytes);
  if (!status.ok()) (void)RemoveReserve(env, folder);
  return status;
}

bool RemoveReserve(leveldb::Env& env, const std::string& folder) {
  return env.FileExists(ReserveName(folder)) && env.RemoveFile(ReserveName(folder)).ok();
}

}  // namespace damocles::store::internal
