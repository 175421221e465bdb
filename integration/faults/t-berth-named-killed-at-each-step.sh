#!/bin/bash
# berth-named is killed, and fails, at every fail point it has: a client that retries as
# dockerd does gets the same answers, and nothing is left; a point never reached fails.
# waits
# time: 900
. "${0%/*}/../lib/lib.sh"
need curl python3

lan
# Those of other file systems are reached by tests that have one, those of a backup by
# volumes/t-btrfs-backup.sh.
# shellcheck disable=SC2046 # names are words
"$IT/lib/killstep" "$BIN/berth-named" berth-named vol "$DIR" \
	$("$BIN/berth-named" --list-failpoints | grep -Ev '^(named\.(btrfs|project)|vol\.(view|restore))\.')
