// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/log.h"

#include <atomic>
#include <memory>

#include "absl/strings/str_format.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

#include "damocles/base/mutex.h"
#include "damocles/base/text.h"

namespace damocles {
namespace {

struct Output {
  Mutex mutex;
  LogSink sink ABSL_GUARDED_BY(mutex);
  std::atomic<Severity> threshold{Severity::kInfo};
  std::shared_ptr<spdlog::logger> logger = [] {
    auto made = std::make_shared<spdlog::logger>("damocles",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%d %H:%M:%S.%e %v");
    made->set_level(spdlog::level::trace);
    return made;
  }();
};

Output& TheOutput() {
  static auto* output = new Output;  // never destroyed: threads may log while the process ends
  return *output;
}

// Of one value; the longest of ours is the configuration, told once at the start.
constexpr std::size_t kValueBytesMax = 16384;

bool NeedsQuotes(std::string_view value) {
  return value.empty() || value.find_first_of(" \"=") != std::string_view::npos ||
         HasControlCharacter(value);
}

// What came from elsewhere neither ends the line nor reaches the reader's terminal as a command.
void AppendValue(std::string& line, std::string_view value) {
  if (!NeedsQuotes(value) && value.size() <= kValueBytesMax) {
    line.append(value);
    return;
  }
  std::string quoted;
  for (const char c : value.substr(0, kValueBytesMax)) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    // Texts of libraries have several lines; one event stays one.
    quoted.push_back(c == '\n' || c == '\r' || c == '\t' ? ' ' : c);
  }
  line.push_back('"');
  line.append(Printable(quoted));
  if (value.size() > kValueBytesMax) {
    line.append(absl::StrFormat("... (%d bytes more)", value.size() - kValueBytesMax));
  }
  line.push_back('"');
}

void WriteLine(Severity severity, std::string_view module, std::string_view event,
               const LogField* fields, std::size_t count) {
  Output& output = TheOutput();
  if (severity < output.threshold.load(std::memory_order_relaxed)) return;
  static constexpr char kLetters[] = "DIWE";
  std::string line(1, kLetters[static_cast<int>(severity)]);
  line.push_back(' ');
  line.append(module);
  line.push_back(' ');
  line.append(event);
  for (const LogField* field = fields; field != fields + count; ++field) {
    line.push_back(' ');
    line.append(field->key);
    line.push_back('=');
    AppendValue(line, field->value);
  }
  const MutexLock lock(output.mutex);
  if (output.sink) {
    output.sink(severity, line);
    return;
  }
  output.logger->info(line);
  output.logger->flush();
}

}  // namespace

void Log(Severity severity, std::string_view module, std::string_view event,
         std::initializer_list<LogField> fields) {
  WriteLine(severity, module, event, fields.begin(), fields.size());
}

void LogFields(Severity severity, std::string_view module, std::string_view event,
               const std::vector<LogField>& fields) {
  WriteLine(severity, module, event, fields.data(), fields.size());
}

void SetLogThreshold(Severity severity) {
  TheOutput().threshold = severity;
}

void SetLogSink(LogSink sink) {
  Output& output = TheOutput();
  const MutexLock lock(output.mutex);
  output.sink = std::move(sink);
}

}  // namespace damocles
