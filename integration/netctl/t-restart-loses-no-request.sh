#!/bin/bash
# A hundred restarts of a daemon under parallel clients: every request is answered.
# time: 400
. "${0%/*}/lib.sh"
need root curl jq

"$NETCTL" up
new_net "$(hex a)" 42
rounds=$(awk -v s="${SOAK:-0.1}" 'BEGIN { n = 100 * s * 3; print (n > 100 ? 100 : int(n)) }')
client() { # N - asks until told to stop; dies of the first failure
	local count=0
	while [ ! -e "$DIR/stop" ]; do
		api Berth.Network "{\"NetworkID\":\"aaaa\"}" berth-bridge |
			grep -q '"MTU"' || return 1
		api NetworkDriver.CreateEndpoint "{\"NetworkID\":\"$(hex a)\",
			\"EndpointID\":\"$(hex "$1")\",\"Interface\":{
			\"Address\":\"10.42.0.1$1/24\"},\"Options\":{}}" berth-bridge |
			grep -qv Err || return 1
		api NetworkDriver.DeleteEndpoint "{\"NetworkID\":\"$(hex a)\",
			\"EndpointID\":\"$(hex "$1")\"}" berth-bridge |
			grep -qv Err || return 1
		count=$((count + 3))
	done
	echo "$count"
}
pids=()
for i in 1 2 3 4; do
	in_background "client$i.log" client "$i"
	pids+=("$PID")
done
sup=$(supervisor)
for ((i = 0; i < rounds; i++)); do
	"$NETCTL" restart berth-bridge >/dev/null
done
touch "$DIR/stop"
total=0
for i in 1 2 3 4; do
	wait "${pids[i - 1]}" || fail "a request was lost: $(cat "$DIR/client$i.log")"
	total=$((total + $(tail -1 "$DIR/client$i.log")))
done
note "$rounds restarts, $total requests"
[ "$total" -gt "$rounds" ] || fail "too few requests to mean anything"
same "$(supervisor)" "$sup"
del_net "$(hex a)"
"$NETCTL" down
