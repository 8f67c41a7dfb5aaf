// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include "damocles/base/scratch_folder.h"

namespace damocles::testing_support {

using TempDir = ScratchFolder;

}  // namespace damocles::testing_support
