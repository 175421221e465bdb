#!/bin/bash
# Under dockerd: a thin volume is written to while it is snapshotted and made larger,
# copied, rolled back, backed up; it survives a killed daemon and a reboot.
# vm
# alone
# time: 400
# soak
. "${0%/*}/../lib/lib.sh"
need docker curl jq dmsetup mkfs.ext4 numfmt

run() { # VOLUME COMMAND
	docker run --rm --network none -v "$1:/d" bb:1 sh -c "$2"
}

status() { # VOLUME FIELD
	docker volume inspect "$1" | jq -r ".[0].Status.$2"
}

start_daemon berth-thin --pool-device "$BERTH_DISK"
start_dockerd
docker volume create -d berth-thin -o size=64m src >/dev/null
fails_with 'by which key' docker volume create -d berth-thin -o encrypt=on x
fails_with 'has at least 16m' docker volume create -d berth-thin -o size=1m x
same "$(run src 'df -k /d | awk "END { print (\$2 > 40000 && \$2 < 65537) }"; ls /d')" 1
same "$(status src size)" 67108864
run src 'echo one >/d/file'
netctl volume snapshot src@s1
fails_with 'has a snapshot s1 already' netctl volume snapshot src@s1

# While it is written to.
docker run -d --name user --network none --stop-signal KILL -v src:/d bb:1 sh -c \
	'i=0; while :; do i=$((i + 1)); echo $i >>/d/log; done' >/dev/null
wait_until 10 docker exec user test -s /d/log
netctl volume snapshot src@s2
netctl volume resize src 128m
same "$(status src size)" 134217728
at_most 100000 "$(docker exec user df -k /d | awk 'END { print $2 }')" 'kB that df tells, at least'
kill9_daemon berth-thin
restart_daemon berth-thin
n=$(docker exec user wc -l /d/log | cut -d' ' -f1)
wait_until 10 sh -c "[ \$(docker exec user wc -l /d/log | cut -d' ' -f1) -gt $((n + 10)) ]"
fails_with 'is in use by 1 mount' netctl volume rollback src@s1
docker rm -f user >/dev/null

docker volume create -d berth-thin -o from=src@s2 log >/dev/null
run log 'awk "\$1 != NR { exit 1 }" /d/log && [ -s /d/log ]'
run src 'echo two >/d/file'
netctl volume backup -o - src@s1 2>/dev/null |
	netctl volume restore --driver berth-thin -o size=32m - piped >/dev/null
same "$(run piped 'cat /d/file')" one
docker volume rm piped >/dev/null
netctl volume rollback src@s1
same "$(run src 'cat /d/file; ls /d')" $'one\nfile'
same "$(status src size)" 134217728
fails_with 'can grow but not shrink' docker volume create -d berth-thin -o from=src -o size=16m x

# A reboot: nothing is mounted, no device is there, /run is empty.
stop_dockerd
stop_daemon berth-thin
same "$(dmsetup ls | grep berth || :)" '' 'devices'
rm -rf /run/berth
start_daemon berth-thin --pool-device "$BERTH_DISK"
run_dockerd
same "$(run src 'cat /d/file')" one
run log 'awk "\$1 != NR { exit 1 }" /d/log'
same "$(netctl volume snapshot ls --json src | jq -r '.[].Name' | tr '\n' ' ')" 's1 s2 '
same "$(api Berth.Check '{}' berth-thin | jq -c .Problems)" '[]'

fails_with 'has 2 snapshots' docker volume rm src
netctl volume rm --snapshots src
docker volume rm log >/dev/null
same "$(docker volume ls -q)" ''
same "$(dmsetup status --target thin-pool | awk '{ split($7, d, "/"); print d[1] }')" 0 'blocks in use'
stop_daemon berth-thin
same "$(dmsetup ls | grep berth || :)" '' 'devices'
