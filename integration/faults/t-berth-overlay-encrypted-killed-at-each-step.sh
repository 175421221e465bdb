#!/bin/bash
# As t-berth-overlay-killed-at-each-step.sh, for the steps with WireGuard: no link of its is
# left.
# vm
# alone
# time: 200
. "${0%/*}/../lib/lib.sh"
need curl python3

lan
# shellcheck disable=SC2046 # names are words
"$IT/lib/killstep" "$BIN/berth-overlay" berth-overlay secret "$DIR" \
	$("$BIN/berth-overlay" --list-failpoints | grep '^overlay\.crypt\.')
