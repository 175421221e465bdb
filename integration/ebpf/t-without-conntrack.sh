#!/bin/bash
# With --conntrack auto and every network on the eBPF dataplane this host tracks no
# connection, and all works: published ports from the LAN, from 127.0.0.1 and from
# containers, masquerade, neighbours; what must not be reached is not, with a program
# detached and the daemon halted either.  A network that nftables carries brings
# tracking, and its end ends it.
# time: 300
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"
need docker conntrack socat ping jq

lan
start_daemon berth-bridge --dataplane ebpf --conntrack auto
start_daemon berth-named
# Docker's own rules track: then there is nothing to gain.
start_dockerd --iptables=false --ip6tables=false --bridge=none
net() { # NAME N [OPTION...]
	docker network create -d berth-bridge --ipv6 --subnet "10.$2.0.0/24" \
		--subnet "fd00:$2::/64" "${@:3}" "$1" >/dev/null
}
net n1 65
net n2 66
container web n1 -p 8080:80 -p 8080:80/udp -p 9000:9000
container near n1
container far n2
listening
web=$(ip_of web n1) web6=$(ip6_of web n1)
ns lan ip route add 10.64.0.0/14 via 192.0.2.1
ns lan ip route add fd00::/16 via 2001:db8:2::1
in_background lan-tcp.log nsenter --net=/run/netns/lan -- "$IT/lib/server" tcp 9000 who
in_background lan-udp.log nsenter --net=/run/netns/lan -- "$IT/lib/server" udp 9000 who
wait_until 5 grep -q ready "$DIR/lan-tcp.log"
wait_until 5 grep -q ready "$DIR/lan-udp.log"
# What reaches the LAN with a container's own address.
ns lan nft 'table inet bare { counter n { }; chain c {
	type filter hook prerouting priority raw;
	ip saddr 10.64.0.0/14 counter name n; ip6 saddr fd00::/16 counter name n; }; }'

# What the kernel has, as its own tools say it.
tracked() {
	cat /proc/sys/net/netfilter/nf_conntrack_count
}
rules_track() {
	nft -j list ruleset | jq -e '[.. | objects | select(has("ct") or has("notrack") or
		has("dnat") or has("snat") or has("masquerade") or .type? == "nat")]
		!= []' >/dev/null
}
rules_do_not_track() {
	! rules_track
}
works() {
	local who
	for who in lan far web; do
		asks $who <<-'END'
		tcp/192.0.2.1/8080 web
		udp/192.0.2.1/8080 web
		tcp/2001:db8:2::1/8080 web
		udp/2001:db8:2::1/8080 web
		END
	done
	asks host <<-'END'
	tcp/127.0.0.1/8080 web
	udp/127.0.0.1/8080 web
	tcp/::1/8080 web
	tcp/192.0.2.1/8080 web
	tcp/2001:db8:2::1/8080 web
	END
	asks near <<-END
	tcp/$web/80 web
	udp/$web6/81 web
	END
	same "$(at far socat -u -T2 tcp:192.0.2.2:9000 - | cut -d' ' -f1)" 192.0.2.1
	same "$(at far socat -u -T2 'tcp6:[2001:db8:2::2]:9000' - | cut -d' ' -f1)" \
		2001:db8:2::1
	same "$(at far socat -T2 - udp:192.0.2.2:9000 <<<x | cut -d' ' -f1)" 192.0.2.1
	at far ping -c 1 -W 2 192.0.2.2 >/dev/null
	at far ping -c 1 -W 2 2001:db8:2::2 >/dev/null
}
closed() {
	asks lan <<-END
	tcp/192.0.2.1/81 no
	udp/192.0.2.1/81 no
	tcp/$web/80 no
	udp/$web/80 no
	tcp/$web6/80 no
	END
	asks far <<-END
	tcp/$web/80 no
	udp/$web/80 no
	tcp/$web6/80 no
	END
	same "$(ns lan nft -j list counters | jq '.nftables[].counter? |
		select(. != null).packets')" 0 "packets with a container's address"
}
no_problems() {
	[ "$(api Berth.Check '{}' berth-bridge | jq -c .Problems)" = '[]' ]
}
wait_until 5 rules_do_not_track
conntrack -F 2>/dev/null
works
closed
same "$(tracked)" 0 "tracked connections"
same "$(conntrack -L 2>/dev/null; conntrack -f ipv6 -L 2>/dev/null)" "" "conntrack -L"
wait_until 5 no_problems
lacks "$(cat "$DIR/berth-bridge.log")" event=conntrack-used "the log"

# Flushed, the same form is back.
nft flush ruleset
wait_until 5 nft list chain inet berth-bridge astray
rules_do_not_track
closed
same "$(tracked)" 0 "tracked connections after a flush"

# Another network by nftables: both work, and are tracked; then not.
net n3 67 -o berth.dataplane=nft
rules_track || fail "no tracking for a network by nftables"
container old n3 -p 8090:80
listening
asks lan <<<'tcp/192.0.2.1/8090 old'
same "$(at old socat -u -T2 tcp:192.0.2.2:9000 - | cut -d' ' -f1)" 192.0.2.1
works
closed
differ "$(tracked)" 0 "tracked connections with a network by nftables"
docker rm -f old >/dev/null
docker network rm n3 >/dev/null
unset "BOX[old]"
rules_do_not_track || fail "still tracking"
conntrack -F 2>/dev/null
works
closed
same "$(tracked)" 0 "tracked connections without it"

# Detached, and nobody to put it back: nothing opens, and nobody is refused.
kill -STOP "${DAEMON_PID[berth-bridge]}"
pin=/sys/fs/bpf/berth/v1/berth-bridge/publish_in_$(cat /sys/class/net/up1/ifindex)
bpftool link detach pinned "$pin" 2>/dev/null || tc filter del dev up1 ingress
away() {
	asks lan <<-'END'
	tcp/192.0.2.1/8080 -
	udp/192.0.2.1/8080 -
	tcp/2001:db8:2::1/8080 -
	END
}
dropped_by inet "its program is away" 3 away
closed
# Nor does anything leave with the container's address.
tc filter del dev "$(port_of far)" ingress
leave() {
	asks far <<-'END'
	tcp/192.0.2.2/9000 no
	udp/192.0.2.2/9000 no
	tcp/2001:db8:2::2/9000 no
	END
}
dropped_by inet "not masqueraded" 3 leave
closed
same "$(tracked)" 0 "tracked connections with programs away"
kill -CONT "${DAEMON_PID[berth-bridge]}"
wait_until 5 no_problems
works
closed
same "$(tracked)" 0 "tracked connections at the end"

# Another daemon takes it over as it is.  With another table of flows these are gone,
# and whoever goes on is told so by a RST, from either side.
server web tcp 9000 echo
in_background lan-echo.log nsenter --net=/run/netns/lan -- "$IT/lib/server" tcp 9001 echo
wait_until 5 grep -q ready "$DIR/lan-echo.log"
# An echo every 50 ms until the connection ends; one that does not come is not waited for.
beat() { # PLACE LOG ADDRESS PORT
	in_background "$2" nsenter "--net=$1" -- python3 -u -c '
import socket, sys, time
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
s.settimeout(0.5)
for n in range(1200):
    s.sendall(b"x")
    try:
        s.recv(1)
    except TimeoutError:
        continue
    print(n)
    time.sleep(0.05)' "$3" "$4"
	wait_until 10 grep -q 9 "$DIR/$2"
}
beat /run/netns/lan beat-in.log 192.0.2.1 9000
beat "/proc/${BOX[far]}/ns/net" beat-out.log 192.0.2.2 9001
kill9_daemon berth-bridge
start_daemon berth-bridge --dataplane ebpf --conntrack auto --flow-table 2048
rules_do_not_track || fail "a restart brought tracking"
wait_until 10 grep -q ConnectionReset "$DIR/beat-in.log"
wait_until 10 grep -q ConnectionReset "$DIR/beat-out.log"
works
closed
same "$(tracked)" 0 "tracked connections after a restart"
