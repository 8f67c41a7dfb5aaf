// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/filecoin/cid.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "lib/filecoin/base32.h"
#include "lib/filecoin/varint.h"

#include "damocles/base/check.h"
#include "damocles/base/status.h"
#include "damocles/hash/blake2b.h"

namespace damocles::filecoin {
namespace {

constexpr std::size_t kBytesMax = 100;  // as nodes limit CIDs in CBOR
constexpr std::size_t kCidTextMax = 200;

struct Parts {
  std::uint64_t codec = 0;
  std::uint64_t hash = 0;
  std::size_t digest_at = 0;
};

absl::StatusOr<Parts> Split(ByteSpan bytes) {
  Parts parts;
  std::uint64_t version = 0;
  std::uint64_t digest_bytes = 0;
  for (std::uint64_t* field : {&version, &parts.codec, &parts.hash, &digest_bytes}) {
    const absl::StatusOr<Uvarint> number = ReadUvarint(bytes.subspan(parts.digest_at));
    if (!number.ok()) return Annotate(number.status(), "CID");
    *field = number->value;
    parts.digest_at += number->bytes;
    if (version != 1) {
      return absl::InvalidArgumentError(
          absl::StrFormat("CID of version %d, only 1 is taken", version));
    }
  }
  if (digest_bytes != bytes.size() - parts.digest_at) {
    return absl::InvalidArgumentError(
        absl::StrFormat("CID holds a digest of %d bytes, its head says %d",
                        bytes.size() - parts.digest_at, digest_bytes));
  }
  return parts;
}

}  // namespace

Cid Cid::Make(std::uint64_t codec, std::uint64_t hash, ByteSpan digest) {
  Bytes bytes{1};
  AppendUvarint(bytes, codec);
  AppendUvarint(bytes, hash);
  AppendUvarint(bytes, digest.size());
  Append(bytes, digest);
  return Cid(std::move(bytes));
}

Cid Cid::OfDagCbor(ByteSpan block) {
  return Make(kCodecDagCbor, kHashBlake2b256, hash::Blake2b256Of(block));
}

Cid Cid::OfCommR(const Bytes32& comm_r) {
  return Make(kCodecSealed, kHashPoseidon, comm_r);
}

Cid Cid::OfCommD(const Bytes32& comm_d) {
  return Make(kCodecUnsealed, kHashSha256Trunc254, comm_d);
}

absl::StatusOr<Bytes32> Cid::ToCommR() const {
  Bytes32 comm_r;
  if (IsUndefined() || Codec() != kCodecSealed || HashCode() != kHashPoseidon ||
      Digest().size() != comm_r.size()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("CID %s is not that of a sealed sector", ToString()));
  }
  const ByteSpan digest = Digest();
  std::copy(digest.begin(), digest.end(), comm_r.begin());
  return comm_r;
}

absl::StatusOr<Cid> Cid::Parse(std::string_view text) {
  if (text.empty() || text[0] != 'b' || text.size() > kCidTextMax) {
    return absl::InvalidArgumentError("CID text must be base32 in lower case with a b in front");
  }
  absl::StatusOr<Bytes> bytes = FromBase32(text.substr(1));
  if (!bytes.ok()) return Annotate(bytes.status(), "CID");
  return FromBytes(*bytes);
}

absl::StatusOr<Cid> Cid::FromBytes(ByteSpan bytes) {
  if (bytes.size() > kBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrFormat("CID of %d bytes, at most %d are taken", bytes.size(), kBytesMax));
  }
  DAMOCLES_RETURN_IF_ERROR(Split(bytes).status());
  return Cid(Bytes(bytes.begin(), bytes.end()));
}

std::uint64_t Cid::Codec() const {
  DAMOCLES_CHECK(!IsUndefined());
  return Split(bytes_)->codec;
}

std::uint64_t Cid::HashCode() const {
  DAMOCLES_CHECK(!IsUndefined());
  return Split(bytes_)->hash;
}

ByteSpan Cid::Digest() const {
  DAMOCLES_CHECK(!IsUndefined());
  return ByteSpan(bytes_).subspan(Split(bytes_)->digest_at);
}

std::string Cid::ToString() const {
  return IsUndefined() ? "b" : "b" + ToBase32(bytes_);
}

void Cid::WriteCbor(cbor::Writer& writer) const {
  DAMOCLES_CHECK(!IsUndefined());
  writer.Tag(cbor::kTagCid);
  Bytes content{0};
  Append(content, bytes_);
  writer.ByteString(content);
}

absl::StatusOr<Cid> Cid::ReadCbor(cbor::Reader& reader) {
  DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t tag, reader.ReadTag());
  if (tag != cbor::kTagCid) {
    return absl::InvalidArgumentError(absl::StrFormat("a CID has tag 42, got %d", tag));
  }
  DAMOCLES_ASSIGN_OR_RETURN(const Bytes content, reader.ReadByteString(kBytesMax + 1));
  if (content.empty() || content[0] != 0) {
    return absl::InvalidArgumentError("a CID in CBOR has a zero byte in front");
  }
  return FromBytes(ByteSpan(content).subspan(1));
}

}  // namespace damocles::filecoin
