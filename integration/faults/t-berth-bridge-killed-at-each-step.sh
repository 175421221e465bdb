#!/bin/bash
# berth-bridge is killed, and fails, at every fail point it has: a client that retries as
# dockerd does gets the same answers, and nothing is left; a point never reached fails.
# waits
# time: 900
. "${0%/*}/../lib/lib.sh"
need curl python3

lan
# shellcheck disable=SC2046 # names are words
"$IT/lib/killstep" "$BIN/berth-bridge" berth-bridge net "$DIR" \
	$("$BIN/berth-bridge" --list-failpoints | grep -Ev '^(maps|nat|dp\.fast|dp\.service|net\.service)\.|^nft\.untracked$|^sock\.pool$|\.recover\.service$')
