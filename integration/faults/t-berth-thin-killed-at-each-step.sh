#!/bin/bash
# As t-berth-named-killed-at-each-step.sh, for volumes in a thin pool: at the end no device
# is left, in the kernel or in the pool.
# vm
# alone
# time: 300
. "${0%/*}/../lib/lib.sh"
need curl python3 dmsetup mkfs.ext4 thin_check

lan
# A guest takes a quarter of an hour for all of them (SOAK=1); those between the pool's
# message and our record are never left out.
points=$("$BIN/berth-thin" --list-failpoints | grep '^thin\.' | grep -v '^thin\.pool\.grown')
[ "$SOAK" = 1 ] || points=$(grep -E '\.(doomed|messaged|transacted|settled|taken|exchanged)$' \
	<<<"$points")
# shellcheck disable=SC2086 # names are words
"$IT/lib/killstep" "$BIN/berth-thin" berth-thin thin "$DIR" $points
same "$(dmsetup ls | grep berth || :)" '' 'devices'

# What is used of the pool with no volume in it, by the kernel.
start_daemon berth-thin --pool-size 256m
same "$(dmsetup status --target thin-pool | awk '{ split($7, d, "/"); print d[1] }')" 0 \
	'blocks in use'
stop_daemon berth-thin
