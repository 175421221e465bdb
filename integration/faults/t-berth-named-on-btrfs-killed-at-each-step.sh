#!/bin/bash
# As t-berth-named-killed-at-each-step.sh, with a volume of a limited size on btrfs, its
# snapshots and copies: none of their subvolumes and quota groups is left.  In full with
# SOAK=1, else at the steps that only btrfs has and those of snapshots.
# in turn
# time: 900
. "${0%/*}/../lib/lib.sh"
need curl python3 btrfs mkfs.btrfs

lan
own='^(named\.(btrfs|clone|rollback)|vol\.((un)?snapshot|rollback))\.'
[ "$SOAK" != 1 ] || own=.
disk mkfs.btrfs commit=1
# shellcheck disable=SC2046 # names are words
"$IT/lib/killstep" "$BIN/berth-named" berth-named snap "$DIR" \
	$("$BIN/berth-named" --list-failpoints | grep -E "$own" |
		grep -Ev '^(named\.(image|project|mount|unmount)|vol\.(view|restore))\.')
same "$(btrfs subvolume list /var/lib/berth)" ''
only_top() {
	btrfs filesystem sync /var/lib/berth
	[ "$(btrfs qgroup show /var/lib/berth | grep -c ^0/)" = 1 ]
}
# The kernel deletes a group some commits after its subvolume; before Linux 6.10 a
# killed daemon leaves them.
if [ "$(printf '%s\n' 6.10 "$(uname -r)" | sort -V | head -1)" = 6.10 ]; then
	wait_until 30 only_top
fi
