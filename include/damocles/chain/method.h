// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What is known of a method of a node's JSON-RPC besides its parameters and its answer.

#pragma once

#include <cstddef>
#include <string_view>

namespace damocles::chain {

enum class CallKind {
  kRead,  // may be repeated at another node
  kPush,  // must not be carried out twice
  kWait,  // a read that takes as long as it takes
};

// The right that a token must carry.
enum class Permission : unsigned { kRead = 1, kWrite = 2, kSign = 4, kAdmin = 8 };

// Of an answer, where the method says nothing else.
inline constexpr std::size_t kUsualAnswerBytesMax = std::size_t{1} << 20;

struct MethodInfo {
  std::string_view name;  // as on the wire: "Filecoin.ChainHead"
  CallKind kind = CallKind::kRead;
  // More than the right to read: it takes a key in the node's wallet, or is refused by a gateway
  // that does not speak for the node behind it.
  Permission permission = Permission::kRead;
  std::size_t answer_bytes_max = kUsualAnswerBytesMax;

  // Without the name space.
  constexpr std::string_view ShortName() const { return name.substr(name.find('.') + 1); }
};

}  // namespace damocles::chain
