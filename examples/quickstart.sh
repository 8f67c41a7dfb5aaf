#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# The main job on an embedded devnet, with real processes and real proofs: two miners, two workers,
# one manager, one chain.  See --help.
set -uo pipefail

usage() {
  cat <<'EOF'
Usage: examples/quickstart.sh [--home DIR] [--skip-build] [--keep] [--json] [--chaos]
                              [--break no-workers|wrong-params|corrupt-sector|flip-proof]

Installs what the build needs, builds, then lets two miners prove their sectors on a devnet until
every window has closed. The last line says how it went:

  deadlines=N proven=N missed=N proofs=N skipped=N min_slack=NN%

and the exit code is 0 only if nothing was missed, by the chain's report and by the manager's own
records, and (without --chaos and --break) if there were at least 14 proofs, three of each worker.
It is 1 if something was missed, and 3 if a --break mode did not do what it should. min_slack is the
least part of a window that was left when its proof was on chain.

How long a proof takes is measured first: an epoch of the devnet is as long as it must be for a window
to hold a dozen of them. On an idle machine that is one second, and all is over after some two minutes.

  --home DIR    where everything is put (made if absent); default: a temporary folder
  --skip-build  take the programs of build/release (or of $DAMOCLES_BIN) as they are
  --keep        keep the folder at the end
  --json        print summary.json before the last line
  --chaos       kill a worker and the manager with SIGKILL in mid-run and start them again
  --break MODE  no-workers: none is started; wrong-params: the workers' parameters are others;
                corrupt-sector: one sector's file is spoiled; flip-proof: one bit of every proof
                is changed on its way to the manager

Example: examples/quickstart.sh --chaos --keep --home /tmp/damocles
EOF
}

usage_error() { echo "quickstart: $1; see --help" >&2; exit 2; }

root=$(cd "$(dirname "$0")/.." && pwd)
home='' build=yes keep=no json=no chaos=no broken=''
while [[ $# -gt 0 ]]; do
  case "$1" in
    --home) [[ -n ${2:-} ]] || usage_error '--home needs a folder'; home=$2; shift ;;
    --home=*) home=${1#*=} ;;
    --skip-build) build=no ;;
    --keep) keep=yes ;;
    --json) json=yes ;;
    --chaos) chaos=yes ;;
    --break) [[ -n ${2:-} ]] || usage_error '--break needs a mode'; broken=$2; shift ;;
    --break=*) broken=${1#*=} ;;
    -h|--help) usage; exit 0 ;;
    *) usage_error "unknown argument '$1'" ;;
  esac
  shift
done
case "$broken" in
  ''|no-workers|wrong-params|corrupt-sector|flip-proof) ;;
  *) usage_error "unknown --break '$broken'" ;;
esac

say() { printf '[%3ds] %s\n' "$SECONDS" "$*" >&2; }

# Three modes are meant to end with 1, so that a mishap in them needs another code.
mishap=1
case "$broken" in
  no-workers|wrong-params|flip-proof) mishap=3 ;;
esac
die() {
  echo "quickstart: $*" >&2
  [[ $mishap -eq 1 ]] || echo "quickstart: --break $broken did not do what it should" >&2
  finish "$mishap"
}

miners=(1000 1001)
stores=(store-1 store-2)
deadlines=8  # of the 12 of a period, each miner has sectors in these
wanted=$((${#miners[@]} * deadlines))
bin=${DAMOCLES_BIN:-$root/build/release}
# Of a real manager or worker on this machine.
unset DAMOCLES_PATH DAMOCLES_CONF_DIR DAMOCLES_WORKER_CONFIG
chain_port='' books='[]'

if [[ -z $home ]]; then
  home=$(mktemp -d "${TMPDIR:-/tmp}/damocles-quickstart-XXXXXX") || exit 1
else
  mkdir -p "$home" || { echo "quickstart: cannot make $home" >&2; exit 1; }
  home=$(cd "$home" && pwd)
  for name in devnet manager worker-1 worker-2 "${stores[@]}" params summary.json; do
    [[ ! -e $home/$name ]] || usage_error "$home holds $name already: name a new folder for --home"
  done
fi
shopt -s nullglob dotglob
declare -A not_ours=()  # what was in the folder before stays there
for path in "$home"/*; do not_ours[$path]=1; done
shopt -u nullglob dotglob

remove_home() {
  shopt -s nullglob dotglob
  local path
  for path in "$home"/*; do [[ -n ${not_ours[$path]:-} ]] || rm -rf "$path"; done
  [[ ${#not_ours[@]} -gt 0 ]] || rmdir "$home"
}

declare -A pids=()
cleanup() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
  for pid in "${pids[@]}"; do
    # A worker ends its proof first; whoever takes longer is killed.
    timeout 10 tail --pid="$pid" -f /dev/null 2>/dev/null || kill -KILL "$pid" 2>/dev/null
  done
  wait 2>/dev/null
  if [[ $keep == yes ]]; then say "everything is kept in $home"; else remove_home; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

report() {
  if [[ -n ${pids[devnet]:-} ]] && kill -0 "${pids[devnet]}" 2>/dev/null; then
    "$bin/damocles-devnet" report --url "http://127.0.0.1:$chain_port" --json
  else
    "$bin/damocles-devnet" report --home "$home/devnet" --json
  fi
}
records() { "$bin/damocles-manager" --home "$home/manager" util sealer proving history --json; }

# One row a window: a window counts as proven when all of it that had to be posted was.
windows='[.deadlines[] | select(.must_be_posted)] | group_by([.miner, .period, .deadline])
  | map({miner: .[0].miner, deadline: .[0].deadline, period: .[0].period,
         missed: (map(.missed) | any), skipped: (map(.skipped | length) | add),
         partitions: length,
         slack: (map(if .epoch == null then 0 else (.close - .epoch) * 100 / (.close - .open) end) | min)})'

# summarize: writes summary.json from the chain's report.  What never came about is missed.
summarize() {
  local final
  final=$(report 2>>"$home/report.log") && [[ -n $final ]] || final='{"deadlines":[],"proofs":[]}'
  summary=$(jq -c --argjson wanted "$wanted" "(${windows}) as \$rows |
    {counts: {deadlines: (\$rows | length),
              proven: (\$rows | map(select(.missed | not)) | length),
              missed: ((\$rows | map(select(.missed)) | length) + ([\$wanted - (\$rows | length), 0] | max)),
              proofs: ([.proofs[] | (.proof | length) / 384] | add // 0),
              skipped: (\$rows | map(.skipped) | add // 0),
              min_slack: ((\$rows | map(.slack) | min // 0) | floor)},
     report: .}" <<<"$final" 2>>"$home/report.log") && [[ -n $summary ]] ||
    summary="{\"counts\":{\"deadlines\":0,\"proven\":0,\"missed\":$wanted,\"proofs\":0,\"skipped\":0,\"min_slack\":0},\"report\":{\"deadlines\":[],\"proofs\":[]}}"
  printf '%s\n' "$summary" >"$home/summary.json"
}

# finish CODE: in every mode and whatever happened, summary.json and the last line; then the end.
finish() {
  [[ -n ${summary:-} ]] || summarize
  [[ $json == yes ]] && cat "$home/summary.json"
  jq -r '.counts | "deadlines=\(.deadlines) proven=\(.proven) missed=\(.missed) proofs=\(.proofs) skipped=\(.skipped) min_slack=\(.min_slack)%"' \
    <<<"$summary" 2>/dev/null ||
    echo "deadlines=0 proven=0 missed=$wanted proofs=0 skipped=0 min_slack=0%"
  exit "$1"
}

if [[ $build == yes ]]; then
  "$root/scripts/install-dependencies.sh" || die "cannot install what the build needs"
  say "building (preset release)"
  (cd "$root" && cmake --preset release >/dev/null && cmake --build --preset release -j "$(nproc)" \
    --target damocles_installed flip-worker) >&2 ||
    die "the build failed"
  SECONDS=0
fi
programs=(damocles-manager damocles-worker damocles-devnet damocles-prover)
worker_program=damocles-worker
if [[ $broken == flip-proof ]]; then
  worker_program=tests/flip-worker
  programs+=("$worker_program")
fi
for program in "${programs[@]}"; do
  [[ -x $bin/$program ]] || die "$bin/$program is missing: run without --skip-build"
done
command -v jq >/dev/null || die "jq is missing: run scripts/install-dependencies.sh"

start() {  # name, command...: in the background, its log in NAME.log
  local name=$1
  shift
  "$@" >>"$home/$name.log" 2>&1 &
  pids[$name]=$!
}

wait_for_file() {  # file, name of the process that makes it
  local i
  for ((i = 0; i < 200; i++)); do
    [[ -s $1 ]] && return 0
    kill -0 "${pids[$2]}" 2>/dev/null || { tail -n 20 "$home/$2.log" >&2; die "$2 ended at once"; }
    sleep 0.05
  done
  tail -n 20 "$home/$2.log" >&2
  die "$2 does not come up"
}

params=$home/params
mkdir -p "$params" "$home"/{devnet,manager,worker-1,worker-2,store-1,store-2}

say "making parameters and sectors (2 KiB)"
"$bin/damocles-prover" setup --kind window --size 2KiB --params "$params" >"$home/setup.log" 2>&1 ||
  { cat "$home/setup.log" >&2; die "setup failed"; }
worker_params=$params
if [[ $broken == wrong-params ]]; then
  worker_params=$home/worker-params
  "$bin/damocles-prover" setup --kind window --size 2KiB --params "$worker_params" \
    >>"$home/setup.log" 2>&1 || die "setup failed"
fi
# Deadline 0 of each miner has three sectors: a full partition and one that is half filled.
for i in 0 1; do
  number=0
  for ((deadline = 0; deadline < deadlines; deadline++)); do
    count=2
    [[ $deadline -eq 0 ]] && count=3
    "$bin/damocles-prover" sector new --size 2KiB --miner "${miners[i]}" \
      --sector "$number-$((number + count - 1))" --deadline "$deadline" \
      --store "$home/${stores[i]}" --genesis "$home/genesis.json" >>"$home/sectors.log" 2>&1 ||
      { tail -n 5 "$home/sectors.log" >&2; die "cannot make sectors"; }
    number=$((number + count))
  done
done
if [[ $broken == corrupt-sector ]]; then
  spoiled=$home/store-1/sealed/s-t01000-4
  head -c 2048 /dev/zero | tr '\0' '\377' >"$spoiled"
  say "spoiled $spoiled"
fi

# How long a proof takes here and now, with whatever else the machine has to do: the slower of two.
proof_ms=0
for ((i = 0; i < 2; i++)); do
  began=${EPOCHREALTIME/[.,]/}
  "$bin/damocles-prover" prove window --size 2KiB --miner "${miners[1]}" --sector 0-1 \
    --randomness "$(printf '0%.0s' {1..64})" --store "$home/${stores[1]}" \
    --genesis "$home/genesis.json" --params "$params" --out "$home/measured.proof" \
    >"$home/measure.log" 2>&1 || { cat "$home/measure.log" >&2; die "cannot measure a proof"; }
  took=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
  [[ $took -le $proof_ms ]] || proof_ms=$took
done
# A window is 10 epochs, and must hold this many proofs; on an idle machine an epoch of a second does.
proofs_a_window=12
epoch=$(((proof_ms * proofs_a_window + 9999) / 10000))
[[ $epoch -ge 1 ]] || epoch=1
say "a proof takes $proof_ms ms here: an epoch is $epoch s, the whole some $((epoch * 110)) s"

"$bin/damocles-devnet" init --home "$home/devnet" --genesis "$home/genesis.json" --preset quick \
  --epoch-seconds "$epoch" --seed 1 >"$home/devnet-init.log" 2>&1 || { cat "$home/devnet-init.log" >&2; die "devnet init failed"; }
start devnet "$bin/damocles-devnet" run --home "$home/devnet" --listen 127.0.0.1:0 \
  --port-file "$home/devnet.port" --params "$params"
wait_for_file "$home/devnet.port" devnet
chain_port=$(<"$home/devnet.port")
say "devnet listens on port $chain_port"

"$bin/damocles-manager" --home "$home/manager" daemon init >"$home/manager-init.log" 2>&1 ||
  { cat "$home/manager-init.log" >&2; die "manager init failed"; }
{
  echo '[Common.API]'
  echo "Chain = \"http://127.0.0.1:$chain_port\""
  echo '[Common.Proving.WorkerProver]'
  echo 'HeartbeatTimeout = "3s"'
  for store in "${stores[@]}"; do
    printf '[[Common.PersistStores]]\nName = "%s"\nPath = "%s"\n' "$store" "$home/$store"
  done
  for miner in "${miners[@]}"; do
    printf '[[Miners]]\nActor = %s\n[Miners.PoSt]\nConfidence = 2\nChallengeConfidence = 0\nSubmitConfidence = 0\n' "$miner"
  done
} >"$home/manager/sector-manager.cfg"
manager_port=0
start_manager() {
  rm -f "$home/manager.port"
  start manager "$bin/damocles-manager" --home "$home/manager" daemon run --poster --worker-prover \
    --listen "127.0.0.1:$manager_port" --port-file "$home/manager.port" --params "$params"
  wait_for_file "$home/manager.port" manager
  manager_port=$(<"$home/manager.port")
}
start_manager
say "manager listens on port $manager_port"
for store in "${stores[@]}"; do
  "$bin/damocles-manager" --home "$home/manager" util storage attach "$home/$store" \
    >>"$home/attach.log" 2>&1 || { cat "$home/attach.log" >&2; die "cannot attach $store"; }
done

start_worker() {  # number
  start "worker-$1" "$bin/$worker_program" daemon -c "$home/worker-$1/worker.toml"
}
for number in 1 2; do
  cat >"$home/worker-$number/worker.toml" <<EOF
[worker]
name = "worker-$number"
state_dir = "$home/worker-$number/state"
params_dir = "$worker_params"

[sector_manager]
rpc_client.addr = "127.0.0.1:$manager_port"
rpc_client.token_file = "$home/manager/tokens/worker"

[[sealing_thread]]
plan = "wdpost"
sealing.recover_interval = "5s"

[[attached]]
name = "store-1"
location = "$home/store-1"

[[attached]]
name = "store-2"
location = "$home/store-2"
EOF
  [[ $broken == no-workers ]] || start_worker $number
done
[[ $broken == no-workers ]] || say "two workers are running"

told='[]'
chaos_step=0
limit=$((SECONDS + 150 * epoch))
while true; do
  sleep 1
  current=$(report 2>>"$home/report.log") || current=''
  if [[ -n $current ]]; then
    rows=$(jq -c "$windows" <<<"$current")
    jq -r --argjson told "$told" '(. - $told)[]
      | "f0\(.miner) deadline \(.deadline): \(if .missed then "MISSED" else "proven" end), " +
        "\(.partitions) partition(s), \(.skipped) skipped, slack \(.slack | floor)%"' <<<"$rows" |
      while read -r line; do say "$line"; done
    told=$rows
    closed=$(jq length <<<"$rows")
    if [[ $chaos == yes ]]; then
      if [[ $chaos_step -eq 0 && $closed -ge 3 ]]; then
        say "chaos: SIGKILL to worker-1"
        kill -KILL "${pids[worker-1]}"
        unset 'pids[worker-1]'
        chaos_step=1
      elif [[ $chaos_step -eq 1 && $closed -ge 5 ]]; then
        start_worker 1
        say "chaos: worker-1 is back; SIGKILL to the manager"
        kill -KILL "${pids[manager]}"
        wait "${pids[manager]}" 2>/dev/null
        sleep 2
        start_manager
        say "chaos: the manager is back"
        chaos_step=2
      fi
    fi
    [[ $closed -ge $wanted ]] && break
  fi
  for name in "${!pids[@]}"; do
    kill -0 "${pids[$name]}" 2>/dev/null && continue
    tail -n 20 "$home/$name.log" >&2
    die "$name has ended"
  done
  [[ $SECONDS -lt $limit ]] || { say "time is up"; break; }
done
# The last windows are closed; give their messages time to be confirmed.
for ((i = 0; i < 10 * epoch; i++)); do
  books=$(records 2>>"$home/report.log") || books='[]'
  open=$(jq '[.[] | select(.batches | length > 0) | select(.state != "Confirmed" and .state != "Missed")] | length' <<<"$books")
  [[ $open -eq 0 ]] && break
  sleep 1
done

summarize
count() { jq ".counts.$1" <<<"$summary"; }
code=0
[[ $(count missed) -eq 0 ]] || code=1
# The manager's own books must say the same.
disagree=$(jq -c --argjson books "$books" "(.report | ${windows}) as \$rows
  | [\$rows[] | . as \$row
     | select([\$books[] | select(.miner == \$row.miner and .deadline == \$row.deadline
                and .period_start == \$row.period and (.batches | length) > 0)
              | (.state == \"Missed\")] | any(. == \$row.missed) | not)
     | {miner, deadline, missed}]" <<<"$summary")
[[ $disagree == '[]' ]] || die "the manager's records differ from the chain's report: $disagree"

# Jobs by the worker that has them or had them last.
jobs=$("$bin/damocles-manager" --home "$home/manager" util worker wdpost list --all --json \
  2>>"$home/report.log" | jq -c '[.[].workers[]] | group_by(.) | map({key: .[0], value: length}) | from_entries')
say "jobs by worker: ${jobs:-unknown}"

# What each mode is for must have happened: a run that fails for another reason proves nothing.
case "$broken" in
  '')
    if [[ $chaos == no && $code -eq 0 ]]; then
      [[ $(count proofs) -ge 14 ]] || die "only $(count proofs) proofs, want at least 14"
      for number in 1 2; do
        made=$(jq --arg worker "worker-$number" '.[$worker] // 0' <<<"$jobs")
        [[ $made -ge 3 ]] || die "worker-$number made only $made proofs, want at least 3"
      done
    fi
    [[ $chaos == no || $chaos_step -eq 2 ]] || die "the run was over before the kills were"
    ;;
  corrupt-sector)
    jq -e '[.report.deadlines[] | select(.miner == 1000) | .skipped[]] | index(4)' \
      <<<"$summary" >/dev/null || die "sector f01000/4 is spoiled and was not skipped"
    ;;
  no-workers)
    [[ $jobs == '{}' ]] || die "jobs were taken though no worker was started: $jobs"
    ;;
  wrong-params)
    for number in 1 2; do
      grep -q 'has other parameters' "$home/worker-$number.log" ||
        die "worker-$number was not refused for its parameters"
    done
    ;;
  flip-proof)
    grep -q 'wrong_proof_refused' "$home/manager.log" || die "the manager refused no proof"
    ;;
esac
if [[ $mishap -ne 1 ]]; then
  [[ $(count missed) -gt 0 ]] || die "nothing was missed"
  [[ $(count proofs) -eq 0 ]] || die "$(count proofs) proofs were accepted"
fi
finish $code
