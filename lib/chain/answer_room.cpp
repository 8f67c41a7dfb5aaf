// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/chain/answer_room.h"

#include "damocles/async/event.h"
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
  async::Event freed;

  void Return(std::size_t bytes) {
    taken -= bytes;
    if (taken >= bytes_max) return;
    freed.Fire();
  }
};

AnswerRoom::AnswerRoom(std::size_t bytes_max)
    : state_(std::shared_ptr<State>(new State{.bytes_max = bytes_max, .taken = 0, .freed = {}})) {}

AnswerRoom::Place AnswerRoom::Take(std::size_t bytes) {
  state_->taken += bytes;
  return {nullptr, [state = state_, bytes](std::nullptr_t) { state->Return(bytes); }};
}

kj::Promise<void> AnswerRoom::WhenThereIsRoom() {
  if (state_->taken < state_->bytes_max) return kj::READY_NOW;
  return state_->freed.Next().then([this] { return WhenThereIsRoom(); });
}

std::size_t AnswerRoom::Bytes() const {
  return state_->taken;
}

}  // namespace damocles::chain::internal
