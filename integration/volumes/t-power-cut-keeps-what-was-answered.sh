#!/bin/bash
# What Create and Remove have answered is so after a power cut: the disk as it is at that
# moment, copied, is one on which the volume is there, or gone.
# alone
# time: 240
. "${0%/*}/../lib/lib.sh"
need jq python3 mkfs.ext4 e2fsck

[ -e /dev/loop-control ] || modprobe loop
# A copy of the image has what was written to the disk, not what waits for it in memory.
cut_power() { # NAME
	cp --sparse=always disk.img "$1.img"
	e2fsck -fy "$1.img" >e2fsck.log 2>&1 || [ $? -lt 4 ] ||
		fail "e2fsck: $(tail -3 e2fsck.log)"
	mkdir -p "$1"
	mount -o loop "$1.img" "$1"
}
volumes() { # the daemon's list, and what is on its disk
	api VolumeDriver.List '{}' berth-named | jq -r '.Volumes[].Name' | sort | xargs
	find "$1"/berth-named/volumes -mindepth 1 -maxdepth 1 -name '[a-z]*' \
		-printf '%f\n' | sort | xargs
}
create() {
	same "$(api VolumeDriver.Create "{\"Name\":\"$1\"}" berth-named)" '{}'
}
remove() {
	same "$(api VolumeDriver.Remove "{\"Name\":\"$1\"}" berth-named)" '{}'
}
unlike_before() {
	[ "$(volumes made)" != $'gone kept new\ngone kept new' ]
}
# Another boot, as far as a daemon can see.
echo 01234567-89ab-cdef-0123-456789abcdef >boot_id

for features in has_journal ^has_journal; do
	note "ext4 -O $features"
	truncate -s 64M disk.img
	mkfs.ext4 -qF -O "$features" disk.img
	mkdir -p state
	mount -o loop disk.img state
	start_daemon berth-named --state-dir "$PWD/state"
	# SQLite's log has been round once, so that it does not grow any more.
	for i in $(seq 30); do
		create "old$i"
		remove "old$i"
	done
	create kept
	create gone
	echo data >state/berth-named/volumes/gone/_data/file
	sync -f state
	create new
	cut_power made
	remove gone
	cut_power removed
	stop_daemon berth-named
	umount state
	mount --bind boot_id /proc/sys/kernel/random/boot_id
	start_daemon berth-named --state-dir "$PWD/made"
	same "$(volumes made)" $'gone kept new\ngone kept new' "after Create"
	same "$(cat made/berth-named/volumes/gone/_data/file)" data
	# nobody comes for the answer; that must not look like an unanswered one
	never_within 27 unlike_before
	same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
	stop_daemon berth-named
	start_daemon berth-named --state-dir "$PWD/removed"
	same "$(volumes removed)" $'kept new\nkept new' "after Remove"
	same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
	stop_daemon berth-named
	umount made removed /proc/sys/kernel/random/boot_id
done
