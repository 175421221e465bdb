#!/bin/bash
# As t-berth-named-killed-at-each-step.sh, for volumes in a thin pool: at the end no device
# is left, in the kernel or in the pool.
# vm
# alone
# time: 300
. "${0%/*}/../lib/lib.sh"
need curl python3 dmsetup mkfs.ext4 thin_check

lan
# shellcheck disable=SC2046 # names are words
"$IT/lib/killstep" "$BIN/berth-thin" berth-thin thin "$DIR" \
	$("$BIN/berth-thin" --list-failpoints | grep '^thin\.' | grep -vE '^thin\.(pool\.grown|crypt\.)')
same "$(dmsetup ls | grep berth || :)" '' 'devices'

# What is used of the pool with no volume in it, by the kernel.
start_daemon berth-thin --pool-size 256m
same "$(dmsetup status --target thin-pool | awk '{ split($7, d, "/"); print d[1] }')" 0 \
	'blocks in use'
stop_daemon berth-thin
