#!/bin/bash
# As t-berth-thin-killed-at-each-step.sh, for encrypted volumes: at the end no device is
# left, in the kernel or in the pool.  In full with SOAK=1, else at the steps that only
# such volumes have.
# vm
# alone
# time: 300
# soak
. "${0%/*}/../lib/lib.sh"
need curl python3 dmsetup mkfs.ext4 thin_check

lan
mkdir -m 700 "$DIR/keys"
(umask 077 && head -c 64 /dev/urandom >"$DIR/keys/k")
steps=crypt
[ "$SOAK" != 1 ] || steps=
# shellcheck disable=SC2046 # names are words
"$IT/lib/killstep" "$BIN/berth-thin" berth-thin cipher "$DIR" \
	$("$BIN/berth-thin" --list-failpoints | grep "^thin\.$steps" | grep -v '^thin\.pool\.')
same "$(dmsetup ls | grep berth || :)" '' 'devices'

# What is used of the pool with no volume in it, by the kernel.
start_daemon berth-thin --pool-size 256m
nothing_used() {
	[ "$(dmsetup status --target thin-pool | awk '{ split($7, d, "/"); print d[1] }')" = 0 ]
}
wait_until 20 nothing_used
stop_daemon berth-thin
