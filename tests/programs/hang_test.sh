#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# hang_test.sh BUILD_FOLDER: programs whose disks do not answer can still be ended.  A pipe that
# nobody writes to stands for the disk: opening it hangs like a dead mount.
set -uo pipefail
bin=$1
work=$(mktemp -d)
pid=''
trap '[[ -n $pid ]] && kill -9 "$pid" 2>/dev/null; rm -rf "$work"' EXIT
failures=0
fail() { echo "FAILED: $*" >&2; failures=$((failures + 1)); }
export HOME=$work
unset DAMOCLES_PATH DAMOCLES_CONF_DIR DAMOCLES_WORKER_CONFIG

# ends SECONDS WHAT: the program ends by itself in that time.
ends() {
  local i
  for ((i = 0; i < $1 * 20; i++)); do
    if ! kill -0 "$pid" 2>/dev/null; then
      wait "$pid"
      pid=''
      return
    fi
    sleep 0.05
  done
  fail "$2 does not end"
  kill -9 "$pid"
  wait "$pid" 2>/dev/null
  pid=''
}

# The configuration itself hangs: the first signal is enough, nothing has begun.
mkfifo "$work/worker.toml"
mkdir "$work/home"
mkfifo "$work/home/sector-manager.cfg"
for signal in TERM INT; do
  for program in worker manager; do
    if [[ $program == worker ]]; then
      "$bin/damocles-worker" daemon -c "$work/worker.toml" >"$work/log" 2>&1 &
    else
      "$bin/damocles-manager" --home "$work/home" daemon run --listen 127.0.0.1:0 >"$work/log" 2>&1 &
    fi
    pid=$!
    sleep 1
    kill -0 "$pid" 2>/dev/null || fail "$program ends by itself: $(<"$work/log")"
    kill "-$signal" "$pid"
    ends 10 "$program that hangs in its configuration after SIG$signal"
    grep -q "stopped_at_once signal=SIG$signal" "$work/log" || fail "$program: $(<"$work/log")"
  done
done

[[ $failures -eq 0 ]] && echo 'whatever hangs can be ended'
exit "$failures"
