// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The first byte chooses a type of the API; the rest is read as its JSON.  What was read is
// written, and reads as the same again.  And it is read as an answer: what passes there can be used
// without a look.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "damocles/base/check.h"
#include "damocles/chain/answer.h"
#include "damocles/chain/lotus_json.h"

namespace {

using damocles::chain::FromLotusJson;
using damocles::chain::ToLotusJson;

// What every reader does next with such a value.
template <typename T>
void Use(const T& /*value*/) {}
void Use(const damocles::filecoin::Message& message) {
  if (!message.to.IsUndefined() && !message.from.IsUndefined()) CidOf(message);
}
void Use(const damocles::filecoin::SignedMessage& message) {
  if (!message.message.to.IsUndefined() && !message.message.from.IsUndefined()) CidOf(message);
}
void Use(const damocles::filecoin::TipSet& tip_set) {
  if (tip_set.Blocks().empty()) return;
  DAMOCLES_CHECK(damocles::filecoin::TipSet::Make(tip_set.Blocks()).ok());
}
void Use(const std::vector<damocles::filecoin::SignedMessage>& messages) {
  for (const auto& message : messages) Use(message);
}
void Use(const damocles::filecoin::DeadlineInfo& info) {
  if (!Validate(info.shape).ok()) return;
  DeadlineAt(info.shape, info.period_start, info.current_epoch);
  NextNotElapsed(info);
}

// What every reader of an answer may do next.
template <typename T>
void Rely(const T& value) {
  Use(value);
}
void Rely(const damocles::filecoin::Message& message) {
  CidOf(message);
  message.from.Protocol();
}
void Rely(const damocles::filecoin::SignedMessage& message) {
  CidOf(message);
  damocles::filecoin::cbor::Encode(message);
}
void Rely(const std::vector<damocles::filecoin::SignedMessage>& messages) {
  for (const auto& message : messages) Rely(message);
}
void Rely(const damocles::filecoin::TipSet& tip_set) {
  tip_set.MinTimestamp();
  tip_set.Height();
}
void Rely(const std::vector<damocles::chain::HeadChange>& changes) {
  for (const auto& change : changes) Rely(change.tip_set);
}
void Rely(const damocles::filecoin::DeadlineInfo& info) {
  DeadlineAt(info.shape, info.period_start, info.current_epoch);
  NextNotElapsed(info);
}
void Rely(const damocles::chain::MinerInfo& info) {
  SectorSizeOf(info.window_post_proof_type);
  DAMOCLES_CHECK(ToV1_1(info.window_post_proof_type).ok());
  info.worker.Protocol();
  info.owner.Protocol();
  for (const auto& address : info.control_addresses) address.Protocol();
}
void Rely(const std::vector<damocles::chain::SectorOnChainInfo>& sectors) {
  for (const auto& sector : sectors) DAMOCLES_CHECK(sector.sealed_cid.ToCommR().ok());
}
void Rely(const std::vector<damocles::chain::Partition>& partitions) {
  for (const auto& partition : partitions) {
    DAMOCLES_CHECK(Difference(partition.live_sectors, partition.all_sectors).Empty());
  }
}

template <typename T>
void TryAnswer(std::string_view text) {
  const auto answer = damocles::chain::ReadAnswer<T>(text);
  if (answer.ok()) Rely(*answer);
}

template <typename T>
void Try(std::string_view text) {
  const auto value = FromLotusJson<T>(text);
  if (!value.ok()) return;
  Use(*value);
  const std::string written = ToLotusJson(*value);
  const auto again = FromLotusJson<T>(written);
  DAMOCLES_CHECK(again.ok());
  DAMOCLES_CHECK(ToLotusJson(*again) == written);
}

template <typename T>
void TryBoth(std::string_view text) {
  Try<T>(text);
  TryAnswer<T>(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace chain = damocles::chain;
  namespace filecoin = damocles::filecoin;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 20) {
    case 0:
      TryBoth<filecoin::TipSet>(text);
      break;
    case 1:
      TryBoth<std::vector<chain::HeadChange>>(text);
      break;
    case 2:
      TryBoth<filecoin::Message>(text);
      break;
    case 3:
      TryBoth<filecoin::SignedMessage>(text);
      break;
    case 4:
      TryBoth<chain::MinerInfo>(text);
      break;
    case 5:
      TryBoth<filecoin::DeadlineInfo>(text);
      break;
    case 6:
      TryBoth<std::vector<chain::DeadlineState>>(text);
      break;
    case 7:
      TryBoth<std::vector<chain::Partition>>(text);
      break;
    case 8:
      TryBoth<std::vector<chain::SectorOnChainInfo>>(text);
      break;
    case 9:
      Try<chain::MsgLookup>(text);
      break;
    case 10:
      TryBoth<chain::InvocResult>(text);
      break;
    case 11:
      Try<chain::MessageSendSpec>(text);
      break;
    case 12:
      TryBoth<chain::SyncStatus>(text);
      break;
    case 13:
      Try<chain::NetworkParams>(text);
      break;
    case 14:
      TryBoth<std::optional<chain::MiningBaseInfo>>(text);
      break;
    case 15:
      TryBoth<filecoin::BigInt>(text);
      break;
    case 16:
      Try<damocles::Bytes>(text);
      break;
    case 17:
      Try<filecoin::BitField>(text);
      break;
    case 18:
      TryBoth<std::vector<filecoin::SignedMessage>>(text);
      break;
    default:
      TryBoth<std::optional<chain::MsgLookup>>(text);
      break;
  }
  return 0;
}
