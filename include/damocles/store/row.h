// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The frame that every row has, and every file of one row: it says what the row is, and shows
// damage before anything of it is believed.
//
//   offset  bytes
//   0       4      magic: da 72 6f 77
//   4       1      version of the body, from 1; the body says it too
//   5       1      length of the kind
//   6       k      kind, text
//   6+k     n      body
//   6+k+n   8      check: first 8 bytes of SHA-256(length of the key as u32 little-endian, key,
//                  everything above)
//
// The frame itself has no version and does not change: the check is judged first, so that what is
// newer is told from what is damaged for certain.  Rows from before there were frames begin with
// another byte: 1 or 2, the head of a CBOR array (80 to 9f), or a letter.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace damocles::store {

struct RowKind {
  std::string_view name;     // at most 255 bytes; on disk
  std::uint8_t version = 1;  // of the bodies that are written; those up to it are read
};

// The row to be kept under `key`: under another it counts as damaged.
std::string FrameRow(const RowKind& kind, std::string_view key, std::string_view body);

// The body, a part of `row`; of a row from before there were frames all of it, with nothing judged.
// DATA_LOSS: damaged, another kind's, or another key's.  FAILED_PRECONDITION: of a newer version.
absl::StatusOr<std::string_view> OpenRow(const RowKind& kind, std::string_view key,
                                         std::string_view row);

// A reader of files that had a check of their own before asks which it is.
bool IsFramed(std::string_view row);

}  // namespace damocles::store
