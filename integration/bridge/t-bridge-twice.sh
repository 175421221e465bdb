#!/bin/bash
# Every request of a network's and an endpoint's life sent twice: the same answer
# both times, and the kernel as after the first.
. "${0%/*}/../lib/lib.sh"
need curl jq

lan
no_tentative() {
	! ip -6 addr | grep -q tentative
}
wait_until 5 no_tentative
start_daemon berth-bridge
N=$(printf 'a%.0s' {1..64})
E=$(printf 'b%.0s' {1..64})
ids="\"NetworkID\":\"$N\",\"EndpointID\":\"$E\""
ports='{"com.docker.network.portmap":[{"Proto":6,"Port":80,"HostIP":"","HostPort":8080,"HostPortEnd":8080},
 {"Proto":17,"Port":53,"HostIP":"","HostPort":0,"HostPortEnd":0}]}'
kernel() {
	ip -j -d link | jq -S '[.[] | del(.stats64, .stats, .linkinfo.info_data?, .linkinfo.info_slave_data?)]'
	ip -j addr | jq -S '[.[] | del(.addr_info[]?.valid_life_time, .addr_info[]?.preferred_life_time)]'
	ip -j route show table all | jq -S .
	nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'
	grep -H . /proc/sys/net/ipv[46]/conf/*/forwarding \
		/proc/sys/net/ipv6/conf/*/{accept_ra,disable_ipv6}
}
settled() { # two looks alike: links go a moment after the answer
	local one two
	one=$(kernel)
	pause 0.2
	two=$(kernel)
	[ "$one" = "$two" ]
}
twice() { # METHOD BODY
	local one two first
	one=$(api "NetworkDriver.$1" "$2" berth-bridge)
	lacks "$one" '"Err"' "$1"
	wait_until 5 settled
	first=$(kernel)
	two=$(api "NetworkDriver.$1" "$2" berth-bridge)
	same "$two" "$one" "$1, second answer"
	wait_until 5 settled
	[ "$(kernel)" = "$first" ] || fail "$1: the second changed: $(diff <(echo "$first") <(kernel))"
}
twice CreateNetwork "{\"NetworkID\":\"$N\",\"Options\":{\"com.docker.network.enable_ipv6\":true},
 \"IPv4Data\":[{\"Pool\":\"10.95.0.0/24\",\"Gateway\":\"10.95.0.1/24\"}],
 \"IPv6Data\":[{\"Pool\":\"fd00:95::/64\",\"Gateway\":\"fd00:95::1/64\"}]}"
twice CreateEndpoint "{$ids,\"Interface\":{\"Address\":\"10.95.0.2/24\",\"AddressIPv6\":\"fd00:95::2/64\",\"MacAddress\":\"\"}}"
twice Join "{$ids,\"SandboxKey\":\"/proc/self/ns/net\"}"
twice ProgramExternalConnectivity "{$ids,\"Options\":$ports}"
port=$(api Berth.Ports '{}' berth-bridge)
twice EndpointOperInfo "{$ids}"
restart_daemon berth-bridge
same "$(api Berth.Ports '{}' berth-bridge)" "$port" "ports after a restart"
twice ProgramExternalConnectivity "{$ids,\"Options\":$ports}"
same "$(api Berth.Ports '{}' berth-bridge)" "$port" "ports after asking again"
twice RevokeExternalConnectivity "{$ids}"
twice Leave "{$ids}"
twice DeleteEndpoint "{$ids}"
twice DeleteNetwork "{\"NetworkID\":\"$N\"}"
same "$(api Berth.Check '{}' berth-bridge | jq -c .Problems)" '[]'
