#!/bin/bash
# Containers share a volume: content is copied up once, :ro is read-only,
# --volumes-from works, and the end of one does not take it from another.
# asan
. "${0%/*}/../lib/lib.sh"
need docker curl jq

start_daemon berth-named
start_dockerd
users() {
	api Berth.Volume "{\"Name\":\"$1\"}" berth-named | jq .Users
}
run() { # NAME FLAG... - a container that stays
	docker run -d --network none --stop-signal KILL --name "$@" bb:1 \
		sleep 999 >/dev/null
}
docker volume create -d berth-named vol >/dev/null
docker volume create -d berth-named plain >/dev/null

# The image's /etc goes into the empty volume, once; with nocopy it does not.
run aa -v vol:/etc
same "$(docker exec aa cat /etc/passwd)" 'root:x:0:0:root:/:/bin/sh'
docker exec aa sh -c 'echo mine >/etc/passwd'
run bb -v vol:/etc
same "$(docker exec bb cat /etc/passwd)" mine "copied up again"
run cc -v plain:/etc:nocopy
fails docker exec cc cat /etc/passwd
same "$(users vol)" 2
same "$(users plain)" 1

run dd -v vol:/e:ro
fails_with 'Read-only' docker exec dd sh -c 'echo x >/e/x'
run ee --volumes-from aa:ro
fails_with 'Read-only' docker exec ee sh -c 'echo x >/etc/x'
run ff --volumes-from aa
docker exec ff sh -c 'echo both >/etc/both'
same "$(docker exec ee cat /etc/both)" both
same "$(users vol)" 5

# a goes; the others keep what they have, and the volume stays.
docker rm -f aa >/dev/null
same "$(users vol)" 4
same "$(docker exec bb cat /etc/both)" both
restart_daemon berth-named
same "$(users vol)" 4 "users after a restart"
fails_with 'in use' docker volume rm vol
# Docker asks first; ours says the same to whoever does not.
contains "$(api VolumeDriver.Remove '{"Name":"vol"}' berth-named)" 'in use by 4'
docker rm -f bb dd >/dev/null
docker restart -t 0 ee >/dev/null
same "$(docker exec ee cat /etc/both)" both
docker rm -f cc ee ff >/dev/null
same "$(users vol)" 0
docker volume rm vol plain >/dev/null
same "$(api VolumeDriver.List '{}' berth-named | jq -c .Volumes)" '[]'
