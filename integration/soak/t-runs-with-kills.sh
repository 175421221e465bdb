#!/bin/bash
# 200 docker run --rm in a row with network, volume and port, a daemon killed at a
# random moment of every tenth: only the one under way may fail.  (SOAK scales it.)
# alone
# time: 1800
. "${0%/*}/../lib/lib.sh"
need docker curl jq

lan
"$NETCTL" up
start_dockerd
docker network create -d berth-bridge n1 >/dev/null
serve web n1 80 -p 8080:80
lan_traffic fetch 192.0.2.1 8080
client=$PID
n=$(awk -v s="$SOAK" 'BEGIN { print int(200 * s) }')
failed=0
RANDOM=${SEED:-$$}
note "seed ${SEED:-$$}"
for ((i = 1; i <= n; i++)); do
	in_background run.log /usr/bin/docker run --rm --network n1 -v "v$((i % 3))":/d \
		--mount type=volume,dst=/anon,volume-driver=berth-named \
		--volume-driver berth-named -p "$((9000 + i)):80" bb:1 \
		sh -c 'echo x >/d/f; echo x >/anon/f; ip route | grep -q default'
	run=$PID
	if [ $((i % 10)) = 0 ]; then
		d=berth-bridge
		[ $((RANDOM % 2)) = 0 ] || d=berth-named
		pid=$(api Berth.Info '{}' $d | jq .Pid)
		pause "0.$((RANDOM % 7))$((RANDOM % 10))"
		kill -9 "$pid" || :
	fi
	rc=0
	wait "$run" || rc=$?
	if [ $rc -ne 0 ]; then
		failed=$((failed + 1))
		note "run $i failed: $(tail -2 "$DIR/run.log")"
		[ $((i % 10)) = 0 ] || fail "run $i failed, and no daemon was killed"
	fi
done
note "$n runs, $failed failed while a daemon was killed"
traffic_end "$client"
same "$(docker ps -aq --filter status=running | wc -l)" 1
docker rm -f web >/dev/null
docker ps -aq | xargs -r /usr/bin/docker rm -fv >/dev/null
left=$(api Berth.Networks '{}' berth-bridge | jq '.Networks[0].Endpoints')
# One that was under way may wait for the grace time.
at_most "$left" "$failed" "endpoints left"
"$NETCTL" gc || :
docker network rm n1 >/dev/null
docker volume ls -q | xargs -r /usr/bin/docker volume rm >/dev/null
"$NETCTL" down
