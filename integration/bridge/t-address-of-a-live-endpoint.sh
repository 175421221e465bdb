#!/bin/bash
# The address of a container that lives is not taken from it: the request is refused and
# names who has it.
. "${0%/*}/../lib/lib.sh"

berth_host
docker network create -d berth-bridge --subnet 10.72.0.0/24 n1 >/dev/null
serve web n1 80 -p 8080:80 --ip 10.72.0.5
has=$(docker inspect -f '{{.NetworkSettings.Networks.n1.EndpointID}}' web)
ask() {
	api NetworkDriver.CreateEndpoint "{\"NetworkID\":\"$(net_id n1)\",
		\"EndpointID\":\"$1\",\"Interface\":{\"Address\":\"10.72.0.5/24\"},
		\"Options\":{}}" berth-bridge
}
other=$(printf 'f%.0s' {1..64})
got=$(ask "$other")
same "$(jq -r .Code <<<"$got")" EADDRINUSE "$got"
contains "$got" "endpoint ${has:0:12}, which is in use" "the error"
same "$(ns lan curl -s --max-time 5 http://192.0.2.1:8080/)" web
same "$(api Berth.Network "{\"NetworkID\":\"$(net_id n1)\"}" berth-bridge |
	jq -r '.EndpointList[].EndpointID')" "$has"
docker rm -f web >/dev/null
same "$(ask "$other" | jq .Err)" null
api NetworkDriver.DeleteEndpoint "{\"NetworkID\":\"$(net_id n1)\",
	\"EndpointID\":\"$other\"}" berth-bridge >/dev/null
docker network rm n1 >/dev/null
