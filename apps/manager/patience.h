// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/time/time.h"

namespace damocles::manager {

// What `work` returns, or nullopt if it has not returned within `patience`: then its thread is left
// behind, so `work` must own what it uses.  Blocks; for the start, before there is an event loop.
template <typename T>
std::optional<T> Within(absl::Duration patience, std::function<T()> work) {
  const auto task = std::make_shared<std::packaged_task<T()>>(std::move(work));
  std::future<T> result = task->get_future();
  try {
    std::thread([task] { (*task)(); }).detach();
  } catch (const std::system_error&) {
    return std::nullopt;
  }
  if (result.wait_for(absl::ToChronoNanoseconds(patience)) != std::future_status::ready) {
    return std::nullopt;
  }
  return result.get();
}

}  // namespace damocles::manager
