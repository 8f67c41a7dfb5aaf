// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// damocles-devnet: reads the command line and runs the command.

#include <kj/async-io.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "apps/common/cli.h"
#include "apps/devnet/run.h"

#include "damocles/base/clock.h"
#include "damocles/base/file.h"
#include "damocles/base/random.h"
#include "damocles/base/status.h"
#include "damocles/base/version.h"
#include "damocles/chain/lotus_client.h"
#include "damocles/devnet/chain.h"
#include "damocles/devnet/presets.h"
#include "damocles/devnet/replay.h"
#include "damocles/devnet/report.h"
#include "damocles/storage/genesis_file.h"

namespace damocles::devnet_app {
namespace {

constexpr std::uint64_t kUintMax = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kActorMax = kUintMax / 2;
constexpr std::uint64_t kTimestampMax = std::uint64_t{1} << 40;

struct InitFlags {
  std::string home;
  std::string genesis;
  std::string preset = "quick";
  std::uint64_t seed = 0;
  std::optional<std::uint64_t> genesis_timestamp;
  std::optional<std::uint64_t> epoch_seconds;
  std::optional<std::uint64_t> partition_sectors;
  std::uint64_t control_addresses = 1;
  bool shared_addresses = false;
  std::uint64_t inclusion_delay = 0;
  std::uint64_t null_rounds_percent = 0;
  std::string base_fee = "100";
  std::string traffic = "quiet";
};

// The library reads "-1" as a large number, and cuts what does not fit.
CLI::Validator WholeNumber(std::uint64_t min, std::uint64_t max) {
  const std::string range = absl::StrFormat("a whole number from %d to %d", min, max);
  return CLI::Validator(
      [min, max, range](const std::string& text) {
        std::uint64_t value = 0;
        const bool digits =
            !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
        if (digits && absl::SimpleAtoi(text, &value) && value >= min && value <= max) {
          return std::string();
        }
        return absl::StrFormat("%s is not %s", text, range);
      },
      "");
}

// What comes out of a variable that is not set: nobody writes it to go without a token.
CLI::Validator NotEmpty() {
  return CLI::Validator(
      [](const std::string& text) {
        return text.empty() ? std::string("is empty: write the token, or leave the flag out")
                            : std::string();
      },
      "");
}

absl::StatusOr<devnet::Genesis> ToGenesis(const InitFlags& flags,
                                          const std::vector<storage::GenesisSector>& sectors) {
  if (sectors.empty()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s: has no sectors; make some with damocles-prover sector new --genesis", flags.genesis));
  }
  std::map<std::uint64_t, devnet::GenesisMiner> miners;
  for (const storage::GenesisSector& sector : sectors) {
    if (sector.miner > kActorMax || sector.number > filecoin::kSectorNumberMax) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "%s: sector f0%d/%d: the numbers of miners and sectors end at %d and %d", flags.genesis,
          sector.miner, sector.number, kActorMax, filecoin::kSectorNumberMax));
    }
    devnet::GenesisMiner& miner = miners[sector.miner];
    miner.id = sector.miner;
    DAMOCLES_ASSIGN_OR_RETURN(
        miner.window_post_proof_type,
        filecoin::PoStProofTypeFromNumber(static_cast<std::int64_t>(sector.proof_type)));
    if (const auto most =
            filecoin::WindowPartitionSectors(filecoin::SectorSizeOf(miner.window_post_proof_type));
        flags.partition_sectors.value_or(1) > most) {
      return cli::UsageError(absl::StrFormat(
          "--partition-sectors %d: a proof of miner f0%d's sector size shows at most %d",
          *flags.partition_sectors, miner.id, most));
    }
    miner.partition_sectors = flags.partition_sectors;
    miner.control_addresses = flags.control_addresses;
    devnet::GenesisSector placed;
    placed.number = sector.number;
    placed.comm_r = sector.comm_r;
    placed.deadline = sector.deadline;
    placed.partition = sector.partition;
    miner.sectors.push_back(placed);
  }
  devnet::Genesis genesis;
  for (auto& [id, miner] : miners) {
    std::sort(miner.sectors.begin(), miner.sectors.end(),
              [](const auto& a, const auto& b) { return a.number < b.number; });
    if (flags.shared_addresses && !genesis.miners.empty()) {
      miner.addresses_of = genesis.miners.front().id;
    }
    genesis.miners.push_back(std::move(miner));
  }
  return genesis;
}

absl::StatusOr<int> Init(const InitFlags& flags) {
  DAMOCLES_ASSIGN_OR_RETURN(const auto sectors, storage::ReadGenesisFile(flags.genesis));
  DAMOCLES_ASSIGN_OR_RETURN(const devnet::Genesis genesis, ToGenesis(flags, sectors));
  auto config = devnet::PresetByName(flags.preset);
  if (!config.ok()) return cli::UsageError(std::string(config.status().message()));
  config->seed = flags.seed;
  config->block_delay_secs = flags.epoch_seconds.value_or(config->block_delay_secs);
  config->null_rounds_percent = flags.null_rounds_percent;
  config->inclusion_delay = flags.inclusion_delay;
  const auto base_fee = filecoin::TokenAmount::Parse(flags.base_fee);
  if (!base_fee.ok()) {
    return cli::UsageError(
        absl::StrFormat("--base-fee %s: a whole number of attoFIL is wanted", flags.base_fee));
  }
  config->base_fee = *base_fee;
  const auto traffic = devnet::TrafficByName(flags.traffic);
  if (!traffic.ok()) {
    return cli::UsageError("--traffic: " + std::string(traffic.status().message()));
  }
  config->traffic = *traffic;
  // The blocks of the genesis lie in the past, so that the chain goes on from now.
  const auto past =
      static_cast<std::uint64_t>(config->genesis_blocks.Count()) * config->block_delay_secs;
  const auto now = static_cast<std::uint64_t>(absl::ToUnixSeconds(SystemClock().Now()));
  config->genesis_timestamp = flags.genesis_timestamp.value_or(now - std::min(now, past));
  DAMOCLES_RETURN_IF_ERROR(devnet::Chain::Init(flags.home, *config, genesis));
  cli::PrintLine(absl::StrFormat("made the chain %s in %s: %d miners, %d sectors",
                                 config->network_name, flags.home, genesis.miners.size(),
                                 sectors.size()));
  return cli::kExitDone;
}

struct ReportFlags {
  std::string home;
  std::string url;
  std::string token;
  bool json = false;
};

// The list of objects that `report` has under `name`; DATA_LOSS if it has none.
absl::StatusOr<std::vector<nlohmann::json>> RowsOf(const nlohmann::json& report, const char* name) {
  const auto rows = report.is_object() ? report.find(name) : report.end();
  std::vector<nlohmann::json> out;
  if (rows != report.end() && rows->is_array()) {
    out.assign(rows->begin(), rows->end());
    if (std::all_of(out.begin(), out.end(), [](const auto& row) { return row.is_object(); })) {
      return out;
    }
  }
  return absl::DataLossError(
      absl::StrFormat("the report has no list of \"%s\": is what listens "
                      "there a devnet of this release?",
                      name));
}

std::uint64_t NumberOf(const nlohmann::json& row, const char* name) {
  const auto found = row.find(name);
  return found != row.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

bool IsTrue(const nlohmann::json& row, const char* name) {
  const auto found = row.find(name);
  return found != row.end() && found->is_boolean() && found->get<bool>();
}

std::string SkippedOf(const nlohmann::json& row) {
  const auto found = row.find("skipped");
  if (found == row.end() || !found->is_array() || found->empty()) return "";
  return absl::StrFormat(", %d skipped", found->size());
}

absl::Status PrintReport(const nlohmann::json& report) {
  DAMOCLES_ASSIGN_OR_RETURN(const auto deadlines, RowsOf(report, "deadlines"));
  DAMOCLES_ASSIGN_OR_RETURN(const auto proofs, RowsOf(report, "proofs"));
  for (const nlohmann::json& row : deadlines) {
    cli::PrintLine(absl::StrFormat("f0%d deadline %d partition %d: %s%s", NumberOf(row, "miner"),
                                   NumberOf(row, "deadline"), NumberOf(row, "partition"),
                                   IsTrue(row, "missed")        ? "MISSED"
                                   : IsTrue(row, "posted")      ? "posted"
                                   : NumberOf(row, "live") == 0 ? "nothing to post, no sector lives"
                                                                : "nothing to post, all sectors "
                                                                  "are faulty",
                                   SkippedOf(row)));
  }
  // One message carries a proof of 192 bytes for each run of sectors that the circuit takes.
  constexpr std::size_t kHexOfAProof = 384;
  std::size_t count = 0;
  for (const nlohmann::json& message : proofs) {
    const auto proof = message.find("proof");
    if (proof == message.end() || !proof->is_string()) continue;
    count += proof->get_ref<const std::string&>().size() / kHexOfAProof;
  }
  cli::PrintLine(absl::StrFormat("%d proofs accepted, in %d messages", count, proofs.size()));
  return absl::OkStatus();
}

// Of a devnet that runs.
absl::StatusOr<nlohmann::json> AskForReport(const ReportFlags& flags) {
  DAMOCLES_ASSIGN_OR_RETURN(chain::Endpoint endpoint, chain::ParseEndpoint(flags.url));
  if (!flags.token.empty()) endpoint.token = flags.token;
  kj::AsyncIoContext io = kj::setupAsyncIo();
  DAMOCLES_ASSIGN_OR_RETURN(const std::string answer,
                            chain::CallNode(endpoint,
                                            {.timer = io.provider->getTimer(),
                                             .network = io.provider->getNetwork(),
                                             .tls_network = nullptr,
                                             .random = SystemRandom()},
                                            "Damocles.DevnetReport")
                                .ToPromise()
                                .wait(io.waitScope));
  nlohmann::json report = nlohmann::json::parse(answer, nullptr, /*allow_exceptions=*/false);
  DAMOCLES_RETURN_IF_ERROR(Annotate(RowsOf(report, "deadlines").status(), endpoint.Name()));
  return report;
}

absl::StatusOr<int> Report(const ReportFlags& flags) {
  if (flags.home.empty() == flags.url.empty()) {
    return cli::UsageError("give either --home DIR or --url URL");
  }
  nlohmann::json report;
  if (!flags.url.empty()) {
    DAMOCLES_ASSIGN_OR_RETURN(report, AskForReport(flags));
  } else {
    DAMOCLES_ASSIGN_OR_RETURN(const auto chain, devnet::Chain::OpenReadOnly(flags.home));
    report = nlohmann::json::parse(devnet::ReportJson(*chain), nullptr, false);
  }
  if (flags.json) {
    cli::PrintJson(report);
    return cli::kExitDone;
  }
  DAMOCLES_RETURN_IF_ERROR(PrintReport(report));
  return cli::kExitDone;
}

// In one piece: the commands and their flags, a list.
int Main(int argc, char** argv) {
  cli::Program program("damocles-devnet",
                       "A simulated Filecoin chain that verifies every proof for real");
  CLI::App& app = program.App();
  app.set_version_flag("--version", "damocles-devnet " DAMOCLES_VERSION_STRING);

  const auto init = std::make_shared<InitFlags>();
  CLI::App* init_command = app.add_subcommand("init", "Makes a chain with the sectors of a file");
  cli::AddPath(*init_command, "--home", init->home, "Folder of the chain")->required();
  cli::AddPath(*init_command, "--genesis", init->genesis,
               "File of damocles-prover sector new --genesis")
      ->required();
  init_command->add_option("--preset", init->preset, "quick or mainnet-like")
      ->capture_default_str();
  init_command->add_option("--seed", init->seed, "Keys, beacon and tickets come from it")
      ->check(WholeNumber(0, kUintMax))
      ->capture_default_str();
  init_command
      ->add_option("--genesis-timestamp", init->genesis_timestamp,
                   "Unix seconds of epoch 0 (default: so that the first block to come is of now); "
                   "with the same seed, sectors and calls the chain is the same")
      ->check(WholeNumber(0, kTimestampMax));
  init_command
      ->add_option("--epoch-seconds", init->epoch_seconds,
                   "Length of an epoch (default: the preset's)")
      ->check(WholeNumber(1, 86400));
  init_command
      ->add_option("--partition-sectors", init->partition_sectors,
                   "Sectors of a partition (default: as the sector size has it)")
      ->check(WholeNumber(1, 2349));
  init_command
      ->add_option("--control-addresses", init->control_addresses,
                   "Control addresses of each miner")
      ->check(WholeNumber(0, 10))
      ->capture_default_str();
  init_command->add_flag("--shared-addresses", init->shared_addresses,
                         "All miners have the addresses of the first, as one operator's may");
  init_command
      ->add_option("--inclusion-delay", init->inclusion_delay,
                   "Blocks that a message waits in the pool")
      ->check(WholeNumber(0, 1000))
      ->capture_default_str();
  init_command
      ->add_option("--null-rounds-percent", init->null_rounds_percent,
                   "Share of epochs without a block")
      ->check(WholeNumber(0, 90))
      ->capture_default_str();
  init_command
      ->add_option("--base-fee", init->base_fee,
                   "Of the first block to come, attoFIL; it then follows the premiums")
      ->capture_default_str();
  init_command
      ->add_option("--traffic", init->traffic,
                   "Messages of others that fill the blocks: quiet, ramp (60 epochs in which the "
                   "base fee rises by an eighth each), spike (20 epochs of full blocks) or "
                   "oscillation; each begins again by itself")
      ->capture_default_str();
  program.SetAction(
      *init_command, [init] { return Init(*init); },
      "damocles-devnet init --home chain --genesis genesis.json --preset quick");

  const auto run = std::make_shared<RunOptions>();
  CLI::App* run_command = app.add_subcommand("run", "Serves the chain until SIGTERM");
  cli::AddPath(*run_command, "--home", run->home, "Folder of the chain")->required();
  run_command
      ->add_option("--listen", run->listen,
                   "HOST:PORT, or :PORT on loopback; port 0 is any free one")
      ->capture_default_str();
  cli::AddPath(*run_command, "--port-file", run->port_file,
               "Writes the port there, in one step, when it listens");
  cli::AddPath(*run_command, "--params", run->params_dir,
               "Folder of the .vk files (default: FIL_PROOFS_PARAMETER_CACHE)");
  run_command
      ->add_option("--token", run->token, "With it everything is allowed, without it only reading")
      ->check(NotEmpty());
  run_command->add_option(
      "--scoped-token", run->scoped_tokens,
      "read:TOKEN, write:TOKEN or sign:TOKEN (each allows what stands before it "
      "too); can be given several times, beside --token");
  run_command->add_option("--traffic", run->traffic,
                          "From now on: quiet, ramp, spike or oscillation (default: as it was)");
  run_command->add_flag("--manual-clock", run->manual_clock,
                        "No block until Damocles.DevnetAdvance is called");
  run_command
      ->add_option("--verify", run->verify,
                   "always: every proof; actor: only where the network's actor does")
      ->capture_default_str();
  program.SetAction(
      *run_command, [run] { return RunDevnet(*run); },
      "damocles-devnet run --home chain --listen :0 --port-file chain.port");

  const auto report = std::make_shared<ReportFlags>();
  CLI::App* report_command =
      app.add_subcommand("report", "What became of every deadline, and the proofs accepted");
  cli::AddPath(*report_command, "--home", report->home, "Folder of the chain");
  report_command->add_option("--url", report->url, "Of a running devnet: http://127.0.0.1:1234");
  report_command->add_option("--token", report->token, "Of the running devnet")->check(NotEmpty());
  report_command->add_flag("--json", report->json, "As JSON");
  program.SetAction(
      *report_command, [report] { return Report(*report); },
      "damocles-devnet report --home chain --json");

  const auto trace = std::make_shared<std::string>();
  CLI::App* replay_command = app.add_subcommand("replay", "Replays an actor trace, prints it");
  cli::AddPath(*replay_command, "--in", *trace, "Trace file (JSON)")->required();
  program.SetAction(
      *replay_command,
      [trace]() -> absl::StatusOr<int> {
        DAMOCLES_ASSIGN_OR_RETURN(const std::string text, ReadFile(*trace));
        DAMOCLES_ASSIGN_OR_RETURN(const std::string replayed, devnet::ReplayTrace(text));
        cli::PrintLine(replayed);
        return cli::kExitDone;
      },
      "damocles-devnet replay --in trace.json");
  return program.Run(argc, argv);
}

}  // namespace
}  // namespace damocles::devnet_app

int main(int argc, char** argv) {
  return damocles::devnet_app::Main(argc, argv);
}
