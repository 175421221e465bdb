#!/bin/bash
# On btrfs a volume gets another size while a container writes: the writer that was full
# goes on, what it wrote is whole; smaller than what is used is refused with the figures.
# in turn
. "${0%/*}/../lib/lib.sh"
need docker curl jq btrfs mkfs.btrfs

disk mkfs.btrfs commit=1
start_daemon berth-named
start_dockerd
V=/var/lib/berth/berth-named/volumes

status() { # KEY
	docker volume inspect vol | jq -r ".[0].Status.$1"
}

docker volume create -d berth-named -o size=16m vol >/dev/null
# Files of 2 MiB, tried again when they do not fit; a name is given to whole ones only.
docker run -d --name ww --network none --stop-signal KILL -v vol:/d bb:1 sh -c '
	n=0
	while :; do
		if dd if=/dev/urandom of=/tmp/new bs=1M count=2 2>/dev/null &&
			cp /tmp/new /d/new 2>/dev/null && sync -f /d/new; then
			mv /d/new /d/$n
			md5sum </tmp/new >>/sums
			n=$((n + 1))
		else
			rm -f /d/new
			echo full >/full
			sleep 0.1
		fi
	done' >/dev/null
full() {
	docker exec ww test -e /full
}
files() {
	docker exec ww sh -c 'ls /d | grep -cv new'
}
wait_until 60 full
before=$(files)
[ "$before" -le 8 ] || fail "$before files of 2 MiB in 16 MiB"
"$NETCTL" volume resize vol 64m
more() {
	[ "$(files)" -gt $((before + 3)) ]
}
wait_until 60 more
same "$(status size)" $((64 << 20)) "size in Status"
fails_with 'bytes are used, more than the 8388608 asked for' "$NETCTL" volume resize vol 8m
same "$(status size)" $((64 << 20)) "size after a refusal"
contains "$(btrfs qgroup show -re --raw "$V/vol/_data")" " $((64 << 20)) "

# Smaller, still above what is used: full earlier.
docker exec ww rm -f /full
sync -f "$V"
used=$(status used)
at=$((used / 1048576 + 12))
"$NETCTL" volume resize vol "${at}m"
wait_until 60 full
at_most "$(status used)" $(((at + 1) << 20)) "used when full again"

docker kill ww >/dev/null
docker cp ww:/sums - | tar xO >sums
docker run --rm --network none -v vol:/d:ro bb:1 sh -c \
	"cd /d; n=0; while [ -e \$n ]; do md5sum <\$n; n=\$((n + 1)); done" >whole
# the last one may have its name and not yet its sum
n=$(wc -l <sums)
same "$(head -n "$n" whole)" "$(cat sums)" "files of the volume"
note "$n files whole"
docker rm ww >/dev/null
restart_daemon berth-named
same "$(status size)" $((at << 20)) "size after a restart"

# A volume without a limit gets one.
docker volume create -d berth-named plain >/dev/null
docker run --rm --network none -v plain:/d bb:1 dd if=/dev/zero of=/d/x bs=1M count=20 2>/dev/null
fails_with 'bytes are used' "$NETCTL" volume resize plain 10m
"$NETCTL" volume resize plain 30m
fails_with 'quota exceeded' docker run --rm --network none -v plain:/d bb:1 \
	dd if=/dev/zero of=/d/y bs=1M count=20
docker volume rm vol plain >/dev/null
same "$(btrfs subvolume list /var/lib/berth)" ''
