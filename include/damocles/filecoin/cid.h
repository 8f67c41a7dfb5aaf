// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/filecoin/cbor.h"

namespace damocles::filecoin {

// Codes of the multicodec table.
inline constexpr std::uint64_t kCodecRaw = 0x55;
inline constexpr std::uint64_t kCodecDagCbor = 0x71;
inline constexpr std::uint64_t kCodecSealed = 0xf102;    // fil-commitment-sealed
inline constexpr std::uint64_t kCodecUnsealed = 0xf101;  // fil-commitment-unsealed
inline constexpr std::uint64_t kHashIdentity = 0x00;
inline constexpr std::uint64_t kHashSha256 = 0x12;
inline constexpr std::uint64_t kHashSha256Trunc254 = 0x1012;
inline constexpr std::uint64_t kHashBlake2b256 = 0xb220;
inline constexpr std::uint64_t kHashPoseidon = 0xb401;  // poseidon-bls12_381-a2-fc1

// A content identifier of version 1, kept in its binary form.  A value; ordered by its bytes.
class Cid {
 public:
  // The undefined CID: no bytes; nothing is at it.
  Cid() = default;
  static Cid Make(std::uint64_t codec, std::uint64_t hash, ByteSpan digest);
  // Of a dag-cbor block: what names messages, blocks and states.
  static Cid OfDagCbor(ByteSpan block);
  // The CID of a sealed sector's CommR and of its data's CommD, and back.
  static Cid OfCommR(const Bytes32& comm_r);
  static Cid OfCommD(const Bytes32& comm_d);
  absl::StatusOr<Bytes32> ToCommR() const;

  // Multibase base32 in lower case ("bafy2bzace..."), as nodes print it.  INVALID_ARGUMENT for
  // anything else, the older base58 form of version 0 included.
  static absl::StatusOr<Cid> Parse(std::string_view text);
  // Exactly one binary CID.
  static absl::StatusOr<Cid> FromBytes(ByteSpan bytes);

  bool IsUndefined() const { return bytes_.empty(); }
  // These four are not for the undefined CID.
  std::uint64_t Codec() const;
  std::uint64_t HashCode() const;
  ByteSpan Digest() const;
  std::string ToString() const;
  const Bytes& ToBytes() const { return bytes_; }

  // Tag 42 with a zero byte in front of the binary form.  The undefined CID must not be written.
  void WriteCbor(cbor::Writer& writer) const;
  static absl::StatusOr<Cid> ReadCbor(cbor::Reader& reader);

  friend auto operator<=>(const Cid&, const Cid&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Cid& cid) {
    return H::combine(std::move(h), cid.bytes_);
  }

 private:
  explicit Cid(Bytes bytes) : bytes_(std::move(bytes)) {}
  Bytes bytes_;
};

}  // namespace damocles::filecoin
