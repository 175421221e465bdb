#!/bin/bash
# netctl restart puts a new daemon behind the held socket while a hundred containers
# come and go: none fails.
# time: 400
. "${0%/*}/../lib/lib.sh"

need docker curl jq
lan
"$NETCTL" up
start_dockerd
docker network create -d berth-bridge n1 >/dev/null
docker volume create -d berth-named v1 >/dev/null
serve web n1 80 -p 8080:80
lan_traffic fetch 192.0.2.1 8080
client=$PID
n=$(awk -v s="${SOAK:-0.1}" 'BEGIN { n = 400 * s; print (n > 100 ? 100 : int(n)) }')
note "$n containers"
worker() {
	local i
	for ((i = $1; i < n; i += 4)); do
		docker run --rm --network n1 -v v1:/d -p "$((9000 + i)):80" bb:1 \
			sh -c 'ip route | grep -q default' || return 1
	done
}
workers=()
for i in 0 1 2 3; do
	in_background "worker$i.log" worker "$i"
	workers+=("$PID")
done
busy() {
	local p
	for p in "${workers[@]}"; do
		gone "$p" || return 0
	done
	return 1
}
restarts=0
while busy; do
	"$NETCTL" restart berth-bridge
	"$NETCTL" restart berth-named
	restarts=$((restarts + 1))
	pause 0.5
done
note "$restarts restarts"
for p in "${workers[@]}"; do
	wait "$p" || fail "a container failed: $(cat "$DIR"/worker*.log)"
done
[ $restarts -ge 3 ] || fail "too few restarts to mean anything"
traffic_end "$client"
docker rm -f web >/dev/null
docker network rm n1 >/dev/null
docker volume rm v1 >/dev/null
"$NETCTL" down
