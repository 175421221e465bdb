#!/bin/bash
# A volume grows while a container writes to it: the writer that was out of space goes on,
# nothing it wrote is lost, Docker's Status has the new limit, and smaller than what is in
# it is refused.
. "${0%/*}/../lib/lib.sh"
need docker curl jq

start_daemon berth-named
start_dockerd
status() { # VOLUME KEY
	docker volume inspect "$1" | jq -r ".[0].Status.$2"
}

# grows FS FROM TO - MiB
grows() {
	local v=v-$1 sums
	docker volume create -d berth-named -o "size=$2m" -o "fs=$1" "$v" >/dev/null
	# Files of 4 MiB each, tried again when they do not fit.
	docker run -d --name ww --network none --stop-signal KILL -v "$v:/d" bb:1 sh -c '
		n=0
		while :; do
			if dd if=/dev/urandom of=/tmp/new bs=1M count=4 2>/dev/null &&
				cp /tmp/new /d/new 2>/dev/null && sync; then
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
	wait_until 60 full
	before=$(docker exec ww ls /d | wc -l)
	"$NETCTL" volume resize "$v" "$3m"
	more() {
		[ "$(docker exec ww ls /d | wc -l)" -gt $((before + 2)) ]
	}
	wait_until 30 more
	same "$(status "$v" size)" $(($3 << 20)) "size in Status"
	docker exec ww sh -c 'rm -f /full'
	wait_until 60 full
	used=$(status "$v" used)
	[ "$used" -gt $(($2 << 20)) ] || fail "only $used bytes fitted after growing"
	fails_with 'in use' "$NETCTL" volume resize "$v" 8m
	docker kill ww >/dev/null
	sums=$(docker cp ww:/sums - | tar xO)
	same "$(docker run --rm --network none -v "$v:/d:ro" bb:1 sh -c \
		"cd /d; for n in \$(seq 0 $(($(wc -l <<<"$sums") - 1))); do md5sum <\$n; done")" \
		"$sums" "files of $v"
	note "$1: $(wc -l <<<"$sums") files whole after growing from $2 to $3 MiB"
	docker rm ww >/dev/null
	# and with nobody in it, over a restart of the daemon
	restart_daemon berth-named
	"$NETCTL" volume resize "$v" $(($3 + 16))m
	same "$(docker run --rm --network none -v "$v:/d" bb:1 df -m /d |
		awk -v m="$3" 'END { print ($2 > m * 0.7) }')" 1 "size inside"
	# the same options as it has now
	same "$(api VolumeDriver.Create "{\"Name\":\"$v\",\"Opts\":{\"fs\":\"$1\",
		\"size\":\"$(($3 + 16))m\"}}" berth-named)" '{}'
	contains "$(api VolumeDriver.Create "{\"Name\":\"$v\",\"Opts\":{\"fs\":\"$1\",
		\"size\":\"$2m\"}}" berth-named)" 'other options'
	docker volume rm "$v" >/dev/null
}

grows xfs 300 400
# ext4 grows for who has CAP_SYS_RESOURCE
if capsh --has-p=cap_sys_resource 2>/dev/null; then
	grows ext4 24 64
else
	docker volume create -d berth-named -o size=16m vol >/dev/null
	fails_with CAP_SYS_RESOURCE "$NETCTL" volume resize vol 32m
	same "$(status vol size)" $((16 << 20)) "size after a refusal"
	docker volume rm vol >/dev/null
fi
docker volume create -d berth-named plain >/dev/null
fails_with 'no limit' "$NETCTL" volume resize plain 1g
docker volume rm plain >/dev/null
fails_with 'no Berth volume' "$NETCTL" volume resize nonesuch 1g
