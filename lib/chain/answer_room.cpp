// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/chain/answer_room.h"

#include <utility>

#include "damocles/chain/methods.h"

namespace damocles::chain::internal {

std::size_t AnswerBytesMax(std::string_view method) {
  method = MethodInfo{.name = method}.ShortName();
  for (const MethodInfo& known : AllMethods()) {
    if (known.ShortName() == method) return known.answer_bytes_max;
  }
  return kUsualAnswerBytesMax;
}

struct AnswerRoom::State {
  std::size_t bytes_max = 0;
  std::size_t taken = 0;
  std::deque<kj::Own<kj::PromiseFulfiller<void>>> waiting;

  ~State() noexcept {}  // NOLINT(modernize-use-equals-default): KJ's destructors may throw
  void Return(std::size_t bytes) {
    taken -= bytes;
    if (taken >= bytes_max) return;
    for (auto& waiter : std::exchange(waiting, {})) waiter->fulfill();
  }
};

AnswerRoom::AnswerRoom(std::size_t bytes_max)
    : state_(std::shared_ptr<State>(new State{.bytes_max = bytes_max, .taken = 0, .waiting = {}})) {
}

AnswerRoom::Place AnswerRoom::Take(std::size_t bytes) {
  state_->taken += bytes;
  return {nullptr, [state = state_, bytes](std::nullptr_t) { state->Return(bytes); }};
}

kj::Promise<void> AnswerRoom::WhenThereIsRoom() {
  if (state_->taken < state_->bytes_max) return kj::READY_NOW;
  auto pair = kj::newPromiseAndFulfiller<void>();
  state_->waiting.push_back(kj::mv(pair.fulfiller));
  return pair.promise.then([this] { return WhenThereIsRoom(); });
}

std::size_t AnswerRoom::Bytes() const {
  return state_->taken;
}

}  // namespace damocles::chain::internal
