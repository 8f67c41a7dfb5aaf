#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# Whole proofs beside another implementation of the same protocol, in one run, turn by turn.
set -euo pipefail

usage() {
  cat <<'EOF2'
Usage: bench/whole_proofs_beside_peer.sh --peer PROGRAM [--bin DIR] [--folder DIR] [--runs N]
                                         [--threads N] [--json] [CASE...]

Times whole proofs of 2 KiB, 8 MiB and 512 MiB windows and of a 2 KiB winning proof, made from the
same sectors and the same parameters by damocles-prover and by a peer, alternately, and prints the
medians and their ratio. The peer verifies each of our proofs; one that it refuses ends the run.

The peer understands these calls and reads FIL_PROOFS_PARAMETER_CACHE:
  PROGRAM sectors SALT STORE SIZE ID...          makes sectors 7, 11 by rule
  PROGRAM case SALT STORE SIZE KIND API N OUT ID...  proves; ends its standard error with a line
                                                 '... vanilla 0.1s prove 1.2s ...'
  PROGRAM verify FILE                            prints true for a proof that holds

Its time is what it says of itself: vanilla proofs and proof. Ours is the whole process, from its
start to the verified proof on standard output.

  --bin DIR     where damocles-prover is (default: build/release)
  --folder DIR  keep sectors and parameters here for the next run (default: a temporary folder)
  --runs N      proofs of each kind and side (default 5)
  --threads N   of both sides (default: all processors)
  CASE          of window-2KiB window-8MiB window-512MiB winning-2KiB (default: all)

Example: bench/whole_proofs_beside_peer.sh --peer ./reference-post --runs 3 window-2KiB
EOF2
}

root=$(cd "$(dirname "$0")/.." && pwd)
peer='' bin=$root/build/release folder='' runs=5 threads=$(nproc) json=no cases=()
command_line="$0 $*"
while [[ $# -gt 0 ]]; do
  case "$1" in
    --peer) peer=${2:?--peer needs a program}; shift ;;
    --bin) bin=${2:?--bin needs a folder}; shift ;;
    --folder) folder=${2:?--folder needs a folder}; shift ;;
    --runs) runs=${2:?--runs needs a number}; shift ;;
    --threads) threads=${2:?--threads needs a number}; shift ;;
    --json) json=yes ;;
    -h|--help) usage; exit 0 ;;
    window-2KiB|window-8MiB|window-512MiB|winning-2KiB) cases+=("$1") ;;
    *) echo "$0: unknown argument '$1'; see --help" >&2; exit 2 ;;
  esac
  shift
done
[[ -n $peer ]] || { echo "$0: --peer is missing; see --help" >&2; exit 2; }
[[ -x $peer ]] || { echo "$0: $peer is no program" >&2; exit 2; }
[[ -x $bin/damocles-prover ]] || { echo "$0: $bin/damocles-prover is missing: build it, or give --bin" >&2; exit 2; }
[[ ${#cases[@]} -gt 0 ]] || cases=(window-2KiB window-8MiB window-512MiB winning-2KiB)
if [[ -z $folder ]]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi
mkdir -p "$folder/params" "$folder/out"
export FIL_PROOFS_PARAMETER_CACHE=$folder/params RAYON_NUM_THREADS=$threads EC_GPU_NUM_THREADS=$threads

median() { sort -n | awk '{v[NR]=$1} END {print (NR % 2) ? v[(NR+1)/2] : (v[NR/2]+v[NR/2+1])/2}'; }
spread() { sort -n | awk '{v[NR]=$1} END {printf "%.2f-%.2f", v[1], v[NR]}'; }

peer_seconds() {  # store, size, kind, api, sectors a partition, ids...: of one proof
  local line
  line=$("$peer" case bench "$1" "$2" "$3" "$4" "$5" "$folder/out" "${@:6}" 2>&1 >/dev/null | tail -n 1)
  [[ $line =~ vanilla\ ([0-9.]+)s\ prove\ ([0-9.]+)s ]] ||
    { echo "$0: the peer says '$line'" >&2; return 1; }
  awk -v a="${BASH_REMATCH[1]}" -v b="${BASH_REMATCH[2]}" 'BEGIN {print a + b}'
}

our_seconds() {  # the same
  local start end partition=()
  [[ $3 == winning ]] || partition=(--sectors-per-partition "$5")
  start=$EPOCHREALTIME
  "$bin/damocles-prover" prove "$3" --size "$2" --api-version "$4" "${partition[@]}" \
    --store "$1" --sector "$(IFS=,; echo "${*:6}")" --miner 1000 --params "$folder/params" \
    --threads "$threads" --randomness "$randomness" --json >"$folder/out/ours.json"
  end=$EPOCHREALTIME
  [[ $("$peer" verify "$folder/out/ours.json" 2>/dev/null) == true ]] ||
    { echo "$0: the peer refuses our proof in $folder/out/ours.json" >&2; return 1; }
  awk -v a="$start" -v b="$end" 'BEGIN {print b - a}'
}

model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
commit=$(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown)
[[ -z $(git -C "$root" status --porcelain 2>/dev/null) ]] || commit=$commit-dirty
results='[]'
if [[ $json == no ]]; then
  echo "cpu: $model, threads: $threads, commit: $commit, date: $(date -u +%F), load: $(cut -d' ' -f1 /proc/loadavg)"
  echo "command: $command_line"
  printf '%-14s %9s %12s %9s %12s %7s\n' case ours/s min-max peer/s min-max ratio
fi
for one in "${cases[@]}"; do
  kind=${one%%-*} size=${one#*-} api=V1_2 per=2 ids=(7 11)
  [[ $kind == winning ]] && api=V1_1 per=1 ids=(7)
  [[ $size == 512MiB ]] && per=1 ids=(7)
  store=$folder/store-$size
  [[ -d $store ]] || "$peer" sectors bench "$store" "$size" 7 11 >/dev/null 2>&1
  peer_seconds "$store" "$size" "$kind" "$api" "$per" "${ids[@]}" >/dev/null  # sets up, warms
  randomness=$(jq -r .randomness "$folder"/out/"$kind-$size"-*.json | head -n 1)
  our_seconds "$store" "$size" "$kind" "$api" "$per" "${ids[@]}" >/dev/null
  ours=() theirs=()
  for ((i = 0; i < runs; i++)); do
    theirs+=("$(peer_seconds "$store" "$size" "$kind" "$api" "$per" "${ids[@]}")")
    ours+=("$(our_seconds "$store" "$size" "$kind" "$api" "$per" "${ids[@]}")")
  done
  mine=$(printf '%s\n' "${ours[@]}" | median) his=$(printf '%s\n' "${theirs[@]}" | median)
  ratio=$(awk -v a="$mine" -v b="$his" 'BEGIN {printf "%.2f", a / b}')
  if [[ $json == no ]]; then
    printf '%-14s %9.2f %12s %9.2f %12s %7s\n' "$one" "$mine" "$(printf '%s\n' "${ours[@]}" | spread)" \
      "$his" "$(printf '%s\n' "${theirs[@]}" | spread)" "$ratio"
  fi
  results=$(jq -c --arg case "$one" --argjson ours "[$(IFS=,; echo "${ours[*]}")]" \
    --argjson peer "[$(IFS=,; echo "${theirs[*]}")]" --argjson ratio "$ratio" \
    '. + [{case: $case, ours_seconds: $ours, peer_seconds: $peer, ratio_of_medians: $ratio}]' <<<"$results")
done
if [[ $json == yes ]]; then
  jq -n --arg cpu "$model" --argjson threads "$threads" --arg commit "$commit" \
    --arg command "$command_line" --arg date "$(date -u +%F)" --argjson results "$results" \
    '{cpu: $cpu, threads: $threads, commit: $commit, command: $command, date: $date, results: $results}'
fi
