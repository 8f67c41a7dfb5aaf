// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// util worker wdpost list | reset | remove | remove-all

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "apps/manager/commands/common.h"

#include "damocles/manager/view.h"

namespace damocles::manager {
namespace {

std::string TryText(const rpc::JobInfo& job) {
  return absl::StrFormat("%d%s", job.tries,
                         job.tries_max > 0 && job.tries >= job.tries_max ? "(Max)" : "");
}

std::string ElapsedText(const rpc::JobInfo& job, absl::Time now) {
  if (job.started_at == absl::InfinitePast()) return "-";
  const bool done = job.finished_at != absl::InfinitePast();
  return FormatElapsed((done ? job.finished_at : now) - job.started_at) + (done ? "(done)" : "");
}

std::string HeartbeatText(const rpc::JobInfo& job, absl::Time now) {
  if (job.state != job::JobState::kRunning || job.heartbeat_at == absl::InfinitePast()) return "-";
  return FormatElapsed(now - job.heartbeat_at);
}

std::string LeftText(const rpc::JobInfo& job, absl::Time now) {
  if (job.close_time == absl::InfiniteFuture() || job.close_time <= now) return "-";
  return FormatElapsed(job.close_time - now);
}

// How long ago.
std::string AgeText(absl::Time time, absl::Time now) {
  return time == absl::InfinitePast() ? "-"
                                      : FormatElapsed(std::max(now - time, absl::ZeroDuration()));
}

std::string TimeText(absl::Time time, absl::Time now) {
  if (time == absl::InfinitePast()) return "-";
  return absl::StrFormat("%s (%s ago)", LocalTime(time), AgeText(time, now));
}

std::vector<Column<rpc::JobInfo>> Columns(bool detail, absl::Time now) {
  using Row = const rpc::JobInfo&;
  std::vector<Column<rpc::JobInfo>> columns = {
      {"JobID", [](Row job) { return job.id; }},
      {"MinerID", [](Row job) { return absl::StrCat("f0", job.miner); }},
      {"DDL", [](Row job) { return absl::StrCat(job.deadline_index); }},
      {"Partitions",
       [](Row job) {
         return OrDash(absl::StrJoin(job.chain_partitions, ",", absl::StreamFormatter()));
       }},
      {"Sectors", [](Row job) { return absl::StrCat(job.sectors); }},
      {"Worker", [](Row job) { return OrDash(absl::StrJoin(job.workers, ",")); }},
      {"State", StateText},
      {"Try", TryText}};
  const auto add = [&columns](std::vector<Column<rpc::JobInfo>> more) {
    columns.insert(columns.end(), more.begin(), more.end());
  };
  if (detail) {
    add({{"CreateAt", [now](Row job) { return TimeText(job.created_at, now); }},
         {"StartedAt", [now](Row job) { return TimeText(job.started_at, now); }},
         {"HeartbeatAt", [now](Row job) { return TimeText(job.heartbeat_at, now); }},
         {"FinishedAt", [now](Row job) { return TimeText(job.finished_at, now); }},
         {"Open", [](Row job) { return absl::StrCat(job.open_epoch); }},
         {"Close", [](Row job) { return absl::StrCat(job.close_epoch); }}});
  } else {
    add({{"Age", [now](Row job) { return AgeText(job.created_at, now); }},
         {"Elapsed", [now](Row job) { return ElapsedText(job, now); }},
         {"Heartbeat", [now](Row job) { return HeartbeatText(job, now); }}});
  }
  add({{"Left", [now](Row job) { return LeftText(job, now); }},
       {"Error", [](Row job) { return OrDash(job.error); }}});
  return columns;
}

ExitCode ListJobs(rpc::ManagerClient& manager, bool all, bool detail, bool json) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const std::vector<rpc::JobInfo> jobs, co_await manager.Jobs(all));
  const absl::Time now = absl::Now();
  if (json) {
    cli::PrintLine(JobsJson(jobs, now));
    co_return cli::kExitDone;
  }
  PrintTable(jobs, Columns(detail, now));
  co_return cli::kExitDone;
}

// Tells of every id; fails if one did.  `gone_is_done`: a job that is not there needs nothing more.
int Report(const std::vector<std::string>& ids, const std::vector<absl::Status>& results,
           std::string_view done, bool gone_is_done) {
  int code = cli::kExitDone;
  for (std::size_t i = 0; i < ids.size() && i < results.size(); ++i) {
    if (results[i].ok()) {
      cli::PrintLine(absl::StrFormat("wdpost job %s %s", ids[i], done));
    } else if (gone_is_done && absl::IsNotFound(results[i])) {
      cli::PrintNote(absl::StrFormat("wdpost job %s is not there: nothing to do", ids[i]));
    } else {
      // Most texts name the job themselves.
      const std::string text(results[i].message());
      const std::string name = "job " + ids[i];
      cli::PrintNote(text.starts_with(name) ? "wdpost " + text
                                            : absl::StrFormat("wdpost %s: %s", name, text));
      code = cli::kExitFailed;
    }
  }
  return code;
}

ExitCode Reset(rpc::ManagerClient& manager, std::vector<std::string> ids) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const auto results, co_await manager.ResetJobs(ids));
  const int code = Report(ids, results, "reset", false);
  // A proof that comes too late is worth nothing, so no worker gets such a job.
  const absl::StatusOr<std::vector<rpc::JobInfo>> jobs = co_await manager.Jobs(true);
  if (!jobs.ok()) co_return code;  // the resets are done all the same
  for (std::size_t i = 0; i < ids.size() && i < results.size(); ++i) {
    const auto job =
        std::ranges::find_if(*jobs, [&](const rpc::JobInfo& one) { return one.id == ids[i]; });
    if (!results[i].ok() || job == jobs->end() || job->close_time > absl::Now()) continue;
    cli::PrintNote(absl::StrFormat(
        "wdpost job %s: its window has closed, so nothing will be proven or sent for it", ids[i]));
  }
  co_return code;
}

ExitCode Remove(rpc::ManagerClient& manager, std::vector<std::string> ids) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const auto results, co_await manager.RemoveJobs(ids));
  co_return Report(ids, results, "removed", true);
}

ExitCode RemoveAll(rpc::ManagerClient& manager) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const std::uint64_t removed, co_await manager.RemoveAllJobs());
  cli::PrintLine(absl::StrFormat("%d wdpost jobs removed", removed));
  co_return cli::kExitDone;
}

}  // namespace

void AddWdPostCommands(cli::Program& program, CLI::App& util_worker, Globals& globals) {
  struct Flags {
    bool all = false;
    bool detail = false;
    bool json = false;
    bool really = false;
    std::vector<std::string> ids;
  };
  const auto flags = std::make_shared<Flags>();
  CLI::App* wdpost = util_worker.add_subcommand("wdpost", "The WindowPoSt jobs of the manager");
  wdpost->require_subcommand(1);

  CLI::App* list = AddCommand(program, *wdpost,
                              {"list", "Lists jobs: those not yet proven",
                               "damocles-manager util worker wdpost list --all"},
                              globals, [flags](rpc::ManagerClient& manager) {
                                return ListJobs(manager, flags->all, flags->detail, flags->json);
                              });
  list->add_flag("--all", flags->all, "Proven ones too");
  list->add_flag("--detail", flags->detail, "All times");
  list->add_flag("--json", flags->json, "As JSON");

  AddCommand(program, *wdpost,
             {"reset", "Starts jobs anew, with Try 0; what a worker then computes is submitted",
              "damocles-manager util worker wdpost reset 5vz5mRAPBGq"},
             globals, [flags](rpc::ManagerClient& manager) { return Reset(manager, flags->ids); })
      ->add_option("ID", flags->ids, "Job ids")
      ->required();

  AddCommand(program, *wdpost,
             {"remove", "Deletes jobs; the poster makes them again while their deadline lasts",
              "damocles-manager util worker wdpost remove 5vz5mRAPBGq"},
             globals, [flags](rpc::ManagerClient& manager) { return Remove(manager, flags->ids); })
      ->add_option("ID", flags->ids, "Job ids")
      ->required();

  AddCommand(
      program, *wdpost,
      {"remove-all", "Deletes all jobs",
       "damocles-manager util worker wdpost remove-all --really-do-it"},
      [flags, &globals]() -> absl::StatusOr<int> {
        if (flags->really) return WithManager(globals, RemoveAll);
        cli::PrintLine(
            "This deletes every WindowPoSt job of the manager, finished proofs too. The poster "
            "makes those of open deadlines again. Pass --really-do-it to do it.");
        return cli::kExitDone;
      })
      ->add_flag("--really-do-it", flags->really, "Without it nothing happens");
}

}  // namespace damocles::manager
