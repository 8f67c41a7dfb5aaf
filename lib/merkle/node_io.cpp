// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/merkle/node_io.h"

#include <errno.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/io_error.h"
#include "damocles/base/status.h"

namespace damocles::merkle {
absl::Status AsFault(absl::Status status) {
  if (absl::IsInvalidArgument(status) || absl::IsOutOfRange(status)) {
    return absl::DataLossError(std::string(status.message()));
  }
  return status;
}

absl::StatusOr<File> OpenRegular(const std::string& path, std::uint64_t bytes,
                                 std::uint64_t* actual_bytes) {
  // Looked at before it is opened: opening a pipe would wait for a writer.
  const absl::StatusOr<std::uint64_t> size = FileSize(path);
  if (!size.ok()) return AsFault(size.status());
  if (bytes != 0 && *size != bytes) {
    return absl::DataLossError(absl::StrFormat("%s: is %d bytes, want %d", path, *size, bytes));
  }
  if (actual_bytes != nullptr) *actual_bytes = *size;
  return OpenForReading(path);
}

absl::Status ReadNodesAt(const File& file, const std::string& path, std::uint64_t offset,
                         std::uint64_t first_name, std::span<Fr> out) {
  Bytes bytes(out.size() * 32);
  DAMOCLES_RETURN_IF_ERROR(AsFault(ReadAt(file, offset, bytes, path)));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const absl::StatusOr<Fr> node = bls12_381::FrFromBytesLe(ByteSpan(bytes).subspan(32 * i, 32));
    if (!node.ok()) {
      return absl::DataLossError(absl::StrFormat(
          "%s: node %d, at byte %d, is corrupt: it is not below the field's modulus", path,
          first_name + i, offset + 32 * i));
    }
    out[i] = *node;
  }
  return absl::OkStatus();
}

Bytes EncodeNodes(std::span<const Fr> nodes) {
  Bytes bytes;
  bytes.reserve(nodes.size() * 32);
  for (const Fr& node : nodes) Append(bytes, bls12_381::ToBytesLe(node));
  return bytes;
}

absl::StatusOr<NewFile> NewFile::Create(const std::string& path) {
  DAMOCLES_ASSIGN_OR_RETURN(DraftFile draft, CreateDraft(path));
  return NewFile(path, std::move(draft.path), std::move(draft.file));
}

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, std::string())),
      file_(std::move(other.file_)) {}

NewFile::~NewFile() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

absl::Status NewFile::WriteAt(std::uint64_t offset, ByteSpan bytes) const {
  while (!bytes.empty()) {
    const ssize_t written =
        pwrite(file_.Descriptor(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      return IoError(errno, "write", temporary_);
    }
    offset += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status NewFile::Commit(bool sync) {
  if (sync && fsync(file_.Descriptor()) != 0) return IoError(errno, "sync", temporary_);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return IoError(errno, "put the new file in place at", path_);
  }
  temporary_.clear();
  return absl::OkStatus();
}

}  // namespace damocles::merkle
