// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/base/file.h"

namespace damocles::params {

// A large file that is written piece by piece and appears under its name only when it is whole.
class StreamFile {
 public:
  static absl::StatusOr<StreamFile> Create(const std::string& path);
  StreamFile(StreamFile&&) noexcept = default;
  StreamFile& operator=(StreamFile&&) = delete;
  // Removes what was written if Commit was not called.
  ~StreamFile();

  absl::Status Append(ByteSpan bytes);
  // Synced and renamed to its place.
  absl::Status Commit();

 private:
  StreamFile(std::string path, std::string temporary, File file);

  std::string path_;
  std::string temporary_;
  File file_;
};

}  // namespace damocles::params
