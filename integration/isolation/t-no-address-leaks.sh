#!/bin/bash
# No packet leaves a masquerading network with a container's own address, also none
# that belongs to no connection and that NAT passes by.
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

berth_host
docker network create -d berth-bridge --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 n1 >/dev/null
docker network create -d berth-bridge --subnet 10.66.0.0/24 \
	-o com.docker.network.bridge.enable_ip_masquerade=false own >/dev/null
container web n1
container bare own
listening

# What arrives on the LAN, by source.
ns lan nft -f - <<'END'
table inet seen {
	chain in {
		type filter hook prerouting priority raw
		ip saddr 192.0.2.1 tcp dport 5000 counter comment "host"
		ip saddr 10.65.0.0/24 counter comment "leak"
		ip6 saddr fd00:65::/64 counter comment "leak6"
		ip saddr 10.66.0.0/24 counter comment "bare"
	}
}
END
arrived() { # COMMENT
	ns lan nft -j list table inet seen | jq --arg c "$1" '.nftables[].rule?
		| select(. != null and .comment == $c) | .expr[].counter?
		| select(. != null).packets'
}
cat >"$DIR/rst.py" <<'END'
import socket, struct, sys

def checksum(b):
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    s = (s >> 16) + (s & 0xffff)
    return ~(s + (s >> 16)) & 0xffff

src, dst, flags = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in src else socket.AF_INET
t = struct.pack("!HHIIBBHHH", 4000, 5000, 1, 0, 0x50, flags, 1024, 0, 0)
a, b = socket.inet_pton(family, src), socket.inet_pton(family, dst)
pseudo = (struct.pack("!BBH", 0, 6, 20) if family == socket.AF_INET
          else struct.pack("!IHBB", 20, 0, 0, 6))
t = t[:16] + struct.pack("!H", checksum(a + b + pseudo + t)) + t[18:]
s = socket.socket(family, socket.SOCK_RAW, 6)
s.bind((src, 0))
s.sendto(t, (dst, 0))
END
send() { # PLACE SOURCE DESTINATION FLAGS
	at "$1" python3 "$DIR/rst.py" "$2" "$3" "$4"
}
send_all() { # FIN, FIN+PSH+URG, RST, SYN+FIN
	local f
	for f in 1 41 4 3; do
		send web 10.65.0.2 192.0.2.2 $f
		send web fd00:65::2 2001:db8:2::2 $f
	done
}
wait_until 10 at web ping -c1 -W1 192.0.2.2 >/dev/null
wait_until 10 at web ping -c1 -W1 2001:db8:2::2 >/dev/null
# RST and the rest belong to nothing; a SYN is translated and arrives.
dropped_by inet invalid 6 send_all
send web 10.65.0.2 192.0.2.2 2
wait_until 5 eval '[ "$(arrived host)" -ge 1 ]'
same "$(arrived leak) $(arrived leak6)" "0 0" "packets with the container's address"
# Where nothing is masqueraded nothing is dropped for it.
ns lan ip route add 10.66.0.0/24 via 192.0.2.1
send bare 10.66.0.2 192.0.2.2 4
wait_until 5 eval '[ "$(arrived bare)" = 1 ]'
