#!/bin/bash
# A host port that is taken, by a container or by a process of the host, fails the
# start with an error that names the port and its holder; freed, it can be had.
. "${0%/*}/../lib/lib.sh"

berth_host
docker network create -d berth-bridge n1 >/dev/null
serve first n1 80 -p 8080:80
fails_with 8080 docker run --rm --name second --network n1 -p 8080:80 bb:1 true
docker rm -f second >/dev/null 2>&1 || :
out=$(docker run --rm --name second --network n1 -p 8080:80 bb:1 true 2>&1 || :)
id=$(docker inspect -f '{{.Id}}' first)
ep=$(docker inspect -f '{{.NetworkSettings.Networks.n1.EndpointID}}' first)
case $out in
*"${ep:0:12}"* | *"${id:0:12}"* | *first* | *10.*) ;;
*) fail "the holder is not named: $out" ;;
esac
docker rm -f second >/dev/null 2>&1 || :
same "$(fetch http://127.0.0.1:8080/)" first "the first one goes on"
# Another address of the same port is the same port.
fails_with 8080 docker run --rm --network n1 -p 127.0.0.1:8080:80 bb:1 true

# A process of this host.
in_background listener.log "$IT/lib/server" tcp 8090 echo
listener=$PID
wait_until 5 grep -q ready "$DIR/listener.log"
out=$(docker run --rm --network n1 -p 8090:80 bb:1 true 2>&1 || :)
contains "$out" 8090
contains "$out" "$listener" "the process that holds the port"
# The other way round: the host cannot take what is published.
fails "$IT/lib/server" tcp 8080 echo

end "$listener"
serve third n1 80 -p 8090:80
same "$(fetch http://127.0.0.1:8090/)" third
docker rm -f first >/dev/null
serve fourth n1 80 -p 8080:80
same "$(ns lan curl -s --max-time 5 http://192.0.2.1:8080/)" fourth
# A range fails whole when one port of it is taken, and leaves none behind.
fails_with 8080 docker run --rm --network n1 -p 8070-8085:70-85 bb:1 true
same "$(api Berth.Ports '{}' berth-bridge | jq '[.Ports[] | select(.HostFirst < 8080)] | length')" 0
