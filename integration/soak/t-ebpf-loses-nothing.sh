#!/bin/bash
# 100 kills of the daemon and 20 restarts of dockerd, under 10,000 datagrams a second
# and a TCP stream to published ports of an eBPF network: none lost, none twice, no
# reset.  (SOAK scales the kills, not the rate.)
# alone
# time: 900
# soak
. "${0%/*}/../lib/lib.sh"
need docker curl jq

berth_host --live-restore
docker network create -d berth-bridge --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 -o berth.dataplane=ebpf n1 >/dev/null
serve web n1 80 -p 8080:80 -p 7000:7 -p 5353:53/udp
server web tcp 7
srv=$PID
in_background pps-echo.log nsenter "--net=/proc/$(pid_of web)/ns/net" -- \
	"$BUILD/tools/pps" echo 53
echoer=$PID

lan_traffic stream 192.0.2.1 7000 0.01
stream=$PID
lan_traffic fetch 192.0.2.1 8080 0.01
fetch=$PID
in_background pps4.log nsenter --net=/run/netns/lan -- \
	"$BUILD/tools/pps" send 192.0.2.1 5353 10000
pps=$PID

kills=$(awk -v s="$SOAK" 'BEGIN { print int(100 * s) }')
restarts=$(awk -v s="$SOAK" 'BEGIN { print int(20 * s) }')
for ((i = 1; i <= kills; i++)); do
	kill9_daemon berth-bridge
	pause "0.0$((RANDOM % 10))"
	start_daemon berth-bridge
done
note "$kills kills of the daemon"
for ((i = 1; i <= restarts; i++)); do
	restart_dockerd
done
note "$restarts restarts of dockerd"

rc=0
kill "$pps"
wait "$pps" || rc=$?
note "datagrams: $(cat "$DIR/pps4.log")"
same $rc 0 "datagrams lost"
grep -q ' twice=0 ' "$DIR/pps4.log" || fail "datagrams twice"
traffic_end "$stream"
traffic_end "$fetch"
conntrack -L 2>/dev/null | grep -E 'dport=(8080|7000|5353) ' &&
	fail "flows went by nftables"
end "$echoer"
end "$srv"
docker rm -f web >/dev/null
docker network rm n1 >/dev/null
