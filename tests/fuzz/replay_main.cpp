// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Runs a fuzz target without libFuzzer: over every file of the folders given, and over mutations of
// each that are the same in every run.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <vector>

#include "damocles/base/bytes.h"
#include "damocles/base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using damocles::Bytes;

constexpr int kMutations = 200;  // of each file

Bytes Mutated(Bytes input, damocles::Random& random) {
  const std::uint64_t changes = 1 + random.Below(3);
  for (std::uint64_t i = 0; i < changes; ++i) {
    const std::size_t at = input.empty() ? 0 : random.Below(input.size());
    switch (random.Below(4)) {
      case 0:
        if (!input.empty()) input[at] ^= static_cast<std::uint8_t>(1U << random.Below(8));
        break;
      case 1:
        if (!input.empty()) input[at] = static_cast<std::uint8_t>(random.Below(256));
        break;
      case 2:
        input.resize(at);
        break;
      default:
        input.insert(input.begin() + static_cast<std::ptrdiff_t>(at),
                     static_cast<std::uint8_t>(random.Below(256)));
        break;
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(argv[i], error)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    if (error) {
      std::fprintf(stderr, "%s: %s\n", argv[i], error.message().c_str());
      return 1;
    }
  }
  if (files.empty()) {
    std::fprintf(stderr, "no inputs: give one folder of files or more\n");
    return 1;
  }
  std::sort(files.begin(), files.end());
  LLVMFuzzerTestOneInput(nullptr, 0);
  damocles::SeededRandom random(1);
  for (const auto& path : files) {
    std::ifstream file(path, std::ios::binary);
    const Bytes input{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    LLVMFuzzerTestOneInput(input.data(), input.size());
    for (int i = 0; i < kMutations; ++i) {
      const Bytes mutated = Mutated(input, random);
      LLVMFuzzerTestOneInput(mutated.data(), mutated.size());
    }
  }
  std::printf("%zu files, %d mutations each\n", files.size(), kMutations);
  return 0;
}
