#!/bin/bash
# Containers share an image volume: content is copied up once, :ro is read-only,
# --volumes-from works, it stays mounted until its last user ends, in any order and over
# restarts of the daemon, and cannot be removed before.
. "${0%/*}/../lib/lib.sh"
need docker curl jq findmnt

start_daemon berth-named
start_dockerd
data=/var/lib/berth/berth-named/volumes/vol/_data
users() {
	api Berth.Volume "{\"Name\":\"$1\"}" berth-named | jq .Users
}
run() { # NAME FLAG... - a container that stays
	docker run -d --network none --stop-signal KILL --name "$@" bb:1 \
		sleep 999 >/dev/null
}
mounted() {
	same "$(findmnt -rn -o TARGET | grep -c "^$data\$" || :)" "$1" "mounts of vol"
}

docker volume create -d berth-named -o size=32m -o mode=0750 vol >/dev/null
mounted 0
run aa -v vol:/etc
mounted 1
same "$(docker exec aa cat /etc/passwd)" 'root:x:0:0:root:/:/bin/sh'
docker exec aa sh -c 'echo mine >/etc/passwd'
restart_daemon berth-named
run bb -v vol:/etc
same "$(docker exec bb cat /etc/passwd)" mine "copied up again"
run cc -v vol:/e:ro
fails_with 'Read-only' docker exec cc sh -c 'echo x >/e/x'
run dd --volumes-from aa:ro
same "$(users vol)" 4
mounted 1
docker exec bb mknod /etc/null c 1 3
fails_with 'denied' docker exec bb sh -c 'echo x >/etc/null'
same "$(docker exec bb sh -c 'cp /bin/busybox /etc/su; chmod 4755 /etc/su; stat -c %a /etc/su')" 4755
contains "$(findmnt -n -o OPTIONS "$data")" nosuid,nodev

kill9_daemon berth-named
start_daemon berth-named
docker rm -f bb >/dev/null
restart_daemon berth-named
docker stop aa >/dev/null
same "$(users vol)" 2
same "$(docker exec cc cat /e/passwd)" mine
fails_with 'in use' docker volume rm vol
contains "$(api VolumeDriver.Remove '{"Name":"vol"}' berth-named)" 'in use by 2'
docker rm -f cc >/dev/null
mounted 1
docker rm -f dd >/dev/null
mounted 0
same "$(users vol)" 0
docker start aa >/dev/null
same "$(docker exec aa cat /etc/passwd)" mine
docker rm -f aa >/dev/null
mounted 0
docker volume rm vol >/dev/null
docker volume rm -f vol >/dev/null
same "$(ls /var/lib/berth/berth-named/volumes)" ''
# nocopy: as it was asked for
docker volume create -d berth-named -o size=16m -o mode=2770 -o uid=5 plain >/dev/null
run aa -v plain:/etc:nocopy
fails docker exec aa cat /etc/passwd
same "$(docker exec aa stat -c '%u %a' /etc)" '5 2770'
docker rm -f aa >/dev/null
docker volume rm plain >/dev/null
