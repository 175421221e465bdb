#!/bin/bash
# Whenever the power fails, what was answered of thin volumes is there, as it was synced,
# and nothing else is: neither in the records nor in the pool.
#
# State directory and pool are on one disk that logs all writes (dm-log-writes).  At 200
# moments (11 without SOAK=1), equally many in each request, the disk is made again as it was
# then, with only some of what nothing had flushed, and a daemon starts on it.  SEED=N
# does a run again.
# vm
# alone
# time: 1200
# soak
. "${0%/*}/../lib/lib.sh"
need curl jq dmsetup mkfs.ext4 thin_check thin_ls cutlog

SEED=${SEED:-$((EPOCHSECONDS % 32768))}
points=11
[ "$SOAK" != 1 ] || points=200
note "SEED=$SEED, $points moments"
modprobe -a dm-log-writes dm-snapshot
M=2048 # sectors of a MiB
SIZE=$((224 * M)) STATE=$((64 * M))
DEV=$DIR/devices
FLAGS=(--state-dir "$DIR/state" --pool-device "$DEV/cut-pool")
mkdir state "$DEV"

# Here is no udev: $DEV/NAME is the kernel's own node.
device() { # NAME TABLE
	dmsetup create "$1" --table "$2"
	ln -s "/dev/dm-$(dmsetup info -c --noheadings -o minor "$1" | tr -d ' ')" "$DEV/$1"
}
gone_device() { # NAME...
	local name
	for name; do
		wait_until 10 dmsetup remove "$name"
		rm "$DEV/$name"
	done
}
halves() { # NAME - of the whole disk: state directory and pool
	device cut-state "0 $STATE linear $DEV/$1 0"
	device cut-pool "0 $((SIZE - STATE)) linear $DEV/$1 $STATE"
}
call() { # METHOD JSON
	local got
	got=$(api "$1" "$2" berth-thin)
	same "$(jq -r '.Err // ""' <<<"$got")" '' "$1 $2"
}
used() { # VOLUME
	api VolumeDriver.Mount "{\"Name\":\"$1\",\"ID\":\"x\"}" berth-thin | jq -r '.Mountpoint // .Err'
}
unused() {
	call VolumeDriver.Unmount "{\"Name\":\"$1\",\"ID\":\"x\"}"
}

# --- requests, and what there is after each -----------------------------------------

create() { # VOLUME OPTION VALUE
	call VolumeDriver.Create "{\"Name\":\"$1\",\"Opts\":{\"$2\":\"$3\"}}"
}
remove() {
	call VolumeDriver.Remove "{\"Name\":\"$1\"}"
}
words() { # WORD
	awk -v w="$1" 'BEGIN { for (i = 0; i < 32768; i++) print w }'
}
write() { # VOLUME WORD - as a program that cares for its data does
	local at
	at=$(used "$1")
	words "$2" >"$at/new"
	sync "$at/new"
	mv "$at/new" "$at/file"
	sync "$at"
	unused "$1"
}
grow() { # VOLUME SIZE - while it is used
	used "$1" >/dev/null
	call Berth.VolumeResize "{\"Name\":\"$1\",\"Size\":\"$2\"}"
	unused "$1"
}
snapshot() {
	call Berth.VolumeSnapshot "{\"Name\":\"$1\",\"Snapshot\":\"$2\"}"
}
no_snapshot() {
	call Berth.VolumeSnapshotRemove "{\"Name\":\"$1\",\"Snapshot\":\"$2\"}"
}
REQUESTS=('create a size 16m' 'write a one' 'snapshot a s' 'write a two' 'create b from a@s'
	'grow a 24m' 'no_snapshot a s' 'remove a' 'create c size 16m' 'remove b')
THERE=('' 'a:16M:-:' 'a:16M:one:' 'a:16M:one:s' 'a:16M:two:s' 'a:16M:two:s b:16M:one:'
	'a:24M:two:s b:16M:one:' 'a:24M:two: b:16M:one:' 'b:16M:one:' 'b:16M:one: c:16M:-:'
	'c:16M:-:')

taken_up() { # its pool, behind the daemon's start
	! api Berth.Check '{}' berth-thin | grep -q 'is being taken up'
}

# Of each volume its size, what is in its file and its snapshots.
there() {
	local v at size word copies
	api VolumeDriver.List '{}' berth-thin >list
	for v in $(jq -r '.Volumes[].Name' list | sort); do
		size=$(api VolumeDriver.Get "{\"Name\":\"$v\"}" berth-thin | jq -r .Volume.Status.size)
		copies=$(api Berth.VolumeSnapshots "{\"Name\":\"$v\"}" berth-thin |
			jq -r '[.Snapshots[].Name] | join(",")')
		at=$(used "$v")
		word=-
		if [ -e "$at/file" ]; then
			word=$(head -1 "$at/file")
			words "$word" | cmp - "$at/file" || fail "file of $v"
		fi
		unused "$v"
		echo "$v:$((size / 1048576))M:$word:$copies"
	done | xargs
}

# --- the disk that logs -------------------------------------------------------------

at=0
for name in disk copy log changes; do
	[ $name = log ] && size=$((2048 * M)) || size=$SIZE
	device "cut-$name" "0 $size linear $BERTH_DISK $at"
	at=$((at + size))
done
device cut-logged "0 $SIZE log-writes $DEV/cut-disk $DEV/cut-log"
halves cut-logged
mkfs.ext4 -q "$DEV/cut-state"
mount "$DEV/cut-state" state
start_daemon berth-thin "${FLAGS[@]}"
sync -f state
dmsetup message cut-logged 0 mark 0
for i in "${!REQUESTS[@]}"; do
	${REQUESTS[i]}
	dmsetup message cut-logged 0 mark $((i + 1))
done
same "$(there)" "${THERE[-1]}"
stop_daemon berth-thin
umount state
gone_device cut-state cut-pool cut-logged

# --- and the power fails --------------------------------------------------------------

# Numbers in the pool, when nothing uses it.
in_pool() {
	local n
	n=$(head -c 512 "$DEV/cut-pool" | tr -d '\0' | sed -n 's/.* metadata=[0-9]*+\([0-9]*\) .*/\1/p')
	[ -n "$n" ] || return 0
	device cut-meta "0 $n linear $DEV/cut-pool 2048"
	# it fails on one that has never been up, where there is nothing
	thin_ls --no-headers -o DEV "$DEV/cut-meta" 2>/dev/null || :
	gone_device cut-meta
}

numbers() { # THERE - how many it has then: each volume, and each snapshot
	tr ' ' '\n' <<<"$1" | awk -F: 'NF { n += 1 + split($4, s, ",") } END { print n + 0 }'
}

at_moment() { # FLUSHED AT MARK
	local got want=${THERE[$3]} under_way
	under_way=${THERE[$3 + 1]-$want}
	"$TOOLS/cutlog" replay "$DEV/cut-log" "$DEV/cut-copy" "$copied" "$1"
	copied=$1
	device cut-torn "0 $SIZE snapshot $DEV/cut-copy $DEV/cut-changes N 8"
	"$TOOLS/cutlog" tear "$DEV/cut-log" "$DEV/cut-torn" "$1" "$2" "$SEED"
	halves cut-torn
	mount "$DEV/cut-state" state
	rm -rf /run/berth/berth-thin
	start_daemon berth-thin "${FLAGS[@]}"
	got=$(there)
	[ "$got" = "$want" ] || [ "$got" = "$under_way" ] ||
		fail "power cut at $2 (SEED=$SEED), in '${REQUESTS[$3]-}': there is '$got', not '$want'" \
			"or '$under_way'"
	wait_until 20 taken_up
	same "$(api Berth.Check '{}' berth-thin | jq -c .Problems)" '[]' "power cut at $2 (SEED=$SEED)"
	stop_daemon berth-thin
	same "$(in_pool | wc -l)" "$(numbers "$got")" "power cut at $2 (SEED=$SEED): in the pool"
	umount state
	gone_device cut-state cut-pool cut-torn
}

# Another boot, as far as a daemon can see.
echo 01234567-89ab-cdef-0123-456789abcdef >boot_id
mount --bind boot_id /proc/sys/kernel/random/boot_id
"$TOOLS/cutlog" plan "$DEV/cut-log" "$points" "$SEED" >plan
same "$(wc -l <plan)" "$points"
copied=0 before=$SECONDS
while read -r flushed moment mark; do
	at_moment "$flushed" "$moment" "$mark"
done <plan
note "$points moments of $(tail -1 plan | cut -d' ' -f2) writes in $((SECONDS - before)) s"
umount /proc/sys/kernel/random/boot_id
gone_device cut-changes cut-log cut-copy cut-disk
