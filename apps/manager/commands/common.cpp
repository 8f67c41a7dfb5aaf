// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "apps/manager/commands/common.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

#include "damocles/async/failure.h"
#include "damocles/base/endpoint.h"
#include "damocles/base/file.h"
#include "damocles/base/status.h"
#include "damocles/base/text.h"
#include "damocles/config/endpoint.h"
#include "damocles/config/manager.h"
#include "damocles/filecoin/number_limits.h"
#include "damocles/manager/chain_client.h"

namespace damocles::manager {
namespace {

constexpr std::string_view kDefaultAddress = "127.0.0.1:1789";

std::string Trimmed(const std::string& text) {
  return std::string(absl::StripAsciiWhitespace(text));
}

// Where the manager of this home listens.  What happens to run at the usual port is asked for only
// by the usual home: it is another manager as like as not, and commands delete.
absl::StatusOr<std::string> AddressOf(const Home& home) {
  absl::StatusOr<std::string> written = ReadFile(home.AddressFile(), 4096);
  if (written.ok()) return Trimmed(*written);
  if (!absl::IsNotFound(written.status())) return written.status();
  if (home.path == ExpandHome(kDefaultHome)) return std::string(kDefaultAddress);
  return absl::UnavailableError(absl::StrFormat(
      "the manager of this home does not run: %s; start it with damocles-manager --home %s daemon "
      "run, give the right --home, or name a running one with --manager HOST:PORT",
      PathExists(home.path) ? absl::StrFormat("there is no %s", home.AddressFile())
                            : absl::StrFormat("there is no folder %s", home.path),
      home.path));
}

absl::StatusOr<std::string> TokenFor(const Globals& globals) {
  const bool named = !globals.token_file.empty();
  const std::string file = named ? globals.token_file : globals.home.TokenFile("admin");
  const absl::StatusOr<std::string> content = ReadFile(file, 4096);
  if (absl::IsNotFound(content.status()) && !named) return "";  // on loopback it may do without
  DAMOCLES_RETURN_IF_ERROR(content.status());
  std::string token = Trimmed(*content);
  if (token.empty()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s: the token file is empty: copy the token of the manager into it", file));
  }
  if (!MayBeToken(token)) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: the token %s", file, kNoToken));
  }
  return token;
}

absl::StatusOr<rpc::ClientOptions> ClientOptionsFor(const Globals& globals) {
  rpc::ClientOptions options;
  options.software = "damocles-manager util";
  DAMOCLES_ASSIGN_OR_RETURN(options.token, TokenFor(globals));
  const bool named = !globals.manager_address.empty();
  std::string address = globals.manager_address;
  if (!named) {
    DAMOCLES_ASSIGN_OR_RETURN(address, AddressOf(globals.home));
  }
  const auto parsed = config::ParseHostPort(address, "127.0.0.1");
  if (!parsed.ok()) {
    const std::string why(parsed.status().message());
    if (!named) {
      return absl::DataLossError(
          absl::StrFormat("%s: %s; restart the manager, or name it with --manager HOST:PORT",
                          globals.home.AddressFile(), why));
    }
    return cli::UsageError(absl::StrFormat("%s: %s; write HOST:PORT, [IPV6]:PORT or :PORT",
                                           globals.manager_flag, why));
  }
  options.address = parsed->ToString();
  return options;
}

ExitCode UseManager(kj::Network& network, kj::Timer& timer, rpc::ClientOptions options,
                    AskManager ask) {
  const std::string address = options.address;
  auto client = co_await rpc::ManagerClient::Connect(network, timer, std::move(options));
  if (!client.ok()) {
    if (!absl::IsUnavailable(client.status())) co_return client.status();
    co_return absl::UnavailableError(absl::StrFormat(
        "%s; is the manager running? start it with damocles-manager daemon run, or name another "
        "with --manager HOST:PORT",
        std::string(client.status().message())));
  }
  co_return co_await ask(**client);
}

// What of a chain's error an operator can mend here.
absl::Status WithPlace(const absl::Status& status, const config::ManagerConfig& config,
                       const std::string& file) {
  std::string_view remedy;
  if (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) {
    remedy = "start it, or name one that runs";
  } else if (absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status)) {
    remedy = "give it a token that it made, with the rights to read";
  } else {
    return status;
  }
  std::vector<std::string> nodes;
  for (const config::ChainEndpoint& node : config.chain) nodes.push_back(node.origin);
  return absl::Status(
      status.code(),
      absl::StrFormat("the chain node does not answer as it should (%s, from [Common.API] in %s): "
                      "%s; %s",
                      absl::StrJoin(nodes, ", "), file, std::string(status.message()), remedy));
}

}  // namespace

absl::StatusOr<int> WithManager(const Globals& globals, AskManager ask) {
  DAMOCLES_ASSIGN_OR_RETURN(rpc::ClientOptions options, ClientOptionsFor(globals));
  const std::string address = options.address;
  try {
    kj::AsyncIoContext io = kj::setupAsyncIo();
    return UseManager(io.provider->getNetwork(), io.provider->getTimer(), std::move(options),
                      std::move(ask))
        .ToPromise()
        .wait(io.waitScope);
  } catch (const kj::Exception& exception) {
    return absl::UnavailableError(absl::StrFormat("manager %s: %s; look into its log and try again",
                                                  address, async::Plainly(exception)));
  }
}

absl::StatusOr<int> WithChain(const Globals& globals, AskChain ask) {
  config::LoadOptions load;
  load.unknown =
      globals.allow_unknown_config ? config::UnknownKeys::kWarn : config::UnknownKeys::kRefuse;
  load.check_folders = false;
  DAMOCLES_ASSIGN_OR_RETURN(const config::ManagerConfig config,
                            config::LoadManagerConfig(globals.home.Config(), load));
  kj::AsyncIoContext io = kj::setupAsyncIo();
  DAMOCLES_ASSIGN_OR_RETURN(const std::unique_ptr<ChainClient> client,
                            ChainClient::Make(config, *io.provider));
  absl::StatusOr<int> code = ask(client->Node()).ToPromise().wait(io.waitScope);
  if (code.ok()) return code;
  return WithPlace(code.status(), config, globals.home.Config());
}

void PrintTable(std::vector<std::vector<std::string>> rows) {
  for (auto& row : rows) {
    for (std::string& cell : row) cell = Printable(cell);  // names and errors come from elsewhere
  }
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    cli::PrintLine(line);
  }
}

CLI::App* AddCommand(cli::Program& program, CLI::App& parent, const CommandWords& words,
                     cli::Action action) {
  CLI::App* command = parent.add_subcommand(words.name, words.what);
  program.SetAction(*command, std::move(action), words.example);
  return command;
}

CLI::App* AddCommand(cli::Program& program, CLI::App& parent, const CommandWords& words,
                     const Globals& globals, AskManager ask) {
  return AddCommand(program, parent, words,
                    [&globals, ask = std::move(ask)] { return WithManager(globals, ask); });
}

absl::StatusOr<std::uint64_t> ParseMiner(const std::string& text) {
  if (text.empty()) return cli::UsageError("no miner is given: write --miner f01000");
  std::string_view digits = text;
  if (digits.starts_with("f0") || digits.starts_with("t0")) digits.remove_prefix(2);
  std::uint64_t miner = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), miner);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() ||
      !filecoin::IsActorId(miner)) {
    return cli::UsageError(
        absl::StrFormat("\"%s\" is not a miner; write f01000, t01000 or 1000", text));
  }
  return miner;
}

}  // namespace damocles::manager
