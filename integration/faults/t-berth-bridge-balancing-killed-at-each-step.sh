#!/bin/bash
# As t-berth-bridge-killed-at-each-step.sh, for ports that are balanced over several
# containers: adding, changing, removing one, and starting with it.
# waits
# time: 200
. "${0%/*}/../lib/lib.sh"
need curl python3

lan
# shellcheck disable=SC2046 # names are words
"$IT/lib/killstep" "$BIN/berth-bridge" berth-bridge balance "$DIR" \
	$("$BIN/berth-bridge" --list-failpoints |
		grep -E '^(dp\.service|net\.service)\.|^sock\.pool$|\.recover\.service$')
