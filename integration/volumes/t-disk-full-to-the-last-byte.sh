#!/bin/bash
# The file system of the records and volumes is full to its last byte: what needs room
# is refused, what is there can be used, left and removed, the daemon lives, and when
# there is room again it goes on.  On btrfs a block that is written over needs a new
# one, also where a file is mapped.
# in turn
. "${0%/*}/../lib/lib.sh"
need curl jq mkfs.btrfs mkfs.ext4

V=/var/lib/berth/berth-named/volumes
ask() { api "VolumeDriver.$1" "{\"Name\":\"${2-}\",\"ID\":\"${3-}\"}" berth-named; }

# fill - until not one byte more is taken, also after what was in memory went to the disk
fill() {
	local n bs
	for n in {1..3}; do
		for bs in 1M 4k 1; do
			dd if=/dev/zero of="$V/full/_data/$n.$bs" bs=$bs status=none 2>/dev/null || :
		done
		sync -f "$V"
	done
}

# life MKFS - the requests of a host whose disk is full
life() {
	local i got pid made=(full used gone)
	DISK_SIZE=128M disk "$1"
	start_daemon berth-named
	pid=${DAEMON_PID[berth-named]}
	for i in full used gone; do same "$(ask Create $i)" '{}'; done
	contains "$(ask Mount used u)" Mountpoint
	fill
	for i in {1..4}; do
		got=$(ask Create more$i)
		case $got in
		'{}') made+=("more$i") ;;
		*) contains "${got,,}" 'no space left' ;;
		esac
		contains "$(ask Mount full m$i)" Mountpoint
		same "$(ask Unmount full m$i)" '{}'
		fill
	done
	note "$1: $((${#made[@]} - 3)) of 4 were made on a full disk, of a refusal: $got"
	same "$(ask Unmount used u)" '{}'
	same "$(ask Remove gone)" '{}'
	kill -0 "$pid"
	restart_daemon berth-named
	same "$(ask List | jq -r '.Volumes[].Name' | sort)" \
		"$(printf '%s\n' "${made[@]}" | grep -vx gone | sort)"
	rm "$V"/full/_data/*
	sync -f "$V"
	same "$(ask Create after)" '{}'
	restart_daemon berth-named
	for i in "${made[@]}" after; do
		[ $i = gone ] || same "$(ask Remove $i)" '{}'
	done
	same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
	stop_daemon berth-named
	umount /var/lib/berth
}

life mkfs.btrfs
life mkfs.ext4
