#!/bin/bash
# A CreateNetwork that a crash cut off, and that the next start has to refuse because
# a route took its subnet meanwhile, leaves nothing: no bridge, no table, no address
# on the user's own bridge, and forwarding as it was.
# asan
. "${0%/*}/../lib/lib.sh"
need curl jq

lan
id=$(echo cut | sha256sum | cut -c1-64)
create() { # GENERIC-OPTIONS
	api NetworkDriver.CreateNetwork "{\"NetworkID\":\"$id\",\"Options\":{
		\"com.docker.network.generic\":{$1}},\"IPv4Data\":[{\"Pool\":\"10.83.0.0/24\",
		\"Gateway\":\"10.83.0.1/24\"}],\"IPv6Data\":[]}" berth-bridge
}
cut_off() { # POINT GENERIC-OPTIONS
	BERTH_FP=$1:kill start_daemon berth-bridge
	! create "$2" 2>/dev/null || fail "the daemon did not die at $1"
	wait_until 5 gone "${DAEMON_PID[berth-bridge]}"
	wait "${DAEMON_PID[berth-bridge]}" || :
	ip route add 10.83.0.128/25 via 192.0.2.2
	start_daemon berth-bridge
	grep -q "result=undone.*overlaps" "$DIR/berth-bridge.log" ||
		fail "the start did not refuse it"
	same "$(api Berth.Networks '{}' berth-bridge | jq -c '.Networks // []')" '[]'
	same "$(api Berth.Gc '{"DryRun":true}' berth-bridge | jq -c '.Removed // []')" '[]' \
		"left behind at $1"
	same "$(cat /proc/sys/net/ipv4/ip_forward)" 0 "forwarding"
	fails nft list table inet berth-bridge
	ip route del 10.83.0.128/25
	stop_daemon berth-bridge
	: >"$DIR/berth-bridge.log"
}
cut_off bridge.network.link ""
same "$(ip -j link show type bridge | jq 'map(select(.ifname)) | length')" 0 "bridges"
cut_off bridge.network.forward ""
same "$(ip -j link show type bridge | jq 'map(select(.ifname)) | length')" 0 "bridges"

ip link add mine type bridge
cut_off bridge.network.address '"com.docker.network.bridge.name":"mine"'
same "$(ip -j -4 addr show dev mine | jq '[.[].addr_info[]?] | length')" 0 \
	"addresses on the user's own bridge"
ip link del mine
