// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/async/failure.h"

#include <string_view>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/log.h"
#include "damocles/base/text.h"

namespace damocles::async {
namespace {

// KJ has four kinds of exception; what an operator needs stands in the text, as strerror and
// getaddrinfo have it, or as KJ's own conditions.
constexpr std::pair<std::string_view, Trouble> kSigns[] = {
    {"Connection refused", Trouble::kRefused},
    {"DNS lookup", Trouble::kUnknownName},
    {"Name or service not known", Trouble::kUnknownName},
    {"name resolution", Trouble::kUnknownName},
    {"Connection timed out", Trouble::kTimedOut},
    {"operation timed out", Trouble::kTimedOut},
    {"No route to host", Trouble::kNoRoute},
    {"Network is unreachable", Trouble::kNoRoute},
    {"Network is down", Trouble::kNoRoute},
    {"Host is down", Trouble::kNoRoute},
    {"Address already in use", Trouble::kPortInUse},
    {"Permission denied", Trouble::kNotAllowed},
    {"Operation not permitted", Trouble::kNotAllowed},
    {"Cannot assign requested address", Trouble::kNotOurAddress},
    {"Address family not supported", Trouble::kNotOurAddress},
    {"Too many open files", Trouble::kNoDescriptors},
    {"Reached limit", Trouble::kTooLarge},
    {"too large", Trouble::kTooLarge},
    {"too many segments", Trouble::kOtherProtocol},
    {"segment", Trouble::kOtherProtocol},
    {"invalid HTTP", Trouble::kOtherProtocol},
    {"HTTP headers", Trouble::kOtherProtocol},
    {"Invalid response", Trouble::kOtherProtocol},
    {"unexpected EOF", Trouble::kClosed},
    {"Connection reset", Trouble::kClosed},
    {"Broken pipe", Trouble::kClosed},
    {"remature", Trouble::kClosed},
    {"disconnected", Trouble::kClosed},
    {"connection closed", Trouble::kClosed},
};

std::string_view Sentence(Trouble trouble) {
  switch (trouble) {
    case Trouble::kRefused:
      return "nothing listens there (connection refused): is it running, and is the port right?";
    case Trouble::kUnknownName:
      return "the name of the machine cannot be resolved (DNS): is it spelled right, and does this "
             "machine's resolver work?";
    case Trouble::kTimedOut:
      return "nobody answers (timed out): is that machine up, and is there a firewall between?";
    case Trouble::kNoRoute:
      return "no route leads there: is that machine up, and is the network?";
    case Trouble::kPortInUse:
      return "another program listens there already: stop that one, or choose another port";
    case Trouble::kNotAllowed:
      return "this user may not (permission denied): ports below 1024 need the right to bind them, "
             "or a firewall of this machine forbids it; choose another port";
    case Trouble::kNotOurAddress:
      return "no interface of this machine has that address: name one that it has, or :PORT for "
             "all of them";
    case Trouble::kClosed:
      return "the other end closed the connection: is it the right port, and did that program "
             "stop?";
    case Trouble::kOtherProtocol:
      return "what answers there speaks another protocol: is it the right port?";
    case Trouble::kNoDescriptors:
      return "this process has no file descriptors left: raise its limit (LimitNOFILE, ulimit -n)";
    case Trouble::kTooLarge:
      return "a message is too large, or what answers there speaks another protocol: is it the "
             "right port?";
    case Trouble::kUnknownCall:
      return "the other end does not know this call: use the same release on both ends";
    case Trouble::kOther:
      break;
  }
  return "";
}

std::string_view FirstLine(const kj::Exception& exception) {
  std::string_view text(exception.getDescription().begin(), exception.getDescription().size());
  return text.substr(0, text.find('\n'));
}

// Of a text without a sign: what a person may read of it.  "write(fd, buffer, size): No space left
// on device; fd = 7" is "No space left on device".
std::string Readable(std::string_view text) {
  constexpr std::string_view kRemote = "remote exception: ";
  while (text.starts_with(kRemote)) text.remove_prefix(kRemote.size());
  text = text.substr(0, text.find("; "));
  const std::size_t call = text.find("): ");
  if (call != std::string_view::npos) text.remove_prefix(call + 3);
  if (text.starts_with("expected ") || text.empty()) {
    return "an error inside this program; its log at level debug has more, tell us";
  }
  return Printable(text);
}

}  // namespace

Trouble TroubleOf(const kj::Exception& exception) {
  const std::string_view text = FirstLine(exception);
  for (const auto& [sign, trouble] : kSigns) {
    if (text.find(sign) != std::string_view::npos) return trouble;
  }
  switch (exception.getType()) {
    case kj::Exception::Type::DISCONNECTED:
      return Trouble::kClosed;
    case kj::Exception::Type::UNIMPLEMENTED:
      return Trouble::kUnknownCall;
    case kj::Exception::Type::OVERLOADED:
    case kj::Exception::Type::FAILED:
      break;
  }
  return Trouble::kOther;
}

std::string Plainly(const kj::Exception& exception) {
  const Trouble trouble = TroubleOf(exception);
  LogDebug("async", "exception",
           {{"text", std::string(FirstLine(exception))},
            {"file", exception.getFile()},
            {"line", exception.getLine()}});
  if (trouble == Trouble::kOther) return Readable(FirstLine(exception));
  return std::string(Sentence(trouble));
}

absl::Status FailureStatus(const kj::Exception& exception, std::string_view doing) {
  const std::string text = absl::StrFormat("%s: %s", doing, Plainly(exception));
  return TroubleOf(exception) == Trouble::kTooLarge ? absl::ResourceExhaustedError(text)
                                                    : absl::UnavailableError(text);
}

}  // namespace damocles::async
