#!/bin/bash
# dockerd restarts without live-restore: containers with --restart always come back
# with their ports and volumes, and no link of before is left.
# asan
. "${0%/*}/../lib/lib.sh"

berth_host
docker network create -d berth-bridge n1 >/dev/null
docker volume create -d berth-named v1 >/dev/null
serve web n1 80 -p 8080:80 -v v1:/d --restart always
docker exec web sh -c 'echo kept >/d/file'
same "$(ns lan curl -s --max-time 5 http://192.0.2.1:8080/)" web
links() {
	ip -o link show type veth | grep -vc ' up1' || :
}
same "$(links)" 1
restart_dockerd
wait_until 15 ns lan curl -sf --max-time 1 http://192.0.2.1:8080/
same "$(links)" 1 "veths after the restart"
same "$(docker exec web cat /d/file)" kept
same "$(api Berth.Network "{\"NetworkID\":\"$(net_id n1)\"}" berth-bridge | jq .EndpointCount)" 1
