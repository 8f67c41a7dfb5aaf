#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# quickstart_test.sh SOURCE_FOLDER EXIT_CODE QUICKSTART_ARGUMENT...: the run ends with that code, and
# what it prints and leaves agrees with itself.  Programs: $DAMOCLES_BIN; with DAMOCLES_DEAD_WORKER
# the worker of flip-proof is one that ends at once.
set -euo pipefail
source=$1 want=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
if [[ -n ${DAMOCLES_DEAD_WORKER:-} ]]; then
  # The same programs, but for a worker that ends at once.
  mkdir -p "$work/bin/tests"
  ln -s "$DAMOCLES_BIN"/damocles-{manager,worker,devnet,prover} "$work/bin/"
  ln -s "$(type -P false)" "$work/bin/tests/flip-worker"
  export DAMOCLES_BIN=$work/bin
fi

got=0
"$source/examples/quickstart.sh" --skip-build --keep --home "$work/home" "$@" >"$work/out" || got=$?
cat "$work/out"
[[ $got -eq $want ]] || fail "exit code $got, want $want"

form='^deadlines=[0-9]+ proven=[0-9]+ missed=[0-9]+ proofs=[0-9]+ skipped=[0-9]+ min_slack=[0-9]+%$'
line=$(tail -n 1 "$work/out")
[[ $line =~ $form ]] || fail "the last line is \"$line\""
[[ -s $work/home/summary.json ]] || fail "there is no summary.json"
from_file=$(jq -r '.counts | "deadlines=\(.deadlines) proven=\(.proven) missed=\(.missed) proofs=\(.proofs) skipped=\(.skipped) min_slack=\(.min_slack)%"' \
  "$work/home/summary.json")
[[ $line == "$from_file" ]] || fail "summary.json says \"$from_file\", the last line \"$line\""
jq -e '.report | has("deadlines") and has("proofs")' "$work/home/summary.json" >/dev/null ||
  fail "summary.json has no report"
if [[ $want -eq 0 ]]; then
  [[ $line == *" missed=0 "* ]] || fail "something was missed"
else
  [[ $line != *" missed=0 "* ]] || fail "nothing was missed"
fi
# No token in any log.
for token in "$work"/home/manager/tokens/*; do
  [[ -e $token ]] || continue
  ! grep -lF -- "$(<"$token")" "$work"/home/*.log || fail "the token of $token is in a log"
done
