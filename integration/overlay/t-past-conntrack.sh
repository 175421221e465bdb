#!/bin/bash
# Frames from container to container are none of conntrack's, and still go by the chains of
# others; what is for the world is masqueraded, also where it is sent to the port's own MAC.
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
need conntrack curl jq nft ping

host_new a
host_new b
host_new world
NET=$(printf 'n%.0s' {1..64} | tr n a)
for h in a b; do
	# the kernel's default, where it has the code
	ns $h sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1 ||
		skip "no bridge netfilter here"
	host_daemon $h berth-overlay --underlay eth0
	host_api $h NetworkDriver.CreateNetwork '{"NetworkID":"'"$NET"'","Options":{
		"com.docker.network.enable_ipv6":true,"com.docker.network.generic":{
		"berth.peers":"192.0.2.1,192.0.2.2"}},
		"IPv4Data":[{"Pool":"10.9.0.0/24","Gateway":"10.9.0.1/24"}],
		"IPv6Data":[{"Pool":"fd00:9::/64","Gateway":"fd00:9::1/64"}]}' \
		berth-overlay | jq -e '.Err // "" | . == ""' >/dev/null || fail "network on $h"
done
# container HOST NAME N - without Docker: the peer is moved by hand.
container() {
	local ep peer
	ep=$(printf "$3%.0s" {1..64})
	host_api "$1" NetworkDriver.CreateEndpoint '{"NetworkID":"'"$NET"'","EndpointID":"'"$ep"'",
		"Interface":{"Address":"10.9.0.'"$3"'/24","AddressIPv6":"fd00:9::'"$3"'/64",
		"MacAddress":"02:42:0a:09:00:0'"$3"'"},"Options":{}}' berth-overlay >/dev/null
	new_ns "$2"
	peer=$(host_api "$1" NetworkDriver.Join '{"NetworkID":"'"$NET"'","EndpointID":"'"$ep"'",
		"SandboxKey":"/run/netns/'"$2"'","Options":{}}' berth-overlay |
		jq -r .InterfaceName.SrcName)
	ns "$1" ip link set "$peer" netns "$2"
	ns "$2" sysctl -qw "net.ipv6.conf.$peer.accept_dad=0"
	ns "$2" ip link set "$peer" name eth0
	ns "$2" ip addr add "10.9.0.$3/24" dev eth0
	ns "$2" ip addr add "fd00:9::$3/64" dev eth0 nodad
	ns "$2" ip link set eth0 up
	ns "$2" ip route add default via 10.9.0.1
}
container a ca 2
container b cb 3
container a next 4

# An administrator's rules, beside ours.
ns a nft -f - <<END
table ip admin {
	chain forward {
		type filter hook forward priority 0
		ip saddr 10.9.0.2 ip daddr 10.9.0.3 counter
		ip saddr 10.9.0.2 ip daddr 10.9.0.4 counter
	}
}
table bridge admin {
	chain prerouting {
		type filter hook prerouting priority 0
		meta priority 6274:7001 counter
	}
}
END
counted() { # FAMILY - what its rules counted
	ns a nft -j list table "$1" admin | jq -c '[.nftables[].rule? | .expr[]?.counter?.packets // empty]'
}
followed() { # HOST FAMILY - flows between containers
	ns "$1" conntrack -f "$2" -L 2>/dev/null | grep -Ec 'src=(10\.9\.|fd00:9:).*dst=(10\.9\.|fd00:9:)' || :
}
for to in 10.9.0.3 10.9.0.4 fd00:9::3 fd00:9::4; do
	wait_until 5 ns ca ping -qc1 -W1 $to
done
for h in a b; do
	same "$(followed $h ipv4)" 0 "flows between containers, on $h"
	same "$(followed $h ipv6)" 0 "flows between containers by IPv6, on $h"
done
same "$(counted ip | jq -c 'map(. > 0)')" '[true,true]' "seen by others' forward chain"
same "$(counted bridge)" '[0]' "frames that still bear the guard's stamp"

# To the world: from the host's address alone, whichever MAC of the host it is sent to.
ns world nft -f - <<END
table ip seen {
	chain prerouting {
		type filter hook prerouting priority 0
		ip saddr 10.9.0.0/24 counter
	}
}
END
world=$(host_address world)
ns ca ping -qc1 -W2 "$world" >/dev/null || fail "no way to the world"
port=$(ns a ip -j link show type veth | jq -r '[.[] | select(.ifname | startswith("bv"))][0,1].address')
for mac in $port; do
	ns ca ip neigh replace 10.9.0.1 lladdr "$mac" dev eth0 nud permanent
	ns ca ping -qc1 -W1 "$world" >/dev/null || :
	note "by $mac: $(ns a conntrack -L -p icmp 2>/dev/null | grep -c "dst=$world" || :)"
done
same "$(ns world nft -j list table ip seen |
	jq '[.nftables[].rule? | .expr[]?.counter?.packets // empty] | add')" 0 \
	"packets in the world with a container's address"
ns a conntrack -L -p icmp 2>/dev/null | grep -q "src=10.9.0.2 dst=$world" ||
	fail "what goes to the world is not followed"

for spec in a:2 a:4 b:3; do
	for m in Leave DeleteEndpoint; do
		host_api "${spec%:*}" NetworkDriver.$m '{"NetworkID":"'"$NET"'","EndpointID":"'"$(
			printf "${spec#*:}%.0s" {1..64})"'"}' berth-overlay >/dev/null
	done
done
for h in a b; do
	host_api $h NetworkDriver.DeleteNetwork '{"NetworkID":"'"$NET"'"}' berth-overlay >/dev/null
done
