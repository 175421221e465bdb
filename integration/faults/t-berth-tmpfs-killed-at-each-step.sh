#!/bin/bash
# berth-tmpfs is killed, and fails, at every fail point it has: a client that retries as
# dockerd does gets the same answers, what is in use or kept stays, and nothing is left.
# waits
# time: 900
. "${0%/*}/../lib/lib.sh"
need curl python3

lan
# Those of a backup are reached by volumes/t-tmpfs-backup.sh.
# shellcheck disable=SC2046 # names are words
"$IT/lib/killstep" "$BIN/berth-tmpfs" berth-tmpfs vol "$DIR" \
	$("$BIN/berth-tmpfs" --list-failpoints | grep -Ev '^vol\.(view|restore|snapshot|unsnapshot|rollback|later)\.')
