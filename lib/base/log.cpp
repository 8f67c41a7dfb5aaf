// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/log.h"

#include <atomic>
#include <memory>

#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

#include "damocles/base/mutex.h"

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

bool NeedsQuotes(std::string_view value) {
  if (value.empty()) return true;
  for (const char c : value) {
    if (c == ' ' || c == '"' || c == '=' || static_cast<unsigned char>(c) < 0x20) return true;
  }
  return false;
}

void AppendValue(std::string& line, std::string_view value) {
  if (!NeedsQuotes(value)) {
    line.append(value);
    return;
  }
  line.push_back('"');
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      line.push_back('\\');
      line.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      line.push_back(' ');  // one event stays one line
    } else {
      line.push_back(c);
    }
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
