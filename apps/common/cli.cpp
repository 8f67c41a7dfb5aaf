// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "apps/common/cli.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <iostream>
#include <limits>
#include <memory>
#include <sstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/file.h"
#include "damocles/base/json_depth.h"
#include "damocles/base/status.h"
#include "damocles/base/text.h"

namespace damocles::cli {
namespace {

constexpr char kUsagePayload[] = "damocles/usage";

absl::StatusOr<std::uint64_t> ParseU64(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return UsageError(absl::StrFormat("\"%s\" is not a number", std::string(text)));
  }
  return value;
}

// CLI11 reports several lines for some errors; ours are one.
std::string OneLine(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// Whoever read standard output has gone: `... | head`.
bool ReaderHasGone() {
  pollfd output{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
  return poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
}

// `code`, unless something that was printed is lost: a script must not take a part for the whole.
int ExitCode(const std::string& name, int code) {
  std::cout.flush();
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout) return code;
  if (ReaderHasGone()) {
    // As other tools end there.  The event loop had the signal ignored.
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
  }
  std::fprintf(stderr, "%s: standard output could not be written to its end\n", name.c_str());
  return code == kExitDone ? kExitFailed : code;
}

// The command that was meant, as far as it was understood: "damocles-manager util worker".
std::string ChosenCommand(const CLI::App& app) {
  std::string words = app.get_name();
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    words += " " + at->get_name();
  }
  return words;
}

// Whether a command of `app` has the flag `name` ("--warmup"): an option without a value.
bool HasFlag(const CLI::App& app, const std::string& name) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_items_expected_max() == 0 && option->check_name(name)) return true;
  }
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (HasFlag(*sub, name)) return true;
  }
  return false;
}

// The words of the command line.  "--flag false" becomes "--flag=false": CLI11 knows that form
// only.
std::vector<std::string> Words(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> words;
  bool options_end = false;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    options_end = options_end || word == "--";
    const bool is_value = word == "true" || word == "false";
    if (is_value && !options_end && !words.empty() && words.back().starts_with("--") &&
        HasFlag(app, words.back())) {
      words.back() += "=" + word;
    } else {
      words.push_back(word);
    }
  }
  return words;
}

// The option of the chosen command, or of those above it, that an error of CLI11 names first:
// "--size: ...", "--size is required", "Could not convert: --limit = x".
CLI::Option* OptionOf(CLI::App& app, const std::string& error) {
  std::istringstream in(error);
  for (std::string word; in >> word;) {
    if (word.ends_with(':')) word.pop_back();
    CLI::Option* found = nullptr;
    for (CLI::App* at = &app; at != nullptr;) {
      if (CLI::Option* option = at->get_option_no_throw(word); option != nullptr) found = option;
      const std::vector<CLI::App*> chosen = at->get_subcommands();
      at = chosen.empty() ? nullptr : chosen.front();
    }
    if (found != nullptr) return found;
  }
  return nullptr;
}

// Takes `option` and its value out of `words`; false if it is not there by a name of its own.
bool TakeAway(const CLI::Option& option, std::vector<std::string>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::size_t equals = words[i].find('=');
    if (!words[i].starts_with("-") || !option.check_name(words[i].substr(0, equals))) continue;
    const bool has_value =
        equals == std::string::npos && option.get_items_expected_max() > 0 && i + 1 < words.size();
    const auto first = words.begin() + static_cast<std::ptrdiff_t>(i);
    words.erase(first, first + (has_value ? 2 : 1));
    return true;
  }
  return false;
}

// Reads the command line.  CLI11 stops at the first mistake; here what is wrong is put aside and
// the rest is read again, so that all are told at once.
class CommandLine {
 public:
  CommandLine(CLI::App& app, std::vector<std::string> words)
      : app_(app), words_(std::move(words)) {}

  // A text for each mistake.  Throws CLI::Success for --help and --version.
  std::vector<std::string> Read() {
    constexpr int kMistakesMax = 20;
    while (static_cast<int>(mistakes_.size()) < kMistakesMax && ReadOnce()) {
    }
    return std::move(mistakes_);
  }

 private:
  // Whether to read once more.
  bool ReadOnce() {
    try {
      app_.parse(std::vector<std::string>(words_.rbegin(), words_.rend()));  // last first
    } catch (const CLI::Success&) {
      if (mistakes_.empty()) throw;
    } catch (const CLI::RequiredError& error) {
      // CLI11 misses the subcommand before it looks at the word that stands in its place.
      const std::vector<std::string> foreign = app_.remaining(/*recurse=*/true);
      CLI::Option* const option = OptionOf(app_, error.what());
      Note(option == nullptr && !foreign.empty()
               ? absl::StrFormat("\"%s\" is not a command here", foreign.front())
               : OneLine(error.what()));
      if (option == nullptr) return false;
      option->required(false);
      return true;
    } catch (const CLI::ExtrasError& error) {
      Note(OneLine(error.what()));
      for (const std::string& extra : app_.remaining(/*recurse=*/true)) {
        std::erase(words_, extra);
      }
    } catch (const CLI::Error& error) {
      Note(OneLine(error.what()));
      CLI::Option* const option = OptionOf(app_, error.what());
      if (option == nullptr || !TakeAway(*option, words_)) return false;
      option->required(false);  // it was there
      return true;
    }
    return false;
  }

  void Note(std::string mistake) {
    if (std::ranges::find(mistakes_, mistake) == mistakes_.end()) {
      mistakes_.push_back(std::move(mistake));
    }
  }

  CLI::App& app_;
  std::vector<std::string> words_;
  std::vector<std::string> mistakes_;
};

// What of the commands above a command holds for it too, at the end of its --help.
void ShowInherited(CLI::App& app, const std::string& inherited) {
  if (!inherited.empty()) app.footer(inherited + app.get_footer());
  std::string own = inherited;
  if (app.get_fallthrough()) {
    const auto format = std::dynamic_pointer_cast<CLI::Formatter>(app.get_formatter());
    std::string lines;
    for (const CLI::Option* option : app.get_options()) {
      if (format == nullptr || !option->nonpositional() || option->get_group().empty() ||
          option == app.get_help_ptr() || option == app.get_version_ptr()) {
        continue;
      }
      lines += format->make_option(option, false);
    }
    if (!lines.empty()) {
      own += absl::StrFormat("Options of %s:\n%s\n", app.get_name(), lines);
    }
  }
  for (CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    ShowInherited(*sub, own);
  }
}

// A mistake a line, each with the program's name in front: one as a rule, a configuration may have
// several.
void PrintProblems(const std::string& program, std::string_view text) {
  while (true) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (!line.empty()) PrintNote(absl::StrFormat("%s: %s", program, line));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

absl::Status UsageError(std::string_view message) {
  absl::Status status = absl::InvalidArgumentError(std::string(message));
  status.SetPayload(kUsagePayload, absl::Cord("1"));
  return status;
}

bool IsUsageError(const absl::Status& status) {
  return status.GetPayload(kUsagePayload).has_value();
}

Program::Program(const std::string& name, const std::string& description)
    : app_(description, name) {
  app_.require_subcommand(1);
}

void Program::SetAction(CLI::App& command, Action action, std::string_view example) {
  SetExample(command, example);
  command.callback([this, action = std::move(action)] { chosen_ = action; });
}

void Program::SetExample(CLI::App& command, std::string_view example) {
  command.footer("Example:\n  " + std::string(example));
}

int Program::Run(int argc, char** argv) {
  const std::string name = app_.get_name();
  ShowInherited(app_, "");
  try {
    const std::vector<std::string> mistakes = CommandLine(app_, Words(app_, argc, argv)).Read();
    for (const std::string& mistake : mistakes) {
      PrintNote(absl::StrFormat("%s: %s; see %s --help", name, mistake, ChosenCommand(app_)));
    }
    if (!mistakes.empty()) return kExitUsage;
  } catch (const CLI::Success& help_or_version) {
    return ExitCode(name, app_.exit(help_or_version));
  }
  const absl::StatusOr<int> result = chosen_ ? chosen_() : kExitDone;
  if (result.ok()) return ExitCode(name, *result);
  PrintProblems(name, std::string(result.status().message()));
  return IsUsageError(result.status()) ? kExitUsage : kExitFailed;
}

CLI::Option* AddPath(CLI::App& command, const std::string& flag, std::string& path,
                     const std::string& description) {
  path = ExpandHome(path);
  return command.add_option_function<std::string>(
      flag,
      [&path, flag](const std::string& text) {
        if (text.empty()) {
          throw CLI::ValidationError(flag, "is empty: name a path, or leave the flag out");
        }
        if (const absl::Status known = CheckHome(text); !known.ok()) {
          throw CLI::ValidationError(flag, std::string(known.message()));
        }
        path = ExpandHome(text);
      },
      description);
}

CLI::Option* AddSize(CLI::App& command, const std::string& flag, std::uint64_t& bytes,
                     const std::string& description) {
  return command.add_option_function<std::string>(
      flag,
      [&bytes, flag](const std::string& text) {
        const auto parsed = ParseSize(text);
        if (!parsed.ok()) {
          throw CLI::ValidationError(flag, std::string(parsed.status().message()));
        }
        bytes = *parsed;
      },
      description);
}

CLI::Validator WholeNumber() {
  return CLI::Validator(
      [](std::string& text) {
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error == std::errc() && end == text.data() + text.size()) return std::string();
        return absl::StrFormat("\"%s\" is no number from 0 to %d", text,
                               std::numeric_limits<std::uint64_t>::max());
      },
      "");
}

void AddJsonFlag(CLI::App& command, bool* json) {
  if (json == nullptr) {
    command.add_flag_function(
        "--json", [](std::int64_t) {}, "Print JSON (always so)");
  } else {
    command.add_flag("--json", *json, "Print JSON");
  }
}

absl::StatusOr<std::uint64_t> ParseSize(std::string_view text) {
  static constexpr std::pair<std::string_view, unsigned> kUnits[] = {
      {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
  std::string_view digits = text;
  unsigned shift = 0;
  for (const auto& [unit, unit_shift] : kUnits) {
    if (text.ends_with(unit)) {
      digits.remove_suffix(unit.size());
      shift = unit_shift;
    }
  }
  const auto number = ParseU64(digits);
  if (!number.ok() || *number == 0 || *number > (~std::uint64_t{0} >> shift)) {
    return UsageError(
        absl::StrFormat("\"%s\" is not a size; write 2KiB, 512MiB or 32GiB", std::string(text)));
  }
  return *number << shift;
}

std::string FormatSize(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  return absl::StrFormat("%d%s", bytes, kUnits[unit]);
}

std::string FormatSpace(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? absl::StrFormat("%dB", bytes) : absl::StrFormat("%.1f%s", value, kUnits[unit]);
}

absl::StatusOr<std::vector<std::uint64_t>> ParseNumbers(std::string_view text,
                                                        std::size_t count_max) {
  std::vector<std::uint64_t> numbers;
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    const std::size_t dash = part.find('-');
    DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t first, ParseU64(part.substr(0, dash)));
    std::uint64_t last = first;
    if (dash != std::string_view::npos) {
      DAMOCLES_ASSIGN_OR_RETURN(last, ParseU64(part.substr(dash + 1)));
    }
    if (last < first || last - first >= count_max - std::min(count_max, numbers.size())) {
      return UsageError(absl::StrFormat("\"%s\" is not an ascending range of at most %d numbers",
                                        std::string(part), count_max));
    }
    for (std::uint64_t number = first;; ++number) {
      numbers.push_back(number);
      if (number == last) break;
    }
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

void PrintJson(const nlohmann::json& value) {
  PrintLine(value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

void PrintLine(std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

void PrintNote(std::string_view line) {
  // Names and errors come from elsewhere; a terminal would obey what they hold.
  std::fprintf(stderr, "%s\n", Printable(line).c_str());
}

absl::StatusOr<std::string> ReadInput(const std::string& path) {
  if (path != "-") return ReadFile(path);
  std::string text;
  char part[4096];
  while (true) {
    const std::size_t got = std::fread(part, 1, sizeof(part), stdin);
    text.append(part, got);
    if (got < sizeof(part)) break;
  }
  if (std::ferror(stdin) != 0) return absl::UnavailableError("standard input cannot be read");
  return text;
}

absl::StatusOr<nlohmann::json> ReadJsonFile(const std::string& path) {
  DAMOCLES_ASSIGN_OR_RETURN(const std::string text, ReadInput(path));
  DAMOCLES_RETURN_IF_ERROR(Annotate(CheckJsonDepth(text), path));
  nlohmann::json value = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: is not JSON", path));
  }
  return value;
}

}  // namespace damocles::cli
