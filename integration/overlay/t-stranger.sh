#!/bin/bash
# A host on the wire that is no host of the network gets no VXLAN packet in, not in
# fragments either, and is counted; one that is gets none of the gateway's, no routers' and
# only so many to groups.
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
need curl jq python3

host_new a
host_new b
host_new evil
NET=$(printf 'n%.0s' {1..64} | tr n a)
for h in a b; do
	host_daemon $h berth-overlay --underlay eth0
	host_api $h NetworkDriver.CreateNetwork '{"NetworkID":"'"$NET"'","Options":{
		"com.docker.network.enable_ipv6":true,"com.docker.network.generic":{
		"berth.peers":"192.0.2.1,192.0.2.2,192.0.2.9",
		"com.docker.network.driver.overlay.vxlanid_list":"4097"}},
		"IPv4Data":[{"Pool":"10.9.0.0/24","Gateway":"10.9.0.1/24"}],
		"IPv6Data":[{"Pool":"fd00:9::/64","Gateway":"fd00:9::1/64"}]}' \
		berth-overlay | jq -e '.Err // "" | . == ""' >/dev/null || fail "network on $h"
done
# A container of each, without Docker: the peer is moved by hand.
i=1
for h in a b; do
	i=$((i + 1))
	ep=$(printf "$i%.0s" {1..64})
	host_api $h NetworkDriver.CreateEndpoint '{"NetworkID":"'"$NET"'","EndpointID":"'"$ep"'",
		"Interface":{"Address":"10.9.0.'$i'/24","AddressIPv6":"fd00:9::'$i'/64",
		"MacAddress":"02:42:0a:09:00:0'$i'"},"Options":{}}' berth-overlay >/dev/null
	new_ns "c$h"
	peer=$(host_api $h NetworkDriver.Join '{"NetworkID":"'"$NET"'","EndpointID":"'"$ep"'",
		"SandboxKey":"/run/netns/c'$h'","Options":{}}' berth-overlay |
		jq -r .InterfaceName.SrcName)
	ns $h ip link set "$peer" netns "c$h"
	ns "c$h" sysctl -qw "net.ipv6.conf.$peer.accept_dad=0"
	ns "c$h" ip link set "$peer" name eth0
	ns "c$h" ip addr add "10.9.0.$i/24" dev eth0
	ns "c$h" ip addr add "fd00:9::$i/64" dev eth0 nodad
	ns "c$h" ip link set eth0 up
done
wait_until 5 ns ca ping -qc1 -W1 10.9.0.3
wait_until 5 ns ca ping -qc1 -W1 fd00:9::3

dropped() { # FAMILY COMMENT [HOST] - packets that rules of that comment counted on a
	ns "${3-a}" nft -j list table "$1" berth-overlay-vxlan | jq --arg c "$2" \
		'[.nftables[].rule? | select(.comment == $c) | .expr[].counter?.packets // empty]
		| add // 0'
}
# forge FROM SOURCE WHAT [COUNT] - a VXLAN packet to host a, with an inner frame.
forge() {
	ns "$1" python3 - "${@:2}" <<'END'
import os, socket, struct, sys
source, what = sys.argv[1:3]
count = int(sys.argv[3]) if len(sys.argv) > 3 else 1
def mac(s):
    return bytes.fromhex(s.replace(":", ""))
def ip4(src, dst, proto, data):
    h = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), 1, 0, 64, proto, 0,
                    socket.inet_aton(src), socket.inet_aton(dst))
    s = sum(struct.unpack("!10H", h))
    s = (s & 0xffff) + (s >> 16)
    s = ~((s & 0xffff) + (s >> 16)) & 0xffff
    return h[:10] + struct.pack("!H", s) + h[12:] + data
to, me = mac("02:42:0a:09:00:02"), mac("02:42:0a:09:00:09")
udp = struct.pack("!HHHH", 7, 7777, 13, 0) + b"evil\n"
frames = {
    "udp": to + me + b"\x08\x00" + ip4("10.9.0.9", "10.9.0.2", 17, udp),
    "big": to + me + b"\x08\x00" + ip4("10.9.0.9", "10.9.0.2", 17,
           struct.pack("!HHHH", 7, 7777, 1308, 0) + b"evil\n" * 260),
    "gateway": to + mac("02:76:78:00:10:01") + b"\x08\x00" +
               ip4("10.9.0.1", "10.9.0.2", 17, udp),
    "source": to + me + b"\x08\x00" + ip4("10.9.0.1", "10.9.0.2", 17, udp),
    "ns": to + me + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, 32, 58, 255) +
          socket.inet_pton(socket.AF_INET6, "fd00:9::1") + socket.inet_pton(socket.AF_INET6, "fd00:9::2") +
          b"\x87\0" + bytes(6) + socket.inet_pton(socket.AF_INET6, "fd00:9::2") + b"\1\1" + me,
    "arp": b"\xff" * 6 + me + b"\x08\x06" + bytes.fromhex("0001080006040002") + me +
           socket.inet_aton("10.9.0.1") + to + socket.inet_aton("10.9.0.2"),
    "vlan": to + me + b"\x81\x00\x00\x05\x08\x00" + ip4("10.9.0.9", "10.9.0.2", 17, udp),
    "ra": mac("33:33:00:00:00:01") + me + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, 16, 58, 255) +
          socket.inet_pton(socket.AF_INET6, "fe80::9") + socket.inet_pton(socket.AF_INET6, "ff02::1") +
          b"\x86\0" + bytes(14),
}
to = os.environ.get("TO", "192.0.2.1")
data = b"\x08\0\0" if what == "short" else \
    bytes((int(os.environ.get("FLAGS", "8")), 0, 0, 0)) + \
    (int(os.environ.get("VNI", "4097")) << 8).to_bytes(4, "big") + frames[what]
if "SUM" in os.environ:
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    s.bind((source, 0))
    s.sendto(struct.pack("!HHHH", 50000, 4789, 8 + len(data), int(os.environ["SUM"])) + data,
             (to, 0))
    sys.exit()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((source, 0))
s.setsockopt(socket.IPPROTO_IP, 10, 0)  # fragments where it does not fit
for _ in range(count):
    s.sendto(data, (to, 4789))
END
}

in_background heard.log nsenter --net=/run/netns/ca -- python3 -uc 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 7777))
while True: print(s.recvfrom(9999)[0][:4].decode(), flush=True)'
wait_until 5 sh -c "nsenter --net=/run/netns/ca ss -Hlun 'sport = :7777' | grep -q ."
heard() {
	grep -c evil "$DIR/heard.log" || :
}
# The same packet from a host of the network does arrive: that it is dropped says
# something.
forge b 192.0.2.2 udp
wait_until 3 grep -q evil "$DIR/heard.log"
n=$(heard)

counted() { # FAMILY COMMENT BEFORE
	[ "$(dropped "$1" "$2")" -gt "$3" ]
}
# try FROM SOURCE WHAT FAMILY COMMENT - dropped, and counted there
try() {
	local before
	before=$(dropped "$4" "$5")
	forge "$1" "$2" "$3"
	wait_until 3 counted "$4" "$5" "$before"
	same "$(heard)" "$n" "a $3 packet from $1 was heard"
}
try evil 192.0.2.3 udp inet 'no host of the network'
ns evil ip link set eth0 mtu 576
try evil 192.0.2.3 big inet 'no host of the network'
try b 192.0.2.2 gateway bridge "the gateway's MAC"
try b 192.0.2.2 arp bridge "the gateway's address"
try b 192.0.2.2 source bridge "the gateway's address"
try b 192.0.2.2 ns bridge "the gateway's address"
try b 192.0.2.2 vlan bridge ethertype
try b 192.0.2.2 ra bridge router

# Of a host of the network: the packet's own checksum is wrong (0: there is none), it has no VNI
# by its flags, or VNI 0.
SUM=0 forge b 192.0.2.2 udp
one_more() { [ "$(heard)" = $((n + 1)) ]; }
wait_until 3 one_more
n=$(heard)
bad_sums() { ns a awk '$1 == "Udp:" && !seen++ { for (i = 2; i <= NF; i++) at[$i] = i; next }
	$1 == "Udp:" { print $at["InCsumErrors"] }' /proc/net/snmp; }
bad=$(bad_sums)
SUM=4660 forge b 192.0.2.2 udp
more_bad() { [ "$(bad_sums)" -gt "$bad" ]; }
wait_until 3 more_bad
FLAGS=0 forge b 192.0.2.2 udp
VNI=0 forge b 192.0.2.2 udp
ns cb ping -qc1 -W2 10.9.0.2 >/dev/null # behind them
same "$(heard)" "$n" "a packet with a wrong checksum, or without a VNI, was heard"

# What has no VNI is nobody's; a VNI that is none of ours may be another program's, but
# not by WireGuard, where only encrypted networks are.
try evil 192.0.2.3 short inet 'too short for a VNI'
ip link add berth-wg netns a type veth peer name wg netns evil
ns a ip addr add 198.51.100.1/24 dev berth-wg
ns evil ip addr add 198.51.100.2/24 dev wg
ns a ip link set berth-wg up
ns evil ip link set wg up
TO=198.51.100.1 VNI=4098 try evil 198.51.100.2 udp inet 'no network of ours, by WireGuard'
TO=198.51.100.1 try evil 198.51.100.2 udp inet 'not of an encrypted network'
ns a ip link del berth-wg
n0=$(dropped inet 'no host of the network')
VNI=4098 forge evil 192.0.2.3 udp
same "$(dropped inet 'no host of the network')" "$n0" "another program's VXLAN was dropped"

# A container can't be its host: what it sends to another host's VXLAN would come from
# its host's address by masquerade, with any MAC and address in it, of any network.
ns cb ip route add default via 10.9.0.1
forge cb 10.9.0.3 udp
of_container() {
	[ "$(dropped inet 'VXLAN of a container' b)" = 1 ]
}
wait_until 3 of_container
same "$(heard)" "$n" "a container's VXLAN packet was heard"

# ... but what a host of the network sends to another by way of this one may pass.
for h in b evil; do
	ns $h ip route add 192.0.2.9 via 192.0.2.1
done
passing() { # HOST SOURCE - what a rule of the test's saw behind ours
	TO=192.0.2.9 forge "$1" "$2" udp
	ns a nft -j list table ip behind | jq --arg from "$2" '[.nftables[].rule? |
		select(.comment == $from) | .expr[].counter?.packets // empty] | add'
}
ns a nft 'add table ip behind; add chain ip behind f { type filter hook forward priority -140; };
	add rule ip behind f ip saddr 192.0.2.2 udp dport 4789 counter comment "192.0.2.2";
	add rule ip behind f ip saddr 192.0.2.3 udp dport 4789 counter comment "192.0.2.3"'
same "$(passing evil 192.0.2.3)" 0 "a stranger's packet to a host of the network, by way of another"
# b's own wire floods that way as well: what its container says to groups
passed=$(passing b 192.0.2.2)
[ "$passed" -ge 1 ] || fail "a host's packet to another, by way of a third: did not pass"
ns a nft delete table ip behind

# The gateway of each host is its own; nobody asks for it over the wire.
in_background dump.log nsenter --net=/run/netns/wire -- tcpdump -lnvi br0 udp port 4789
wait_until 5 grep -q 'listening' "$DIR/dump.log"
ns ca ip neigh flush dev eth0
ns ca ping -qc1 -W1 10.9.0.1 >/dev/null
ns a ping -qc1 -W1 10.9.0.3 >/dev/null || : # a process of the host: not to b
ns ca ping -qc1 -W1 10.9.0.3 >/dev/null
wait_until 3 grep -q '10.9.0.2 > 10.9.0.3' "$DIR/dump.log"
lacks "$(cat "$DIR/dump.log")" '10.9.0.1' "the gateway on the wire"

# So many to groups, and no more: 3,000 in no time.
before=$(dropped bridge 'too many to groups')
ns ca python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
for _ in range(3000): s.sendto(b"x", ("10.9.0.255", 9))'
wait_until 3 counted bridge 'too many to groups' "$before"
ns ca ping -qc1 -W1 10.9.0.3 >/dev/null || fail "unicast suffers from it"

# Somebody flushes the host's rules: ours are back.
ns a nft flush ruleset
wait_until 5 ns a nft list table bridge berth-overlay-vxlan
try evil 192.0.2.3 udp inet 'no host of the network'

# The underlay's address changes, and its MTU: followed.
ns a ip link set eth0 mtu 1400
wait_until 5 sh -c "nsenter --net=/run/netns/a ip link show type vxlan | grep -q 'mtu 1350'"

# One that leaves no room for IPv6 is not followed, but told.
narrow() {
	host_api a Berth.Check '{}' berth-overlay | grep -q 'MTU is 1350.* room for 1250'
}
ns a ip link set eth0 mtu 1300
wait_until 10 narrow
ns a ip link set eth0 mtu 1400
wait_until 10 fails narrow
ns a sysctl -qw net.ipv4.conf.eth0.promote_secondaries=1
ns a ip addr add 192.0.2.101/24 dev eth0
ns a ip addr del 192.0.2.1/24 dev eth0
wait_until 5 sh -c "nsenter --net=/run/netns/a ip -d link show type vxlan | grep -q 'local 192.0.2.101'"

# Its link is deleted: made again.
ns a ip link del "$(ns a ip -j link show type vxlan | jq -r '.[0].ifname')"
wait_until 5 sh -c "nsenter --net=/run/netns/a ip link show type vxlan | grep -q UP"
for h in a b; do
	i=2
	[ $h = a ] || i=3
	ep=$(printf "$i%.0s" {1..64})
	for m in Leave DeleteEndpoint; do
		host_api $h NetworkDriver.$m '{"NetworkID":"'"$NET"'","EndpointID":"'"$ep"'"}' \
			berth-overlay >/dev/null
	done
	host_api $h NetworkDriver.DeleteNetwork '{"NetworkID":"'"$NET"'"}' berth-overlay >/dev/null
done
