#!/bin/bash
# A volume in memory is backed up as tar while it is used (with --live) and while it is
# kept; with berth.keep=on it is restored, whole or not at all when the daemon is killed.
# time: 600
. "${0%/*}/../lib/lib.sh"
need docker curl jq zstd tar

start_daemon berth-tmpfs
start_dockerd
V=/run/berth/berth-tmpfs/volumes
netctl() {
	"$NETCTL" "$@"
}
names() {
	docker volume ls -qf driver=berth-tmpfs | sort | paste -sd' '
}
restore() { # NAME
	netctl volume restore --driver berth-tmpfs -o size=1m -o berth.keep=on a.tar.zst "$1" 2>&1
}
docker volume create -d berth-tmpfs -o size=1m mem >/dev/null
docker run -d --name aa --network none --stop-signal KILL -v mem:/d bb:1 sleep 999 >/dev/null
docker exec aa sh -c 'echo hello >/d/file; chown 7:8 /d/file; mkdir -m 3751 /d/dir; ln -s nowhere /d/dir/soft'
fails_with 'is in use, and there can be no snapshot' netctl volume backup -o a.tar.zst mem
netctl volume backup --live -o a.tar.zst mem >/dev/null 2>&1
docker rm -f aa >/dev/null
same "$(zstd -qdc a.tar.zst 2>/dev/null | tar -xO --wildcards '*file' 2>/dev/null)" hello "by plain tar"

fails_with 'option mode: a restored' netctl volume restore --driver berth-tmpfs -o berth.keep=on -o mode=0700 a.tar.zst back
fails_with 'options uid, gid and mode: a restored' netctl volume restore --driver berth-tmpfs -o berth.keep=on -o type=tmpfs -o device=tmpfs -o o=uid=5 a.tar.zst back
fails_with 'berth.keep=on' netctl volume restore --driver berth-tmpfs a.tar.zst back
restore back >/dev/null
same "$(names)" 'back mem'
same "$(docker run --rm --network none -v back:/d bb:1 sh -c 'cat /d/file; stat -c "%u %g" /d/file; stat -c %a /d/dir; readlink /d/dir/soft')" \
	$'hello\n7 8\n3751\nnowhere'
fails_with 'there is a volume back already' restore back
# kept, and used by nobody
netctl volume backup -o b.tar.zst back >/dev/null
netctl volume restore --driver berth-tmpfs -o berth.keep=on b.tar.zst again >/dev/null
same "$(cat $V/again/file)" hello
# too much for it
fails_with "Can't create" netctl volume restore --driver berth-tmpfs -o berth.keep=on -o inodes=2 b.tar.zst small
docker volume rm again back mem >/dev/null
same "$(names) $(ls $V)" ' '

# Killed at each step of a restore: the volume is there as a whole, or not at all.
stop_daemon berth-tmpfs
for p in vol.restore.staged vol.restore.intent tmpfs.mount.place tmpfs.mount.shown \
	vol.restore.settled vol.create.made vol.create.recorded vol.restore.done; do
	for how in kill err=EIO; do
		export BERTH_FP=$p:$how:nth=1
		start_daemon berth-tmpfs
		unset BERTH_FP
		out=$(restore back) && rc=0 || rc=$?
		if [ $how = kill ]; then
			wait_until 10 no_process berth-tmpfs
			start_daemon berth-tmpfs
		fi
		if [ -e $V/back ]; then
			same "$(api Berth.Volumes '{}' berth-tmpfs | jq -c '[.Volumes[].Name]')" '["back"]' "$p $how: $out"
			same "$(cat $V/back/file)" hello "$p $how"
			same "$(api VolumeDriver.Remove '{"Name":"back"}' berth-tmpfs)" '{}'
		else
			differ "$rc" 0 "exit status, $p $how"
			same "$(api Berth.Volumes '{}' berth-tmpfs | jq -c '[.Volumes[].Name]')" '[]' "$p $how: $out"
		fi
		same "$(api Berth.Check '{}' berth-tmpfs | jq -c .Problems)" '[]' "$p $how"
		same "$(ls $V)" '' "left after $p $how"
		restore back >/dev/null || fail "not restored afterwards, $p $how"
		same "$(api VolumeDriver.Remove '{"Name":"back"}' berth-tmpfs)" '{}'
		stop_daemon berth-tmpfs
	done
done
