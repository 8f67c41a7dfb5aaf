#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# examples_test.sh BUILD_FOLDER TEST: runs the programs of examples/ as a reader would.
set -euo pipefail
build=$1 test=$2
work=$(mktemp -d)
devnet=''
cleanup() {
  [[ -z $devnet ]] || kill "$devnet" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

"$build/damocles-prover" sector new --size 2KiB --miner 1000 --sector 0-2 --deadline 3 \
  --store "$work/store" --genesis "$work/genesis.json" --json >"$work/sectors.json"
comm_r() { jq -r ".[] | select(.sector == $1) | .comm_r" "$work/sectors.json"; }

case "$test" in
  Store)
    "$build/examples/scan_store" "$work/store" >"$work/out" || fail "scan_store ended with $?"
    for number in 0 1 2; do
      grep -qF "f01000/$number sealed $(comm_r $number)" "$work/out" || fail "sector $number: $(cat "$work/out")"
    done
    grep -qx '3 sectors, 0 problems' "$work/out" || fail "$(tail -n 1 "$work/out")"
    rm "$work/store/cache/s-t01000-1/p_aux"
    code=0
    "$build/examples/scan_store" "$work/store" >"$work/out" 2>"$work/err" || code=$?
    [[ $code -eq 1 ]] || fail "a sector without p_aux: exit code $code"
    grep -q 's-t01000-1.*p_aux' "$work/err" || fail "$(cat "$work/err")"
    ;;
  ProofIsMadeAndVerified)
    "$build/damocles-prover" setup --kind window --size 2KiB --params "$work/params" >"$work/setup.log" 2>&1
    # With its two top bits set, as a chain may draw it.
    randomness=$(printf 'ff%.0s' {1..32})
    proof=$("$build/examples/prove_window" "$work/store" "$work/params" 1000 "$randomness" 2 0 1)
    [[ ${#proof} -eq 768 ]] || fail "three sectors of 2 KiB make two proofs of 192 bytes, not ${#proof} digits"
    sectors=("0:$(comm_r 0)" "1:$(comm_r 1)" "2:$(comm_r 2)")
    verify() { "$build/examples/verify_window" "$work/params" 10 1000 "$@"; }
    [[ $(verify "$randomness" "$proof" "${sectors[@]}") == valid ]] || fail "the proof is not valid"
    code=0
    got=$(verify "$(printf '00%.0s' {1..32})" "$proof" "${sectors[@]}") || code=$?
    [[ $code -eq 1 && $got == invalid ]] || fail "another randomness: exit code $code, $got"
    code=0
    verify "$randomness" "${proof:0:384}" "${sectors[@]}" 2>"$work/err" || code=$?
    [[ $code -eq 2 ]] || fail "half a proof: exit code $code"
    rm "$work/store/sealed/s-t01000-1"
    ! "$build/examples/prove_window" "$work/store" "$work/params" 1000 "$randomness" 0 1 2>"$work/err" ||
      fail "a sector that is not there was proven"
    grep -q 's-t01000-1' "$work/err" || fail "$(cat "$work/err")"
    ;;
  Deadlines)
    "$build/damocles-devnet" init --home "$work/devnet" --genesis "$work/genesis.json" >/dev/null
    "$build/damocles-devnet" run --home "$work/devnet" --listen 127.0.0.1:0 \
      --port-file "$work/port" --params "$work/params" --manual-clock 2>"$work/devnet.log" &
    devnet=$!
    for ((i = 0; i < 200; i++)); do [[ -s $work/port ]] && break; sleep 0.05; done
    node=127.0.0.1:$(<"$work/port")
    "$build/examples/read_deadlines" "$node" t01000 >"$work/out" || fail "read_deadlines ended with $?"
    grep -qE '^deadline 3: 2 partitions, 3 sectors, 0 faulty' "$work/out" || fail "$(cat "$work/out")"
    [[ $(wc -l <"$work/out") -eq 12 && $(grep -c ', now$' "$work/out") -eq 1 ]] || fail "$(cat "$work/out")"
    ! "$build/examples/read_deadlines" "$node" t09999 2>"$work/err" || fail "a miner that does not exist"
    [[ -s $work/err ]] || fail "no word about a miner that does not exist"
    ;;
  Jobs)
    "$build/examples/job_queue" >"$work/out" || fail "job_queue ended with $?"
    [[ $(sed 's/^[0-9:]* //' "$work/out" | tr '\n' ',') == 'ReadyToRun,Running dies,Running dies lives,Succeed,' ]] ||
      fail "$(cat "$work/out")"
    code=0
    "$build/examples/job_queue" 0 2>"$work/err" || code=$?
    [[ $code -eq 2 ]] || fail "no time at all: exit code $code"
    ;;
  *) fail "no test $test" ;;
esac
