// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/worker/clock_news.h"

#include "absl/strings/str_format.h"

#include "damocles/base/log.h"

namespace damocles::worker {

void LogClocks(SkewWatch& watch, absl::Duration ahead, std::string_view side,
               std::string_view name) {
  if (!watch.IsNews(ahead)) return;
  const auto seconds = absl::StrFormat("%.1f", absl::ToDoubleSeconds(ahead));
  if (!watch.Differ()) {
    LogInfo("worker", "clocks_agree_again", {{side, name}, {"ahead_seconds", seconds}});
    return;
  }
  LogWarning("worker", "clock_skew",
             {{side, name},
              {"ahead_seconds", seconds},
              {"effect", "none on proofs: jobs carry the time that is left"},
              {"do", "set both clocks, by NTP: times in logs and listings do not fit together"}});
}

}  // namespace damocles::worker
