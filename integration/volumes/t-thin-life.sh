#!/bin/bash
# A thin volume is made, written to, snapshotted, rolled back, copied, made larger, renamed
# and removed, on a device and on a file; one that was made larger by half is as good as
# before, and one that was made much larger takes no more of the pool; nothing of it is left
# in the kernel.
# vm
# alone
# time: 300
. "${0%/*}/../lib/lib.sh"
. "${0%/*}/thin.sh"
need docker curl jq dmsetup mkfs.ext4 mkfs.xfs findmnt

life() { # FS SIZE LARGER
	local at
	done_with VolumeDriver.Create "{\"Name\":\"v\",\"Opts\":{\"size\":\"$2\",\"fs\":\"$1\"}}"
	same "$(status v fs)" "$1"
	at=$(used v)
	same "$(findmnt -no FSTYPE "$at")" "$1"
	same "$(ls -A "$at")" ''
	echo one >"$at/file"
	done_with Berth.VolumeSnapshot '{"Name":"v","Snapshot":"s"}'
	echo two >"$at/file"
	done_with Berth.VolumeResize "{\"Name\":\"v\",\"Size\":\"$3\"}"
	same "$(blockdev --getsize64 "$(findmnt -no SOURCE "$at")")" "$(numfmt --from=iec "${3^^}")"
	at_most $(($(numfmt --from=iec "${3^^}") * 8 / 10)) "$(df -B1 --output=size "$at" | tail -1)" "size that df tells"
	unused v
	same "$(findmnt -no FSTYPE "$at" || :)" ''
	done_with VolumeDriver.Create '{"Name":"c","Opts":{"from":"v@s"}}'
	at=$(used c)
	same "$(cat "$at/file")" one
	unused c
	done_with Berth.VolumeRollback '{"Name":"v","Snapshot":"s"}'
	at=$(used v)
	same "$(cat "$at/file")" one
	unused v
	same "$(call Berth.Check '{}' | jq -c .Problems)" '[]'
	done_with VolumeDriver.Remove '{"Name":"c"}'
	done_with Berth.VolumeSnapshotRemove '{"Name":"v","Snapshot":"s"}'
	done_with VolumeDriver.Remove '{"Name":"v"}'
	wait_until 5 sh -c '! dmsetup ls | grep "berth-thin-[0-9a-f]*-[0-9]"'
}

# The host's disk was full when the file system had grown; with users, and without.
half_grown() { # FS SIZE LARGER
	local at size
	size=$(numfmt --from=iec "${2^^}")
	BERTH_FP=thin.resize.fs-grown:err=ENOSPC restart_daemon berth-thin
	done_with VolumeDriver.Create "{\"Name\":\"v\",\"Opts\":{\"size\":\"$2\",\"fs\":\"$1\"}}"
	at=$(used v)
	echo one >"$at/file"
	contains "$(call Berth.VolumeResize "{\"Name\":\"v\",\"Size\":\"$3\"}")" 'No space left'
	done_with Berth.VolumeSnapshot '{"Name":"v","Snapshot":"s"}'
	unused v
	at=$(used v)
	same "$(cat "$at/file")" one
	at_most "$size" "$(df -B1 --output=size "$at" | tail -1)" 'recorded size, and what df tells'
	unused v
	done_with VolumeDriver.Create '{"Name":"c","Opts":{"from":"v@s"}}'
	at=$(used c)
	same "$(cat "$at/file")" one
	unused c
	done_with Berth.VolumeRollback '{"Name":"v","Snapshot":"s"}'
	at=$(used v)
	same "$(cat "$at/file")" one
	restart_daemon berth-thin
	done_with Berth.VolumeResize "{\"Name\":\"v\",\"Size\":\"$3\"}"
	same "$(status v size)" "$(numfmt --from=iec "${3^^}")"
	unused v
	done_with VolumeDriver.Remove '{"Name":"c"}'
	done_with Berth.VolumeSnapshotRemove '{"Name":"v","Snapshot":"s"}'
	done_with VolumeDriver.Remove '{"Name":"v"}'
}

# Room for inodes that nobody needs yet takes none of the pool, whatever becomes of the
# resize; with users, and without.
not_lazy() { # MOUNT POINT
	grep -qx noinit_itable "/proc/fs/ext4/$(basename "$(readlink -f "$(findmnt -no SOURCE "$1")")")/options" ||
		fail "the kernel zeroes tables of inodes of $1"
}

grown_by_much() {
	local at
	done_with VolumeDriver.Create '{"Name":"v","Opts":{"size":"64m"}}'
	at=$(used v)
	not_lazy "$at"
	done_with Berth.VolumeResize '{"Name":"v","Size":"8g"}'
	not_lazy "$at"
	sync -f "$at"
	wait_until 30 sh -c '! pgrep ext4lazyinit'
	at_most "$(mapped v)" $((20 << 20)) 'bytes of the pool after a resize'
	unused v
	done_with Berth.VolumeResize '{"Name":"v","Size":"16g"}'
	at=$(used v)
	at_most "$(mapped v)" $((24 << 20)) 'bytes of the pool after a resize without users'
	BERTH_FP=thin.resize.lazy:err=ENOSPC restart_daemon berth-thin
	contains "$(call Berth.VolumeResize '{"Name":"v","Size":"17g"}')" 'No space left'
	not_lazy "$at"
	BERTH_FP=thin.resize.lazy:kill restart_daemon berth-thin
	call Berth.VolumeResize '{"Name":"v","Size":"18g"}' >/dev/null || :
	wait_until 20 gone "${DAEMON_PID[berth-thin]}"
	wait "${DAEMON_PID[berth-thin]}" 2>/dev/null || :
	unset "DAEMON_PID[berth-thin]"
	start_daemon berth-thin --pool-device "$BERTH_DISK"
	same "$(status v size)" $((18 << 30))
	not_lazy "$at"
	unused v
	done_with VolumeDriver.Remove '{"Name":"v"}'
}

# Another name: not while it is used; killed midway it has one of the two.
renamed() {
	local at from=v to=w point
	done_with VolumeDriver.Create '{"Name":"v","Opts":{"size":"16m"}}'
	at=$(used v)
	echo one >"$at/file"
	contains "$(call Berth.VolumeRename '{"Name":"v","To":"w"}')" 'in use by 1'
	unused v
	done_with Berth.VolumeSnapshot '{"Name":"v","Snapshot":"s"}'
	for point in vol.rename.{intent,renamed,recorded,done} thin.rename.ready; do
		BERTH_FP=$point:kill restart_daemon berth-thin
		call Berth.VolumeRename "{\"Name\":\"$from\",\"To\":\"$to\"}" >/dev/null || :
		wait_until 20 gone "${DAEMON_PID[berth-thin]}"
		wait "${DAEMON_PID[berth-thin]}" 2>/dev/null || :
		unset "DAEMON_PID[berth-thin]"
		start_daemon berth-thin --pool-device "$BERTH_DISK"
		done_with Berth.VolumeRename "{\"Name\":\"$from\",\"To\":\"$to\"}"
		same "$(call VolumeDriver.List '{}' | jq -r '.Volumes[].Name')" "$to" "$point"
		same "$(call Berth.VolumeSnapshots "{\"Name\":\"$to\"}" | jq -r '.Snapshots[].Name')" s "$point"
		at=$(used "$to")
		same "$(basename "$at")" "$to"
		same "$(cat "$at/file")" one "$point"
		unused "$to"
		same "$(call Berth.Check '{}' | jq -c .Problems)" '[]' "$point"
		read -r from to <<<"$to $from"
	done
	done_with VolumeDriver.Create '{"Name":"c","Opts":{"from":"'"$from"'@s"}}'
	contains "$(call Berth.VolumeRename "{\"Name\":\"$from\",\"To\":\"c\"}")" 'a volume c already'
	done_with VolumeDriver.Remove '{"Name":"c"}'
	done_with Berth.VolumeSnapshotRemove "{\"Name\":\"$from\",\"Snapshot\":\"s\"}"
	done_with VolumeDriver.Remove "{\"Name\":\"$from\"}"
}

start_daemon berth-thin --pool-device "$BERTH_DISK"
renamed
life ext4 64m 128m
life xfs 300m 400m
half_grown ext4 64m 128m
half_grown xfs 300m 400m
grown_by_much
stop_daemon berth-thin
same "$(dmsetup ls | grep berth || :)" '' 'devices'

mkdir /var/lib/berth/file
start_daemon berth-thin --state-dir /var/lib/berth/file --pool-size 256m
life ext4 64m 128m
stop_daemon berth-thin
same "$(dmsetup ls | grep berth || :)" '' 'devices'
same "$(losetup -ln -O BACK-FILE | grep -c pool.img || :)" 0 'loop devices'
