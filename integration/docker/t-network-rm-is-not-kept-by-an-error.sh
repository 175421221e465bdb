#!/bin/bash
# What berth-bridge answers to Leave and DeleteEndpoint keeps neither a container
# nor its network: dockerd counts endpoints by itself, and waits while we are slow.
. "${0%/*}/../lib/lib.sh"
need docker curl jq

lan
BERTH_FP=net.leave.intent:err=EIO:nth=1,net.delete_endpoint.intent:err=EIO:nth=1,net.leave.kernel:sleep=3000:nth=1 \
	start_daemon berth-bridge
start_dockerd
docker network create -d berth-bridge --subnet 10.80.0.0/24 n1 >/dev/null
run() {
	docker run -d --name "$1" --network n1 --stop-signal KILL bb:1 sleep 999 >/dev/null
}
endpoints() {
	api Berth.Networks '{}' berth-bridge | jq '.Networks[0].Endpoints'
}
run refused
docker rm -f refused >/dev/null
same "$(endpoints)" 1 "endpoints that dockerd has forgotten"
run slow
start=$(now_ms)
docker rm -f slow >/dev/null
took=$(($(now_ms) - start))
[ $took -ge 3000 ] || fail "docker rm did not wait for Leave: $took ms"
docker network rm n1 >/dev/null
same "$(api Berth.Networks '{}' berth-bridge | jq -c '.Networks // []')" '[]'
