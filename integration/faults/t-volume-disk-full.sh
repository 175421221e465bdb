#!/bin/bash
# Containers fill the disk that volumes and their records are on: a new volume is made
# whole or refused with the reason, what is there can be used, left and removed, and
# then there is room again.
. "${0%/*}/../lib/lib.sh"
need docker curl jq

mkdir -p /var/lib/berth
mount -t tmpfs -o size=12m none /var/lib/berth
start_daemon berth-named
start_dockerd
for v in full other; do
	docker volume create -d berth-named $v >/dev/null
done
fails docker run --rm --network none -v full:/d bb:1 dd if=/dev/zero of=/d/x bs=64k
# The daemon's own log may have given some back since.
at_most "$(df --output=avail /var/lib/berth | tail -1 | tr -d ' ')" 256 "KiB free"
made=2
for i in {1..60}; do
	got=$(api VolumeDriver.Create "{\"Name\":\"more$i\"}" berth-named)
	case $got in
	'{}') made=$((made + 1)) ;;
	*) contains "$got" 'no space left' ;;
	esac
done
note "$made volumes, $((62 - made)) refused"
same "$(api VolumeDriver.List '{}' berth-named | jq '.Volumes | length')" $made
same "$(find /var/lib/berth/berth-named/volumes -mindepth 1 -maxdepth 1 -name '[a-z]*' | wc -l)" $made
# no inode is left either: refused, and nothing of it stays
mount -o "remount,nr_inodes=$(df --output=iused /var/lib/berth | tail -1 | tr -d ' ')" /var/lib/berth
fails_with 'No space left' docker volume create -d berth-named onemore
same "$(api VolumeDriver.List '{}' berth-named | jq '.Volumes | length')" $made
same "$(ls /var/lib/berth/berth-named/volumes/.staging)" ''
docker run -d --name aa --network none --stop-signal KILL -v full:/d -v other:/e bb:1 \
	sleep 999 >/dev/null
same "$(docker exec aa sh -c 'ls /d')" x
restart_daemon berth-named
same "$(api Berth.Volume '{"Name":"full"}' berth-named | jq .Users)" 1
docker rm -f aa >/dev/null
docker volume rm full >/dev/null
docker volume create -d berth-named new >/dev/null
# shellcheck disable=SC2046 # names are words
docker volume rm $(docker volume ls -qf driver=berth-named) >/dev/null
same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
stop_daemon berth-named
stop_dockerd
umount /var/lib/berth
