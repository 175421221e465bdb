#!/bin/bash
# What Create and Remove have answered is so after a power cut: the disk as it is at that
# moment, copied, is one on which the volume is there, or gone.
# in turn
# time: 240
. "${0%/*}/../lib/lib.sh"
need jq python3 mkfs.ext4 e2fsck

[ -e /dev/loop-control ] || modprobe loop
# A copy of the image has what was written to the disk, not what waits for it in memory.
# The daemon stands still, so that it brings nothing there after its answer.
cut_power() { # NAME VOLUME: for the notes, one that was asked for last
	kill -STOP "${DAEMON_PID[berth-named]}"
	cp --sparse=always disk.img "$1.img"
	kill -CONT "${DAEMON_PID[berth-named]}"
	e2fsck -fy "$1.img" >e2fsck.log 2>&1 || [ $? -lt 4 ] ||
		fail "e2fsck: $(tail -3 e2fsck.log)"
	mkdir -p "$1"
	mount -o loop "$1.img" "$1"
	if [ -e "$1/berth-named/volumes/$2" ]; then
		note "$1: $2 is on the disk"
	else
		note "$1: $2 is not on the disk"
	fi
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
	[ "$(volumes made)" != "$before" ]
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
	create left
	echo data >state/berth-named/volumes/gone/_data/file
	# of the same name, and used: the removal is not done once more
	remove kept
	create kept
	echo other >state/berth-named/volumes/kept/_data/file
	sync -f state
	# The second's intent brings the first's record to the disk, and that of the
	# second is not there: both have to do.
	create new
	create newer
	cut_power made new
	remove gone
	remove left
	cut_power removed gone
	# who is given it writes to it, and syncs that and no more
	create used
	same "$(api VolumeDriver.Mount '{"Name":"used","ID":"1"}' berth-named |
		jq -r .Mountpoint)" "$PWD/state/berth-named/volumes/used/_data"
	echo mine >state/berth-named/volumes/used/_data/file
	sync state/berth-named/volumes/used/_data/file
	sync state/berth-named/volumes/used/_data
	cut_power written used
	api VolumeDriver.Unmount '{"Name":"used","ID":"1"}' berth-named >/dev/null
	stop_daemon berth-named
	umount state
	mount --bind boot_id /proc/sys/kernel/random/boot_id
	start_daemon berth-named --state-dir "$PWD/made"
	before=$'gone kept left new newer\ngone kept left new newer'
	same "$(volumes made)" "$before" "after Create"
	same "$(cat made/berth-named/volumes/gone/_data/file)" data
	same "$(cat made/berth-named/volumes/kept/_data/file)" other
	# nobody comes for the answer; that must not look like an unanswered one
	never_within 27 unlike_before
	same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
	stop_daemon berth-named
	start_daemon berth-named --state-dir "$PWD/removed"
	same "$(volumes removed)" $'kept new newer\nkept new newer' "after Remove"
	same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
	stop_daemon berth-named
	start_daemon berth-named --state-dir "$PWD/written"
	same "$(cat written/berth-named/volumes/used/_data/file)" mine
	same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
	stop_daemon berth-named
	umount made removed written /proc/sys/kernel/random/boot_id
done
