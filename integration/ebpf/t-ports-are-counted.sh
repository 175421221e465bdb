#!/bin/bash
# netctl ports --stats: connections, packets and bytes of each published port, and of
# each container, as clients saw them; they go on when the daemon restarts or is killed
# and begin at 0 when the port is published anew.
. "${0%/*}/../lib/lib.sh"

berth_host
docker network create -d berth-bridge -o berth.dataplane=ebpf \
	--subnet 10.65.0.0/24 n1 >/dev/null
docker network create -d berth-bridge --subnet 10.66.0.0/24 n2 >/dev/null
web() {
	serve web n1 80 -p 8080:80 -p 8101-8103:101-103
	head -c 1000000 /dev/zero | docker exec -i web sh -c 'cat >/www/big'
}
web
serve slow n2 80 -p 8090:80

# stat HOST-PORT FIELD
stat() {
	netctl ports --stats --json |
		jq --argjson p "$1" --arg f "$2" '.[] | select(.HostFirst == $p).Stats[$f]'
}
# of CONTAINER NETWORK FIELD - of the endpoint.
of() {
	netctl network inspect "$2" --stats --json | jq --arg c "$1" --arg f "$3" \
		'.EndpointList[] | select(.Container == $c).Stats[$f]'
}

same "$(stat 8080 Flows)" 0
same "$(stat 8080 BytesOut)" 0
got=0
for _ in {1..20}; do
	size=$(ns lan curl -sS --noproxy '*' --max-time 5 -o /dev/null -w \
		'%{num_connects} %{size_download} %{size_header}' http://192.0.2.1:8080/big)
	read -r connects body header <<<"$size"
	same "$connects $body" "1 1000000"
	got=$((got + body + header))
done

in=$(stat 8080 BytesIn) out=$(stat 8080 BytesOut) packets=$(stat 8080 PacketsOut)
note "$got bytes by curl; counted: $(netctl ports --stats --json | jq -c '.[] | select(.HostFirst == 8080).Stats')"
same "$(stat 8080 Flows)" 20
[ "$out" -ge "$got" ] || fail "$out bytes out, and curl got $got"
at_most "$out" $((got * 12 / 10)) "bytes out"
# Segments, not aggregates of them: none is longer than the wire takes.
at_most "$out" $((packets * 1514)) "bytes in $packets packets"
[ "$in" -gt $((20 * 100)) ] && at_most "$in" $((got / 5)) "bytes in"
same "$(stat 8080 Refused)" 0
same "$(of web n1 Flows)" 20
same "$(of web n1 BytesOut)" "$out"
same "$(of web n1 PacketsIn)" "$(stat 8080 PacketsIn)"

note "a range has a counter of its own; nftables counts nothing"
same "$(stat 8101 Flows)" 0
same "$(netctl ports --stats --json | jq '[.[] | select(.HostFirst == 8101)] | length')" 1
ns lan curl -s --noproxy '*' --max-time 2 http://192.0.2.1:8102/ && fail "somebody listens"
same "$(stat 8101 Flows)" 1
same "$(ns lan curl -sS --noproxy '*' --max-time 5 http://192.0.2.1:8090/)" slow
same "$(netctl ports --stats --json | jq -c '.[] | select(.HostFirst == 8090) | [.Stats, .Dataplane]')" '[null,"nft"]'
same "$(netctl ports --stats | awk '/:8090 / { print $4, $5, $6, $NF }')" 'nft - - -'
same "$(netctl ports --stats | awk '/:8080 / { print $4, $5 }')" 'ebpf 20'
netctl ports --stats | grep -qE ':8080 .* (19|20)\.[0-9]M ' || fail "$(netctl ports --stats)"
same "$(netctl ports --json | jq -c 'map(has("Stats")) | unique')" '[false]'
same "$(netctl network ls --json | jq -r 'sort_by(.Name)[].Dataplane' | xargs)" 'ebpf nft'
contains "$(netctl network ls)" DATAPLANE
at_most "$(netctl ports --stats | wc -L)" 100 "width"
same "$(api Berth.Ports '{}' berth-bridge | jq '.Ports[0] | has("Stats")')" false

note "this host's own clients: connections alone"
for url in http://127.0.0.1:8080/ http://192.0.2.1:8080/ http://localhost:8080/; do
	same "$(fetch "$url")" web
done
same "$(stat 8080 Flows)" 23
same "$(stat 8080 BytesOut)" "$out"

note "masquerade is the container's"
in_background lan-server.log nsenter --net=/run/netns/lan -- "$IT/lib/server" tcp 9000 who
wait_until 5 grep -q ready "$DIR/lan-server.log"
same "$(inns "$(pid_of web)" bash -c 'read -r who </dev/tcp/192.0.2.2/9000; echo "${who% *}"')" 192.0.2.1
same "$(of web n1 Flows)" 22 # 20, one to the range, this one
same "$(stat 8080 Flows)" 23

note "a restart and a kill keep them"
figures() {
	netctl ports --stats --json | jq -cS '[.[] | {HostFirst, Stats}] | sort_by(.HostFirst)'
	netctl network inspect n1 --stats --json | jq -cS '.EndpointList[].Stats'
}
quiet() { # nothing is under way any more
	local now
	now=$(figures)
	pause 0.3
	[ "$now" = "$(figures)" ]
}
wait_until 10 quiet
before=$(figures)
restart_daemon berth-bridge
same "$(figures)" "$before" "after a restart"
kill9_daemon berth-bridge
same "$(ns lan curl -sS --noproxy '*' --max-time 5 http://192.0.2.1:8080/)" web
start_daemon berth-bridge
same "$(stat 8080 Flows)" 24 "one more while nobody was there"
same "$(of web n1 Flows)" 23
same "$(ns lan curl -sS --noproxy '*' --max-time 5 http://192.0.2.1:8080/)" web
same "$(stat 8080 Flows)" 25

note "published anew it begins at 0"
docker restart -t 0 web >/dev/null
wait_until 10 listens "$(pid_of web)" 80
same "$(netctl ports --stats --json | jq -c '[.[] | select(.Container == "web").Stats | add] | unique')" '[0]'
same "$(of web n1 Flows)" 0
same "$(ns lan curl -sS --noproxy '*' --max-time 5 http://192.0.2.1:8080/)" web
same "$(stat 8080 Flows)" 1
docker rm -f web >/dev/null
web
same "$(stat 8080 Flows)" 0
