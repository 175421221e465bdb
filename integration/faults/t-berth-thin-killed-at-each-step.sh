#!/bin/bash
# As t-berth-named-killed-at-each-step.sh, for volumes in a thin pool: at the end no device
# is left, in the kernel or in the pool.  Each third step; all of them with SOAK=1.
# vm
# alone
# time: 300
. "${0%/*}/../lib/lib.sh"
need curl python3 dmsetup mkfs.ext4 thin_check

lan
each=3
[ "$SOAK" != 1 ] || each=1
# shellcheck disable=SC2046 # names are words
"$IT/lib/killstep" "$BIN/berth-thin" berth-thin thin "$DIR" \
	$("$BIN/berth-thin" --list-failpoints | grep '^thin\.' | grep -vE '^thin\.(pool\.grown|crypt\.)' |
		awk "NR % $each == 0")
same "$(dmsetup ls | grep berth || :)" '' 'devices'

# What is used of the pool with no volume in it, by the kernel.
start_daemon berth-thin --pool-size 256m
nothing_used() {
	[ "$(dmsetup status --target thin-pool | awk '{ split($7, d, "/"); print d[1] }')" = 0 ]
}
wait_until 20 nothing_used
stop_daemon berth-thin
