#!/bin/bash
# As t-berth-bridge-killed-at-each-step.sh, for what the eBPF dataplane adds: programs,
# endpoints and lists of who may reach a port; nothing of them is left.
# waits
# time: 200
. "${0%/*}/../lib/lib.sh"
need curl python3

lan
# Where a network is replaced (dp.fast.renewed) no request comes by: test_fast does.
# shellcheck disable=SC2046 # names are words
"$IT/lib/killstep" "$BIN/berth-bridge" berth-bridge fast "$DIR" \
	$("$BIN/berth-bridge" --list-failpoints | grep -E '^(nat|dp\.fast)\.' | grep -v '^dp\.fast\.renewed$')
