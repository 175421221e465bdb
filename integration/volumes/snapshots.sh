# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What snapshots and copies are on any volume that can have them; included by
# t-btrfs-snapshots.sh and t-image-snapshots.sh, which set OPTS (docker volume create's),
# SIZE, LARGE (of a copy that is asked for), TOO_SMALL (for one of that, with FILL MiB in it)
# and what is said then: WHY, and by dd, FULL.
start_daemon berth-named
start_dockerd
V=/var/lib/berth/berth-named/volumes

run() { # VOLUME COMMAND
	docker run --rm --network none -v "$1:/d" bb:1 sh -c "$2"
}

status() { # VOLUME FIELD
	docker volume inspect "$1" | jq -r ".[0].Status.$2"
}

snapshots() { # VOLUME
	netctl volume snapshot ls --json "$1" | jq -r '.[].Name' | tr '\n' ' '
}

problems() {
	api Berth.Check '{}' berth-named | jq -c .Problems
}

# shellcheck disable=SC2086 # OPTS are words
docker volume create -d berth-named $OPTS -o size=$SIZE src >/dev/null
run src 'echo one >/d/file; mkdir /d/dir; ln -s file /d/link; chown 7:8 /d/dir; chmod 2750 /d'
same "$(netctl volume snapshot src@s1)" src@s1
fails_with 'has a snapshot s1 already' netctl volume snapshot src@s1
run src 'echo two >/d/file; rm -r /d/dir; echo new >/d/new'

# While it is used and written to, by a name of its own and by the time.
docker run -d --name user --network none --stop-signal KILL -v src:/d bb:1 sh -c \
	'i=0; while :; do i=$((i + 1)); echo $i >>/d/log; done' >/dev/null
wait_until 10 docker exec user test -s /d/log
timed=$(netctl volume snapshot src)
contains "$timed" "src@20"
netctl volume snapshot src@s2
n=$(docker exec user wc -l /d/log | cut -d' ' -f1)
wait_until 10 sh -c "[ \$(docker exec user wc -l /d/log | cut -d' ' -f1) -gt $((n + 10)) ]"
same "$(snapshots src)" "${timed#src@} s1 s2 "

# Going back is for volumes that nobody uses.
fails_with 'is in use by 1 mount' netctl volume rollback src@s1
docker rm -f user >/dev/null

# A copy has what its source had, and neither sees the other's changes.
docker volume create -d berth-named -o from=src@s1 old >/dev/null
docker volume create -d berth-named -o from=src now >/dev/null
same "$(status old backing)" "$(status src backing)"
same "$(status old size)" "$(status src size)"
same "$(run old 'cat /d/file /d/link; stat -c %u:%g:%a /d/dir /d; ls /d')" \
	$'one\none\n7:8:755\n0:0:2750\ndir\nfile\nlink'
same "$(run now 'cat /d/file /d/new')" $'two\nnew'
run old 'echo changed >/d/file; echo more >/d/more'
run src 'echo three >/d/file'
same "$(run src 'cat /d/file; ls /d/more 2>/dev/null' || :)" three
same "$(run old 'cat /d/file')" changed
same "$(run now 'cat /d/file')" two
docker volume create -d berth-named -o from=src@s2 log >/dev/null
run log 'head -n 100 /d/log | awk "\$1 != NR { exit 1 }"'
docker volume rm log >/dev/null

# Made again: the same is fine, another source is not; also when the source is gone.
api_create() { # NAME OPTS
	api VolumeDriver.Create "{\"Name\":\"$1\",\"Opts\":$2}" berth-named
}
same "$(api_create old '{"from":"src@s1"}')" '{}'
contains "$(api_create old '{"from":"src"}')" 'other options'
contains "$(api_create old '{}')" 'other options'
fails_with 'there is no volume gone' docker volume create -d berth-named -o from=gone x
fails_with 'has no snapshot s9' docker volume create -d berth-named -o from=src@s9 x
fails_with 'cannot be made from itself' docker volume create -d berth-named -o from=x x
fails_with 'neither VOLUME nor' docker volume create -d berth-named -o from=../src x
fails_with 'neither VOLUME nor' docker volume create -d berth-named -o from=src@../s1 x
fails_with 'uid, gid and mode' docker volume create -d berth-named -o from=src -o uid=5 x
fails netctl volume snapshot src@../../x
fails netctl volume snapshot src@.hidden

# A limit of its own; not less than there is.
run now 'rm -f /d/log'
netctl volume clone -o size=$LARGE now larger
same "$(status larger size)" "$(numfmt --from=iec ${LARGE^^})"
fails_with 'there is a volume' netctl volume clone now larger
fails_with "$FULL" run now 'dd if=/dev/zero of=/d/big bs=1M count=400'
run larger "dd if=/dev/zero of=/d/big bs=1M count=$FILL"
run src "dd if=/dev/zero of=/d/big bs=1M count=$((FILL / 2)); rm /d/big"
fails_with "$WHY" docker volume create -d berth-named -o from=larger -o size=$TOO_SMALL x
same "$(docker volume ls -q | grep -cx x || :)" 0
run now 'rm /d/big'

# Back to what it was; the snapshot stays, and can't be written to.
netctl volume rollback src@s1
same "$(run src 'cat /d/file; stat -c %u:%g /d/dir; ls /d')" $'one\n7:8\ndir\nfile\nlink'
run src 'echo four >/d/file'
netctl volume rollback src@s1
same "$(run src 'cat /d/file')" one
same "$(snapshots src)" "${timed#src@} s1 s2 "
fails_with 'has no snapshot s9' netctl volume rollback src@s9
same "$(status src size)" "$(numfmt --from=iec ${SIZE^^})"
fails run src "dd if=/dev/zero of=/d/big bs=1M count=400"
run src 'rm /d/big'

# Restarted, killed: all of it is there.
restart_daemon berth-named
kill9_daemon berth-named
restart_daemon berth-named
same "$(snapshots src)" "${timed#src@} s1 s2 "
same "$(run old 'cat /d/file')" changed
same "$(problems)" '[]'

# Removing: not what somebody wanted to keep.
fails_with 'has 3 snapshots' docker volume rm src
same "$(run src 'cat /d/file')" one
netctl volume snapshot rm "$timed"
fails_with 'has no snapshot' netctl volume snapshot rm "$timed"
fails_with 'has 2 snapshots (s1, ...)' docker volume rm src
netctl volume snapshot rm src@s2
fails_with 'has 1 snapshot (s1)' netctl volume rm src
docker create --name holds --network none -v src:/d bb:1 true >/dev/null
fails_with '1 containers refer' netctl volume rm --snapshots src
same "$(snapshots src)" 's1 '
docker rm holds >/dev/null
netctl volume rm --snapshots src
same "$(docker volume ls -q | sort | tr '\n' ' ')" 'larger now old '
# its copies live on, and know what they are copies of
same "$(run old 'cat /d/file')" changed
same "$(api_create old '{"from":"src@s1"}')" '{}'
contains "$(api_create old '{"from":"src@s2"}')" 'other options'

# With other drivers, and without a Docker.
docker volume create -d berth-named -o backing=directory plain >/dev/null
fails_with 'which cannot be snapshotted: volumes on btrfs can' netctl volume snapshot plain@a
fails_with 'which cannot be copied' netctl volume clone plain x
stop_dockerd
netctl volume create -o size=$SIZE ${OPTS:+-o backing=image} solo
netctl volume snapshot solo@a
netctl volume clone solo@a solo2
fails_with 'has 1 snapshot' netctl volume rm solo
for v in solo solo2 old now larger plain; do netctl volume rm --snapshots $v; done
swept() { # what was empty goes in the background
	[ -z "$(ls -A $V/.trash)" ]
}
wait_until 30 swept
same "$(ls -A $V/.staging)" ''
same "$(ls $V)" ''
same "$(problems)" '[]'
same "$(api Berth.Gc '{"DryRun":true}' berth-named | jq -c .Removed)" '[]'
