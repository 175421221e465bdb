#!/bin/bash
# berth-macvlan is killed, and fails, at every fail point it has: a client that retries as
# dockerd does gets the same answers, links are made again in containers, and nothing is
# left; a point never reached fails.
# waits
# time: 600
. "${0%/*}/../lib/lib.sh"
need curl python3

# What all drivers share is killed in berth-bridge's test.
# shellcheck disable=SC2046 # names are words
"$IT/lib/killstep" "$BIN/berth-macvlan" berth-macvlan lan "$DIR" \
	$("$BIN/berth-macvlan" --list-failpoints | grep '^lan\.')
