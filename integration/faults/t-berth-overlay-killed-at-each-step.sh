#!/bin/bash
# berth-overlay is killed, and fails, at every fail point of its own: a client that retries
# as dockerd does gets the same answers, and nothing is left; a point never reached fails.
# waits
# time: 300
. "${0%/*}/../lib/lib.sh"
need curl python3

lan
# What all drivers share, and bridge networks, is killed in berth-bridge's test; steps of
# encryption in one that runs where there is WireGuard.
# shellcheck disable=SC2046 # names are words
"$IT/lib/killstep" "$BIN/berth-overlay" berth-overlay wire "$DIR" \
	$("$BIN/berth-overlay" --list-failpoints | grep '^overlay\.' | grep -v '^overlay\.crypt\.')
