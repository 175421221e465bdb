#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A restarted daemon whose rules could not be made at first makes them soon
# after, and has not lost the rest: socket hooks, the guard of forwarding.  So does
# one whose socket hooks could not be loaded at first.
# asan
. "${0%/*}/../lib/lib.sh"
need bpftool curl jq nft

lan
echo 0 >/proc/sys/net/ipv4/ip_forward
start_daemon berth-bridge
id=$(echo load | sha256sum | cut -c1-64)
ep() {
	echo "$1" | sha256sum | cut -c1-64
}
say() {
	same "$(api "NetworkDriver.$1" "$2" berth-bridge | jq -r .Err)" null "$1"
}
# publish NAME ADDRESS PORT
publish() {
	local e
	e="\"NetworkID\":\"$id\",\"EndpointID\":\"$(ep "$1")\""
	say CreateEndpoint "{$e,\"Options\":{},\"Interface\":{\"Address\":\"$2/24\"}}"
	say Join "{$e,\"SandboxKey\":\"/var/run/docker/netns/$1\",\"Options\":{}}"
	say ProgramExternalConnectivity "{$e,\"Options\":{\"com.docker.network.portmap\":[{\"Proto\":6,
		\"IP\":\"\",\"Port\":80,\"HostIP\":\"\",\"HostPort\":$3,\"HostPortEnd\":$3}]}}"
}
# hooked PORT - do the socket hooks know it?
hooked() {
	bpftool -j map lookup pinned /sys/fs/bpf/berth/v1/berth-bridge/sock_any \
		key $(($1 % 256)) $(($1 / 256)) 0 0 | jq -e '.value | map(. != "0x00") | any' >/dev/null
}

say CreateNetwork "{\"NetworkID\":\"$id\",\"Options\":{
	\"com.docker.network.enable_ipv6\":false,\"com.docker.network.generic\":{}},
	\"IPv4Data\":[{\"AddressSpace\":\"x\",\"Pool\":\"10.82.0.0/24\",
	\"Gateway\":\"10.82.0.1/24\"}],\"IPv6Data\":[]}"
publish a 10.82.0.2 8081
hooked 8081
before=$(nft list ruleset | sed 's/counter packets [0-9]* bytes [0-9]*/counter/' | sort)

stop_daemon berth-bridge
nft flush ruleset
BERTH_FP=dp.load.rules:err=EIO:nth=1 start_daemon berth-bridge
rules_are_back() {
	[ "$(nft list ruleset | sed 's/counter packets [0-9]* bytes [0-9]*/counter/' | sort)" = "$before" ]
}
wait_until 5 rules_are_back
hooked 8081
publish b 10.82.0.3 8082
hooked 8082

# The hooks: one is gone, and the first try to load them fails.
stop_daemon berth-bridge
pin=/sys/fs/bpf/berth/v1/berth-bridge/sock_link_connect4
rm "$pin"
BERTH_FP=sock.attach:err=EIO:nth=1 start_daemon berth-bridge
wait_until 5 test -e "$pin"
hooked 8081
# They fail for longer: said, and what is unpublished meanwhile does not stay.
stop_daemon berth-bridge
BERTH_FP=sock.attach:err=EIO start_daemon berth-bridge
contains "$("$NETCTL" doctor || :)" "socket hooks are not up to date"
e="\"NetworkID\":\"$id\",\"EndpointID\":\"$(ep a)\""
say RevokeExternalConnectivity "{$e}"
restart_daemon berth-bridge
hooked 8082
fails hooked 8081
publish c 10.82.0.4 8081
hooked 8081

for e in a b c; do
	e="\"NetworkID\":\"$id\",\"EndpointID\":\"$(ep $e)\""
	say RevokeExternalConnectivity "{$e}"
	say Leave "{$e}"
	say DeleteEndpoint "{$e}"
done
say DeleteNetwork "{\"NetworkID\":\"$id\"}"
same "$(cat /proc/sys/net/ipv4/ip_forward)" 0 "ip_forward"
stop_daemon berth-bridge
