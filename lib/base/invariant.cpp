// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/invariant.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

#include "damocles/base/log.h"
#include "damocles/base/mutex.h"

namespace damocles {
namespace {

#ifdef NDEBUG
constexpr bool kStrictFromTheStart = false;
#else
constexpr bool kStrictFromTheStart = true;
#endif

// A state that breaks a rule breaks it at every step: more than this many different complaints are
// forgotten together and may be made again.
constexpr std::size_t kRememberedMax = 1024;
// Of a state in the log: enough for any record with its sectors as runs, and one line stays one.
constexpr std::size_t kStateMax = 4096;

struct InvariantReports {
  std::atomic<bool> strict{kStrictFromTheStart};
  std::atomic<std::uint64_t> violations{0};
  Mutex mutex;
  std::set<std::string> made ABSL_GUARDED_BY(mutex);
};

InvariantReports& TheReports() {
  static auto* reports = new InvariantReports;  // never destroyed, as the log is not
  return *reports;
}

bool IsNew(std::string_view machine, std::string_view subject, std::string_view rule) {
  InvariantReports& reports = TheReports();
  const MutexLock lock(reports.mutex);
  if (reports.made.size() >= kRememberedMax) reports.made.clear();
  return reports.made.insert(absl::StrFormat("%s\n%s\n%s", machine, subject, rule)).second;
}

}  // namespace

void Violations::Add(std::string_view where, const Violations& part) {
  for (const std::string& rule : part.rules_) {
    rules_.push_back(absl::StrFormat("%s: %s", where, rule));
  }
}

bool CheckInvariants(std::string_view machine, std::string_view subject, const Violations& found,
                     absl::FunctionRef<std::string()> state, IfViolated then) {
  if (found.Empty()) return true;
  InvariantReports& reports = TheReports();
  reports.violations.fetch_add(1, std::memory_order_relaxed);
  const bool end = then == IfViolated::kEndProcess;
  std::vector<std::string> fresh;
  for (const std::string& rule : found.Rules()) {
    if (IsNew(machine, subject, rule)) fresh.push_back(rule);
  }
  if (!fresh.empty() || end) {
    std::string text = state();
    if (text.size() > kStateMax) {
      text.resize(kStateMax);
      text += "...";
    }
    LogError("invariant", "invariant_violated",
             {{"machine", machine},
              {"subject", subject},
              {"rule", absl::StrJoin(fresh.empty() ? found.Rules() : fresh, "; ")},
              {"state", text},
              {"then", end ? "the process ends: going on would lose money"
                           : "going on; please report this line"}});
  }
  if (end || InvariantsAreStrict()) {
    std::fprintf(stderr, "invariant of %s %s violated: %s\nstate: %s\n",
                 std::string(machine).c_str(), std::string(subject).c_str(),
                 absl::StrJoin(found.Rules(), "; ").c_str(), state().c_str());
    std::abort();
  }
  return false;
}

void SetInvariantsStrict(bool strict) {
  TheReports().strict = strict;
}

bool InvariantsAreStrict() {
  return TheReports().strict;
}

std::uint64_t InvariantViolations() {
  return TheReports().violations;
}

}  // namespace damocles
