#!/bin/bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# A child for children_test, as it is told to be: strange_child.sh MODE [ARGUMENT]
mode=$1
argument=${2:-}

ready() { echo "window_post processor ready"; }
id_of() { local rest=${1#*\"id\":}; echo "${rest%%,*}"; }
answer() { echo "{\"id\":$1,\"err_msg\":null,\"output\":{\"proofs\":[\"$2\"],\"faults\":[]}}"; }

case $mode in
  good)  # answers with its name, in base64
    ready
    while read -r line; do answer "$(id_of "$line")" "$argument"; done
    ;;
  slow)  # after ARGUMENT seconds
    ready
    while read -r line; do
      sleep "$argument"
      answer "$(id_of "$line")" c2xvdw==
    done
    ;;
  once)  # answers one request, then ends
    ready
    read -r line
    answer "$(id_of "$line")" b25jZQ==
    exit 3
    ;;
  dies)  # with the first request in its hands
    ready
    read -r line
    exit 7
    ;;
  dies_unready) exit 9 ;;
  never_ready) sleep 1000 ;;
  silent)
    ready
    while read -r line; do :; done
    ;;
  garbage)
    echo "hello"
    ready
    echo "\\xff{{{{"
    echo "[1,2,3]"
    printf '\377\376\n'
    while read -r line; do
      echo "{\"id\":\"no number\"}"
      answer "$(id_of "$line")" Z2FyYmFnZQ==
    done
    ;;
  endless_line)
    ready
    read -r line
    exec tr '\0' 'x' </dev/zero
    ;;
  half_line)
    ready
    read -r line
    printf '{"id":%s,"err_msg":nu' "$(id_of "$line")"
    exit 0
    ;;
  twice)
    ready
    while read -r line; do
      answer "$(id_of "$line")" Zmlyc3Q=
      answer "$(id_of "$line")" c2Vjb25k
    done
    ;;
  other_id)
    ready
    while read -r line; do
      answer 999999 b3RoZXI=
      answer "$(id_of "$line")" cmlnaHQ=
    done
    ;;
  foreign_fault)
    ready
    while read -r line; do
      echo "{\"id\":$(id_of "$line"),\"err_msg\":null,\"output\":{\"proofs\":[],\"faults\":[4711]}}"
    done
    ;;
  forks)  # what it starts would live on, with our pipes in its hands
    sleep 1000 &
    echo $! >"$argument"
    ready
    read -r line
    exit 0
    ;;
  ignores_term)
    trap '' TERM
    echo $$ >"$argument"
    ready
    while :; do sleep 0.1; done
    ;;
  floods)
    ready
    (yes "a line of errors that nobody asked for" | head -n 200000) >&2
    while read -r line; do answer "$(id_of "$line")" Zmxvb2Q=; done
    ;;
  says_environment)
    ready
    while read -r line; do answer "$(id_of "$line")" "$(printf '%s' "${A:-none}|${B:-none}" | base64 -w0)"; done
    ;;
  fails)
    ready
    while read -r line; do
      echo "{\"id\":$(id_of "$line"),\"err_msg\":\"CUDA out of memory\",\"output\":null}"
    done
    ;;
  nonsense_answer)
    ready
    while read -r line; do
      echo "{\"id\":$(id_of "$line"),\"err_msg\":null,\"output\":{\"proofs\":[\"!\"]}}"
    done
    ;;
  floods_for_ever) exec yes "a line of errors that nobody asked for" >&2 ;;
  useless_for_ever)
    ready
    exec yes "a line that is no answer"
    ;;
  closes_output)
    ready
    exec 1>&-
    sleep 1000
    ;;
  does_not_read)
    ready
    sleep 1000
    ;;
  wraps)  # does not exec what it wraps
    sleep 1000 &
    echo $! >"$argument"
    ready
    wait
    ;;
  *) exit 64 ;;
esac
