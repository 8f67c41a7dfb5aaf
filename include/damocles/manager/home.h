// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The manager's data folder: what lies where, and its tokens.

#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/rpc/server.h"

namespace damocles::manager {

inline constexpr std::string_view kDefaultHome = "~/.damocles-manager";

struct Home {
  std::string path;
  std::string conf_dir;  // where both configuration files are; `path` unless told otherwise

  std::string Config() const { return conf_dir + "/sector-manager.cfg"; }
  std::string ExtProverConfig() const { return conf_dir + "/ext-prover.cfg"; }
  std::string Database() const { return path + "/db"; }
  std::string Results() const { return path + "/results"; }
  std::string TokenFile(std::string_view role) const {
    return path + "/tokens/" + std::string(role);
  }
  // Where the running manager listens, one line "host:port"; gone when it has stopped.
  std::string AddressFile() const { return path + "/manager.addr"; }
};

// Makes the tokens of the roles admin and worker (files of mode 0600) where they are absent.
absl::Status MakeTokens(const Home& home);

enum class TokenNeed {
  kFromElsewhere,  // on loopback nobody needs one and everybody is an admin
  kAlways,         // on loopback too
  kNever,          // everybody is an admin
};

// What the token files say.  Without any, nobody is let in who needs one.
absl::StatusOr<rpc::Authorize> LoadTokens(const Home& home, TokenNeed need);
bool HasTokens(const Home& home);

}  // namespace damocles::manager
