// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/mapped_file.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/file.h"
#include "damocles/base/status.h"

namespace damocles {

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path) {
  DAMOCLES_ASSIGN_OR_RETURN(const File file, OpenForReading(path));
  DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(path));
  if (size == 0) return MappedFile(path, nullptr, 0);
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.Descriptor(), 0);
  if (data == MAP_FAILED) {
    return absl::ResourceExhaustedError(absl::StrFormat("%s: cannot map %d bytes: %s", path, size,
                                                        std::generic_category().message(errno)));
  }
  return MappedFile(path, static_cast<const std::uint8_t*>(data), size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::uint8_t*>(data_), size_);
}

}  // namespace damocles
