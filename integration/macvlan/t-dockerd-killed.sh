#!/bin/bash
# dockerd is killed with its containers' shims and starts again: a container that has the
# address, and so the MAC, of one that nobody took down gets it; live-restore and a
# restart of dockerd leave a LAN container alone.
. "${0%/*}/../lib/lib.sh"
need docker curl jq

lan
start_daemon berth-macvlan
start_dockerd --live-restore
docker network create -d berth-macvlan --subnet 192.0.2.0/24 --gateway 192.0.2.2 \
	-o parent=up1 -o berth.host_access=on n1 >/dev/null
serve web n1 80 --ip 192.0.2.70
pid=$(pid_of web)

kill9_dockerd
same "$(ns lan curl -s --max-time 5 http://192.0.2.70/)" web "dockerd is dead"
restart_daemon berth-macvlan
run_dockerd
same "$(pid_of web)" "$pid"
same "$(ns lan curl -s --max-time 5 http://192.0.2.70/)" web "dockerd is back"
same "$(fetch http://192.0.2.70/)" web "dockerd is back, from this host"

# Everything dies but the namespace, which its mount keeps.
kill9_dockerd
kill_shims
kill -9 "$pid"
wait_until 10 no_process containerd-shim
run_dockerd
docker rm -f web >/dev/null 2>&1 || :
serve web n1 80 --ip 192.0.2.70
same "$(ns lan curl -s --max-time 5 http://192.0.2.70/)" web "the same address again"
same "$(fetch http://192.0.2.70/)" web "the same address again, from this host"
same "$(api Berth.Network "{\"NetworkID\":\"$(net_id n1)\"}" berth-macvlan |
	jq .EndpointCount)" 1 "endpoints"
docker rm -f web >/dev/null
docker network rm n1 >/dev/null
