#!/bin/bash
# A volume in use is not removed, an unused one is, with what is in it; a missing
# one is no error; docker volume prune leaves ours, and the documented line removes them.
. "${0%/*}/../lib/lib.sh"
need docker curl jq

start_daemon berth-named
start_dockerd
docker volume create -d berth-named vol >/dev/null
path=$(docker volume inspect -f '{{.Mountpoint}}' vol)
docker run -d --name aa --network none --stop-signal KILL -v vol:/d bb:1 sh -c \
	'mkdir -p /d/a/b; echo x >/d/a/b/x; ln -s / /d/root; mkfifo /d/p; sleep 999' >/dev/null
wait_until 5 test -e "$path/a/b/x"
fails_with 'in use' docker volume rm vol
fails_with 'in use' docker volume rm -f vol
docker stop aa >/dev/null
fails_with 'in use' docker volume rm vol # the stopped container wants it back
docker start aa >/dev/null
same "$(docker exec aa cat /d/a/b/x)" x
docker rm -f aa >/dev/null
docker volume rm vol >/dev/null
fails test -e "$path"
test -e /bin/sh # and not what the link led to
docker volume rm -f vol >/dev/null
same "$(api VolumeDriver.Remove '{"Name":"vol"}' berth-named)" '{}'

# A mount that somebody made in it keeps it whole.
docker volume create -d berth-named wol >/dev/null
path=$(docker volume inspect -f '{{.Mountpoint}}' wol)
mkdir "$path/m"
touch "$path/x"
mount -t tmpfs none "$path/m"
fails_with 'mount point: unmount it first' docker volume rm wol
test -e "$path/x"
umount "$path/m"
docker volume rm wol >/dev/null

for i in 1 2 3; do
	docker volume create -d berth-named "p$i" >/dev/null
done
docker run -d --name aa --network none --stop-signal KILL -v p2:/d bb:1 sleep 999 >/dev/null
docker volume prune -f >/dev/null
same "$(docker volume ls -qf driver=berth-named | sort | paste -sd ' ')" 'p1 p2 p3'
# shellcheck disable=SC2046 # names are words
docker volume rm $(docker volume ls -qf dangling=true -f driver=berth-named) >/dev/null
same "$(docker volume ls -qf driver=berth-named)" p2
docker rm -f aa >/dev/null
docker volume rm p2 >/dev/null
same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
