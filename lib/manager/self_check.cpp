// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/manager/self_check.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/async/duration.h"
#include "damocles/async/failure.h"
#include "damocles/base/log.h"

namespace damocles::manager {
namespace {

void LogFinding(const rpc::Finding& finding) {
  std::vector<LogField> fields = {{"subject", finding.subject}, {"what", finding.what}};
  if (!finding.detail.empty()) fields.emplace_back("detail", finding.detail);
  fields.emplace_back("costs", finding.costs_window ? "a window" : "nothing yet");
  fields.emplace_back("do", finding.remedy);
  LogFields(finding.costs_window ? Severity::kError : Severity::kWarning, "check", finding.kind,
            fields);
}

}  // namespace

SelfCheck::SelfCheck(Gatherer& gatherer, kj::Timer& timer, CheckLimits limits,
                     CheckIntervals intervals)
    : gatherer_(gatherer), timer_(timer), limits_(limits), intervals_(intervals) {}

SelfCheck::~SelfCheck() noexcept = default;

async::Task<void> SelfCheck::Run() {
  bool first = true;
  absl::Status failed;
  while (true) {
    const Outcome report = co_await Look();
    if (!report.ok() && report.status() != failed) {
      LogError("check", "not_made", {{"error", report.status()}, {"now", "tries again"}});
    }
    failed = report.status();
    const bool good = report.ok() && report->findings.empty();
    const absl::Duration pause = first  ? intervals_.first
                                 : good ? intervals_.usual
                                        : std::min(intervals_.usual, intervals_.with_findings);
    first = false;
    co_await timer_.afterDelay(async::ToKj(pause));
  }
}

async::Task<absl::StatusOr<rpc::CheckReport>> SelfCheck::Look() {
  if (looked_ == nullptr || *looked_) {
    looked_ = std::make_shared<bool>(false);
    kj::Promise<Outcome> look = LookOnce()
                                    .ToPromise()
                                    .catch_([](kj::Exception&& exception) -> Outcome {
                                      return absl::InternalError(absl::StrFormat(
                                          "the self check failed: %s", async::Plainly(exception)));
                                    })
                                    .then([looked = looked_](Outcome&& outcome) {
                                      *looked = true;
                                      return kj::mv(outcome);
                                    });
    looking_ = look.fork();
  }
  kj::Promise<Outcome> branch = looking_.addBranch();
  co_return co_await kj::mv(branch);
}

async::Task<absl::StatusOr<rpc::CheckReport>> SelfCheck::LookAtAll() {
  kj::Promise<void> ready = gatherer_.WorkersHadTime();
  co_await kj::mv(ready);
  co_return co_await Look();
}

async::Task<SelfCheck::Outcome> SelfCheck::LookOnce() {
  const Facts facts = co_await gatherer_.Gather();
  rpc::CheckReport report = Judge(facts, limits_);
  Tell(facts, report);
  co_return report;
}

void SelfCheck::Tell(const Facts& facts, const rpc::CheckReport& report) {
  CheckNews news = NewsOf(standing_, report);
  for (const rpc::Finding& finding : news.appeared) LogFinding(finding);
  for (const rpc::Finding& finding : news.mended) {
    LogInfo("check", "mended",
            {{"kind", finding.kind}, {"subject", finding.subject}, {"was", finding.what}});
  }
  if (!told_ || !news.appeared.empty() || !news.mended.empty()) {
    const auto costly = std::count_if(report.findings.begin(), report.findings.end(),
                                      [](const auto& finding) { return finding.costs_window; });
    LogInfo("check", "looked",
            {{"would_cost_a_window", costly},
             {"warnings", static_cast<std::int64_t>(report.findings.size()) - costly},
             {"in_order", report.in_order.size()},
             {"see", "util check"}});
  }
  told_ = true;
  standing_ = std::move(news.standing);
  for (const NodeFacts& node : facts.nodes) {
    if (!node.network_version.ok() || *node.network_version <= network_told_) continue;
    network_told_ = *node.network_version;
    LogInfo("check", "network_is_newer",
            {{"node", node.name},
             {"network_version", *node.network_version},
             {"known", kNewestKnownNetwork},
             {"effect", "none: proofs are made as before; look for a newer release"}});
  }
}

}  // namespace damocles::manager
