// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/file.h"
#include "damocles/base/mapped_file.h"
#include "damocles/base/status.h"
#include "damocles/circuit/post_circuit.h"
#include "damocles/post/circuit.h"
#include "damocles/post/parameter_id.h"
#include "damocles/prover/parameter_store.h"

namespace damocles::prover {
namespace {

// Reads counts without believing them: the file's own are only held against its length.
groth16::QueryCounts CountsInFile(ByteSpan content, bool is_vk) {
  groth16::QueryCounts counts;
  if (is_vk) {
    const std::uint64_t head = groth16::VerifyingKeyBytes({});
    if (content.size() >= head) counts.ic = LoadBe32(content.data() + head - 4);
    return counts;
  }
  const auto layout = groth16::ParseParams(content);
  return layout.ok() ? layout->counts : counts;
}

absl::Status CheckVk(ByteSpan content, const std::optional<groth16::QueryCounts>& expected) {
  const groth16::QueryCounts counts = CountsInFile(content, /*is_vk=*/true);
  return groth16::ReadVerifyingKey(content, expected ? expected->ic : counts.ic).status();
}

absl::Status CheckParams(const std::string& path, ByteSpan content,
                         const std::optional<groth16::QueryCounts>& expected, bool all_points,
                         ThreadPool& pool) {
  DAMOCLES_ASSIGN_OR_RETURN(const groth16::ParamsLayout layout, groth16::ParseParams(content));
  const groth16::QueryCounts& counts = layout.counts;
  if (!expected && (counts.b_g1 != counts.b_g2 || (counts.h & (counts.h + 1)) != 0)) {
    return absl::InvalidArgumentError("the numbers of points do not fit together");
  }
  DAMOCLES_ASSIGN_OR_RETURN(const auto file,
                            groth16::ParamsFile::Open(path, expected.value_or(counts)));
  const std::string vk_path = std::filesystem::path(path).replace_extension(".vk").string();
  if (PathExists(vk_path)) {
    DAMOCLES_ASSIGN_OR_RETURN(const std::string vk, ReadFile(vk_path));
    if (!std::ranges::equal(AsBytes(vk), layout.vk)) {
      return absl::InvalidArgumentError("the .vk beside it is of another setup");
    }
  }
  return all_points ? file->CheckAllPoints(pool) : absl::OkStatus();
}

absl::StatusOr<ParameterReport> InspectOne(const std::string& path, bool all_points,
                                           ThreadPool& pool) {
  ParameterReport report;
  report.file = std::filesystem::path(path).filename().string();
  report.is_vk = report.file.ends_with(".vk");
  std::optional<groth16::QueryCounts> expected;
  std::string_view published;
  if (const auto circuit = post::CircuitOfFileName(report.file); circuit.ok()) {
    expected = groth16::ExpectedCounts(circuit::CircuitCounts(post::PostShapeOf(*circuit)));
    report.kind = post::KindName(circuit->kind);
    report.sector_size = merkle::SizeName(circuit->tree.sector_bytes);
    if (const auto known = post::PublishedParametersOf(*circuit)) {
      published = report.is_vk ? known->vk.digest : known->params.digest;
    }
  }
  DAMOCLES_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  const groth16::FileDigests digests = groth16::DigestsOf(file.Content());
  report.bytes = digests.bytes;
  report.sha256 = digests.sha256;
  report.blake2b = digests.blake2b;
  report.counts = CountsInFile(file.Content(), report.is_vk);
  const absl::Status status = report.is_vk
                                  ? CheckVk(file.Content(), expected)
                                  : CheckParams(path, file.Content(), expected, all_points, pool);
  if (!status.ok()) {
    report.verdict = absl::StrFormat("corrupt: %s", std::string(status.message()));
  } else {
    report.verdict = digests.blake2b == published ? "published" : "local";
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
  if (std::filesystem::is_directory(path, error)) {
    for (auto entry = std::filesystem::directory_iterator(path, error);
         !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
      if (IsParameterFile(entry->path())) files.push_back(entry->path().string());
    }
    if (error) {
      return absl::UnavailableError(
          absl::StrFormat("%s: cannot be read: %s", path, error.message()));
    }
  } else if (!PathExists(path)) {
    return absl::NotFoundError(absl::StrFormat("%s: no such file or folder", path));
  } else if (!IsParameterFile(path)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: is neither a folder nor a .params or .vk file", path));
  } else {
    files.push_back(path);
  }
  std::ranges::sort(files);
  std::vector<ParameterReport> reports;
  for (const std::string& file : files) {
    DAMOCLES_ASSIGN_OR_RETURN(ParameterReport report, InspectOne(file, all_points, pool));
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace damocles::prover
