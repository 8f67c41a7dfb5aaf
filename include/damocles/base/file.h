// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Files and folders, with errors that name the path.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"

namespace damocles {

// An open file descriptor, closed with the object.
class File {
 public:
  File() = default;
  explicit File(int fd) : fd_(fd) {}
  File(File&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File();
  int Descriptor() const { return fd_; }
  bool IsOpen() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Opens an existing file; never creates one.  NOT_FOUND if absent.
absl::StatusOr<File> OpenForReading(const std::string& path);

// Length in bytes of a regular file.
absl::StatusOr<std::uint64_t> FileSize(const std::string& path);

// Reads exactly out.size() bytes at `offset`; OUT_OF_RANGE if the file ends before.
absl::Status ReadAt(const File& file, std::uint64_t offset, std::span<std::uint8_t> out,
                    std::string_view path);

// A whole file of at most `bytes_max` bytes.
absl::StatusOr<std::string> ReadFile(const std::string& path,
                                     std::uint64_t bytes_max = std::uint64_t{1} << 30);

// All of `content`, whatever a single write takes; `path` names the place in errors.
absl::Status WriteAll(int fd, std::string_view content, const std::string& path);

// Replaces `path` in one step: after a power failure there is the old content or the new.
// `mode` holds for the new file.
absl::Status WriteFileAtomically(const std::string& path, std::string_view content,
                                 unsigned mode = 0644);

// A file to be written, and then renamed to `path` by the caller: it lies beside it under a name
// that no other process or earlier one has, and is locked while it is open.
struct DraftFile {
  std::string path;
  File file;
};
// The first draft of a process in a folder removes there what earlier processes that were killed
// have left.
absl::StatusOr<DraftFile> CreateDraft(const std::string& path, unsigned mode = 0644);
// Removes the drafts in `folder` that nobody is writing.
void RemoveAbandonedDrafts(const std::string& folder);

bool PathExists(const std::string& path);
absl::Status MakeFolders(const std::string& path);
// Makes the entries of `folder` durable (creations and renames in it).
absl::Status SyncFolder(const std::string& folder);

// Replaces a leading "~" or "~/" by the home folder: HOME, else what the password database says.
// Where neither knows one the path stays as it is, and nothing here opens or makes it: see
// CheckHome.
std::string ExpandHome(std::string_view path);
// "~" expanded, absolute, without "." and "..", without a trailing slash; links stay.
std::string AbsolutePath(std::string_view path);
// NOT_FOUND for a path that begins with "~" where nobody knows what that is: without this, a folder
// of the name "~" would come about.
absl::Status CheckHome(std::string_view path);
// Whether group or others may read the file; false if it is absent.
bool OthersMayRead(const std::string& path);

}  // namespace damocles
