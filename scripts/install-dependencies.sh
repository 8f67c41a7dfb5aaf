#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Installs what the build needs from Debian 12's packages (docs/dependencies.md says what each is
# for).  Does nothing where all are there.
set -euo pipefail
packages=(
  cmake g++ mold ninja-build ccache pkg-config
  libabsl-dev libleveldb-dev libsnappy-dev capnproto libcapnp-dev libtomlplusplus-dev
  libspdlog-dev libcli11-dev nlohmann-json3-dev libssl-dev libsodium-dev libsecp256k1-dev libgmp-dev
  libgtest-dev libgmock-dev libbenchmark-dev jq
)
if [[ "${1:-}" == "--full" ]]; then
  packages+=(clang clang-tidy clang-format libclang-rt-14-dev)
fi
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0
echo "installing: ${missing[*]}" >&2
sudo=()
if [[ $(id -u) -ne 0 ]]; then
  command -v sudo >/dev/null || { echo "not root and no sudo: install these packages yourself: ${missing[*]}" >&2; exit 1; }
  sudo=(sudo)
fi
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
