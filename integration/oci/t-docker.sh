#!/bin/bash
# in turn
# time: 300
# docker run --runtime berth-oci: exec, a terminal, logs, stop, restart, exit status.
# shellcheck disable=SC2016,SC2028 # scripts of the container
. "${0%/*}/../lib/lib.sh"
need root docker

start_dockerd --add-runtime "berth-oci=$BIN/berth-oci"
run() {
	docker run --runtime berth-oci "$@"
}

same "$(run --rm bb:1 echo hello)" hello
rc=0
run --rm bb:1 sh -c 'exit 7' || rc=$?
same "$rc" 7 'exit status'
rc=0
run --rm bb:1 none 2>/dev/null || rc=$?
same "$rc" 127 'no such program'
rc=0
run --rm bb:1 /etc 2>/dev/null || rc=$?
same "$rc" 126 'a directory is no program'

run -d --name web --hostname h1 --memory 64m --pids-limit 50 bb:1 \
	sh -c 'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.1; done' >/dev/null
wait_until 20 sh -c 'docker logs web | grep -q up'
same "$(docker inspect -f '{{.HostConfig.Runtime}}' web)" berth-oci
same "$(docker exec web hostname)" h1
rc=0
docker exec web sh -c 'exit 9' || rc=$?
same "$rc" 9 'status of exec'
same "$(docker exec -t web sh -c 'tty; echo end' | tr -d '\r' | tail -1)" end
same "$(docker exec web grep Seccomp: /proc/self/status | tr -d '\t')" Seccomp:2
docker pause web >/dev/null
same "$(docker inspect -f '{{.State.Status}}' web)" paused
docker unpause web >/dev/null
docker update --pids-limit 60 web >/dev/null
docker restart -t 10 web >/dev/null
wait_until 20 sh -c '[ "$(docker logs web | grep -c up)" = 2 ]'
docker stop -t 20 web >/dev/null
same "$(docker inspect -f '{{.State.ExitCode}}' web)" 3 'SIGTERM reached it'
contains "$(docker logs web)" bye
docker rm web >/dev/null
contains "$(run --rm -t bb:1 tty)" /dev/
same "$(ls /run/dockerd/runtime-runc/moby 2>/dev/null)" '' 'state left'
