#!/bin/bash
# A user whose Unmount never came (the daemon was down for too long) is dropped after
# --gc-grace, so that the volume can be removed; a container that lives is not.
# waits
# time: 240
. "${0%/*}/../lib/lib.sh"
need docker curl jq

start_daemon berth-named --gc-grace 3s
start_dockerd
users() {
	api Berth.Volume "{\"Name\":\"$1\"}" berth-named | jq .Users
}
run() {
	docker run -d --name "$1" --network none --stop-signal KILL -v "$2:/d" \
		bb:1 sleep 999 >/dev/null
}
for v in lost kept part; do
	docker volume create -d berth-named $v >/dev/null
done
run c-lost lost
run c-kept kept
run c-part part
run c-rest part
kill9_daemon berth-named
docker rm -f c-lost c-part >/dev/null # takes Docker 15 s each
start_daemon berth-named --gc-grace 3s
same "$(users lost)" 1 "right after the start"
# gc by hand leaves a mount alone for its first minute: its container may be starting
same "$(api Berth.Gc '{"DryRun":true}' berth-named | jq -c .Removed)" '[]'
is_free() {
	[ "$(users lost)" = 0 ]
}
wait_until 10 is_free
docker volume rm lost >/dev/null
lost_kept() {
	[ "$(users kept)" = 0 ]
}
never_within 6 lost_kept
same "$(users kept)" 1
# Of two users one is gone: which can't be told, so both stay.
same "$(users part)" 2
restart_daemon berth-named
same "$(users kept)" 1
# Data that a container has are not deleted, whatever is on record.
mount_id=$(api Berth.Volume '{"Name":"kept"}' berth-named | jq -r '.Mounts[0]')
same "$(api VolumeDriver.Unmount "{\"Name\":\"kept\",\"ID\":\"$mount_id\"}" berth-named)" '{}'
same "$(users kept)" 0
docker exec c-kept touch /d/data
contains "$(api VolumeDriver.Remove '{"Name":"kept"}' berth-named)" \
	'though nobody is on record' "removing what a container has"
docker exec c-kept ls /d/data >/dev/null
docker rm -f c-kept c-rest >/dev/null
is_free_too() {
	[ "$(users part)" = 0 ]
}
wait_until 10 is_free_too
docker volume rm kept part >/dev/null
same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
