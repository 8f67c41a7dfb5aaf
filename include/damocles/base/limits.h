// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the operating system allows this process.

#pragma once

#include <cstdint>

namespace damocles {

// How many descriptors (files, sockets) this process may have open.
std::uint64_t DescriptorLimit();

// Raises that to what the system allows at most, and returns it.  Many systems start a program with
// 1024, and a sector of 32 GiB takes nine.  For main programs, at their start: the limit is the
// whole process's.
std::uint64_t RaiseDescriptorLimit();

}  // namespace damocles
