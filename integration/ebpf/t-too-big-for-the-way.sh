#!/bin/bash
# With the eBPF dataplane and an uplink of a smaller MTU than the container's: what is
# too big for the way gets there, from the published port or the one masqueraded port
# and no other, once the container has been told (ICMP), with or without DF: UDP of
# 1480 and 3000 bytes, TCP.  It never leaves with the container's own address.
export DATAPLANE=ebpf
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

berth_host
docker network create -d berth-bridge --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 n1 >/dev/null
container web n1 -p 7353:53/udp -p 7380:90
listening
ip link set up1 mtu 1400
wait_until 5 sh -c 'ip -j link show up1 | jq -e ".[0].mtu == 1400"'
# What reaches the LAN with a container's own address.
ns lan nft -f - <<'END'
table inet bare {
	counter in { }
	chain c {
		type filter hook prerouting priority raw; policy accept;
		ip saddr 10.65.0.0/24 counter name in
		ip6 saddr fd00:65::/64 counter name in
	}
}
END
cat >"$DIR/udp-server.py" <<'END'
# FAMILY: answers each datagram "SIZE MODE" with SIZE bytes; MODE: of IP_MTU_DISCOVER
import socket
import sys
v6 = sys.argv[1] == "6"
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
if v6:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
s.bind(("::" if v6 else "0.0.0.0", 53))
print("ready", flush=True)
while True:
    data, who = s.recvfrom(2048)
    size, mode = map(int, data.split())
    if not v6:
        s.setsockopt(socket.IPPROTO_IP, 10, mode)
    try:
        s.sendto(b"x" * size, who)
    except OSError as e:
        print(e, flush=True)
END
cat >"$DIR/udp-client.py" <<'END'
# TRIES HOST PORT SIZE MODE: one line an answer, "TRY SIZE FROM-WHERE"
import socket
import sys
tries, host, port, size, mode = sys.argv[1:]
s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET,
                  socket.SOCK_DGRAM)
s.settimeout(1)
for n in range(int(tries)):
    s.sendto(("%s %s" % (size, mode)).encode(), (host, int(port)))
    try:
        data, who = s.recvfrom(65536)
        print(n, len(data), "%s:%d" % who[:2])
    except TimeoutError:
        print(n, "-")
END
for family in 4 6; do
	in_background "udp-server$family.log" nsenter "--net=/proc/${BOX[web]}/ns/net" \
		-- python3 "$DIR/udp-server.py" $family
	wait_until 5 grep -q ready "$DIR/udp-server$family.log"
done
forget_mtu() {
	at web ip route flush cache
	at web ip -6 route flush cache
}
counter() {
	api Berth.Counters '{}' berth-bridge | jq ".Counters.\"$1\""
}
answers_but_one() { # HOST SIZE MODE
	local before
	before=$(counter drop-big)
	same "$(at lan python3 "$DIR/udp-client.py" 3 "$1" 7353 "$2" "$3")" "0 -
1 $2 $1:7353
2 $2 $1:7353" "answers of $2 bytes from $1, mode $3"
	[ "$(counter drop-big)" -gt "$before" ] || fail "drop-big stands still"
}
# 0: DONT, no DF and heeds what it is told; 1: WANT, as by default.
for mode in 0 1; do
	for size in 1452 3000; do
		forget_mtu
		answers_but_one 192.0.2.1 $size $mode
	done
done
# Of IPv6 the sender alone cuts.
for size in 1440 3000; do
	forget_mtu
	answers_but_one 2001:db8:2::1 $size 0
done
# Out of a container: the one flow keeps its port, whatever the size of its packets.
cat >"$DIR/sink.py" <<'END'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 7000))
print("ready", flush=True)
while True:
    data, who = s.recvfrom(65536)
    print(len(data), "%s:%d" % who, flush=True)
    s.sendto(b"x", who)
END
in_background sink.log nsenter --net=/run/netns/lan -- python3 "$DIR/sink.py"
wait_until 5 grep -q ready "$DIR/sink.log"
for first in 100 1472; do
	forget_mtu
	at web python3 - $first <<'END'
import socket
import sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 10, 0)
s.settimeout(0.5)
for size in (int(sys.argv[1]), 1472, 1472, 100, 1472):
    s.sendto(b"x" * size, ("192.0.2.2", 7000))
    try:
        s.recv(16)
    except TimeoutError:
        pass
END
	same "$(sed 1d "$DIR/sink.log" | cut -d' ' -f2 | sort -u | wc -l)" 1 \
		"ports of one flow that began with $first bytes"
	[ "$(grep -c '^1472 192.0.2.1:' "$DIR/sink.log")" -ge 2 ] ||
		fail "big ones did not come: $(cat "$DIR/sink.log")"
	echo ready >"$DIR/sink.log"
done
# TCP, both families, the client with the larger MTU.
cat >"$DIR/tcp-server.py" <<'END'
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.bind(("::", 90))
s.listen()
print("ready", flush=True)
while True:
    c, _ = s.accept()
    c.sendall(b"x" * 3000000)
    c.close()
END
in_background tcp-server.log nsenter "--net=/proc/${BOX[web]}/ns/net" -- \
	python3 "$DIR/tcp-server.py"
wait_until 5 grep -q ready "$DIR/tcp-server.log"
for host in 192.0.2.1 2001:db8:2::1; do
	forget_mtu
	before=$(counter drop-big)
	same "$(at lan python3 -c '
import socket, sys
s = socket.create_connection((sys.argv[1], 7380), 5)
n = 0
while d := s.recv(65536):
    n += len(d)
print(n)' $host)" 3000000 "bytes by TCP from $host"
	[ "$(counter drop-big)" -gt "$before" ] || fail "nothing was too big"
done
same "$(ns lan nft -j list counters table inet bare |
	jq '[.nftables[].counter? | select(. != null).packets] | add')" 0 \
	"packets with the container's own address"
ip link set up1 mtu 1500
