#!/bin/bash
# netctl port add publishes ports of a container that runs, port rm takes them back:
# connections by its other ports do not notice either, a killed daemon and a flushed
# firewall change nothing, and what is gone leaves its host port free.
. "${0%/*}/../lib/lib.sh"

berth_host
docker network create -d berth-bridge --ipv6 --subnet 10.66.0.0/24 \
	--subnet fd00:66::/64 n1 >/dev/null
serve web n1 80 -p 8080:80 -p 7000:7
server web tcp 7
echo=$PID
server web udp 53
dns=$PID
page() {
	ns lan curl -gs --noproxy '*' --connect-timeout 2 --max-time 5 "http://192.0.2.1:$1/"
}
# free PORT - can a program of this host have it?
free() {
	python3 -c 'import socket, sys
s = socket.socket(); s.bind(("", int(sys.argv[1])))' "$1" 2>/dev/null
}
listed() {
	"$NETCTL" port ls "$1" --json |
		jq -r 'sort_by(.HostFirst)[] | "\(.HostFirst)\(if .Live then "+" else "" end)"' | paste -sd' '
}

lan_traffic stream 192.0.2.1 7000
stream=$PID
traffic fetch 127.0.0.1 8080
fetching=$PID
# from the port that the client below has: nobody answers yet
ns lan python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 40000))
s.sendto(b"x", ("192.0.2.1", 5353))'

# --- add ----------------------------------------------------------------------

fails page 8081
same "$("$NETCTL" port add web 8081:80)" "*:8081 -> $(ip_of web n1):80/tcp"
same "$(page 8081)" web
same "$(ns lan curl -gs --noproxy '*' --max-time 5 'http://[2001:db8:2::1]:8081/')" web
same "$(fetch http://127.0.0.1:8081/)" web
same "$(fetch http://192.0.2.1:8081/)" web
same "$("$NETCTL" port add web 8081:80)" "*:8081 -> $(ip_of web n1):80/tcp" 'the same again'
"$NETCTL" port add web 127.0.0.1:8082:80 5353:53/udp 9000-9019:9000-9019 >/dev/null
same "$(fetch http://127.0.0.1:8082/)" web
fails page 8082
lan_traffic udp 192.0.2.1 5353 40000
pause 0.3
traffic_end
chosen=$("$NETCTL" port add web 80)
chosen=${chosen%% *}
same "$(page "${chosen#*:}")" web
same "$("$NETCTL" port add web 80 | cut -d' ' -f1)" "$chosen" 'a chosen one again'
same "$(listed web)" "5353+ 7000 8080 8081+ 8082+ 9000+ ${chosen#*:}+"
contains "$("$NETCTL" ports | grep ':8081 ')" yes
free 8081 && fail '8081 is not held'

# --- what can't be -------------------------------------------------------------

in_background holder.log python3 -c 'import socket, time
s = socket.socket(); s.bind(("", 8085)); s.listen(); print("ready", flush=True)
time.sleep(600)'
holder=$PID
wait_until 5 grep -q ready holder.log
serve other n1 80 -p 8090:80
fails_with "pid $holder" "$NETCTL" port add web 8085:80
fails_with 'published by endpoint' "$NETCTL" port add web 8090:80
fails_with "8080->80/tcp" "$NETCTL" port add web 8080:81
fails_with "127.0.0.1:8082->80/tcp" "$NETCTL" port add web 8082:80
fails_with "8086" "$NETCTL" port add web 8086:80 8086:81
free 8086 || fail 'half of it was done'
fails_with 'No such container' "$NETCTL" port add nobody 1:1
fails_with 'CONTAINER 8081:80' "$NETCTL" port add web
fails_with 'has neither' "$NETCTL" port add web 8087:80 --backend other
fails_with 'is no port to publish' "$NETCTL" port add web x
fails_with 'with the container' "$NETCTL" port rm web 8080:80
fails_with 'as a whole' "$NETCTL" port rm web 9003:9003
fails_with "port ls web" "$NETCTL" port rm web 8099:80
fails_with 'on no network n2' "$NETCTL" port add web 8087:80 --network n2
end "$holder"
docker rm -f other >/dev/null

# --- it stays ------------------------------------------------------------------

before=$(listed web)
kill9_daemon berth-bridge
same "$(page 8081)" web 'while there is no daemon'
start_daemon berth-bridge ${DATAPLANE:+--dataplane "$DATAPLANE"}
same "$(page 8081)" web 'after kill -9'
same "$(listed web)" "$before"
free 8081 && fail '8081 is not held any more'

# --- rm ------------------------------------------------------------------------

"$NETCTL" port rm web 8081:80
fails page 8081
free 8081 || fail '8081 is held still'
"$NETCTL" port rm web 9000-9019:9000-9019 8082:80
"$NETCTL" port rm web 80
same "$(listed web)" '5353+ 7000 8080'
"$NETCTL" port add web 8081:80 >/dev/null
same "$(page 8081)" web 'added once more'
traffic_end "$stream"
traffic_end "$fetching"
same "$(api Berth.Check '{}' berth-bridge | jq -c .Problems)" '[]'

# the table made anew: as long as that takes, nothing is translated
nft flush ruleset
wait_until 10 page 8081 >/dev/null
wait_until 10 page 8080 >/dev/null

# --- several networks ------------------------------------------------------------

docker network create -d berth-bridge n2 >/dev/null
docker network connect n2 web
way=$(api Berth.Networks '{}' berth-bridge | jq -r '.Networks[].NetworkID' | while read -r id; do
	api Berth.Network "{\"NetworkID\":\"$id\"}" berth-bridge |
		jq -r 'select(.EndpointList[] | .Gateway) | .NetworkID'
done)
same "$(docker network inspect -f '{{.Name}}' "$way")" n1 'the way out'
"$NETCTL" port add web 8083:80 >/dev/null
same "$(page 8083)" web
fails_with 'way out' "$NETCTL" port add web 8084:80 --network n2
docker network disconnect n2 web
same "$(page 8083)" web

# --- the end ---------------------------------------------------------------------

end "$echo"
end "$dns"
docker rm -f web >/dev/null
for p in 8081 8083 8080; do
	fails page $p
	free $p || fail "$p is held still"
done
same "$("$NETCTL" ports --json | jq length)" 0

# --- on the network's own address --------------------------------------------------

docker network create -d berth-bridge \
	-o com.docker.network.bridge.host_binding_ipv4=127.0.0.1 n4 >/dev/null
serve bound n4 80
for _ in 1 2; do
	same "$("$NETCTL" port add bound 8081:80)" "127.0.0.1:8081 -> $(ip_of bound n4):80/tcp"
done
chosen=$("$NETCTL" port add bound 80)
same "$("$NETCTL" port add bound 80)" "$chosen"
same "$(fetch http://127.0.0.1:8081/)" bound
fails page 8081
"$NETCTL" port rm bound 8081:80
same "$("$NETCTL" port ls bound --json | jq length)" 1
docker rm -f bound >/dev/null

# --- one that published nothing; and not to everybody ------------------------------

docker run -d --name plain --network n1 --stop-signal KILL bb:1 \
	sh -c 'echo plain >/www/index.html; exec httpd -f -p 80 -h /www' >/dev/null
wait_until 10 listens "$(pid_of plain)" 80
"$NETCTL" port add plain 8081:80 >/dev/null
same "$(page 8081)" plain
docker stop plain >/dev/null
fails_with 'does not run' "$NETCTL" port add plain 8081:80
free 8081 || fail '8081 is held still'
docker start plain >/dev/null
wait_until 10 listens "$(pid_of plain)" 80
fails page 8081
if [ "${DATAPLANE-}" = ebpf ]; then
	docker network create -d berth-bridge -o berth.allow=198.51.100.0/24 n3 >/dev/null
	serve some n3 80
	"$NETCTL" port add some 8088:80 >/dev/null
	fails page 8088
	same "$(fetch http://127.0.0.1:8088/)" some 'this host is not asked'
fi
