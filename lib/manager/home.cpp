// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/manager/home.h"

#include <sys/stat.h>

#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"

#include "damocles/base/endpoint.h"
#include "damocles/base/file.h"
#include "damocles/base/log.h"
#include "damocles/base/random.h"
#include "damocles/base/status.h"
#include "damocles/hash/sha256.h"

namespace damocles::manager {
namespace {

constexpr std::pair<std::string_view, rpc::Role> kRoles[] = {
    {"admin", rpc::Role::kAdmin}, {"worker", rpc::Role::kWorker}, {"read", rpc::Role::kRead}};

}  // namespace

absl::Status MakeTokens(const Home& home) {
  DAMOCLES_RETURN_IF_ERROR(MakeFolders(home.path + "/tokens"));
  for (const std::string_view role : {"admin", "worker"}) {
    const std::string file = home.TokenFile(role);
    if (PathExists(file)) continue;
    DAMOCLES_RETURN_IF_ERROR(WriteFileAtomically(file, SystemRandom().Hex(32) + "\n", 0600));
  }
  return absl::OkStatus();
}

bool HasTokens(const Home& home) {
  for (const auto& [name, role] : kRoles) {
    if (PathExists(home.TokenFile(name))) return true;
  }
  return false;
}

absl::StatusOr<rpc::Authorize> LoadTokens(const Home& home, TokenNeed need) {
  // By digest: how long a look-up takes tells nothing about the token.
  std::map<Bytes32, rpc::Role> roles;
  std::map<Bytes32, std::string> files;
  for (const auto& [name, role] : kRoles) {
    const std::string file = home.TokenFile(name);
    auto content = ReadFile(file, 4096);
    if (absl::IsNotFound(content.status())) continue;
    DAMOCLES_RETURN_IF_ERROR(content.status());
    if (OthersMayRead(file)) {
      LogWarning("config", "token_file_readable", {{"file", file}, {"do", "chmod 600 it"}});
    }
    const std::string token(absl::StripAsciiWhitespace(*content));
    if (token.empty()) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "%s: the token file is empty; delete it and run daemon init again", file));
    }
    if (!MayBeToken(token)) {
      return absl::InvalidArgumentError(absl::StrFormat("%s: the token %s", file, kNoToken));
    }
    const Bytes32 digest = hash::Sha256Of(AsBytes(token));
    if (const auto [other, is_new] = files.emplace(digest, file); !is_new) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "%s and %s hold the same token: whoever has it would be both; delete one of the files "
          "and run daemon init again, it makes another token",
          other->second, file));
    }
    roles[digest] = role;
  }
  return rpc::Authorize(
      [roles, need](std::string_view token, bool loopback) -> absl::StatusOr<rpc::Role> {
        if (token.empty()) {
          if (need == TokenNeed::kNever || (loopback && need == TokenNeed::kFromElsewhere)) {
            return rpc::Role::kAdmin;
          }
          return absl::PermissionDeniedError(
              loopback ? "a token is needed, on this machine too: see <home>/tokens of the manager"
                       : "a token is needed from outside this machine: see <home>/tokens of the "
                         "manager");
        }
        const auto found = roles.find(hash::Sha256Of(AsBytes(token)));
        if (found != roles.end()) return found->second;
        return absl::PermissionDeniedError("the token is not one of this manager's");
      });
}

}  // namespace damocles::manager
