// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/params/parameter_mark.h"

#include <nlohmann/json.hpp>

#include "damocles/base/file.h"

namespace damocles::params {
namespace {

constexpr char kOrigin[] = "origin";
constexpr char kLocal[] = "local";
constexpr char kKnownSecrets[] = "known-secrets";
constexpr std::uint64_t kMarkBytesMax = 4096;

std::string TextOf(const nlohmann::json& object, const char* member) {
  return object.contains(member) && object[member].is_string() ? object[member].get<std::string>()
                                                               : "";
}

std::uint64_t NumberOf(const nlohmann::json& object, const char* member) {
  return object.contains(member) && object[member].is_number_unsigned()
             ? object[member].get<std::uint64_t>()
             : 0;
}

}  // namespace

std::optional<ParameterMark> ReadMark(const std::string& path) {
  if (!FileSize(path).ok()) return std::nullopt;  // absent, or nothing that can be read to its end
  const auto text = ReadFile(path, kMarkBytesMax);
  if (!text.ok()) return std::nullopt;
  const nlohmann::json meta = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!meta.is_object() || !meta.contains(kOrigin)) return std::nullopt;
  // Anything but a plain "local" is taken for the worse.
  return ParameterMark{
      .origin = meta[kOrigin] == kLocal ? ParameterOrigin::kLocal : ParameterOrigin::kKnownSecrets,
      .sector_bytes = NumberOf(meta, "sector_size"),
      .vk_sha256 = TextOf(meta, "vk_sha256"),
      .params_bytes = NumberOf(meta, "params_bytes"),
      .params_blake2b = TextOf(meta, "params_blake2b")};
}

absl::Status WriteMark(const std::string& path, const ParameterMark& mark) {
  const nlohmann::json meta = {
      {kOrigin, mark.origin == ParameterOrigin::kLocal ? kLocal : kKnownSecrets},
      {"sector_size", mark.sector_bytes},
      {"vk_sha256", mark.vk_sha256},
      {"params_bytes", mark.params_bytes},
      {"params_blake2b", mark.params_blake2b}};
  return WriteFileAtomically(path, meta.dump());
}

}  // namespace damocles::params
