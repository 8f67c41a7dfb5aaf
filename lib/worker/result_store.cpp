// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/worker/result_store.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/hash/sha256.h"
#include "damocles/store/fields.h"
#include "damocles/store/row.h"

namespace damocles::worker {
namespace {

constexpr store::RowKind kResultKind{"result", 2};
// Format 1 had no frame: this, fields, and the SHA-256 of both.
constexpr std::string_view kMagic1 = "damocles-result-1\n";
constexpr std::size_t kSumBytes1 = 32;
// A deadline has at most a few proofs a job; far below this.
constexpr std::uint64_t kFileBytesMax = 1 << 20;

// `job` is the text of the attempt's.
template <typename Io, typename T, typename Text>
void ResultFields(Io& io, T& result, Text& job) {
  io.Text(result.manager, kFileBytesMax);
  io.Text(job, job::JobId::kLength);
  io.U64(result.attempt.attempt);
  io.Time(result.close_time);
  io.Blob(result.proof, kFileBytesMax);
}

// Takes one field off the front of `in`.
absl::StatusOr<std::string_view> TakeField(std::string_view& in) {
  if (in.size() < 8) return absl::DataLossError("a stored result is cut short");
  const std::uint64_t length = LoadLe64(AsBytes(in).data());
  in.remove_prefix(8);
  if (length > in.size()) return absl::DataLossError("a stored result is cut short");
  const std::string_view value = in.substr(0, length);
  in.remove_prefix(length);
  return value;
}

absl::StatusOr<std::int64_t> TakeNumber(std::string_view& in) {
  if (in.size() < 8) return absl::DataLossError("a stored result is cut short");
  const std::uint64_t value = LoadLe64(AsBytes(in).data());
  in.remove_prefix(8);
  return static_cast<std::int64_t>(value);
}

std::string ManagerKey(std::string_view manager) {
  const Bytes32 digest = hash::Sha256Of(AsBytes(manager));
  return ToHex(ByteSpan(digest).first(8));
}

absl::StatusOr<StoredResult> DecodeFormat1(std::string_view content) {
  if (!content.starts_with(kMagic1) || content.size() < kMagic1.size() + kSumBytes1) {
    return absl::DataLossError("not a stored result");
  }
  const std::string_view covered = content.substr(0, content.size() - kSumBytes1);
  const Bytes32 sum = hash::Sha256Of(AsBytes(covered));
  if (content.substr(covered.size()) != AsText(sum)) {
    return absl::DataLossError("a stored result does not match its checksum");
  }
  std::string_view rest = covered.substr(kMagic1.size());
  StoredResult result;
  DAMOCLES_ASSIGN_OR_RETURN(const std::string_view manager, TakeField(rest));
  DAMOCLES_ASSIGN_OR_RETURN(const std::string_view job, TakeField(rest));
  DAMOCLES_ASSIGN_OR_RETURN(const std::int64_t attempt, TakeNumber(rest));
  DAMOCLES_ASSIGN_OR_RETURN(const std::int64_t close_ms, TakeNumber(rest));
  DAMOCLES_ASSIGN_OR_RETURN(const std::string_view proof, TakeField(rest));
  if (!rest.empty()) return absl::DataLossError("a stored result has bytes after its end");
  result.manager = std::string(manager);
  auto id = job::JobId::Parse(job);
  if (!id.ok()) return absl::DataLossError("a stored result names no job");
  result.attempt = {.job = *std::move(id), .attempt = static_cast<std::uint64_t>(attempt)};
  result.close_time = absl::FromUnixMillis(close_ms);
  const ByteSpan proof_bytes = AsBytes(proof);
  result.proof.assign(proof_bytes.begin(), proof_bytes.end());
  return result;
}

}  // namespace

std::string ResultFileName(std::string_view manager, const AttemptId& attempt) {
  return absl::StrFormat("%s-%s-%d.result", ManagerKey(manager), attempt.job.ToString(),
                         attempt.attempt);
}

std::string EncodeResult(const StoredResult& result) {
  store::FieldWriter out(kResultKind.version);
  ResultFields(out, result, result.attempt.job.ToString());
  return store::FrameRow(kResultKind, ResultFileName(result.manager, result.attempt),
                         AsText(std::move(out).Take()));
}

absl::StatusOr<StoredResult> DecodeResult(std::string_view name, std::string_view content) {
  if (!store::IsFramed(content)) return DecodeFormat1(content);
  DAMOCLES_ASSIGN_OR_RETURN(const std::string_view body,
                            store::OpenRow(kResultKind, name, content));
  StoredResult result;
  store::FieldReader in(kResultKind.version, AsBytes(body));
  std::string job;
  ResultFields(in, result, job);
  DAMOCLES_RETURN_IF_ERROR(in.Finish());
  auto id = job::JobId::Parse(job);
  if (!id.ok()) return absl::DataLossError("a stored result names no job");
  result.attempt.job = *std::move(id);
  return result;
}

absl::StatusOr<ResultStore> ResultStore::Open(std::string folder) {
  DAMOCLES_RETURN_IF_ERROR(MakeFolders(folder));
  return ResultStore(std::move(folder));
}

std::string ResultStore::PathOf(std::string_view manager, const AttemptId& attempt) const {
  return absl::StrFormat("%s/%s", folder_, ResultFileName(manager, attempt));
}

absl::Status ResultStore::Save(const StoredResult& result) {
  return WriteFileAtomically(PathOf(result.manager, result.attempt), EncodeResult(result), 0600);
}

absl::Status ResultStore::Remove(const std::string& manager, const AttemptId& attempt) {
  const std::string path = PathOf(manager, attempt);
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return absl::UnavailableError(
        absl::StrFormat("%s: cannot remove: %s", path, std::generic_category().message(errno)));
  }
  return absl::OkStatus();
}

absl::StatusOr<ResultStore::Listing> ResultStore::List(std::string_view manager) {
  const std::string prefix = ManagerKey(manager) + "-";
  std::error_code error;
  std::filesystem::directory_iterator entries(folder_, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrFormat("%s: cannot list stored results: %s", folder_, error.message()));
  }
  Listing listing;
  for (const auto end = std::filesystem::directory_iterator(); entries != end;) {
    const std::string name = entries->path().filename().string();
    if (name.starts_with(prefix) && name.ends_with(".result")) {
      const std::string path = entries->path().string();
      auto content = ReadFile(path, kFileBytesMax);
      // A file that is too large was not written by us; that nothing could be had for reading says
      // nothing about the file.
      std::error_code unknown;
      const std::uintmax_t size = entries->file_size(unknown);
      const bool was_read = content.ok() || (absl::IsResourceExhausted(content.status()) &&
                                             !unknown && size > kFileBytesMax);
      auto result = content.ok() ? DecodeResult(name, *content) : content.status();
      if (result.ok()) {
        listing.results.push_back(*std::move(result));
      } else if (!was_read || absl::IsFailedPrecondition(result.status())) {
        LogError("worker", "stored_result_not_read",
                 {{"file", path},
                  {"error", result.status()},
                  {"now", "left as it is"},
                  {"then", "tried again with the next heartbeats"}});
        ++listing.unread;
      } else {
        LogError("worker", "stored_result_unreadable",
                 {{"file", path}, {"error", result.status()}, {"now", "set aside as .corrupt"}});
        std::filesystem::rename(path, path + ".corrupt", error);
        error.clear();
      }
    }
    entries.increment(error);
    if (error) {
      return absl::UnavailableError(
          absl::StrFormat("%s: cannot list stored results: %s", folder_, error.message()));
    }
  }
  return listing;
}

}  // namespace damocles::worker
