#!/bin/bash
# Listings name networks and containers as Docker does, take names and id prefixes, and
# their JSON holds what their table shows.
. "${0%/*}/lib.sh"
need docker curl jq python3

"$NETCTL" up
start_dockerd
docker network create -d berth-bridge --subnet 10.46.0.0/24 front >/dev/null
docker network create -d berth-bridge --subnet 10.47.0.0/24 back >/dev/null
docker volume create -d berth-named data >/dev/null
serve web front 80 -p 8046:80 -p 127.0.0.1:9000-9009:9000-9009/udp -v data:/d
front=$(net_id front)

same "$("$NETCTL" network ls --json | jq -r '.[].Name' | sort)" $'back\nfront'
contains "$("$NETCTL" network ls)" "${front:0:12}"
for word in front "$front" "${front:0:20}"; do
	same "$("$NETCTL" network inspect "$word" --json | jq -r '.Name, .EndpointList[0].Container')" \
		$'front\nweb' "inspect $word"
done
contains "$("$NETCTL" network inspect front)" "$(ip_of web front)"
fails_with "no Berth network \"nonesuch\"" "$NETCTL" network inspect nonesuch

same "$("$NETCTL" ports --json | jq -r '.[] | "\(.Proto) \(.Host) \(.Target) \(.Container) \(.Network)"' | sort)" \
	"tcp *:8046 $(ip_of web front):80 web front
udp 127.0.0.1:9000-9009 $(ip_of web front):9000-9009 web front"
contains "$("$NETCTL" ports)" '127.0.0.1:9000-9009'

same "$("$NETCTL" volume ls --json | jq -r '.[] | "\(.Name) \(.Users)"')" 'data 1'
contains "$("$NETCTL" volume inspect dat)" '/data/_data'
fails_with "no volume \"nonesuch\"" "$NETCTL" volume inspect nonesuch
same "$("$NETCTL" gc --dry-run --json | jq length)" 0

# a dockerd that hangs costs a second or two, not the listing
in_background hang.log python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
time.sleep(600)' "$DIR/hang.sock"
wait_until 5 test -S "$DIR/hang.sock"
t=$(now_ms)
out=$("$NETCTL" network ls --docker "$DIR/hang.sock")
took=$(($(now_ms) - t))
contains "$out" "${front:0:12}"
lacks "$out" front
at_most $took 2500 "listing with a hung dockerd, ms"

docker rm -fv web >/dev/null
docker network rm front back >/dev/null
docker volume rm data >/dev/null
"$NETCTL" down
