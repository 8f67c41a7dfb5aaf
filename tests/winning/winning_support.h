// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <cstdint>
#include <vector>

#include "damocles/base/bytes.h"
#include "damocles/base/check.h"
#include "damocles/filecoin/block.h"
#include "damocles/filecoin/cid.h"
#include "damocles/winning/round.h"

namespace damocles::winning::testing {

// The CID of the `number`th thing.
inline filecoin::Cid CidOfNumber(std::uint64_t number) {
  Bytes bytes(8);
  StoreLe64(number, bytes.data());
  return filecoin::Cid::OfDagCbor(bytes);
}

inline filecoin::TipSetKey KeyOf(const std::vector<std::uint64_t>& blocks) {
  std::vector<filecoin::Cid> cids;
  cids.reserve(blocks.size());
  for (const std::uint64_t block : blocks) cids.push_back(CidOfNumber(block));
  return filecoin::TipSetKey(std::move(cids));
}

// The block that an attempt is about; its CID follows from its number.
inline filecoin::BlockHeader HeaderOf(const Attempt& attempt, std::uint64_t number) {
  filecoin::BlockHeader header;
  header.miner = filecoin::Address::FromId(1000);
  header.parents = attempt.head.base.key.Cids();
  header.height = attempt.height;
  header.timestamp = static_cast<std::uint64_t>(absl::ToUnixSeconds(attempt.publish));
  header.parent_state_root = CidOfNumber(number);
  header.parent_message_receipts = CidOfNumber(0);
  header.messages = CidOfNumber(0);
  return header;
}

}  // namespace damocles::winning::testing
