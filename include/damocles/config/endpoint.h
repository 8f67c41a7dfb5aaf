// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <string>

#include "damocles/base/endpoint.h"
#include "damocles/config/secret.h"

namespace damocles::config {

using damocles::HostPort;
using damocles::ParseHostPort;

// A chain node; damocles/base/endpoint.h tells the forms.
struct ChainEndpoint {
  std::string url;     // http(s)://host:port/path, for ParseEndpoint; without the token
  std::string origin;  // http(s)://host:port, for logs
  Secret token;        // Bearer; may be empty
  friend bool operator==(const ChainEndpoint&, const ChainEndpoint&) = default;
};

}  // namespace damocles::config
