// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <string>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"

namespace damocles {

// A file mapped into memory, read only.  The bytes live as long as the object.
class MappedFile {
 public:
  // NOT_FOUND if absent; never creates a file.
  static absl::StatusOr<MappedFile> Open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  ByteSpan Content() const { return {data_, size_}; }
  const std::string& Path() const { return path_; }

 private:
  MappedFile(std::string path, const std::uint8_t* data, std::size_t size)
      : path_(std::move(path)), data_(data), size_(size) {}
  std::string path_;
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace damocles
