// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/status.h"

namespace damocles {
namespace {

absl::Status ErrnoStatus(int error, std::string_view what, std::string_view path) {
  const std::string text =
      absl::StrFormat("%s: cannot %s: %s", path, what, std::generic_category().message(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(text);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(text);
    case ENOSPC:
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::UnavailableError(text);
  }
}

std::string ParentOf(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

absl::Status WriteAll(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(errno, "write", path);
    }
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
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
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "open", path);
  return File(fd);
}

absl::StatusOr<std::uint64_t> FileSize(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, "look at", path);
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
      return ErrnoStatus(errno, "read", path);
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
  if (fstat(file.Descriptor(), &info) != 0) return ErrnoStatus(errno, "look at", path);
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
      return ErrnoStatus(errno, "read", path);
    }
    if (got == 0) return content;
    if (content.size() + static_cast<std::size_t>(got) > bytes_max) {
      return absl::ResourceExhaustedError(
          absl::StrFormat("%s: is larger than the limit of %d bytes", path, bytes_max));
    }
    content.append(buffer, static_cast<std::size_t>(got));
  }
}

absl::Status WriteFileAtomically(const std::string& path, std::string_view content, unsigned mode) {
  static std::atomic<unsigned> counter{0};
  const std::string temporary =
      absl::StrFormat("%s.tmp-%d-%d", path, getpid(), counter.fetch_add(1));
  const int fd =
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, static_cast<mode_t>(mode));
  if (fd < 0) return ErrnoStatus(errno, "create", temporary);
  absl::Status status;
  {
    const File file(fd);
    status = WriteAll(fd, content, temporary);
    if (status.ok() && fsync(fd) != 0) status = ErrnoStatus(errno, "sync", temporary);
  }
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
    status = ErrnoStatus(errno, "put the new file in place at", path);
  }
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  return SyncFolder(ParentOf(path));
}

bool PathExists(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0;
}

absl::Status MakeFolders(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return ErrnoStatus(error.value(), "make the folder", path);
  return absl::OkStatus();
}

absl::Status SyncFolder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "open the folder", folder);
  const File file(fd);
  if (fsync(fd) != 0) return ErrnoStatus(errno, "sync the folder", folder);
  return absl::OkStatus();
}

std::string ExpandHome(std::string_view path) {
  if (path != "~" && !path.starts_with("~/")) return std::string(path);
  const char* home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe): nobody calls setenv.
  if (home == nullptr || *home == '\0') return std::string(path);
  return std::string(home) + std::string(path.substr(1));
}

std::string AbsolutePath(std::string_view path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(ExpandHome(path), error);
  if (error) return std::string(path);
  std::string text = absolute.lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

bool OthersMayRead(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && (info.st_mode & (S_IRGRP | S_IROTH)) != 0;
}

}  // namespace damocles
