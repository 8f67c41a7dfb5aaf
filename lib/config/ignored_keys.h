// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Every key that a published default configuration of the existing system (venus-cluster v0.1.1 to
// damocles v0.13) has ever had and that means nothing here.

#pragma once

#include "damocles/config/toml.h"

namespace damocles::config {

// Accepts those of `table` with one warning each.  What is not in the list is unknown.
void IgnorePublished(TableReader& table);

}  // namespace damocles::config
