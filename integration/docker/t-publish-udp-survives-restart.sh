#!/bin/bash
# A UDP client that keeps its source port goes on being answered after the
# container is restarted, also when its address changes.
# asan
. "${0%/*}/../lib/lib.sh"

berth_host
docker network create -d berth-bridge n1 >/dev/null
docker run -d --name dns --network n1 -p 5353:53/udp --stop-signal KILL bb:1 sleep 999 >/dev/null
server dns udp 53
srv=$PID
lan_traffic udp 192.0.2.1 5353 40000
client=$PID
first=$(ip_of dns n1)
end "$srv"
docker stop dns >/dev/null
# Somebody else gets the old address.
docker run -d --name squatter --network n1 --stop-signal KILL bb:1 sleep 999 >/dev/null
docker start dns >/dev/null
server dns udp 53
differ "$(ip_of dns n1)" "$first" "the address should have changed for this test"
# The same client, the same port: answered again, and soon.
answered() {
	[ "$(inns "$(pid_of dns)" awk '/^Udp: [0-9]/ { print $5 }' /proc/net/snmp)" -ge 3 ]
}
wait_until 5 answered
kill "$client"
wait "$client" || :
last=$(tail -1 "${TRAFFIC[client]}")
note "$last"
# Lost only while it was down: 1 s a datagram.
lost=${last#*lost=}
at_most "${lost%% *}" 15 "datagrams lost"
# And a fresh look: still answered with that source port.
lan_traffic udp 192.0.2.1 5353 40000
traffic_end
