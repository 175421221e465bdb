#!/bin/bash
# The daemon is killed with live containers: an established stream and new
# connections go on without loss; started again it knows everything, and stop and rm
# are clean.
. "${0%/*}/../lib/lib.sh"

berth_host
docker network create -d berth-bridge --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 n1 >/dev/null
docker volume create -d berth-named v1 >/dev/null
serve web n1 80 -p 8080:80 -p 7000:7 -v v1:/d
server web tcp 7
srv=$PID
lan_traffic fetch 192.0.2.1 8080
pids=("$PID")
lan_traffic stream 192.0.2.1 7000
pids+=("$PID")
traffic fetch 127.0.0.1 8080
pids+=("$PID")
known() {
	api Berth.Networks '{}' berth-bridge | jq -S '[.Networks[] | del(.Created)]'
	api Berth.Ports '{}' berth-bridge | jq -S '.Ports | sort'
	api Berth.Volumes '{}' berth-named | jq -S '[.Volumes[] | {Name, Users}]'
}
before=$(known)
rules=$(nft -s -j list ruleset | jq -S 'del(.. | .handle?, .packets?, .bytes?)')
for _ in 1 2 3; do
	kill9_daemon berth-bridge
	kill9_daemon berth-named
	pause 0.3
	start_daemon berth-bridge
	start_daemon berth-named
done
pause 0.3
for p in "${pids[@]}"; do
	traffic_end "$p"
done
same "$(known)" "$before" "what the daemons know"
same "$(nft -s -j list ruleset | jq -S 'del(.. | .handle?, .packets?, .bytes?)')" "$rules" "the firewall"
end "$srv"
docker stop web >/dev/null
docker start web >/dev/null
wait_until 10 listens "$(pid_of web)" 80
same "$(ns lan curl -s --max-time 5 http://192.0.2.1:8080/)" web
docker rm -f web >/dev/null
docker network rm n1 >/dev/null
docker volume rm v1 >/dev/null
