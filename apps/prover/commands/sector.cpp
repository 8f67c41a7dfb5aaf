// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "apps/prover/commands/claim_flags.h"
#include "apps/prover/commands/commands.h"

#include "damocles/base/hex.h"
#include "damocles/base/status.h"
#include "damocles/filecoin/deadline.h"
#include "damocles/merkle/build.h"
#include "damocles/post/vanilla.h"
#include "damocles/practice/genesis_sectors.h"
#include "damocles/practice/stored_sectors.h"

namespace damocles::prover_app {
namespace {

struct SectorFlags {
  std::uint64_t size = 0;
  std::uint64_t miner = 1000;
  std::string sectors;
  std::string store;
  bool upgraded = false;
  std::uint64_t threads = 0;
  bool json = false;

  void Add(CLI::App& command) {
    cli::AddSize(command, "--size", size, "Sector size: 2KiB ... 64GiB")->required();
    command.add_option("--miner", miner, "Actor id: 1000 for f01000")
        ->capture_default_str()
        ->check(cli::WholeNumber());
    command.add_option("--sector", sectors, "Sector numbers: 7 or 7,11 or 0-9")->required();
    cli::AddPath(command, "--store", store, "Folder with sealed/ and cache/")->required();
    AddThreads(command, threads);
    cli::AddJsonFlag(command, &json);
  }
  void AddUpgraded(CLI::App& command) {
    command.add_flag("--upgraded", upgraded, "Take update/ and update-cache/");
  }
  absl::StatusOr<merkle::TreeShape> Tree() const {
    const auto tree = merkle::ShapeOf(size);
    if (tree.ok()) return *tree;
    return cli::UsageError(absl::StrFormat("--size: %s", std::string(tree.status().message())));
  }
  merkle::SectorFiles FilesOf(std::uint64_t number) const {
    return practice::FilesIn(store, {miner, number}, upgraded);
  }
};

// One line at each tenth: long for 32 GiB, silent for small sectors.
std::function<void(std::uint64_t, std::uint64_t)> Progress(std::string what) {
  return [what = std::move(what), tenth = std::uint64_t{0}](std::uint64_t done,
                                                            std::uint64_t total) mutable {
    constexpr std::uint64_t kLongLeaves = std::uint64_t{1} << 22;
    const std::uint64_t now = done * 10 / total;
    if (total < kLongLeaves || now <= tenth) return;
    tenth = now;
    cli::PrintNote(absl::StrFormat("%s: %d%%", what, now * 10));
  };
}

struct NewFlags {
  SectorFlags common;
  std::string salt;
  bool zero = false;
  std::string genesis;
  std::optional<std::uint64_t> deadline;
};

absl::StatusOr<int> New(const NewFlags& flags, bool salted) {
  const SectorFlags& common = flags.common;
  DAMOCLES_RETURN_IF_ERROR(common.Tree().status());
  DAMOCLES_ASSIGN_OR_RETURN(const filecoin::SectorSize size,
                            filecoin::SectorSizeFromBytes(common.size));
  practice::PracticeOrder order{
      .size = size,
      .miner = common.miner,
      .numbers = {},
      .store_path = common.store,
      // By the rule of a salt, sectors of these sizes are zeros; their comm_c follows from it.
      .content = {.salt = std::nullopt,
                  .zeros = flags.zero || (salted && size >= filecoin::SectorSize::k32GiB)},
      .progress = Progress("sectors")};
  DAMOCLES_ASSIGN_OR_RETURN(order.numbers, cli::ParseNumbers(common.sectors));
  if (salted) order.content.salt = flags.salt;
  ThreadPool pool(common.threads == 0 ? ProcessorCount() : common.threads);
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<practice::PracticeSector> sectors,
                            flags.genesis.empty()
                                ? practice::MakePracticeSectors(pool, SystemRandom(), order)
                                : practice::MakeGenesisSectors(pool, SystemRandom(), order,
                                                               flags.genesis, flags.deadline));
  nlohmann::json list = nlohmann::json::array();
  for (const practice::PracticeSector& sector : sectors) {
    const std::string comm_r = ToHex(sector.comm_r);
    list.push_back({{"miner", sector.id.miner},
                    {"sector", sector.id.number},
                    {"comm_r", comm_r},
                    {"comm_c", ToHex(bls12_381::ToBytesLe(sector.p_aux.comm_c))},
                    {"comm_r_last", ToHex(bls12_381::ToBytesLe(sector.p_aux.comm_r_last))}});
    if (!common.json) {
      cli::PrintLine(absl::StrFormat("%d: comm_r %s", sector.id.number, comm_r));
    }
  }
  if (common.json) cli::PrintJson(list);
  return cli::kExitDone;
}

merkle::BuildOptions WithProgress(std::uint64_t number) {
  merkle::BuildOptions options;
  options.progress = Progress(absl::StrFormat("sector %d", number));
  return options;
}

struct RebuildFlags {
  SectorFlags common;
  std::string comm_c;
  bool force = false;
};

absl::StatusOr<std::optional<merkle::Fr>> CommC(const RebuildFlags& flags, std::size_t sectors) {
  if (flags.comm_c.empty()) return std::nullopt;
  if (sectors != 1) return cli::UsageError("--comm-c is of one sector: name one with --sector");
  const auto bytes = FromHex32(flags.comm_c);
  if (bytes.ok()) {
    if (const auto value = bls12_381::FrFromBytesLe(*bytes); value.ok()) return *value;
  }
  return cli::UsageError("--comm-c: write 64 hexadecimal digits of a number below r");
}

absl::StatusOr<int> Rebuild(const RebuildFlags& rebuild) {
  const SectorFlags& flags = rebuild.common;
  DAMOCLES_ASSIGN_OR_RETURN(const merkle::TreeShape tree, flags.Tree());
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<std::uint64_t> numbers,
                            cli::ParseNumbers(flags.sectors));
  DAMOCLES_ASSIGN_OR_RETURN(const std::optional<merkle::Fr> comm_c, CommC(rebuild, numbers.size()));
  ThreadPool pool(flags.threads == 0 ? ProcessorCount() : flags.threads);
  nlohmann::json list = nlohmann::json::array();
  for (const std::uint64_t number : numbers) {
    merkle::BuildOptions options = WithProgress(number);
    options.force = rebuild.force;
    const auto p_aux = merkle::RebuildSector(pool, tree, flags.FilesOf(number), comm_c, options);
    if (absl::IsDataLoss(p_aux.status())) {
      return Annotate(p_aux.status(),
                      absl::StrFormat("sector %d (--force rebuilds all the same)", number));
    }
    if (!p_aux.ok()) return Annotate(p_aux.status(), absl::StrFormat("sector %d", number));
    const std::string comm_r = ToHex(bls12_381::ToBytesLe(p_aux->CommR()));
    list.push_back({{"sector", number},
                    {"comm_r", comm_r},
                    {"comm_r_last", ToHex(bls12_381::ToBytesLe(p_aux->comm_r_last))}});
    if (!flags.json) cli::PrintLine(absl::StrFormat("%d: comm_r %s", number, comm_r));
  }
  if (flags.json) cli::PrintJson(list);
  return cli::kExitDone;
}

struct CheckFlags {
  SectorFlags common;
  CommRFlags comm_r;
};

// rebuild-trees tells the two apart: it changes nothing where the sealed file is not what was
// sealed.
constexpr char kAdvice[] =
    "sector rebuild-trees mends trees of a sound sealed file and refuses a corrupt one: that one "
    "comes from a copy or the sector is faulty";

absl::Status CheckOne(ThreadPool& pool, const merkle::TreeShape& tree, const SectorFlags& flags,
                      std::uint64_t number, const practice::Commitments& known) {
  std::optional<merkle::Fr> comm_r;
  if (const auto given = known.find(number); given != known.end()) {
    DAMOCLES_ASSIGN_OR_RETURN(comm_r, post::CommRFromBytes(given->second));
  }
  return merkle::CheckSector(pool, tree, flags.FilesOf(number), comm_r, WithProgress(number));
}

absl::StatusOr<int> Check(const CheckFlags& check) {
  const SectorFlags& flags = check.common;
  DAMOCLES_ASSIGN_OR_RETURN(const merkle::TreeShape tree, flags.Tree());
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<std::uint64_t> numbers,
                            cli::ParseNumbers(flags.sectors));
  DAMOCLES_ASSIGN_OR_RETURN(const auto known, check.comm_r.Read(flags.miner, numbers));
  ThreadPool pool(flags.threads == 0 ? ProcessorCount() : flags.threads);
  bool sound = true;
  nlohmann::json list = nlohmann::json::array();
  for (const std::uint64_t number : numbers) {
    const absl::Status status = CheckOne(pool, tree, flags, number, known);
    sound = sound && status.ok();
    const std::string why = std::string(status.message());
    if (flags.json) {
      list.push_back({{"sector", number}, {"sound", status.ok()}, {"reason", why}});
    } else {
      cli::PrintLine(status.ok() ? absl::StrFormat("%d: sound", number)
                                 : absl::StrFormat("%d: %s; %s", number, why, kAdvice));
    }
  }
  if (flags.json) cli::PrintJson(list);
  return sound ? cli::kExitDone : cli::kExitFailed;
}

}  // namespace

void AddSector(cli::Program& program) {
  CLI::App& group =
      *program.App().add_subcommand("sector", "Make and check sectors")->require_subcommand(1);
  const char* const new_example =
      "damocles-prover sector new --size 2KiB --miner 1000 --sector 0-9 --store sectors "
      "--genesis genesis.json";
  cli::Program::SetExample(group, new_example);
  {
    CLI::App& command = *group.add_subcommand("new", "Make practice sectors that can be proven");
    auto flags = std::make_shared<NewFlags>();
    flags->common.Add(command);
    CLI::Option* const salt = command.add_option(
        "--salt", flags->salt,
        "Content by a rule with this text (from 32GiB on: zeros); default: random content");
    command.add_flag("--zero", flags->zero, "Zeros in a file that takes no space: at once")
        ->excludes(salt);
    cli::AddPath(command, "--genesis", flags->genesis,
                 "Append the sectors to this genesis file of a devnet; those that are in the store "
                 "already are kept as they are");
    command
        .add_option("--deadline", flags->deadline,
                    "Deadline the devnet shall put them in (default: by the chain's rule)")
        ->check(CLI::Range(std::uint64_t{0}, filecoin::kMainnetPeriod.deadlines - 1))
        ->needs("--genesis");
    program.SetAction(
        command, [flags, salt] { return New(*flags, salt->count() > 0); }, new_example);
  }
  {
    CLI::App& command =
        *group.add_subcommand("rebuild-trees", "Make tree files and p_aux from the sealed file");
    auto flags = std::make_shared<RebuildFlags>();
    flags->common.Add(command);
    flags->common.AddUpgraded(command);
    command.add_option("--comm-c", flags->comm_c,
                       "comm_c of the sector, where no p_aux tells it: 64 hexadecimal digits");
    command.add_flag("--force", flags->force,
                     "Also where the result is not what p_aux says: such a sector can no longer be "
                     "proven on chain");
    program.SetAction(
        command, [flags] { return Rebuild(*flags); },
        "damocles-prover sector rebuild-trees --size 2KiB --sector 7 --store sectors");
  }
  CLI::App& command =
      *group.add_subcommand("check", "Hash the sealed file and compare every level and the root");
  auto flags = std::make_shared<CheckFlags>();
  flags->common.Add(command);
  flags->common.AddUpgraded(command);
  flags->comm_r.Add(command);
  program.SetAction(
      command, [flags] { return Check(*flags); },
      "damocles-prover sector check --size 2KiB --sector 7,11 --store sectors --genesis "
      "genesis.json");
}

}  // namespace damocles::prover_app
