#!/bin/bash
# On btrfs a volume is a subvolume; size= is kept, told in Status, kept again after rm
# and create, changed while a container writes; nested subvolumes go with the volume.
# in turn
. "${0%/*}/../lib/lib.sh"
need docker curl jq btrfs mkfs.btrfs

disk mkfs.btrfs commit=1
start_daemon berth-named
start_dockerd
V=/var/lib/berth/berth-named/volumes

volume() { # NAME FIELD
	docker volume inspect "$1" | jq -r ".[0].Status.$2"
}

run() { # VOLUME COMMAND
	docker run --rm --network none -v "$1:/d" bb:1 sh -c "$2"
}

subvolumes() {
	btrfs subvolume list /var/lib/berth | wc -l
}

# Without a size: a subvolume, and nobody's quotas are turned on.
docker volume create -d berth-named plain >/dev/null
same "$(volume plain backing)" btrfs
btrfs subvolume show "$V/plain/_data" >/dev/null
fails btrfs qgroup show /var/lib/berth
same "$(volume plain used)" null

docker volume create -d berth-named -o size=10m vol >/dev/null
fails_with 'quota exceeded' run vol 'dd if=/dev/zero of=/d/x bs=1M count=20'
contains "$(btrfs qgroup show -re --raw "$V/vol/_data")" ' 10485760 '
sync -f "$V"
same "$(volume vol size)" 10485760
at_most 9000000 "$(volume vol used)" 'used, at least'
at_most "$(volume vol used)" 10485760 'used'
run vol 'rm /d/x; dd if=/dev/zero of=/d/x bs=1M count=8' # deleting works when full
run plain 'dd if=/dev/zero of=/d/x bs=1M count=30'

# After rm and create the limit is there again (Docker forgets it: moby#43891).
docker volume rm vol >/dev/null
same "$(ls -A "$V/.trash")" ''
same "$(subvolumes)" 1
docker volume create -d berth-named -o size=5m vol >/dev/null
fails_with 'quota exceeded' run vol 'dd if=/dev/zero of=/d/x bs=1M count=8'
# and after a restart, and when quotas were off meanwhile
restart_daemon berth-named
same "$(volume vol size)" 5242880
btrfs quota disable /var/lib/berth
fails_with 'btrfs quota enable /var/lib/berth' run vol true
contains "$(api Berth.Check '{}' berth-named | jq -c .Problems)" 'quotas of the file system were turned off'
btrfs quota enable /var/lib/berth
run vol true
contains "$(btrfs qgroup show -re --raw "$V/vol/_data")" ' 5242880 '

# What containers make in it goes with it, and with nothing else.
run vol 'rm /d/x'
docker run -d --name aa --network none --stop-signal KILL -v vol:/d bb:1 sleep 999 >/dev/null
btrfs subvolume create "$V/vol/_data/own" >/dev/null
btrfs subvolume create "$V/vol/_data/own/deeper" >/dev/null
btrfs subvolume snapshot -r "$V/vol/_data/own" "$V/vol/_data/snap" >/dev/null
btrfs property set "$V/vol/_data/own" ro true
same "$(subvolumes)" 5
fails_with 'in use' docker volume rm vol
docker rm -f aa >/dev/null
mkdir "$V/vol/_data/m"
mount -t tmpfs none "$V/vol/_data/m"
fails_with 'mount point: unmount it first' docker volume rm vol
same "$(subvolumes)" 5
umount "$V/vol/_data/m"
docker volume rm vol >/dev/null
same "$(subvolumes)" 1

fails_with 'less than 1m' docker volume create -d berth-named -o size=1k vol
docker volume rm plain >/dev/null
same "$(subvolumes)" 0
same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
same "$(api Berth.Gc '{"DryRun":true}' berth-named | jq -c .Removed)" '[]'
