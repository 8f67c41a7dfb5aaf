#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'EOT'
Usage: tests/soak.sh [--minutes N] [--seed S] [--first S] [--jobs N] [--build FOLDER]

Draws a cluster from a seed (miners, partitions, workers, clocks), lets three proving periods pass
in virtual time with troubles of every kind, and looks whether what must hold did: again and again
with new seeds.  Builds nothing.  Ends with 1 if a seed failed, and says how to run that one alone.

  --minutes N    how long (default 2); what runs then is finished
  --seed S       only this one
  --first S      begin at this seed and count on (default: a random one)
  --jobs N       lives at one time (default: one a processor)
  --build FOLDER where poster_soak was built (default build/dev)
EOT
}

minutes=2 seed='' first='' jobs=$(nproc) build=build/dev
while [[ $# -gt 0 ]]; do
  case "$1" in
    --help|-h) usage; exit 0 ;;
    --minutes|--seed|--first|--jobs|--build)
      [[ $# -ge 2 && -n $2 ]] || { echo "tests/soak.sh: $1 needs a value" >&2; exit 2; }
      case "$1" in
        --build) build=$2 ;;
        *) [[ $2 =~ ^[0-9]+$ ]] || { echo "tests/soak.sh: $1 $2: want a number" >&2; exit 2; }
           printf -v "${1#--}" %s "$2" ;;
      esac
      shift 2 ;;
    *) echo "tests/soak.sh: unknown argument '$1'; see tests/soak.sh --help" >&2; exit 2 ;;
  esac
done

program=$build/tests/poster_soak
if [[ ! -x $program ]]; then
  echo "tests/soak.sh: there is no $program; build it: cmake --build $build --target poster_soak" >&2
  exit 2
fi
if [[ -n $seed ]]; then
  exec "$program" "$seed"
fi

first=${first:-$(od -An -N5 -tu8 /dev/urandom | tr -d ' ')}
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
until=$((SECONDS + minutes * 60))

lives() {  # number of this loop, from 0: every so-manieth seed until the time is over
  local one=$((first + $1))
  while [[ $SECONDS -lt $until ]]; do
    # A life takes seconds; one that hangs is a failure too.
    if timeout 300 "$program" "$one" >"$results/$one.said" 2>&1; then
      mv "$results/$one.said" "$results/$one.passed"
    else
      echo "exit $?" >>"$results/$one.said"
      mv "$results/$one.said" "$results/$one.failed"
      sed 's/^/  /' "$results/$one.failed" >&2
      echo "tests/soak.sh: seed $one failed; to repeat: tests/soak.sh --seed $one --build $build" >&2
    fi
    one=$((one + jobs))
  done
}
pids=()
for ((i = 0; i < jobs; ++i)); do
  lives "$i" &
  pids+=($!)
done
wait "${pids[@]}"

passed=$(find "$results" -name '*.passed' | wc -l)
failed=$(find "$results" -name '*.failed' | wc -l)
echo "soak: $passed seeds passed, $failed failed, from $first on; what happened in those that passed:"
sed -n 's/^  troubles: //p' "$results"/*.passed 2>/dev/null | tr ',' '\n' | sed 's/^ *//' |
  awk '{n = $NF; $NF = ""; sum[$0] += n} END {for (t in sum) printf "  %5d %s\n", sum[t], t}' |
  sort -rn
[[ $failed -eq 0 && $passed -gt 0 ]]
