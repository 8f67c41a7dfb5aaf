// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/params/stream_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/status.h"

namespace damocles::params {
namespace {

absl::Status Failed(const std::string& path, const char* what) {
  return absl::UnavailableError(
      absl::StrFormat("%s: %s: %s", path, what, std::generic_category().message(errno)));
}

}  // namespace

StreamFile::StreamFile(std::string path, std::string temporary, File file)
    : path_(std::move(path)), temporary_(std::move(temporary)), file_(std::move(file)) {}

StreamFile::~StreamFile() {
  if (file_.IsOpen()) unlink(temporary_.c_str());
}

absl::StatusOr<StreamFile> StreamFile::Create(const std::string& path) {
  DAMOCLES_ASSIGN_OR_RETURN(DraftFile draft, CreateDraft(path));
  return StreamFile(path, std::move(draft.path), std::move(draft.file));
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

}  // namespace damocles::params
