#!/bin/bash
# With --live-restore a restart of dockerd loses not one packet of a published port,
# and the container can be stopped, started and removed afterwards.
# asan
. "${0%/*}/../lib/lib.sh"

berth_host --live-restore
docker network create -d berth-bridge n1 >/dev/null
docker volume create -d berth-named v1 >/dev/null
serve web n1 80 -p 8080:80 -p 7000:7 -v v1:/d
server web tcp 7
lan_traffic fetch 192.0.2.1 8080
new=$PID
lan_traffic stream 192.0.2.1 7000
old=$PID
restart_dockerd
pause 0.5
kill9_dockerd
run_dockerd
pause 0.5
traffic_end "$new"
traffic_end "$old"
for p in "${STARTED[@]}"; do
	case $(tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null) in
	*lib/server*) end "$p" ;;
	esac
done
same "$(docker inspect -f '{{.State.Running}}' web)" true
docker stop web >/dev/null
fails ns lan curl -s --max-time 2 http://192.0.2.1:8080/
docker start web >/dev/null
wait_until 10 listens "$(pid_of web)" 80
same "$(ns lan curl -s --max-time 5 http://192.0.2.1:8080/)" web
docker rm -f web >/dev/null
docker volume rm v1 >/dev/null
docker network rm n1 >/dev/null
same "$(api Berth.Networks '{}' berth-bridge | jq '.Networks | length')" 0
same "$(ip -o link show type veth | grep -c berth || :)" 0
