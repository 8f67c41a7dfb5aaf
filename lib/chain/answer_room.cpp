// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/chain/answer_room.h"

#include <utility>

namespace damocles::chain::internal {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

constexpr std::size_t kUsual = 1 * kMiB;
struct Larger {
  std::string_view method;
  std::size_t bytes_max;
};
constexpr Larger kLarger[] = {
    // 25,000 sectors, the most of a message, take about 16 MiB.
    {"StateMinerSectors", 64 * kMiB},
    {"MpoolPending", 64 * kMiB},
    // Up to 3,000 sets of five sets of sectors.
    {"StateMinerPartitions", 16 * kMiB},
    {"StateMinerDeadlines", 4 * kMiB},
    // Up to 900 tipsets, after a long reorganisation.
    {"ChainNotify", 16 * kMiB},
    {"SyncState", 4 * kMiB},
    // With all calls inside.
    {"StateReplay", 32 * kMiB},
};

}  // namespace

std::size_t AnswerBytesMax(std::string_view method) {
  constexpr std::string_view kPrefix = "Filecoin.";
  if (method.starts_with(kPrefix)) method.remove_prefix(kPrefix.size());
  for (const Larger& larger : kLarger) {
    if (larger.method == method) return larger.bytes_max;
  }
  return kUsual;
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
