#!/bin/bash
# A pool that is full refuses what is new, fails writes instead of hanging, has its volumes
# backed up, and has all that was synced when it was made larger.  One whose metadata gets full is given more.  One
# whose disk hangs holds up nobody who only asks.  One whose metadata is damaged, whose file
# is gone or whose device has data is left as it is, and the error says what to do.
# vm
# alone
# time: 300
. "${0%/*}/../lib/lib.sh"
need curl jq dmsetup mkfs.ext4 thin_check python3

IMAGE=/var/lib/berth/berth-thin/pool.img

call() { # METHOD JSON -> what went wrong
	api "$1" "$2" berth-thin | jq -r '.Err // ""'
}

mounted() {
	api VolumeDriver.Mount '{"Name":"v","ID":"x"}' berth-thin | jq -r '.Mountpoint // .Err'
}

# Full.
start_daemon berth-thin --pool-size 64m
same "$(call VolumeDriver.Create '{"Name":"v","Opts":{"size":"200m"}}')" ''
at=$(mounted)
dd if=/dev/urandom of="$at/kept" bs=1M count=16 conv=fsync 2>/dev/null
sum=$(sha256sum <"$at/kept")

# Its disk hangs, for 30 s with SOAK=1: who makes a volume or writes waits, and has it then;
# who only asks does not.
hang=3
[ "$SOAK" != 1 ] || hang=32
meta=$(dmsetup ls | awk '/^berth-thin-.*-meta/ { print $1 }')
dmsetup suspend --noflush --nolockfs "$meta"
call VolumeDriver.Create '{"Name":"late","Opts":{"size":"16m"}}' >late &
late=$!
wait_until 20 sh -c "grep -qs '^State:.D' /proc/${DAEMON_PID[berth-thin]}/task/*/status"
before=$SECONDS
same "$(api VolumeDriver.Get '{"Name":"v"}' berth-thin | jq -r .Volume.Status.pool)" ok
same "$(api VolumeDriver.List '{}' berth-thin | jq -r '.Volumes[].Name' | sort | head -1)" v
at_most $((SECONDS - before)) 50 'seconds to answer' # the call itself gives up after 60
in_background writer.log bash -c "echo written >$at/late && sync $at/late"
writer=$PID
hung_for() {
	[ $((SECONDS - before)) -ge $hang ]
}
wait_until $((hang + 10)) hung_for
if [ "$SOAK" = 1 ]; then
	contains "$(api VolumeDriver.Get '{"Name":"v"}' berth-thin | jq -r .Volume.Status.pool)" 'its disk hangs'
	contains "$(api Berth.Check '{}' berth-thin | jq -c .Problems)" 'has not answered for'
fi
[ -d /proc/$late ] || fail 'the pool did not hang'
dmsetup resume "$meta"
wait $late
same "$(cat late)" ''
wait "$writer"
same "$(cat "$at/late")" written
same "$(call VolumeDriver.Remove '{"Name":"late"}')" ''
# Nearly full: nothing new, but what a backup needs.
start_daemon berth-named
kept_in() { # ARCHIVE FILE - by a restore to another driver, which does not stay
	netctl volume restore --driver berth-named "$1" back >/dev/null
	sha256sum <"$(api VolumeDriver.Mount '{"Name":"back","ID":"x"}' berth-named | jq -r .Mountpoint)/$2"
	api VolumeDriver.Unmount '{"Name":"back","ID":"x"}' berth-named >/dev/null
	same "$(api VolumeDriver.Remove '{"Name":"back"}' berth-named | jq -r '.Err // ""')" ''
	rm "$1"
}
same "$(call VolumeDriver.Create '{"Name":"idle","Opts":{"size":"16m"}}')" ''
echo idle >"$(api VolumeDriver.Mount '{"Name":"idle","ID":"x"}' berth-thin | jq -r .Mountpoint)/file"
same "$(call VolumeDriver.Unmount '{"Name":"idle","ID":"x"}')" ''
blocks=$(dmsetup status --target thin-pool | awk '{ split($7, d, "/"); print int(d[2] * 94 / 100) - d[1] }')
dd if=/dev/zero of="$at/much" bs=64k count="$blocks" conv=fsync 2>/dev/null
contains "$(call VolumeDriver.Create '{"Name":"w","Opts":{"size":"16m"}}')" 'nothing new is made from 90% on'
contains "$(call Berth.VolumeSnapshot '{"Name":"v","Snapshot":"s"}')" 'nothing new is made from 90% on'
netctl volume backup -o near.tar.zst v
same "$(kept_in near.tar.zst kept)" "$sum"
same "$(call VolumeDriver.Create '{"Name":"w","Opts":{"from":"v"}}' | grep -c '90% on')" 1
fails timeout 120 dd if=/dev/zero of="$at/more" bs=1M count=100 conv=fsync
contains "$(call VolumeDriver.Create '{"Name":"w","Opts":{"size":"16m"}}')" 'make it larger (--pool-size)'
contains "$(call Berth.VolumeSnapshot '{"Name":"v","Snapshot":"s"}')" 'make it larger (--pool-size)'
contains "$(api Berth.Check '{}' berth-thin | jq -c .Problems)" 'the pool is full'
fails_with 'make it larger (--pool-size)' netctl volume backup -o full.tar.zst v
netctl volume backup --live -o full.tar.zst v
same "$(kept_in full.tar.zst kept)" "$sum"
netctl volume backup -o idle.tar.zst idle
same "$(kept_in idle.tar.zst file)" "$(echo idle | sha256sum)"
stop_daemon berth-named
stop_daemon berth-thin
start_daemon berth-thin --pool-size 256m
same "$(sha256sum <"$at/kept")" "$sum"
same "$(call VolumeDriver.Unmount '{"Name":"v","ID":"x"}')" ''
at=$(mounted)
same "$(sha256sum <"$at/kept")" "$sum"
rm -f "$at/more" "$at/much"
dd if=/dev/zero of="$at/more" bs=1M count=100 conv=fsync 2>/dev/null
same "$(call VolumeDriver.Unmount '{"Name":"v","ID":"x"}')" ''
same "$(api Berth.Check '{}' berth-thin | jq -c .Problems)" '[]'
stop_daemon berth-thin
same "$(dmsetup ls | grep berth || :)" ''

# Its metadata gets near its end: it is given more, while a volume is used. The kernel takes a
# block of it for each device; ours are numbered from below.
metadata() { # FIELD - of used/total blocks
	dmsetup status --target thin-pool | awk '{ print $6 }' | cut -d/ -f"$1"
}
messages() { # WORD - to the pool, of 1,600 devices
	python3 - "$1" "$(dmsetup ls | awk '/^berth-thin-.*-pool/ { print $1 }')" <<-'EOF'
		import ctypes, sys
		dm = ctypes.CDLL("libdevmapper.so.1.02.1")
		dm.dm_task_create.restype = ctypes.c_void_p
		for n in range(1000000, 1001600):
		    t = ctypes.c_void_p(dm.dm_task_create(17))  # DM_DEVICE_TARGET_MSG
		    dm.dm_task_set_name(t, sys.argv[2].encode())
		    dm.dm_task_set_sector(t, ctypes.c_uint64(0))
		    dm.dm_task_set_message(t, b"%s %d" % (sys.argv[1].encode(), n))
		    assert dm.dm_task_run(t) == 1
		    dm.dm_task_destroy(t)
	EOF
}
start_daemon berth-thin
same "$(call VolumeDriver.Create '{"Name":"m","Opts":{"size":"16m"}}')" ''
at=$(api VolumeDriver.Mount '{"Name":"m","ID":"x"}' berth-thin | jq -r .Mountpoint)
echo before >"$at/file"
same "$(metadata 2)" 2048 'blocks of metadata'
in_background writer.log bash -c "while echo x >$at/x && sync $at/x; do :; done"
busy=$PID
messages create_thin
larger() {
	[ "$(metadata 2)" = 3840 ] # a sixteenth of the pool
}
wait_until 30 larger
end "$busy"
echo after >>"$at/file"
sync "$at/file"
grep -q 'and is larger now' berth-thin.log || fail 'the log does not tell'
same "$(call VolumeDriver.Create '{"Name":"n","Opts":{"size":"16m"}}')" ''
same "$(call VolumeDriver.Remove '{"Name":"n"}')" ''
same "$(call VolumeDriver.Unmount '{"Name":"m","ID":"x"}')" ''
stop_daemon berth-thin
same "$(dmsetup ls | grep berth || :)" ''
start_daemon berth-thin
at=$(api VolumeDriver.Mount '{"Name":"m","ID":"x"}' berth-thin | jq -r .Mountpoint)
same "$(cat "$at/file")" $'before\nafter'
messages delete
same "$(call VolumeDriver.Unmount '{"Name":"m","ID":"x"}')" ''
same "$(call VolumeDriver.Remove '{"Name":"m"}')" ''
stop_daemon berth-thin
more=$(echo /var/lib/berth/berth-thin/meta-*.img)
mv "$more" aside
start_daemon berth-thin
contains "$(mounted)" "${more##*/}, which has a part of the pool's metadata"
mv aside "$more"
stop_daemon berth-thin

# Damaged: the first block of its metadata.
dd if=$IMAGE of=saved bs=4096 skip=256 count=1 2>/dev/null
dd if=/dev/urandom of=$IMAGE bs=4096 seek=256 count=1 conv=notrunc 2>/dev/null
damaged=$(sha256sum <$IMAGE)
start_daemon berth-thin
contains "$(mounted)" 'thin_repair'
contains "$(call VolumeDriver.Create '{"Name":"w","Opts":{"size":"16m"}}')" 'metadata is damaged'
contains "$(api Berth.Check '{}' berth-thin | jq -c .Problems)" 'metadata is damaged'
dmsetup ls | grep -q 'berth-thin-[0-9a-f]*-meta' || fail 'no device to repair'
stop_daemon berth-thin
dmsetup ls | awk '/^berth-thin-.*-meta/ { print $1 }' | xargs -r dmsetup remove
same "$(sha256sum <$IMAGE)" "$damaged"
dd if=saved of=$IMAGE bs=4096 seek=256 conv=notrunc 2>/dev/null

# Gone: nothing is made in its place.
mv $IMAGE $IMAGE.aside
start_daemon berth-thin
contains "$(mounted)" 'pool.img of the pool: No such file'
contains "$(call VolumeDriver.Create '{"Name":"w","Opts":{"size":"16m"}}')" 'No such file'
[ ! -e $IMAGE ] || fail 'another pool was made'
stop_daemon berth-thin
mv $IMAGE.aside $IMAGE

# And all is well again.
start_daemon berth-thin
at=$(mounted)
same "$(sha256sum <"$at/kept")" "$sum"
same "$(call VolumeDriver.Unmount '{"Name":"v","ID":"x"}')" ''
same "$(call VolumeDriver.Remove '{"Name":"v"}')" ''
stop_daemon berth-thin

# A device that somebody else uses.
mkfs.ext4 -q "$BERTH_DISK"
first=$(head -c 1M "$BERTH_DISK" | sha256sum)
start_daemon berth-thin --pool-device "$BERTH_DISK" --state-dir "$DIR/other"
contains "$(call VolumeDriver.Create '{"Name":"v","Opts":{"size":"16m"}}')" 'has data on it (ext4)'
same "$(head -c 1M "$BERTH_DISK" | sha256sum)" "$first"
wipefs -qa "$BERTH_DISK"
contains "$(call VolumeDriver.Create '{"Name":"v","Opts":{"size":"16m"}}')" 'none of ours'
stop_daemon berth-thin

# A daemon that starts while its pool's disk hangs answers at once, and has the pool when the
# disk goes on.
dd if=/dev/zero of="$BERTH_DISK" bs=1M count=1 conv=fsync 2>/dev/null
dmsetup create slow --table "0 524288 linear $BERTH_DISK 0"
slow=/dev/dm-$(dmsetup info -c --noheadings -o minor slow)
flags=(--pool-device "$slow" --state-dir "$DIR/other")
start_daemon berth-thin "${flags[@]}"
same "$(call VolumeDriver.Create '{"Name":"v","Opts":{"size":"16m"}}')" ''
at=$(mounted)
stop_daemon berth-thin
blockdev --flushbufs "$slow" # what it reads is read from the disk
dmsetup suspend --noflush --nolockfs slow
start_daemon berth-thin "${flags[@]}"
contains "$(api VolumeDriver.Get '{"Name":"v"}' berth-thin | jq -r .Volume.Status.pool)" 'is being taken up'
contains "$(api Berth.Check '{}' berth-thin | jq -c .Problems)" 'is being taken up'
call VolumeDriver.Create '{"Name":"late","Opts":{"size":"16m"}}' >late &
late=$!
same "$(api VolumeDriver.List '{}' berth-thin | jq -r '.Volumes[].Name')" v
[ -d /proc/$late ] || fail 'the pool did not hang'
dmsetup resume slow
wait $late
same "$(cat late)" ''
same "$(api Berth.Check '{}' berth-thin | jq -c .Problems)" '[]'
same "$(call VolumeDriver.Unmount '{"Name":"v","ID":"x"}')" ''
for v in v late; do
	same "$(call VolumeDriver.Remove "{\"Name\":\"$v\"}")" ''
done
stop_daemon berth-thin
dmsetup remove slow
