#!/bin/bash
# A dockerd that is killed, restarted or kept alive by --live-restore finds its
# volumes and their users as they are, and they can be removed afterwards.
# soak
. "${0%/*}/../lib/lib.sh"
need docker curl jq

start_daemon berth-named
start_dockerd
users() {
	api Berth.Volume "{\"Name\":\"$1\"}" berth-named | jq .Users
}
run() {
	docker run -d --name "$1" --network none --stop-signal KILL -v "$2:/d" \
		bb:1 sh -c 'echo data >/d/x; exec sleep 999' >/dev/null
}
docker volume create -d berth-named vol >/dev/null
run aa vol
restart_dockerd
same "$(users vol)" 0 "users after a clean stop"
docker start aa >/dev/null
same "$(users vol)" 1

kill9_dockerd
kill_shims
same "$(users vol)" 1 "nobody said it is over"
run_dockerd
docker start aa >/dev/null
same "$(docker exec aa cat /d/x)" data
docker rm -f aa >/dev/null
note "users after dockerd was killed: $(users vol)"
same "$(users vol)" 0 "users after dockerd came back"
docker volume rm vol >/dev/null

stop_dockerd
# shellcheck disable=SC2034 # run_dockerd reads it
DOCKER_FLAGS=(--live-restore)
run_dockerd
docker volume create -d berth-named wol >/dev/null
run bb wol
restart_dockerd
restart_daemon berth-named
same "$(users wol)" 1 "users of a container that lived on"
same "$(docker exec bb cat /d/x)" data
docker rm -f bb >/dev/null
same "$(users wol)" 0
docker volume rm wol >/dev/null
same "$(api VolumeDriver.List '{}' berth-named | jq -c .Volumes)" '[]'
