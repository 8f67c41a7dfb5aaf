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

}  // namespace damocles::winning::testing
