// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/devnet/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "absl/strings/str_format.h"

#include "damocles/base/bytes.h"
#include "damocles/base/hex.h"
#include "damocles/base/status.h"
#include "damocles/hash/blake2b.h"

namespace damocles::devnet::internal {
namespace {

constexpr std::size_t kSumDigits = 16;
// A block of 64 KiB messages in base64 stays far below.
constexpr std::uint64_t kJournalBytesMax = std::uint64_t{8} << 30;

std::string SumOf(std::string_view record) {
  return ToHex(hash::Blake2bOf(AsBytes(record), kSumDigits / 2));
}

std::string LineOf(std::string_view record) {
  return absl::StrFormat("%s %s\n", SumOf(record), std::string(record));
}

absl::Status DiskError(const std::string& path, const char* what) {
  return absl::UnavailableError(
      absl::StrFormat("%s: %s: %s", path, what, std::generic_category().message(errno)));
}

struct Parsed {
  std::vector<std::string> records;
  std::size_t valid_bytes = 0;
};

absl::StatusOr<Parsed> Parse(const std::string& path, std::string_view text) {
  Parsed parsed;
  while (parsed.valid_bytes < text.size()) {
    const std::string_view rest = text.substr(parsed.valid_bytes);
    const std::size_t end = rest.find('\n');
    const bool last = end == std::string_view::npos || end + 1 == rest.size();
    const std::string_view line = rest.substr(0, end);
    const bool whole = end != std::string_view::npos && line.size() > kSumDigits &&
                       line[kSumDigits] == ' ' &&
                       SumOf(line.substr(kSumDigits + 1)) == line.substr(0, kSumDigits);
    if (!whole) {
      if (last) return parsed;  // torn by a crash
      return absl::DataLossError(
          absl::StrFormat("%s: record %d (byte %d) is damaged; the chain cannot be rebuilt past "
                          "it: make a new one with init",
                          path, parsed.records.size(), parsed.valid_bytes));
    }
    parsed.records.emplace_back(line.substr(kSumDigits + 1));
    parsed.valid_bytes += end + 1;
  }
  return parsed;
}

}  // namespace

absl::Status Journal::Create(const std::string& path, std::string_view first_record) {
  if (PathExists(path)) {
    return absl::AlreadyExistsError(
        absl::StrFormat("%s exists: there is a chain in this home already", path));
  }
  return WriteFileAtomically(path, LineOf(first_record));
}

absl::StatusOr<std::vector<std::string>> Journal::Read(const std::string& path) {
  DAMOCLES_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kJournalBytesMax));
  DAMOCLES_ASSIGN_OR_RETURN(Parsed parsed, Parse(path, text));
  return std::move(parsed.records);
}

absl::StatusOr<std::unique_ptr<Journal>> Journal::OpenToAppend(const std::string& path,
                                                               std::vector<std::string>& records) {
  File file(open(path.c_str(), O_RDWR | O_APPEND | O_CLOEXEC));
  if (!file.IsOpen()) {
    if (errno == ENOENT) {
      return absl::NotFoundError(
          absl::StrFormat("%s: no chain in this home; make one with init", path));
    }
    return DiskError(path, "open");
  }
  if (flock(file.Descriptor(), LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(
        absl::StrFormat("%s: another devnet runs with this home", path));
  }
  DAMOCLES_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kJournalBytesMax));
  DAMOCLES_ASSIGN_OR_RETURN(Parsed parsed, Parse(path, text));
  if (parsed.valid_bytes < text.size() &&
      (ftruncate(file.Descriptor(), static_cast<off_t>(parsed.valid_bytes)) != 0 ||
       fdatasync(file.Descriptor()) != 0)) {
    return DiskError(path, "cut off the torn end");
  }
  records = std::move(parsed.records);
  return std::unique_ptr<Journal>(new Journal(std::move(file), path));
}

absl::Status Journal::Append(std::string_view record) {
  if (failed_) {
    return absl::UnavailableError(
        absl::StrFormat("%s: an earlier write failed; start the devnet again", path_));
  }
  const std::string line = LineOf(record);
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t written = write(file_.Descriptor(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      failed_ = true;
      return DiskError(path_, "write");
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  if (fdatasync(file_.Descriptor()) != 0) {
    failed_ = true;
    return DiskError(path_, "sync");
  }
  return absl::OkStatus();
}

}  // namespace damocles::devnet::internal
