// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include "damocles/base/endpoint.h"

namespace damocles::chain {

using damocles::Endpoint;
using damocles::ParseEndpoint;

}  // namespace damocles::chain
