#!/bin/bash
# The daemon is down for a few seconds while docker run waits: the run succeeds.  It
# is down during rm -f: dockerd forgets, and the daemon removes the endpoint after
# its grace time.
# waits
# time: 240
. "${0%/*}/../lib/lib.sh"

need docker curl jq
lan
start_daemon berth-bridge --gc-grace 5s
start_daemon berth-named
start_dockerd
docker network create -d berth-bridge n1 >/dev/null
serve keep n1 80 -p 8081:80
kill9_daemon berth-bridge
in_background run.log docker run -d --name web --network n1 -p 8080:80 \
	--stop-signal KILL bb:1 httpd -f -p 80
run=$PID
# dockerd tries at 0, 1, 3 and 7 s.
never_within 5 gone "$run"
start_daemon berth-bridge --gc-grace 5s
wait "$run"
same "$(docker inspect -f '{{.State.Running}}' web)" true
same "$(ns lan curl -s --max-time 5 http://192.0.2.1:8081/)" keep

# Down during rm -f: dockerd gives up after 15 s a call and forgets.
kill9_daemon berth-bridge
docker rm -f web >/dev/null
start_daemon berth-bridge --gc-grace 5s
endpoints() {
	api Berth.Networks '{}' berth-bridge | jq '[.Networks[].Endpoints] | add'
}
one_left() {
	[ "$(endpoints)" = 1 ]
}
wait_until 20 one_left
fails ns lan curl -s --max-time 2 http://192.0.2.1:8080/
same "$(ns lan curl -s --max-time 5 http://192.0.2.1:8081/)" keep
same "$(api Berth.Ports '{}' berth-bridge | jq '[.Ports[].HostFirst] | unique | length')" 1
