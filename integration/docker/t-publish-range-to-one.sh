#!/bin/bash
# -p 9100-9110:82 picks one free port of the range for each container; when the
# eleven are taken, the twelfth container is told so.
. "${0%/*}/../lib/lib.sh"

berth_host
docker network create -d berth-bridge n1 >/dev/null
host_ports() {
	api Berth.Ports '{}' berth-bridge | jq '.Ports[].HostFirst' | sort -nu
}
for i in 1 2; do
	serve "c$i" n1 82 -p 9100-9110:82
done
same "$(host_ports | wc -l)" 2 "two different ports"
for p in $(host_ports); do
	contains "$(ns lan curl -s --max-time 5 "http://192.0.2.1:$p/")" c
done
for i in 3 4 5 6 7 8 9 10 11; do
	serve "c$i" n1 82 -p 9100-9110:82
done
same "$(host_ports | tr '\n' ' ')" "$(seq -s ' ' 9100 9110) "
out=$(docker run --rm --network n1 -p 9100-9110:82 bb:1 true 2>&1 || :)
contains "$out" 9100
contains "$out" 9110
# Freed by one, had by the next.
docker rm -f c5 >/dev/null
serve again n1 82 -p 9100-9110:82
same "$(host_ports | wc -l)" 11
