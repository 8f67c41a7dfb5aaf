// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/prover/stream_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"

namespace damocles::prover {
namespace {

absl::Status Failed(const std::string& path, const char* what) {
  return absl::UnavailableError(
      absl::StrFormat("%s: %s: %s", path, what, std::generic_category().message(errno)));
}

constexpr std::string_view kPart = ".part-";

// The process that makes the file of this name; 0 if it is none of ours.
pid_t MakerOf(const std::string& name) {
  const std::size_t at = name.rfind(kPart);
  pid_t pid = 0;
  if (at == std::string::npos) return pid;
  const char* const end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data() + at + kPart.size(), end, pid);
  return parsed.ec == std::errc() && parsed.ptr == end && pid > 0 ? pid : 0;
}

}  // namespace

StreamFile::StreamFile(std::string path, std::string temporary, File file)
    : path_(std::move(path)), temporary_(std::move(temporary)), file_(std::move(file)) {}

StreamFile::~StreamFile() {
  if (file_.IsOpen()) unlink(temporary_.c_str());
}

absl::StatusOr<StreamFile> StreamFile::Create(const std::string& path) {
  const std::string temporary = absl::StrFormat("%s%s%d", path, kPart, getpid());
  // O_TRUNC: what an earlier process of this number left behind is nobody's.
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return Failed(temporary, "cannot create");
  // Held as long as the file is open, for Sweep on other machines, where our number means nothing.
  // A file system without locks does without.
  (void)flock(fd, LOCK_EX | LOCK_NB);
  return StreamFile(path, temporary, File(fd));
}

absl::Status StreamFile::Append(ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file_.Descriptor(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failed(temporary_, "cannot write");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status StreamFile::Commit() {
  if (fsync(file_.Descriptor()) != 0) return Failed(temporary_, "cannot sync");
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) return Failed(path_, "cannot rename to");
  file_ = File();
  return SyncFolder(std::filesystem::path(path_).parent_path().string());
}

void StreamFile::Sweep(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> abandoned;
  for (auto entry = std::filesystem::directory_iterator(folder, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const pid_t pid = MakerOf(entry->path().filename().string());
    if (pid != 0 && entry->is_regular_file(error) && kill(pid, 0) != 0 && errno == ESRCH) {
      abandoned.push_back(entry->path().string());
    }
  }
  for (const std::string& path : abandoned) {
    const File file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.IsOpen() && flock(file.Descriptor(), LOCK_EX | LOCK_NB) == 0) unlink(path.c_str());
  }
}

}  // namespace damocles::prover
