// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/config/endpoint.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"

#include "damocles/base/status.h"

namespace damocles::config {
namespace {

absl::Status Refuse(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrFormat("\"%s\" is not an address: %s", text, why));
}

std::vector<std::string_view> Split(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t at = text.find(by);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

bool IsHostName(std::string_view host) {
  return !host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

bool IsIpv6(std::string_view host) {
  return host.find(':') != std::string_view::npos &&
         std::all_of(host.begin(), host.end(), [](char c) {
           return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') ||
                  c == ':' || c == '.' || c == '%';
         });
}

bool ParsePort(std::string_view text, std::uint16_t& port) {
  std::uint32_t number = 0;
  const bool digits = !text.empty() && text.size() <= 5 &&
                      text.find_first_not_of("0123456789") == std::string_view::npos;
  if (!digits || !absl::SimpleAtoi(std::string(text), &number) || number > 65535) return false;
  port = static_cast<std::uint16_t>(number);
  return true;
}

struct Multiaddr {
  HostPort at;
  std::string transport;  // may be empty
};

absl::StatusOr<Multiaddr> ParseMultiaddr(std::string_view text) {
  const std::vector<std::string_view> parts = Split(text, '/');  // parts[0] is empty
  if (parts.size() < 5 || parts.size() > 6) {
    return Refuse(text, "want /ip4/HOST/tcp/PORT or /dns4/HOST/tcp/PORT");
  }
  Multiaddr result;
  result.at.host = std::string(parts[2]);
  const bool is_name =
      parts[1] == "ip4" || parts[1] == "dns" || parts[1] == "dns4" || parts[1] == "dns6";
  if (!(is_name && IsHostName(parts[2])) && !(parts[1] == "ip6" && IsIpv6(parts[2]))) {
    return Refuse(text, "its host is not one");
  }
  if (parts[3] != "tcp") return Refuse(text, "only tcp is known");
  if (!ParsePort(parts[4], result.at.port)) return Refuse(text, "its port is not 0 to 65535");
  if (parts.size() == 6) {
    result.transport = std::string(parts[5]);
    if (result.transport != "ws" && result.transport != "wss" && result.transport != "http" &&
        result.transport != "https") {
      return Refuse(text, "behind the port only ws, wss, http or https may stand");
    }
  }
  return result;
}

// "host:port", "[v6]:port", ":port"
absl::StatusOr<HostPort> ParsePlain(std::string_view text, std::string_view default_host) {
  HostPort result;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find("]:");
    if (end == std::string_view::npos || !IsIpv6(text.substr(1, end - 1))) {
      return Refuse(text, "want [IPV6]:PORT");
    }
    result.host = std::string(text.substr(1, end - 1));
    port = text.substr(end + 2);
  } else {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return Refuse(text, "it has no port");
    result.host = std::string(colon == 0 ? default_host : text.substr(0, colon));
    port = text.substr(colon + 1);
    if (colon != 0 && !IsHostName(result.host)) return Refuse(text, "its host is not one");
  }
  if (!ParsePort(port, result.port)) return Refuse(text, "its port is not 0 to 65535");
  return result;
}

std::string_view SchemeOf(std::string_view text) {
  for (const std::string_view scheme : {"ws", "wss", "http", "https"}) {
    if (text.starts_with(scheme) && text.substr(scheme.size()).starts_with("://")) return scheme;
  }
  return "";
}

}  // namespace

std::string HostPort::ToString() const {
  return host.find(':') == std::string::npos ? absl::StrFormat("%s:%d", host, port)
                                             : absl::StrFormat("[%s]:%d", host, port);
}

absl::StatusOr<ChainEndpoint> ParseChainEndpoint(std::string_view text) {
  ChainEndpoint endpoint;
  // A token has no slash in front of the first ":/" or "://".
  std::string_view address = text;
  if (!address.starts_with('/') && SchemeOf(address).empty()) {
    const std::size_t colon = address.find(':');
    const std::string_view rest =
        colon == std::string_view::npos ? std::string_view() : address.substr(colon + 1);
    if (!rest.starts_with('/') && SchemeOf(rest).empty()) {
      return absl::InvalidArgumentError(
          "want a multiaddr (/ip4/127.0.0.1/tcp/1234), a URL (ws://host:1234/rpc/v1), or one of "
          "them behind \"TOKEN:\"");
    }
    endpoint.token = Secret(std::string(address.substr(0, colon)));
    address = rest;
  }
  if (address.starts_with('/')) {
    DAMOCLES_ASSIGN_OR_RETURN(const Multiaddr parsed, ParseMultiaddr(address));
    endpoint.url = absl::StrFormat(
        "%s://%s/rpc/v1", parsed.transport.empty() ? "ws" : parsed.transport, parsed.at.ToString());
    return endpoint;
  }
  const std::string_view scheme = SchemeOf(address);
  const std::string_view rest = address.substr(scheme.size() + 3);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.empty() || authority.find('@') != std::string_view::npos) {
    return absl::InvalidArgumentError("the URL has no host, or a user name: give a token instead");
  }
  endpoint.url = std::string(address);
  if (authority.size() == rest.size()) {
    endpoint.url += "/rpc/v1";
  } else if (authority.size() + 1 == rest.size() && rest.ends_with('/')) {
    endpoint.url += "rpc/v1";
  }
  return endpoint;
}

absl::StatusOr<HostPort> ParseHostPort(std::string_view text, std::string_view default_host) {
  if (text.starts_with('/')) {
    DAMOCLES_ASSIGN_OR_RETURN(Multiaddr parsed, ParseMultiaddr(text));
    return std::move(parsed.at);
  }
  if (const std::string_view scheme = SchemeOf(text); !scheme.empty()) {
    const std::string_view rest = text.substr(scheme.size() + 3);
    return ParsePlain(rest.substr(0, rest.find_first_of("/?#")), default_host);
  }
  return ParsePlain(text, default_host);
}

}  // namespace damocles::config
