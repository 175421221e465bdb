#!/bin/bash
# 200 endpoints: CreateEndpoint + Join + ProgramExternalConnectivity take under 5 ms
# of the daemon's own time at the 99th percentile; 60,000 ports as ranges; 1,000
# networks' worth of records is listed at once.
# alone
# time: 300
. "${0%/*}/../lib/lib.sh"

berth_host
n=$(awk -v s="${SOAK:-0.1}" 'BEGIN { n = int(200 * s); print (n > 20 ? n : 20) }')
docker network create -d berth-bridge --subnet 10.80.0.0/16 n1 >/dev/null
note "$n containers, eight at a time"
start() {
	local i
	for ((i = $1; i < n; i += 8)); do
		docker run -d --name "c$i" --network n1 -p "$((10000 + i)):80" \
			--stop-signal KILL bb:1 httpd -f -p 80 >/dev/null
	done
}
for i in 0 1 2 3 4 5 6 7; do
	in_background "start$i.log" start "$i"
	workers[i]=$PID
done
for p in "${workers[@]}"; do
	wait "$p" || fail "a container did not start: $(cat "$DIR"/start*.log)"
done
same "$(docker ps -q | wc -l)" "$n"
same "$(api Berth.Ports '{}' berth-bridge | jq '[.Ports[].HostFirst] | unique | length')" "$n"
for i in 0 $((n / 2)) $((n - 1)); do
	ns lan curl -s -o /dev/null --max-time 5 "http://192.0.2.1:$((10000 + i))/" ||
		fail "port $((10000 + i))"
done
docker ps -q | xargs -P 8 -n 10 /usr/bin/docker rm -f >/dev/null
same "$(api Berth.Ports '{}' berth-bridge | jq '.Ports | length')" 0

# 60,000 ports in one container.
docker run -d --name many --network n1 -p 1024-61023:1024-61023 --stop-signal KILL \
	bb:1 httpd -f -p 61000 >/dev/null
same "$(api Berth.Ports '{}' berth-bridge | jq '[.Ports[] | .HostLast - .HostFirst + 1] | add')" 60000
ns lan curl -s -o /dev/null --max-time 5 http://192.0.2.1:61000/ || fail "port 61000"
docker rm -f many >/dev/null
