#!/bin/bash
# UDP 4789 is another's, or the VNI is: the network is refused, with whose it is, and nothing is
# left of it; another VXLAN link that can share the port is no trouble; after a boot the network
# waits, doctor says for what, and it is there when the port is free.
# time: 120
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
# shellcheck source=integration/lib/overlay
. "$IT/lib/overlay"
need curl jq python3

host_new a
host_new b
overlay() { host_daemon a berth-overlay --underlay eth0; }
overlay
PEERS='"berth.peers":"'"$(host_address a),$(host_address b)"'",
	"com.docker.network.driver.overlay.vxlanid_list":"4097"'
create() { # - what the driver says
	host_api a NetworkDriver.CreateNetwork '{"NetworkID":"'"$(ov_id net)"'","Options":{
		"com.docker.network.generic":{'"$PEERS"'}},"IPv6Data":[],
		"IPv4Data":[{"Pool":"10.9.0.0/24","Gateway":"10.9.0.1/24"}]}' berth-overlay | jq -r '.Err // ""'
}
refused() { # TEXT WHAT
	contains "$(create)" "$1" "$2"
	host_is_clean a || fail "$2: the refused network left something"
}
hold() { # FAMILY ADDRESS - sets PID: a program that has the port
	in_background held nsenter --net=/run/netns/a -- python3 -uc '
import socket, sys, time
s = socket.socket(getattr(socket, sys.argv[1]), socket.SOCK_DGRAM)
s.bind((sys.argv[2], 4789))
print("held", flush=True)
time.sleep(999)' "$1" "$2"
	wait_until 5 grep -q held "$DIR/held"
}

hold AF_INET 0.0.0.0
refused "UDP port 4789 is in use on this host" "a program has it"
end "$PID"
hold AF_INET 127.0.0.1
refused "UDP port 4789 is in use on this host" "a program has it, of one address"
end "$PID"

# A link that takes whatever VNI comes (OVS, Cilium) shares the port with nobody.
ns a ip link add theirs type vxlan external dstport 4789
ns a ip link set theirs up
refused "link theirs" "a link for every VNI has it"
ns a ip link del theirs

ns a ip link add theirs type vxlan id 4097 dstport 4789
refused "VNI 4097 on UDP port 4789 is that of link theirs" "a link has the VNI"
ns a ip link del theirs

# Each has its VNI: both are fine, and each goes without the other.
ns a ip link add theirs type vxlan id 77 dstport 4789
ns a ip link set theirs up
same "$(create)" "" "beside another's VXLAN link"
wire=bx-$(ov_id net | cut -c1-12)
is_up() { ns a ip -br link show "$wire" | grep -q '[<,]UP[,>]'; }
is_up || fail "its link is not up"
fails ns a python3 -c 'import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(("", 4789))'
ns a ip link del theirs
is_up || fail "its link went with the other"

# A boot at which a program was faster.
check() { host_api a Berth.Check '{}' berth-overlay; }
host_stop a berth-overlay
ns a ip link del "$wire"
hold AF_INET 0.0.0.0
overlay
says() { check | grep -q 'UDP port 4789 is in use on this host'; }
wait_until 5 says
fails is_up
end "$PID"
wait_until 30 is_up
quiet() { ! says; }
wait_until 20 quiet
ov_drop a net
wait_until 5 host_is_clean a
