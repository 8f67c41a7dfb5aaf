// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The first byte chooses a type of the API; the rest is read as its JSON.  What was read is
// written, and reads as the same again.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "damocles/base/check.h"
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
void Use(const damocles::filecoin::DeadlineInfo& info) {
  if (!Validate(info.shape).ok()) return;
  DeadlineAt(info.shape, info.period_start, info.current_epoch);
  NextNotElapsed(info);
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace chain = damocles::chain;
  namespace filecoin = damocles::filecoin;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 18) {
    case 0:
      Try<filecoin::TipSet>(text);
      break;
    case 1:
      Try<std::vector<chain::HeadChange>>(text);
      break;
    case 2:
      Try<filecoin::Message>(text);
      break;
    case 3:
      Try<filecoin::SignedMessage>(text);
      break;
    case 4:
      Try<chain::MinerInfo>(text);
      break;
    case 5:
      Try<filecoin::DeadlineInfo>(text);
      break;
    case 6:
      Try<std::vector<chain::DeadlineState>>(text);
      break;
    case 7:
      Try<std::vector<chain::Partition>>(text);
      break;
    case 8:
      Try<std::vector<chain::SectorOnChainInfo>>(text);
      break;
    case 9:
      Try<std::optional<chain::MsgLookup>>(text);
      break;
    case 10:
      Try<chain::InvocResult>(text);
      break;
    case 11:
      Try<chain::MessageSendSpec>(text);
      break;
    case 12:
      Try<chain::SyncStatus>(text);
      break;
    case 13:
      Try<chain::NetworkParams>(text);
      break;
    case 14:
      Try<std::optional<chain::MiningBaseInfo>>(text);
      break;
    case 15:
      Try<filecoin::BigInt>(text);
      break;
    case 16:
      Try<damocles::Bytes>(text);
      break;
    default:
      Try<filecoin::BitField>(text);
      break;
  }
  return 0;
}
