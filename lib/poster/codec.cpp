// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/poster/codec.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <system_error>

#include "damocles/filecoin/number_limits.h"

namespace damocles::poster::internal {
namespace {

using filecoin::EpochDelta;

filecoin::cbor::ReaderOptions RowOptions() {
  filecoin::cbor::ReaderOptions options;
  options.string_bytes_max = kStringBytesMax;
  options.array_items_max = kItemsMax;
  return options;
}

}  // namespace

void Encoder::Time(absl::Time time) {
  if (time == absl::InfinitePast()) {
    writer_.Null();
  } else {
    writer_.Int(absl::ToUnixNanos(time));
  }
}

void Encoder::Deadline(const filecoin::DeadlineInfo& deadline) {
  writer_.Array(7);
  writer_.Int(deadline.shape.proving_period.Count());
  writer_.Int(deadline.shape.challenge_window.Count());
  writer_.Uint(deadline.shape.deadlines);
  writer_.Int(deadline.shape.challenge_lookback.Count());
  writer_.Int(deadline.shape.fault_declaration_cutoff.Count());
  writer_.Int(deadline.period_start.Value());
  writer_.Uint(deadline.index);
}

void Encoder::Cid(const std::optional<filecoin::Cid>& cid) {
  if (cid) {
    writer_.ByteString(cid->ToBytes());
  } else {
    writer_.Null();
  }
}

void Encoder::Address(const std::optional<filecoin::Address>& address) {
  if (address) {
    writer_.ByteString(address->ToBytes());
  } else {
    writer_.Null();
  }
}

void Encoder::Mark(const Milestone& milestone) {
  writer_.Array(2);
  Epoch(milestone.epoch);
  Time(milestone.time);
}

Decoder::Decoder(std::string_view bytes) : reader_(AsBytes(bytes), RowOptions()) {}

void Decoder::Struct(std::uint64_t count, std::string_view what) {
  if (!Ok()) return;
  status_ = reader_.ExpectArray(count, what);
}

std::uint64_t Decoder::Array() {
  return Ok() ? Take(reader_.ReadArray()) : 0;
}
std::uint64_t Decoder::Uint() {
  return Ok() ? Take(reader_.ReadUint()) : 0;
}
std::int64_t Decoder::Int() {
  return Ok() ? Take(reader_.ReadInt()) : 0;
}
bool Decoder::Bool() {
  return Ok() && Take(reader_.ReadBool());
}
std::string Decoder::Text() {
  return Ok() ? Take(reader_.ReadText()) : std::string();
}
Bytes Decoder::Raw() {
  return Ok() ? Take(reader_.ReadByteString()) : Bytes();
}
bool Decoder::TryNull() {
  return Ok() && reader_.TryNull();
}

std::uint32_t Decoder::Uint32() {
  const std::uint64_t value = Uint();
  if (value > std::numeric_limits<std::uint32_t>::max()) {
    Refuse(absl::StrFormat("%d does not fit 32 bits", value));
    return 0;
  }
  return static_cast<std::uint32_t>(value);
}

filecoin::ActorId Decoder::Miner() {
  const std::uint64_t id = Uint();
  if (filecoin::IsActorId(id)) return id;
  Refuse(absl::StrFormat("%d is no number of a miner", id));
  return 0;
}

filecoin::SectorNumber Decoder::Sector() {
  const std::uint64_t number = Uint();
  if (filecoin::IsSectorNumber(number)) return number;
  Refuse(absl::StrFormat("%d is no number of a sector", number));
  return 0;
}

Bytes32 Decoder::Raw32() {
  const Bytes bytes = Raw();
  Bytes32 out{};
  if (bytes.size() != out.size()) {
    Refuse(absl::StrFormat("%d bytes, want 32", bytes.size()));
    return out;
  }
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

delivery::Uuid Decoder::Uuid() {
  const Bytes bytes = Raw();
  delivery::Uuid out{};
  if (bytes.size() != out.size()) {
    Refuse(absl::StrFormat("%d bytes of uuid, want %d", bytes.size(), out.size()));
    return out;
  }
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

absl::Time Decoder::Time() {
  if (TryNull()) return absl::InfinitePast();
  return absl::FromUnixNanos(Int());
}

filecoin::DeadlineInfo Decoder::Deadline() {
  Struct(7, "deadline");
  filecoin::PeriodShape shape;
  shape.proving_period = EpochDelta(Int());
  shape.challenge_window = EpochDelta(Int());
  shape.deadlines = Uint();
  shape.challenge_lookback = EpochDelta(Int());
  shape.fault_declaration_cutoff = EpochDelta(Int());
  const filecoin::ChainEpoch period_start = Epoch();
  const std::uint64_t index = Uint();
  if (!Ok()) return {};
  if (absl::Status valid = filecoin::Validate(shape); !valid.ok()) {
    status_ = valid;
    return {};
  }
  if (index >= shape.deadlines) {
    Refuse(absl::StrFormat("deadline %d of %d", index, shape.deadlines));
    return {};
  }
  return filecoin::MakeDeadlineInfo(shape, period_start, index, period_start);
}

std::optional<filecoin::Cid> Decoder::Cid() {
  if (TryNull()) return std::nullopt;
  const Bytes bytes = Raw();
  if (!Ok()) return std::nullopt;
  return Take(filecoin::Cid::FromBytes(bytes));
}

std::optional<filecoin::Address> Decoder::Address() {
  if (TryNull()) return std::nullopt;
  const Bytes bytes = Raw();
  if (!Ok()) return std::nullopt;
  return Take(filecoin::Address::FromBytes(bytes));
}

Milestone Decoder::Mark() {
  Struct(2, "milestone");
  Milestone out;
  out.epoch = Epoch();
  out.time = Time();
  return out;
}

void Decoder::Refuse(std::string_view why) {
  if (!Ok()) return;
  status_ = absl::InvalidArgumentError(
      absl::StrFormat("byte %d: %s", reader_.Position(), std::string(why)));
}

std::uint64_t Decoder::Format(std::uint64_t known, std::string_view what) {
  const std::uint64_t format = Uint();
  if (format == 0 || format > known) {
    Refuse(absl::StrFormat("%s of format %d, this program knows 1 to %d", std::string(what), format,
                           known));
  }
  return format;
}

absl::Status Decoder::Finish() {
  if (Ok()) status_ = reader_.ExpectEnd();
  return status_;
}

std::string RowKey(std::string_view prefix, const RecordKey& key) {
  return absl::StrFormat("%s%016x/%016x", std::string(prefix), key.miner,
                         static_cast<std::uint64_t>(key.open.Value()));
}

std::optional<RecordKey> ParseRowKey(std::string_view prefix, std::string_view text) {
  constexpr std::size_t kDigits = 16;
  const auto number = [&](std::size_t at) -> std::optional<std::uint64_t> {
    std::uint64_t value = 0;
    const char* end = text.data() + at + kDigits;
    const auto [stopped, error] = std::from_chars(text.data() + at, end, value, 16);
    if (error != std::errc() || stopped != end) return std::nullopt;
    return value;
  };
  if (!text.starts_with(prefix)) return std::nullopt;
  text.remove_prefix(prefix.size());
  if (text.size() != 2 * kDigits + 1 || text[kDigits] != '/') return std::nullopt;
  const std::optional<std::uint64_t> miner = number(0);
  const std::optional<std::uint64_t> open = number(kDigits + 1);
  if (!miner || !open || !filecoin::IsActorId(*miner)) return std::nullopt;
  return RecordKey{*miner, filecoin::ChainEpoch(static_cast<std::int64_t>(*open))};
}

void EncodeMessage(Encoder& out, const delivery::Message& message) {
  out.Array(11);
  out.Uint(message.attempt);
  out.Raw(message.uuid);
  out.Address(message.from);
  out.Raw(message.params);
  out.Raw(message.basis);
  out.Int(message.gas_limit);
  out.Epoch(message.sent_at);
  out.Cid(message.cid);
  out.Int(message.signed_gas_limit);
  out.Raw(message.signed_message);
  if (message.receipt) {
    out.Array(3);
    out.Int(message.receipt->exit_code);
    out.Epoch(message.receipt->height);
    out.Int(message.receipt->gas_used);
  } else {
    out.Null();
  }
}

delivery::Message DecodeMessage(Decoder& in) {
  in.Struct(11, "message");
  delivery::Message message;
  message.attempt = in.Uint32();
  message.uuid = in.Uuid();
  message.from = in.Address();
  message.params = in.Raw();
  message.basis = in.Raw32();
  message.gas_limit = in.Int();
  message.sent_at = in.Epoch();
  message.cid = in.Cid();
  message.signed_gas_limit = in.Int();
  message.signed_message = in.Raw();
  if (!in.TryNull()) {
    in.Struct(3, "receipt");
    delivery::Receipt receipt;
    receipt.exit_code = in.Int();
    receipt.height = in.Epoch();
    receipt.gas_used = in.Int();
    message.receipt = receipt;
  }
  return message;
}

}  // namespace damocles::poster::internal
