#!/bin/bash
# A volume of berth-tmpfs is shared by all who use it at once, is empty after the last
# (with berth.keep=on: after its removal), lives on when its daemon is killed in between,
# and exists, empty, after a reboot.
# time: 600
. "${0%/*}/../lib/lib.sh"
need docker curl jq findmnt

start_daemon berth-tmpfs
start_dockerd
V=/run/berth/berth-tmpfs/volumes
up() { # NAME VOLUME
	docker run -d --name "$1" --network none --stop-signal KILL -v "$2":/d bb:1 sleep 999 >/dev/null
}
run() { # VOLUME COMMAND...
	docker run --rm --network none -v "$1":/d bb:1 "${@:2}"
}
users() { # VOLUME
	api Berth.Volume "{\"Name\":\"$1\"}" berth-tmpfs | jq .Users
}
docker volume create -d berth-tmpfs -o size=1m mem >/dev/null
docker volume create -d berth-tmpfs -o size=1m -o berth.keep=on kept >/dev/null
same "$(ls $V)" '' "in the kernel before the first use"

# Three users that go in any order, the daemon killed and started between them.
up aa mem
docker exec aa sh -c 'echo shared >/d/file'
same "$(findmnt -nro FSTYPE,SOURCE,PROPAGATION -M $V/mem)" 'tmpfs berth:berth-tmpfs:mem private'
up bb mem
same "$(docker exec bb cat /d/file)" shared
kill9_daemon berth-tmpfs
same "$(docker exec bb cat /d/file)" shared "without a daemon"
start_daemon berth-tmpfs
up cc mem
same "$(users mem)" 3
fails_with 'in use' docker volume rm mem
docker rm -f bb >/dev/null
kill9_daemon berth-tmpfs
start_daemon berth-tmpfs
same "$(users mem)" 2
docker rm -f aa >/dev/null
same "$(docker exec cc cat /d/file)" shared "with one user left"
fails_with 'Read-only' docker run --rm --network none --volumes-from cc:ro bb:1 touch /d/x
# an Unmount that nobody asked a Mount for
same "$(api VolumeDriver.Unmount '{"Name":"mem","ID":"nobody"}' berth-tmpfs)" '{}'
same "$(docker exec cc cat /d/file)" shared
docker rm -f cc >/dev/null
same "$(ls $V)" '' "after the last user"
same "$(run mem ls /d)" ''

# Kept.
run kept sh -c 'echo kept >/d/file'
same "$(users kept)" 0
same "$(docker volume inspect kept | jq -c '.[0].Status | [.used, .mounted, .keep]')" '[4096,true,true]'
kill9_daemon berth-tmpfs
start_daemon berth-tmpfs
same "$(run kept cat /d/file)" kept
same "$(api Berth.Check '{}' berth-tmpfs | jq -c .Problems)" '[]'
same "$(api Berth.Gc '{}' berth-tmpfs | jq -c .Removed)" '[]'
same "$(run kept cat /d/file)" kept "after a collection"
docker volume rm kept >/dev/null
fails findmnt -M $V/kept
docker volume create -d berth-tmpfs -o size=1m -o berth.keep=on kept >/dev/null
same "$(run kept ls /d)" '' "a new one of that name"
run kept true
same "$(ls $V)" '' "nothing is kept of nothing"
# Another name: what is kept goes along, with Docker looking.
run kept sh -c 'echo kept >/d/file'
fails_with 'already' netctl volume rename kept mem
mkdir $V/new && mount -t tmpfs nobodys $V/new
fails_with 'no volume owns' netctl volume rename kept new
umount $V/new && rmdir $V/new
up aa kept
contains "$(api Berth.VolumeRename '{"Name":"kept","To":"new"}' berth-tmpfs)" 'in use by 1'
docker rm -f aa >/dev/null
netctl volume rename kept new
same "$(run new cat /d/file)" kept
same "$(ls $V)" new
kill9_daemon berth-tmpfs
start_daemon berth-tmpfs
netctl volume rename new kept
netctl volume rename mem memo
same "$(run memo ls /d)" ''
netctl volume rename memo mem
same "$(run kept cat /d/file)" kept
run kept rm /d/file
# What an image has there Docker copies before the container starts, and unmounts.
docker run --rm --network none -v kept:/etc bb:1 test -s /etc/passwd
fails docker run --rm --network none -v mem:/etc bb:1 test -s /etc/passwd
docker volume rm kept >/dev/null

# A reboot: mounts and /run are gone.
docker volume create -d berth-tmpfs -o size=1m -o berth.keep=on kept >/dev/null
run kept touch /d/file
docker run -d --name web --network none --stop-signal KILL --restart always \
	-v mem:/m -v kept:/d bb:1 sleep 999 >/dev/null
docker exec web touch /m/file
pid=$(pid_of web)
kill9_dockerd
kill -9 "$pid"
kill9_daemon berth-tmpfs
kill_shims
wait_until 10 no_process containerd-shim
awk '$5 ~ "^/(run/|var/lib/berth/|var/lib/docker/)" && $5 !~ "^/run/netns" { print $5 }' \
	/proc/self/mountinfo | tac | while read -r m; do
	umount -l "$m"
done
find /run -mindepth 1 -not -path '/run/netns*' -delete 2>/dev/null || :
cat /proc/sys/kernel/random/uuid >"$DIR/boot_id"
mount --bind "$DIR/boot_id" /proc/sys/kernel/random/boot_id
start_daemon berth-tmpfs
same "$(ls $V)" '' "mounts after a reboot"
run_dockerd
running() {
	[ "$(docker inspect -f '{{.State.Running}}' web)" = true ]
}
wait_until 20 running
same "$(docker exec web ls /m /d)" "/d:

/m:" "after a reboot"
docker rm -f web >/dev/null
docker volume rm mem kept >/dev/null
same "$(ls $V)" '' "at the end"
umount /proc/sys/kernel/random/boot_id
