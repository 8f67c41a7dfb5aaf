// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// How large answers may be, and how much of them lies in memory at a time.

#pragma once

#include <kj/async.h>

#include <cstddef>
#include <memory>
#include <string_view>

namespace damocles::chain::internal {

// Of one answer of this method ("Filecoin." in front or not), or one value of a subscription.
std::size_t AnswerBytesMax(std::string_view method);

// Texts of answers from their arrival until they have been read.  Reading always gets on, so
// whoever waits here for room gets it.  Use from one event loop.
class AnswerRoom {
 public:
  // Some of the largest answers.
  static constexpr std::size_t kBytesMax = std::size_t{128} << 20;

  // So many bytes, until it goes.
  using Place = std::shared_ptr<void>;

  explicit AnswerRoom(std::size_t bytes_max = kBytesMax);
  AnswerRoom(const AnswerRoom&) = delete;
  AnswerRoom& operator=(const AnswerRoom&) = delete;
  ~AnswerRoom() noexcept {}  // NOLINT(modernize-use-equals-default): KJ's destructors may throw

  // For what is there already, even if it is more than there is room for.
  Place Take(std::size_t bytes);
  // Until less than the maximum is taken.
  kj::Promise<void> WhenThereIsRoom();
  std::size_t Bytes() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace damocles::chain::internal
