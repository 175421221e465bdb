#!/bin/bash
# What a container writes into its frames' priority, which on the host says that the guard
# has seen them, does not come across its veth.
. "${0%/*}/../lib/lib.sh"
need jq nft python3

new_ns host
new_ns box
ns host ip link add name port type veth peer name eth0 netns box
ns host ip link add br0 type bridge
ns host ip link set port master br0 up
ns host ip link set br0 up
ns host ip addr add 10.9.0.1/24 dev br0
ns box ip link set eth0 up
ns box ip addr add 10.9.0.2/24 dev eth0
ns host nft -f - <<END
table bridge seen {
	chain prerouting {
		type filter hook prerouting priority -301
		iifname port meta priority != 0:0 counter comment "forged"
		iifname port ip protocol udp counter comment "all"
	}
}
END
ns box nft -f - <<END
table netdev forge {
	chain egress {
		type filter hook egress device eth0 priority 0
		meta priority set 6274:7001 counter
	}
}
END
counted() { # HOST FAMILY TABLE - in each rule of it
	ns "$1" nft -j list table "$2" "$3" | jq -c '[.nftables[].rule?.expr[]?.counter?.packets // empty]'
}
# by the socket, and by a rule of the container's
ns box python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 0x62747001)
for _ in range(5): s.sendto(b"x", ("10.9.0.1", 7))'
[ "$(counted box netdev forge | jq '.[0]')" -ge 5 ] || fail "the container wrote none"
same "$(counted host bridge seen)" '[0,5]' "frames with a priority, and all of them"

# Where the container's own rule is not: the socket's alone
ns box nft delete table netdev forge
ns box python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 0x62747001)
for _ in range(5): s.sendto(b"x", ("10.9.0.1", 7))'
same "$(counted host bridge seen)" '[0,10]' "frames with a priority, and all of them"
