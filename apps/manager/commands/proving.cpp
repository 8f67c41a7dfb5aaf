// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// util sealer proving info | deadlines | deadline IDX: what the chain says, without the manager;
// history: what the manager did; faults: what is faulty on chain, and why the manager leaves it so.

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "apps/manager/commands/common.h"

#include "damocles/base/status.h"
#include "damocles/manager/chain_view.h"
#include "damocles/manager/view.h"

namespace damocles::manager {
namespace {

struct ProvingFlags {
  std::string miner;
  bool json = false;
  bool all = false;
  SetDetails details;
  std::uint64_t index = 0;
  std::uint32_t limit = rpc::kDeadlinesDefault;
  std::int64_t from = 0;
};
using Flags = std::shared_ptr<ProvingFlags>;

ExitCode Info(chain::ChainReader& reader, std::uint64_t miner, Flags flags) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const ProvingView view, co_await ViewProving(reader, miner));
  if (flags->json) {
    cli::PrintLine(ProvingJson(view));
    co_return cli::kExitDone;
  }
  const filecoin::DeadlineInfo& now = view.at.now;
  PrintTable({{"Miner:", absl::StrCat("f0", miner)},
              {"Current Epoch:", absl::StrCat(now.current_epoch.Value())},
              {"Proving Period Boundary:", absl::StrCat(view.PeriodBoundary())},
              {"Proving Period Start:", view.at.Describe(now.period_start)},
              {"Next Period Start:", view.at.Describe(now.NextPeriodStart())},
              {"Faults:", absl::StrFormat("%d (%.2f%%)", view.total.faulty, view.FaultsPercent())},
              {"Recovering:", absl::StrCat(view.total.recovering)},
              {"Deadline Index:", absl::StrCat(now.index)},
              {"Deadline Sectors:", absl::StrCat(view.current.live)},
              {"Deadline Open:", view.at.Describe(now.open)},
              {"Deadline Close:", view.at.Describe(now.close)},
              {"Deadline Challenge:", view.at.Describe(now.challenge)},
              {"Deadline FaultCutoff:", view.at.Describe(now.fault_cutoff)}});
  co_return cli::kExitDone;
}

ExitCode Deadlines(chain::ChainReader& reader, std::uint64_t miner, Flags flags) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const std::vector<DeadlineRow> rows,
                               co_await ViewDeadlines(reader, miner, flags->all));
  if (flags->json) {
    cli::PrintLine(DeadlineRowsJson(rows));
    co_return cli::kExitDone;
  }
  using Row = const DeadlineRow&;
  const std::vector<Column<DeadlineRow>> columns = {
      {"deadline", [](Row row) { return absl::StrCat(row.deadline.index); }},
      {"open",
       [](Row row) { return absl::FormatTime("%H:%M:%S", row.open_at, absl::LocalTimeZone()); }},
      {"partitions", [](Row row) { return absl::StrCat(row.partitions); }},
      {"sectors (faults)",
       [](Row row) { return absl::StrFormat("%d (%d)", row.sectors, row.faults); }},
      {"proven partitions", [](Row row) { return absl::StrCat(row.proven_partitions); }},
      {"", [](Row row) { return row.current ? "(current)" : ""; }}};
  PrintTable(rows, columns);
  co_return cli::kExitDone;
}

std::string SetText(const SectorSet& set) {
  std::string line = absl::StrFormat("  %-10s %6d", std::string(set.name), set.count);
  if (set.encoded) {
    line += absl::StrFormat("  %d runs, %d bytes", set.encoded->runs, set.encoded->bytes);
  }
  if (set.numbers) line += "  " + absl::StrJoin(*set.numbers, " ");
  return line;
}

ExitCode Deadline(chain::ChainReader& reader, std::uint64_t miner, Flags flags) {
  const absl::StatusOr<DeadlineView> view =
      co_await ViewDeadline(reader, miner, flags->index, flags->details);
  if (absl::IsOutOfRange(view.status())) {
    co_return cli::UsageError(std::string(view.status().message()));
  }
  if (!view.ok()) co_return view.status();
  if (flags->json) {
    cli::PrintLine(DeadlineJson(*view));
    co_return cli::kExitDone;
  }
  PrintTable({{"Deadline Index:", absl::StrCat(view->deadline.index)},
              {"Deadline Open:", view->at.Describe(view->deadline.open)},
              {"Partitions:", absl::StrCat(view->partitions.size())},
              {"Proven Partitions:", absl::StrCat(view->proven_partitions)},
              {"Current:", view->current ? "yes" : "no"}});
  for (std::size_t i = 0; i < view->partitions.size(); ++i) {
    cli::PrintLine(absl::StrFormat("Partition %d:", i));
    for (const SectorSet& set : view->partitions[i].sets) cli::PrintLine(SetText(set));
  }
  co_return cli::kExitDone;
}

using Recoveries = std::vector<rpc::RecoverySummary>;

ExitCode ReadRecoveries(rpc::ManagerClient& manager, std::uint64_t miner,
                        std::shared_ptr<Recoveries> recoveries) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(*recoveries, co_await manager.Recoveries(miner));
  co_return cli::kExitDone;
}

ExitCode Faults(chain::ChainReader& reader, std::uint64_t miner,
                std::shared_ptr<Recoveries> recoveries, Flags flags) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const FaultsView view,
                               co_await ViewFaults(reader, miner, *recoveries));
  if (flags->json) {
    cli::PrintLine(FaultsJson(view));
    co_return cli::kExitDone;
  }
  if (view.rows.empty()) {
    cli::PrintLine(absl::StrFormat("f0%d has no faulty sector", miner));
    co_return cli::kExitDone;
  }
  using Row = const FaultRow&;
  const std::vector<Column<FaultRow>> columns = {
      {"Deadline", [](Row row) { return absl::StrCat(row.deadline); }},
      {"Partition", [](Row row) { return absl::StrCat(row.partition); }},
      {"Sector", [](Row row) { return absl::StrCat(row.sector); }},
      {"Declared", [](Row row) { return row.declared ? "yes" : "no"; }},
      {"Why",
       [&view](Row row) {
         if (!row.looked_at_from) return row.why;
         return absl::StrFormat("%s; looked at from epoch %s on", row.why,
                                view.at.Describe(*row.looked_at_from));
       }},
      {"Message", [](Row row) { return OrDash(row.message); }}};
  PrintTable(view.rows, columns);
  co_return cli::kExitDone;
}

std::string EpochText(std::int64_t value) {
  return value < 0 ? "-" : absl::StrCat(value);
}

ExitCode History(rpc::ManagerClient& manager, rpc::DeadlineQuery query, bool json) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const std::vector<rpc::DeadlineSummary> records,
                               co_await manager.Deadlines(query));
  if (json) {
    cli::PrintLine(DeadlinesJson(records));
    co_return cli::kExitDone;
  }
  using Row = const rpc::DeadlineSummary&;
  const std::vector<Column<rpc::DeadlineSummary>> columns = {
      {"MinerID", [](Row row) { return absl::StrCat("f0", row.miner); }},
      {"DDL", [](Row row) { return absl::StrCat(row.deadline_index); }},
      {"Open", [](Row row) { return EpochText(row.open_epoch); }},
      {"Close", [](Row row) { return EpochText(row.close_epoch); }},
      {"State", [](Row row) { return row.state; }},
      {"Batches", [](Row row) { return absl::StrCat(row.batches.size()); }},
      {"Proofs",
       [](Row row) {
         std::size_t proofs = 0;
         for (const auto& batch : row.batches) proofs += batch.proofs;
         return absl::StrCat(proofs);
       }},
      {"Skipped", [](Row row) { return absl::StrCat(row.skipped_sectors); }},
      {"Proven", [](Row row) { return EpochText(row.proven_epoch); }},
      {"Confirmed", [](Row row) { return EpochText(row.confirmed_epoch); }},
      {"Reason", [](Row row) { return OrDash(row.reason); }}};
  PrintTable(records, columns);
  co_return cli::kExitDone;
}

}  // namespace

// In one piece: the commands and their flags, a list.
void AddProvingCommands(cli::Program& program, CLI::App& util_sealer, Globals& globals) {
  const auto flags = std::make_shared<ProvingFlags>();
  CLI::App* proving = util_sealer.add_subcommand("proving", "What is to be proven, and when");
  proving->require_subcommand(1);
  // Stands before or after the sub-command, as operators are used to.
  proving->add_option("--miner", flags->miner, "f01000, t01000 or 1000");
  proving->fallthrough();

  const auto add = [&program, flags, proving](const CommandWords& words, cli::Action action) {
    CLI::App* command = AddCommand(program, *proving, words, std::move(action));
    command->fallthrough();
    command->add_flag("--json", flags->json, "As JSON");
    return command;
  };
  // Of one miner, by the chain.
  const auto of_miner = [flags,
                         &globals](ExitCode (*ask)(chain::ChainReader&, std::uint64_t, Flags)) {
    return [flags, &globals, ask]() -> absl::StatusOr<int> {
      DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t miner, ParseMiner(flags->miner));
      return WithChain(globals, [ask, miner, flags](chain::ChainReader& reader) {
        return ask(reader, miner, flags);
      });
    };
  };
  add({"info", "The proving period of a miner",
       "damocles-manager util sealer proving --miner f01000 info"},
      of_miner(Info));
  add({"deadlines", "All deadlines of a miner",
       "damocles-manager util sealer proving --miner f01000 deadlines --all"},
      of_miner(Deadlines))
      ->add_flag("-a,--all", flags->all, "Count terminated sectors and empty partitions too");
  CLI::App* history =
      add({"history", "What became of each deadline, by the manager's records, newest first",
           "damocles-manager util sealer proving history --json"},
          [flags, &globals]() -> absl::StatusOr<int> {
            rpc::DeadlineQuery query;
            query.from_epoch = flags->from;
            query.limit = flags->limit;
            if (!flags->miner.empty()) {
              DAMOCLES_ASSIGN_OR_RETURN(query.miner, ParseMiner(flags->miner));
            }
            return WithManager(globals, [flags, query](rpc::ManagerClient& manager) {
              return History(manager, query, flags->json);
            });
          });
  history
      ->add_option("--limit", flags->limit,
                   "At most so many, the newest; the manager gives no more at a time")
      ->check(CLI::Range(std::uint32_t{1}, rpc::kDeadlinesMax))
      ->capture_default_str();
  history->add_option("--from", flags->from, "Only those that opened at this epoch or later");
  add({"faults", "Sectors that are faulty on chain, and why each is not declared recovered",
       "damocles-manager util sealer proving --miner f01000 faults"},
      [flags, &globals]() -> absl::StatusOr<int> {
        DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t miner, ParseMiner(flags->miner));
        const auto recoveries = std::make_shared<Recoveries>();
        DAMOCLES_RETURN_IF_ERROR(
            WithManager(globals, [miner, recoveries](rpc::ManagerClient& manager) {
              return ReadRecoveries(manager, miner, recoveries);
            }).status());
        return WithChain(globals, [flags, miner, recoveries](chain::ChainReader& reader) {
          return Faults(reader, miner, recoveries, flags);
        });
      });
  CLI::App* deadline =
      add({"deadline", "One deadline of a miner",
           "damocles-manager util sealer proving --miner f01000 deadline 3 --sector-nums"},
          of_miner(Deadline));
  deadline->add_option("IDX", flags->index, "Deadline index")
      ->required()
      ->check(cli::WholeNumber());
  deadline->add_flag("-n,--sector-nums", flags->details.numbers, "List the sector numbers");
  deadline->add_flag("-b,--bitfield", flags->details.encoded, "Size of the encoded sets");
}

}  // namespace damocles::manager
