// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"

#include "damocles/config/toml.h"

namespace damocles::config {
namespace {

using Unit = std::pair<std::string_view, absl::Duration>;

// As long as a configuration may ever mean; keeps sums finite.
constexpr absl::Duration kLongest = absl::Hours(24 * 365 * 100);

absl::Status NotADuration(std::string_view text) {
  return absl::InvalidArgumentError(absl::StrFormat("\"%s\" is not a duration", text));
}

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// (number unit)+ with optional blanks; a number may have a fraction if `fractions`.
template <std::size_t N>
absl::StatusOr<absl::Duration> ParseParts(std::string_view text, const Unit (&units)[N],
                                          bool fractions, bool blanks) {
  const auto skip_blanks = [&](std::string_view& rest) {
    while (blanks && !rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  };
  std::string_view rest = text;
  absl::Duration sum;
  bool any = false;
  skip_blanks(rest);
  while (!rest.empty()) {
    std::size_t end = 0;
    while (end < rest.size() && (IsDigit(rest[end]) || (fractions && rest[end] == '.'))) ++end;
    double number = 0;
    if (end == 0 || end > 18 || !absl::SimpleAtod(std::string(rest.substr(0, end)), &number)) {
      return NotADuration(text);
    }
    rest.remove_prefix(end);
    skip_blanks(rest);
    end = 0;
    while (end < rest.size() && !IsDigit(rest[end]) && rest[end] != ' ' && rest[end] != '.') ++end;
    const std::string_view name = rest.substr(0, end);
    const Unit* unit = nullptr;
    for (const Unit& candidate : units) {
      if (candidate.first == name) unit = &candidate;
    }
    if (unit == nullptr) return NotADuration(text);
    // Whole numbers stay exact.
    sum += number == static_cast<double>(static_cast<std::int64_t>(number))
               ? unit->second * static_cast<std::int64_t>(number)
               : unit->second * number;
    if (sum > kLongest) return NotADuration(text);
    rest.remove_prefix(end);
    skip_blanks(rest);
    any = true;
  }
  if (!any) return NotADuration(text);
  return sum;
}

}  // namespace

absl::StatusOr<absl::Duration> ParseGoDuration(std::string_view text) {
  if (text == "0") return absl::ZeroDuration();
  static const Unit kUnits[] = {{"ns", absl::Nanoseconds(1)},  {"us", absl::Microseconds(1)},
                                {"µs", absl::Microseconds(1)}, {"μs", absl::Microseconds(1)},
                                {"ms", absl::Milliseconds(1)}, {"s", absl::Seconds(1)},
                                {"m", absl::Minutes(1)},       {"h", absl::Hours(1)}};
  return ParseParts(text, kUnits, /*fractions=*/true, /*blanks=*/false);
}

absl::StatusOr<absl::Duration> ParseHumanDuration(std::string_view text) {
  static const Unit kUnits[] = {{"nsec", absl::Nanoseconds(1)},  {"ns", absl::Nanoseconds(1)},
                                {"usec", absl::Microseconds(1)}, {"us", absl::Microseconds(1)},
                                {"msec", absl::Milliseconds(1)}, {"ms", absl::Milliseconds(1)},
                                {"seconds", absl::Seconds(1)},   {"second", absl::Seconds(1)},
                                {"secs", absl::Seconds(1)},      {"sec", absl::Seconds(1)},
                                {"s", absl::Seconds(1)},         {"minutes", absl::Minutes(1)},
                                {"minute", absl::Minutes(1)},    {"mins", absl::Minutes(1)},
                                {"min", absl::Minutes(1)},       {"m", absl::Minutes(1)},
                                {"hours", absl::Hours(1)},       {"hour", absl::Hours(1)},
                                {"hrs", absl::Hours(1)},         {"hr", absl::Hours(1)},
                                {"h", absl::Hours(1)},           {"days", absl::Hours(24)},
                                {"day", absl::Hours(24)},        {"d", absl::Hours(24)},
                                {"weeks", absl::Hours(24 * 7)},  {"week", absl::Hours(24 * 7)},
                                {"w", absl::Hours(24 * 7)}};
  return ParseParts(text, kUnits, /*fractions=*/false, /*blanks=*/true);
}

std::string FormatGoDuration(absl::Duration duration) {
  if (duration < absl::ZeroDuration()) return "-" + FormatGoDuration(-duration);
  if (duration < absl::Seconds(1)) return absl::FormatDuration(duration);
  // Go writes every unit below the highest: 1h0m0s.
  const std::int64_t hours = duration / absl::Hours(1);
  const std::int64_t minutes = (duration % absl::Hours(1)) / absl::Minutes(1);
  const std::string seconds = absl::FormatDuration(duration % absl::Minutes(1));
  std::string tail =
      seconds.ends_with("ms") || seconds == "0"
          ? absl::StrFormat("%gs", absl::ToDoubleSeconds(duration % absl::Minutes(1)))
          : seconds;
  if (hours > 0) return absl::StrFormat("%dh%dm%s", hours, minutes, tail);
  if (minutes > 0) return absl::StrFormat("%dm%s", minutes, tail);
  return tail;
}

}  // namespace damocles::config
