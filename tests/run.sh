#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'EOF'
Usage: tests/run.sh [--ci | --full] [-- CTEST_ARGUMENT...]

Installs what the build needs, builds (preset dev) and runs all tests.

  --ci     the same with joined sources (preset ci), also the library and its unit tests under
           AddressSanitizer and UndefinedBehaviorSanitizer, and what has threads under
           ThreadSanitizer
  --full   all unit tests, golden data and scenarios under the first two, all that has threads under
           the third, clang-format, clang-tidy, a minute of every fuzz target, and the tests that
           take minutes

Example: tests/run.sh -- -R poster
EOF
}

mode=dev
while [[ $# -gt 0 ]]; do
  case "$1" in
    --ci) mode=ci ;;
    --full) mode=full ;;
    --help|-h) usage; exit 0 ;;
    --) shift; break ;;
    *) echo "tests/run.sh: unknown argument '$1'; see tests/run.sh --help" >&2; exit 2 ;;
  esac
  shift
done

jobs=$(nproc)
times=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT

stage() {  # name, command...: runs it and notes the time
  local name=$1 start=$SECONDS
  shift
  echo "==== $name" >&2
  "$@"
  times+=("$(printf '%-28s %3d min %02d s' "$name" $(((SECONDS - start) / 60)) $(((SECONDS - start) % 60)))")
}

build() {  # preset, target...
  local preset=$1
  shift
  local fresh=()
  # A folder that was made for another compiler would lose its flags.
  if [[ $preset =~ ^(asan|tsan|fuzz)$ && -f build/$preset/CMakeCache.txt ]] &&
     ! grep -q '^CMAKE_CXX_COMPILER:.*clang' "build/$preset/CMakeCache.txt"; then
    fresh=(--fresh)
  fi
  cmake "${fresh[@]}" --preset "$preset" >"$log" 2>&1 || { cat "$log" >&2; return 1; }
  grep 'not registered' "$log" || true
  if [[ $# -gt 0 ]]; then
    cmake --build --preset "$preset" -j "$jobs" --target "$@"
  else
    cmake --build --preset "$preset" -j "$jobs"
  fi
}

run_tests() {  # preset, ctest arguments...
  local preset=$1
  shift
  ctest --preset "$preset" -j "$jobs" --timeout 600 --no-tests=error "$@" | tee "$log"
  # A test that skips itself checks nothing: only those that need a GPU may.
  if grep -E '\*\*\*(Skipped|Not Run)' "$log" | grep -qv gpu; then
    echo "tests/run.sh: tests were skipped, see above" >&2
    return 1
  fi
}

fuzz_one() {  # target
  local name said
  name=$(basename "$1")
  said=build/fuzz/corpus/$name.log
  mkdir -p "build/fuzz/corpus/$name"
  "$1" -max_total_time=60 -artifact_prefix="build/fuzz/corpus/$name-" "build/fuzz/corpus/$name" \
    "tests/fuzz/corpus/$name" >"$said" 2>&1 || { echo "$name:" >&2; tail -n 40 "$said" >&2; return 1; }
  echo "$name: $(tail -n 1 "$said")"
}

fuzz_a_minute() {
  export -f fuzz_one
  printf '%s\n' build/fuzz/tests/*_fuzz | xargs -P "$jobs" -I '{}' bash -euc 'fuzz_one {}'
}

check_format() {
  git ls-files '*.h' '*.cpp' | xargs clang-format --dry-run --Werror
}

check_tidy() {
  # Commands of clang's own, on sources that are joined: most of the time goes into headers.
  local generated
  generated=$(ninja -C build/asan -t targets all | sed -n 's/^\(schema.*capnp.h\): .*/\1/p')
  ninja -C build/asan damocles_program_headers damocles_commit $generated
  jq -r '.[].file' build/asan/compile_commands.json |
    grep -E "^$PWD/(build/asan/)?(lib|apps)/" | grep -vE 'cmake_pch|program_headers' | sort -u |
    xargs -P "$jobs" -n 1 clang-tidy --quiet -p build/asan --checks=-bugprone-suspicious-include
}

if [[ $mode == dev ]]; then
  stage "install" ./scripts/install-dependencies.sh
else
  stage "install" ./scripts/install-dependencies.sh --full
fi
if [[ $mode == ci ]]; then
  stage "asan build" build asan damocles_unit_tests
  # The large collection of answers of others, the scenarios and prover_test, which take minutes
  # more, are the ordinary build's only (CaseTest makes whole proofs here); --full has them here too.
  stage "asan tests" run_tests asan -L 'unit|fuzz' -LE 'golden|scenario' -E '^prover_test$'
  stage "tsan build" build tsan damocles_thread_tests damocles_header_check
  # Not what only takes long there: --full has it.
  stage "tsan tests" run_tests tsan -L threads -E 'FftTest.Large|MultiExpTest.(Special|FixedBase)|ParamsTest|HubAgentTest.Registrations'
elif [[ $mode == full ]]; then
  stage "asan build" build asan damocles_unit_tests damocles_golden_tests
  stage "asan tests" run_tests asan -L 'unit|fuzz'
  stage "tsan build" build tsan damocles_thread_tests damocles_header_check
  stage "tsan tests" run_tests tsan -L threads
fi
if [[ $mode == dev ]]; then
  stage "dev build" build dev all damocles_header_check
elif [[ $mode == ci ]]; then
  # From nothing, on two processors: joined, or it takes twice as long.
  stage "ci build" build ci
else
  stage "dev build" build dev
fi
if [[ $mode == full ]]; then
  stage "release build" build release
  stage "clang-format" check_format
  # Everything each source by itself: a missing include is seen.
  stage "fuzz build" build fuzz damocles_fuzzers lib/all apps/all
  stage "clang-tidy" check_tidy
  stage "fuzz" fuzz_a_minute
fi
echo "==== tests" >&2
if [[ ${#times[@]} -gt 1 ]]; then
  printf '%s\n' "${times[@]}"
fi
if [[ $mode == full ]]; then
  run_tests dev "$@"
elif [[ $mode == ci ]]; then
  run_tests ci -LE minutes "$@"
else
  run_tests dev -LE minutes "$@"
fi
