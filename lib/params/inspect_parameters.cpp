// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/params/parameter_mark.h"

#include "damocles/base/file.h"
#include "damocles/base/status.h"
#include "damocles/circuit/post_circuit.h"
#include "damocles/params/parameter_store.h"
#include "damocles/post/circuit.h"
#include "damocles/post/parameter_id.h"

namespace damocles::params {
namespace {

// The longest .vk by far is that of 10000 sectors: 11 MB.
constexpr std::uint64_t kVkBytesMax = std::uint64_t{64} << 20;

// One file with what is known about it from elsewhere.
struct Subject {
  std::string path;
  bool is_vk = false;
  std::optional<groth16::QueryCounts> expected;
  std::string_view published;  // digest; empty if there is none
  std::optional<ParameterMark> mark;
};

Subject SubjectOf(const std::string& path, ParameterReport& report) {
  Subject subject;
  subject.path = path;
  subject.is_vk = path.ends_with(".vk");
  if (const auto circuit = post::CircuitOfFileName(report.file); circuit.ok()) {
    subject.expected = groth16::ExpectedCounts(circuit::CircuitCounts(post::PostShapeOf(*circuit)));
    report.kind = post::KindName(circuit->kind);
    report.sector_size = merkle::SizeName(circuit->tree.sector_bytes);
    if (const auto known = post::PublishedParametersOf(*circuit)) {
      subject.published = subject.is_vk ? known->vk.digest : known->params.digest;
    }
  }
  subject.mark = ReadMark(std::filesystem::path(path).replace_extension(".meta").string());
  return subject;
}

// What a setup wrote about its files holds for these: tells a point in the wrong place, which is on
// its curve as well as any other.
absl::Status CheckMark(const Subject& subject, const groth16::FileDigests& digests,
                       std::string_view vk_sha256) {
  if (!subject.mark) return absl::OkStatus();
  if (subject.mark->vk_sha256 != vk_sha256) {
    return absl::InvalidArgumentError("the .meta beside it is of another setup");
  }
  if (subject.is_vk || digests.blake2b == subject.mark->params_blake2b) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "it has %d bytes with BLAKE2b %s, its setup wrote %d bytes with %s", digests.bytes,
      digests.blake2b, subject.mark->params_bytes, subject.mark->params_blake2b));
}

absl::Status InspectVk(const Subject& subject, const groth16::FileDigests& digests,
                       ParameterReport& report) {
  DAMOCLES_ASSIGN_OR_RETURN(const std::string content, ReadFile(subject.path, kVkBytesMax));
  // Reads the count without believing it: it is only held against the file's length.
  const std::uint64_t head = groth16::VerifyingKeyBytes({});
  if (content.size() >= head) report.counts.ic = LoadBe32(AsBytes(content).data() + head - 4);
  DAMOCLES_RETURN_IF_ERROR(groth16::ReadVerifyingKey(AsBytes(content), subject.expected
                                                                           ? subject.expected->ic
                                                                           : report.counts.ic)
                               .status());
  if (digests.blake2b == subject.published) return absl::OkStatus();
  return CheckMark(subject, digests, digests.sha256);
}

absl::Status InspectParams(const Subject& subject, const groth16::FileDigests& digests,
                           bool all_points, ThreadPool& pool, ParameterReport& report) {
  DAMOCLES_ASSIGN_OR_RETURN(const File opened, OpenForReading(subject.path));
  DAMOCLES_ASSIGN_OR_RETURN(
      const groth16::ParamsLayout layout,
      groth16::ParseParams(digests.bytes, [&](std::uint64_t offset, std::span<std::uint8_t> out) {
        return ReadAt(opened, offset, out, subject.path);
      }));
  report.counts = layout.counts;
  const groth16::QueryCounts& counts = layout.counts;
  if (!subject.expected && (counts.b_g1 != counts.b_g2 || (counts.h & (counts.h + 1)) != 0)) {
    return absl::InvalidArgumentError("the numbers of points do not fit together");
  }
  DAMOCLES_ASSIGN_OR_RETURN(
      const auto file, groth16::ParamsFile::Open(subject.path, subject.expected.value_or(counts)));
  const std::string vk_path = std::filesystem::path(subject.path).replace_extension(".vk").string();
  if (FileSize(vk_path).ok()) {
    DAMOCLES_ASSIGN_OR_RETURN(const std::string vk, ReadFile(vk_path, kVkBytesMax));
    if (!std::ranges::equal(AsBytes(vk), file->Vk())) {
      return absl::InvalidArgumentError("the .vk beside it is of another setup");
    }
  }
  if (digests.blake2b == subject.published) return absl::OkStatus();
  DAMOCLES_RETURN_IF_ERROR(CheckMark(subject, digests, groth16::DigestsOf(file->Vk()).sha256));
  return all_points ? file->CheckAllPoints(pool) : absl::OkStatus();
}

absl::Status Inspect(const Subject& subject, bool all_points, ThreadPool& pool,
                     ParameterReport& report) {
  DAMOCLES_ASSIGN_OR_RETURN(const groth16::FileDigests digests,
                            groth16::DigestsOfFile(subject.path));
  report.bytes = digests.bytes;
  report.sha256 = digests.sha256;
  report.blake2b = digests.blake2b;
  return subject.is_vk ? InspectVk(subject, digests, report)
                       : InspectParams(subject, digests, all_points, pool, report);
}

ParameterReport InspectOne(const std::string& path, bool all_points, ThreadPool& pool) {
  ParameterReport report;
  report.file = std::filesystem::path(path).filename().string();
  const Subject subject = SubjectOf(path, report);
  report.is_vk = subject.is_vk;
  const absl::Status status = Inspect(subject, all_points, pool, report);
  if (!status.ok()) {
    report.verdict = absl::StrFormat("corrupt: %s", std::string(status.message()));
  } else {
    report.verdict = report.blake2b == subject.published ? "published" : "local";
  }
  return report;
}

bool IsParameterFile(const std::filesystem::path& path) {
  return path.extension() == ".params" || path.extension() == ".vk";
}

}  // namespace

absl::StatusOr<std::vector<ParameterReport>> InspectParameters(const std::string& path,
                                                               bool all_points, ThreadPool& pool) {
  std::error_code error;
  std::vector<std::string> files;
  // A folder that is named like a file is one of the files.
  if (std::filesystem::is_directory(path, error) && !IsParameterFile(path)) {
    for (auto entry = std::filesystem::directory_iterator(path, error);
         !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
      if (IsParameterFile(entry->path())) files.push_back(entry->path().string());
    }
    if (error) {
      return absl::UnavailableError(
          absl::StrFormat("%s: cannot be read: %s", path, error.message()));
    }
  } else if (!std::filesystem::exists(std::filesystem::symlink_status(path, error))) {
    return absl::NotFoundError(absl::StrFormat("%s: no such file or folder", path));
  } else if (!IsParameterFile(path)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: is neither a folder nor a .params or .vk file", path));
  } else {
    files.push_back(path);
  }
  std::ranges::sort(files);
  std::vector<ParameterReport> reports;
  reports.reserve(files.size());
  for (const std::string& file : files) {
    reports.push_back(InspectOne(file, all_points, pool));
  }
  return reports;
}

}  // namespace damocles::params
