// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/chain/endpoint.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"

#include "damocles/base/status.h"

namespace damocles::chain {
namespace {

constexpr std::size_t kNone = std::string_view::npos;
constexpr std::string_view kForms =
    "want [TOKEN:]/ip4/ADDRESS/tcp/PORT/http, [TOKEN:]http://HOST:PORT/rpc/v1 or HOST:PORT";

absl::Status Bad(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrFormat("chain endpoint: %s; %s", what, kForms));
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) {
    text.remove_prefix(1);
  }
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) {
    text.remove_suffix(1);
  }
  return text;
}

std::string_view Cut(std::string_view& text, char at) {
  const std::size_t end = std::min(text.find(at), text.size());
  const std::string_view head = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return head;
}

absl::StatusOr<std::uint16_t> ParsePort(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) {
    return Bad(absl::StrFormat("port \"%s\" is not in 1..65535", text));
  }
  return port;
}

std::string FullPath(std::string_view path) {
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  if (path.find("/rpc/") != kNone) return std::string(path);
  return absl::StrFormat("%s/rpc/v1", path);
}

// /ip4/1.2.3.4/tcp/1234[/http|/https|/ws|/wss]
absl::Status ReadMultiaddr(std::string_view text, Endpoint& out) {
  text.remove_prefix(1);
  const std::string_view family = Cut(text, '/');
  if (family != "ip4" && family != "ip6" && family != "dns" && family != "dns4" &&
      family != "dns6") {
    return Bad(absl::StrFormat("unknown address kind \"%s\"", family));
  }
  out.host = std::string(Cut(text, '/'));
  if (out.host.empty()) return Bad("the address is empty");
  if (Cut(text, '/') != "tcp") return Bad("only tcp is possible");
  DAMOCLES_ASSIGN_OR_RETURN(out.port, ParsePort(Cut(text, '/')));
  const std::string_view protocol = Cut(text, '/');
  if (!protocol.empty() && protocol != "http" && protocol != "https" && protocol != "ws" &&
      protocol != "wss") {
    return Bad(absl::StrFormat("unknown protocol \"%s\"", protocol));
  }
  out.tls = protocol == "https" || protocol == "wss";
  out.path = FullPath("");
  return absl::OkStatus();
}

// host[:port], [::1]:port
absl::Status ReadHostPort(std::string_view text, std::optional<std::uint16_t> default_port,
                          Endpoint& out) {
  std::string_view host = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == kNone) return Bad("a bracket is not closed");
    host = text.substr(1, end - 1);
    const std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') return Bad("a colon is missing behind the bracket");
    port = rest.empty() ? rest : rest.substr(1);
  } else if (const std::size_t colon = text.rfind(':'); colon != kNone) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (host.find(':') != kNone) return Bad("an IPv6 address needs brackets");
  }
  if (host.empty() || host.find_first_of(" /@?#%") != kNone) return Bad("the host is not a name");
  out.host = std::string(host);
  if (port.empty() && default_port) {
    out.port = *default_port;
    return absl::OkStatus();
  }
  DAMOCLES_ASSIGN_OR_RETURN(out.port, ParsePort(port));
  return absl::OkStatus();
}

struct Scheme {
  std::string_view prefix;
  bool tls;
};
constexpr Scheme kSchemes[] = {
    {"http://", false}, {"https://", true}, {"ws://", false}, {"wss://", true}};

const Scheme* SchemeOf(std::string_view text) {
  for (const Scheme& scheme : kSchemes) {
    if (text.starts_with(scheme.prefix)) return &scheme;
  }
  return nullptr;
}

absl::Status ReadUrl(std::string_view text, const Scheme& scheme, Endpoint& out) {
  text.remove_prefix(scheme.prefix.size());
  out.tls = scheme.tls;
  const std::size_t slash = std::min(text.find('/'), text.size());
  if (text.find_first_of("?#") != kNone) return Bad("a query in the URL is not possible");
  const auto default_port = static_cast<std::uint16_t>(scheme.tls ? 443 : 80);
  DAMOCLES_RETURN_IF_ERROR(ReadHostPort(text.substr(0, slash), default_port, out));
  out.path = FullPath(text.substr(slash));
  return absl::OkStatus();
}

}  // namespace

std::string Endpoint::Name() const {
  const bool v6 = host.find(':') != std::string::npos;
  if (v6) return absl::StrFormat("[%s]:%d", host, port);
  return absl::StrFormat("%s:%d", host, port);
}

std::string Endpoint::Url() const {
  return absl::StrFormat("%s://%s%s", tls ? "https" : "http", Name(), path);
}

absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text) {
  text = Trim(text);
  if (text.empty()) return Bad("it is empty");
  Endpoint out;
  if (!text.starts_with('/') && SchemeOf(text) == nullptr && !text.starts_with('[')) {
    const std::size_t colon = text.find(':');
    const std::string_view rest = colon == kNone ? "" : text.substr(colon + 1);
    const bool token = rest.starts_with('/') || rest.starts_with('[') ||
                       SchemeOf(rest) != nullptr || rest.find(':') != kNone;
    if (token) {
      out.token = std::string(text.substr(0, colon));
      // It becomes a line of the HTTP head.
      for (const char c : out.token) {
        if (c <= ' ' || c > '~') return Bad("the token holds a character that it cannot have");
      }
      text = rest;
    }
  }
  if (text.starts_with('/')) {
    DAMOCLES_RETURN_IF_ERROR(ReadMultiaddr(text, out));
  } else if (const Scheme* scheme = SchemeOf(text); scheme != nullptr) {
    DAMOCLES_RETURN_IF_ERROR(ReadUrl(text, *scheme, out));
  } else {
    DAMOCLES_RETURN_IF_ERROR(ReadHostPort(text, std::nullopt, out));
    out.path = FullPath("");
  }
  return out;
}

absl::StatusOr<std::vector<Endpoint>> ParseEndpoints(std::string_view text) {
  std::vector<Endpoint> out;
  while (!text.empty()) {
    const std::string_view item = Trim(Cut(text, ','));
    if (item.empty()) continue;
    DAMOCLES_ASSIGN_OR_RETURN(out.emplace_back(), ParseEndpoint(item));
  }
  if (out.empty()) return Bad("the list is empty");
  return out;
}

}  // namespace damocles::chain
