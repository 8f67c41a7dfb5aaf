// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/store/row.h"

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"

#include "damocles/base/bytes.h"
#include "damocles/base/check.h"
#include "damocles/hash/sha256.h"
#include "damocles/store/rows.h"

namespace damocles::store {
namespace {

// The first byte is none that a row without a frame begins with.
constexpr std::string_view kMagic = "\xdarow";
constexpr std::size_t kHeadBytes = 6;
constexpr std::size_t kCheckBytes = 8;

std::string CheckOf(std::string_view key, std::string_view covered) {
  std::uint8_t key_size[4];
  StoreLe32(static_cast<std::uint32_t>(key.size()), key_size);
  hash::Sha256 sum;
  sum.Update(key_size).Update(AsBytes(key)).Update(AsBytes(covered));
  const Bytes32 digest = sum.Finish();
  return std::string(AsText(ByteSpan(digest).first(kCheckBytes)));
}

}  // namespace

std::string FrameRow(const RowKind& kind, std::string_view key, std::string_view body) {
  DAMOCLES_CHECK(kind.version > 0 && kind.name.size() <= 255);
  std::string row;
  row.reserve(kHeadBytes + kind.name.size() + body.size() + kCheckBytes);
  row.append(kMagic);
  row.push_back(static_cast<char>(kind.version));
  row.push_back(static_cast<char>(kind.name.size()));
  row.append(kind.name);
  row.append(body);
  row.append(CheckOf(key, row));
  return row;
}

bool IsFramed(std::string_view row) {
  return row.starts_with(kMagic);
}

absl::StatusOr<std::string_view> OpenRow(const RowKind& kind, std::string_view key,
                                         std::string_view row) {
  if (!IsFramed(row)) return row;
  if (row.size() < kHeadBytes + kCheckBytes) return absl::DataLossError("the row is cut short");
  const std::string_view covered = row.substr(0, row.size() - kCheckBytes);
  if (CheckOf(key, covered) != row.substr(covered.size())) {
    return absl::DataLossError("the row does not match its check under this key");
  }
  const auto version = static_cast<std::uint8_t>(row[4]);
  const std::size_t name_size = static_cast<std::uint8_t>(row[5]);
  const std::string_view rest = covered.substr(kHeadBytes);
  if (version == 0 || rest.size() < name_size || rest.substr(0, name_size) != kind.name) {
    return absl::DataLossError(absl::StrFormat("the row is none of kind %s", kind.name));
  }
  if (version > kind.version) {
    return NewerFormat(absl::StrFormat("a row of kind %s", kind.name), version, kind.version);
  }
  return rest.substr(name_size);
}

}  // namespace damocles::store
