// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Nodes between files and field elements.

#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/base/file.h"
#include "damocles/bls12_381/fr.h"

namespace damocles::merkle {

using bls12_381::Fr;

// Reads out.size() nodes from byte `offset`.  DATA_LOSS: the file ends before, or node i of them is
// not canonical; `first_name` is the number that node 0 of them has in the message.
absl::Status ReadNodesAt(const File& file, const std::string& path, std::uint64_t offset,
                         std::uint64_t first_name, std::span<Fr> out);

Bytes EncodeNodes(std::span<const Fr> nodes);

// A file that appears under its name, whole and (unless told otherwise) synced, when Commit
// succeeds, and else not at all.
class NewFile {
 public:
  static absl::StatusOr<NewFile> Create(const std::string& path);
  NewFile(NewFile&&) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  // From any thread, where ranges do not overlap.
  absl::Status WriteAt(std::uint64_t offset, ByteSpan bytes) const;
  // The caller syncs the folder, once for all its new files.
  absl::Status Commit(bool sync = true);

 private:
  NewFile(std::string path, std::string temporary, File file)
      : path_(std::move(path)), temporary_(std::move(temporary)), file_(std::move(file)) {}
  std::string path_;
  std::string temporary_;  // empty after Commit
  File file_;
};

// What a file cannot be told from the code: a missing one is NOT_FOUND, any other trouble with what
// is there (a folder in its place, a wrong length, an end too early) DATA_LOSS; lack of
// descriptors, of rights and errors of the device stay what they are.
absl::Status AsFault(absl::Status status);

// Opens a regular file of `bytes` bytes; any length if 0.
absl::StatusOr<File> OpenRegular(const std::string& path, std::uint64_t bytes,
                                 std::uint64_t* actual_bytes = nullptr);

}  // namespace damocles::merkle
