#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# install_test.sh CMAKE BUILD_FOLDER SOURCE_FOLDER COMPILER FLAGS
set -euo pipefail
cmake=$1 build=$2 source=$3 compiler=$4 flags=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

DESTDIR='' "$cmake" --install "$build" --prefix "$work/prefix" >"$work/install.log" ||
  { cat "$work/install.log"; exit 1; }

for file in share/doc/damocles/{LICENSE-APACHE,LICENSE-MIT,README.md,CHANGELOG.md,docs/operations.md,docs/formats/params.md} \
  share/damocles/examples/{sector-manager.cfg,worker.toml,CMakeLists.txt,verify_window/main.cpp}; do
  [[ -s $work/prefix/$file ]] || { echo "$file is not installed"; exit 1; }
done
# What the README links to lies beside it.
while read -r link; do
  [[ -e $work/prefix/share/doc/damocles/$link ]] || { echo "README.md leads to $link, which is not installed"; exit 1; }
done < <(grep -oE '\]\([^):#]+' "$source/README.md" | cut -c3-)

# What is installed stands by itself: each header includes installed ones and none of a library that
# is an inner matter, and all together they compile; what no program needs is not there.
headers=$(cd "$work/prefix/include" && find damocles -name '*.h' | sort)
for header in $headers; do
  while read -r included; do
    [[ -e $work/prefix/include/$included ]] || { echo "$header includes $included, which is not installed" >&2; exit 1; }
  done < <(grep -oE '^#include "damocles/[^"]+' "$work/prefix/include/$header" | cut -d'"' -f2)
  echo "#include \"$header\""
done >"$work/all.cpp"
[[ $headers == *damocles/poster/runner.h* ]] || { echo "public headers are missing"; exit 1; }
for header in chain/json_rpc.h config/ext_prover.h poster/message_errors.h practice/case.h; do
  [[ ! -e $work/prefix/include/damocles/$header ]] || { echo "$header is installed: it is private"; exit 1; }
done
# Words on purpose.
# shellcheck disable=SC2086
"$compiler" -std=c++20 $flags -fsyntax-only -I "$work/prefix/include" "$work/all.cpp"

# Sector 1 with a randomness of zeros: the leaves in a proof of the network.
zeros=$(printf '0%.0s' {1..64})
want="707914199 439148358 967788220 548708700 1061661429 6202012 1055504637 389535735 1000069704 600088878"
check() {
  local got
  got=$("$1" 1 "$zeros" | tr '\n' ' ' | sed 's/ $//')
  [[ $got == "$want" ]] || { echo "$1 printed: $got"; echo "want: $want"; exit 1; }
}

"$cmake" -S "$work/prefix/share/damocles/examples" -B "$work/by-cmake" -DCMAKE_PREFIX_PATH="$work/prefix" \
  -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_CXX_FLAGS="$flags" >"$work/cmake.log" 2>&1 ||
  { cat "$work/cmake.log"; exit 1; }
"$cmake" --build "$work/by-cmake" -j 2
for example in job_queue prove_window read_deadlines scan_store verify_window; do
  [[ -x $work/by-cmake/$example ]] || { echo "$example is not built"; exit 1; }
done
check "$work/by-cmake/challenges"

# Whoever proves for money carries no simulated chain, and none of what it needs.
library=$(find "$work/prefix" -name libdamocles.a -o -name 'libdamocles.so*' | head -n 1)
if nm -C "$library" 2>/dev/null | grep -m 1 'damocles::devnet::\|secp256k1'; then
  echo "the line above is in $library"
  exit 1
fi
mkdir "$work/devnet"
cat >"$work/devnet/CMakeLists.txt" <<'EOF'
cmake_minimum_required(VERSION 3.25)
project(devnet_consumer C CXX)
find_package(damocles REQUIRED COMPONENTS devnet)
add_executable(consumer main.cpp)
target_link_libraries(consumer PRIVATE damocles::devnet)
EOF
cat >"$work/devnet/main.cpp" <<'EOF'
#include <cstdio>
#include "damocles/devnet/presets.h"
int main() { std::puts(damocles::devnet::PresetByName("quick").ok() ? "found" : "not found"); }
EOF
"$cmake" -S "$work/devnet" -B "$work/devnet/build" -DCMAKE_PREFIX_PATH="$work/prefix" \
  -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_CXX_FLAGS="$flags" >"$work/cmake.log" 2>&1 ||
  { cat "$work/cmake.log"; exit 1; }
"$cmake" --build "$work/devnet/build"
[[ $("$work/devnet/build/consumer") == found ]] || { echo "the devnet's library does not answer"; exit 1; }

pc=$(dirname "$(find "$work/prefix" -name libdamocles.pc)")
export PKG_CONFIG_PATH=$pc
# Words on purpose.
# shellcheck disable=SC2046,SC2086
"$compiler" -std=c++20 $flags "$source/examples/challenges/main.cpp" \
  $(pkg-config --cflags --libs --static libdamocles) -o "$work/by-pkg-config"
check "$work/by-pkg-config"
echo "both consumers printed the leaves"
