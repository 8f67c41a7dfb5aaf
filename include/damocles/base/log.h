// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// One line an event: severity, module, event name, key=value pairs.
//
//   LogWarning("poster", "proof_late", {{"deadline", "12"}, {"slack_s", "14"}});
//   → 2026-01-02 03:04:05.678 W poster proof_late deadline=12 slack_s=14
//
// A value may come from anywhere: what a terminal would obey is escaped (base/text.h), line breaks
// become blanks, and of a very long one the beginning is written.

#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace damocles {

enum class Severity { kDebug, kInfo, kWarning, kError };

struct LogField {
  template <typename Integer, typename = std::enable_if_t<std::is_integral_v<Integer>>>
  LogField(std::string_view k, Integer v) : key(k), value(std::to_string(v)) {}
  LogField(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const absl::Status& v) : key(k), value(v.ToString()) {}
  std::string_view key;
  std::string value;
};

// Safe to call from several threads.
void Log(Severity severity, std::string_view module, std::string_view event,
         std::initializer_list<LogField> fields = {});

// The same with fields that were gathered at run time.
void LogFields(Severity severity, std::string_view module, std::string_view event,
               const std::vector<LogField>& fields);

inline void LogDebug(std::string_view module, std::string_view event,
                     std::initializer_list<LogField> fields = {}) {
  Log(Severity::kDebug, module, event, fields);
}
inline void LogInfo(std::string_view module, std::string_view event,
                    std::initializer_list<LogField> fields = {}) {
  Log(Severity::kInfo, module, event, fields);
}
inline void LogWarning(std::string_view module, std::string_view event,
                       std::initializer_list<LogField> fields = {}) {
  Log(Severity::kWarning, module, event, fields);
}
inline void LogError(std::string_view module, std::string_view event,
                     std::initializer_list<LogField> fields = {}) {
  Log(Severity::kError, module, event, fields);
}

// Least severity that is written; kInfo at the start.
void SetLogThreshold(Severity severity);

// Where lines go: by default to stderr through spdlog.  `sink` gets the line without time and
// newline; an empty function brings the default back.
using LogSink = std::function<void(Severity, std::string_view line)>;
void SetLogSink(LogSink sink);

}  // namespace damocles
