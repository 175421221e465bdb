#!/bin/bash
# dockerd is killed: the same address, or MAC, is issued again to a new endpoint, the old one
# is replaced, one endpoint of each container is left.
. "${0%/*}/../lib/lib.sh"

berth_host
docker network create -d berth-bridge --subnet 10.71.0.0/24 n1 >/dev/null
serve web n1 80 -p 8080:80 --ip 10.71.0.5
serve mac n1 80 --mac-address 02:42:aa:00:00:07
before=$(docker inspect -f '{{.NetworkSettings.Networks.n1.EndpointID}}' web)
# The container dies with dockerd and containerd here: as on a crashed host.
pids=("$(pid_of web)" "$(pid_of mac)")
kill9_dockerd
kill -9 "${pids[@]}"
run_dockerd
docker start web mac >/dev/null
wait_until 10 listens "$(pid_of web)" 80
same "$(ip_of web n1)" 10.71.0.5
differ "$(docker inspect -f '{{.NetworkSettings.Networks.n1.EndpointID}}' web)" "$before"
contains "$(cat berth-bridge.log)" "op=replace endpoint=${before:0:12}" "the log"
same "$(ns lan curl -s --max-time 5 http://192.0.2.1:8080/)" web
same "$(api Berth.Network "{\"NetworkID\":\"$(net_id n1)\"}" berth-bridge | jq .EndpointCount)" 2
same "$(ip -o link show type veth | grep -vc ' up1' || :)" 2 "veths"
