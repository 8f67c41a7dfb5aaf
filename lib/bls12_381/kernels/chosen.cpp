// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <cstdlib>
#include <string>
#include <vector>

#include "lib/bls12_381/kernels/kernels.h"
#include "lib/bls12_381/kernels/processor.h"

#include "damocles/base/log.h"

namespace damocles::bls12_381::kernels {

Powers PowersOf(const Fr& first, const Fr& ratio) {
  Powers powers;
  powers.first[0] = first;
  for (std::size_t i = 1; i < kLanes; ++i) powers.first[i] = powers.first[i - 1] * ratio;
  powers.step = ratio.Pow(std::uint64_t{kLanes});
  return powers;
}

std::span<const Kernels* const> Available() {
  static const std::vector<const Kernels*> available = [] {
    std::vector<const Kernels*> forms = {&kPortable};
#if defined(__x86_64__)
    if (HasIfma(ThisProcessor())) forms.push_back(&kIfma);
#endif
    return forms;
  }();
  return available;
}

const Kernels& Choose(std::span<const Kernels* const> available, std::string_view name) {
  std::string names;
  for (const Kernels* form : available) {
    if (form->name == name) return *form;
    names.append(names.empty() ? "" : " ").append(form->name);
  }
  const Kernels& fastest = *available.back();
  if (!name.empty()) {
    LogWarning("bls12_381", "kernels_not_available",
               {{"DAMOCLES_CPU", name}, {"available", names}, {"used", fastest.name}});
  }
  return fastest;
}

const Kernels& Chosen() {
  static const Kernels& chosen = []() -> const Kernels& {
    const char* const named = std::getenv("DAMOCLES_CPU");  // NOLINT(concurrency-mt-unsafe)
    return Choose(Available(), named == nullptr ? "" : named);
  }();
  return chosen;
}

}  // namespace damocles::bls12_381::kernels
