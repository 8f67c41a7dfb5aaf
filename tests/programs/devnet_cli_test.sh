#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# devnet_cli_test.sh DAMOCLES_DEVNET: what the command line of the simulated chain takes and refuses.
set -uo pipefail
devnet=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# expect EXIT TEXT ARGUMENTS...: runs it and looks for TEXT in what it says.
expect() {
  local want=$1 text=$2 got out
  shift 2
  out=$("$devnet" "$@" 2>&1)
  got=$?
  [[ $got == "$want" && $out == *"$text"* ]] && return
  echo "damocles-devnet $*: exit $got, want $want with \"$text\"; it said: $out"
  failed=1
}

zeros=$(printf '0%.0s' {1..64})
genesis() { # MINER
  printf '{"version":1,"sectors":[{"miner":%s,"number":1,"comm_r":"%s","proof_type":10}]}\n' "$1" "$zeros"
}
genesis 1000 >"$work/good.json"
genesis 9223372036854775808 >"$work/large.json"
printf '{"version":1,"sectors":[]}\n' >"$work/empty.json"

for wrong in "--seed -1" "--seed 18446744073709551616" "--seed x" "--epoch-seconds 0" \
  "--epoch-seconds 86401" "--control-addresses 11" "--null-rounds-percent 91" "--partition-sectors 0" \
  "--partition-sectors 3" "--preset other"; do
  # Words on purpose.
  # shellcheck disable=SC2086
  expect 2 "" init --home "$work/no" --genesis "$work/good.json" $wrong
done
expect 1 "$work/empty.json: has no sectors" init --home "$work/no" --genesis "$work/empty.json"
expect 1 "sector f09223372036854775808/1" init --home "$work/no" --genesis "$work/large.json"
[[ ! -e $work/no/chain.journal ]] || { echo "a refused init left a chain"; failed=1; }

# Seed and timestamp decide everything.
for home in a b; do
  expect 0 "made the chain" init --home "$work/$home" --genesis "$work/good.json" --seed 7 \
    --genesis-timestamp 1700000000
done
cmp "$work/a/chain.journal" "$work/b/chain.journal" || failed=1

expect 2 "the port from 0 to 65535" run --home "$work/a" --listen :abc
expect 2 "the port from 0 to 65535" run --home "$work/a" --listen :65536
for host in 127.evil.example 0.0.0.0 127.1 "[::]"; do
  expect 1 "refusing to listen" run --home "$work/a" --listen "$host:0"
done
expect 2 "--scoped-token" run --home "$work/a" --listen :0 --scoped-token read:x

# A port file of an earlier run does not outlive a start that fails.
echo 1234 >"$work/port"
expect 1 "init" run --home "$work/none" --listen :0 --port-file "$work/port"
[[ ! -e $work/port ]] || { echo "the old port file is still there"; failed=1; }

# A run: the file comes when it listens and goes when it stops.
"$devnet" run --home "$work/a" --listen :0 --port-file "$work/port" --params "$work" --manual-clock \
  >"$work/log" 2>&1 &
pid=$!
for _ in {1..100}; do
  [[ -s $work/port ]] && break
  sleep 0.1
done
[[ -s $work/port ]] || { echo "no port file"; cat "$work/log"; failed=1; }
kill -TERM $pid
wait $pid || { echo "a clean stop is exit 0"; failed=1; }
[[ ! -e $work/port ]] || { echo "the port file outlived the run"; failed=1; }

# Nested deep enough to end a program that recurses.
head -c 300000 /dev/zero | tr '\0' '[' >"$work/deep.json"
expect 1 "64 deep" replay --in "$work/deep.json"
exit $failed
