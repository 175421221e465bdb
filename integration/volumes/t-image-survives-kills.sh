#!/bin/bash
# The daemon or dockerd is killed while a container writes to an image volume: the writer
# does not notice, nothing it wrote is lost, and at the end neither a mount nor a loop
# device is left.
. "${0%/*}/../lib/lib.sh"
need docker curl jq findmnt

start_daemon berth-named
start_dockerd --live-restore
volumes=/var/lib/berth/berth-named/volumes
docker volume create -d berth-named -o size=32m vol >/dev/null
docker run -d --name ww --network none --stop-signal KILL -v vol:/d bb:1 sh -c '
	n=0
	while echo $n >>/d/log; do
		n=$((n + 1))
		sleep 0.01
	done
	echo stopped >/why' >/dev/null
lines() {
	docker exec ww wc -l /d/log | awk '{ print $1 }'
}
on() { # it still writes
	local n
	n=$(wc -l <$volumes/vol/_data/log)
	more() {
		[ "$(wc -l <$volumes/vol/_data/log)" -gt $((n + 5)) ]
	}
	wait_until 10 more
}
on
kill9_daemon berth-named
on
start_daemon berth-named
on
same "$(api Berth.Volume '{"Name":"vol"}' berth-named | jq -c '[.Users, .UsageKnown]')" '[1,true]'
kill9_dockerd
on
kill9_daemon berth-named
start_daemon berth-named
run_dockerd --live-restore
on
fails docker exec ww test -e /why
same "$(findmnt -rn -o TARGET | grep -c "^$volumes/vol/_data\$")" 1 "mounts of vol"
docker kill ww >/dev/null
log=$(docker run --rm --network none -v vol:/d bb:1 cat /d/log)
same "$log" "$(seq 0 $(($(wc -l <<<"$log") - 1)))" "what was written"
docker rm ww >/dev/null
same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
docker volume rm vol >/dev/null
same "$(findmnt -rn -o TARGET | grep -c "^$volumes" || :)" 0 "mounts below volumes"
