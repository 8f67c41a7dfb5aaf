// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/child/protocol.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"

#include "damocles/base/hex.h"
#include "damocles/base/json_depth.h"
#include "damocles/base/status.h"
#include "damocles/base/text.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/sector.h"

namespace damocles::child {
namespace {

// What is written has its members in the order of the Go and Rust programs.  What is read has not:
// an ordered object looks for each member from the front, and a line of many would take minutes.
using Out = nlohmann::ordered_json;
using Json = nlohmann::json;

constexpr std::size_t kReasonBytesMax = 400;
// Of one answer; a message of a deadline has 25,000 sectors at most.
constexpr std::size_t kFaultsMax = 100'000;
constexpr int kDepthMax = 16;

constexpr std::pair<prover::FaultKind, std::string_view> kKinds[] = {
    {prover::FaultKind::kWrong, "wrong"},
    {prover::FaultKind::kMissing, "missing"},
    {prover::FaultKind::kUnreadable, "unreadable"},
};

std::string Line(const Out& json) {
  // Paths and messages are bytes of others: what is no UTF-8 must not end the process.
  return json.dump(-1, ' ', false, Out::error_handler_t::replace) + "\n";
}

// filecoin-proofs-api calls V1_2 what nodes call V1_1.
std::string WireName(filecoin::PoStProofType type) {
  std::string name = filecoin::ToString(type);
  if (name.ends_with("V1_1")) name.back() = '2';
  return name;
}

absl::StatusOr<filecoin::PoStProofType> TypeOf(std::string name) {
  if (name.ends_with("V1_2")) name.back() = '1';
  return filecoin::ParsePoStProofType(name);
}

absl::StatusOr<Json> Parse(std::string_view line) {
  DAMOCLES_RETURN_IF_ERROR(CheckJsonDepth(line, kDepthMax));
  Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) {
    return absl::InvalidArgumentError("not a JSON object");
  }
  return json;
}

absl::StatusOr<std::uint64_t> IdOf(const Json& json) {
  const auto id = json.find("id");
  if (id == json.end() || !id->is_number_unsigned()) {
    return absl::InvalidArgumentError("\"id\" is missing or no unsigned number");
  }
  return id->get<std::uint64_t>();
}

absl::Status Wrong(std::string_view name, std::string_view want) {
  return absl::InvalidArgumentError(absl::StrFormat("\"%s\" is missing or not %s", name, want));
}

absl::StatusOr<std::uint64_t> Number(const Json& json, const char* name) {
  const auto at = json.find(name);
  if (at == json.end() || !at->is_number_unsigned()) return Wrong(name, "an unsigned number");
  return at->get<std::uint64_t>();
}

absl::StatusOr<std::string> Text(const Json& json, const char* name) {
  const auto at = json.find(name);
  if (at == json.end() || !at->is_string()) return Wrong(name, "a text");
  return at->get<std::string>();
}

absl::StatusOr<Bytes> BytesOfNumbers(const Json& list) {
  Bytes bytes;
  bytes.reserve(list.size());
  for (const Json& byte : list) {
    if (!byte.is_number_unsigned() || byte.get<std::uint64_t>() > 255) {
      return absl::InvalidArgumentError("a list of bytes holds something else");
    }
    bytes.push_back(static_cast<std::uint8_t>(byte.get<std::uint64_t>()));
  }
  return bytes;
}

absl::StatusOr<Bytes32> Commitment(const Json& json, const char* name) {
  const auto at = json.find(name);
  if (at == json.end() || !at->is_array() || at->size() != 32) {
    return Wrong(name, "a list of 32 bytes");
  }
  DAMOCLES_ASSIGN_OR_RETURN(const Bytes bytes, BytesOfNumbers(*at));
  Bytes32 value;
  std::copy(bytes.begin(), bytes.end(), value.begin());
  return value;
}

absl::StatusOr<prover::SectorToProve> ReplicaOf(const Json& json) {
  if (!json.is_object()) return absl::InvalidArgumentError("\"replicas\" holds no objects");
  prover::SectorToProve sector{};
  DAMOCLES_ASSIGN_OR_RETURN(sector.number, Number(json, "sector_id"));
  if (sector.number > filecoin::kSectorNumberMax) return Wrong("sector_id", "below 2^63");
  DAMOCLES_ASSIGN_OR_RETURN(sector.comm_r, Commitment(json, "comm_r"));
  DAMOCLES_ASSIGN_OR_RETURN(sector.cache_dir, Text(json, "cache_dir"));
  DAMOCLES_ASSIGN_OR_RETURN(sector.sealed_path, Text(json, "sealed_file"));
  return sector;
}

absl::StatusOr<prover::WindowPostTask> TaskOf(const Json& json) {
  const auto at = json.find("task");
  if (at == json.end() || !at->is_object()) return Wrong("task", "an object");
  prover::WindowPostTask task{};
  DAMOCLES_ASSIGN_OR_RETURN(task.miner, Number(*at, "miner_id"));
  DAMOCLES_ASSIGN_OR_RETURN(std::string type, Text(*at, "proof_type"));
  DAMOCLES_ASSIGN_OR_RETURN(task.proof_type, TypeOf(std::move(type)));
  DAMOCLES_ASSIGN_OR_RETURN(task.randomness, Commitment(*at, "seed"));
  const auto replicas = at->find("replicas");
  if (replicas == at->end() || !replicas->is_array() || replicas->empty()) {
    return Wrong("replicas", "a list with a sector");
  }
  // The same sector may be named again to fill up a partition: it is proven once, as they do.
  std::map<filecoin::SectorNumber, prover::SectorToProve> sectors;
  for (const Json& replica : *replicas) {
    DAMOCLES_ASSIGN_OR_RETURN(prover::SectorToProve sector, ReplicaOf(replica));
    const auto [known, is_new] = sectors.emplace(sector.number, sector);
    if (!is_new && known->second.comm_r != sector.comm_r) {
      return absl::InvalidArgumentError(
          absl::StrFormat("sector %d is named twice with different comm_r", sector.number));
    }
  }
  for (auto& [number, sector] : sectors) task.sectors.push_back(std::move(sector));
  const auto limit = at->find("read_limit_ms");
  if (limit != at->end() && limit->is_number_unsigned()) {
    constexpr std::uint64_t kDay = std::uint64_t{24} * 3600 * 1000;
    task.read_limit =
        absl::Milliseconds(static_cast<std::int64_t>(std::min(limit->get<std::uint64_t>(), kDay)));
  }
  return task;
}

// As base64, or, as serde writes bytes where nobody told it otherwise, as a list of numbers.
absl::StatusOr<Bytes> ProofOf(const Json& json) {
  if (json.is_array()) return BytesOfNumbers(json);
  if (!json.is_string()) return absl::InvalidArgumentError("a proof is neither text nor list");
  return FromBase64(json.get_ref<const std::string&>());
}

// A list, or nothing: an empty list of Go's may be null.
absl::StatusOr<const Json*> ListOf(const Json& output, const char* name) {
  static const Json none = Json::array();
  const auto at = output.find(name);
  if (at == output.end() || at->is_null()) return &none;
  if (!at->is_array()) return Wrong(name, "a list");
  return &*at;
}

std::string Plain(std::string_view text) {
  return Printable(text, kReasonBytesMax);
}

absl::StatusOr<std::vector<prover::UnprovableSector>> FaultsOf(const Json& output) {
  DAMOCLES_ASSIGN_OR_RETURN(const Json* const list, ListOf(output, "faults"));
  if (list->size() > kFaultsMax) return Wrong("faults", "a list of less than 100,000");
  std::map<filecoin::SectorNumber, prover::UnprovableSector> faults;
  for (const Json& number : *list) {
    if (!number.is_number_unsigned()) return Wrong("faults", "a list of sector numbers");
    const auto sector = number.get<std::uint64_t>();
    faults[sector] = {.number = sector,
                      // A plain child says so of whatever it could not read, for whatever reason.
                      .reason = "the child that proves calls it faulty",
                      .kind = prover::FaultKind::kUnreadable};
  }
  DAMOCLES_ASSIGN_OR_RETURN(const Json* const reasons, ListOf(output, "reasons"));
  for (const Json& reason : *reasons) {
    if (!reason.is_object()) return Wrong("reasons", "a list of objects");
    DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t sector, Number(reason, "sector"));
    const auto fault = faults.find(sector);
    if (fault == faults.end()) return Wrong("reasons", "of the sectors in \"faults\"");
    DAMOCLES_ASSIGN_OR_RETURN(const std::string why, Text(reason, "why"));
    fault->second.reason = Plain(why);
    DAMOCLES_ASSIGN_OR_RETURN(const std::string kind, Text(reason, "kind"));
    for (const auto& [value, name] : kKinds) {
      if (name == kind) fault->second.kind = value;
    }
  }
  std::vector<prover::UnprovableSector> result;
  result.reserve(faults.size());
  for (auto& [number, fault] : faults) result.push_back(std::move(fault));
  return result;
}

absl::Status ErrorOf(const Json& json, std::string_view text) {
  const auto code = json.find("code");
  if (code != json.end() && code->is_number_unsigned()) {
    // Those that a prover gives; our own words for a child that is gone are not a child's.
    for (const absl::StatusCode known :
         {absl::StatusCode::kInvalidArgument, absl::StatusCode::kCancelled,
          absl::StatusCode::kFailedPrecondition, absl::StatusCode::kDataLoss,
          absl::StatusCode::kResourceExhausted}) {
      if (code->get<std::uint64_t>() == static_cast<std::uint64_t>(known)) {
        return {known, Plain(text)};
      }
    }
  }
  return absl::InternalError(Plain(text));
}

absl::StatusOr<prover::WindowPostOutcome> OutcomeOf(const Json& json) {
  const auto output = json.find("output");
  if (output == json.end() || !output->is_object()) {
    return absl::InvalidArgumentError("neither \"output\" nor \"err_msg\"");
  }
  prover::WindowPostOutcome outcome;
  DAMOCLES_ASSIGN_OR_RETURN(outcome.faults, FaultsOf(*output));
  DAMOCLES_ASSIGN_OR_RETURN(const Json* const proofs, ListOf(*output, "proofs"));
  for (const Json& proof : *proofs) {
    DAMOCLES_ASSIGN_OR_RETURN(const Bytes bytes, ProofOf(proof));
    Append(outcome.proof, bytes);
  }
  // What is faulty makes the rest of no use: nothing is proven then.
  if (!outcome.faults.empty()) outcome.proof.clear();
  if (outcome.faults.empty() && outcome.proof.empty()) {
    return absl::InvalidArgumentError("\"output\" holds neither a proof nor a fault");
  }
  return outcome;
}

std::string FaultsAsText(const std::vector<prover::UnprovableSector>& faults) {
  const std::size_t shown = std::min<std::size_t>(faults.size(), 10);
  const std::string list =
      absl::StrJoin(faults.begin(), faults.begin() + static_cast<std::ptrdiff_t>(shown), "; ",
                    [](std::string* out, const prover::UnprovableSector& fault) {
                      out->append(absl::StrFormat("%d: %s", fault.number, fault.reason));
                    });
  return absl::StrFormat("%d sectors cannot be proven: %s%s", faults.size(), list,
                         shown < faults.size() ? "; ..." : "");
}

}  // namespace

std::string_view NameOf(Stage stage) {
  return stage == Stage::kWindowPost ? "window_post" : "winning_post";
}

std::string ReadyLine(Stage stage) {
  return std::string(NameOf(stage)) + " processor ready\n";
}

bool IsReadyLine(Stage stage, std::string_view line) {
  std::string text(line);
  absl::StripAsciiWhitespace(&text);
  return text + "\n" == ReadyLine(stage);
}

std::string EncodeRequest(std::uint64_t id, const prover::WindowPostTask& task, bool extensions) {
  Out replicas = Out::array();
  for (const prover::SectorToProve& sector : task.sectors) {
    replicas.push_back({{"sector_id", sector.number},
                        {"comm_r", sector.comm_r},
                        {"cache_dir", sector.cache_dir},
                        {"sealed_file", sector.sealed_path}});
  }
  Out body = {{"miner_id", task.miner},
              {"proof_type", WireName(task.proof_type)},
              {"replicas", std::move(replicas)},
              {"seed", task.randomness}};
  if (extensions && task.read_limit > absl::ZeroDuration()) {
    body["read_limit_ms"] = absl::ToInt64Milliseconds(task.read_limit);
  }
  return Line({{"id", id}, {"task", std::move(body)}});
}

std::string EncodeCancel(std::uint64_t id) {
  return Line({{"id", id}, {"cancel", true}});
}

absl::StatusOr<Request> DecodeRequest(std::string_view line) {
  DAMOCLES_ASSIGN_OR_RETURN(const Json json, Parse(line));
  Request request;
  DAMOCLES_ASSIGN_OR_RETURN(request.id, IdOf(json));
  const auto cancel = json.find("cancel");
  request.cancel = cancel != json.end() && cancel->is_boolean() && cancel->get<bool>();
  if (!request.cancel) request.task = TaskOf(json);
  return request;
}

std::string EncodeResponse(Stage stage, std::uint64_t id, const Outcome& outcome, bool extensions) {
  absl::Status error = outcome.status();
  if (error.ok() && stage == Stage::kWinningPost && !outcome->faults.empty()) {
    error = absl::DataLossError(FaultsAsText(outcome->faults));
  }
  if (!error.ok()) {
    Out response = {{"id", id}, {"err_msg", std::string(error.message())}, {"output", nullptr}};
    if (extensions) response["code"] = static_cast<std::uint64_t>(error.code());
    return Line(response);
  }
  Out output = {{"proofs", Out::array()}};
  if (outcome->faults.empty()) output["proofs"].push_back(ToBase64(outcome->proof));
  if (stage == Stage::kWindowPost) {
    output["faults"] = Out::array();
    Out reasons = Out::array();
    for (const prover::UnprovableSector& fault : outcome->faults) {
      output["faults"].push_back(fault.number);
      Out reason = {{"sector", fault.number}, {"why", Plain(fault.reason)}};
      for (const auto& [value, name] : kKinds) {
        if (value == fault.kind) reason["kind"] = name;
      }
      reasons.push_back(std::move(reason));
    }
    if (extensions && !reasons.empty()) output["reasons"] = std::move(reasons);
  }
  return Line({{"id", id}, {"err_msg", nullptr}, {"output", std::move(output)}});
}

absl::StatusOr<Response> DecodeResponse(std::string_view line) {
  DAMOCLES_ASSIGN_OR_RETURN(const Json json, Parse(line));
  Response response;
  DAMOCLES_ASSIGN_OR_RETURN(response.id, IdOf(json));
  const auto error = json.find("err_msg");
  if (error != json.end() && !error->is_null()) {
    response.outcome = error->is_string() ? ErrorOf(json, error->get_ref<const std::string&>())
                                          : absl::InternalError("an error that is no text");
    return response;
  }
  response.outcome = OutcomeOf(json);
  if (!response.outcome.ok()) {
    response.outcome = absl::InternalError(
        absl::StrFormat("its answer cannot be read: %s", response.outcome.status().message()));
  }
  return response;
}

bool IsExtensionsLine(std::string_view line) {
  return std::string(line) + "\n" == kExtensionsLine;
}

absl::StatusOr<std::vector<std::string>> LineSplitter::Take(std::string_view bytes) {
  const absl::Status too_long =
      absl::ResourceExhaustedError(absl::StrFormat("a line of more than %d bytes", line_max_));
  if (broken_) return too_long;
  std::vector<std::string> lines;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    if (rest_.size() + part.size() > line_max_) {
      broken_ = true;
      rest_ = {};
      return too_long;
    }
    rest_.append(part);
    if (end == std::string_view::npos) break;
    lines.push_back(std::exchange(rest_, {}));
    bytes.remove_prefix(end + 1);
  }
  return lines;
}

}  // namespace damocles::child
