#!/bin/bash
# UDP 4789 is another's, or the VNI is: the network is refused, with whose it is, and nothing is
# left of it; another VXLAN link that can share the port is no trouble; after a boot the network
# waits, doctor says for what, and it is there when the port is free.  Rules of the host that
# close the port are found by netctl doctor, and what it says opens it.
# time: 120
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
# shellcheck source=integration/lib/overlay
. "$IT/lib/overlay"
need curl jq nft iptables python3

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
	wait_until 2 host_is_clean a # nothing of it is left
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

# Rules that close it to all, and what mends that.
closed() { # - sets WHAT, FIX; "": it is open
	local all
	all=$(host_exec a "$BIN/netctl" doctor --json || [ $? = 3 ])
	all=$(jq '[.[] | select(.Check == "overlay-port" and .Level == "bad")][0] // {}' <<<"$all")
	WHAT=$(jq -r '.What // ""' <<<"$all") FIX=$(jq -r '.Fix // ""' <<<"$all")
}
mend() { # WHAT - is found, and what the doctor says, up to a remark in brackets, opens it
	closed
	contains "$WHAT" "$1"
	fails arrives
	eval "ns a ${FIX%% (*}"
	closed
	same "$WHAT" "" "after: $FIX"
	wait_until 10 arrives
}
arrives() { # a packet of b, as nft counts it behind all rules
	ns a nft reset counters table inet behind >/dev/null
	ns b python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b"\x08\0\0\0\0\x10\x01\0" + bytes(60), ("192.0.2.1", 4789))'
	[ "$(ns a nft -j list counters table inet behind | jq '.nftables[1].counter.packets')" = 1 ]
}
ns a nft -f - <<'END'
table inet behind {
	counter in { }
	chain in { type filter hook input priority 300; udp dport 4789 counter name in; }
}
END
closed
same "$WHAT" "" "without rules"
wait_until 10 arrives
ns a iptables -A INPUT -i lo -j ACCEPT
ns a iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
ns a iptables -A INPUT -p tcp --dport 22 -j ACCEPT
ns a iptables -P INPUT DROP
mend "UDP port 4789 is closed to all by the policy of chain INPUT, table ip filter"
ns a iptables -P INPUT ACCEPT
ns a iptables -F INPUT
ns a nft delete table ip filter
ns a nft -f - <<'END'
table inet admin {
	chain in {
		type filter hook input priority filter
		iif lo accept
		udp dport 4000-5000 counter reject
	}
}
END
mend "by a rule of chain in, table inet admin"
ns a nft delete table inet admin
ns a nft delete table inet behind
ov_drop a net
wait_until 5 host_is_clean a
