// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/storage/genesis_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/base/json_depth.h"
#include "damocles/base/status.h"

namespace damocles::storage {
namespace {

using Json = nlohmann::ordered_json;
using SectorKey = std::pair<std::uint64_t, std::uint64_t>;

constexpr std::uint64_t kVersion = 1;
constexpr std::uint64_t kFirstProofType = 10;  // StackedDrgWindow2KiBV1_1
constexpr std::uint64_t kLastProofType = 14;   // StackedDrgWindow64GiBV1_1
constexpr std::uint64_t kFileBytesMax = std::uint64_t{64} << 20;

absl::Status Wrong(std::string_view text) {
  return absl::InvalidArgumentError(absl::StrFormat("genesis: %s", text));
}

std::string Name(const GenesisSector& sector) {
  return absl::StrFormat("sector f0%d/%d", sector.miner, sector.number);
}

absl::Status TakeNumber(const Json& from, const char* member, std::uint64_t& to) {
  const auto found = from.find(member);
  if (found == from.end()) return Wrong(absl::StrFormat("a sector has no '%s'", member));
  if (!found->is_number_unsigned()) {
    return Wrong(absl::StrFormat("'%s' is %s, want a whole number", member, found->dump()));
  }
  to = found->get<std::uint64_t>();
  return absl::OkStatus();
}

absl::StatusOr<GenesisSector> SectorFromJson(const Json& json) {
  static const std::set<std::string> kMembers = {"miner",      "number",   "comm_r",
                                                 "proof_type", "deadline", "partition"};
  if (!json.is_object()) return Wrong("an entry of 'sectors' is not an object");
  for (const auto& [member, value] : json.items()) {
    if (!kMembers.contains(member)) {
      return Wrong(absl::StrFormat("a sector has the unknown member '%s'", member));
    }
  }
  GenesisSector sector;
  DAMOCLES_RETURN_IF_ERROR(TakeNumber(json, "miner", sector.miner));
  DAMOCLES_RETURN_IF_ERROR(TakeNumber(json, "number", sector.number));
  DAMOCLES_RETURN_IF_ERROR(TakeNumber(json, "proof_type", sector.proof_type));
  const auto comm_r = json.find("comm_r");
  if (comm_r == json.end() || !comm_r->is_string()) {
    return Wrong(absl::StrFormat("%s has no 'comm_r'", Name(sector)));
  }
  const absl::StatusOr<Bytes32> bytes = FromHex32(comm_r->get_ref<const std::string&>());
  if (!bytes.ok()) {
    return Wrong(absl::StrFormat("comm_r of %s: %s", Name(sector), bytes.status().message()));
  }
  sector.comm_r = *bytes;
  if (json.contains("deadline")) {
    DAMOCLES_RETURN_IF_ERROR(TakeNumber(json, "deadline", sector.deadline.emplace()));
  }
  if (json.contains("partition")) {
    DAMOCLES_RETURN_IF_ERROR(TakeNumber(json, "partition", sector.partition.emplace()));
  }
  return sector;
}

Json SectorToJson(const GenesisSector& sector) {
  Json json = {{"miner", sector.miner},
               {"number", sector.number},
               {"comm_r", ToHex(sector.comm_r)},
               {"proof_type", sector.proof_type}};
  if (sector.deadline.has_value()) json["deadline"] = *sector.deadline;
  if (sector.partition.has_value()) json["partition"] = *sector.partition;
  return json;
}

// What holds for one sector and for all of them together.
absl::Status CheckSectors(std::span<const GenesisSector> sectors) {
  std::set<SectorKey> seen;
  std::map<std::uint64_t, std::uint64_t> proof_types;
  for (const GenesisSector& sector : sectors) {
    if (sector.proof_type < kFirstProofType || sector.proof_type > kLastProofType) {
      return Wrong(
          absl::StrFormat("proof_type of %s is %d, want the number of a window proof: %d to %d",
                          Name(sector), sector.proof_type, kFirstProofType, kLastProofType));
    }
    if (sector.partition.has_value() && !sector.deadline.has_value()) {
      return Wrong(absl::StrFormat("%s has a partition but no deadline", Name(sector)));
    }
    if (!seen.emplace(sector.miner, sector.number).second) {
      return Wrong(absl::StrFormat("%s is there twice", Name(sector)));
    }
    const auto [place, added] = proof_types.emplace(sector.miner, sector.proof_type);
    if (!added && place->second != sector.proof_type) {
      return Wrong(absl::StrFormat("miner f0%d has sectors of proof types %d and %d: want one",
                                   sector.miner, place->second, sector.proof_type));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<GenesisSector>> ParseGenesis(std::string_view text) {
  if (const absl::Status depth = CheckJsonDepth(text); !depth.ok()) {
    return Wrong(std::string(depth.message()));
  }
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Wrong("is not a JSON object");
  for (const auto& [member, value] : json.items()) {
    if (member != "version" && member != "sectors") {
      return Wrong(absl::StrFormat("has the unknown member '%s'", member));
    }
  }
  if (!json.contains("version") || json["version"] != kVersion) {
    return Wrong(absl::StrFormat("'version' is not %d", kVersion));
  }
  if (!json.contains("sectors") || !json["sectors"].is_array()) {
    return Wrong("has no list 'sectors'");
  }
  std::vector<GenesisSector> sectors;
  for (const Json& entry : json["sectors"]) {
    DAMOCLES_ASSIGN_OR_RETURN(GenesisSector sector, SectorFromJson(entry));
    sectors.push_back(sector);
  }
  DAMOCLES_RETURN_IF_ERROR(CheckSectors(sectors));
  return sectors;
}

std::string FormatGenesis(std::span<const GenesisSector> sectors) {
  // One sector a line: a file of a thousand sectors can be read and compared.
  std::string text = absl::StrFormat("{\n  \"version\": %d,\n  \"sectors\": [", kVersion);
  const char* separator = "\n";
  for (const GenesisSector& sector : sectors) {
    text += separator;
    text += "    " + SectorToJson(sector).dump();
    separator = ",\n";
  }
  text += sectors.empty() ? "]\n}\n" : "\n  ]\n}\n";
  return text;
}

absl::StatusOr<std::vector<GenesisSector>> ReadGenesisFile(const std::string& path) {
  DAMOCLES_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kFileBytesMax));
  absl::StatusOr<std::vector<GenesisSector>> sectors = ParseGenesis(text);
  if (!sectors.ok()) return Annotate(sectors.status(), path);
  return sectors;
}

absl::StatusOr<GenesisEdit> GenesisEdit::Open(const std::string& path) {
  // A file of its own: `path` itself is replaced, and a lock on it would go with the old file.
  const std::string lock_path = path + ".lock";
  const auto failed = [&lock_path](const char* what) {
    const int error = errno;
    const std::string text = absl::StrFormat("%s: cannot %s: %s", lock_path, what,
                                             std::generic_category().message(error));
    return error == EACCES || error == EPERM || error == EROFS ? absl::PermissionDeniedError(text)
                                                               : absl::UnavailableError(text);
  };
  const int fd = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return failed("open");
  File lock(fd);
  while (flock(fd, LOCK_EX) != 0) {
    if (errno != EINTR) return failed("lock");
  }
  // The file is replaced by a new one beside it.
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  if (access(folder.c_str(), W_OK | X_OK) != 0) return failed("write beside");

  absl::StatusOr<std::vector<GenesisSector>> present = ReadGenesisFile(path);
  if (absl::IsNotFound(present.status())) present = std::vector<GenesisSector>();
  DAMOCLES_RETURN_IF_ERROR(present.status());
  return GenesisEdit(path, std::move(lock), *std::move(present));
}

absl::StatusOr<std::vector<GenesisSector>> GenesisEdit::With(
    std::span<const GenesisSector> sectors) const {
  std::vector<GenesisSector> all = sectors_;
  std::map<SectorKey, GenesisSector> by_key;
  for (const GenesisSector& sector : sectors_) {
    by_key.emplace(SectorKey(sector.miner, sector.number), sector);
  }
  for (const GenesisSector& sector : sectors) {
    const auto [place, added] = by_key.emplace(SectorKey(sector.miner, sector.number), sector);
    if (!added && place->second != sector) {
      return absl::AlreadyExistsError(
          absl::StrFormat("%s: %s is there with other content: remove it or take another number",
                          path_, Name(sector)));
    }
    if (added) all.push_back(sector);
  }
  DAMOCLES_RETURN_IF_ERROR(Annotate(CheckSectors(all), path_));
  return all;
}

absl::Status GenesisEdit::CheckAdd(std::span<const GenesisSector> sectors) const {
  return With(sectors).status();
}

absl::Status GenesisEdit::Add(std::span<const GenesisSector> sectors) {
  DAMOCLES_ASSIGN_OR_RETURN(std::vector<GenesisSector> all, With(sectors));
  DAMOCLES_RETURN_IF_ERROR(WriteFileAtomically(path_, FormatGenesis(all)));
  sectors_ = std::move(all);
  return absl::OkStatus();
}

absl::Status AppendToGenesisFile(const std::string& path, std::span<const GenesisSector> sectors) {
  DAMOCLES_ASSIGN_OR_RETURN(GenesisEdit edit, GenesisEdit::Open(path));
  return edit.Add(sectors);
}

}  // namespace damocles::storage
