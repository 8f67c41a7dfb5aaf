// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// For calls that a dead file system never answers.

#pragma once

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/time/time.h"

namespace damocles {

// What `work` returns, or nullopt if it has not returned within `patience`: then its thread is left
// behind, so `work` must own what it uses.  nullopt also if the system gives no thread.  Blocks:
// not for an event loop.
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

}  // namespace damocles
