#!/bin/bash
# A daemon finds pinned maps of another layout, an older one's and a newer one's: it
# starts, says so and replaces them.  Ports answer all the time, from the LAN and from
# 127.0.0.1, and what is forbidden is never heard, on either dataplane.
# With OLD=FILE that berth-bridge, of a version before, makes the maps.
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"
need tc bpftool

lan
if [ -n "${OLD-}" ]; then
	ln -s "$OLD" berth-bridge
	BIN=$DIR start_daemon berth-bridge
else
	start_daemon berth-bridge
fi
start_dockerd
docker network create -d berth-bridge --subnet 10.65.0.0/24 n >/dev/null
docker network create -d berth-bridge --subnet 10.66.0.0/24 \
	-o berth.dataplane=ebpf e >/dev/null
docker network create -d berth-bridge --subnet 10.67.0.0/24 other >/dev/null
container mallory other
serve webn n 80 -p 8080:80
serve webe e 80 -p 8081:80
BOX+=([webn]=$(pid_of webn) [webe]=$(pid_of webe))
ns lan ip route add 10.0.0.0/8 via 192.0.2.1

pins=/sys/fs/bpf/berth/v1/berth-bridge
known=("$pins"/*_meta)
leave_as_of() { # LAYOUT, its bytes
	local meta
	for meta in "${known[@]}"; do
		# shellcheck disable=SC2086 # words
		bpftool map update pinned "$meta" key 0 0 0 0 \
			value 0 0 0 0 0 0 0 0 $1 0 0 0 0
	done
}

# Forbidden: from a container of another network, and from the LAN past the ports.
for v in webn webe; do
	in_background "heard-$v" nsenter "--net=/proc/${BOX[$v]}/ns/net" -- \
		"$IT/lib/forge" listen eth0
	wait_until 5 grep -q ready "$DIR/heard-$v"
done
attack() { # PLACE-NETNS-FILE TARGET NETWORK SRC DMAC
	in_background "flood-$2-$4.log" nsenter "--net=$1" -- \
		"$IT/lib/forge" send eth0 udp "src=$4" "dst=$(ip_of "$2" "$3")" \
		"dmac=$5" dport=9 "text=$2-from-$4" count=1000000000 every=0.01
	floods+=("$PID")
}
floods=()
up=$(cat /sys/class/net/up1/address)
mallory=$(ip_of mallory other)
gate=$(cat "/sys/class/net/$(bridge_of other)/address")
attack_all() {
	attack /run/netns/lan webn n 192.0.2.2 "$up"
	attack /run/netns/lan webe e 192.0.2.2 "$up"
	attack "/proc/${BOX[mallory]}/ns/net" webn n "$mallory" "$gate"
	attack "/proc/${BOX[mallory]}/ns/net" webe e "$mallory" "$gate"
}
arrived() {
	awk '$0 != "ready" { print FILENAME ": " $0 }' "$DIR"/heard-* | sort | uniq -c
}

clients=()
client() { # NAME PREFIX... - fetches all the time
	local log=traffic-$1.log
	shift
	in_background "$log" "$@"
	clients+=("$PID")
	# shellcheck disable=SC2034 # traffic_end reads it
	TRAFFIC[PID]=$DIR/$log
	wait_until 10 grep -q 'first answer' "$DIR/$log"
}
for port in 8080 8081; do
	client "lan-$port" nsenter --net=/run/netns/lan -- \
		"$IT/lib/traffic" fetch 192.0.2.1 "$port"
	client "host-$port" "$IT/lib/traffic" fetch 127.0.0.1 "$port"
done
attack_all

lines() { # TEXT
	grep -c "$1" "$DIR/berth-bridge.log" || :
}
sound() {
	"$NETCTL" doctor >"$DIR/doctor.log" 2>&1
}
n=0
for layout in real '1 0 0 0' '0 0 0 0' '99 0 99 0'; do
	if [ "$layout" = real ] && [ -z "${OLD-}" ]; then continue; fi
	ids=$(bpftool -j map show pinned "$pins/sock_pub" | jq .id)
	kill9_daemon berth-bridge
	[ "$layout" = real ] || leave_as_of "$layout"
	start=$(now_ms)
	start_daemon berth-bridge
	n=$((n + 1))
	note "layout $layout: up again after $(($(now_ms) - start)) ms"
	same "$(lines event=hooks-replaced)" $n "lines of the hooks in the log"
	[ "$layout" = real ] ||
		same "$(lines event=guard-replaced)" $n "lines of the guard in the log"
	same "$(lines event=flows-dropped)" $n "lines of the flows in the log"
	known=("$pins"/*_meta)
	differ "$(bpftool -j map show pinned "$pins/sock_pub" | jq .id)" "$ids" \
		"the map of ports"
	wait_until 10 sound
	same "$(arrived)" "" "forbidden packets heard"
	for port in 8080 8081; do
		web=$([ $port = 8080 ] && echo webn || echo webe)
		same "$(ns lan curl -s --max-time 5 "http://192.0.2.1:$port/")" \
			"$web" "from the LAN"
		same "$(curl -s --max-time 5 "http://127.0.0.1:$port/")" \
			"$web" "from here"
	done
done
for p in "${clients[@]}"; do traffic_end "$p"; done

# A restart takes it over as its own, silently.
kill9_daemon berth-bridge
start_daemon berth-bridge
same "$(lines event=hooks-replaced)" $n "lines of the hooks after a restart"

# And the attacks are real.
for p in "${floods[@]}"; do end "$p"; done
same "$(arrived)" "" "forbidden packets heard"
kill9_daemon berth-bridge
nft flush ruleset
for c in webn webe; do tc qdisc del dev "$(port_of "$c")" clsact; done
attack_all
all_heard() {
	[ "$(arrived | wc -l)" = 4 ]
}
wait_until 10 all_heard
for p in "${floods[@]}"; do end "$p"; done
start_daemon berth-bridge
wait_until 10 sound
