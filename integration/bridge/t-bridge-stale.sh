#!/bin/bash
# Endpoints that dockerd forgot while we were away are removed after --gc-grace, and
# not before; those in use stay.
. "${0%/*}/../lib/lib.sh"

need docker curl jq
lan
start_daemon berth-bridge --gc-grace 8s
start_dockerd
endpoints() {
	api Berth.Networks '{}' berth-bridge | jq '[.Networks[].Endpoints] | add'
}
docker network create -d berth-bridge --subnet 10.94.0.0/24 n1 >/dev/null
serve stays n1 80 -p 8081:80
serve goes n1 80 -p 8080:80
same "$(endpoints)" 2
# dockerd tries for 45 s, then forgets.
kill9_daemon berth-bridge
docker rm -f goes >/dev/null
start_daemon berth-bridge --gc-grace 8s
same "$(endpoints)" 2 "within the grace"
wait_until 30 sh -c "curl -sS --unix-socket $(sock berth-bridge) -d '{}' \
	http://x/Berth.Networks | jq -e '.Networks[0].Endpoints == 1'"
same "$(ns lan curl -s --max-time 5 http://192.0.2.1:8081/)" stays
fails ns lan curl -s --max-time 1 http://192.0.2.1:8080/
# The port is free again.
serve next n1 80 -p 8080:80
same "$(fetch http://127.0.0.1:8080/)" next
docker rm -f stays next >/dev/null
docker network rm n1 >/dev/null
