// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "apps/manager/listen.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_format.h"
#include "apps/common/cli.h"

#include "damocles/base/endpoint.h"
#include "damocles/base/file.h"
#include "damocles/base/status.h"
#include "damocles/config/endpoint.h"

namespace damocles::manager {

std::string Listen::Reachable(std::uint16_t port) const {
  std::string at = host;
  if (host == "*" || host == "0.0.0.0") at = "127.0.0.1";
  if (host == "::") at = "::1";
  return config::HostPort{.host = at, .port = port}.ToString();
}

absl::StatusOr<Listen> ParseListen(const std::string& text) {
  const absl::StatusOr<config::HostPort> parsed = config::ParseHostPort(text, "*");
  if (!parsed.ok()) {
    return cli::UsageError(absl::StrFormat("--listen: %s; write :PORT, HOST:PORT or [IPV6]:PORT",
                                           std::string(parsed.status().message())));
  }
  return Listen{.address = parsed->ToString(),
                .host = parsed->host,
                .loopback = IsLoopbackHost(parsed->host)};
}

absl::StatusOr<AddressNotice> AddressNotice::Post(const std::string& address_file,
                                                  const std::string& address, std::uint16_t port,
                                                  const std::string& port_file) {
  DAMOCLES_RETURN_IF_ERROR(WriteFileAtomically(address_file, address + "\n"));
  AddressNotice notice(address_file);
  if (!port_file.empty()) {
    DAMOCLES_RETURN_IF_ERROR(WriteFileAtomically(port_file, absl::StrFormat("%d\n", port)));
  }
  return notice;
}

AddressNotice::AddressNotice(AddressNotice&& other) noexcept
    : file_(std::exchange(other.file_, "")) {}

void AddressNotice::Remove() {
  if (!file_.empty()) unlink(file_.c_str());
  file_.clear();
}

}  // namespace damocles::manager
