// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Rows of the poster as CBOR.  The decoder keeps its first error and answers with empty values from
// then on, so that a row is read field by field and judged once, at the end.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"

#include "damocles/base/bytes.h"
#include "damocles/delivery/message.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/cbor.h"
#include "damocles/filecoin/cid.h"
#include "damocles/filecoin/deadline.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/partition.h"
#include "damocles/filecoin/sector.h"
#include "damocles/poster/deadline_record.h"

namespace damocles::poster::internal {

// Far above what the chain allows in one deadline (3000 partitions of 2349 sectors are not
// possible in practice); keeps a damaged length from asking for all memory.
inline constexpr std::uint64_t kItemsMax = std::uint64_t{1} << 24;
inline constexpr std::uint64_t kStringBytesMax = std::uint64_t{64} << 20;

class Encoder {
 public:
  void Array(std::uint64_t count) { writer_.Array(count); }
  void Uint(std::uint64_t value) { writer_.Uint(value); }
  void Int(std::int64_t value) { writer_.Int(value); }
  void Partition(filecoin::ChainPartition partition) { writer_.Uint(partition.Index()); }
  void Bool(bool value) { writer_.Bool(value); }
  void Text(std::string_view text) { writer_.Text(text); }
  void Raw(ByteSpan bytes) { writer_.ByteString(bytes); }
  void Epoch(filecoin::ChainEpoch epoch) { writer_.Int(epoch.Value()); }
  // Nanoseconds since 1970; null for InfinitePast.
  void Time(absl::Time time);
  void Null() { writer_.Null(); }
  void Deadline(const filecoin::DeadlineInfo& deadline);
  void Cid(const std::optional<filecoin::Cid>& cid);
  void Address(const std::optional<filecoin::Address>& address);
  void Mark(const Milestone& milestone);

  std::string Take() && {
    const Bytes bytes = std::move(writer_).Take();
    return std::string(AsText(bytes));
  }

 private:
  filecoin::cbor::Writer writer_;
};

class Decoder {
 public:
  explicit Decoder(std::string_view bytes);

  // Fields of an array of exactly `count` items.
  void Struct(std::uint64_t count, std::string_view what);
  // Number of items; at most kItemsMax.
  std::uint64_t Array();
  std::uint64_t Uint();
  std::uint32_t Uint32();
  std::int64_t Int();
  bool Bool();
  std::string Text();
  Bytes Raw();
  Bytes32 Raw32();
  delivery::Uuid Uuid();
  filecoin::ActorId Miner();
  filecoin::SectorNumber Sector();
  filecoin::ChainPartition Partition() { return filecoin::ChainPartition(Uint()); }
  filecoin::ChainEpoch Epoch() { return filecoin::ChainEpoch(Int()); }
  absl::Time Time();
  bool TryNull();
  filecoin::DeadlineInfo Deadline();
  std::optional<filecoin::Cid> Cid();
  std::optional<filecoin::Address> Address();
  Milestone Mark();
  // A number in [0, count) as an enum.
  template <typename Enum>
  Enum Choice(std::uint64_t count, std::string_view what) {
    const std::uint64_t value = Uint();
    if (value >= count) {
      Refuse(absl::StrFormat("%s %d is unknown", std::string(what), value));
      return Enum{};
    }
    return static_cast<Enum>(value);
  }

  void Refuse(std::string_view why);
  // The format, a number that every row begins with.  One above `known` is damage: what is newer
  // has a frame, which says so.
  std::uint64_t Format(std::uint64_t known, std::string_view what);
  bool Ok() const { return status_.ok(); }
  // OK if everything was read, and nothing is left.
  absl::Status Finish();

 private:
  template <typename T>
  T Take(absl::StatusOr<T> value) {
    if (value.ok()) return *std::move(value);
    if (status_.ok()) status_ = std::move(value).status();
    return T{};
  }

  filecoin::cbor::Reader reader_;
  absl::Status status_;
};

// A message on its way: the same in the rows of deadlines and of recoveries.
void EncodeMessage(Encoder& out, const delivery::Message& message);
delivery::Message DecodeMessage(Decoder& in);

// Text of a key: prefix, miner and epoch in 16 hexadecimal digits each, so that keys order as
// numbers do.
std::string RowKey(std::string_view prefix, const RecordKey& key);
// The other way; nullopt if it is no such key.
std::optional<RecordKey> ParseRowKey(std::string_view prefix, std::string_view text);

}  // namespace damocles::poster::internal
