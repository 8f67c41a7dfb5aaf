// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// util sealer proving info | deadlines | deadline IDX: what the chain says, without the manager;
// history: what the manager did; faults: what is faulty on chain, and why the manager leaves it so.

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "apps/manager/commands/common.h"

#include "damocles/filecoin/address.h"
#include "damocles/manager/view.h"
#include "damocles/poster/recovery.h"

namespace damocles::manager {
namespace {

// Numbers listed by --sector-nums at most; a partition has 2349.
constexpr std::uint64_t kNumbersMax = 100'000;

struct Sums {
  std::uint64_t partitions = 0;
  std::uint64_t all = 0;
  std::uint64_t live = 0;
  std::uint64_t faulty = 0;
  std::uint64_t recovering = 0;

  void Add(const std::vector<chain::Partition>& list, bool empty_too) {
    for (const chain::Partition& partition : list) {
      if (empty_too || !partition.live_sectors.Empty()) ++partitions;
      all += partition.all_sectors.Count();
      live += partition.live_sectors.Count();
      faulty += partition.faulty_sectors.Count();
      recovering += partition.recovering_sectors.Count();
    }
  }
};

// What every command asks first.
struct View {
  filecoin::Address miner;
  filecoin::TipSet head;
  filecoin::DeadlineInfo now;
  absl::Duration epoch;
};

async::Task<absl::StatusOr<View>> Look(chain::ChainReader& reader, std::uint64_t miner) {
  View view;
  view.miner = filecoin::Address::FromId(miner);
  DAMOCLES_CO_ASSIGN_OR_RETURN(view.head, co_await reader.ChainHead());
  DAMOCLES_CO_ASSIGN_OR_RETURN(
      const filecoin::DeadlineInfo recorded,
      co_await reader.StateMinerProvingDeadline(view.miner, view.head.Key()));
  // The recorded one may be stale right after null rounds.
  view.now = filecoin::DeadlineAt(recorded.shape, recorded.period_start, recorded.current_epoch);
  DAMOCLES_CO_ASSIGN_OR_RETURN(const chain::NodeVersion version, co_await reader.Version());
  view.epoch = absl::Seconds(static_cast<std::int64_t>(version.block_delay_secs));
  co_return view;
}

std::string When(const View& view, filecoin::ChainEpoch epoch) {
  const std::int64_t ahead = (epoch - view.now.current_epoch).Count();
  if (ahead == 0) return absl::StrFormat("%d (now)", epoch.Value());
  const std::int64_t distance = ahead < 0 ? -ahead : ahead;
  const std::string time = FormatElapsed(view.epoch * distance);
  return ahead > 0 ? absl::StrFormat("%d (in %d epochs, %s)", epoch.Value(), distance, time)
                   : absl::StrFormat("%d (%d epochs, %s ago)", epoch.Value(), distance, time);
}

async::Task<absl::StatusOr<int>> Info(chain::ChainReader& reader, std::uint64_t miner, bool json) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const View view, co_await Look(reader, miner));
  const filecoin::DeadlineInfo& now = view.now;
  Sums total;
  Sums current;
  for (std::uint64_t index = 0; index < now.shape.deadlines; ++index) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(
        const std::vector<chain::Partition> partitions,
        co_await reader.StateMinerPartitions(view.miner, index, view.head.Key()));
    total.Add(partitions, true);
    if (index == now.index) current.Add(partitions, true);
  }
  const std::int64_t boundary = now.period_start.Value() % now.shape.proving_period.Count();
  const double percent =
      total.live == 0 ? 0
                      : 100.0 * static_cast<double>(total.faulty) / static_cast<double>(total.live);
  if (json) {
    cli::PrintJson({{"miner", miner},
                    {"current_epoch", now.current_epoch.Value()},
                    {"proving_period_boundary", boundary},
                    {"proving_period_start", now.period_start.Value()},
                    {"next_period_start", now.NextPeriodStart().Value()},
                    {"sectors", total.live},
                    {"faults", total.faulty},
                    {"faults_percent", percent},
                    {"recovering", total.recovering},
                    {"deadline",
                     {{"index", now.index},
                      {"sectors", current.live},
                      {"open", now.open.Value()},
                      {"close", now.close.Value()},
                      {"challenge", now.challenge.Value()},
                      {"fault_cutoff", now.fault_cutoff.Value()}}}});
    co_return cli::kExitDone;
  }
  PrintTable({{"Miner:", absl::StrFormat("f0%d", miner)},
              {"Current Epoch:", absl::StrFormat("%d", now.current_epoch.Value())},
              {"Proving Period Boundary:", absl::StrFormat("%d", boundary)},
              {"Proving Period Start:", When(view, now.period_start)},
              {"Next Period Start:", When(view, now.NextPeriodStart())},
              {"Faults:", absl::StrFormat("%d (%.2f%%)", total.faulty, percent)},
              {"Recovering:", absl::StrFormat("%d", total.recovering)},
              {"Deadline Index:", absl::StrFormat("%d", now.index)},
              {"Deadline Sectors:", absl::StrFormat("%d", current.live)},
              {"Deadline Open:", When(view, now.open)},
              {"Deadline Close:", When(view, now.close)},
              {"Deadline Challenge:", When(view, now.challenge)},
              {"Deadline FaultCutoff:", When(view, now.fault_cutoff)}});
  co_return cli::kExitDone;
}

async::Task<absl::StatusOr<int>> Deadlines(chain::ChainReader& reader, std::uint64_t miner,
                                           bool all, bool json) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const View view, co_await Look(reader, miner));
  DAMOCLES_CO_ASSIGN_OR_RETURN(const std::vector<chain::DeadlineState> states,
                               co_await reader.StateMinerDeadlines(view.miner, view.head.Key()));
  nlohmann::json out = nlohmann::json::array();
  std::vector<std::vector<std::string>> rows = {
      {"deadline", "open", "partitions", "sectors (faults)", "proven partitions", ""}};
  for (std::uint64_t index = 0; index < states.size(); ++index) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(
        const std::vector<chain::Partition> partitions,
        co_await reader.StateMinerPartitions(view.miner, index, view.head.Key()));
    Sums sums;
    sums.Add(partitions, all);
    const std::uint64_t sectors = all ? sums.all : sums.live;
    const std::uint64_t proven = states[index].post_submissions.Count();
    const bool current = index == view.now.index;
    const auto deadline = filecoin::NextNotElapsed(filecoin::MakeDeadlineInfo(
        view.now.shape, view.now.period_start, index, view.now.current_epoch));
    const absl::Time open =
        absl::FromUnixSeconds(static_cast<std::int64_t>(view.head.Blocks().front().timestamp)) +
        view.epoch * (deadline.open - view.now.current_epoch).Count();
    out.push_back({{"deadline", index},
                   {"open_epoch", deadline.open.Value()},
                   {"close_epoch", deadline.close.Value()},
                   {"open_at", UtcTime(open)},
                   {"partitions", sums.partitions},
                   {"sectors", sectors},
                   {"faults", sums.faulty},
                   {"proven_partitions", proven},
                   {"current", current}});
    rows.push_back(
        {absl::StrFormat("%d", index), absl::FormatTime("%H:%M:%S", open, absl::LocalTimeZone()),
         absl::StrFormat("%d", sums.partitions), absl::StrFormat("%d (%d)", sectors, sums.faulty),
         absl::StrFormat("%d", proven), current ? "(current)" : ""});
  }
  if (json) {
    cli::PrintJson(out);
  } else {
    PrintTable(rows);
  }
  co_return cli::kExitDone;
}

absl::StatusOr<nlohmann::json> SetJson(const filecoin::BitField& set, bool numbers, bool bitfield) {
  nlohmann::json out = {{"count", set.Count()}};
  if (numbers) {
    DAMOCLES_ASSIGN_OR_RETURN(out["numbers"], set.ToVector(kNumbersMax));
  }
  if (bitfield) {
    out["runs"] = set.Ranges().size();
    out["encoded_bytes"] = set.ToRle().size();
  }
  return out;
}

async::Task<absl::StatusOr<int>> Deadline(chain::ChainReader& reader, std::uint64_t miner,
                                          std::uint64_t index, bool numbers, bool bitfield,
                                          bool json) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const View view, co_await Look(reader, miner));
  if (index >= view.now.shape.deadlines) {
    co_return cli::UsageError(absl::StrFormat("deadline %d: a proving period has deadlines 0 to %d",
                                              index, view.now.shape.deadlines - 1));
  }
  DAMOCLES_CO_ASSIGN_OR_RETURN(const std::vector<chain::DeadlineState> states,
                               co_await reader.StateMinerDeadlines(view.miner, view.head.Key()));
  DAMOCLES_CO_ASSIGN_OR_RETURN(
      const std::vector<chain::Partition> partitions,
      co_await reader.StateMinerPartitions(view.miner, index, view.head.Key()));
  const auto deadline = filecoin::NextNotElapsed(filecoin::MakeDeadlineInfo(
      view.now.shape, view.now.period_start, index, view.now.current_epoch));
  const filecoin::BitField proven =
      index < states.size() ? states[index].post_submissions : filecoin::BitField();
  nlohmann::json out = {{"deadline", index},
                        {"open_epoch", deadline.open.Value()},
                        {"close_epoch", deadline.close.Value()},
                        {"proven_partitions", proven.Count()},
                        {"current", index == view.now.index},
                        {"partitions", nlohmann::json::array()}};
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    const chain::Partition& partition = partitions[i];
    nlohmann::json row = {{"partition", i}, {"proven", proven.Contains(i)}};
    const std::pair<const char*, const filecoin::BitField*> sets[] = {
        {"all", &partition.all_sectors},
        {"live", &partition.live_sectors},
        {"active", &partition.active_sectors},
        {"faulty", &partition.faulty_sectors},
        {"recovering", &partition.recovering_sectors}};
    for (const auto& [name, set] : sets) {
      DAMOCLES_CO_ASSIGN_OR_RETURN(row[name], SetJson(*set, numbers, bitfield));
    }
    out["partitions"].push_back(std::move(row));
  }
  if (json) {
    cli::PrintJson(out);
    co_return cli::kExitDone;
  }
  PrintTable({{"Deadline Index:", absl::StrFormat("%d", index)},
              {"Deadline Open:", When(view, deadline.open)},
              {"Partitions:", absl::StrFormat("%d", partitions.size())},
              {"Proven Partitions:", absl::StrFormat("%d", proven.Count())},
              {"Current:", index == view.now.index ? "yes" : "no"}});
  for (const auto& row : out["partitions"]) {
    cli::PrintLine(absl::StrFormat("Partition %d:", row["partition"].get<std::uint64_t>()));
    for (const char* name : {"all", "live", "active", "faulty", "recovering"}) {
      const auto& set = row[name];
      std::string line = absl::StrFormat("  %-10s %6d", name, set["count"].get<std::uint64_t>());
      if (bitfield) {
        line += absl::StrFormat("  %d runs, %d bytes", set["runs"].get<std::uint64_t>(),
                                set["encoded_bytes"].get<std::uint64_t>());
      }
      if (numbers) {
        line += "  " + absl::StrJoin(set["numbers"].get<std::vector<std::uint64_t>>(), " ");
      }
      cli::PrintLine(line);
    }
  }
  co_return cli::kExitDone;
}

// By deadline.
using Recoveries = std::map<std::uint64_t, rpc::RecoverySummary>;

// When the poster begins to look whether sectors of the deadline can be declared recovered.
filecoin::ChainEpoch LookedAtFrom(const View& view, std::uint64_t index) {
  const filecoin::DeadlineInfo target = poster::RecoveryTarget(view.now);
  const filecoin::EpochDelta ahead = target.open - view.now.open;
  const filecoin::DeadlineInfo next = filecoin::NextNotElapsed(filecoin::MakeDeadlineInfo(
      view.now.shape, view.now.period_start, index, view.now.current_epoch));
  filecoin::ChainEpoch from = next.open - ahead;
  // Its look may be over already: then the one before the window after it.
  if (from + view.now.shape.challenge_window <= view.now.open) {
    from = from + view.now.shape.proving_period;
  }
  return from;
}

async::Task<absl::StatusOr<int>> Faults(chain::ChainReader& reader, std::uint64_t miner,
                                        std::shared_ptr<const Recoveries> recoveries, bool json) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const View view, co_await Look(reader, miner));
  nlohmann::json out = nlohmann::json::array();
  std::vector<std::vector<std::string>> rows = {
      {"Deadline", "Partition", "Sector", "Declared", "Why", "Message"}};
  for (std::uint64_t index = 0; index < view.now.shape.deadlines; ++index) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(
        const std::vector<chain::Partition> partitions,
        co_await reader.StateMinerPartitions(view.miner, index, view.head.Key()));
    const auto latest = recoveries->find(index);
    std::map<std::uint64_t, const rpc::FaultySector*> known;
    if (latest != recoveries->end()) {
      for (const rpc::FaultySector& sector : latest->second.sectors) known[sector.number] = &sector;
    }
    for (std::size_t i = 0; i < partitions.size(); ++i) {
      DAMOCLES_CO_ASSIGN_OR_RETURN(const std::vector<std::uint64_t> faulty,
                                   partitions[i].faulty_sectors.ToVector(kNumbersMax));
      for (const std::uint64_t number : faulty) {
        const bool declared = partitions[i].recovering_sectors.Contains(number);
        const filecoin::ChainEpoch from = LookedAtFrom(view, index);
        const auto found = known.find(number);
        std::string why;
        std::string message;
        if (declared) {
          why = "declared recovered: to be proven in its next window";
        } else if (found != known.end()) {
          why = found->second->why;
          message = found->second->message_cid;
        } else if (latest != recoveries->end() && latest->second.state == "TooLate") {
          why = absl::StrFormat("the cut-off passed: %s", latest->second.note);
        } else {
          why = "not looked at yet";
        }
        out.push_back(
            {{"deadline", index},
             {"partition", i},
             {"sector", number},
             {"declared", declared},
             {"why", why},
             {"message", message},
             {"looked_at_from", declared ? nlohmann::json() : nlohmann::json(from.Value())}});
        if (!declared) why += absl::StrFormat("; looked at from epoch %s on", When(view, from));
        rows.push_back({absl::StrFormat("%d", index), absl::StrFormat("%d", i),
                        absl::StrFormat("%d", number), declared ? "yes" : "no", why,
                        message.empty() ? "-" : message});
      }
    }
  }
  if (json) {
    cli::PrintJson(out);
  } else if (rows.size() == 1) {
    cli::PrintLine(absl::StrFormat("f0%d has no faulty sector", miner));
  } else {
    PrintTable(rows);
  }
  co_return cli::kExitDone;
}

async::Task<absl::StatusOr<int>> ReadRecoveries(rpc::ManagerClient& manager, std::uint64_t miner,
                                                std::shared_ptr<Recoveries> recoveries) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(std::vector<rpc::RecoverySummary> read,
                               co_await manager.Recoveries(miner));
  for (rpc::RecoverySummary& one : read) {
    const std::uint64_t index = one.deadline_index;
    recoveries->emplace(index, std::move(one));
  }
  co_return cli::kExitDone;
}

async::Task<absl::StatusOr<int>> History(rpc::ManagerClient& manager, rpc::DeadlineQuery query,
                                         bool json) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const std::vector<rpc::DeadlineSummary> records,
                               co_await manager.Deadlines(query));
  if (json) {
    cli::PrintLine(DeadlinesJson(records));
    co_return cli::kExitDone;
  }
  std::vector<std::vector<std::string>> rows = {{"MinerID", "DDL", "Open", "Close", "State",
                                                 "Batches", "Proofs", "Skipped", "Proven",
                                                 "Confirmed", "Reason"}};
  const auto epoch = [](std::int64_t value) {
    return value < 0 ? std::string("-") : absl::StrFormat("%d", value);
  };
  for (const auto& record : records) {
    std::size_t proofs = 0;
    for (const auto& batch : record.batches) proofs += batch.proofs;
    rows.push_back({absl::StrFormat("f0%d", record.miner),
                    absl::StrFormat("%d", record.deadline_index), epoch(record.open_epoch),
                    epoch(record.close_epoch), record.state,
                    absl::StrFormat("%d", record.batches.size()), absl::StrFormat("%d", proofs),
                    absl::StrFormat("%d", record.skipped_sectors), epoch(record.proven_epoch),
                    epoch(record.confirmed_epoch), record.reason.empty() ? "-" : record.reason});
  }
  PrintTable(rows);
  co_return cli::kExitDone;
}

}  // namespace

void AddProvingCommands(cli::Program& program, CLI::App& util_sealer, Globals& globals) {
  struct Flags {
    std::string miner;
    bool json = false;
    bool all = false;
    bool numbers = false;
    bool bitfield = false;
    std::uint64_t index = 0;
    std::uint32_t limit = rpc::kDeadlinesDefault;
    std::int64_t from = 0;
  };
  const auto flags = std::make_shared<Flags>();
  CLI::App* proving = util_sealer.add_subcommand("proving", "What is to be proven, and when");
  proving->require_subcommand(1);
  // Stands before or after the sub-command, as operators are used to.
  proving->add_option("--miner", flags->miner, "f01000, t01000 or 1000");
  proving->fallthrough();

  const auto add =
      [&program, &globals, flags, proving](
          const char* name, const char* what, const char* example,
          std::function<async::Task<absl::StatusOr<int>>(chain::ChainReader&, std::uint64_t)> run) {
        CLI::App* command = proving->add_subcommand(name, what);
        command->fallthrough();
        command->add_flag("--json", flags->json, "As JSON");
        program.SetAction(
            *command,
            [flags, &globals, run]() -> absl::StatusOr<int> {
              DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t miner, ParseMiner(flags->miner));
              return WithChain(
                  globals, [run, miner](chain::ChainReader& reader) { return run(reader, miner); });
            },
            example);
        return command;
      };
  add("info", "The proving period of a miner",
      "damocles-manager util sealer proving --miner f01000 info",
      [flags](chain::ChainReader& reader, std::uint64_t miner) {
        return Info(reader, miner, flags->json);
      });
  add("deadlines", "All deadlines of a miner",
      "damocles-manager util sealer proving --miner f01000 deadlines --all",
      [flags](chain::ChainReader& reader, std::uint64_t miner) {
        return Deadlines(reader, miner, flags->all, flags->json);
      })
      ->add_flag("-a,--all", flags->all, "Count terminated sectors and empty partitions too");
  CLI::App* history = proving->add_subcommand(
      "history", "What became of each deadline, by the manager's records, newest first");
  history->fallthrough();
  history->add_flag("--json", flags->json, "As JSON");
  history
      ->add_option("--limit", flags->limit,
                   "At most so many, the newest; the manager gives no more at a time")
      ->check(CLI::Range(std::uint32_t{1}, rpc::kDeadlinesMax))
      ->capture_default_str();
  history->add_option("--from", flags->from, "Only those that opened at this epoch or later");
  program.SetAction(
      *history,
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
      },
      "damocles-manager util sealer proving history --json");
  CLI::App* faults = proving->add_subcommand(
      "faults", "Sectors that are faulty on chain, and why each is not declared recovered");
  faults->fallthrough();
  faults->add_flag("--json", flags->json, "As JSON");
  program.SetAction(
      *faults,
      [flags, &globals]() -> absl::StatusOr<int> {
        DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t miner, ParseMiner(flags->miner));
        const auto recoveries = std::make_shared<Recoveries>();
        DAMOCLES_RETURN_IF_ERROR(
            WithManager(globals, [miner, recoveries](rpc::ManagerClient& manager) {
              return ReadRecoveries(manager, miner, recoveries);
            }).status());
        return WithChain(globals, [flags, miner, recoveries](chain::ChainReader& reader) {
          return Faults(reader, miner, recoveries, flags->json);
        });
      },
      "damocles-manager util sealer proving --miner f01000 faults");
  CLI::App* deadline = add(
      "deadline", "One deadline of a miner",
      "damocles-manager util sealer proving --miner f01000 deadline 3 --sector-nums",
      [flags](chain::ChainReader& reader, std::uint64_t miner) {
        return Deadline(reader, miner, flags->index, flags->numbers, flags->bitfield, flags->json);
      });
  deadline->add_option("IDX", flags->index, "Deadline index")
      ->required()
      ->check(cli::WholeNumber());
  deadline->add_flag("-n,--sector-nums", flags->numbers, "List the sector numbers");
  deadline->add_flag("-b,--bitfield", flags->bitfield, "Size of the encoded sets");
}

}  // namespace damocles::manager
