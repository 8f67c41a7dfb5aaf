#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# paired.sh BEFORE AFTER [ROUNDS [ARGUMENTS...]]: two builds of one benchmark program, turn by turn,
# so that what else the machine does meets both; prints the medians of wall and processor time of
# each benchmark and their ratio.
#
#   bench/paired.sh old/circuit_bench build/release/circuit_bench 9
#   DAMOCLES_BENCH_FOLDER=/tmp/b bench/paired.sh old/prover_bench build/release/prover_bench 9 \
#     --benchmark_filter=Window/2KiB
set -euo pipefail
[[ $# -ge 2 ]] || { sed -n '4,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
before=$1
after=$2
rounds=${3:-5}
shift $(($# < 3 ? $# : 3))
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
for _ in $(seq "$rounds"); do
  for side in before after; do
    "${!side}" --benchmark_format=csv "$@" 2>/dev/null |
      awk -F, -v side="$side" '/real_time/ && $1 != "name" { gsub(/"/, "", $1); print side, $1, $3, $4, $5 }' >>"$lines"
  done
done
awk '
  function median(list,   values, n, i, j, t) {
    n = split(list, values, " ")
    for (i = 2; i <= n; ++i)
      for (j = i; j > 1 && values[j - 1] + 0 > values[j] + 0; --j) {
        t = values[j]; values[j] = values[j - 1]; values[j - 1] = t
      }
    return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
  }
  {
    if (!($2 in unit)) order[++count] = $2
    unit[$2] = $5
    wall[$1, $2] = wall[$1, $2] " " $3
    cpu[$1, $2] = cpu[$1, $2] " " $4
  }
  END {
    if (count == 0) { print "nothing was measured" > "/dev/stderr"; exit 1 }
    for (i = 1; i <= count; ++i) {
      name = order[i]
      printf "%s: wall %.4g -> %.4g (%.3f), processor %.4g -> %.4g (%.3f) %s\n", name,
        median(wall["before", name]), median(wall["after", name]),
        median(wall["after", name]) / median(wall["before", name]),
        median(cpu["before", name]), median(cpu["after", name]),
        median(cpu["after", name]) / median(cpu["before", name]), unit[name]
    }
  }' "$lines"
