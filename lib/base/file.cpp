// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"

#include "damocles/base/io_error.h"
#include "damocles/base/mutex.h"
#include "damocles/base/random.h"
#include "damocles/base/status.h"

namespace damocles {
namespace {

bool BeginsWithHome(std::string_view path) {
  return path == "~" || path.starts_with("~/");
}

// "" if neither the environment nor the password database has one.
std::string HomeFolder() {
  const char* home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe): nobody calls setenv.
  if (home != nullptr && *home != '\0') return home;
  std::vector<char> buffer(16 << 10);
  struct passwd entry {};
  struct passwd* found = nullptr;
  if (getpwuid_r(getuid(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr ||
      found->pw_dir == nullptr) {
    return "";
  }
  return found->pw_dir;
}

std::string ParentOf(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

// Behind the name of the file that a draft is to become; 16 hexadecimal digits follow.
constexpr std::string_view kDraft = ".tmp-";
// Behind them stood in version 0.1.0 the number of the process, and perhaps a count.
constexpr std::string_view kOldDrafts[] = {".tmp-", ".part-"};
constexpr int kDraftTriesMax = 8;

bool AreAll(std::string_view text, bool (*is)(unsigned char)) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [is](char c) { return is(static_cast<unsigned char>(c)); });
}

// What stands behind the last `mark` in `name`; empty if that is not there or in front.
std::string_view Behind(std::string_view name, std::string_view mark) {
  const std::size_t at = name.rfind(mark);
  if (at == std::string_view::npos || at == 0) return "";
  return name.substr(at + mark.size());
}

// Whether a file of this name is a draft that may be abandoned; the lock tells whether it is.
bool MayBeAbandoned(std::string_view name) {
  const std::string_view digits = Behind(name, kDraft);
  if (digits.size() == 16 && AreAll(digits, absl::ascii_isxdigit)) return true;
  for (const std::string_view mark : kOldDrafts) {
    const std::string_view rest = Behind(name, mark);
    const std::size_t dash = std::min(rest.find('-'), rest.size());
    if (dash < rest.size() && !AreAll(rest.substr(dash + 1), absl::ascii_isdigit)) continue;
    pid_t maker = 0;
    const auto parsed = std::from_chars(rest.data(), rest.data() + dash, maker);
    if (parsed.ec != std::errc() || parsed.ptr != rest.data() + dash || maker <= 0) continue;
    // That version did not lock all of them.  We make none of such a name.
    return maker == getpid() || (kill(maker, 0) != 0 && errno == ESRCH);
  }
  return false;
}

// Whether this process has made no draft in the folder yet.  Only processes before this one leave
// any: looking once is enough, and a folder may hold a hundred thousand files.
bool IsFirstDraftIn(const std::string& folder) {
  constexpr std::size_t kFoldersMax = 4096;
  static Mutex mutex;
  static auto* const seen = new std::set<std::string>;
  const MutexLock lock(mutex);
  if (seen->size() >= kFoldersMax) seen->clear();
  return seen->insert(folder).second;
}

}  // namespace

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

File::~File() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<File> OpenForReading(const std::string& path) {
  DAMOCLES_RETURN_IF_ERROR(CheckHome(path));
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return IoError(errno, "open", path);
  return File(fd);
}

absl::StatusOr<std::uint64_t> FileSize(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return IoError(errno, "look at", path);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: is not a regular file", path));
  }
  return static_cast<std::uint64_t>(info.st_size);
}

absl::Status ReadAt(const File& file, std::uint64_t offset, std::span<std::uint8_t> out,
                    std::string_view path) {
  while (!out.empty()) {
    const ssize_t got =
        pread(file.Descriptor(), out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR) continue;
      return IoError(errno, "read", path);
    }
    if (got == 0) {
      return absl::OutOfRangeError(absl::StrFormat("%s: ends at byte %d, %d more bytes were wanted",
                                                   path, offset, out.size()));
    }
    offset += static_cast<std::uint64_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadFile(const std::string& path, std::uint64_t bytes_max) {
  DAMOCLES_ASSIGN_OR_RETURN(const File file, OpenForReading(path));
  struct stat info;
  if (fstat(file.Descriptor(), &info) != 0) return IoError(errno, "look at", path);
  if (S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: is a folder, want a file", path));
  }
  std::string content;
  // Not from st_size: a pipe or a /proc file has none.
  char buffer[65536];
  while (true) {
    const ssize_t got = read(file.Descriptor(), buffer, sizeof(buffer));
    if (got < 0) {
      if (errno == EINTR) continue;
      return IoError(errno, "read", path);
    }
    if (got == 0) return content;
    if (content.size() + static_cast<std::size_t>(got) > bytes_max) {
      return absl::ResourceExhaustedError(
          absl::StrFormat("%s: is larger than the limit of %d bytes", path, bytes_max));
    }
    content.append(buffer, static_cast<std::size_t>(got));
  }
}

absl::StatusOr<DraftFile> CreateDraft(const std::string& path, unsigned mode) {
  DAMOCLES_RETURN_IF_ERROR(CheckHome(path));
  if (const std::string folder = ParentOf(path); IsFirstDraftIn(folder)) {
    RemoveAbandonedDrafts(folder);
  }
  absl::Status failed;
  for (int tries = 0; tries < kDraftTriesMax; ++tries) {
    std::string name = absl::StrFormat("%s%s%016x", path, kDraft, SystemRandom().NextU64());
    File file(open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, static_cast<mode_t>(mode)));
    if (!file.IsOpen()) {
      const int error = errno;
      failed = IoError(error, "create", name);
      if (error != EEXIST) return failed;
      continue;
    }
    // Held as long as the file is open, so that no sweep takes it for abandoned.  A file system
    // without locks does without: there nothing is swept.
    (void)flock(file.Descriptor(), LOCK_EX);
    struct stat info;
    if (fstat(file.Descriptor(), &info) != 0 || info.st_nlink > 0) {
      return DraftFile{.path = std::move(name), .file = std::move(file)};
    }
    failed = absl::UnavailableError(
        absl::StrFormat("%s: another process removed it before it was written", name));
  }
  return failed;
}

void RemoveAbandonedDrafts(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> drafts;
  for (auto entry = std::filesystem::directory_iterator(folder, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (MayBeAbandoned(entry->path().filename().string())) drafts.push_back(entry->path().string());
  }
  for (const std::string& path : drafts) {
    // Neither a link nor a pipe is one of ours, nor may it be waited for.
    const File file(open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat info;
    if (!file.IsOpen() || fstat(file.Descriptor(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    if (flock(file.Descriptor(), LOCK_EX | LOCK_NB) == 0) unlink(path.c_str());
  }
}

absl::Status WriteFileAtomically(const std::string& path, std::string_view content, unsigned mode) {
  DAMOCLES_ASSIGN_OR_RETURN(const DraftFile draft, CreateDraft(path, mode));
  absl::Status status = WriteAll(draft.file.Descriptor(), content, draft.path);
  if (status.ok() && fsync(draft.file.Descriptor()) != 0) {
    status = IoError(errno, "sync", draft.path);
  }
  if (status.ok() && rename(draft.path.c_str(), path.c_str()) != 0) {
    status = IoError(errno, "put the new file in place at", path);
  }
  if (!status.ok()) {
    unlink(draft.path.c_str());
    return status;
  }
  return SyncFolder(ParentOf(path));
}

absl::Status WriteAll(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return IoError(errno, "write", path);
    }
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

bool PathExists(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0;
}

absl::Status MakeFolders(const std::string& path) {
  DAMOCLES_RETURN_IF_ERROR(CheckHome(path));
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return IoError(error.value(), "make the folder", path);
  return absl::OkStatus();
}

absl::Status SyncFolder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return IoError(errno, "open the folder", folder);
  const File file(fd);
  if (fsync(fd) != 0) return IoError(errno, "sync the folder", folder);
  return absl::OkStatus();
}

std::string ExpandHome(std::string_view path) {
  if (!BeginsWithHome(path)) return std::string(path);
  const std::string home = HomeFolder();
  return home.empty() ? std::string(path) : home + std::string(path.substr(1));
}

std::string AbsolutePath(std::string_view path) {
  std::string expanded = ExpandHome(path);
  // Not a folder of that name below the working folder.
  if (BeginsWithHome(expanded)) return expanded;
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(expanded, error);
  if (error) return std::string(path);
  std::string text = absolute.lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

absl::Status CheckHome(std::string_view path) {
  if (!BeginsWithHome(ExpandHome(path))) return absl::OkStatus();
  return absl::NotFoundError(absl::StrFormat(
      "%s: nobody knows the home folder: HOME is not set, and user %d is not in the password "
      "database; write the path in full",
      path, getuid()));
}

bool OthersMayRead(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && (info.st_mode & (S_IRGRP | S_IROTH)) != 0;
}

}  // namespace damocles
