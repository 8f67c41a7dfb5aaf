// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Lines between a parent and a child that proves: the first byte chooses request, response, or the
// cutting into lines.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "damocles/base/bytes.h"
#include "damocles/base/check.h"
#include "damocles/child/protocol.h"

namespace {

namespace child = damocles::child;

std::string WithoutNewline(std::string line) {
  line.pop_back();
  return line;
}

void TryRequest(std::string_view line) {
  const auto request = child::DecodeRequest(line);
  if (!request.ok() || request->cancel || !request->task.ok()) return;
  const std::string again =
      WithoutNewline(child::EncodeRequest(request->id, *request->task, /*extensions=*/true));
  const auto back = child::DecodeRequest(again);
  DAMOCLES_CHECK(back.ok() && back->task.ok());
  DAMOCLES_CHECK(WithoutNewline(child::EncodeRequest(back->id, *back->task, true)) == again);
}

void TryResponse(std::string_view line) {
  const auto response = child::DecodeResponse(line);
  if (!response.ok()) return;
  const std::string again = WithoutNewline(child::EncodeResponse(
      child::Stage::kWindowPost, response->id, response->outcome, /*extensions=*/true));
  const auto back = child::DecodeResponse(again);
  DAMOCLES_CHECK(back.ok() && back->outcome.ok() == response->outcome.ok());
  if (back->outcome.ok()) DAMOCLES_CHECK(back->outcome->proof == response->outcome->proof);
}

void TryLines(std::string_view bytes) {
  child::LineSplitter whole(64);
  child::LineSplitter parts(64);
  const auto at_once = whole.Take(bytes);
  std::size_t lines = 0;
  bool broken = false;
  for (std::size_t at = 0; at < bytes.size() && !broken; at += 3) {
    const auto some = parts.Take(bytes.substr(at, 3));
    broken = !some.ok();
    if (some.ok()) lines += some->size();
  }
  DAMOCLES_CHECK(broken == !at_once.ok());
  if (at_once.ok()) DAMOCLES_CHECK(lines == at_once->size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text = damocles::AsText({data + 1, size - 1});
  switch (data[0] % 3) {
    case 0:
      TryRequest(text);
      break;
    case 1:
      TryResponse(text);
      break;
    default:
      TryLines(text);
  }
  return 0;
}
