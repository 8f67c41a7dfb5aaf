// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// An append-only file of text records (docs/formats/devnet-journal.md).  A record that Append has
// returned for is on the disk; one that a crash cut short is as if it had never been.

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/base/file.h"

namespace damocles::devnet::internal {

class Journal {
 public:
  // A new file with one record, there completely or not at all.  ALREADY_EXISTS.
  static absl::Status Create(const std::string& path, std::string_view first_record);
  // To append to: cuts off a torn end.  FAILED_PRECONDITION if another process has it open so.
  static absl::StatusOr<std::unique_ptr<Journal>> OpenToAppend(const std::string& path,
                                                               std::vector<std::string>& records);
  // Without a lock; ignores a torn end.
  static absl::StatusOr<std::vector<std::string>> Read(const std::string& path);

  // `record` has no line feed.  After an error nothing more can be appended: it is unknown what
  // reached the disk.
  absl::Status Append(std::string_view record);

 private:
  Journal(File file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  File file_;
  std::string path_;
  bool failed_ = false;
};

}  // namespace damocles::devnet::internal
