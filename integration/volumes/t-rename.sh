#!/bin/bash
# A volume gets another name, with its data, its size and its snapshots; not while it is
# used, nor while a stopped container refers to it; killed midway it has one of the two.
. "${0%/*}/../lib/lib.sh"
need docker curl jq

volumes=/var/lib/berth/berth-named/volumes
start_daemon berth-named
start_dockerd
names() {
	netctl volume ls --json | jq -r '[.[].Name] | sort | join(" ")'
}
run() { # VOLUME COMMAND
	docker run --rm --network none -v "$1:/d" bb:1 sh -c "$2"
}

docker volume create -d berth-named -o size=24m vol >/dev/null
docker volume create -d berth-named other >/dev/null
run vol 'echo data >/d/x'
netctl volume snapshot vol@s1
inode=$(stat -c %i "$volumes/vol/image")

fails_with 'already' netctl volume rename vol other
docker volume create loc >/dev/null
fails_with 'of driver local' netctl volume rename vol loc
docker volume rm loc >/dev/null
contains "$(api Berth.VolumeRename '{"Name":"vol","To":"vol"}' berth-named)" 'called that already'
contains "$(api Berth.VolumeRename '{"Name":"vol","To":"../x"}' berth-named)" EBADMSG
docker run -d --name aa --network none --stop-signal KILL -v vol:/d bb:1 sleep 999 >/dev/null
fails_with 'refers to volume vol' netctl volume rename vol new
contains "$(api Berth.VolumeRename '{"Name":"vol","To":"new"}' berth-named)" 'in use by 1'
docker stop aa >/dev/null
fails_with 'docker ps -a --filter volume=vol' netctl volume rename vol new
docker rm aa >/dev/null
# A directory that no volume owns is not written over.
mkdir "$volumes/new"
fails_with 'no volume owns' netctl volume rename vol new
rmdir "$volumes/new"

netctl volume rename vol new
same "$(names)" 'new other'
same "$(docker volume ls -qf driver=berth-named | sort | paste -sd ' ')" 'new other'
fails_with 'o such volume' docker volume inspect vol
same "$(stat -c %i "$volumes/new/image")" "$inode"
same "$(run new 'cat /d/x')" data
fails_with 'No space left' run new 'dd if=/dev/zero of=/d/y bs=1M count=40'
run new 'rm /d/x /d/y'
same "$(netctl volume snapshot ls new --json | jq -r '.[].Name')" s1
netctl volume rollback new@s1
same "$(run new 'cat /d/x')" data
# The old name is free, and is another volume's.
docker volume create -d berth-named vol >/dev/null
same "$(run vol 'ls /d')" ''
docker volume rm vol >/dev/null
restart_daemon berth-named
same "$(names)" 'new other'
same "$(run new 'cat /d/x')" data

# What fails half way is as it was.
for point in vol.rename.{intent,renamed,recorded} named.rename.moved; do
	stop_daemon berth-named
	BERTH_FP=$point:err=ENOSPC start_daemon berth-named
	fails_with 'No space left' netctl volume rename new vol
	same "$(names)" 'new other' "$point failed"
	same "$(run new 'cat /d/x')" data "$point failed"
done

# POINT - the daemon dies at it within a rename; netctl, which repeats, succeeds.
from=new to=vol
for point in vol.rename.{intent,renamed,recorded,done} named.rename.moved; do
	stop_daemon berth-named
	BERTH_FP=$point:kill start_daemon berth-named
	netctl volume rename $from $to >"$DIR/rename.log" 2>&1 &
	job=$!
	wait_until 20 gone "${DAEMON_PID[berth-named]}"
	wait "${DAEMON_PID[berth-named]}" 2>/dev/null || :
	unset "DAEMON_PID[berth-named]"
	start_daemon berth-named
	wait $job || note "$point: netctl said $(cat "$DIR/rename.log")"
	same "$(names)" "$(printf '%s\n' other $to | sort | paste -sd ' ')" "$point"
	same "$(find "$volumes" -mindepth 1 -maxdepth 1 -name '[!.]*' | wc -l)" 2
	same "$(run $to 'cat /d/x')" data "$point"
	read -r from to <<<"$to $from"
done
netctl volume rm --snapshots "$from"
docker volume rm other >/dev/null
same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
