// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "damocles/base/bytes.h"
#include "damocles/base/check.h"
#include "damocles/base/file.h"
#include "damocles/base/thread_pool.h"
#include "damocles/hash/sha256.h"
#include "damocles/merkle/shape.h"

namespace damocles::testing_support {

// SHA-256 over a label and numbers with the two top bits cleared: a canonical field element.  The
// rule by which the golden data's made-up values came to be.
inline Bytes32 MadeUpElement(std::string_view label, std::initializer_list<std::uint64_t> numbers) {
  hash::Sha256 digest;
  digest.Update(AsBytes(label));
  for (std::uint64_t number : numbers) {
    std::uint8_t bytes[8];
    StoreLe64(number, bytes);
    digest.Update(bytes);
  }
  Bytes32 out = digest.Finish();
  out[31] &= 0x3f;
  return out;
}

inline bls12_381::Fr MadeUpFr(std::string_view label,
                              std::initializer_list<std::uint64_t> numbers) {
  return bls12_381::FrFromBytesLe(MadeUpElement(label, numbers)).value();
}

// The sealed file of `sector` by the golden data's rule.
inline std::string MadeUpSector(const merkle::TreeShape& shape, std::uint64_t sector,
                                ThreadPool& pool) {
  std::string content(shape.sector_bytes, '\0');
  pool.ParallelRanges(shape.Nodes(), 4096, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const Bytes32 node = MadeUpElement("post-spec/node", {sector, i});
      std::copy(node.begin(), node.end(), reinterpret_cast<std::uint8_t*>(content.data()) + 32 * i);
    }
  });
  return content;
}

// Writes a sector whose first `filled` nodes are by that rule and whose rest is a hole, which costs
// nothing to hash.
inline void WriteMadeUpSector(const std::string& path, const merkle::TreeShape& shape,
                              std::uint64_t sector, std::uint64_t filled) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  for (std::uint64_t i = 0; i < std::min(filled, shape.Nodes()); ++i) {
    file << AsText(MadeUpElement("post-spec/node", {sector, i}));
  }
  file.close();
  std::filesystem::resize_file(path, shape.sector_bytes);
}

inline bls12_381::Fr MadeUpCommC(std::uint64_t sector) {
  return MadeUpFr("post-spec/comm_c", {sector});
}

// The names of everything below `folder`: to see that nothing was made.
inline std::vector<std::string> FilesBelow(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    names.push_back(entry.path().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace damocles::testing_support
