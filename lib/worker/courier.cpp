// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/worker/courier.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/async/duration.h"
#include "damocles/base/log.h"

namespace damocles::worker {
namespace {

constexpr absl::Duration kReportRetry = absl::Seconds(1);
// A proof that no manager takes is kept for so long after its close: as long as a manager knows of
// the job.  What its clock or ours says of the close is no reason to forget a proof.
constexpr absl::Duration kKeptAfterClose = absl::Hours(25);

}  // namespace

kj::Promise<void> Courier::Pause() {
  return timer_.afterDelay(async::ToKj(kReportRetry));
}

void Courier::List(ManagerLink& link) {
  const auto listing = results_.List(link.manager->Name());
  if (!listing.ok()) return;  // DeliverStored says so, again and again
  for (const StoredResult& result : listing->results) link.stored.push_back(result.attempt);
  link.listed = listing->unread == 0;
}

async::Task<absl::Status> Courier::Deliver(ManagerLink& link, StoredResult result) {
  const std::shared_ptr<Session> session = link.session;
  if (session == nullptr) co_return absl::UnavailableError("not connected");
  auto receipt = co_await session->Finish(result.attempt, result.proof);
  if (!receipt.ok()) {
    if (!IsRefusal(receipt.status())) co_return receipt.status();
    receipt = Receipt{.refusal = receipt.status().ToString()};
  }
  if (!receipt->refusal.empty()) {
    LogError(
        "worker", "proof_refused",
        {{"job", result.attempt.job.ToString()},
         {"manager", result.manager},
         {"reason", receipt->refusal},
         {"do",
          "run the same release of damocles on manager and worker; check this machine's memory and "
          "parameters (damocles-prover params check)"}});
  } else {
    LogInfo("worker", receipt->accepted ? "proof_delivered" : "proof_not_needed",
            {{"job", result.attempt.job.ToString()}, {"manager", result.manager}});
  }
  co_return results_.Remove(result.manager, result.attempt);
}

async::Task<void> Courier::DeliverStored(ManagerLink& link) {
  const auto listing = results_.List(link.manager->Name());
  if (!listing.ok()) {
    LogError("worker", "stored_results_unreadable", {{"error", listing.status()}});
    co_return;
  }
  std::vector<AttemptId> there;
  for (const StoredResult& result : listing->results) there.push_back(result.attempt);
  // One that could not be read just now is still there, and its attempt is still ours.
  link.listed = listing->unread == 0;
  for (const AttemptId& known : link.stored) {
    if (!link.listed && std::ranges::find(there, known) == there.end()) there.push_back(known);
  }
  link.stored = std::move(there);
  for (const StoredResult& result : listing->results) {
    const bool in_hand = std::ranges::any_of(
        link.works, [&](const auto& work) { return work->info.attempt == result.attempt; });
    if (in_hand) continue;  // its job delivers it
    // Whatever the clock says: whether it is too late is for the manager to tell.
    absl::Status status = co_await Deliver(link, result);
    const std::string job = result.attempt.job.ToString();
    if (!status.ok() && clock_.Now() - result.close_time > kKeptAfterClose) {
      LogError("worker", "stored_result_dropped",
               {{"job", job},
                {"manager", result.manager},
                {"error", status},
                {"reason", "its deadline closed more than a day ago"}});
      status = results_.Remove(result.manager, result.attempt);
    }
    if (status.ok()) {
      std::erase(link.stored, result.attempt);
    } else if (link.told.insert(job + status.ToString()).second) {
      LogWarning("worker", "stored_result_kept",
                 {{"job", job},
                  {"manager", result.manager},
                  {"error", status},
                  {"now", "delivered again with every heartbeat"}});
    }
  }
}

async::Task<void> Courier::Hand(ManagerLink& link, std::shared_ptr<Work> work,
                                StoredResult result) {
  const absl::Status saved = results_.Save(result);
  // A disk that refuses must not cost the proof: deliver it all the same.
  if (!saved.ok()) {
    LogError("worker", "result_not_on_disk",
             {{"job", result.attempt.job.ToString()}, {"error", saved}});
  }
  while (true) {
    const absl::Status delivered = co_await Deliver(link, result);
    if (delivered.ok()) co_return;
    LogWarning("worker", "proof_not_delivered",
               {{"job", result.attempt.job.ToString()}, {"error", delivered}});
    if (saved.ok()) {
      link.stored.push_back(result.attempt);
      co_return;
    }
    // In memory only: it holds the slot, so there is an end.
    const bool closed = clock_.Now() >= result.close_time;
    if (closed || work->stop.stop_requested()) {
      LogError("worker", "proof_dropped",
               {{"job", result.attempt.job.ToString()},
                {"error", delivered},
                {"reason", closed ? "its deadline closed" : "the manager said stop"}});
      co_return;
    }
    co_await Pause();
  }
}

async::Task<void> Courier::Report(ManagerLink& link, std::shared_ptr<Work> work, absl::Time until,
                                  Finding finding) {
  const AttemptId attempt = work->info.attempt;
  LogWarning(
      "worker", finding.failure ? "job_failed" : "job_faulty",
      {{"job", attempt.job.ToString()},
       {"reason", finding.failure ? finding.reason
                                  : absl::StrFormat("%d faulty sectors", finding.faults.size())}});
  while (!work->stop.stop_requested()) {
    absl::Status told = absl::UnavailableError("not connected");
    if (const std::shared_ptr<Session> session = link.session; session != nullptr) {
      if (finding.failure) {
        told = co_await session->Fail(attempt, *finding.failure, finding.reason);
      } else {
        told = co_await session->ReportFaults(attempt, finding.faults);
      }
    }
    if (told.ok()) co_return;
    if (IsRefusal(told)) {
      LogError(
          "worker", "report_refused",
          {{"job", attempt.job.ToString()}, {"manager", link.manager->Name()}, {"reason", told}});
      co_return;
    }
    if (clock_.Now() >= until) {
      LogWarning("worker", "report_dropped",
                 {{"job", attempt.job.ToString()},
                  {"error", told},
                  {"reason", "the deadline of the job closed"}});
      co_return;
    }
    co_await Pause();
  }
}

}  // namespace damocles::worker
