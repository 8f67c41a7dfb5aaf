#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# kernel_symbols_test.sh NM OBJECT...: the objects of kernels for some processors, among those given,
# define no weak function. The linker keeps one copy of such a function for the whole program, and it
# might be the one that other processors cannot run.
set -euo pipefail
nm=$1
shift
seen=0
for object in ${*//;/ }; do
  [[ $object == */kernels/ifma.cpp.o ]] || continue
  seen=1
  symbols=$("$nm" -C "$object")
  if grep ' W ' <<<"$symbols"; then
    echo "$object defines what others may define too" >&2
    exit 1
  fi
done
[[ $seen == 1 || $(uname -m) != x86_64 ]] || { echo "no object of a form was given" >&2; exit 1; }
