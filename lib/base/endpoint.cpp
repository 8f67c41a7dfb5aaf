// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"

#include "damocles/base/status.h"

namespace damocles {
namespace {

constexpr std::size_t kNone = std::string_view::npos;
constexpr std::string_view kNodeForms =
    "want [TOKEN:]/ip4/ADDRESS/tcp/PORT/http, [TOKEN:]http://HOST:PORT/rpc/v1 or HOST:PORT";
constexpr std::string_view kPeerForms =
    "want /ip4/ADDRESS/tcp/PORT, /dns4/NAME/tcp/PORT or "
    "HOST:PORT";

absl::Status Bad(std::string_view what) {
  return absl::InvalidArgumentError(std::string(what));
}

absl::Status WithForms(const absl::Status& status, std::string_view forms) {
  return absl::InvalidArgumentError(
      absl::StrFormat("is not an address: %s; %s", std::string(status.message()), forms));
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && absl::ascii_isspace(static_cast<unsigned char>(text.front()))) {
    text.remove_prefix(1);
  }
  while (!text.empty() && absl::ascii_isspace(static_cast<unsigned char>(text.back()))) {
    text.remove_suffix(1);
  }
  return text;
}

// Everything before `at`, which goes too.
std::string_view Cut(std::string_view& text, char at) {
  const std::size_t end = std::min(text.find(at), text.size());
  const std::string_view head = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return head;
}

// What may stand in a line of an HTTP head.
bool IsPrintable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

bool IsHostName(std::string_view host) {
  return !host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_';
  });
}

bool IsIpv6(std::string_view host) {
  return host.find(':') != kNone && std::all_of(host.begin(), host.end(), [](char c) {
           return absl::ascii_isxdigit(static_cast<unsigned char>(c)) || c == ':' || c == '.' ||
                  c == '%';
         });
}

absl::Status ReadPort(std::string_view text, std::uint16_t& port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty()) return Bad("it has no port");
  if (error != std::errc() || end != text.data() + text.size()) {
    return Bad("its port is not 0 to 65535");
  }
  return absl::OkStatus();
}

struct Multiaddr {
  HostPort at;
  std::string_view transport;  // may be empty
};

// /ip4/1.2.3.4/tcp/1234[/http|/https|/ws|/wss]
absl::StatusOr<Multiaddr> ReadMultiaddr(std::string_view text) {
  Multiaddr out;
  text.remove_prefix(1);
  const std::string_view family = Cut(text, '/');
  const std::string_view host = Cut(text, '/');
  const bool is_name = family == "ip4" || family == "dns" || family == "dns4" || family == "dns6";
  if (!is_name && family != "ip6") return Bad("its first word is not ip4, ip6, dns, dns4 or dns6");
  if (is_name ? !IsHostName(host) : !IsIpv6(host)) return Bad("its host is not one");
  out.at.host = std::string(host);
  if (Cut(text, '/') != "tcp") return Bad("only tcp is possible");
  DAMOCLES_RETURN_IF_ERROR(ReadPort(Cut(text, '/'), out.at.port));
  out.transport = text;
  if (!text.empty() && text != "http" && text != "https" && text != "ws" && text != "wss") {
    return Bad("behind the port only http, https, ws or wss may stand");
  }
  return out;
}

// host[:port], [::1][:port]; ":port" where a default host is given
absl::StatusOr<HostPort> ReadAuthority(std::string_view text, std::string_view default_host,
                                       std::optional<std::uint16_t> default_port) {
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (text.find('@') != kNone) return Bad("it has a user name; give a token instead");
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == kNone) return Bad("a bracket is not closed");
    host = text.substr(1, end - 1);
    const std::string_view rest = text.substr(end + 1);
    if (!IsIpv6(host)) return Bad("what is in brackets is not IPv6");
    if (!rest.empty() && rest.front() != ':') return Bad("a colon is missing behind the bracket");
    has_port = !rest.empty();
    port = has_port ? rest.substr(1) : rest;
  } else {
    const std::size_t colon = text.find(':');
    has_port = colon != kNone;
    host = text.substr(0, colon);
    port = has_port ? text.substr(colon + 1) : "";
    if (host.empty() && has_port) host = default_host;
    if (port.find(':') != kNone) return Bad("it has two colons; IPv6 needs brackets");
    if (!IsHostName(host) && host != default_host) return Bad("its host is not one");
  }
  if (host.empty()) return Bad("it has no host");
  HostPort out{.host = std::string(host)};
  if (!has_port && default_port) {
    out.port = *default_port;
    return out;
  }
  DAMOCLES_RETURN_IF_ERROR(ReadPort(port, out.port));
  return out;
}

std::string_view SchemeOf(std::string_view text) {
  for (const std::string_view scheme : {"http", "https", "ws", "wss"}) {
    if (text.starts_with(scheme) && text.substr(scheme.size()).starts_with("://")) return scheme;
  }
  return "";
}

bool IsTls(std::string_view scheme) {
  return scheme == "https" || scheme == "wss";
}

std::string FullPath(std::string_view path) {
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  if (path.find("/rpc/") != kNone) return std::string(path);
  return absl::StrFormat("%s/rpc/v1", path);
}

// Cuts "TOKEN:" off the front, if there is one.
absl::StatusOr<std::string> TakeToken(std::string_view& text) {
  if (text.starts_with('/') || text.starts_with('[') || !SchemeOf(text).empty()) return "";
  const std::size_t colon = text.find(':');
  if (colon == kNone || colon == 0) return "";
  const std::string_view rest = text.substr(colon + 1);
  if (!rest.starts_with('/') && !rest.starts_with('[') && SchemeOf(rest).empty() &&
      rest.find(':') == kNone) {
    return "";  // host:port
  }
  const std::string_view token = text.substr(0, colon);
  if (!MayBeToken(token)) return Bad("the token holds a character that it cannot have");
  text = rest;
  return std::string(token);
}

absl::StatusOr<Endpoint> ReadEndpoint(std::string_view text) {
  text = Trim(text);
  if (text.empty()) return Bad("it is empty");
  Endpoint out;
  DAMOCLES_ASSIGN_OR_RETURN(out.token, TakeToken(text));
  HostPort at;
  std::string_view path;
  if (text.starts_with('/')) {
    DAMOCLES_ASSIGN_OR_RETURN(Multiaddr read, ReadMultiaddr(text));
    at = std::move(read.at);
    out.tls = IsTls(read.transport);
  } else if (const std::string_view scheme = SchemeOf(text); !scheme.empty()) {
    text.remove_prefix(scheme.size() + 3);
    if (text.find_first_of("?#") != kNone) {
      return Bad("a query in the URL is not possible: give a token as TOKEN:URL or by its key");
    }
    if (!IsPrintable(text)) return Bad("it holds a character that a URL cannot have");
    out.tls = IsTls(scheme);
    const std::size_t slash = std::min(text.find('/'), text.size());
    const auto default_port = static_cast<std::uint16_t>(out.tls ? 443 : 80);
    DAMOCLES_ASSIGN_OR_RETURN(at, ReadAuthority(text.substr(0, slash), "", default_port));
    path = text.substr(slash);
  } else {
    DAMOCLES_ASSIGN_OR_RETURN(at, ReadAuthority(text, "", std::nullopt));
  }
  if (at.port == 0) return Bad("nobody can be called at port 0");
  out.host = std::move(at.host);
  out.port = at.port;
  out.path = FullPath(path);
  return out;
}

absl::StatusOr<HostPort> ReadHostPort(std::string_view text, std::string_view default_host) {
  if (text.starts_with('/')) {
    DAMOCLES_ASSIGN_OR_RETURN(Multiaddr read, ReadMultiaddr(text));
    return std::move(read.at);
  }
  if (const std::string_view scheme = SchemeOf(text); !scheme.empty()) {
    text.remove_prefix(scheme.size() + 3);
    text = text.substr(0, text.find_first_of("/?#"));
  }
  return ReadAuthority(text, default_host, std::nullopt);
}

}  // namespace

bool MayBeToken(std::string_view text) {
  return !text.empty() && IsPrintable(text);
}

bool IsLoopbackHost(std::string_view host) {
  if (host.find('\0') != kNone) return false;
  const std::string text(host);
  in_addr four{};
  if (inet_pton(AF_INET, text.c_str(), &four) == 1) return (ntohl(four.s_addr) >> 24) == 127;
  in6_addr six{};
  if (inet_pton(AF_INET6, text.c_str(), &six) == 1) {
    return IN6_IS_ADDR_LOOPBACK(&six) != 0 ||
           (IN6_IS_ADDR_V4MAPPED(&six) != 0 && six.s6_addr[12] == 127);
  }
  return text == "localhost";
}

std::string HostPort::ToString() const {
  return host.find(':') == std::string::npos ? absl::StrFormat("%s:%d", host, port)
                                             : absl::StrFormat("[%s]:%d", host, port);
}

std::string Endpoint::Name() const {
  return HostPort{host, port}.ToString();
}

std::string Endpoint::Origin() const {
  return absl::StrFormat("%s://%s", tls ? "https" : "http", Name());
}

std::string Endpoint::Url() const {
  return Origin() + path;
}

absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text) {
  auto endpoint = ReadEndpoint(text);
  if (!endpoint.ok()) return WithForms(endpoint.status(), kNodeForms);
  return endpoint;
}

absl::StatusOr<HostPort> ParseHostPort(std::string_view text, std::string_view default_host) {
  auto at = ReadHostPort(text, default_host);
  if (!at.ok()) return WithForms(at.status(), kPeerForms);
  return at;
}

absl::StatusOr<HostPort> ParsePeer(std::string_view text, std::string_view default_host) {
  std::string_view rest = text;
  const auto token = TakeToken(rest);
  if (!token.ok() || rest.size() != text.size()) {
    return WithForms(Bad("there is a token in front; it has a key of its own"), kPeerForms);
  }
  DAMOCLES_ASSIGN_OR_RETURN(HostPort at, ParseHostPort(text, default_host));
  if (at.port == 0) return WithForms(Bad("nobody can be called at port 0"), kPeerForms);
  return at;
}

}  // namespace damocles
