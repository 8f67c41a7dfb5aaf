// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "apps/manager/listen.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_format.h"
#include "apps/common/cli.h"

#include "damocles/base/endpoint.h"
#include "damocles/base/file.h"
#include "damocles/base/log.h"
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
  if (const absl::Status status = WriteFileAtomically(address_file, address + "\n");
      absl::IsResourceExhausted(status)) {
    // Windows count for more than commands that do not find the manager by themselves.
    unlink(address_file.c_str());  // that of an earlier run would lead elsewhere
    LogError("manager", "address_not_written",
             {{"error", status},
              {"effect", "util commands need --manager " + address},
              {"do", "make room on that disk; the next start writes it"}});
  } else {
    DAMOCLES_RETURN_IF_ERROR(status);
  }
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
