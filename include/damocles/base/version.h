// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The version of these headers; the build takes its own from here.

#pragma once

#define DAMOCLES_VERSION_MAJOR 0
#define DAMOCLES_VERSION_MINOR 1
#define DAMOCLES_VERSION_PATCH 0
#define DAMOCLES_VERSION_STRING "0.1.0"

// For comparisons: #if DAMOCLES_VERSION >= DAMOCLES_VERSION_OF(0, 2, 0)
#define DAMOCLES_VERSION_OF(major, minor, patch) ((major)*10000 + (minor)*100 + (patch))
#define DAMOCLES_VERSION \
  DAMOCLES_VERSION_OF(DAMOCLES_VERSION_MAJOR, DAMOCLES_VERSION_MINOR, DAMOCLES_VERSION_PATCH)
