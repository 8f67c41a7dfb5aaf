// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Where the manager listens, and how other programs learn of it.

#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace damocles::manager {

struct Listen {
  std::string address;  // for KJ
  std::string host;     // as given; "*" where only a port was
  bool loopback = false;

  // Where a program on this machine finds it: "host:port", loopback where every interface is meant.
  std::string Reachable(std::uint16_t port) const;
};

// ":1789", "127.0.0.1:0", "[::1]:1789" or a multiaddr.  A wrong one is a usage error of --listen.
absl::StatusOr<Listen> ParseListen(const std::string& text);

// The files that say where we listen; the home's goes with the object.
class AddressNotice {
 public:
  // `port_file` may be empty.
  static absl::StatusOr<AddressNotice> Post(const std::string& address_file,
                                            const std::string& address, std::uint16_t port,
                                            const std::string& port_file);
  AddressNotice(AddressNotice&& other) noexcept;
  AddressNotice(const AddressNotice&) = delete;
  AddressNotice& operator=(const AddressNotice&) = delete;
  ~AddressNotice() { Remove(); }
  void Remove();

 private:
  explicit AddressNotice(std::string file) : file_(std::move(file)) {}
  std::string file_;
};

}  // namespace damocles::manager
