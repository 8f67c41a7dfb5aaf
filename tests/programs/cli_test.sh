#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# cli_test.sh BUILD_FOLDER: the command lines of damocles-manager, damocles-worker and
# damocles-devnet as scripts and operators meet them.
set -uo pipefail
bin=$(cd "$1" && pwd)
work=$(mktemp -d)
manager_pid='' devnet_pid='' worker_pid=''
cleanup() {
  for pid in $manager_pid $devnet_pid $worker_pid; do kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; done
  rm -rf "$work"
}
trap cleanup EXIT
failures=0
fail() { echo "FAILED: $*" >&2; failures=$((failures + 1)); }
export HOME=$work
unset DAMOCLES_PATH DAMOCLES_CONF_DIR DAMOCLES_WORKER_CONFIG

# run CODE COMMAND...: output in out and err.
run() {
  local want=$1 got=0
  shift
  timeout 20 "$@" >"$work/out" 2>"$work/err" </dev/null || got=$?
  [[ $got -eq $want ]] || { fail "$*: exit code $got, want $want"; cat "$work/err" >&2; }
}
# fails CODE TEXT COMMAND...: nothing on stdout, one line on stderr that has TEXT.
fails() {
  local code=$1 text=$2
  shift 2
  run "$code" "$@"
  [[ $(grep -c '' "$work/err") -eq 1 ]] || { fail "$*: stderr is not one line:"; cat "$work/err" >&2; }
  grep -qF -- "$text" "$work/err" || fail "$*: says \"$(<"$work/err")\", want \"$text\""
}
# fails_with CODE COMMAND... -- TEXT...: nothing on stdout, a line on stderr for each TEXT, and no more.
fails_with() {
  local code=$1 command=() text
  shift
  while [[ $1 != -- ]]; do command+=("$1"); shift; done
  shift
  run "$code" "${command[@]}"
  for text in "$@"; do
    grep -qF -- "$text" "$work/err" || fail "${command[*]}: says \"$(<"$work/err")\", want \"$text\""
  done
  [[ $(grep -c '' "$work/err") -eq $# ]] || { fail "${command[*]}: want $# lines:"; cat "$work/err" >&2; }
}
# prints_json FILTER COMMAND...
prints_json() {
  local filter=$1
  shift
  run 0 "$@"
  jq -e "$filter" "$work/out" >/dev/null || fail "$*: is not the JSON that was wanted: $(<"$work/out")"
}

# Every --help; what runs something ends with an example of itself.
walk() {
  run 0 "$@" --help
  local names name
  names=$(sed -n '/^Subcommands:/,$ s/^  \([a-z][a-z_-]*\) .*/\1/p' "$work/out")
  if [[ -z $names ]]; then
    grep -qF -- "  $(basename "$1")" "$work/out" || fail "$* --help: has no example"
    commands=$((commands + 1))
  fi
  for name in $names; do walk "$@" "$name"; done
}
commands=0
for program in damocles-manager damocles-worker damocles-devnet; do
  run 0 "$bin/$program" --version
  grep -qx "$program [0-9]*\.[0-9]*\.[0-9]*" "$work/out" || fail "$program --version: $(<"$work/out")"
  fails 2 "see $program --help" "$bin/$program"
  fails 2 '"no-such" is not a command here' "$bin/$program" no-such
  walk "$bin/$program"
done
[[ $commands -ge 18 ]] || fail "only $commands commands have a --help"

# Wrong usage names the help of the command that was meant.
manager="$bin/damocles-manager"
fails 2 'see damocles-manager util worker wdpost --help' "$manager" util worker wdpost no-such
fails_with 2 "$manager" util storage find -- 'MINER is required; see damocles-manager util storage find --help' \
  'NUMBER is required; see damocles-manager util storage find --help'
# All mistakes of a command line at once.
fails_with 2 "$bin/damocles-devnet" init --seed -1 --epoch-seconds=x --no-such 7 -- '--home is required' \
  '--genesis is required' '--seed: -1 is not' '--epoch-seconds: x is not' 'no-such'
fails_with 2 "$manager" util storage gen-sectorstore-json --weight x --allow-miners y "$work" -- '--weight: "x"' \
  '"y" is not a miner'
fails 2 '--listen: is not an address: it has no port' "$manager" util --listen 1789 worker list
fails 2 '--manager: is not an address: it has no port' "$manager" util --manager 1789 worker list
# What holds for a command is in its --help.
run 0 "$manager" daemon run --help
for flag in --home --conf-dir; do grep -q -- "^  $flag" "$work/out" || fail "daemon run --help: has no $flag"; done
run 0 "$manager" util worker wdpost list --help
for flag in --home --manager --token-file; do
  grep -q -- "^  $flag" "$work/out" || fail "wdpost list --help: has no $flag"
done
fails 2 'see damocles-devnet run --help' "$bin/damocles-devnet" run --home x --no-such
fails 2 'not part of this version' "$manager" daemon run --miner
fails 2 'exclude each other' "$manager" daemon run --ext-prover --worker-prover
fails 2 '"-1" is no number from 0 to 18446744073709551615' "$manager" util storage find f01000 -1
fails 2 '"99999999999999999999" is no number' "$manager" util storage find f01000 99999999999999999999
fails 2 '"-1" is no number' "$manager" util sealer proving --miner f01000 deadline -1
fails 2 '"-2" is not a miner' "$manager" util storage gen-sectorstore-json --allow-miners 1000,-2 "$work"
fails 2 'control character' "$manager" util storage gen-sectorstore-json --name $'a\e[2J' "$work"
# Both forms of a flag's value: the second gets as far as the configuration.
for flag in --warmup=false '--warmup false' '--poster false' --worker-prover=true; do
  # shellcheck disable=SC2086
  fails 1 '`damocles-manager daemon init` makes one' "$manager" --home "$work/none" daemon run $flag
done
fails 2 'no miner is given' "$manager" util sealer proving info
fails 2 '"x" is not a miner' "$manager" util storage find x 1
fails 2 'not part of this version' "$bin/damocles-worker" processor window_post
fails 2 'either --home DIR or --url URL' "$bin/damocles-devnet" report
fails 1 'does not exist' "$bin/damocles-worker" daemon -c "$work/none.toml"
fails 1 'none.json' "$bin/damocles-devnet" init --home "$work/x" --genesis "$work/none.json"
fails 1 '`damocles-manager daemon init` makes one' "$manager" --home "$work/none" daemon run
fails 1 'is the manager running?' "$manager" --home "$work/none" util --manager 127.0.0.1:1 worker list
[[ ! -e $work/none ]] || fail 'a home that was mistyped came about'

# A home whose manager does not run is no leave to ask another one; the usual home has the usual port.
for command in 'worker list' 'worker wdpost remove-all --really-do-it' 'storage list' 'sealer proving history'; do
  # shellcheck disable=SC2086
  fails 1 "the manager of this home does not run: there is no folder $work/none" \
    "$manager" --home "$work/none" util $command
done
mkdir "$work/empty"
fails 1 "does not run: there is no $work/empty/manager.addr" "$manager" --home "$work/empty" util worker list
fails 1 "there is no folder $work/none" env DAMOCLES_PATH="$work/none" "$manager" util worker list
if ! (exec 3<>/dev/tcp/127.0.0.1/1789) 2>/dev/null; then
  fails 1 '127.0.0.1:1789' "$manager" util worker list
fi

# Without HOME the password database knows; where nobody does, no folder of the name ~ comes about.
user_home=$(getent passwd "$(id -u)" | cut -d: -f6)
if [[ -n $user_home ]]; then
  fails 1 "$user_home/no-such-folder-of-damocles" env -u HOME "$bin/damocles-worker" daemon -c '~/no-such-folder-of-damocles/w'
fi
(cd "$work" && HOME='~' fails 2 'nobody knows the home folder' "$manager" daemon init
 HOME='~' fails 2 'nobody knows the home folder' "$bin/damocles-devnet" report --home '~/x'
 HOME='~' fails 2 'nobody knows the home folder' "$bin/damocles-worker" daemon -c '~/x'
 [[ $failures -eq 0 && ! -e $work/'~' ]]) || fail 'without a home folder: see above'
for flag in --home --conf-dir; do fails 2 "$flag: is empty" "$manager" "$flag" '' daemon init; done
fails 2 '--params: is empty' "$manager" daemon run --params ''

# What comes out of a variable that is not set is no token.
: >"$work/no-token"
fails 1 "$work/no-token: the token file is empty" "$manager" util --token-file "$work/no-token" worker list
fails 2 '--token-file: is empty' "$manager" util --token-file '' worker list
fails 2 '--token: is empty' "$bin/damocles-devnet" run --home x --token ''
fails 2 '--token: is empty' "$bin/damocles-devnet" report --url http://127.0.0.1:1 --token ''

# daemon init makes, and never overwrites.
home=$work/home
run 0 "$manager" --home "$home" daemon init
for role in admin worker; do
  [[ $(stat -c %a "$home/tokens/$role") == 600 ]] || fail "tokens/$role is not mode 600"
done
for file in sector-manager.cfg ext-prover.cfg; do
  [[ $(stat -c %a "$home/$file") == 600 ]] || fail "$file is not mode 600: tokens go into it"
  [[ $(head -n 1 "$home/$file") == '# Default config:' ]] || fail "$file does not begin as it should"
done
echo '# mine' >"$home/sector-manager.cfg"
rm "$home/ext-prover.cfg"
token=$(<"$home/tokens/admin")
fails 1 "$home/sector-manager.cfg exists already" "$manager" --home "$home" daemon init
[[ $(<"$home/sector-manager.cfg") == '# mine' && $(<"$home/tokens/admin") == "$token" ]] ||
  fail 'daemon init overwrote something'
[[ -e $home/ext-prover.cfg ]] || fail 'daemon init did not make what was missing'

# What no HTTP header can hold is no token, and is told without it.
for at in 'Token = "PLANTEDSECRET\r\nX-Evil: 1"' 'Chain = "PLANTED SECRET:/ip4/1.2.3.4/tcp/1"'; do
  printf '[Common.API]\n%s\n' "$at" >"$home/sector-manager.cfg"
  fails 1 "$home/sector-manager.cfg:2:1: Common.API." "$manager" --home "$home" daemon run --listen 127.0.0.1:0
  ! grep -qE 'SECRET|Evil' "$work/err" "$work/out" || fail "a token that cannot be one is repeated"
done
printf 'PLANTED SECRET\n' >"$work/token"
fails 1 "$work/token: the token holds" "$manager" --home "$home" util --token-file "$work/token" worker list
! grep -q SECRET "$work/err" || fail 'the token of --token-file is repeated'
printf '[Common.API]\nChain = "127.0.0.1:1"\n' >"$home/sector-manager.cfg"
fails 1 "http://127.0.0.1:1, from [Common.API] in $home/sector-manager.cfg" \
  "$manager" --home "$home" util sealer proving --miner f01000 info

# A mistake in a file: its place, and the nearest key; each mistake a line.
printf '[Common.API]\nChian = "x"\nChain = "https://h/?token=PLANTEDSECRET"\n' >"$home/sector-manager.cfg"
run 1 "$manager" --home "$home" daemon run --listen 127.0.0.1:0
[[ $(grep -c '' "$work/err") -eq 2 ]] || { fail 'want two mistakes, a line each:'; cat "$work/err" >&2; }
grep -qF "damocles-manager: $home/sector-manager.cfg:2:1: Common.API.Chian: unknown key (did you mean \"Chain\"?)" \
  "$work/err" || { fail 'the unknown key is not named:'; cat "$work/err" >&2; }
grep -qF "$home/sector-manager.cfg:3:1: Common.API.Chain: " "$work/err" || fail 'the node is not judged'
! grep -q PLANTEDSECRET "$work/err" "$work/out" || fail 'the token of the node is repeated'
printf '[sector_manager]\nrpc_client.addr = "PLANTEDSECRET:/ip4/1.2.3.4/tcp/1"\n[[sealing_thread]]\nplan = "wdpost"\n[[attached]]\nlocation = "%s"\n' \
  "$work" >"$work/worker.toml"
fails 1 "$work/worker.toml:2:12: sector_manager.rpc_client.addr: " "$bin/damocles-worker" daemon -c "$work/worker.toml"
! grep -q PLANTEDSECRET "$work/err" "$work/out" || fail "the token in front of the manager's address is repeated"
echo >"$home/sector-manager.cfg"
printf '[[WdPost]]\nBni = "x"\n' >"$home/ext-prover.cfg"
run 1 "$manager" --home "$home" daemon run --listen 127.0.0.1:0
grep -qF 'ext-prover.cfg:2:1: WdPost.Bni: unknown key (did you mean "Bin"?)' "$work/err" ||
  { fail 'the mistake in ext-prover.cfg is not told:'; cat "$work/err" >&2; }
rm "$home/ext-prover.cfg"

# Listings of running programs, as JSON and as text; no token in any log.
wait_for() {
  local i
  for ((i = 0; i < 200; i++)); do [[ -s $1 ]] && return; sleep 0.05; done
  fail "$1 does not appear"
}
mkdir "$work/store"
run 0 "$bin/damocles-prover" sector new --size 2KiB --miner 1000 --sector 5 --store "$work/store" \
  --genesis "$work/genesis.json"
run 0 "$bin/damocles-devnet" init --home "$work/chain" --genesis "$work/genesis.json" --preset quick
fails 1 "$work/chain" "$bin/damocles-devnet" init --home "$work/chain" --genesis "$work/genesis.json"
"$bin/damocles-devnet" run --home "$work/chain" --listen 127.0.0.1:0 --port-file "$work/chain.port" \
  --params "$work" --manual-clock --token PLANTEDSECRET >"$work/devnet.log" 2>&1 &
devnet_pid=$!
wait_for "$work/chain.port"
url=http://127.0.0.1:$(<"$work/chain.port")
prints_json 'has("deadlines") and has("proofs")' "$bin/damocles-devnet" report --url "$url" --json
printf '[Common.API]\nChain = "PLANTEDSECRET:%s"\n[[Common.PersistStores]]\nName = "s"\nPath = "%s"\n[[Miners]]\nActor = 1000\n' \
  "$url" "$work/store" >"$home/sector-manager.cfg"
chmod 644 "$home/tokens/admin"
"$manager" --home "$home" daemon run --poster --worker-prover --listen 127.0.0.1:0 --http-listen :1780 \
  --port-file "$work/manager.port" --params "$work" >"$work/manager.log" 2>&1 &
manager_pid=$!
wait_for "$work/manager.port"
util=("$manager" --home "$home" util)
prints_json 'type == "array"' "${util[@]}" worker list --json
prints_json 'type == "array"' "${util[@]}" worker wdpost list --all --json
prints_json '.[0].name == "s"' "${util[@]}" storage list --json
prints_json '.added == 1 and .problems == []' "${util[@]}" storage attach "$work/store" --json
prints_json '.sealed != null' "${util[@]}" storage find f01000 5 --json
prints_json 'type == "array"' "${util[@]}" sealer proving history --json

# What would cost a window is found and told, once, with its remedy.
run 1 "${util[@]}" check
grep -q '^COSTS A WINDOW  *parameters of 2KiB  .*copy the .vk there' "$work/out" || fail "check says: $(<"$work/out")"
grep -q '^ok  *miner f01000  *its 1 sector on chain are in the index' "$work/out" || fail "check says: $(<"$work/out")"
run 1 "${util[@]}" check --json
jq -e '.costs_window and (.findings | map(.kind) | contains(["no_verifying_key", "secret_readable"])) and
  (.findings | all(.remedy != "" and (.severity == "warning" or .severity == "costs_window"))) and (.in_order | length > 0)' \
  "$work/out" >/dev/null || fail "check --json: $(<"$work/out")"
[[ $(grep -c 'check no_verifying_key' "$work/manager.log") -eq 1 ]] || fail 'the log does not say once that the key is missing'
chmod 600 "$home/sector-manager.cfg" "$home/tokens/admin"
run 1 "${util[@]}" check --json
jq -e '.findings | map(.kind) | contains(["secret_readable"]) | not' "$work/out" >/dev/null ||
  fail "what was mended is still told: $(<"$work/out")"
grep -q 'check mended kind=secret_readable' "$work/manager.log" || fail 'nobody is told that it is mended'

# Words of ours for what the network says, never those of a library.
plain() {
  fails 1 "$@"
  ! grep -qE '\(\)|params\.|sockfd|::|kj|capnp|expected' "$work/err" || fail "${*:2} says: $(<"$work/err")"
}
plain 'nothing listens there (connection refused)' "$manager" --home "$home" util --manager 127.0.0.1:1 worker list
plain 'cannot be resolved' "$manager" --home "$home" util --manager no-such-machine.invalid:1 worker list
plain 'does a manager listen there' "$manager" --home "$home" util --manager "127.0.0.1:$(<"$work/chain.port")" worker list
plain 'nothing listens there (connection refused)' "$bin/damocles-devnet" report --url http://127.0.0.1:1
plain 'is it' "$bin/damocles-devnet" report --url "http://127.0.0.1:$(<"$work/manager.port")"
run 0 "$manager" --home "$work/second" daemon init
run 1 "$manager" --home "$work/second" daemon run --listen "127.0.0.1:$(<"$work/manager.port")"
tail -n 1 "$work/err" | grep -q 'cannot listen on 127.0.0.1:[0-9]*: another program listens there already' ||
  fail "a port that is in use: $(<"$work/err")"
run 0 "$bin/damocles-devnet" init --home "$work/chain2" --genesis "$work/genesis.json" --preset quick
run 1 "$bin/damocles-devnet" run --home "$work/chain2" --listen "127.0.0.1:$(<"$work/chain.port")" --params "$work"
tail -n 1 "$work/err" | grep -q 'cannot listen on 127.0.0.1:[0-9]*: another program listens there already' ||
  fail "a port that is in use: $(<"$work/err")"
prints_json 'type == "object"' "${util[@]}" sealer proving --miner f01000 info --json
prints_json 'type == "array"' "${util[@]}" sealer proving --miner f01000 deadlines --json
prints_json 'type == "object" or type == "array"' "${util[@]}" sealer proving --miner f01000 deadline 0 --json
run 0 "${util[@]}" worker wdpost list
head -n 1 "$work/out" | grep -q '^JobID  *MinerID  *DDL' || fail "wdpost list has other columns: $(<"$work/out")"
run 1 "${util[@]}" storage find f01000 6
grep -q 'sector f01000/6 is not in the index' "$work/err" || fail "find says: $(<"$work/err")"
fails 1 'wdpost job 11111111111' "${util[@]}" worker wdpost reset 11111111111
[[ $(grep -o 11111111111 "$work/err" | wc -l) -eq 1 ]] || fail "the job is named twice: $(<"$work/err")"
# A reader that goes early ends the command as it ends others, without a word.
for command in 'storage list --json' 'worker wdpost list' 'storage list --help'; do
  # shellcheck disable=SC2086
  { "${util[@]}" $command 2>"$work/err"; echo $? >"$work/code"; } | sleep 0
  [[ ! -s $work/err ]] || fail "$command | head says: $(<"$work/err")"
  [[ $(<"$work/code") -eq 141 || $(<"$work/code") -eq 0 ]] || fail "$command | head ends with $(<"$work/code")"
done
run 0 "${util[@]}" worker wdpost remove-all
grep -q 'no_effect.*--http-listen.*nothing listens there' "$work/manager.log" ||
  fail 'nobody is told that nothing listens at --http-listen'

# A store is named after its folder, and never by chance.
mkdir "$work/store-9"
prints_json '.store.Name == "store-9" and .store.AllowMiners == [1000, 1001]' "$manager" util storage \
  gen-sectorstore-json --allow-miners f01000,1001 "$work/store-9/" --json

# A worker that is asked to reload says what to do instead, and goes on.
printf '[worker]\nname = "w"\nstate_dir = "%s"\nparams_dir = "%s"\n[sector_manager]\nrpc_client.addr = "127.0.0.1:%s"\n[[sealing_thread]]\nplan = "wdpost"\n[[attached]]\nname = "s"\nlocation = "%s"\n' \
  "$work/state" "$work" "$(<"$work/manager.port")" "$work/store" >"$work/worker.toml"
"$bin/damocles-worker" daemon -c "$work/worker.toml" >"$work/worker.log" 2>&1 &
worker_pid=$!
logged() {
  local i
  for ((i = 0; i < 200; i++)); do [[ $(grep -c "$2" "$1") -ge $3 ]] && return; sleep 0.05; done
  fail "$1 has not $3 times $2"
}
logged "$work/worker.log" ' connected' 1
kill -HUP "$worker_pid"
logged "$work/worker.log" 'not_reloaded.*SIGTERM' 1
kill -USR1 "$worker_pid"
logged "$work/worker.log" 'not_reloaded.*SIGTERM' 2
prints_json 'map(select(.name == "w" and .connected and (.clock_ahead_seconds | type) == "number")) | length == 1' "${util[@]}" worker list --json
kill -TERM "$worker_pid"
wait "$worker_pid" || fail "the worker ends with $?"
worker_pid=''
# Where tokens are wanted on this machine too, a tunnel gives nothing away.
kill "$manager_pid"
wait "$manager_pid"
rm "$work/manager.port"
"$manager" --home "$home" daemon run --worker-prover --require-token --listen 127.0.0.1:0 \
  --port-file "$work/manager.port" --params "$work" >>"$work/manager.log" 2>&1 &
manager_pid=$!
wait_for "$work/manager.port"
run 0 "${util[@]}" worker list
fails 1 'a token is needed, on this machine too' "$manager" --home "$work/empty" util \
  --manager "127.0.0.1:$(<"$work/manager.port")" worker list
run 0 "$manager" --home "$work/empty" util --manager "127.0.0.1:$(<"$work/manager.port")" \
  --token-file "$home/tokens/admin" worker list
printf '[Common.RPC]\nRequireToken = true\n' >"$work/empty/sector-manager.cfg"
run 1 "$manager" --home "$work/empty" daemon run --listen 127.0.0.1:0
grep -q 'a token is required, and there is none' "$work/err" || fail "without tokens: $(<"$work/err")"
run 2 "$manager" --home "$work/empty" daemon run --listen 127.0.0.1:0 --insecure-no-auth
grep -q -- '^damocles-manager: --insecure-no-auth: ' "$work/err" || fail "with both: $(<"$work/err")"
grep -q token_file_readable "$work/manager.log" || fail 'nobody is told that others may read a token'
for secret in PLANTEDSECRET "$token" "$(<"$home/tokens/worker")"; do
  ! grep -qF -- "$secret" "$work/manager.log" "$work/devnet.log" || fail 'a token is in a log'
done

if [[ $failures -ne 0 ]]; then
  tail -n 5 "$work/manager.log" "$work/devnet.log" >&2
  exit 1
fi
echo "$commands commands have their --help; all else as it should be"
